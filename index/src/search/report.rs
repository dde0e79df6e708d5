//! Reports of faults as questions: long texts written into forms, whose headings say nothing about the code.
//!
//! Refuses: to judge what a report says; only lines of a form and folders of paths are taken out.

use std::borrow::Cow;

/// Words from which a text is a report.
const REPORT_WORDS_MIN: usize = 40;

/// Whether a text is a report of some length, such as an issue, rather than a question about the code.
pub(crate) fn is_report(question: &str) -> bool {
    question.lines().nth(1).is_some() && question.split_whitespace().nth(REPORT_WORDS_MIN).is_some()
}

/// Headings of forms for reports, and what is filled in beside them; they name nothing of the code.
const FORM: &[&str] = &[
    "describe the bug",
    "bug description",
    "description",
    "to reproduce",
    "steps to reproduce",
    "how to reproduce",
    "expected behavior",
    "expected behaviour",
    "expected results",
    "expected output",
    "actual behavior",
    "actual behaviour",
    "actual results",
    "current behavior",
    "environment info",
    "environment",
    "your project",
    "screenshots",
    "additional context",
    "possible solution",
    "command used",
    "pylint output",
    "pylint version",
    "python version",
    "os",
    "os / environment",
    "additional dependencies",
    "configuration",
    "versions",
    "version",
    "code for reproduction",
    "extra tools",
    "sphinx version",
    "sphinx extensions",
    "is your feature request related to a problem? please describe.",
    "describe the solution you'd like",
    "describe alternatives you've considered",
    "reproducible code",
    "system information",
    "browser",
    "platform",
    "operating system",
    "minimal example",
    "code sample",
    "problem description",
    "summary",
    "issue",
    "what happened",
    "what you expected to happen",
];

/// A report without the headings and the answers of its form that say nothing about the code.
pub(crate) fn without_form(report: &str) -> String {
    let is_form = |line: &str| {
        let bare = line.trim().trim_matches(['#', '*', '-', '_', ' ', ':']).to_lowercase();
        let label = bare.split_once(':').map_or(bare.as_str(), |(label, _)| label.trim_matches(['*', ' ']));
        FORM.contains(&bare.as_str()) || FORM.contains(&label) && bare.len() < 80
    };
    let kept = report.lines().enumerate().filter(|(number, line)| *number == 0 || !is_form(line));
    kept.map(|(_, line)| line).collect::<Vec<_>>().join("\n")
}

/// What separates the parts of a path.
const SEPARATORS: [char; 2] = ['/', '\\'];
/// Separators from which a run of letters is taken for a path. Fewer also stand between words and in formulas.
const SEPARATORS_MIN: usize = 2;

/// A line of a report without what only says where somebody keeps a file: of a path its last part is left, of a frame of a
/// traceback the function. `/home/me/lib/python3.9/site-packages` stands in every frame and says nothing.
pub(crate) fn without_places(line: &str) -> Cow<'_, str> {
    let line = frame(line).unwrap_or(line);
    if line.matches(SEPARATORS).nth(SEPARATORS_MIN - 1).is_none() {
        return Cow::Borrowed(line);
    }
    let in_path = |letter: char| letter.is_alphanumeric() || "_.-+@~:/\\".contains(letter);
    let mut kept = String::with_capacity(line.len());
    for run in line.split_inclusive(|letter: char| !in_path(letter)) {
        let many = run.matches(SEPARATORS).nth(SEPARATORS_MIN - 1).is_some();
        kept.push_str(if many { run.rsplit(SEPARATORS).next().unwrap_or(run) } else { run });
    }
    Cow::Owned(kept)
}

/// What a frame of a traceback says beside its path: `File "a/b.py", line 3, in name`, or `a/b.py in name(arguments)`.
fn frame(line: &str) -> Option<&str> {
    let bare = line.trim_start();
    if let Some((_, rest)) = bare.strip_prefix("File \"").and_then(|rest| rest.split_once("\", line ")) {
        return Some(rest.split_once(", in ").map_or("", |(_, function)| function));
    }
    let (path, call) = bare.split_once(" in ")?;
    let name = path.rsplit(SEPARATORS).next().filter(|name| name.len() < path.len() && name.contains('.'));
    (name.is_some() && !path.contains(char::is_whitespace) && call.contains('(')).then_some(call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_places_only_the_last_part_is_left() {
        let check = |line: &str, kept: &str| assert_eq!(without_places(line), kept, "{line}");
        check("  File \"/home/me/lib/python3.9/app/run.py\", line 3, in open_it", "open_it");
        check("  File \"run.py\", line 3", "");
        check("~/lib/app/run.py in open_it(name, mode)", "open_it(name, mode)");
        check("It is in `/home/me/run.py`, see C:\\lib\\app.py.", "It is in `run.py`, see app.py.");
        check("either/or in one (of two)", "either/or in one (of two)");
        check("x/y and 1/2 are left", "x/y and 1/2 are left");
    }

    #[test]
    fn the_form_goes_and_the_report_stays() {
        let report = "Login fails\n**Describe the bug**\nThe hash is wrong.\n- OS: Linux\n### Python version:\nsession.py breaks";
        assert_eq!(without_form(report), "Login fails\nThe hash is wrong.\nsession.py breaks");
        assert_eq!(without_form("Summary\nissue"), "Summary");
    }

    #[test]
    fn reports_are_long_and_have_lines() {
        assert!(!is_report("how does login work"));
        assert!(!is_report(&"word ".repeat(100)));
        assert!(is_report(&format!("title\n{}", "word ".repeat(100))));
    }
}
