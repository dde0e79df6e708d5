//! Small pieces of text the pages share: hints with commands in them, sizes, speeds, paths and URLs. Refuses: HTML;
//! templates escape what comes from here.

use std::fmt::Write as _;
use std::path::Path;

use app::{AnswerEvent, Usage};
use engine::Citation;
use url::form_urlencoded::Serializer;

/// Part of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Its text.
    pub(super) text: String,
    /// Whether it is to be typed as it stands.
    pub(super) is_code: bool,
}

/// A sentence cut at its backticks.
pub(super) fn pieces(sentence: &str) -> Vec<Piece> {
    let parts = sentence.split('`').enumerate();
    parts
        .filter(|(_, text)| !text.is_empty())
        .map(|(at, text)| Piece { text: text.into(), is_code: at % 2 == 1 })
        .collect()
}

/// An error or a hint, which begin small, as a sentence of a page. Names of files, folders and code stay as they are.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim();
    let first_word = text.split_whitespace().next().unwrap_or_default();
    let is_plain = first_word.trim_end_matches([',', ';', ':']).chars().all(char::is_alphabetic);
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    let mut out = if is_plain { first.to_uppercase().to_string() } else { first.to_string() };
    out.push_str(chars.as_str());
    if !out.ends_with(['.', '!', '?', '…']) {
        out.push('.');
    }
    out
}

/// The same text with a large letter at its beginning.
pub(super) fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// A path segment with everything escaped that could end it.
pub(super) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The URL that opens a cited passage. It carries when it was cited, and whether it had changed even then, so that
/// the page can say so.
pub(super) fn passage_url(workspace: &Path, citation: &Citation, cited_ms: i64) -> String {
    let mut query = Serializer::new(String::new());
    query.append_pair("workspace", &workspace.to_string_lossy());
    query.append_pair("path", &citation.path);
    query.append_pair("start", &citation.start_line.to_string());
    query.append_pair("end", &citation.end_line.to_string());
    query.append_pair("cited", &cited_ms.to_string());
    if !citation.live {
        query.append_pair("changed", "1");
    }
    format!("/passages?{}#cited", query.finish())
}

/// The place of lines as it is read: `src/main.rs:12-40`.
pub(super) fn place(path: &str, start: u32, end: u32) -> String {
    if start == end { format!("{path}:{start}") } else { format!("{path}:{start}-{end}") }
}

/// The last folder of a path, which is what people call it by.
pub(super) fn folder_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Tokens and times of an answer on one line.
pub(super) fn usage(usage: &Usage, model: Option<&str>) -> String {
    let mut line = String::new();
    if let Some(model) = model {
        let _ = write!(line, "{model} · ");
    }
    let _ = write!(line, "{} tokens read", usage.prompt_tokens);
    if usage.cached_tokens > 0 {
        let _ = write!(line, " ({} re-used)", usage.cached_tokens);
    }
    let _ = write!(line, " · {} written", usage.answer_tokens);
    if usage.answer_ms > 0.0 {
        let _ = write!(line, " at {:.1} tokens/s", f64::from(usage.answer_tokens) * 1000.0 / usage.answer_ms);
    }
    if usage.first_token_ms > 0.0 {
        let _ = write!(line, " · first token after {:.1} s", usage.first_token_ms / 1000.0);
    }
    line
}

/// What is going on, as it is said while waiting; `None` for what is seen anyway.
pub(super) fn phase(event: &AnswerEvent) -> Option<String> {
    Some(match event {
        AnswerEvent::Queued { position: 0 } => "Next in the queue …".into(),
        AnswerEvent::Queued { position } => format!("Busy: position {position} in the queue …"),
        AnswerEvent::Held { notice } => notice.clone(),
        AnswerEvent::Loading { fraction } => {
            format!("Loading the model: {:.0} % …", fraction.clamp(0.0, 1.0) * 100.0)
        }
        AnswerEvent::Searching => "Searching the workspace …".into(),
        AnswerEvent::Indexing { done, total } => format!("Indexing the workspace: {done} of {total} files …"),
        AnswerEvent::Sources { passages } => format!("Found {} passages …", passages.len()),
        AnswerEvent::Drawing { done, all, remaining_ms } => match remaining_ms {
            Some(ms) => format!("Drawing: step {done} of {all}, {} s left …", ms.div_ceil(1000)),
            None => format!("Drawing: step {done} of {all} …"),
        },
        AnswerEvent::Reading { done_tokens, total_tokens } => {
            format!("Reading: {done_tokens} of {total_tokens} tokens …")
        }
        AnswerEvent::Text { .. } => "Writing …".into(),
        AnswerEvent::Finished { .. } => return None,
    })
}

/// Bytes as people read them.
pub(super) fn size(bytes: u64) -> String {
    const STEP: f64 = 1000.0;
    let mut value = bytes as f64;
    let mut units = ["bytes", "kB", "MB", "GB", "TB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for next in units {
        if value < STEP {
            break;
        }
        value /= STEP;
        unit = next;
    }
    if unit == "bytes" { format!("{bytes} bytes") } else { format!("{value:.1} {unit}") }
}

/// Seconds as people read them.
pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_cannot_leave_its_place() {
        assert_eq!(segment("0a-f_9"), "0a-f_9");
        assert_eq!(segment("../a?b#ü"), "%2E%2E%2Fa%3Fb%23%C3%BC");
    }

    #[test]
    fn commands_stand_out_of_hints() {
        let found: Vec<_> =
            pieces("run `familiar open`, then `x`").into_iter().map(|p| (p.text, p.is_code)).collect();
        let expected = [("run ", false), ("familiar open", true), (", then ", false), ("x", true)];
        assert_eq!(found, expected.map(|(text, is_code)| (text.to_owned(), is_code)));
    }

    #[test]
    fn sentences_begin_large_and_names_stay() {
        for (text, expected) in [
            ("the folder is gone", "The folder is gone."),
            ("no, it is not!", "No, it is not!"),
            ("main.py has 3 lines, not 9", "main.py has 3 lines, not 9."),
            ("src/queue is a folder", "src/queue is a folder."),
            ("`familiar open` mints one", "`familiar open` mints one."),
            ("", ""),
        ] {
            assert_eq!(sentence(text), expected);
        }
    }

    #[test]
    fn words_begin_large() {
        assert_eq!(["step 1 of 2", "éa", ""].map(capitalized), ["Step 1 of 2", "Éa", ""]);
    }

    #[test]
    fn sizes_and_durations_read_well() {
        assert_eq!(
            [size(0), size(999), size(98_362_432), size(4_000_000_000)],
            ["0 bytes", "999 bytes", "98.4 MB", "4.0 GB"]
        );
        assert_eq!([duration(59), duration(3599), duration(7260)], ["59 s", "59 min", "2 h 1 min"]);
    }
}
