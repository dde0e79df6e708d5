//! Words of code: the whole identifier and its parts at one position, in lower case, parts lightly stemmed.
//!
//! Refuses: stop words (a query drops its own) and languages other than the shape of identifiers.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// The name under which the text index knows this tokenizer.
pub(crate) const TOKENIZER: &str = "code";
/// Parts longer than this are encoded data rather than words, in bytes.
const PART_BYTES_MAX: usize = 48;
/// Whole identifiers longer than this are kept as parts only, in bytes.
const WHOLE_BYTES_MAX: usize = 96;
/// An identifier in more parts than this is encoded data and gives its first parts only.
const PARTS_MAX: usize = 16;

/// Cuts text into the words described above.
#[derive(Debug, Clone, Default)]
pub(crate) struct CodeTokenizer {
    /// Kept from text to text for its room.
    token: Token,
}

impl Tokenizer for CodeTokenizer {
    type TokenStream<'a> = CodeStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> CodeStream<'a> {
        self.token.reset();
        CodeStream { words: Words::new(text), token: &mut self.token }
    }
}

/// The words of one text, for tantivy.
pub(crate) struct CodeStream<'a> {
    words: Words<'a>,
    token: &'a mut Token,
}

impl TokenStream for CodeStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(first_of_word) = self.words.next_into(&mut self.token.text) else { return false };
        if first_of_word {
            self.token.position = self.token.position.wrapping_add(1);
        }
        self.token.offset_from = self.words.span.0;
        self.token.offset_to = self.words.span.1;
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

/// Calls `each` with every token of `text`, in order.
pub(crate) fn for_each_token(text: &str, mut each: impl FnMut(&str)) {
    for_each_written(text, |token, _, _| each(token));
}

/// The same, with the piece of text that each token was made from, and whether it is only a part of an identifier.
pub(crate) fn for_each_written(text: &str, mut each: impl FnMut(&str, &str, bool)) {
    let mut words = Words::new(text);
    let mut token = String::new();
    while let Some(first) = words.next_into(&mut token) {
        each(&token, &text[words.piece.0..words.piece.1], !first);
    }
}

/// A name without case and underscores, as its first token has it.
pub(crate) fn folded(name: &str) -> String {
    let mut folded = String::new();
    for letters in name.split(|letter: char| !letter.is_alphanumeric()) {
        push_lower(&mut folded, letters, if letters.is_ascii() { UPPER } else { WIDE });
    }
    folded
}

/// The tokens of one short text.
pub(crate) fn tokens(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for_each_token(text, |token| all.push(token.to_owned()));
    all
}

/// Walks over the identifiers of a text and hands out their forms.
struct Words<'a> {
    text: &'a str,
    at: usize,
    /// The kinds of bytes that the current identifier has.
    kinds: u8,
    /// Parts of the current identifier.
    parts: Parts,
    /// Where the current identifier stands.
    span: (usize, usize),
    /// Where the part of it stands that the last token was made from.
    piece: (usize, usize),
}

/// The first parts of an identifier, in order. They lie inside, because there are as many of these as chunks have texts.
#[derive(Default)]
struct Parts {
    spans: [(usize, usize); PARTS_MAX],
    count: usize,
    /// The first that was not handed out yet.
    next: usize,
}

impl Parts {
    /// Forgets all. What `spans` holds is not looked at any more, so it stays.
    fn clear(&mut self) {
        (self.count, self.next) = (0, 0);
    }

    /// Adds a part, unless there are enough.
    fn push(&mut self, span: (usize, usize)) {
        if let Some(free) = self.spans.get_mut(self.count) {
            *free = span;
            self.count += 1;
        }
    }

