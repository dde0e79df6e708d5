//! Emphasis in a prompt: pieces of text with a weight.
//!
//! Refuses: weights without bounds. A weight that is no number is text.

use super::PROMPT_BYTES_MAX;
use crate::error::PaintError;

const FACTOR: f64 = 1.1;

/// The largest weight, also of nested brackets; beyond it images are noise long since.
const WEIGHT_MAX: f64 = 10.0;

/// Within so many bytes of its colon a weight ends with a bracket.
const WEIGHT_BYTES_MAX: usize = 32;

/// A part of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Text and its weight, where 1 is that of text without brackets.
    Text(String, f64),
    /// The next window begins here.
    Break,
}

/// Reads a prompt with its emphasis. Neighbours of equal weight are one piece; there is no empty piece.
///
/// # Errors
/// `BadRequest` when it is longer than [`PROMPT_BYTES_MAX`].
pub fn parse(prompt: &str) -> Result<Vec<Piece>, PaintError> {
    if prompt.len() > PROMPT_BYTES_MAX {
        return Err(PaintError::BadRequest(format!(
            "the prompt has {} bytes; {PROMPT_BYTES_MAX} are read",
            prompt.len()
        )));
    }
    let mut parser = Parser { runs: Vec::new(), round: Vec::new(), square: Vec::new() };
    let mut rest = prompt;
    while let Some(next) = rest.chars().next() {
        rest = &rest[parser.take(rest, next)..];
    }
    Ok(parser.finish())
}

/// Text that has one weight so far.
struct Run {
    text: String,
    weight: f64,
    breaks: bool,
}

struct Parser {
    runs: Vec<Run>,
    /// For every open bracket the number of runs before it.
    round: Vec<usize>,
    square: Vec<usize>,
}

impl Parser {
    /// Takes what stands at the front of `rest`; how many bytes it was.
    fn take(&mut self, rest: &str, next: char) -> usize {
        match next {
            '\\' => {
                let escaped = rest[1..].chars().next().filter(|next| "\\()[]".contains(*next));
                self.text(&escaped.unwrap_or('\\').to_string());
                return 1 + escaped.map_or(0, char::len_utf8);
            }
            '(' => self.round.push(self.runs.len()),
            '[' => self.square.push(self.runs.len()),
            ')' => match self.round.pop() {
                Some(from) => self.multiply(from, FACTOR),
                None => self.text(")"),
            },
            ']' => match self.square.pop() {
                Some(from) => self.multiply(from, 1.0 / FACTOR),
                None => self.text("]"),
            },
            ':' => {
                let weight = explicit_weight(rest);
                if let Some((weight, length)) = weight
                    && let Some(from) = self.round.pop()
                {
                    self.multiply(from, weight);
                    return length;
                }
                self.text(":");
            }
            _ => {
                let length = rest.find(['\\', '(', ')', '[', ']', ':']).unwrap_or(rest.len());
                self.plain(&rest[..length]);
                return length;
            }
        }
        next.len_utf8()
    }

    /// Text without brackets, in which `BREAK` may stand as a word of its own.
    fn plain(&mut self, text: &str) {
        let mut rest = text;
        while let Some((before, after)) = split_at_break(rest) {
            self.text(before);
            self.runs.push(Run { text: String::new(), weight: 1.0, breaks: true });
            rest = after;
        }
        self.text(rest);
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.runs.push(Run { text: text.to_owned(), weight: 1.0, breaks: false });
        }
    }

    fn multiply(&mut self, from: usize, factor: f64) {
        for run in &mut self.runs[from..] {
            // Kept finite, so that a factor of zero outside of many brackets gives zero.
            run.weight = (run.weight * factor).clamp(-1e30, 1e30);
        }
    }

    fn finish(mut self) -> Vec<Piece> {
        for from in std::mem::take(&mut self.round) {
            self.multiply(from, FACTOR);
        }
        for from in std::mem::take(&mut self.square) {
            self.multiply(from, 1.0 / FACTOR);
        }
        let mut pieces: Vec<Piece> = Vec::new();
        for run in self.runs {
            let weight = run.weight.clamp(-WEIGHT_MAX, WEIGHT_MAX);
            match pieces.last_mut() {
                _ if run.breaks => pieces.push(Piece::Break),
                Some(Piece::Text(text, before)) if before.total_cmp(&weight).is_eq() => text.push_str(&run.text),
                _ => pieces.push(Piece::Text(run.text, weight)),
            }
        }
        pieces
    }
}

