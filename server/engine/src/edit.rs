//! An instruction becomes a prompt, and the answer a syntax-checked edit of the document it was made for.
//!
//! Refuses: guesses. An answer without code, without a change, or that breaks the syntax that was there is a stated
//! refusal, never an edit.

use std::ops::Range;

use model::{Message, Role};
use serde::{Deserialize, Serialize};
use text::{Document, Edit, TextShape};

use crate::{Passage, code_block, fenced, strip_reasoning};

/// A selection larger than this is not rewritten in one go.
const SELECTION_BYTES_MAX: usize = 64 * 1024;
/// An answer larger than this is not code for a selection.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Lines shown before and after the selection.
const AROUND_LINES: usize = 12;

const INSTRUCTIONS: &str = "You are Familiar, an editor's companion that changes code. Answer with one fenced code \
block that holds the complete new text and nothing else. Keep the indentation and the style. Do not explain.";

/// What the user wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EditAction {
    /// Mend a defect.
    Fix,
    /// Add or improve documentation.
    Document,
    /// Write tests; they are added at the end of the document.
    Tests,
    /// Make it faster or simpler without changing what it does.
    Optimise,
    /// Follow the user's own words.
    Edit,
}

impl EditAction {
    fn wish(self) -> &'static str {
        match self {
            Self::Fix => "Fix the defects in the code.",
            Self::Document => "Add documentation comments to the code. Change nothing else.",
            Self::Tests => "Write tests for the code. Answer with the tests only.",
            Self::Optimise => "Make the code faster and simpler without changing what it does.",
            Self::Edit => "Change the code as asked.",
        }
    }
}

/// What is to be changed, in the version of the document it was asked for.
#[derive(Clone, Debug)]
pub struct EditTask {
    /// The document at that version.
    pub document: Document,
    /// The lines that are replaced, in bytes.
    pub target: Range<usize>,
    /// What the user wants done.
    pub action: EditAction,
    /// The user's own words.
    pub instruction: Option<String>,
}

/// The messages to send for an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditPlan {
    /// The conversation.
    pub messages: Vec<Message>,
}

/// Why an answer did not become an edit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There was no code in it.
    #[error("the model's answer holds no code")]
    NoCode,
    /// It is what stands there already.
    #[error("the model proposed no change")]
    NoChange,
    /// It breaks the syntax that was there.
    #[error("the proposed code does not parse ({before} errors before, {after} after)")]
    Syntax {
        /// Syntax errors in the document before.
        before: usize,
        /// Syntax errors in the document after.
        after: usize,
    },
    /// Too much was selected.
    #[error("the selection is {bytes} bytes, at most {SELECTION_BYTES_MAX} are changed at once")]
    TooLarge {
        /// Bytes selected.
        bytes: usize,
    },
    /// The answer is too long to be right.
    #[error("the model's answer is too long for this selection")]
    TooLong,
}

impl EditTask {
    /// A task for `selection` (bytes): an empty one means the enclosing symbol, or else its line; any other grows to
    /// whole lines, so that the answer has an indentation to keep.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`].
    pub fn new(
        document: Document,
        selection: Range<usize>,
        action: EditAction,
        instruction: Option<String>,
    ) -> Result<Self, Refusal> {
        let target = if selection.is_empty() {
            enclosing_symbol(&document, selection.start).unwrap_or_else(|| whole_lines(&document, selection))
        } else {
            whole_lines(&document, selection)
        };
        if target.len() > SELECTION_BYTES_MAX {
            return Err(Refusal::TooLarge { bytes: target.len() });
        }
        Ok(Self { document, target, action, instruction })
    }

    /// The text that is to be changed.
    pub fn code(&self) -> String {
        slice(&self.document, self.target.clone())
    }
}

/// Plans the prompt of an edit: the lines around, the code, the wish. `related` passages come first.
pub fn plan_edit(task: &EditTask, related: &[Passage], previous: Option<&Refusal>) -> EditPlan {
    let rope = task.document.rope();
    let first = rope.byte_to_line(task.target.start);
    let last = rope.byte_to_line(task.target.end);
    let before_at = rope.line_to_byte(first.saturating_sub(AROUND_LINES));
    let after_at = rope.line_to_byte((last + AROUND_LINES).min(rope.len_lines()));
    let before = slice(&task.document, before_at..task.target.start);
    let after = slice(&task.document, task.target.end..after_at.max(task.target.end));
    let language = task.document.language_id();
    let mut words = String::new();
    for passage in related {
        words.push_str(&block(&format!("For reference, {}:", passage.place()), language, &passage.text));
    }
    if !before.trim().is_empty() {
        words.push_str(&block("Before the code:", language, &before));
    }
    if !after.trim().is_empty() {
        words.push_str(&block("After the code:", language, &after));
    }
    words.push_str(&block("The code:", language, &task.code()));
    words.push_str(task.action.wish());
    if let Some(instruction) = &task.instruction {
        words.push_str(&format!("\nThe user says: {instruction}"));
    }
    if let Some(previous) = previous {
        words.push_str(&format!("\nYour last answer was refused: {previous}. Answer with the complete code."));
    }
    EditPlan { messages: vec![Message::new(Role::System, INSTRUCTIONS), Message::new(Role::User, words)] }
}

