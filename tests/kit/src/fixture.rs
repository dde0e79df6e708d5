//! The fixture language: several files with a cursor or a selection, written as one text.
//!
//! ```text
//! //- /src/main.rs
//! fn main() { $0helper()$0; }
//! //- /src/helper.rs
//! pub fn helper() {}
//! ```
//!
//! - A line `//- /path` starts a file; the path is relative to the workspace. Without any such line the whole text is
//!   one file named [`DEFAULT_PATH`].
//! - `$0` once in a file is a cursor, twice a selection; the marks are taken out. `\$0` is a literal `$0`.
//! - Text indented with its first header loses that indentation, so fixtures can stand inside functions.
//! - The first line break of the text, in front of the first header, belongs to nobody. Line breaks are kept as
//!   written, so `\r\n` and a missing final line break can be tested.
//!
//! Refuses: a fixture it does not understand. Text before the first header, a path that leaves the workspace, the
//! same path twice or a third mark panics.

use serde_json::{Value, json};

/// The name of the file of a fixture without headers.
pub const DEFAULT_PATH: &str = "main.txt";

const HEADER: &str = "//- /";
const MARK: &str = "$0";
const ESCAPED_MARK: &str = "\\$0";

/// Files and marks read from a fixture text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixture {
    /// The files, in the order written.
    pub files: Vec<FixtureFile>,
}

/// One file of a fixture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixtureFile {
    /// Path below the workspace, with `/` and without a leading one.
    pub path: String,
    /// The text without marks.
    pub text: String,
    /// The cursor or selection, if one was marked.
    pub mark: Option<Mark>,
}

/// A cursor (both ends equal) or a selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The path of the file it lies in.
    pub path: String,
    /// Where it begins.
    pub start: Place,
    /// Where it ends.
    pub end: Place,
}

/// A place in a text, counted in every way a test may need. All counts are from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes from the start of the text.
    pub byte: usize,
    /// Line; lines end at `\n`, `\r\n` and `\r`.
    pub line: u32,
    /// Column in bytes.
    pub utf8: u32,
    /// Column in UTF-16 code units.
    pub utf16: u32,
    /// Column in Unicode scalar values.
    pub utf32: u32,
}

impl Fixture {
    /// Reads `text`. See the module for the language.
    ///
    /// # Panics
    ///
    /// When `text` is not a fixture.
    #[must_use]
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let text = dedent(text.strip_prefix('\n').unwrap_or(text));
        let mut sections: Vec<(String, String)> = Vec::new();
        let has_header = text.split_inclusive('\n').any(|line| line.starts_with(HEADER));
        if !has_header {
            sections.push((DEFAULT_PATH.to_owned(), text));
        } else {
            for line in text.split_inclusive('\n') {
                if let Some(path) = line.strip_prefix(HEADER) {
                    sections.push((checked_path(path), String::new()));
                } else if let Some((_, section)) = sections.last_mut() {
                    section.push_str(line);
                } else {
                    assert!(line.trim().is_empty(), "fixture: text before the first `{HEADER}` line: {line:?}");
                }
            }
        }
        let files: Vec<FixtureFile> = sections.into_iter().map(|(path, text)| read_marks(path, &text)).collect();
        for (at, file) in files.iter().enumerate() {
            let twice = files[..at].iter().any(|earlier| earlier.path == file.path);
            assert!(!twice, "fixture: the file {} is written twice", file.path);
        }
        Self { files }
    }

    /// The file at `path`.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn file(&self, path: &str) -> &FixtureFile {
        let found = self.files.iter().find(|file| file.path == path);
        found.unwrap_or_else(|| panic!("fixture: no file {path}; there are {:?}", self.paths()))
    }

    /// The only mark of all files.
    ///
    /// # Panics
    ///
    /// When there is none or more than one.
    #[must_use]
    #[track_caller]
    pub fn mark(&self) -> &Mark {
        let marks: Vec<&Mark> = self.files.iter().filter_map(|file| file.mark.as_ref()).collect();
        assert_eq!(marks.len(), 1, "fixture: one mark wanted, found {marks:?}");
        marks[0]
    }

    fn paths(&self) -> Vec<&str> {
        self.files.iter().map(|file| file.path.as_str()).collect()
    }
}

impl Mark {
    /// The mark as an LSP range in `encoding`.
    #[must_use]
    pub fn range(&self, encoding: crate::lsp::Encoding) -> Value {
        json!({ "start": self.start.position(encoding), "end": self.end.position(encoding) })
    }

    /// Whether it is a cursor rather than a selection.
    #[must_use]
    pub fn is_cursor(&self) -> bool {
        self.start == self.end
    }
}

impl Place {
    /// The place at byte `byte` of `text`.
    ///
    /// # Panics
    ///
    /// When `byte` lies outside `text` or inside a character.
    #[must_use]
    #[track_caller]
    pub fn of(text: &str, byte: usize) -> Self {
        let before = &text[..byte];
        let (mut line, mut line_start) = (0, 0);
        for (at, c) in before.char_indices() {
            let end = at + c.len_utf8();
            if c == '\n' || (c == '\r' && !text[end..].starts_with('\n')) {
                line += 1;
                line_start = end;
            }
        }
        let column = &before[line_start..];
        let count = |units: usize| u32::try_from(units).expect("fixtures are far smaller than 4 GiB");
        Self {
            byte,
            line,
            utf8: count(column.len()),
            utf16: count(column.encode_utf16().count()),
            utf32: count(column.chars().count()),
        }
    }

