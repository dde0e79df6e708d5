//! URIs and paths.
//!
//! Refuses: touching the disk. A path is compared as it is written.

use std::path::{Path, PathBuf};

use url::Url;

/// Longest name shown, in characters.
const NAME_CHARS_MAX: usize = 200;

/// The path of a `file:` URI; `None` for any other, such as that of an untitled buffer.
pub(crate) fn path_of(uri: &str) -> Option<PathBuf> {
    let url = Url::parse(uri).ok()?;
    (url.scheme() == "file").then(|| url.to_file_path().ok()).flatten()
}

/// The `file:` URI of an absolute path.
pub(crate) fn uri_of(path: &Path) -> Option<String> {
    Url::from_file_path(path).ok().map(Into::into)
}

/// The last part of a URI, for people.
pub(crate) fn name_of(uri: &str) -> String {
    let name = match path_of(uri).as_deref().and_then(Path::file_name) {
        Some(name) => name.to_string_lossy().into_owned(),
        None => uri.rsplit(['/', ':']).find(|part| !part.is_empty()).unwrap_or(uri).to_owned(),
    };
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_back_from_their_uris() {
        for path in ["/a/b.rs", "/a b/é#?.py", "/100%/x"] {
            let uri = uri_of(Path::new(path)).expect("the path is absolute");
            assert_eq!(path_of(&uri).as_deref(), Some(Path::new(path)), "{uri}");
        }
        assert_eq!(path_of("file:///c%3A/x.rs"), Some(PathBuf::from("/c:/x.rs")));
        assert_eq!(uri_of(Path::new("relative")), None);
    }

    #[test]
    fn other_schemes_have_a_name_but_no_path() {
        assert_eq!(path_of("untitled:Untitled-1"), None);
        assert_eq!(path_of("not a uri"), None);
        assert_eq!(name_of("untitled:Untitled-1"), "Untitled-1");
        assert_eq!(name_of("file:///a/b%20c.rs"), "b c.rs");
        assert_eq!(
            name_of(&format!("file:///a/{}", "é".repeat(100_000))),
            format!("{}…", "é".repeat(NAME_CHARS_MAX))
        );
    }
}
