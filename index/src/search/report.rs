//! Reports of faults as questions: long texts written into forms, whose headings say nothing about the code.
//!
//! Refuses: to judge what a report says; only lines of a form are taken out.

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

#[cfg(test)]
mod tests {
    use super::*;

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
