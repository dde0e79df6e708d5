//! `familiar eval --answers`: recorded answers of models, read again without a model, and whether each still becomes the
//! edit that was meant.
//!
//! Refuses: passing over a recording that it cannot read, and ending well when an answer became a wrong edit.

use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use app::counted;
use engine::edit_limits::RECORDED_BYTES_MAX;
use engine::recorded::{Case, Form, Judged, Recorded, Verdict};
use serde::Serialize;

use super::table::{markdown, percent};
use super::{Eval, write_json};
use crate::failure::{Failure, USAGE};
use crate::render;

/// The end of a recording's name.
const ENDING: &str = "txt";
/// Recordings that are read in one run.
const FILES_MAX: usize = 1_000;
/// The next step after what is no recording.
const HINT: &str =
    "server/engine/tests/edits/corpus/README.md in Familiar's sources says how answers are recorded";

/// One answer, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Replayed {
    file: String,
    title: String,
    form: &'static str,
    usable: bool,
    verdict: &'static str,
    refused: Option<&'static str>,
    /// Whether the refusal is of another kind than the recorded one.
    for_another_reason: bool,
    ms: f64,
    #[serde(skip)]
    details: Option<String>,
}

/// Reads, judges and prints.
pub(super) fn run(eval: &Eval) -> anyhow::Result<u8> {
    let mut replayed = Vec::new();
    for path in recordings(&eval.answers)? {
        let text = text_of(&path)?;
        let recorded = Recorded::parse(&text)
            .map_err(|bad| Failure::new(format!("{}:{}: {}", path.display(), bad.line, bad.reason)).hint(HINT))?;
        replayed.extend(recorded.cases().map(|case| replay(&path, &recorded, case)));
    }
    if replayed.is_empty() {
        return Err(Failure::new("there are no recorded answers").hint(HINT).into());
    }
    if let Some(path) = &eval.json {
        write_json(path, &replayed)?;
    }
    if eval.details {
        let details: String = replayed.iter().filter_map(|one| one.details.as_deref()).collect();
        render::output(&render::escape(&details))?;
    }
    render::output(&render::escape(&report(&replayed)))?;
    match replayed.iter().filter(|one| one.verdict == WRONG).count() {
        0 => Ok(0),
        wrong => Err(Failure::new(format!("{} became a wrong edit", counted(wrong as u64, "answer")))
            .hint("--details shows what each became")
            .into()),
    }
}

/// The files that were named, and those in the folders that were.
fn recordings(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path).map_err(|error| unread(path, &error))?;
        let inside = entries.flatten().map(|entry| entry.path());
        let mut inside: Vec<PathBuf> =
            inside.filter(|path| path.extension().is_some_and(|end| end == ENDING)).take(FILES_MAX + 1).collect();
        inside.sort();
        files.extend(inside);
    }
    if files.len() > FILES_MAX {
        return Err(Failure::new(format!("more than {FILES_MAX} recordings")).code(USAGE));
    }
    Ok(files)
}

fn text_of(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| unread(path, &error))?;
    // One byte more than is read as a recording, so that a longer one is told from one of that length.
    let mut file = file.take(RECORDED_BYTES_MAX as u64 + 1);
    file.read_to_string(&mut text).map_err(|error| unread(path, &error))?;
    Ok(text)
}

fn unread(path: &Path, error: &std::io::Error) -> Failure {
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::InvalidData => "it is no text in UTF-8".to_owned(),
        _ => format!("it cannot be read: {error}"),
    };
    Failure::new(format!("{}: {reason}", path.display())).hint(HINT)
}

/// What the verdicts are called.
const RIGHT: &str = "right";
const REFUSED: &str = "refused";
const MISSED: &str = "missed";
const WRONG: &str = "wrong";