/// Turns the model's answer into an edit of the task's document.
///
/// # Errors
/// A [`Refusal`] that says why it cannot be one.
pub fn read_edit(answer: &str, task: &EditTask) -> Result<Edit, Refusal> {
    if answer.len() > ANSWER_BYTES_MAX {
        return Err(Refusal::TooLong);
    }
    let code = code_block(&strip_reasoning(answer)).ok_or(Refusal::NoCode)?;
    let old_text = task.document.rope().to_string();
    let old = task.code();
    let edit = if task.action == EditAction::Tests {
        append(&task.document, &code)
    } else {
        let shape = TextShape { final_line_break: old.ends_with(['\n', '\r']), ..task.document.shape() };
        let new = shape.conform(&reindent(&code, indentation(&old)));
        if new == old {
            return Err(Refusal::NoChange);
        }
        shifted(&text::minimal_edit(&old, &new), task.target.start)
    };
    let new_text = edit.apply(task.document.rope()).map_err(|_| Refusal::NoChange)?.to_string();
    let errors =
        |text: &str| index::syntax_errors(&grammar_path(&task.document), text).map_or(0, |errors| errors.len());
    let (before, after) = (errors(&old_text), errors(&new_text));
    if after > before {
        return Err(Refusal::Syntax { before, after });
    }
    Ok(edit)
}

/// `code` after the end of the document, one blank line between.
fn append(document: &Document, code: &str) -> Edit {
    let rope = document.rope();
    let shape = document.shape();
    let gap = match (rope.len_bytes(), shape.final_line_break) {
        (0, _) => "",
        (_, true) => "\n",
        (_, false) => "\n\n",
    };
    let new_text = shape.line_ending.convert(&format!("{gap}{}\n", code.trim_end_matches('\n'))).into_owned();
    // A single insertion is sorted and in bounds by construction.
    Edit::replace(rope.len_bytes(), rope.len_bytes(), new_text).unwrap_or_default()
}

fn shifted(edit: &Edit, by: usize) -> Edit {
    let parts = edit.parts().iter();
    let moved =
        parts.map(|part| text::TextEdit::new(part.start_byte + by, part.end_byte + by, part.new_text.clone()));
    // Moving all parts alike keeps them sorted and apart.
    Edit::new(moved.collect()).unwrap_or_default()
}

/// The whole lines of the innermost definition around byte `at`.
fn enclosing_symbol(document: &Document, at: usize) -> Option<Range<usize>> {
    let rope = document.rope();
    let outline = index::outline(&grammar_path(document), &rope.to_string())?;
    let line = rope.byte_to_line(at.min(rope.len_bytes())) as u32 + 1;
    let around = outline.symbols.iter().filter(|symbol| {
        (symbol.start_line..=symbol.end_line).contains(&line)
            && !matches!(symbol.kind, "attribute" | "constant" | "type")
    });
    let innermost = around.min_by_key(|symbol| symbol.end_line - symbol.start_line)?;
    let (first, end) = (innermost.start_line as usize - 1, (innermost.end_line as usize).min(rope.len_lines()));
    Some(rope.line_to_byte(first)..rope.line_to_byte(end))
}

/// The index tells languages by a path's extension; the editor's name for the language is one too, and unlike the path
/// it is there before the first save.
fn grammar_path(document: &Document) -> String {
    format!("document.{}", document.language_id())
}

fn whole_lines(document: &Document, selection: Range<usize>) -> Range<usize> {
    let rope = document.rope();
    let start = selection.start.min(rope.len_bytes());
    let end = selection.end.clamp(start, rope.len_bytes());
    let first = rope.byte_to_line(start);
    let last = rope.byte_to_line(end);
    // A selection that ends at the start of a line does not mean that line.
    let last = if last > first && rope.line_to_byte(last) == end { last - 1 } else { last };
    rope.line_to_byte(first)..rope.line_to_byte((last + 1).min(rope.len_lines()))
}

fn slice(document: &Document, bytes: Range<usize>) -> String {
    document.rope().byte_slice(bytes).to_string()
}

