//! Quotations in an answer: where a request has them, the next token must go on with lines that stand in its texts.
//!
//! The lines that can still be meant are places in the texts. Each draw walks from every place through the sorted
//! vocabulary and so finds the tokens that fit, without looking at the others. Refuses: to end an answer inside a
//! quotation, and to hold a model up where no token fits; there the quotation is given up.

use std::collections::BTreeSet;

use model::Quotation;

use crate::native::{Model, Token};

/// Stands between the texts; no byte of UTF-8 and so in no token.
const BETWEEN: u8 = 0xFF;

/// A line that opens a quotation has no more bytes, blanks around it included.
const OPENING_BYTES_MAX: usize = 256;

/// The tokens of a model by the bytes they stand for, sorted. Tokens without bytes are left out.
pub(crate) struct Vocabulary(Vec<Entry>);

/// The bytes of a token, and the token.
type Entry = (Box<[u8]>, Token);

impl Vocabulary {
    /// Reads all tokens of a model, which takes tens of milliseconds.
    pub(crate) fn of(model: &Model) -> Self {
        let tokens = (0..).take(model.vocab_len());
        Self::new(tokens.filter(|token| !model.is_control(*token)).map(|token| {
            let mut piece = Vec::new();
            model.append_piece(token, &mut piece);
            (piece, token)
        }))
    }

    fn new(tokens: impl Iterator<Item = (Vec<u8>, Token)>) -> Self {
        let mut sorted: Vec<_> = tokens
            .filter(|(piece, _)| !piece.is_empty())
            .map(|(piece, token)| (piece.into_boxed_slice(), token))
            .collect();
        sorted.sort_unstable();
        Self(sorted)
    }

    /// Of `among`, whose tokens share their first `depth` bytes, those that go on with `byte`.
    fn going_on(among: &[Entry], depth: usize, byte: u8) -> &[Entry] {
        let at = |(piece, _): &Entry| piece.get(depth).copied();
        let start = among.partition_point(|entry| at(entry) < Some(byte));
        let end = among.partition_point(|entry| at(entry) <= Some(byte));
        &among[start..end]
    }
}

/// How far an answer is with its quotations.
pub(crate) struct Quoting {
    opens: Vec<u8>,
    /// The line that ends a quotation, with its line break.
    closes: Vec<u8>,
    /// The texts, every line with its break.
    text: Vec<u8>,
    may_be_empty: bool,
    state: State,
}

enum State {
    /// No quotation; the line so far, unless it is too long to be one that opens.
    Outside { line: Vec<u8> },
    /// A quotation that can go on at these places.
    Inside(BTreeSet<Place>),
}

/// Where a quotation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// It begins with the line at this byte of the text.
    Start(usize),
    /// At this byte of the text.
    Text(usize),
    /// In the closing line, of which so many bytes are written; all of them when it is over.
    Closing(usize),
}

impl Quoting {
    /// An answer that begins.
    pub(crate) fn new(quotation: &Quotation) -> Self {
        let mut text = Vec::new();
        for one in &quotation.texts {
            for line in one.lines() {
                text.extend(line.as_bytes());
                text.push(b'\n');
            }
            text.push(BETWEEN);
        }
        let mut quoting = Self {
            opens: quotation.opens.clone().into_bytes(),
            closes: format!("{}\n", quotation.closes).into_bytes(),
            text,
            may_be_empty: quotation.may_be_empty,
            state: State::Outside { line: Vec::new() },
        };
        if quoting.opens.is_empty() {
            quoting.begin();
        }
        quoting
    }