fn replay(path: &Path, recorded: &Recorded, case: &Case) -> Replayed {
    let started = Instant::now();
    let judged = recorded.judge(case);
    let ms = started.elapsed().as_secs_f64() * 1e3;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let verdict = match judged.verdict {
        Verdict::Right => RIGHT,
        Verdict::Refused => REFUSED,
        Verdict::Missed => MISSED,
        Verdict::Wrong => WRONG,
    };
    let (title, form) = (case.title().to_owned(), name_of(case.form()));
    let details = (!judged.is_as_recorded()).then(|| told(&file, &title, verdict, &judged));
    let refused = judged.refusal.as_ref().map(engine::Refusal::kind);
    let for_another_reason = judged.verdict == Verdict::Refused && !judged.is_as_recorded();
    Replayed { file, title, form, usable: judged.usable, verdict, refused, for_another_reason, ms, details }
}

fn name_of(form: Form) -> &'static str {
    Form::ALL.into_iter().find(|(one, _)| *one == form).map_or("", |(_, name)| name)
}

/// What an answer became beside what it had to, where that is not the same.
fn told(file: &str, title: &str, verdict: &str, judged: &Judged) -> String {
    let mut text = format!("{file}, {title}: {verdict}\n");
    for (what, list) in [("wanted", &judged.wanted), ("found", &judged.found)] {
        for one in list {
            let _ = writeln!(text, "-- {what} {one}");
        }
    }
    text
}

fn report(replayed: &[Replayed]) -> String {
    let forms = Form::ALL.map(|(_, name)| name);
    let of = |form: &str| replayed.iter().filter(|one| one.form == form).collect::<Vec<_>>();
    let mut rows: Vec<Vec<String>> = forms
        .iter()
        .map(|form| (form, of(form)))
        .filter(|(_, own)| !own.is_empty())
        .map(|(f, own)| row(f, &own))
        .collect();
    if rows.len() > 1 {
        rows.push(row("all", &replayed.iter().collect::<Vec<_>>()));
    }
    let mut text =
        markdown(&["form", "answers", "usable", "right", "missed", "unusable", "refused", "wrong"], &rows);
    let ms: f64 = replayed.iter().map(|one| one.ms).sum();
    let other = replayed.iter().filter(|one| one.for_another_reason).count();
    let _ = write!(
        text,
        "
Usable: answers that hold the edit that was meant. Right: they became it. Missed: they were refused. Unusable: answers that
hold none. Refused: they were{}. Wrong: answers that became another edit, which must be none.

{} in {ms:.0} ms, without a model
",
        if other > 0 {
            format!(", {other} of them for another reason than the recorded one")
        } else {
            String::new()
        },
        counted(replayed.len() as u64, "answer"),
    );
    text
}

fn row(form: &str, replayed: &[&Replayed]) -> Vec<String> {
    let count = |verdict: &str| replayed.iter().filter(|one| one.verdict == verdict).count();
    let usable = replayed.iter().filter(|one| one.usable).count();
    let unusable = replayed.len() - usable;
    let of = |hits: usize, all: usize| format!("{hits} ({:.0} %)", percent(hits, all));
    vec![
        form.to_owned(),
        replayed.len().to_string(),
        usable.to_string(),
        of(count(RIGHT), usable),
        count(MISSED).to_string(),
        unusable.to_string(),
        of(count(REFUSED), unusable),
        count(WRONG).to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_counted_by_form() {
        let one = |form, usable, verdict| Replayed {
            file: "a.txt".into(),
            title: "t".into(),
            form,
            usable,
            verdict,
            refused: None,
            for_another_reason: verdict == REFUSED,
            ms: 0.5,
            details: None,
        };
        let replayed = [
            one("blocks", true, RIGHT),
            one("blocks", true, RIGHT),
            one("blocks", true, MISSED),
            one("blocks", false, REFUSED),
            one("whole", true, WRONG),
            one("whole", false, REFUSED),
        ];
        let report = report(&replayed);
        for line in [
            "| blocks | 4       | 3      | 2 (67 %) | 1      | 1        | 1 (100 %) | 0     |",
            "| whole  | 2       | 1      | 0 (0 %)  | 0      | 1        | 1 (100 %) | 1     |",
            "| all    | 6       | 4      | 2 (50 %) | 1      | 2        | 2 (100 %) | 1     |",
            "Refused: they were, 2 of them for another reason",
            "6 answers in 3 ms",
        ] {
            assert!(report.contains(line), "{line}\n{report}");
        }
    }
}
