//! Bytes of a file -> text, or the reason why they are no text worth indexing.
//!
//! Refuses: opening files; see `live`. Decoding never fails: what is no UTF-8, UTF-16 or UTF-32 is read as Latin-1.

use crate::files::skip::SkipReason;
use crate::limits::{LINE_BYTES_MAX, MEAN_LINE_BYTES_MAX, SNIFF_BYTES};

/// Extensions that are never text; such files are not even opened.
const BINARY_EXTENSIONS: &[&str] = &[
    "7z",
    "a",
    "avi",
    "avif",
    "bin",
    "bmp",
    "bz2",
    "class",
    "dat",
    "db",
    "dll",
    "dylib",
    "eot",
    "exe",
    "flac",
    "gif",
    "gz",
    "ico",
    "icns",
    "jar",
    "jpeg",
    "jpg",
    "lib",
    "lz4",
    "lzma",
    "mkv",
    "mmdb",
    "mo",
    "mov",
    "mp3",
    "mp4",
    "npy",
    "npz",
    "o",
    "obj",
    "ogg",
    "onnx",
    "otf",
    "parquet",
    "pdf",
    "pickle",
    "pkl",
    "png",
    "psd",
    "pyc",
    "pyo",
    "pyd",
    "rar",
    "rlib",
    "rmeta",
    "safetensors",
    "so",
    "sqlite",
    "sqlite3",
    "tar",
    "tgz",
    "tif",
    "tiff",
    "ttf",
    "wasm",
    "wav",
    "webm",
    "webp",
    "whl",
    "woff",
    "woff2",
    "xz",
    "zip",
    "zst",
    "gguf",
];

/// Lock files of package managers, in lower case.
const LOCK_FILES: &[&str] = &[
    "bun.lock",
    "bun.lockb",
    "cargo.lock",
    "composer.lock",
    "deno.lock",
    "flake.lock",
    "gemfile.lock",
    "go.sum",
    "gradle.lockfile",
    "mix.lock",
    "npm-shrinkwrap.json",
    "package-lock.json",
    "package.resolved",
    "packages.lock.json",
    "pdm.lock",
    "pipfile.lock",
    "pnpm-lock.yaml",
    "podfile.lock",
    "poetry.lock",
    "pubspec.lock",
    "uv.lock",
    "yarn.lock",
];

/// Ends of the names under which minified copies are kept, in lower case.
const MINIFIED_ENDINGS: &[&str] = &[".min.css", ".min.js", ".min.mjs"];

/// Extensions in which one paragraph is one line, so that long lines say nothing.
const PROSE_EXTENSIONS: &[&str] = &["adoc", "markdown", "md", "mdx", "org", "rst", "tex", "txt"];

/// So many lines of code for each long line are somebody's own.
const WRITTEN_LINES_MIN: usize = 8;

/// What opens a line of comment in one language or another.
const COMMENT_MARKERS: [&str; 9] = ["//", "#", "/*", "*", "<!--", "--", ";", "%", "\"\"\""];

/// Lines at the head of a file in which it may say that it is generated.
const GENERATED_LINES: usize = 10;

/// Text of a file, and whether some of it had to be guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// The text, without a byte order mark.
    pub(crate) text: String,
    /// Not UTF-8: read as UTF-16, UTF-32 or Latin-1.
    pub(crate) converted: bool,
    /// It says that a tool made it; only its names are indexed.
    pub(crate) generated: bool,
}

/// The reason to skip a file that its name alone gives.
pub(crate) fn skip_by_name(path: &str) -> Option<SkipReason> {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    if LOCK_FILES.contains(&name.as_str()) {
        return Some(SkipReason::LockFile);
    }
    if MINIFIED_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        return Some(SkipReason::Minified);
    }
    match extension(&name) {
        "po" | "pot" | "xlf" | "xliff" => Some(SkipReason::Translations),
        "map" => Some(SkipReason::Generated),
        other if BINARY_EXTENSIONS.contains(&other) => Some(SkipReason::Binary),
        _ => None,
    }
}

/// Decodes the bytes of the file at `path`, or says why its text is left out.
pub(crate) fn decode(path: &str, bytes: Vec<u8>) -> Result<Decoded, SkipReason> {
    decode_named(path, bytes)
        .and_then(|decoded| if decoded.generated { Err(SkipReason::Generated) } else { Ok(decoded) })
}