    /// The tokens that may come next; `None` where all may.
    pub(crate) fn allowed<'v>(&self, vocabulary: impl FnOnce() -> &'v Vocabulary) -> Option<BTreeSet<Token>> {
        let State::Inside(places) = &self.state else { return None };
        let (mut allowed, all) = (BTreeSet::new(), &vocabulary().0);
        for place in places {
            self.collect(*place, all, 0, &mut allowed);
        }
        Some(allowed)
    }

    /// Adds the tokens of `among`, which agree with the text up to `place` in `depth` bytes, that agree with what can follow.
    fn collect(&self, place: Place, among: &[Entry], depth: usize, allowed: &mut BTreeSet<Token>) {
        if self.is_over(place) {
            allowed.extend(among.iter().map(|(_, token)| *token));
            return;
        }
        // Sorted, so those that end here come first.
        let ended = among.iter().take_while(|(piece, _)| piece.len() == depth);
        allowed.extend(ended.map(|(_, token)| *token));
        for (byte, next) in self.steps(place) {
            let among = Vocabulary::going_on(among, depth, byte);
            if !among.is_empty() {
                self.collect(next, among, depth + 1, allowed);
            }
        }
    }

    /// The bytes that can follow at a place, and where each leads.
    fn steps(&self, place: Place) -> impl Iterator<Item = (u8, Place)> {
        let (in_text, in_closing) = match place {
            Place::Start(at) => (Some(at), None),
            Place::Text(at) => (Some(at), (self.text[at - 1] == b'\n').then_some(0)),
            Place::Closing(written) => (None, Some(written)),
        };
        let next = in_text.filter(|at| self.text[*at] != BETWEEN).map(|at| (self.text[at], Place::Text(at + 1)));
        let closing = in_closing.map(|written| (self.closes[written], Place::Closing(written + 1)));
        next.into_iter().chain(closing)
    }

    fn is_over(&self, place: Place) -> bool {
        place == Place::Closing(self.closes.len())
    }

    /// Takes the bytes of the token that was drawn.
    pub(crate) fn accept(&mut self, piece: &[u8]) {
        for byte in piece {
            match &mut self.state {
                State::Outside { line } if *byte == b'\n' => {
                    let fits = line.len() <= OPENING_BYTES_MAX && !self.opens.is_empty();
                    let opens = fits && line.trim_ascii() == self.opens;
                    line.clear();
                    if opens {
                        self.begin();
                    }
                }
                // One byte more tells that it is too long.
                State::Outside { line } if line.len() <= OPENING_BYTES_MAX => line.push(*byte),
                State::Outside { .. } => {}
                State::Inside(places) => {
                    let places = std::mem::take(places);
                    let steps = places.into_iter().flat_map(|place| self.steps(place).collect::<Vec<_>>());
                    let next: BTreeSet<_> = steps.filter(|(at, _)| at == byte).map(|(_, place)| place).collect();
                    let is_over = next.is_empty() || next.iter().any(|place| self.is_over(*place));
                    self.state = if is_over { State::Outside { line: Vec::new() } } else { State::Inside(next) };
                }
            }
        }
    }

    fn begin(&mut self) {
        let mut places = BTreeSet::new();
        if self.may_be_empty {
            places.insert(Place::Closing(0));
        }
        let mut at = 0;
        for line in self.text.split_inclusive(|byte| *byte == b'\n') {
            // What stands between two texts is before the first line of the next.
            let skipped = line.iter().take_while(|byte| **byte == BETWEEN).count();
            if !line[skipped..].trim_ascii().is_empty() {
                places.insert(Place::Start(at + skipped));
            }
            at += line.len();
        }
        if !places.is_empty() {
            self.state = State::Inside(places);
        }
    }

    /// Gives the quotation up.
    pub(crate) fn give_up(&mut self) {
        self.state = State::Outside { line: Vec::new() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENS: &str = "<<<<<<< SEARCH";

    fn quoting(texts: &[&str], may_be_empty: bool) -> Quoting {
        Quoting::new(&Quotation {
            opens: OPENS.into(),
            closes: "=======".into(),
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            may_be_empty,
        })
    }

    /// The pieces of `words` that may follow `written`, in their order; `None` where all may.
    fn allowed(quoting: &mut Quoting, written: &str, words: &[&str]) -> Option<Vec<String>> {
        let tokens = (0..).zip(words).map(|(token, word)| (word.as_bytes().to_vec(), token));
        let vocabulary = Vocabulary::new(tokens);
        quoting.accept(written.as_bytes());
        let allowed = quoting.allowed(|| &vocabulary)?;
        Some(allowed.into_iter().map(|token| words[token as usize].to_owned()).collect())
    }

    #[test]
    fn a_quotation_is_a_run_of_lines() {
        let text = "def f(x):\n    return x\n\ndef g(y):\n    return y";
        let words = [
            "d",
            "def",
            "def h",
            " ",
            "    return",
            "\n",
            "=",
            "=======",
            "=======\n    r",
            "x\n=====",
            "y\n\n",
            "y\n=",
            "",
            "e",
        ];
        let cases: &[(&str, Option<&[&str]>)] = &[
            ("Sure:\n<<<<<<< SEARCH", None),
            ("Sure:\n<<<<<<< SEARCHED\n", None),
            ("<<<<<<< SEARCH    and more\n", None),
            // Not the blank line, and no closing line yet.
            ("Sure:\n<<<<<<< SEARCH\n", Some(&["d", "def", " ", "    return"])),
            ("  <<<<<<< SEARCH \ndef", Some(&[" "])),
            ("<<<<<<< SEARCH\n    return ", Some(&["x\n=====", "y\n="])),
            ("<<<<<<< SEARCH\n    return x\n", Some(&["\n", "=", "=======", "=======\n    r"])),
            ("<<<<<<< SEARCH\n    return x\n\n", Some(&["d", "def", "=", "=======", "=======\n    r"])),
            ("<<<<<<< SEARCH\n    return y\n", Some(&["=", "=======", "=======\n    r"])),
            ("<<<<<<< SEARCH\n    return y\n=======\n", None),
            ("<<<<<<< SEARCH\n    return y\n=======\n    return 2 * y\n>>>>>>> REPLACE\n", None),
            ("<<<<<<< SEARCH\nwhat is not there", None),
        ];
        for (written, expected) in cases {
            let seen = allowed(&mut quoting(&[text], false), written, &words);
            let expected = expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
            assert_eq!(seen, expected, "{written:?}");
        }
    }

    #[test]
    fn texts_stay_apart_and_only_files_to_come_have_no_lines() {
        let words = ["a", "b", "é", "=", "\u{e9}\n"];
        let start = "<<<<<<< SEARCH\n";
        let all = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            allowed(&mut quoting(&["a\n", "b\né"], false), start, &words),
            all(&["a", "b", "é", "\u{e9}\n"])
        );
        assert_eq!(allowed(&mut quoting(&["a\n", "b\né"], false), &format!("{start}a\n"), &words), all(&["="]));
        assert_eq!(allowed(&mut quoting(&["a\n"], true), start, &words), all(&["a", "="]));
        assert_eq!(allowed(&mut quoting(&[" \n\n"], false), start, &words), None, "there is nothing to quote");
    }

    #[test]
    fn a_line_of_the_text_that_looks_like_the_end_is_the_end() {
        let mut quoting = quoting(&["a\n=======\nb\n"], false);
        assert_eq!(allowed(&mut quoting, "<<<<<<< SEARCH\na\n=======", &["\n", "b"]), Some(vec!["\n".to_owned()]));
        assert_eq!(allowed(&mut quoting, "\n", &["\n", "b"]), None);
    }
}
