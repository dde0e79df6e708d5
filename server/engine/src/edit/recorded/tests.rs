//! What a recording says is read as it is meant, and its answers are judged; the recorded answers themselves are in
//! `tests/edits`.

use super::*;

const SHOP: &str = "%% base shop shop.py crlf\ndef total(prices):\n    return sum(prices)\n\n";

fn judged(case: &str) -> Judged {
    let recorded = Recorded::parse(&format!("{SHOP}%% case one\n%% on shop 2-2\n{case}")).expect("it is sound");
    let case = recorded.cases().next().expect("there is one");
    recorded.judge(case)
}

#[test]
fn an_answer_is_right_refused_missed_or_wrong() {
    let good = "%% answer\n```python\n    return fsum(prices)\n```\n";
    let bad = "%% answer\nI would rather not.\n";
    for (answer, expected, verdict) in [
        (good, "%% gives 2-2\n    return fsum(prices)\n", Verdict::Right),
        (good, "%% gives 2-2\n    return 0\n", Verdict::Wrong),
        (good, "%% refuses syntax\n", Verdict::Wrong),
        (bad, "%% refuses no-code\n", Verdict::Refused),
        (bad, "%% gives 2-2\n    return 0\n", Verdict::Missed),
    ] {
        let judged = judged(&format!("{answer}{expected}"));
        assert_eq!(judged.verdict, verdict, "{expected}: {judged:?}");
        assert_eq!(judged.is_as_recorded(), matches!(verdict, Verdict::Right | Verdict::Refused), "{expected}");
    }
    let found = &judged(&format!("{good}%% gives 2-2\n    return fsum(prices)\n")).found;
    assert_eq!(found[0].text, "def total(prices):\r\n    return fsum(prices)\r\n", "in the form of the file");
}

#[test]
fn the_kind_of_a_refusal_is_part_of_the_recording() {
    let cut = "%% cut\n%% answer\n```python\n    return f\n";
    assert!(judged(&format!("{cut}%% refuses cut-off\n")).is_as_recorded());
    let other = judged(&format!("{cut}%% refuses no-code\n"));
    assert_eq!(other.verdict, Verdict::Refused, "it was refused all the same");
    assert!(!other.is_as_recorded());
}

#[test]
fn what_means_nothing_is_named_by_its_line() {
    for (text, line, reason) in [
        ("hello\n", 1, "it begins with no directive"),
        ("%% answer\n", 1, "a case has to begin before its parts"),
        ("%% base a\n", 1, "a base needs a name and a path"),
        ("%% base a a.py big\n", 1, "a base cannot be `big`"),
        ("%% base a a.py\n%% base a b.py\n", 2, "this base is there already"),
        ("%% base a a.py\nx\n%% case c\n%% on b\n%% refuses x\n", 3, "the case is on no base"),
        ("%% base a a.py\nx\n%% case c\n%% on a\n", 3, "the case expects nothing"),
        ("%% base a a.py\nx\n%% case c\n%% on a 1-2\n%% refuses x\n", 3, "a.py has no such lines"),
        ("%% base a a.py\nx\n%% case c\n%% on a 0-1\n%% refuses x\n", 3, "a.py has no such lines"),
        ("%% base a a.py\nx\n%% case c\n%% on a\n%% gives 1-9\n", 3, "a.py has no such lines"),
        ("%% base a a.py\nx\n%% case c\n%% on a\n%% gives b.py\n", 3, "it gives no file of a base"),
        ("%% base a a.py\nx\n%% case c\n%% on a two\n", 4, "lines are written FIRST-LAST"),
        ("%% base a a.py\nx\n%% case c\n%% on a\n%% with b\n%% refuses x\n", 3, "there is no base `b`"),
        ("%% case c\n%% as prose\n", 2, "there is no form `prose`"),
        ("%% case c\n%% sing\n", 2, "there is no directive `sing`"),
        ("%% case c\n%% escapes\n%% answer\na\\x\n", 3, "there is no such escape"),
        ("%% case c\n%% escapes\n%% answer\n\\u{110000}\n", 3, "no character has this number"),
        ("%% case c\n%% escapes\n%% answer\n\\u\n", 3, "a number is written \\u{...}"),
    ] {
        let bad = Recorded::parse(text).expect_err(text);
        assert_eq!((bad.line, bad.reason.as_str()), (line, reason), "{text:?}");
    }
}
