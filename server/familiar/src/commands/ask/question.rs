//! What is asked: the words on the command line, what is piped in, the file it is about. Refuses: input without end.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;

use crate::failure::{Failure, USAGE};
use crate::os;

/// More belongs into a file, where it is searched instead of sent whole.
const INPUT_BYTES_MAX: u64 = 48 * 1024;
/// The question that stands for standard input.
const FROM_INPUT: &str = "-";

/// A file with the lines that are meant, as `FILE:10-20` or `FILE:10`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileLines {
    /// The file.
    path: PathBuf,
    /// First and last line, 1-based; `None` means the whole file.
    pub(super) lines: Option<(u32, u32)>,
}

/// Why a text names no lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoLines;

impl fmt::Display for NoLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lines are counted from 1, the first before the last, as in FILE:10-20")
    }
}

impl std::error::Error for NoLines {}

impl FromStr for FileLines {
    type Err = NoLines;

    fn from_str(text: &str) -> Result<Self, NoLines> {
        let whole = || Ok(Self { path: text.into(), lines: None });
        let Some((path, lines)) = text.rsplit_once(':').filter(|(path, _)| !path.is_empty()) else {
            return whole();
        };
        if lines.is_empty() || !lines.bytes().all(|byte| byte.is_ascii_digit() || b"-L".contains(&byte)) {
            return whole();
        }
        let number = |text: &str| text.strip_prefix('L').unwrap_or(text).parse::<u32>().map_err(|_| NoLines);
        let (first, last) = match lines.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(lines)?, number(lines)?),
        };
        if first == 0 || last < first {
            return Err(NoLines);
        }
        Ok(Self { path: path.into(), lines: Some((first, last)) })
    }
}

impl FileLines {
    /// The canonical path of the file.
    ///
    /// # Errors
    /// When it is missing or no file.
    pub(super) fn existing(&self) -> Result<PathBuf, Failure> {
        let shown = self.path.display();
        let path = std::fs::canonicalize(&self.path)
            .map_err(|error| Failure::new(format!("{shown}: {error}")).hint("name a file that exists"))?;
        if path.is_file() {
            return Ok(path);
        }
        Err(Failure::new(format!("{shown} is not a file")).hint("name a file; folders go to `--workspace`"))
    }
}

/// The question with what is piped in.
///
/// # Errors
/// When there is no question, or the input is too long or no text.
pub(super) fn with_input(question: &str) -> Result<String, Failure> {
    let piped = if question == FROM_INPUT || os::input_is_piped() { read_input()? } else { String::new() };
    let whole = if question == FROM_INPUT { piped } else { quoted(question, &piped) };
    if whole.trim().is_empty() {
        return Err(Failure::new("there is no question")
            .hint("type it in quotes after `familiar ask`")
            .code(USAGE));
    }
    Ok(whole)
}

/// The question with its input in a fence that the input cannot end.
fn quoted(question: &str, input: &str) -> String {
    let input = input.trim_end();
    if input.is_empty() {
        return question.to_owned();
    }
    let run = input.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(run.max(2) + 1);
    format!("{question}\n\n{fence}\n{input}\n{fence}")
}

fn read_input() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(Failure::new(format!("standard input is longer than {} KiB", INPUT_BYTES_MAX / 1024))
            .hint("cut it, for example with `tail`, or save it in the workspace and name it with `--file`"));
    }
    String::from_utf8(bytes).map_err(|_| Failure::new("standard input is no UTF-8 text").hint("convert it first"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_lines_are_told_apart() {
        let good = |path: &str, lines| Ok(FileLines { path: path.into(), lines });
        for (text, expected) in [
            ("src/main.rs", good("src/main.rs", None)),
            ("src/main.rs:10-20", good("src/main.rs", Some((10, 20)))),
            ("src/main.rs:L10-L20", good("src/main.rs", Some((10, 20)))),
            ("src/main.rs:7", good("src/main.rs", Some((7, 7)))),
            ("a:b", good("a:b", None)),
            ("a:b:3", good("a:b", Some((3, 3)))),
            ("a:", good("a:", None)),
            (":3", good(":3", None)),
            ("a:0", Err(NoLines)),
            ("a:9-3", Err(NoLines)),
            ("a:3-", Err(NoLines)),
            ("a:1-2-3", Err(NoLines)),
            ("a:99999999999", Err(NoLines)),
        ] {
            assert_eq!(text.parse::<FileLines>(), expected, "{text}");
        }
    }

    #[test]
    fn input_is_quoted_so_that_it_cannot_leave_its_quotes() {
        assert_eq!(quoted("Why?", "  \n"), "Why?");
        assert_eq!(quoted("Why?", "a\nb\n"), "Why?\n\n```\na\nb\n```");
        assert_eq!(quoted("Why?", "```\nx"), "Why?\n\n````\n```\nx\n````");
    }
}
