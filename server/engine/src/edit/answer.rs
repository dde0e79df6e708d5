//! What a model wrote, sorted into code or pieces of edits. Refuses: reasoning, and anything its markers contradict.

use super::fences::{Fenced, fenced_blocks};
use super::limits::ANSWER_BYTES_MAX;
use super::{Refusal, blocks, diff, json};
use crate::answer::strip_leading_reasoning;

/// A model's whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// Its text as it came.
    pub text: &'a str,
    /// Whether the model ended it by itself, and not the limit of its length.
    pub complete: bool,
}

impl<'a> Reply<'a> {
    /// An answer that the model ended by itself.
    #[must_use]
    pub fn complete(text: &'a str) -> Self {
        Self { text, complete: true }
    }
}

/// An answer as it was meant, before anything is compared with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Draft {
    /// Code to stand in the place of what was shown; more than one only if the model wrote more than one.
    Code(Vec<Fenced>),
    /// Edits that say themselves where they belong.
    Pieces(Vec<Piece>),
}

/// One edit that says where it belongs. Lines have no line breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Lines that are there, and those to stand in their place; no lines sought means the whole of a new file.
    Replace { path: Option<String>, search: Vec<String>, replace: Vec<String> },
    /// A new file.
    Create { path: String, lines: Vec<String> },
    /// A file under another name.
    Rename { from: String, to: String },
    /// A file less.
    Delete { path: String },
}

/// Sorts an answer. `language` is that of the file, because fences nest in prose; `replaced` is the code that it is about:
/// where that is JSON, JSON is meant as it stands.
pub(crate) fn read(reply: Reply<'_>, language: &str, replaced: &str) -> Result<Draft, Refusal> {
    if reply.text.len() > ANSWER_BYTES_MAX {
        return Err(if reply.complete { Refusal::TooLong } else { Refusal::CutOff });
    }
    let text = text::LineEnding::Lf.convert(reply.text);
    let text = strip_leading_reasoning(&text);
    let text = without_end_tokens(text.trim_start_matches('\u{feff}'));
    if text.trim().is_empty() {
        return Err(if reply.complete { Refusal::NoCode } else { Refusal::CutOff });
    }
    let lines: Vec<&str> = text.lines().collect();
    if blocks::has_markers(&lines) {
        return blocks::parse(&lines, reply.complete).map(Draft::Pieces);
    }
    if diff::is_diff(&lines) {
        return if reply.complete { diff::parse(&lines).map(Draft::Pieces) } else { Err(Refusal::CutOff) };
    }
    let fenced = fenced_blocks(text, nests(language));
    if let [one] = fenced.as_slice()
        && !matches!(language, "json" | "jsonc")
        && !json::is_in(replaced)
        && let Some(draft) = json::read(&one.text)
    {
        return draft;
    }
    let open = fenced.last().is_some_and(|last| !last.closed);
    if !reply.complete && (open || fenced.iter().all(|one| one.info.is_none())) {
        return Err(Refusal::CutOff);
    }
    let is_empty = fenced.iter().all(|one| one.text.trim().is_empty());
    if is_empty { Err(Refusal::NoCode) } else { Ok(Draft::Code(fenced)) }
}

/// Whether a fence of this language may hold fences of the same length.
pub(crate) fn nests(language: &str) -> bool {
    matches!(language, "markdown" | "md" | "mdx" | "rst" | "quarto")
}

/// What some templates leave at the end of an answer.
fn without_end_tokens(text: &str) -> &str {
    const TOKENS: [&str; 7] =
        ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|return|>", "</s>"];
    let mut rest = text.trim_end();
    while let Some(shorter) = TOKENS.iter().find_map(|token| rest.strip_suffix(token)) {
        rest = shorter.trim_end();
    }
    if rest.len() == text.trim_end().len() { text } else { rest }
}
