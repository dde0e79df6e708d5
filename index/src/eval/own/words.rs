//! Words of a question: what is left of a sentence when places and numbers are taken out, and how alike two are.
//!
//! Refuses: languages' finer points; two words are the same when their stems are.

use std::collections::BTreeSet;

use crate::parse::outline::language_name;

/// Shortest word that says something, in characters.
const WORD_CHARS_MIN: usize = 3;
/// Endings that do not make another word.
const ENDINGS: &[&str] = &["ing", "ed", "es", "s", "e"];

/// The stems of the words of a text; names in camel case or with underscores are several words.
pub(super) fn stems(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut word = String::new();
    let mut previous = ' ';
    for c in text.chars().chain([' ']) {
        let new_part = c.is_uppercase() && previous.is_lowercase();
        if (!c.is_alphabetic() || new_part) && !word.is_empty() {
            if word.chars().count() >= WORD_CHARS_MIN {
                words.insert(stem(&word));
            }
            word.clear();
        }
        if c.is_alphabetic() {
            word.extend(c.to_lowercase());
        }
        previous = c;
    }
    words
}

fn stem(word: &str) -> String {
    let shorter = ENDINGS.iter().find_map(|ending| word.strip_suffix(ending));
    shorter.filter(|stem| stem.chars().count() >= WORD_CHARS_MIN).unwrap_or(word).to_owned()
}

/// Whether four fifths of the words of two questions are the same.
pub(super) fn alike(a: &BTreeSet<String>, b: &BTreeSet<String>) -> bool {
    let common = a.intersection(b).count();
    5 * common >= 4 * (a.len() + b.len() - common)
}

/// A text without numbers, hashes, paths and addresses, which would name the answer.
pub(super) fn without_places(line: &str) -> String {
    let kept = line.split_whitespace().filter(|word| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let number = !bare.is_empty() && bare.chars().all(|c| c.is_ascii_digit() || ".,-".contains(c));
        let hash = bare.len() >= 7
            && bare.chars().all(|c| c.is_ascii_hexdigit())
            && bare.contains(|c: char| c.is_ascii_digit());
        let file = bare.contains('.') && language_name(bare).is_some();
        !(number || hash || file || word.contains(['/', '\\']) || word.contains("#"))
    });
    kept.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sentences_meet_in_their_stems() {
        let stems = |text: &str| stems(text).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(stems("parseHeaders of_a request"), "header pars request");
        assert_eq!(stems("Parsed the header's request."), "header pars request the");
        assert_eq!(stems("as is"), "");
    }

    #[test]
    fn what_names_the_answer_is_taken_out() {
        for (line, kept) in [
            ("Fix the parser in src/parse/cut.rs (#123)", "Fix the parser in"),
            ("Use cut.rs since 9fceb02d, 12 times", "Use since times"),
            ("Handle v2 and utf-8 e.g. in feeds", "Handle v2 and utf-8 e.g. in feeds"),
        ] {
            assert_eq!(without_places(line), kept);
        }
    }

    #[test]
    fn near_duplicates_share_four_fifths() {
        let a = stems("give back the open file for reading");
        assert!(alike(&a, &stems("gives back the open file for read")));
        assert!(!alike(&a, &stems("give back the closed folder for writing")));
    }
}
