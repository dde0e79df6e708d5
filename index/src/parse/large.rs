//! The names that the first part of a file over the limit defines: read and parsed in pieces, so that memory and time are
//! those of a few ordinary files.
//!
//! Refuses: text that is not UTF-8, made by machines, or data whose keys nobody looks up.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use crate::files::content::is_minified;
use crate::files::lines::LineStarts;
use crate::limits::{FILE_BYTES_MAX, LARGE_BYTES_MAX, LARGE_NAMES_MAX, LARGE_NAMES_MS_MAX, SYMBOLS_MAX};
use crate::parse::cut::{Chunk, Cutter};
use crate::parse::deadline::Deadline;
use crate::parse::language::language_of;
use crate::parse::light::names;

/// Kind of a chunk that holds a name of a file over the limit, and no text.
pub(crate) const LARGE: &str = "too large";

/// The names in the first part of an open file, with offsets and lines of the whole. Nothing where it has none to know.
pub(crate) fn names_of_large(cutter: &mut Cutter, path: &str, mut file: File) -> Vec<Chunk> {
    let mut found: Vec<Chunk> = Vec::new();
    // A large file of data has as many keys as it has lines.
    let Some(language) = language_of(path).filter(|language| language.names_max == SYMBOLS_MAX) else {
        return found;
    };
    let deadline = Deadline::after(Duration::from_millis(LARGE_NAMES_MS_MAX));
    let (mut bytes, mut offset, mut line) = (Vec::new(), 0, 0);
    while offset < LARGE_BYTES_MAX && found.len() < LARGE_NAMES_MAX && !deadline.is_over() {
        let room = FILE_BYTES_MAX.saturating_sub(bytes.len() as u64);
        let Ok(read) = file.by_ref().take(room).read_to_end(&mut bytes) else { break };
        let Some(text) = whole_lines(&bytes, (read as u64) < room) else { break };
        if is_minified(path, text) {
            break;
        }
        let Some(pieces) = names(cutter, language, path, text, LARGE, deadline) else { break };
        found.extend(pieces.into_iter().map(|chunk| Chunk {
            span: chunk.span.start + offset..chunk.span.end + offset,
            start_line: chunk.start_line + line,
            end_line: chunk.end_line + line,
            ..chunk
        }));
        line += LineStarts::of(text).line_at(text.len()) - 1;
        let done = text.len();
        offset += done;
        bytes.drain(..done);
    }
    found.truncate(LARGE_NAMES_MAX);
    found
}

/// The whole lines at the head of some bytes, if they are text; all of them at the end of a file.
fn whole_lines(bytes: &[u8], is_end: bool) -> Option<&str> {
    let end = if is_end { bytes.len() } else { bytes.iter().rposition(|&byte| byte == b'\n')? + 1 };
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    (!text.is_empty() && !text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_pieces_stand_where_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let filler = "print('it defines no names..')\r\n".repeat(40_000);
        let text = format!(
            "def first():\n    pass\n{filler}class Second:\n    def method(self):\n        pass\n{filler}"
        );
        let full = dir.path().join("a.py");
        let check = |text: &str, expected: &[&str]| {
            std::fs::write(&full, text).unwrap();
            let found = names_of_large(&mut Cutter::default(), "a.py", File::open(&full).unwrap());
            let names: Vec<&str> = found.iter().map(|chunk| chunk.names[0].qualified.as_str()).collect();
            assert_eq!(names, expected);
            for chunk in found {
                let shown = &text[chunk.span];
                assert!(
                    shown.ends_with(':')
                        && text.lines().nth(chunk.start_line as usize - 1).unwrap().ends_with(shown)
                );
            }
        };
        assert!(text.len() as u64 > 2 * FILE_BYTES_MAX);
        check(&text, &["first", "Second", "Second.method"]);
        check(&text.replace("class Second:", "\u{0} class Second:"), &["first"]);
        check(&text.replace(['\n', '\r'], " "), &[]);
        let many: String =
            (0..3 * LARGE_NAMES_MAX).map(|n| format!("def f{n}():\n    pass\n{}", &filler[..800])).collect();
        std::fs::write(&full, many).unwrap();
        let found = names_of_large(&mut Cutter::default(), "a.py", File::open(&full).unwrap());
        assert_eq!(found.len(), LARGE_NAMES_MAX);
        assert_eq!(names_of_large(&mut Cutter::default(), "a.json", File::open(&full).unwrap()), []);
    }
}
