//! Which files a question is about: languages and paths that the asker named.
//!
//! Refuses: to read files, and names of languages that nobody knows. A path alone decides where it can; of a script
//! without an extension, and of a header that may be C or C++, the text does.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::IndexError;
use crate::files::content::extension;
use crate::limits::FILTERS_MAX;
use crate::parse::language::{is_extension, is_header, language_in, language_names, language_of};

/// Other names of languages that people write.
const ALIASES: &[(&str, &str)] = &[("c++", "cpp"), ("c#", "csharp"), ("golang", "go"), ("shell", "bash")];
/// Texts that are not parsed as a language, by the name of their form, with its extensions.
const FORMS: &[(&str, &[&str])] = &[
    ("markdown", &["md", "markdown", "mdx"]),
    ("notebook", &["ipynb"]),
    ("restructuredtext", &["rst"]),
    ("text", &["txt"]),
    ("xml", &["xml"]),
    ("yaml", &["yaml", "yml"]),
];

/// Restricts a search. The default lets everything pass.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    languages: Vec<Asked>,
    under: Vec<String>,
    globs: Option<GlobSet>,
}

/// A language as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    /// One that is parsed, by its name.
    Language(&'static str),
    /// A form of text with these extensions.
    Form(&'static [&'static str]),
    /// Only files with this extension.
    Extension(String),
}

impl Asked {
    fn of(name: &str) -> Result<Self, IndexError> {
        let lower = name.trim().to_lowercase();
        if let Some(extension) = lower.strip_prefix('.') {
            return Ok(Self::Extension(extension.to_owned()));
        }
        let lower = ALIASES.iter().find(|(alias, _)| *alias == lower).map_or(lower.as_str(), |(_, name)| name);
        if let Some(known) = language_names().find(|known| *known == lower) {
            return Ok(Self::Language(known));
        }
        let form = FORMS.iter().find(|(form, _)| *form == lower);
        if let Some((_, extensions)) = form {
            return Ok(Self::Form(extensions));
        }
        if is_extension(lower) || FORMS.iter().any(|(_, extensions)| extensions.contains(&lower)) {
            return Ok(Self::Extension(lower.to_owned()));
        }
        let mut known: Vec<&str> = language_names().chain(FORMS.iter().map(|(form, _)| *form)).collect();
        known.sort_unstable();
        let known = known.join(", ");
        Err(IndexError::Query(format!(
            "no language is called `{name}`; the known ones are {known}; another extension is written with its dot, \
             such as .{}",
            if lower.is_empty() { "txt" } else { lower }
        )))
    }

    fn is_of_path(&self, path: &str) -> bool {
        let extension = extension(path).to_lowercase();
        match self {
            Self::Language(name) => language_of(path).is_some_and(|language| language.name == *name),
            Self::Form(extensions) => extensions.contains(&extension.as_str()),
            Self::Extension(asked) => *asked == extension,
        }
    }
}

impl Filter {
    /// A filter of language names (`python`, or an extension such as `py`) and paths: a folder, a file, or a glob such as
    /// `src/**/*.rs`, relative to the workspace, with `/`. An empty list lets everything pass.
    ///
    /// # Errors
    /// [`IndexError::Query`] for a glob that cannot be read, for a language that is not known, with those that are, and
    /// for too many of either.
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
        let languages = languages.iter().map(|name| Asked::of(name)).collect::<Result<_, _>>()?;
        Ok(Self { languages, under, globs: any_glob.then_some(globs) })
    }

    /// Whether everything passes.
    pub fn is_open(&self) -> bool {
        self.languages.is_empty() && self.under.is_empty() && self.globs.is_none()
    }

    /// Whether the file at a relative path (with `/`) passes, or may pass by its text; see [`Self::admits_text`].
    pub fn admits(&self, path: &str) -> bool {
        let by_path = self.under.is_empty() && self.globs.is_none()
            || self.under.iter().any(|folder| is_under(path, folder))
            || self.globs.as_ref().is_some_and(|globs| globs.is_match(path));
        let by_language = || self.languages.iter().any(|asked| asked.is_of_path(path));
        by_path && (self.languages.is_empty() || by_language() || self.asks_text_of(path))
    }

    /// Whether a file that passes by its path also passes by its text: that of a script names its language, and a header
    /// shows whether it is C++.
    pub fn admits_text(&self, path: &str, text: &str) -> bool {
        if !self.asks_text_of(path) {
            return true;
        }
        let spoken = language_in(path, text).map(|language| language.name);
        self.languages.iter().any(|asked| match asked {
            Asked::Language(name) => spoken == Some(*name),
            Asked::Form(_) | Asked::Extension(_) => asked.is_of_path(path),
        })
    }

    /// Whether some files pass or not by their text.
    pub(crate) fn asks_text(&self) -> bool {
        self.languages.iter().any(|asked| matches!(asked, Asked::Language(_)))
    }

    /// Whether the text of this file decides.
    fn asks_text_of(&self, path: &str) -> bool {
        let is_script = || extension(path).is_empty() && language_of(path).is_none();
        self.asks_text() && (is_header(path) || is_script())
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

    #[cfg(feature = "languages-systems")]
    #[test]
    fn the_text_decides_where_a_path_cannot() {
        let text = |language: &str, path: &str, text: &str| {
            let filter = Filter::new(&[language.to_owned()], &[]).unwrap();
            filter.admits(path) && filter.admits_text(path, text)
        };
        let (c, cpp) = ("int f(void);\n", "namespace shop {\nint f();\n}\n");
        assert!(text("c", "a.h", c) && !text("c", "a.h", cpp));
        assert!(text("cpp", "a.h", cpp) && !text("c++", "a.h", c));
        assert!(text("h", "a.h", c) && text("h", "a.h", cpp));
        assert!(text("python", "bin/tool", "#!/usr/bin/env python3\n") && !text("python", "bin/tool", "plain"));
        assert!(!text("py", "bin/tool", "#!/usr/bin/env python3\n"));
        assert!(text("python", "a.py", "#!/bin/sh\n") && !text("python", "LICENSE", "words"));
        assert!(text("markdown", "README.md", "") && text(".vcl", "a.vcl", "") && !text(".vcl", "a.py", ""));
    }

    #[test]
    fn a_language_that_nobody_knows_is_an_error_that_names_those_that_are() {
        let error = Filter::new(&["klingon".to_owned()], &[]).unwrap_err().to_string();
        assert!(error.contains("no language is called `klingon`") && error.contains("python, "), "{error}");
        assert!(error.ends_with("such as .klingon"), "{error}");
    }

    #[test]
    fn a_broken_glob_is_an_error() {
        assert!(matches!(Filter::new(&[], &["a[".to_owned()]), Err(IndexError::Query(_))));
    }
}