/// The weight in `: 1.3 )` at the front of a text, and the length of that.
fn explicit_weight(rest: &str) -> Option<(f64, usize)> {
    let close = rest.bytes().take(WEIGHT_BYTES_MAX).position(|byte| byte == b')')?;
    let number = rest[1..close].trim();
    let is_number = |letter: char| letter.is_ascii_digit() || "+-.".contains(letter);
    if number.is_empty() || !number.chars().all(is_number) {
        return None;
    }
    let weight: f64 = number.parse().ok()?;
    Some((weight, close + 1))
}

/// The text before the first `BREAK` that is a word, and the text after it, without the blanks around it.
fn split_at_break(text: &str) -> Option<(&str, &str)> {
    const WORD: &str = "BREAK";
    let joins = |letter: char| letter.is_alphanumeric() || letter == '_';
    let (at, _) = text.match_indices(WORD).find(|(at, _)| {
        let before = text[..*at].chars().next_back();
        let after = text[at + WORD.len()..].chars().next();
        !before.is_some_and(joins) && !after.is_some_and(joins)
    })?;
    Some((text[..at].trim_end(), text[at + WORD.len()..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::{Piece, parse};
    use crate::prompt::PROMPT_BYTES_MAX;

    fn check(prompt: &str, expected: &[(&str, f64)]) {
        let pieces = parse(prompt).unwrap();
        let got: Vec<(String, f64)> = pieces
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text, weight) => (text, (weight * 1e6).round() / 1e6),
                Piece::Break => ("BREAK".to_owned(), -1.0),
            })
            .collect();
        let expected: Vec<(String, f64)> =
            expected.iter().map(|(text, weight)| ((*text).to_owned(), *weight)).collect();
        assert_eq!(got, expected, "{prompt}");
    }

    #[test]
    fn brackets_weigh_what_they_enclose() {
        check("", &[]);
        check("plain words", &[("plain words", 1.0)]);
        check("an (important) word", &[("an ", 1.0), ("important", 1.1), (" word", 1.0)]);
        check("((very)) [less]", &[("very", 1.21), (" ", 1.0), ("less", 0.909_091)]);
        check("(word:1.2)", &[("word", 1.2)]);
        check("(a : 0.5 ) b", &[("a ", 0.5), (" b", 1.0)]);
        check("(a (b:2) c)", &[("a ", 1.1), ("b", 2.2), (" c", 1.1)]);
        check("(one)(two)", &[("onetwo", 1.1)]);
        check("(a [b] c:1.5)", &[("a ", 1.5), ("b", 1.363_636), (" c", 1.5)]);
    }

    #[test]
    fn brackets_that_do_not_match_are_no_errors() {
        check("(open", &[("open", 1.1)]);
        check("[open (twice", &[("open ", 0.909_091), ("twice", 1.0)]);
        check("close) again]", &[("close) again]", 1.0)]);
        check("()", &[]);
        check(
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            &[
                ("a ", 1.0),
                ("house", 1.573),
                (" ", 1.1),
                ("on", 1.0),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.4641),
                (".", 1.1),
            ],
        );
    }

    #[test]
    fn a_backslash_makes_letters_of_brackets() {
        check(r"\(literal\] \\ \n", &[(r"(literal] \ \n", 1.0)]);
        check(r"(a\):2)", &[("a)", 2.0)]);
        check("end\\", &[("end\\", 1.0)]);
    }

    #[test]
    fn colons_and_bad_weights_are_text() {
        check("ratio 16:9", &[("ratio 16:9", 1.0)]);
        check("(a:b)", &[("a:b", 1.1)]);
        check("(a:1.2.3)", &[("a:1.2.3", 1.1)]);
        check("(a:)", &[("a:", 1.1)]);
        check("a:1.2)", &[("a:1.2)", 1.0)]);
        check("(a:99999)", &[("a", 10.0)]);
        check("(a:-1)", &[("a", -1.0)]);
        check("(é:1.5) 猫", &[("é", 1.5), (" 猫", 1.0)]);
    }

    #[test]
    fn break_is_a_word_of_its_own() {
        check("one BREAK two", &[("one", 1.0), ("BREAK", -1.0), ("two", 1.0)]);
        check("(one BREAK two)", &[("one", 1.1), ("BREAK", -1.0), ("two", 1.1)]);
        check("BREAKFAST and OUTBREAK", &[("BREAKFAST and OUTBREAK", 1.0)]);
        check("BREAKBREAK BREAK", &[("BREAKBREAK", 1.0), ("BREAK", -1.0)]);
    }

    #[test]
    fn deep_and_long_prompts_are_bounded() {
        let deep = format!("{}x{}", "(".repeat(20_000), ")".repeat(20_000));
        check(&deep, &[("x", 10.0)]);
        assert!(parse(&"a".repeat(PROMPT_BYTES_MAX + 1)).is_err());
    }
}
