//! Fenced blocks in an answer. Refuses: choosing between them.

use crate::answer::strip_leading_reasoning;

/// One block of code in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fenced {
    /// What stands behind the opening fence; `None` when the answer has no fence at all.
    pub(crate) info: Option<String>,
    /// The code, each line ended.
    pub(crate) text: String,
    /// Whether a fence ends it.
    pub(crate) closed: bool,
}

/// A line that opens or closes a block.
struct Fence<'a> {
    mark: char,
    len: usize,
    indent: usize,
    info: &'a str,
}

/// All blocks of `answer`; the whole of it, without an info, when it has no fence. `nests` says that a block may hold
/// blocks with fences of the same length, which is so in prose.
pub(crate) fn fenced_blocks(answer: &str, nests: bool) -> Vec<Fenced> {
    let mut found: Vec<Fenced> = Vec::new();
    let mut open: Option<(Fence<'_>, String, usize)> = None;
    for line in answer.split_inclusive('\n') {
        let fence = fence(line);
        let Some((opening, mut code, mut depth)) = open.take() else {
            match fence {
                Some(fence) if fence.mark != '\'' || !fence.info.is_empty() => {
                    open = Some((fence, String::new(), 0));
                }
                _ => {}
            }
            continue;
        };
        if let Some(fence) = fence.filter(|fence| fence.mark == opening.mark && fence.len >= opening.len) {
            // As in Markdown, a fence that is set in deeper is part of the code, such as of a comment's example.
            let at_edge = fence.indent <= opening.indent + 3;
            if fence.info.is_empty() && at_edge && depth == 0 {
                found.push(Fenced { info: Some(opening.info.to_owned()), text: code, closed: true });
                continue;
            }
            if nests && at_edge {
                depth = if fence.info.is_empty() { depth - 1 } else { depth + 1 };
            }
        }
        code.push_str(line);
        open = Some((opening, code, depth));
    }
    if let Some((opening, text, _)) = open {
        found.push(Fenced { info: Some(opening.info.to_owned()), text, closed: false });
    } else if found.is_empty() {
        found.push(Fenced { info: None, text: answer.trim_matches('\n').to_owned(), closed: true });
    }
    found
}

/// The code of an answer that is still being written; nothing before a fence says where it begins.
#[must_use]
pub fn code_so_far(answer: &str) -> String {
    let answer = strip_leading_reasoning(answer);
    let blocks = fenced_blocks(&answer, false);
    blocks.into_iter().find(|block| block.info.is_some()).map(|block| block.text).unwrap_or_default()
}

/// Whether a line opens or closes a block.
pub(crate) fn is_fence(line: &str) -> bool {
    fence(line).is_some()
}

/// The words behind the marks of a line that opens a block.
pub(crate) fn info(line: &str) -> Option<&str> {
    fence(line).map(|fence| fence.info)
}

fn fence(line: &str) -> Option<Fence<'_>> {
    let rest = line.trim_start_matches([' ', '\t']);
    let mark = rest.chars().next().filter(|mark| matches!(mark, '`' | '~' | '\''))?;
    let len = rest.chars().take_while(|c| *c == mark).count();
    let info = rest.get(len..)?.trim();
    // Code with three quotes is no fence, nor is a span of code in backticks.
    let is_word = |info: &str| info.chars().all(|c| c.is_alphanumeric() || "_+-#.".contains(c));
    let fits = if mark == '\'' { is_word(info) && len == 3 } else { !info.contains('`') };
    (len >= 3 && fits).then_some(Fence { mark, len, indent: line.len() - rest.len(), info })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_shown_while_it_is_written() {
        for (answer, code) in [
            ("Sure, he", ""),
            ("Sure!\n```python\nx =", "x ="),
            ("<think>\n```\nno\n```\n</think>\n```py\ny\n```\nDone", "y\n"),
        ] {
            assert_eq!(code_so_far(answer), code);
        }
    }

    #[test]
    fn code_is_found_among_chatter() {
        for (answer, nests, expected) in [
            ("Sure!\n```python\nx = 1\n```\nDone.", false, &["x = 1\n"][..]),
            ("```\na\n```\n```rs\nlonger()\n```", false, &["a\n", "longer()\n"]),
            ("```py\nnever closed\n", false, &["never closed\n"]),
            ("````md\n```\ninner\n```\n````", false, &["```\ninner\n```\n"]),
            ("```md\n# A\n```sh\nmake\n```\nB\n```", true, &["# A\n```sh\nmake\n```\nB\n"]),
            ("```py\n'''\n    ```\n    x\n    ```\n'''\n```", false, &["'''\n    ```\n    x\n    ```\n'''\n"]),
            ("'''python\nx = 1\n'''", false, &["x = 1\n"]),
            ("~~~\nx\n~~~", false, &["x\n"]),
            ("x = 1\n", false, &["x = 1"]),
            ("use ```x``` here", false, &["use ```x``` here"]),
        ] {
            let found = fenced_blocks(answer, nests);
            let texts: Vec<&str> = found.iter().map(|one| one.text.as_str()).collect();
            assert_eq!(texts, expected, "{answer:?}");
        }
    }
}