    fn take(&mut self) -> Option<(usize, usize)> {
        let span = self.spans[..self.count].get(self.next).copied()?;
        self.next += 1;
        Some(span)
    }
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, kinds: 0, parts: Parts::default(), span: (0, 0), piece: (0, 0) }
    }

    /// Writes the next token; `Some(true)` when it is the first of its identifier.
    fn next_into(&mut self, token: &mut String) -> Option<bool> {
        if self.part_into(token) {
            return Some(false);
        }
        loop {
            self.next_identifier()?;
            let (start, end) = self.span;
            let word = &self.text[start..end];
            self.parts.clear();
            if self.kinds == LOWER {
                // Most words are of this kind.
                self.parts.push(self.span);
            } else if self.kinds & WIDE == 0 {
                split(word.bytes().map(shape_of_byte).enumerate(), self.span, &mut self.parts);
            } else {
                split(word.char_indices().map(|(at, letter)| (at, shape(letter))), self.span, &mut self.parts);
            }
            if self.parts.count > 1 && end - start <= WHOLE_BYTES_MAX {
                token.clear();
                push_lower(token, word, self.kinds);
                self.piece = self.span;
                return Some(true);
            }
            if self.part_into(token) {
                return Some(true);
            }
        }
    }

    /// Writes the next pending part; false when there is none.
    fn part_into(&mut self, token: &mut String) -> bool {
        while let Some((start, end)) = self.parts.take() {
            if end - start <= PART_BYTES_MAX {
                token.clear();
                // No part has an underscore.
                push_lower(token, &self.text[start..end], self.kinds & !GAP);
                if self.kinds & !GAP == LOWER || token.bytes().all(|byte| byte.is_ascii_lowercase()) {
                    stem(token);
                }
                self.piece = (start, end);
                return true;
            }
        }
        false
    }

    /// Finds the next run of letters, digits and underscores.
    fn next_identifier(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        let kind_at = |at: usize| bytes.get(at).map_or(OTHER, |&byte| KINDS[byte as usize]);
        let mut at = self.at;
        loop {
            while at < bytes.len() && kind_at(at) == OTHER {
                at += 1;
            }
            let start = at;
            let mut kinds = 0;
            loop {
                let kind = kind_at(at);
                if kind & (OTHER | WIDE) == 0 {
                    kinds |= kind;
                    at += 1;
                } else if let Some(length) = (kind == WIDE).then(|| letter_bytes(&self.text[at..])).flatten() {
                    kinds |= kind;
                    at += length;
                } else {
                    break;
                }
            }
            if at > start {
                (self.at, self.span, self.kinds) = (at, (start, at), kinds);
                return Some(());
            }
            // The end, or a character that is neither ASCII nor part of a word.
            at += self.text[at..].chars().next()?.len_utf8();
        }
    }
}

/// The bytes of the first character, if it is one of a word.
fn letter_bytes(text: &str) -> Option<usize> {
    text.chars().next().filter(|letter| letter.is_alphanumeric()).map(char::len_utf8)
}

// What a byte is to an identifier, as bits, because an identifier has bytes of several kinds.
const LOWER: u8 = 1;
const UPPER: u8 = 2;
const DIGIT: u8 = 4;
/// An underscore.
const GAP: u8 = 8;
/// A byte of a character that is not ASCII.
const WIDE: u8 = 16;
/// No part of an identifier.
const OTHER: u8 = 32;

/// The kind of each byte, because every byte of a text is looked at.
const KINDS: [u8; 256] = {
    let mut kinds = [OTHER; 256];
    let mut byte = 0;
    while byte < kinds.len() {
        kinds[byte] = match byte {
            0x30..=0x39 => DIGIT,
            0x41..=0x5A => UPPER,
            0x5F => GAP,
            0x61..=0x7A => LOWER,
            0x80.. => WIDE,
            _ => OTHER,
        };
        byte += 1;
    }
    kinds
};

/// What a character is to the splitter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Lower,
    Upper,
    Digit,
    Ideograph,
    Gap,
}

/// The same as [`shape`] for what an identifier has in ASCII.
fn shape_of_byte(byte: u8) -> Shape {
    match byte {
        b'_' => Shape::Gap,
        b'A'..=b'Z' => Shape::Upper,
        b'0'..=b'9' => Shape::Digit,
        _ => Shape::Lower,
    }
}

fn shape(letter: char) -> Shape {
    match letter {
        letter if letter.is_ascii() => shape_of_byte(letter as u8),
        // Scripts written without spaces: each character is a word part.
        '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}' => Shape::Ideograph,
        _ if letter.is_uppercase() => Shape::Upper,
        _ => Shape::Lower,
    }
}

/// Finds the parts of an identifier: at underscores, between `camelCase` humps, before the last capital of an
/// acronym (`HTTPServer`), and between letters and digits. `shapes` are those of its characters, each with the number of
/// bytes before it; `word` is where it stands.
fn split(shapes: impl Iterator<Item = (usize, Shape)>, word: (usize, usize), parts: &mut Parts) {
    let (offset, end) = word;
    let mut start = 0;
    let mut previous = Shape::Gap;
    // The last capital of a run belongs to the word it opens.
    let mut last_capital = 0;
    let mut capitals = 0usize;
    for (at, now) in shapes {
        let cut = match (previous, now) {
            (Shape::Gap, _) => {
                start = at;
                None
            }
            (_, Shape::Gap | Shape::Ideograph) | (Shape::Ideograph, _) => Some(at),
            (Shape::Upper, Shape::Lower) if capitals > 1 => Some(last_capital),
            (Shape::Upper, Shape::Lower) => None,
            (before, after) if before != after => Some(at),
            _ => None,
        };
        if let Some(cut) = cut
            && cut > start
        {
            parts.push((offset + start, offset + cut));
            start = cut;
        }
        if now == Shape::Upper {
            capitals = if previous == Shape::Upper { capitals + 1 } else { 1 };
            last_capital = at;
        }
        previous = now;
    }
    if previous != Shape::Gap && offset + start < end {
        parts.push((offset + start, end));
    }
}

