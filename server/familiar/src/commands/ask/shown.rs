//! What of an answer is shown, as text and as JSON. Refuses: sources that the answer does not rest on among those it
//! does.

use std::fmt::Write as _;

use app::{Answer, AnswerEvent};
use engine::{Citation, ManifestEntry};
use serde_json::{Value, json};

use crate::render::{self, Style};

/// The words of a progress line; `None` for events that have none.
pub(super) fn progress(event: &AnswerEvent) -> Option<String> {
    Some(match event {
        AnswerEvent::Queued { position } => format!("waiting, {position} before this"),
        AnswerEvent::Held { notice } => notice.clone(),
        AnswerEvent::Loading { fraction } => format!("loading the model, {:.0} %", fraction * 100.0),
        AnswerEvent::Searching => "searching".to_owned(),
        AnswerEvent::Indexing { done, total } => format!("indexing, {done} of {total} files"),
        AnswerEvent::Sources { passages } => format!("reading {} passages", passages.len()),
        AnswerEvent::Drawing { done, all, .. } => format!("drawing, step {done} of {all}"),
        AnswerEvent::Reading { done_tokens, total_tokens } => {
            format!("reading, {done_tokens} of {total_tokens} tokens")
        }
        AnswerEvent::Text { .. } | AnswerEvent::Finished { .. } => return None,
    })
}

/// The one JSON object.
pub(super) fn object(answer: &Answer) -> Value {
    let citation = |citation: &Citation| {
        json!({
            "n": citation.n,
            "path": citation.path,
            "start_line": citation.start_line,
            "end_line": citation.end_line,
            "used": citation.used,
        })
    };
    json!({
        "answer": answer.text,
        "citations": answer.citations.iter().map(citation).collect::<Vec<_>>(),
        "model": answer.model,
        "manifest": answer.manifest,
        "usage": answer.usage,
    })
}

/// What follows the words of the answer.
pub(super) fn after(answer: &Answer, with_context: bool, style: Style) -> String {
    let mut text = String::from("\n");
    let (used, looked_at): (Vec<_>, Vec<_>) = answer.citations.iter().partition(|citation| citation.used);
    for (title, citations) in [("Sources", used), ("Looked at", looked_at)] {
        if !citations.is_empty() {
            let _ = write!(text, "\n{}\n", style.bold(title));
            citations.iter().for_each(|citation| text.push_str(&source(citation)));
        }
    }
    if with_context {
        text.push_str(&context(answer, style));
    }
    if let Some(notice) = &answer.notice {
        let _ = write!(text, "\n{}\n", style.dim(&render::escape(notice)));
    }
    text
}

fn source(citation: &Citation) -> String {
    let place = format!("{}:{}-{}", citation.path, citation.start_line, citation.end_line);
    let changed = if citation.live { "" } else { "  (changed meanwhile)" };
    format!("  [{}] {}{changed}\n", citation.n, render::one_line(&place))
}

fn context(answer: &Answer, style: Style) -> String {
    let manifest = &answer.manifest;
    let mut text = format!("\n{}\n", style.bold("Context"));
    let to = manifest.sent_to.as_deref().unwrap_or("nobody; no model was asked");
    let _ = writeln!(
        text,
        "  sent to {}: {} of {} tokens",
        render::one_line(to),
        manifest.used_tokens,
        manifest.budget_tokens
    );
    manifest.sent.iter().for_each(|entry| text.push_str(&line(entry)));
    if !manifest.left_out.is_empty() {
        text.push_str("  left out:\n");
        manifest.left_out.iter().for_each(|entry| text.push_str(&line(entry)));
    }
    for note in &manifest.notes {
        let _ = writeln!(text, "  note: {}", render::one_line(note));
    }
    text
}

fn line(entry: &ManifestEntry) -> String {
    let n = entry.n.map(|n| format!("[{n}] ")).unwrap_or_default();
    let place = format!("{}:{}-{}", entry.path, entry.start_line, entry.end_line);
    format!("    {n}{} {} tokens, {}\n", render::one_line(&place), entry.tokens, render::one_line(&entry.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn citation(n: u32, used: bool) -> Citation {
        Citation {
            n,
            path: format!("a\x1b{n}.py"),
            start_line: 1,
            end_line: 3,
            used,
            symbol: None,
            reason: "it matches".into(),
            live: n != 2,
        }
    }

    fn answer() -> Answer {
        let citations = vec![citation(1, false), citation(2, true)];
        Answer { text: "It hashes [2].".into(), citations, notice: Some("half of it".into()), ..Answer::default() }
    }

    #[test]
    fn used_sources_come_first_and_nothing_is_obeyed() {
        let expected = "\n\nSources\n  [2] a\\x1b2.py:1-3  (changed meanwhile)\n\nLooked at\n  [1] a\\x1b1.py:1-3\n\nhalf of it\n";
        assert_eq!(after(&answer(), false, Style::plain()), expected);
        assert!(
            after(&answer(), true, Style::plain()).contains("sent to nobody; no model was asked: 0 of 0 tokens")
        );
    }

    #[test]
    fn the_object_has_its_five_fields() {
        let object = object(&answer());
        let fields: Vec<_> = object.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(fields, ["answer", "citations", "manifest", "model", "usage"]);
        let first = &object["citations"][0];
        assert_eq!(*first, json!({ "n": 1, "path": "a\x1b1.py", "start_line": 1, "end_line": 3, "used": false }));
    }
}