fn block(title: &str, language: &str, code: &str) -> String {
    format!("{title}\n{}\n\n", fenced(language, code))
}

/// The white space all lines that are not blank have in common.
fn indentation(code: &str) -> &str {
    let mut lines = code.lines().filter(|line| !line.trim().is_empty());
    let Some(first) = lines.next() else { return "" };
    let blank = first.len() - first.trim_start().len();
    let mut common = first.get(..blank).unwrap_or("");
    for line in lines {
        let shared = common.bytes().zip(line.bytes()).take_while(|(a, b)| a == b).count();
        common = common.get(..shared).unwrap_or("");
    }
    common
}

/// `code` with its own common indentation replaced by `wanted`, when it has another one.
fn reindent(code: &str, wanted: &str) -> String {
    let own = indentation(code);
    if own == wanted {
        return code.to_owned();
    }
    let lines = code.split_inclusive('\n').map(|line| {
        if line.trim().is_empty() {
            line.to_owned()
        } else {
            format!("{wanted}{}", line.strip_prefix(own).unwrap_or(line))
        }
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const CODE: &str = "class A:\n    def f(self, x):\n        return x\n\n    def g(self):\n        return 1\n";

    fn task(code: &str, selection: Range<usize>, action: EditAction) -> EditTask {
        let document = Document::new("file:///a.py", "python", 3, code);
        EditTask::new(document, selection, action, Some("double it".into())).expect("small selection")
    }

    fn edited(code: &str, selection: Range<usize>, action: EditAction, answer: &str) -> Result<String, Refusal> {
        let task = task(code, selection, action);
        let edit = read_edit(answer, &task)?;
        Ok(edit.apply(task.document.rope()).expect("in bounds").to_string())
    }

    #[test]
    fn answers_become_edits_or_stated_refusals() {
        let select = CODE.find("    def f").expect("there")..CODE.find("\n    def g").expect("there");
        let check = |answer: &str| edited(CODE, select.clone(), EditAction::Edit, answer);
        let doubled = CODE.replace("return x", "return 2 * x");
        for answer in [
            "```python\n    def f(self, x):\n        return 2 * x\n```",
            "Here you are:\n```python\ndef f(self, x):\n    return 2 * x\n```\nEnjoy!",
            "<think>hm ```bad```</think>\n```\ndef f(self, x):\n    return 2 * x\n```",
            "def f(self, x):\n    return 2 * x",
        ] {
            assert_eq!(check(answer).as_deref(), Ok(doubled.as_str()), "{answer:?}");
        }
        assert_eq!(check("```python\ndef f(self, x):\n    return x\n```"), Err(Refusal::NoChange));
        assert_eq!(check("```\n```"), Err(Refusal::NoCode));
        assert!(matches!(
            check("```python\ndef f(self, x:\n    return ((\n```"),
            Err(Refusal::Syntax { before: 0, .. })
        ));
    }

    #[test]
    fn an_empty_selection_means_the_enclosing_symbol() {
        let at = CODE.find("return x").expect("there");
        assert_eq!(task(CODE, at..at, EditAction::Fix).code(), "    def f(self, x):\n        return x\n");
    }

    #[test]
    fn line_endings_and_a_missing_final_newline_stay() {
        let code = "x = 1\r\ny = 2";
        assert_eq!(
            edited(code, 0..1, EditAction::Edit, "```\nx = 3\nz = 4\n```").as_deref(),
            Ok("x = 3\r\nz = 4\r\ny = 2")
        );
        assert_eq!(edited(code, 8..9, EditAction::Edit, "```\ny = 5\n```").as_deref(), Ok("x = 1\r\ny = 5"));
    }

    #[test]
    fn tests_are_added_at_the_end() {
        let answer = "```python\ndef test_f():\n    assert A().f(1) == 1\n```";
        let expected = format!("{CODE}\ndef test_f():\n    assert A().f(1) == 1\n");
        assert_eq!(edited(CODE, 0..5, EditAction::Tests, answer).as_deref(), Ok(expected.as_str()));
    }

    #[test]
    fn the_prompt_shows_the_surroundings() {
        let select = CODE.find("    def g").expect("there")..CODE.len();
        let plan = plan_edit(&task(CODE, select, EditAction::Edit), &[], Some(&Refusal::NoCode));
        expect![[r#"
            Before the code:
            ```python
            class A:
                def f(self, x):
                    return x
            ```

            The code:
            ```python
                def g(self):
                    return 1
            ```

            Change the code as asked.
            The user says: double it
            Your last answer was refused: the model's answer holds no code. Answer with the complete code."#]]
        .assert_eq(&plan.messages[1].content);
    }
}
