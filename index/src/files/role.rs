//! What a file is for, by its path: tests, examples, copies of others' code, prose. Search ranks these lower unless
//! they are asked for.
//!
//! Refuses: to look into files.

use crate::files::content::extension;

/// Bits of a role; a file may have several.
pub(crate) const TEST: u64 = 1;
/// Examples, samples, demonstrations, benchmarks.
pub(crate) const EXAMPLE: u64 = 2;
/// Copies of others' code.
pub(crate) const VENDORED: u64 = 4;
/// Prose rather than code.
pub(crate) const PROSE: u64 = 8;
/// Lists of changes and versions, which name everything and explain nothing.
pub(crate) const HISTORY: u64 = 16;

/// Libraries that projects carry along under their own names.
const BUNDLED: &[&str] = &["jquery", "bootstrap", "underscore", "lodash", "modernizr", "normalize", "polyfill"];

/// The role of the file at a relative path.
pub(crate) fn role_of(path: &str) -> u64 {
    let lower = path.to_lowercase();
    let (folders, name) = lower.rsplit_once('/').unwrap_or(("", lower.as_str()));
    let stem = name.split('.').next().unwrap_or(name);
    let mut role = 0;
    for folder in folders.split('/') {
        role |= match folder {
            "test" | "tests" | "__tests__" | "spec" | "specs" | "testdata" | "fixtures" | "e2e" => TEST,
            "example" | "examples" | "sample" | "samples" | "demo" | "demos" | "benches" | "benchmarks" => EXAMPLE,
            "vendor" | "vendored" | "_vendor" | "third_party" | "thirdparty" | "3rdparty" | "extern" => VENDORED,
            "doc" | "docs" | "documentation" | "man" | ".github" | "issue_template" => PROSE,
            "releases" | "changelog" | "changelogs" | "changes" => HISTORY,
            _ => 0,
        };
    }
    let test_name = stem.starts_with("test_") || stem.ends_with("_test") || stem.ends_with("_spec");
    if test_name || matches!(stem, "conftest" | "tests") || name.contains(".test.") || name.contains(".spec.") {
        role |= TEST;
    }
    if stem.starts_with("example") {
        role |= EXAMPLE;
    }
    if name.contains(".min.") || BUNDLED.iter().any(|library| stem.starts_with(library)) {
        role |= VENDORED;
    }
    if matches!(extension(name), "md" | "markdown" | "mdx" | "rst" | "txt" | "adoc" | "tex" | "org") {
        role |= PROSE;
    }
    if matches!(
        stem,
        "license"
            | "licence"
            | "copying"
            | "notice"
            | "changelog"
            | "changes"
            | "history"
            | "news"
            | "authors"
            | "contributors"
    ) {
        role |= HISTORY;
    }
    role
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_follow_from_paths() {
        for (path, role) in [
            ("src/session.rs", 0),
            ("tests/auth/views.py", TEST),
            ("src/app.test.ts", TEST),
            ("app/test_models.py", TEST),
            ("examples/tests/a.rs", EXAMPLE | TEST),
            ("vendor/jquery.min.js", VENDORED),
            ("docs/intro.md", PROSE),
            ("doc/conf.py", PROSE),
            ("static/jquery-3.5.1.js", VENDORED),
            ("LICENSE", HISTORY),
            ("CHANGELOG.md", PROSE | HISTORY),
            ("src/attestation.rs", 0),
        ] {
            assert_eq!(role_of(path), role, "{path}");
        }
    }
}