    /// The place as an LSP position in `encoding`.
    #[must_use]
    pub fn position(&self, encoding: crate::lsp::Encoding) -> Value {
        let character = match encoding {
            crate::lsp::Encoding::Utf8 => self.utf8,
            crate::lsp::Encoding::Utf16 => self.utf16,
            crate::lsp::Encoding::Utf32 => self.utf32,
        };
        json!({ "line": self.line, "character": character })
    }
}

#[track_caller]
fn checked_path(header: &str) -> String {
    let path = header.trim_end();
    assert!(is_inside(path), "fixture: the path {path:?} is empty or leaves the workspace");
    path.to_owned()
}

/// Whether `path` is relative and stays below the folder it is joined to.
pub(crate) fn is_inside(path: &str) -> bool {
    let mut parts = std::path::Path::new(path).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, std::path::Component::Normal(_)))
}

/// Takes the indentation of the first header from every line that has it, and drops a blank last line, which only
/// indents the closing quote.
fn dedent(text: &str) -> String {
    let header = text.split_inclusive('\n').find(|line| line.trim_start().starts_with(HEADER));
    let indent = header.map_or("", |line| &line[..line.len() - line.trim_start().len()]);
    if indent.is_empty() {
        return text.to_owned();
    }
    let lines = text.split_inclusive('\n').map(|line| line.strip_prefix(indent).unwrap_or(line));
    let mut result: String = lines.collect();
    let last_line = result.rfind('\n').map_or(0, |at| at + 1);
    if result[last_line..].trim().is_empty() {
        result.truncate(last_line);
    }
    result
}

#[track_caller]
fn read_marks(path: String, marked: &str) -> FixtureFile {
    let mut text = String::with_capacity(marked.len());
    let mut found = Vec::new();
    let mut rest = marked;
    while let Some(at) = rest.find(MARK) {
        let (before, after) = rest.split_at(at);
        rest = &after[MARK.len()..];
        if let Some(kept) = before.strip_suffix(&ESCAPED_MARK[..1]) {
            text.push_str(kept);
            text.push_str(MARK);
        } else {
            text.push_str(before);
            found.push(text.len());
        }
    }
    text.push_str(rest);
    let ends = match found[..] {
        [] => None,
        [cursor] => Some((cursor, cursor)),
        [start, end] => Some((start, end)),
        _ => panic!("fixture: {path} has {} marks; a file has at most two", found.len()),
    };
    let mark = ends.map(|(start, end)| Mark {
        path: path.clone(),
        start: Place::of(&text, start),
        end: Place::of(&text, end),
    });
    FixtureFile { path, text, mark }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsp::Encoding;

    #[test]
    fn files_and_marks_are_read() {
        let fixture = Fixture::parse("\n//- /a/b.rs\nlet é👍$0 = 1;\r\n//- /c\n\n$0x\ny$0 \\$0");
        assert_eq!(fixture.paths(), ["a/b.rs", "c"]);
        assert_eq!(fixture.file("a/b.rs").text, "let é👍 = 1;\r\n");
        assert_eq!(fixture.file("c").text, "\nx\ny $0");
        let cursor = fixture.file("a/b.rs").mark.clone().unwrap();
        assert!(cursor.is_cursor());
        assert_eq!(cursor.start, Place { byte: 10, line: 0, utf8: 10, utf16: 7, utf32: 6 });
        let selection = fixture.file("c").mark.clone().unwrap();
        let wanted = json!({"start": {"line": 1, "character": 0}, "end": {"line": 2, "character": 1}});
        assert_eq!(selection.range(Encoding::Utf16), wanted);
    }

    #[test]
    fn indentation_of_the_first_header_is_taken_off() {
        let fixture = Fixture::parse(
            r"
            //- /a.py
            def f():
                return 1

            //- /b.py
            $0
            ",
        );
        assert_eq!(fixture.file("a.py").text, "def f():\n    return 1\n\n");
        assert_eq!(fixture.file("b.py").text, "\n");
        assert_eq!(fixture.mark().path, "b.py");
    }

    #[test]
    fn a_text_without_header_is_one_file() {
        assert_eq!(Fixture::parse("one\r$0two").file(DEFAULT_PATH).text, "one\rtwo");
        assert_eq!(Fixture::parse("one\r$0two").mark().start.line, 1);
        assert_eq!(Fixture::parse("one\r\ntwo\n$0").mark().start.line, 2);
        assert_eq!(Fixture::parse("").file(DEFAULT_PATH).text, "");
    }

    #[test]
    fn what_is_not_a_fixture_panics() {
        for text in ["text\n//- /a\n", "//- /../a\n", "//- /\n", "//- /a\n//- /a\n", "$0$0$0"] {
            assert!(std::panic::catch_unwind(|| Fixture::parse(text)).is_err(), "{text:?}");
        }
    }
}
