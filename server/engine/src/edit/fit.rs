//! Puts a model's lines in the place of a file's lines: what the model left as it was keeps the file's own bytes.
//!
//! Refuses: taking over what a model does to blanks at the ends of lines, to tabs and to line breaks without meaning to.

use super::indent::indent_of;
use super::limits::COMPARED_LINES_MAX;

/// `new` as text in the place of the lines `old` (with their line breaks), each ended by `ending` unless it is a line of
/// `old`. `keep` says that blanks at the ends of such lines stay; they go when the user asked for that.
pub(crate) fn fit(old: &[&str], new: &[String], ending: &str, keep: bool) -> String {
    let twins = twins(old, new);
    let mut out = String::new();
    let last_break = old.last().map(|line| text::line_break(line));
    let tab = width_of_tabs(old, new, &twins);
    for (at, line) in new.iter().enumerate() {
        let twin = twins.get(at).copied().flatten().and_then(|at| old.get(at)).copied();
        let own_break = twin.map(text::line_break).filter(|own| !own.is_empty()).unwrap_or(ending);
        match twin.map(|twin| twin.strip_suffix(text::line_break(twin)).unwrap_or(twin)) {
            Some(twin) if keep => {
                let (there, here) = (indent_of(twin), indent_of(line));
                out.push_str(if line.trim().is_empty() || as_deep(there, here, tab) { there } else { here });
                out.push_str(&twin[there.len()..]);
            }
            _ => out.push_str(line),
        }
        let is_last = at + 1 == new.len();
        out.push_str(if is_last && last_break == Some("") { "" } else { own_break });
    }
    out
}

/// For each new line the old one that it is, but for blanks at both ends.
fn twins(old: &[&str], new: &[String]) -> Vec<Option<usize>> {
    let mut twins = vec![None; new.len()];
    if old.len().max(new.len()) > COMPARED_LINES_MAX {
        return twins;
    }
    let plain = |line: &str| format!("{}\n", line.trim());
    let old_text: String = old.iter().map(|line| plain(line)).collect();
    let new_text: String = new.iter().map(|line| plain(line)).collect();
    let (mut old_at, mut new_at) = (0, 0);
    let mut pair = |old_at: usize, new_range: std::ops::Range<usize>| {
        for (by, new_at) in new_range.enumerate() {
            if let Some(twin) = twins.get_mut(new_at) {
                *twin = Some(old_at + by);
            }
        }
    };
    for hunk in text::hunks(&old_text, &new_text) {
        pair(old_at, new_at..hunk.new_lines.start);
        (old_at, new_at) = (hunk.old_lines.end, hunk.new_lines.end);
    }
    pair(old_at, new_at..new.len());
    twins
}

/// The width of a tab at which every line that stays is as deep as it was, if there is one. Without, somebody moved lines
/// on purpose.
fn width_of_tabs(old: &[&str], new: &[String], twins: &[Option<usize>]) -> Option<usize> {
    let pairs = || {
        let there = new.iter().zip(twins).filter(|(line, _)| !line.trim().is_empty());
        there.filter_map(|(line, twin)| Some((indent_of(old.get((*twin)?)?), indent_of(line))))
    };
    [4, 8, 2].into_iter().find(|width| pairs().all(|(there, here)| as_deep(there, here, Some(*width))))
}

/// Whether two indentations are the same, or reach the same column where a tab is so wide.
fn as_deep(a: &str, b: &str, tab: Option<usize>) -> bool {
    let column = |indent: &str, tab: usize| {
        indent.bytes().fold(0, |at, byte| if byte == b'\t' { at / tab * tab + tab } else { at + 1 })
    };
    a == b || tab.is_some_and(|tab| column(a, tab) == column(b, tab))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_meant_stays() {
        for (old, new, keep, expected) in [
            ("a  \n\tb\r\nc", "a\n    b\nd", true, "a  \n\tb\r\nd"),
            ("a  \nb\n", "a\nb", false, "a\nb\n"),
            ("  a\n", "    a", true, "    a\n"),
            ("a\r\n", "a\nb", true, "a\r\nb\r\n"),
            ("a", "a\nb", true, "a\r\nb"),
        ] {
            let old: Vec<&str> = text::split_lines(old).collect();
            let new: Vec<String> = new.lines().map(str::to_owned).collect();
            assert_eq!(fit(&old, &new, "\r\n", keep), expected, "{old:?}");
        }
    }
}
