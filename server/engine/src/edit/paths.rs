//! Paths that a model writes: found in its chatter, checked, matched with the files it was shown.
//!
//! Refuses: every path that leaves the workspace or that nobody would write code to, whatever it points to.

use super::Refusal;
use super::limits::PATH_BYTES_MAX;

/// `path` with `/` and without `./`, if it may be written.
pub(crate) fn checked(path: &str) -> Result<String, Refusal> {
    let given = path.trim().replace('\\', "/");
    let refuse = |reason| Err(Refusal::Path { path: crate::edit::shown(path), reason });
    let drive = given.as_bytes().get(1) == Some(&b':');
    if given.len() > PATH_BYTES_MAX {
        return refuse("it is too long");
    }
    if given.starts_with(['/', '~']) || drive {
        return refuse("it is not relative to the workspace");
    }
    let mut parts = Vec::new();
    for part in given.split('/') {
        if part.is_empty() || part == "." {
            continue;
        }
        if part == ".." {
            return refuse("it leaves the workspace");
        }
        if part.contains(':') {
            return refuse("a part of it has a colon");
        }
        if part.chars().any(|c| c.is_control() || is_hidden(c)) {
            return refuse("it holds characters that cannot be seen");
        }
        let name = part.trim_end_matches(['.', ' ']).to_lowercase();
        if name == ".git" || name == "git~1" {
            return refuse("it lies in git's own folder");
        }
        if name.len() != part.len() {
            return refuse("a part of it ends with a dot or a space");
        }
        parts.push(part);
    }
    if parts.is_empty() || given.ends_with('/') {
        return refuse("it names no file");
    }
    let clean = parts.join("/");
    if index::is_secret(&clean) { refuse("such files hold secrets") } else { Ok(clean) }
}

/// Characters that change how a name looks and not what it is.
pub(crate) fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The one of `known` that `path` names, by itself or by its end where that is unique.
pub(crate) fn resolve(path: &str, known: &[&str]) -> Option<usize> {
    if let Some(at) = known.iter().position(|one| *one == path) {
        return Some(at);
    }
    let ends = |one: &str| one.strip_suffix(path).is_some_and(|before| before.ends_with('/'));
    let mut fitting = known.iter().enumerate().filter(|(_, one)| ends(one)).map(|(at, _)| at);
    match (fitting.next(), fitting.next()) {
        (Some(at), None) => Some(at),
        _ => None,
    }
}

/// The path that a line of chatter consists of, however it is decorated.
pub(crate) fn path_in_line(line: &str) -> Option<String> {
    let mut rest = line.trim().trim_start_matches(['#', '*', '>', '-', ' ']);
    rest = rest.strip_prefix("// ").unwrap_or(rest);
    rest = rest.trim_matches(['*', '`', ' ']);
    for word in ["file:", "path:", "filename:", "file"] {
        if let Some(head) = rest.get(..word.len())
            && head.eq_ignore_ascii_case(word)
            && rest[word.len()..].starts_with([' ', '`', '*'])
        {
            rest = &rest[word.len()..];
            break;
        }
    }
    let path = rest.trim_matches(['*', '`', '"', '\'', ' ', ':', '[', ']', '(', ')']);
    looks_like_path(path).then(|| path.replace('\\', "/"))
}

/// Whether a word is written like the path of a file.
pub(crate) fn looks_like_path(word: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "/\\._-+@~:".contains(c);
    if word.is_empty() || !word.chars().all(plain) || word.contains("//") {
        return false;
    }
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    let named =
        extension.is_some_and(|end| (1..=10).contains(&end.len()) && end.chars().all(char::is_alphanumeric));
    named || (word.contains(['/', '\\']) && !name.is_empty() && !name.contains(':'))
}