/// The same for what is wanted of it at least: a generated text, too, has names that are looked for.
pub(crate) fn decode_named(path: &str, bytes: Vec<u8>) -> Result<Decoded, SkipReason> {
    let decoded = decode_bytes(bytes).ok_or(SkipReason::Binary)?;
    if is_minified(path, &decoded.text) {
        return Err(SkipReason::Minified);
    }
    let generated = is_generated(path, &decoded.text);
    Ok(Decoded { generated, ..decoded })
}

/// The text of any bytes; `None` when they are binary.
pub(crate) fn decode_bytes(bytes: Vec<u8>) -> Option<Decoded> {
    // One mark and no more: a file of nothing else must not cost a copy for each.
    let bytes = match bytes.strip_prefix(b"\xEF\xBB\xBF") {
        Some(rest) => rest.to_vec(),
        None => bytes,
    };
    if let Some(wide) = decode_widest(&bytes).or_else(|| decode_wide(&bytes)) {
        return Some(Decoded { text: wide, converted: true, generated: false });
    }
    if bytes[..bytes.len().min(SNIFF_BYTES)].contains(&0) {
        return None;
    }
    Some(match String::from_utf8(bytes) {
        Ok(text) => Decoded { text, converted: false, generated: false },
        Err(error) => {
            let text = error.as_bytes().iter().map(|&byte| char::from(byte)).collect();
            Decoded { text, converted: true, generated: false }
        }
    })
}

