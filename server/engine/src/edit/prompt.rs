//! A task becomes the messages of a chat request, in one of the forms an answer may have.
//!
//! Refuses: forms that a reader of answers does not know; see `read`.

use model::{Message, Quotation, Role};

use super::limits::{AROUND_LINES, QUOTED_BYTES_MAX, QUOTED_LINES_MAX, WHOLE_BYTES_MAX};
use super::task::slice;
use super::{EditTask, Format, Reach, Refusal};
use crate::{Passage, fenced};

const REWRITE: &str = "You are Familiar, an editor's companion that changes code. Answer with one fenced code \
block that holds the complete new text and nothing else. Keep the indentation and the style. Do not explain.";

const WHOLE: &str = "You are Familiar, an editor's companion that changes code. Answer with one fenced code block that \
holds the complete new file, every line of it, and nothing else. Keep the indentation and the style. Do not explain.";

const BLOCKS: &str = "You are Familiar, an editor's companion that changes code. Answer only with blocks of this form:

path/of/the/file
<<<<<<< SEARCH
lines that are in the file now, copied exactly
=======
lines to stand in their place
>>>>>>> REPLACE

Copy whole lines, with their indentation, and as many as make the place the only one. One block for each place. Never \
leave lines out with an ellipsis. Do not explain.";

/// The lines of that form which stand before and after what is to be replaced.
const SEARCH_LINE: &str = "<<<<<<< SEARCH";
const DIVIDER_LINE: &str = "=======";

const FILES: &str = "\nA block without search lines makes a new file. `RENAME FILE: old -> new` and `DELETE FILE: path`, \
each on a line of its own, rename and delete.";

/// The messages to send for an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditPlan {
    /// The conversation.
    pub messages: Vec<Message>,
    /// The search lines of blocks: lines of the files that may be changed. Not where those are too long, or have none.
    pub quotation: Option<Quotation>,
}

/// Plans the prompt of an edit: the code and what is around it, then the wish. `related` passages come first, and
/// `previous` is why the last answer could not be used.
pub fn plan_edit(task: &EditTask, related: &[Passage], format: Format, previous: Option<&Refusal>) -> EditPlan {
    let language = task.document.language_id();
    let mut words = String::new();
    for passage in related {
        words.push_str(&block(&format!("For reference, {}:", passage.place()), language, &passage.text));
    }
    let (instructions, shown) = match format {
        Format::Rewrite => (REWRITE.to_owned(), surrounded(task)),
        Format::Whole => (WHOLE.to_owned(), whole(task)),
        Format::Blocks if task.reach == Reach::Workspace => (format!("{BLOCKS}{FILES}"), files(task)),
        Format::Blocks => (BLOCKS.to_owned(), files(task)),
    };
    words.push_str(&shown);
    words.push_str(task.action.wish());
    if let Some(earlier) = &task.earlier {
        words.push_str(&format!("\nThe user said before, and it is done already: {earlier}"));
    }
    if let Some(instruction) = &task.instruction {
        words.push_str(&format!("\nThe user says: {instruction}"));
    }
    if let Some(previous) = previous {
        let form = match format {
            Format::Rewrite | Format::Whole => "Answer with the complete code.",
            Format::Blocks => "Answer with all blocks again.",
        };
        words.push_str(&format!("\nYour last answer was refused: {}. {form}", previous.advice()));
    }
    EditPlan {
        messages: vec![Message::new(Role::System, instructions), Message::new(Role::User, words)],
        quotation: (format == Format::Blocks).then(|| search_lines(task)).flatten(),
    }
}

fn search_lines(task: &EditTask) -> Option<Quotation> {
    let ropes = || task.others.iter().map(|file| file.document.rope()).chain([task.document.rope()]);
    let (lines, bytes) =
        ropes().fold((0, 0), |(lines, bytes), rope| (lines + rope.len_lines(), bytes + rope.len_bytes()));
    let fits = lines <= QUOTED_LINES_MAX && bytes <= QUOTED_BYTES_MAX;
    (fits && ropes().any(|rope| rope.chars().any(|c| !c.is_whitespace()))).then(|| Quotation {
        opens: SEARCH_LINE.into(),
        closes: DIVIDER_LINE.into(),
        texts: ropes().map(ToString::to_string).collect(),
        // A block without search lines makes a new file.
        may_be_empty: task.reach == Reach::Workspace,
    })
}

/// The code to change with the lines around it.
fn surrounded(task: &EditTask) -> String {
    let rope = task.document.rope();
    let first = rope.byte_to_line(task.target.start);
    let last = rope.byte_to_line(task.target.end);
    let before_at = rope.line_to_byte(first.saturating_sub(AROUND_LINES));
    let after_at = rope.line_to_byte((last + AROUND_LINES).min(rope.len_lines()));
    let before = slice(&task.document, before_at..task.target.start);
    let after = slice(&task.document, task.target.end..after_at.max(task.target.end));
    let language = task.document.language_id();
    let mut words = String::new();
    if !before.trim().is_empty() {
        words.push_str(&block("Before the code:", language, &before));
    }
    if !after.trim().is_empty() {
        words.push_str(&block("After the code:", language, &after));
    }
    words.push_str(&block("The code:", language, &task.code()));
    words
}

fn whole(task: &EditTask) -> String {
    let title = format!("The file {}:", task.path);
    let words = block(&title, task.document.language_id(), &task.document.rope().to_string());
    let all = task.target.len() >= task.document.rope().len_bytes();
    if all { words } else { words + &block("It is about this part:", task.document.language_id(), &task.code()) }
}

/// The files that blocks may change; of a long document only what is around the code.
fn files(task: &EditTask) -> String {
    let mut words = String::new();
    for file in &task.others {
        let title = format!("The file {}:", file.path);
        words.push_str(&block(&title, file.document.language_id(), &file.document.rope().to_string()));
    }
    if task.document.rope().len_bytes() <= WHOLE_BYTES_MAX {
        words + &whole(task)
    } else {
        words + &format!("The file is {}.\n", task.path) + &surrounded(task)
    }
}

fn block(title: &str, language: &str, code: &str) -> String {
    format!("{title}\n{}\n\n", fenced(language, code))
}
