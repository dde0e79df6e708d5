//! Whether an edited text is still what it was but for the edit: it parses as well as before, nothing is defined twice,
//! nothing has gone that nobody named.
//!
//! Refuses: trusting an answer because it came in the right form.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use index::SyntaxCheck;
use text::Hunk;

use super::Refusal;

/// Kinds of definitions that hold code. What they are part of is named by their qualified name.
const FUNCTIONS: [&str; 8] =
    ["function", "method", "constructor", "macro", "test", "accessor", "singleton_method", "operator"];
/// Kinds that hold definitions.
const HOLDERS: [&str; 15] = [
    "class",
    "struct",
    "enum",
    "union",
    "interface",
    "trait",
    "impl",
    "module",
    "namespace",
    "object",
    "record",
    "protocol",
    "extension",
    "table",
    "view",
];

/// A definition, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    /// Its name.
    pub(crate) name: String,
    qualified: String,
    signature: String,
    is_function: bool,
    /// Its lines without their indentation.
    body: String,
    /// Its lines, from zero.
    pub(crate) lines: Range<usize>,
}

/// The definitions of a text; none where its language is not parsed.
pub(crate) fn definitions(grammar: &str, text: &str) -> Vec<Definition> {
    let outline = index::outline(grammar, text).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let symbols = outline.symbols.into_iter().filter_map(|symbol| {
        let is_function = FUNCTIONS.contains(&symbol.kind);
        let range = symbol.start_line.saturating_sub(1) as usize..symbol.end_line as usize;
        // What holds others is told by its name alone, which also keeps the bodies short.
        let body =
            if is_function { lines.get(range.clone()).unwrap_or_default().join("\n") } else { String::new() };
        (is_function || HOLDERS.contains(&symbol.kind)).then_some(Definition {
            lines: range,
            name: symbol.name,
            qualified: symbol.qualified,
            signature: symbol.signature,
            is_function,
            body,
        })
    });
    symbols.collect()
}

/// Refuses a text that parses worse than the one before, as a whole or where it was changed. False when the one
/// before takes too long to parse, so that nobody knows.
pub(crate) fn syntax(grammar: &str, base: &str, new: &str, hunks: &[Hunk]) -> Result<bool, Refusal> {
    compared(index::check_syntax(grammar, base), || index::check_syntax(grammar, new), hunks)
}

fn compared(before: SyntaxCheck, after: impl FnOnce() -> SyntaxCheck, hunks: &[Hunk]) -> Result<bool, Refusal> {
    let touches =
        |error: &Range<usize>, bytes: &Range<usize>| error.start <= bytes.end && bytes.start <= error.end;
    let inside = |errors: &[Range<usize>]| {
        errors.iter().any(|error| hunks.iter().any(|hunk| touches(error, &hunk.new_bytes)))
    };
    let before = match before {
        // What is not parsed at all cannot be judged; that is so for most kinds of text.
        SyntaxCheck::NoGrammar => return Ok(true),
        SyntaxCheck::TimedOut => {
            return match after() {
                // Whatever the text before was, one that parses is not worse.
                SyntaxCheck::Errors(after) if after.is_empty() => Ok(true),
                SyntaxCheck::Errors(after) if inside(&after) => Err(Refusal::Unchecked),
                _ => Ok(false),
            };
        }
        SyntaxCheck::Errors(before) => before,
    };
    let SyntaxCheck::Errors(after) = after() else { return Err(Refusal::Unchecked) };
    let inside_before = before.iter().any(|error| hunks.iter().any(|hunk| touches(error, &hunk.old_bytes)));
    if after.len() > before.len() || (inside(&after) && !inside_before) {
        return Err(Refusal::Syntax { before: before.len(), after: after.len() });
    }
    Ok(true)
}

