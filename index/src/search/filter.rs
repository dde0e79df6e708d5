//! Which files a question is about: languages and paths that the asker named.
//!
//! Refuses: to read files; a path alone decides.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::IndexError;
use crate::limits::FILTERS_MAX;
use crate::parse::language::language_of;

/// Restricts a search. The default lets everything pass.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    languages: Vec<String>,
    under: Vec<String>,
    globs: Option<GlobSet>,
}

impl Filter {
    /// A filter of language names (`python`, or an extension such as `py`) and paths: a folder, a file, or a glob such as
    /// `src/**/*.rs`, relative to the workspace, with `/`. An empty list lets everything pass.
    ///
    /// # Errors
    /// [`IndexError::Query`] for a glob that cannot be read, or for too many of either.
    pub fn new(languages: &[String], paths: &[String]) -> Result<Self, IndexError> {
        if languages.len() > FILTERS_MAX || paths.len() > FILTERS_MAX {
            return Err(IndexError::Query(format!("at most {FILTERS_MAX} languages and paths can be given")));
        }
        let mut under = Vec::new();
        let mut globs = GlobSetBuilder::new();
        let mut any_glob = false;
        for path in paths {
            let path = path.trim_start_matches("./");
            if path.contains(['*', '?', '[', '{']) {
                let glob = GlobBuilder::new(path).literal_separator(true).build();
                globs.add(glob.map_err(|error| IndexError::Query(error.to_string()))?);
                any_glob = true;
            } else {
                under.push(path.trim_matches('/').to_owned());
            }
        }
        let globs = globs.build().map_err(|error| IndexError::Query(error.to_string()))?;
        let languages = languages.iter().map(|name| name.trim_start_matches('.').to_lowercase()).collect();
        Ok(Self { languages, under, globs: any_glob.then_some(globs) })
    }

    /// Whether everything passes.
    pub fn is_open(&self) -> bool {
        self.languages.is_empty() && self.under.is_empty() && self.globs.is_none()
    }

    /// Whether the file at a relative path (with `/`) passes.
    pub fn admits(&self, path: &str) -> bool {
        let by_path = self.under.is_empty() && self.globs.is_none()
            || self.under.iter().any(|folder| is_under(path, folder))
            || self.globs.as_ref().is_some_and(|globs| globs.is_match(path));
        by_path && (self.languages.is_empty() || self.speaks(path))
    }

    fn speaks(&self, path: &str) -> bool {
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension).to_lowercase();
        let language = language_of(path).map(|language| language.name);
        self.languages.iter().any(|asked| *asked == extension || language == Some(asked.as_str()))
    }
}

/// Whether a path is a folder or file, or lies below it. The empty path is the workspace.
fn is_under(path: &str, folder: &str) -> bool {
    let below = path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    below || matches!(folder, "" | ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(languages: &[&str], paths: &[&str], path: &str, expected: bool) {
        let owned = |list: &[&str]| list.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
        let filter = Filter::new(&owned(languages), &owned(paths)).unwrap();
        assert_eq!(filter.admits(path), expected, "{languages:?} {paths:?} {path}");
    }

    #[test]
    fn files_pass_by_language_and_path() {
        check(&[], &[], "a/b.py", true);
        check(&["python"], &[], "a/b.py", true);
        check(&["py"], &[], "a/b.py", true);
        check(&["rust", ".py"], &[], "a/b.py", true);
        check(&["rust"], &[], "a/b.py", false);
        check(&[], &["a"], "a/b.py", true);
        check(&[], &["a/"], "ab/b.py", false);
        check(&[], &["a/b.py"], "a/b.py", true);
        check(&[], &["."], "a/b.py", true);
        check(&[], &["**/*.py"], "a/b.py", true);
        check(&[], &["*.py"], "a/b.py", false);
        check(&["python"], &["c", "a/*.py"], "a/b.py", true);
    }

    #[test]
    fn a_broken_glob_is_an_error() {
        assert!(matches!(Filter::new(&[], &["a[".to_owned()]), Err(IndexError::Query(_))));
    }
}