/// UTF-32 with a byte order mark, in either order.
fn decode_widest(bytes: &[u8]) -> Option<String> {
    let (rest, number): (_, fn([u8; 4]) -> u32) = match bytes {
        // As UTF-16 it would be a text that begins with a zero, which none does.
        [0xFF, 0xFE, 0, 0, rest @ ..] => (rest, u32::from_le_bytes),
        [0, 0, 0xFE, 0xFF, rest @ ..] => (rest, u32::from_be_bytes),
        _ => return None,
    };
    let units = rest.chunks_exact(4).map(|four| number([four[0], four[1], four[2], four[3]]));
    Some(units.map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

/// UTF-16 with a byte order mark, or without one when every other byte of the head is zero.
fn decode_wide(bytes: &[u8]) -> Option<String> {
    let head = &bytes[..bytes.len().min(SNIFF_BYTES)];
    let zeros = |offset: usize| head.iter().skip(offset).step_by(2).filter(|&&byte| byte == 0).count();
    let pairs = head.len() / 2;
    let (rest, little) = match bytes {
        [0xFF, 0xFE, rest @ ..] => (rest, true),
        [0xFE, 0xFF, rest @ ..] => (rest, false),
        _ if pairs >= 4 && bytes.len().is_multiple_of(2) && zeros(0) == 0 && zeros(1) * 10 >= pairs * 7 => {
            (bytes, true)
        }
        _ if pairs >= 4 && bytes.len().is_multiple_of(2) && zeros(1) == 0 && zeros(0) * 10 >= pairs * 7 => {
            (bytes, false)
        }
        _ => return None,
    };
    let units = rest.chunks_exact(2).map(|pair| {
        if little { u16::from_le_bytes([pair[0], pair[1]]) } else { u16::from_be_bytes([pair[0], pair[1]]) }
    });
    Some(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

/// Whether the lines are so long that no hand wrote them.
pub(crate) fn is_minified(path: &str, text: &str) -> bool {
    let extension = extension(path).to_lowercase();
    if extension == "ipynb" {
        // Pictures in its outputs are long lines of data; only its cells are indexed.
        return false;
    }
    let prose = PROSE_EXTENSIONS.contains(&extension.as_str());
    let mut lines = 0usize;
    let mut longest = 0usize;
    for line in text.split(['\n', '\r']) {
        lines += 1;
        longest = longest.max(line.len());
    }
    let dense = text.len() > 4 * MEAN_LINE_BYTES_MAX && text.len() / lines.max(1) > MEAN_LINE_BYTES_MAX;
    longest > LINE_BYTES_MAX || dense && !prose && !is_written_around(text)
}

/// Whether somebody wrote a text around its few long lines: code with a picture or a key in it as one string. A licence
/// above one long line is no such text.
fn is_written_around(text: &str) -> bool {
    let (mut long, mut written) = (0usize, 0usize);
    for line in text.split(['\n', '\r']).map(str::trim_start).filter(|line| !line.is_empty()) {
        if line.len() > MEAN_LINE_BYTES_MAX {
            long += 1;
        } else if !COMMENT_MARKERS.iter().any(|marker| line.starts_with(marker)) {
            written += 1;
        }
    }
    written >= WRITTEN_LINES_MIN && written >= long * WRITTEN_LINES_MIN
}

/// Whether a text says at its head that a tool made it.
pub(crate) fn is_generated(path: &str, text: &str) -> bool {
    extension(path) != "ipynb"
        && text.lines().flat_map(|line| line.split('\r')).take(GENERATED_LINES).any(says_generated)
}

/// Whether a comment line says that a tool wrote this file and that hands should keep off.
fn says_generated(line: &str) -> bool {
    let line = line.trim_start();
    let Some(marker) = COMMENT_MARKERS.iter().find(|marker| line.starts_with(**marker)) else {
        return false;
    };
    let words = line[marker.len()..].trim_start_matches(['*', '/', '!', ' ']).to_lowercase();
    words.starts_with("@generated") || (words.contains("generated") && words.contains("do not edit"))
}

/// The extension of a path, or nothing.
pub(crate) fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => extension,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Option<(String, bool)> {
        decode_bytes(bytes.to_vec()).map(|decoded| (decoded.text, decoded.converted))
    }

    #[test]
    fn every_encoding_becomes_text() {
        let utf16le: Vec<u8> = "fn wide() {}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf16be: Vec<u8> = "fn wide() {}\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let marked: Vec<u8> = [0xFF, 0xFE].into_iter().chain(utf16le.clone()).collect();
        assert_eq!(text(b"plain"), Some(("plain".into(), false)));
        assert_eq!(text(b"\xEF\xBB\xBFmark"), Some(("mark".into(), false)));
        assert_eq!(text(&marked), Some(("fn wide() {}\n".into(), true)));
        assert_eq!(text(&utf16le), Some(("fn wide() {}\n".into(), true)));
        assert_eq!(text(&utf16be), Some(("fn wide() {}\n".into(), true)));
        assert_eq!(text(b"caf\xE9"), Some(("caf\u{e9}".into(), true)));
        let utf32: Vec<u32> = "\u{feff}fn wide() {}\n".chars().map(u32::from).collect();
        let utf32le: Vec<u8> = utf32.iter().copied().flat_map(u32::to_le_bytes).collect();
        let utf32be: Vec<u8> = utf32.iter().copied().flat_map(u32::to_be_bytes).collect();
        assert_eq!(text(&utf32le), Some(("fn wide() {}\n".into(), true)));
        assert_eq!(text(&utf32be), Some(("fn wide() {}\n".into(), true)));
        assert_eq!(text(b"\x7fELF\0\0\0\x01binary"), None);
        assert_eq!(text(b""), Some((String::new(), false)));
    }

    #[test]
    fn machine_made_files_are_seen() {
        let long = "x=1;".repeat(600);
        let check = |path: &str, text: &str, expected: Option<SkipReason>| {
            assert_eq!(decode(path, text.as_bytes().to_vec()).err(), expected, "{path}");
        };
        check("a.js", &long, Some(SkipReason::Minified));
        check("a.md", &long, None);
        let longer = long.repeat(9);
        check("a.py", &format!("{}KEY = '{longer}'\n", "def f():\n    pass\n".repeat(4)), None);
        let licence = "/*!\n * Free to use.\n */\n".repeat(9);
        check("a.js", &format!("{licence}{longer}\n"), Some(SkipReason::Minified));
        check("a.md", &"y".repeat(60_000), Some(SkipReason::Minified));
        check("a.go", "// Code generated by protoc. DO NOT EDIT.\npackage a\n", Some(SkipReason::Generated));
        check("a.rs", "// @generated\nfn a() {}\n", Some(SkipReason::Generated));
        check("a.py", "# Generated by Django 5.0\nx = 1\n", None);
        check("a.py", "MARK = '@generated do not edit'\n", None);
        assert_eq!(skip_by_name("x/Cargo.lock"), Some(SkipReason::LockFile));
        assert_eq!(skip_by_name("x/a.PNG"), Some(SkipReason::Binary));
        assert_eq!(skip_by_name("x/django.po"), Some(SkipReason::Translations));
        assert_eq!(skip_by_name("x/so"), None);
        assert_eq!(skip_by_name("x/jquery-3.5.1.min.js"), Some(SkipReason::Minified));
        let generated = decode_named("a.rs", b"// @generated\nfn a() {}\n".to_vec()).unwrap();
        assert!(generated.generated && generated.text.contains("fn a()"));
    }
}
