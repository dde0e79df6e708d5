//! New files under names that say what is in them. Refuses: writing over a file that is there.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Characters of a title that go into a file's name.
const SLUG_CHARS_MAX: usize = 40;
/// Files of the same title tell themselves apart by a number up to this.
const SAME_TITLE_MAX: u32 = 10_000;

/// A title as the name of a file; `otherwise` where nothing of it can stand in one.
pub(crate) fn slug(title: &str, otherwise: &str) -> String {
    let mut slug = String::new();
    for c in title.chars().take(SLUG_CHARS_MAX) {
        if c.is_alphanumeric() {
            slug.extend(c.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { otherwise.to_owned() } else { slug.to_owned() }
}

/// Writes a file that was not there into a folder, which is made where it is missing, and tells its path. One that could
/// not be written whole is removed again.
///
/// # Errors
/// When the folder or the file cannot be written, or there are too many of this name.
pub(crate) fn write_new(folder: &Path, name: &str, extension: &str, bytes: &[u8]) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    for number in 1..SAME_TITLE_MAX {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let path = folder.join(format!("{name}{suffix}.{extension}"));
        match File::create_new(&path) {
            Ok(mut file) => {
                return file.write_all(bytes).map(|()| path.clone()).inspect_err(|_| {
                    // The disk that refused may refuse this too.
                    let _ = std::fs::remove_file(&path);
                });
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(std::io::Error::other("there are too many files of this name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_file_names() {
        for (title, name) in [
            ("Explain `Foo::bar`", "explain-foo-bar"),
            ("../../etc/passwd", "etc-passwd"),
            ("漢字 é", "漢字-é"),
            ("!!!", "answer"),
        ] {
            assert_eq!(slug(title, "answer"), name);
        }
    }

    #[test]
    fn a_file_that_is_there_stays() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("new");
        let paths = ["one", "two"].map(|text| write_new(&folder, "fox", "png", text.as_bytes()).unwrap());
        assert_eq!(paths, [folder.join("fox.png"), folder.join("fox-2.png")]);
        assert_eq!(std::fs::read_to_string(&paths[0]).unwrap(), "one");
    }
}
