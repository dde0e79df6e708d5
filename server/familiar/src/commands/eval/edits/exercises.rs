//! Exercises of a public track, as its repository has them: a stub that is to be filled in, and words that say what it has
//! to do.
//!
//! Refuses: tests and solutions, which no model is shown; exercises of several source files; whatever is larger than its
//! bound or names a file outside of its folder. What is refused is listed, never guessed at.

use std::fs;
use std::io::Read;
use std::path::{Component, Path};

use serde::Deserialize;

/// The folder of a track in which its exercises lie, each in a folder of its own.
pub(super) const FOLDER: &str = "exercises/practice";

/// Exercises looked at in one track.
const EXERCISES_MAX: usize = 2_000;
/// Bytes of what describes an exercise to programs.
const CONFIG_BYTES_MAX: u64 = 64 << 10;
/// Bytes of a stub; the engine writes no larger file anew as a whole.
const STUB_BYTES_MAX: u64 = engine::edit_limits::WHOLE_BYTES_MAX as u64;
/// Bytes of the words that say what is to be done.
const WORDS_BYTES_MAX: u64 = 16 << 10;

/// What the words of an exercise stand behind.
const WISH: &str = "Complete this file, so that it does what follows. Keep the names that are there.";

/// A public set of exercises in one language.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Track {
    /// Its repository, `owner/name`.
    pub(super) name: &'static str,
    /// What editors call its language.
    pub(super) language: &'static str,
    /// The end of its source files.
    ending: &'static str,
}

/// The tracks that are known.
pub(super) const TRACKS: [Track; 2] = [
    Track { name: "exercism/python", language: "python", ending: "py" },
    Track { name: "exercism/rust", language: "rust", ending: "rs" },
];

/// One exercise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exercise {
    /// Where it is from.
    pub(super) track: &'static Track,
    /// The name of its folder.
    pub(super) name: String,
    /// The file to change, relative to that folder.
    pub(super) path: String,
    /// Its text.
    pub(super) stub: String,
    /// What the user says.
    pub(super) wish: String,
}

/// What a track holds.
#[derive(Debug, Default)]
pub(super) struct Exercises {
    /// In the order of their names.
    pub(super) exercises: Vec<Exercise>,
    /// Those that cannot be used, with why.
    pub(super) left_out: Vec<String>,
}

/// The part of an exercise's description that is used.
#[derive(Deserialize)]
struct Described {
    files: Files,
}

#[derive(Deserialize)]
struct Files {
    solution: Vec<String>,
}

/// Reads the exercises that lie in a folder.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn read(track: &'static Track, folder: &Path) -> std::io::Result<Exercises> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)?.take(EXERCISES_MAX) {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    let mut read = Exercises::default();
    for name in names {
        match one(track, &folder.join(&name), &name) {
            Ok(exercise) => read.exercises.push(exercise),
            Err(reason) => read.left_out.push(format!("{} {name}: {reason}", track.name)),
        }
    }
    Ok(read)
}

fn one(track: &'static Track, folder: &Path, name: &str) -> Result<Exercise, &'static str> {
    let described = text_of(&folder.join(".meta/config.json"), CONFIG_BYTES_MAX).ok_or("it is not described")?;
    let described: Described = serde_json::from_str(&described).map_err(|_| "its description cannot be read")?;
    // What is not in the track's language, such as a manifest, stays as it is.
    let is_source = |path: &&String| Path::new(path.as_str()).extension().is_some_and(|end| end == track.ending);
    let sources: Vec<&String> = described.files.solution.iter().filter(is_source).collect();
    let [path] = sources[..] else { return Err("it has not exactly one source file") };
    if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) {
        return Err("its source file lies outside of it");
    }
    let stub =
        text_of(&folder.join(path), STUB_BYTES_MAX).ok_or("its source file is no text within the bounds")?;
    let words = |file: &str| text_of(&folder.join(".docs").join(file), WORDS_BYTES_MAX);
    let mut wish =
        format!("{WISH}\n\n{}", words("instructions.md").ok_or("it has no instructions within the bounds")?);
    // What the track adds to the words that all tracks share.
    if let Some(more) = words("instructions.append.md") {
        wish.push('\n');
        wish.push_str(&more);
    }
    Ok(Exercise { track, name: name.to_owned(), path: path.clone(), stub, wish: wish.trim_end().to_owned() })
}

