//! What belongs to the first hit as a person reads it: one row for each list. Refuses: lists longer than a glance takes;
//! `--json` has more of each.

use std::time::{SystemTime, UNIX_EPOCH};

use app::{Commit, Related, RelatedPlace, counted};

use crate::render::{self, Style};

/// Items shown of each list.
const SHOWN_MAX: usize = 6;
/// The room that the name of a row takes.
const NAME_CHARS: usize = 13;

/// The rows below a heading.
pub(super) fn block(related: &Related, style: Style) -> String {
    block_at(related, style, now())
}

fn block_at(related: &Related, style: Style, now: i64) -> String {
    let Related { path, start_line, end_line, symbol, .. } = related;
    let symbol = symbol.as_deref().unwrap_or_default();
    let symbol = render::one_line(symbol);
    let gap = if symbol.is_empty() { "" } else { " " };
    let heading = format!("related to {}:{start_line}-{end_line}{gap}{symbol}", render::name(path));
    let mut text = format!("{}\n", style.bold(&heading));
    if let Some(commit) = &related.last_change {
        rows(&mut text, style, "last changed", vec![told(commit, now)], 1);
    }
    let place = |one: &RelatedPlace| format!("{}:{}  {}", render::name(&one.path), one.line, one.name);
    let places = |all: &[RelatedPlace]| all.iter().map(place).collect::<Vec<_>>();
    let count = related.outline.len();
    let outline: Vec<String> =
        related.outline.iter().take(SHOWN_MAX).map(|one| format!("{}:{}", one.name, one.line)).collect();
    if count > 0 {
        let more = more(count);
        rows(&mut text, style, "outline", vec![format!("{}{more}", outline.join(", "))], count);
    }
    rows(&mut text, style, "called by", places(&related.callers), related.callers.len());
    rows(&mut text, style, "calls", places(&related.callees), related.callees.len());
    let imports: Vec<String> = related.imports.iter().map(|one| render::name(&one.path)).collect();
    rows(&mut text, style, "imports", imports, related.imports.len());
    rows(&mut text, style, "tests", places(&related.tests), related.tests.len());
    let commits: Vec<String> = related.commits.iter().map(|commit| told(commit, now)).collect();
    rows(&mut text, style, "commits", commits, related.commits.len());
    let together = related.changes_with.iter();
    let together: Vec<String> = together
        .map(|one| format!("{}  {}", render::name(&one.path), counted(one.commits.into(), "commit")))
        .collect();
    rows(&mut text, style, "changes with", together, related.changes_with.len());
    if related.cut {
        text.push_str(&format!("  {}\n", style.dim("there may be more than was found in time")));
    }
    text
}

/// The first items of a list, the name before the first of them.
fn rows(text: &mut String, style: Style, name: &str, items: Vec<String>, count: usize) {
    let rest = if items.len() > SHOWN_MAX { more(count) } else { String::new() };
    for (at, item) in items.iter().take(SHOWN_MAX).enumerate() {
        let name = style.dim(&format!("{:<NAME_CHARS$}", if at == 0 { name } else { "" }));
        let rest = if at + 1 == SHOWN_MAX { rest.as_str() } else { "" };
        text.push_str(&format!("  {name} {}{rest}\n", render::escape(&item.replace(['\n', '\t'], " "))));
    }
}

fn more(count: usize) -> String {
    match count.saturating_sub(SHOWN_MAX) {
        0 => String::new(),
        more => format!(", and {more} more"),
    }
}

fn told(commit: &Commit, now: i64) -> String {
    let Commit { id, time, author, subject } = commit;
    format!("{}, by {author} in {id} '{subject}'", age(now.saturating_sub(*time)))
}

/// How long ago something was, in whole days at most.
fn age(seconds: i64) -> String {
    const DAY: i64 = 86_400;
    let (count, unit) = match seconds / DAY {
        i64::MIN..=0 => return "today".to_owned(),
        days @ 1..=59 => (days, "day"),
        days @ 60..=729 => (days / 30, "month"),
        days => (days / 365, "year"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use app::ChangesWith;

    use super::*;

    #[test]
    fn every_list_has_a_row_and_an_end() {
        let place =
            |n: u32| RelatedPlace { path: "a.py".into(), line: n, name: format!("f{n}"), kind: "call".into() };
        let commit =
            Commit { id: "abc".into(), time: 0, author: "Ada\x1b".into(), subject: "keep sessions".into() };
        let related = Related {
            path: "b.py".into(),
            start_line: 3,
            end_line: 9,
            symbol: Some("B.f".into()),
            outline: vec![place(1), place(2)],
            callers: (1..=9).map(place).collect(),
            last_change: Some(commit.clone()),
            commits: vec![commit],
            changes_with: vec![ChangesWith { path: "c.py".into(), commits: 1 }],
            ..Related::default()
        };
        let text = block_at(&related, Style::plain(), 86_400 * 3);
        let expected = "\
related to b.py:3-9 B.f
  last changed  3 days ago, by Ada\\x1b in abc 'keep sessions'
  outline       f1:1, f2:2
  called by     a.py:1  f1
                a.py:2  f2
                a.py:3  f3
                a.py:4  f4
                a.py:5  f5
                a.py:6  f6, and 3 more
  commits       3 days ago, by Ada\\x1b in abc 'keep sessions'
  changes with  c.py  1 commit
";
        assert_eq!(text, expected);
        for (days, said) in [(-1, "today"), (1, "1 day ago"), (60, "2 months ago"), (800, "2 years ago")] {
            assert_eq!(age(days * 86_400), said);
        }
    }
}
