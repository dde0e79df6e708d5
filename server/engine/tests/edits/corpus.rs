//! Holds the engine to the recorded answers. Refuses: fewer of them than there were.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use engine::recorded::{Case, Judged, Recorded};

/// Cases there must be at least.
const CASES_MIN: usize = 200;

fn report(case: &Case, judged: &Judged) -> String {
    let mut report = format!("== {}\n", case.title());
    for (what, list) in [("wanted", &judged.wanted), ("found", &judged.found)] {
        for told in list {
            let _ = writeln!(report, "-- {what} {told}");
        }
    }
    report
}

#[test]
fn every_answer_is_the_right_edit_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/edits/corpus");
    let entries =
        std::fs::read_dir(folder).expect("the corpus is there").map(|entry| entry.expect("readable").path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    files.sort();
    let (mut count, mut wrong, mut titles) = (0, Vec::new(), BTreeSet::new());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("it is UTF-8");
        let recorded = Recorded::parse(&text).unwrap_or_else(|bad| panic!("{}, {bad}", file.display()));
        for case in recorded.cases() {
            assert!(titles.insert(case.title().to_owned()), "{} is there twice", case.title());
            count += 1;
            let judged = recorded.judge(case);
            if let Some(refusal) = &judged.refusal {
                assert!(!refusal.to_string().is_empty() && !refusal.advice().is_empty());
            }
            if !judged.is_as_recorded() {
                wrong.push(format!("{}: {}", file.display(), report(case, &judged)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= CASES_MIN, "{count} cases are too few");
}
