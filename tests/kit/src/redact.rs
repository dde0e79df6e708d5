//! Replaces what differs from run to run by placeholders, so that output can be compared with a snapshot.
//!
//! Refuses: guessing at numbers. Only what looks unmistakably like an id, a time, a duration, a port or a temporary
//! path is replaced; everything else is named by the test with [`Redactor::literal`] or [`Redactor::pattern`].

use std::collections::HashMap;
use std::path::Path;

use regex::{Captures, Regex};

use crate::workspace::file_uri;

/// A set of replacements. The same value gets the same placeholder within one [`Redactor::redact`] call, so that
/// "both lines name the same id" stays visible.
#[derive(Debug)]
pub struct Redactor {
    literals: Vec<(String, String)>,
    patterns: Vec<(Regex, String)>,
    numbered: Vec<(Regex, &'static str)>,
    plain: Vec<(Regex, &'static str)>,
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new()
    }
}

impl Redactor {
    /// Replaces UUIDs, ULIDs and runs of 32 or more hexadecimal digits (`[uuid-1]`, `[ulid-1]`, `[hash-1]`), RFC 3339 times
    /// (`[time]`), durations with a unit (`[duration]`), ports of loopback addresses (`:[port]`) and paths in the
    /// temporary folder (`[tmp]`).
    #[must_use]
    pub fn new() -> Self {
        let temp = std::env::temp_dir();
        let temp =
            regex::escape(temp.to_str().expect("the temporary folder has a UTF-8 name").trim_end_matches('/'));
        Self {
            literals: Vec::new(),
            patterns: Vec::new(),
            numbered: vec![
                (compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "uuid"),
                (compile(r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b"), "ulid"),
                (compile(r"\b[0-9a-f]{32,}\b"), "hash"),
            ],
            plain: vec![
                (compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?Z|[+-]\d\d:?\d\d)?"), "[time]"),
                (compile(r"\b\d+(?:\.\d+)? ?(?:ns|µs|us|ms|s|seconds?|minutes?)\b"), "[duration]"),
                (compile(r"(127\.0\.0\.1|localhost|\[::1\]):\d{2,5}\b"), "$1:[port]"),
                (compile(&format!(r"{temp}/[A-Za-z0-9._-]+")), "[tmp]"),
            ],
        }
    }

    /// Also replaces the folder `path`, as given, canonical and as a `file:` URI, by `placeholder`.
    ///
    /// # Panics
    ///
    /// When `path` is relative to nothing known or not UTF-8.
    #[must_use]
    #[track_caller]
    pub fn path(self, path: &Path, placeholder: &str) -> Self {
        let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut redactor = self;
        for path in [path, canonical.as_path()] {
            let text = path.to_str().expect("paths of tests are UTF-8");
            redactor =
                redactor.literal(&file_uri(path), &format!("file://{placeholder}")).literal(text, placeholder);
        }
        redactor
    }

    /// Also replaces `text` by `placeholder`. Longer texts are replaced first.
    ///
    /// # Panics
    ///
    /// When `text` is empty.
    #[must_use]
    #[track_caller]
    pub fn literal(mut self, text: &str, placeholder: &str) -> Self {
        assert!(!text.is_empty(), "redact: an empty text stands everywhere");
        self.literals.push((text.to_owned(), placeholder.to_owned()));
        self.literals.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        self
    }

    /// Also replaces what matches the regular expression `pattern` by `placeholder`, which may name groups (`$1`).
    ///
    /// # Panics
    ///
    /// When `pattern` is not a regular expression.
    #[must_use]
    #[track_caller]
    pub fn pattern(mut self, pattern: &str, placeholder: &str) -> Self {
        self.patterns.push((compile(pattern), placeholder.to_owned()));
        self
    }

    /// `text` with everything replaced: the test's own literals and patterns first.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (literal, placeholder) in &self.literals {
            text = text.replace(literal, placeholder);
        }
        for (pattern, placeholder) in &self.patterns {
            text = pattern.replace_all(&text, placeholder.as_str()).into_owned();
        }
        for (pattern, kind) in &self.numbered {
            let mut seen: HashMap<String, usize> = HashMap::new();
            let number = |found: &Captures<'_>| {
                let next = seen.len() + 1;
                let number = *seen.entry(found[0].to_owned()).or_insert(next);
                format!("[{kind}-{number}]")
            };
            text = pattern.replace_all(&text, number).into_owned();
        }
        for (pattern, placeholder) in &self.plain {
            text = pattern.replace_all(&text, *placeholder).into_owned();
        }
        text
    }
}

#[track_caller]
fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|e| panic!("redact: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_replaced() {
        let cases = [
            ("at 2026-11-21T09:01:36.123Z ok", "at [time] ok"),
            ("at 2026-11-21 09:01:36+01:00.", "at [time]."),
            ("took 12.5 ms, then 3s", "took [duration], then [duration]"),
            (
                "http://127.0.0.1:4774/x localhost:80 [::1]:8080",
                "http://127.0.0.1:[port]/x localhost:[port] [::1]:[port]",
            ),
            (
                "7c9e6679-7425-40de-944b-e07fc1f90ae7 7c9e6679-7425-40de-944b-e07fc1f90ae8 7c9e6679-7425-40de-944b-e07fc1f90ae7",
                "[uuid-1] [uuid-2] [uuid-1]",
            ),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "[ulid-1]"),
            ("b179c9523d0e6a0f98a330c7562b6827", "[hash-1]"),
            ("lines 10-20, 3 files, v1.2.3, a1b2c3", "lines 10-20, 3 files, v1.2.3, a1b2c3"),
        ];
        for (text, wanted) in cases {
            assert_eq!(Redactor::new().redact(text), wanted);
        }
    }

    #[test]
    fn named_paths_go_before_temporary_ones() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        let redactor =
            Redactor::new().path(folder.path(), "[root]").path(&inner, "[inner]").pattern(r"pid \d+", "pid [n]");
        let text =
            format!("{}/a {} {}/b pid 77", inner.display(), file_uri(folder.path()), folder.path().display());
        assert_eq!(redactor.redact(&text), "[inner]/a file://[root] [root]/b pid [n]");
        assert_eq!(Redactor::new().redact(&format!("{}/a", folder.path().display())), "[tmp]/a");
    }
}
