//! What is asked: the words on the command line, what is piped in, the file it is about. Refuses: input without end.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::failure::{Failure, USAGE};
use crate::{os, render};

/// What is kept of standard input: its end, where the error of a long output stands. More belongs into a file, where
/// it is searched instead of sent whole.
const INPUT_BYTES_MAX: usize = 48 * 1024;
/// Input that goes on longer has no end.
const READ_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes read at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// Input that says nothing for this long may be a pipe nobody writes to.
const SILENCE: Duration = Duration::from_secs(2);
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
        if let Some((file, lines)) = self.no_lines() {
            return Err(Failure::new(format!("`{lines}` names no lines of {file}"))
                .hint(format!("write {file}:10-20, or {file} alone"))
                .code(USAGE));
        }
        let path = std::fs::canonicalize(&self.path)
            .map_err(|error| Failure::new(format!("{shown}: {error}")).hint("name a file that exists"))?;
        if path.is_file() {
            return Ok(path);
        }
        Err(Failure::new(format!("{shown} is not a file")).hint("name a file; folders go to `--workspace`"))
    }
}

impl FileLines {
    /// The file and what stands behind its colon, when there is such a file and that is what was mistyped.
    fn no_lines(&self) -> Option<(&str, &str)> {
        if self.lines.is_some() || self.path.exists() {
            return None;
        }
        let (file, lines) = self.path.to_str()?.rsplit_once(':')?;
        std::path::Path::new(file).is_file().then_some((file, lines))
    }
}

/// What is asked and what is piped in with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The question alone.
    pub(super) question: String,
    /// What it is about, from standard input.
    pub(super) attachment: Option<String>,
}

/// The question with what is piped in; with `no_input` standard input is left alone.
///
/// # Errors
/// When there is no question, or the input is too long for one, endless or no text.
pub(super) async fn with_input(question: &str, no_input: bool) -> Result<Asked, Failure> {
    let is_input = question == FROM_INPUT;
    if is_input && no_input {
        return Err(Failure::new("`-` stands for standard input, which `--no-input` leaves alone")
            .hint("type the question in quotes after `familiar ask`")
            .code(USAGE));
    }
    let piped = match is_input || (!no_input && os::input_is_piped()) {
        true => read(tokio::io::stdin()).await?,
        false => Piped::default(),
    };
    if is_input && piped.is_cut {
        return Err(Failure::new(format!("the question is longer than {} KiB", INPUT_BYTES_MAX / 1024))
            .hint("ask in a sentence and pipe the rest in, or name a file with `--file`"));
    }
    if piped.is_cut {
        let limit = INPUT_BYTES_MAX / 1024;
        render::complain(&format!("familiar: standard input is longer than {limit} KiB; only its end is used"));
    }
    let text = piped.text()?;
    let (question, attachment) = if is_input { (text, None) } else { (question.to_owned(), Some(text)) };
    if question.trim().is_empty() {
        return Err(Failure::new("there is no question")
            .hint("type it in quotes after `familiar ask`")
            .code(USAGE));
    }
    Ok(Asked { question, attachment: attachment.filter(|text| !text.trim().is_empty()) })
}

/// The end of standard input.
#[derive(Debug, Default)]
struct Piped {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Piped {
    /// Takes what came next and lets go of what is too long ago.
    fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let excess = self.bytes.len().saturating_sub(INPUT_BYTES_MAX);
        self.is_cut |= excess > 0;
        self.bytes.drain(..excess);
    }

    /// What is kept, from the beginning of a line when the beginning is missing.
    fn text(mut self) -> Result<String, Failure> {
        if self.is_cut {
            let line = self.bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let line = line.filter(|at| *at < self.bytes.len());
            // One endless line begins with a whole character at least.
            let character = self.bytes.iter().position(|byte| !(0x80..0xC0).contains(byte));
            self.bytes.drain(..line.or(character).unwrap_or(0));
        }
        String::from_utf8(self.bytes)
            .map_err(|_| Failure::new("standard input is no UTF-8 text").hint("convert it first"))
    }
}

/// Reads `input` to its end, and says so when that seems to take long: an inherited pipe may never end.
async fn read(mut input: impl AsyncRead + Unpin) -> Result<Piped, Failure> {
    let mut piped = Piped::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut bytes_read: u64 = 0;
    let mut told = false;
    loop {
        let read = match tokio::time::timeout(SILENCE, input.read(&mut buffer)).await {
            Ok(read) => read.map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?,
            Err(_) if told => continue,
            Err(_) => {
                told = true;
                render::complain("familiar: reading standard input; end it with Ctrl+D, or give `--no-input`");
                continue;
            }
        };
        if read == 0 {
            return Ok(piped);
        }
        piped.take(buffer.get(..read).unwrap_or_default());
        bytes_read += read as u64;
        if bytes_read > READ_BYTES_MAX {
            return Err(Failure::new(format!("standard input does not end within {} MiB", READ_BYTES_MAX >> 20))
                .hint("cut it, for example with `tail`, or save it in the workspace and name it with `--file`"));
        }
    }
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
    fn words_where_lines_should_be_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.py");
        std::fs::write(&file, "x").expect("a file");
        let typed: FileLines = format!("{}:abc", file.display()).parse().expect("it may be a name");
        let failure = typed.existing().expect_err("there is no such file");
        assert!(failure.message.starts_with("`abc` names no lines of "), "{failure}");
        let typed: FileLines = "none.py:abc".parse().expect("it may be a name");
        assert!(typed.existing().expect_err("there is no such file").message.starts_with("none.py:abc"));
    }

    #[tokio::test]
    async fn the_end_of_long_input_is_kept() {
        let line = "error: no fuel\n";
        let lines = line.repeat(INPUT_BYTES_MAX / line.len() + 9);
        let kept = line.repeat(INPUT_BYTES_MAX / line.len());
        let signs = "\u{e9}".repeat(INPUT_BYTES_MAX);
        // An odd number of bytes behind it puts the cut into the middle of a character.
        let odd = format!("{signs}x");
        let odd_kept = format!("{}x", "\u{e9}".repeat(INPUT_BYTES_MAX / 2 - 1));
        for (input, is_cut, text) in
            [("a\nb\n", false, "a\nb\n"), ("", false, ""), (&lines, true, &kept), (&odd, true, &odd_kept)]
        {
            let piped = read(input.as_bytes()).await.expect("it ends");
            assert_eq!(piped.is_cut, is_cut);
            assert!(piped.text().expect("it is text") == text, "of {} bytes", input.len());
        }
        let piped = read(&b"a\xff"[..]).await.expect("it ends");
        assert!(piped.text().expect_err("it is no text").message.contains("UTF-8"));
    }

    #[tokio::test]
    async fn input_without_end_is_refused() {
        let failure = read(tokio::io::repeat(b'y')).await.expect_err("it does not end");
        assert!(failure.message.contains("does not end"), "{failure}");
    }

    #[tokio::test]
    async fn what_is_not_to_be_read_is_not_read() {
        let asked = with_input("Why?", true).await.expect("a question");
        assert_eq!(asked, Asked { question: "Why?".into(), attachment: None });
        for question in [" ", FROM_INPUT] {
            assert_eq!(with_input(question, true).await.expect_err("no question").code, USAGE, "{question}");
        }
    }
}
