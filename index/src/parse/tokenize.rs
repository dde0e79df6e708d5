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
pub(crate) struct CodeTokenizer;

impl Tokenizer for CodeTokenizer {
    type TokenStream<'a> = CodeStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> CodeStream<'a> {
        CodeStream { words: Words::new(text), token: Token { position: usize::MAX, ..Token::default() } }
    }
}

/// The words of one text, for tantivy.
pub(crate) struct CodeStream<'a> {
    words: Words<'a>,
    token: Token,
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
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
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
        push_lower(&mut folded, letters);
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
    /// Parts of the current identifier that were not handed out yet, last first.
    parts: Vec<(usize, usize)>,
    /// Where the current identifier stands.
    span: (usize, usize),
    /// Where the part of it stands that the last token was made from.
    piece: (usize, usize),
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, parts: Vec::with_capacity(PARTS_MAX), span: (0, 0), piece: (0, 0) }
    }

    /// Writes the next token; `Some(true)` when it is the first of its identifier.
    fn next_into(&mut self, token: &mut String) -> Option<bool> {
        if self.part_into(token) {
            return Some(false);
        }
        loop {
            self.span = self.next_identifier()?;
            let (start, end) = self.span;
            split(&self.text[start..end], start, &mut self.parts);
            let several = self.parts.len() > 1;
            self.parts.truncate(PARTS_MAX);
            self.parts.reverse();
            if several && end - start <= WHOLE_BYTES_MAX {
                token.clear();
                push_lower(token, &self.text[start..end]);
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
        while let Some((start, end)) = self.parts.pop() {
            if end - start <= PART_BYTES_MAX {
                token.clear();
                push_lower(token, &self.text[start..end]);
                stem(token);
                self.piece = (start, end);
                return true;
            }
        }
        false
    }

    /// The next run of letters, digits and underscores.
    fn next_identifier(&mut self) -> Option<(usize, usize)> {
        let bytes = self.text.as_bytes();
        loop {
            while self.at < bytes.len() && bytes[self.at].is_ascii() && !is_word_byte(bytes[self.at]) {
                self.at += 1;
            }
            if self.at >= bytes.len() {
                return None;
            }
            let start = self.at;
            while self.at < bytes.len() {
                let byte = bytes[self.at];
                if byte.is_ascii() {
                    if !is_word_byte(byte) {
                        break;
                    }
                    self.at += 1;
                    continue;
                }
                let Some(letter) = self.text[self.at..].chars().next() else { break };
                if !letter.is_alphanumeric() {
                    break;
                }
                self.at += letter.len_utf8();
            }
            if self.at > start {
                return Some((start, self.at));
            }
            // A character that is neither ASCII nor part of a word.
            self.at += self.text[self.at..].chars().next().map_or(1, char::len_utf8);
        }
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What a character is to the splitter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Lower,
    Upper,
    Digit,
    Ideograph,
    Gap,
}

fn shape(letter: char) -> Shape {
    match letter {
        '_' => Shape::Gap,
        'a'..='z' => Shape::Lower,
        'A'..='Z' => Shape::Upper,
        '0'..='9' => Shape::Digit,
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
/// acronym (`HTTPServer`), and between letters and digits.
fn split(word: &str, offset: usize, parts: &mut Vec<(usize, usize)>) {
    parts.clear();
    let mut start = 0;
    let mut previous = Shape::Gap;
    // The last capital of a run belongs to the word it opens.
    let mut last_capital = 0;
    let mut capitals = 0usize;
    for (at, letter) in word.char_indices() {
        let now = shape(letter);
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
    if previous != Shape::Gap && start < word.len() {
        parts.push((offset + start, offset + word.len()));
    }
}

/// Appends a word in lower case and without underscores, so that `getName` and `get_name` are one token.
fn push_lower(token: &mut String, word: &str) {
    if word.is_ascii() {
        token.extend(word.bytes().filter(|&byte| byte != b'_').map(|byte| byte.to_ascii_lowercase() as char));
    } else {
        token.extend(word.chars().filter(|&letter| letter != '_').flat_map(char::to_lowercase));
    }
}

/// A light stem of an English word: plural, `-ing`, `-ed`, final `e`. It only has to map the forms of one word to
/// one token, not to a dictionary form.
fn stem(word: &mut String) {
    if word.len() < 4 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return;
    }
    strip_plural(word);
    strip_verb_ending(word);
    if word.len() >= 4 && word.ends_with('e') {
        word.pop();
    }
}

fn strip_plural(word: &mut String) {
    let keep = word.len();
    if word.ends_with("ies") && keep > 4 {
        word.truncate(keep - 3);
        word.push('y');
    } else if ["sses", "shes", "ches", "xes", "zes"].iter().any(|ending| word.ends_with(ending)) {
        word.truncate(keep - 2);
    } else if word.ends_with('s') && !["ss", "us", "is"].iter().any(|ending| word.ends_with(ending)) {
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
        let mut tokenizer = CodeTokenizer;
        let mut stream = tokenizer.token_stream("see getName now");
        let mut positions = Vec::new();
        while stream.advance() {
            positions.push((stream.token().text.clone(), stream.token().position));
        }
        let positions: Vec<_> = positions.iter().map(|(text, at)| (text.as_str(), *at)).collect();
        assert_eq!(positions, [("see", 0), ("getname", 1), ("get", 1), ("nam", 1), ("now", 2)]);
    }
}