/// Refuses a text that defines again, in the same words and the same place, what it defined before. `anywhere` also
/// refuses it in another place, where whole functions and the names of what holds them come twice: that is code which
/// brought its surroundings along.
pub(crate) fn duplicates(before: &[Definition], after: &[Definition], anywhere: bool) -> Result<(), Refusal> {
    let same_place: fn(&Definition) -> [&str; 3] = |one| [&one.qualified, &one.signature, ""];
    let same_text: fn(&Definition) -> [&str; 3] = |one| {
        if one.is_function { [&one.name, &one.signature, &one.body] } else { [&one.name, &one.signature, ""] }
    };
    for key in [same_place, same_text].into_iter().take(if anywhere { 2 } else { 1 }) {
        let mut counts: BTreeMap<[&str; 3], usize> = BTreeMap::new();
        for one in before {
            *counts.entry(key(one)).or_default() += 1;
        }
        let mut now: BTreeMap<[&str; 3], usize> = BTreeMap::new();
        for one in after {
            let count = now.entry(key(one)).or_default();
            *count += 1;
            if counts.get(&key(one)).is_some_and(|before| *count > *before) {
                return Err(Refusal::Duplicate { name: one.name.clone() });
            }
        }
    }
    Ok(())
}

/// Refuses a text that lacks what was defined in the lines of `place` and is defined nowhere now, unless the user's words
/// name it. One definition may take another name.
pub(crate) fn losses(
    before: &[Definition],
    after: &[Definition],
    place: &Range<usize>,
    words: &str,
) -> Result<(), Refusal> {
    let has = |all: &[Definition], name: &str| all.iter().any(|one| one.name == name);
    let inside = before.iter().filter(|one| place.contains(&one.lines.start));
    let gone: Vec<&Definition> =
        inside.filter(|one| !has(after, &one.name) && !has_word(words, &one.name)).collect();
    let Some(first) = gone.first() else { return Ok(()) };
    let fresh = after.iter().filter(|one| !has(before, &one.name)).count();
    if gone.len() == 1 && fresh == 1 { Ok(()) } else { Err(Refusal::Lost { name: first.name.clone() }) }
}

/// Whether a word stands in a text by itself.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            let before = text[..at].chars().next_back().is_some_and(part);
            let after = text[at + word.len()..].chars().next().is_some_and(part);
            !before && !after
        })
}

/// Words of many languages that say nothing about what code is for.
const KEYWORDS: [&str; 26] = [
    "class", "const", "def", "do", "else", "end", "fn", "for", "func", "function", "if", "impl", "import", "in",
    "int", "let", "new", "pub", "public", "return", "self", "static", "struct", "this", "var", "void",
];

/// Whether code and what it would replace have a name in common, where the latter has any.
pub(crate) fn related(old: &str, new: &str) -> bool {
    let names = |text: &str| {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned);
        let is_name = |word: &String| word.starts_with(|c: char| c.is_alphabetic() || c == '_');
        let telling = words.filter(|word| is_name(word) && !KEYWORDS.contains(&word.as_str()));
        telling.collect::<HashSet<_>>()
    };
    let old = names(old);
    old.is_empty() || names(new).intersection(&old).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_takes_too_long_is_not_said_to_be_checked() {
        let hunks = text::hunks("a\nb\nc\n", "a\nB\nc\n");
        // Errors by the byte they are at; `None` stands for a text that takes too long.
        let known = |errors: Option<&[usize]>| {
            let Some(errors) = errors else { return SyntaxCheck::TimedOut };
            SyntaxCheck::Errors(errors.iter().map(|at| *at..at + 1).collect())
        };
        let check = |before, after| compared(known(before), || known(after), &hunks);
        let (none, inside, elsewhere): ([usize; 0], _, _) = ([], [2], [5]);
        assert_eq!(compared(SyntaxCheck::NoGrammar, || panic!("nobody parses it"), &hunks), Ok(true));
        assert_eq!(check(Some(&none), Some(&none)), Ok(true));
        assert_eq!(check(Some(&none), Some(&inside)), Err(Refusal::Syntax { before: 0, after: 1 }));
        assert_eq!(check(Some(&none), None), Err(Refusal::Unchecked));
        assert_eq!(check(None, Some(&none)), Ok(true));
        assert_eq!(check(None, Some(&elsewhere)), Ok(false));
        assert_eq!(check(None, Some(&inside)), Err(Refusal::Unchecked));
        assert_eq!(check(None, None), Ok(false));
    }
}