/// The text of a plain file within a bound.
fn text_of(path: &Path, bytes_max: u64) -> Option<String> {
    // A link could lead anywhere, and a pipe would never end.
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    fs::File::open(path).ok()?.take(bytes_max + 1).read_to_string(&mut text).ok()?;
    (text.len() as u64 <= bytes_max).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lay_out(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("it has one")).expect("it is made");
            fs::write(path, text).expect("it is written");
        }
        folder
    }

    const DESCRIBED: &str = r#"{"files": {"solution": ["src/lib.rs", "Cargo.toml"], "test": ["tests/leap.rs"]}}"#;

    #[test]
    fn an_exercise_is_its_stub_and_its_words() {
        let folder = lay_out(&[
            ("leap/.meta/config.json", DESCRIBED),
            ("leap/.docs/instructions.md", "# Instructions\n\nTell leap years.\n"),
            ("leap/.docs/instructions.append.md", "# Rust\n\nWithout `chrono`.\n"),
            ("leap/src/lib.rs", "pub fn is_leap(year: u64) -> bool {}\n"),
            ("leap/Cargo.toml", "[package]\n"),
            ("leap/tests/leap.rs", "#[test]\nfn secret() {}\n"),
            ("a file", ""),
        ]);
        let read = read(&TRACKS[1], folder.path()).expect("it is there");
        assert_eq!(read.left_out, [] as [&str; 0]);
        let [exercise] = &read.exercises[..] else { panic!("{:?}", read.exercises) };
        assert_eq!((exercise.name.as_str(), exercise.path.as_str()), ("leap", "src/lib.rs"));
        assert_eq!(exercise.stub, "pub fn is_leap(year: u64) -> bool {}\n");
        let words = "# Instructions\n\nTell leap years.\n\n# Rust\n\nWithout `chrono`.";
        assert_eq!(exercise.wish, format!("{WISH}\n\n{words}"));
    }

    #[test]
    fn what_is_hostile_or_of_another_form_is_left_out() {
        let of = |path: &str| format!(r#"{{"files": {{"solution": ["{path}"]}}}}"#);
        let long = "x".repeat(STUB_BYTES_MAX as usize + 1);
        let folder = lay_out(&[
            ("a/.docs/instructions.md", "Do."),
            ("b/.meta/config.json", "{\"files\": 1}"),
            ("c/.meta/config.json", &of("../a/secret.rs")),
            ("a/secret.rs", "key"),
            ("d/.meta/config.json", &of("/etc/x.rs")),
            ("e/.meta/config.json", r#"{"files": {"solution": ["a.rs", "b.rs"]}}"#),
            ("f/.meta/config.json", &of("link.rs")),
            ("f/.docs/instructions.md", "Do."),
            ("g/.meta/config.json", &of("long.rs")),
            ("g/long.rs", &long),
            ("h/.meta/config.json", &of("a.rs")),
            ("h/a.rs", ""),
        ]);
        std::os::unix::fs::symlink(folder.path().join("a/secret.rs"), folder.path().join("f/link.rs"))
            .expect("a link");
        let read = read(&TRACKS[1], folder.path()).expect("it is there");
        assert_eq!(read.exercises, []);
        assert_eq!(
            read.left_out,
            [
                "exercism/rust a: it is not described",
                "exercism/rust b: its description cannot be read",
                "exercism/rust c: its source file lies outside of it",
                "exercism/rust d: its source file lies outside of it",
                "exercism/rust e: it has not exactly one source file",
                "exercism/rust f: its source file is no text within the bounds",
                "exercism/rust g: its source file is no text within the bounds",
                "exercism/rust h: it has no instructions within the bounds",
            ]
        );
    }
}