/// Appends a word in lower case and without underscores, so that `getName` and `get_name` are one token. `kinds` are those
/// of its bytes, or more.
fn push_lower(token: &mut String, word: &str, kinds: u8) {
    if kinds & WIDE != 0 {
        token.extend(word.chars().filter(|&letter| letter != '_').flat_map(char::to_lowercase));
        return;
    }
    let before = token.len();
    if kinds & GAP == 0 {
        token.push_str(word);
    } else {
        word.split('_').for_each(|part| token.push_str(part));
    }
    if kinds & UPPER != 0 {
        token[before..].make_ascii_lowercase();
    }
}

/// A light stem of an English word in small ASCII letters: plural, `-ing`, `-ed`, final `e`. It only has to map the forms
/// of one word to one token, not to a dictionary form.
fn stem(word: &mut String) {
    if word.len() < 4 {
        return;
    }
    strip_plural(word);
    strip_verb_ending(word);
    if word.len() >= 4 && word.ends_with('e') {
        word.pop();
    }
}

fn strip_plural(word: &mut String) {
    if !word.ends_with('s') {
        return;
    }
    let keep = word.len();
    if word.ends_with("ies") && keep > 4 {
        word.truncate(keep - 3);
        word.push('y');
    } else if ["sses", "shes", "ches", "xes", "zes"].iter().any(|ending| word.ends_with(ending)) {
        word.truncate(keep - 2);
    } else if !["ss", "us", "is"].iter().any(|ending| word.ends_with(ending)) {
        word.truncate(keep - 1);
    }
}

fn strip_verb_ending(word: &mut String) {
    let keep = if word.len() >= 6 && word.ends_with("ing") {
        word.len() - 3
    } else if word.len() >= 5 && word.ends_with("ed") && !word.ends_with("eed") {
        word.len() - 2
    } else {
        return;
    };
    let stem = &word.as_bytes()[..keep];
    if !stem.iter().any(|byte| matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u' | b'y')) {
        return;
    }
    let doubled = keep >= 4 && stem[keep - 1] == stem[keep - 2] && !matches!(stem[keep - 1], b'l' | b's' | b'z');
    word.truncate(if doubled { keep - 1 } else { keep });
}

#[cfg(test)]
mod tests {
    use super::{CodeTokenizer, tokens};
    use tantivy::tokenizer::{TokenStream, Tokenizer};

    fn check(text: &str, expected: &str) {
        assert_eq!(tokens(text).join(" "), expected, "tokens of {text:?}");
    }

    #[test]
    fn identifiers_give_whole_and_parts() {
        check("getUserName", "getusername get user nam");
        check("get_user_name", "getusername get user nam");
        check("HTTPServer2", "httpserver2 http server 2");
        check("_private", "privat");
        check("__init__", "init");
        check("sha256", "sha256 sha 256");
        check("XMLHttpRequest", "xmlhttprequest xml http request");
        check("MAX_BYTES", "maxbytes max byt");
        check("a.b::c", "a b c");
    }

    #[test]
    fn prose_is_stemmed_to_one_form() {
        check("hashes hashing hashed hash", "hash hash hash hash");
        check("caches caching cached cache", "cach cach cach cach");
        check("running runs", "run run");
        check("queries query", "query query");
        check("class classes status", "class class status");
        check("string thing", "string thing");
    }

    #[test]
    fn other_scripts_and_noise_are_bounded() {
        check("größe Straße", "größe straße");
        check("索引 file", "索引 索 引 file".replace("file", "fil").as_str());
        check("— … 🦀", "");
        let noise = "aB1".repeat(200);
        assert!(tokens(&noise).len() <= 16);
    }

    #[test]
    fn whole_and_parts_share_a_position() {
        let mut tokenizer = CodeTokenizer::default();
        let mut stream = tokenizer.token_stream("see getName now");
        let mut positions = Vec::new();
        while stream.advance() {
            positions.push((stream.token().text.clone(), stream.token().position));
        }
        let positions: Vec<_> = positions.iter().map(|(text, at)| (text.as_str(), *at)).collect();
        assert_eq!(positions, [("see", 0), ("getname", 1), ("get", 1), ("nam", 1), ("now", 2)]);
    }
}
