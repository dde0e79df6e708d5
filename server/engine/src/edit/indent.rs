//! Bringing a model's lines into the indentation of the file they are for.
//!
//! Refuses: a way that does not explain every line it was learned from, because a line set in wrongly can be right
//! code of another meaning.

use std::collections::BTreeMap;

/// What a text is set in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// One tab for each level.
    Tabs,
    /// So many spaces for each level.
    Spaces(usize),
}

/// Assumed where a text does not show how wide its levels are.
const WIDTH_ASSUMED: usize = 4;

/// The white space a line begins with.
pub(crate) fn indent_of(line: &str) -> &str {
    let blank = line.len() - line.trim_start_matches([' ', '\t']).len();
    line.get(..blank).unwrap_or("")
}

/// How a text is set in; `None` when it never is, or when only its depth is known and `width` is not assumed.
pub(crate) fn style_of<'a>(lines: impl Iterator<Item = &'a str>, assume: bool) -> Option<Style> {
    let (mut tabs, mut spaces, mut before) = (0_usize, 0_usize, 0_usize);
    let mut steps: BTreeMap<usize, usize> = BTreeMap::new();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let indent = indent_of(line);
        match indent.chars().next() {
            Some('\t') => tabs += 1,
            Some(_) => spaces += 1,
            None => {}
        }
        if indent.len() > before && !indent.contains('\t') {
            *steps.entry(indent.len() - before).or_default() += 1;
        }
        before = indent.len();
    }
    if tabs == 0 && spaces == 0 {
        return None;
    }
    if tabs >= spaces {
        return Some(Style::Tabs);
    }
    // Of equally frequent steps the smallest, because a step may be of two levels at once.
    let usual =
        steps.iter().filter(|(step, _)| **step > 1).max_by_key(|(step, count)| (**count, usize::MAX - **step));
    usual.map(|(step, _)| Style::Spaces(*step)).or(assume.then_some(Style::Spaces(WIDTH_ASSUMED)))
}

/// Levels, and spaces beyond them.
fn level(indent: &str, style: Style) -> Option<(usize, usize)> {
    match style {
        Style::Tabs => {
            let tabs = indent.bytes().take_while(|byte| *byte == b'\t').count();
            let rest = indent.get(tabs..)?;
            (!rest.contains('\t')).then_some((tabs, rest.len()))
        }
        Style::Spaces(width) => (!indent.contains('\t')).then_some((indent.len() / width, indent.len() % width)),
    }
}

fn written(levels: usize, rest: usize, style: Style) -> String {
    match style {
        Style::Tabs => format!("{}{}", "\t".repeat(levels), " ".repeat(rest)),
        Style::Spaces(width) => " ".repeat(levels * width + rest),
    }
}

/// `line` with its indentation, in levels of `from`, written in levels of `to`; as it is where it has no such levels.
pub(crate) fn restyled(line: &str, from: Style, to: Style) -> String {
    let indent = indent_of(line);
    match level(indent, from) {
        Some((levels, rest)) => format!("{}{}", written(levels, rest, to), &line[indent.len()..]),
        None => line.to_owned(),
    }
}

/// A way from the indentation of a search to that of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// There is none to go.
    Same,
    /// The file has this in front of every line.
    Add(String),
    /// The search has this in front of every line.
    Remove(String),
    /// Each indentation of the search is one of the file.
    Known(BTreeMap<String, String>),
    /// Levels of another kind, so many more.
    Levels { from: Style, to: Style, more: isize },
}

impl Way {
    /// Learns it from lines that agree: those of the search and those of the file. `all` are all lines the model wrote
    /// for this place, `file` the style of the file.
    pub(crate) fn learn(search: &[&str], found: &[&str], all: &[&str], file: Option<Style>) -> Option<Self> {
        let agreeing = search.iter().zip(found).filter(|(line, _)| !line.trim().is_empty());
        let pairs: Vec<(&str, &str)> = agreeing.map(|(a, b)| (indent_of(a), indent_of(b))).collect();
        let (first, _) = pairs.split_first()?;
        let simple = [
            Some(Self::Same),
            first.1.strip_suffix(first.0).map(|more| Self::Add(more.to_owned())),
            first.1.strip_prefix(first.0).map(|more| Self::Add(more.to_owned())),
            first.0.strip_suffix(first.1).map(|less| Self::Remove(less.to_owned())),
            first.0.strip_prefix(first.1).map(|less| Self::Remove(less.to_owned())),
        ];
        let explains = |way: &Self| pairs.iter().all(|(a, b)| way.indent(a).as_deref() == Some(*b));
        let fits = |way: &Self| explains(way) && all.iter().all(|line| way.apply(line).is_some());
        let written = style_of(all.iter().copied(), true);
        // Tabs before spaces, or spaces before tabs, would be neither the file's way nor the model's.
        let mixes = matches!(
            (written, file),
            (Some(Style::Spaces(_)), Some(Style::Tabs)) | (Some(Style::Tabs), Some(Style::Spaces(_)))
        );
        let levels = || {
            let from = style_of(all.iter().copied(), false)?;
            let to = file?;
            let (a, b) = (level(first.0, from)?.0, level(first.1, to)?.0);
            let more = isize::try_from(b).ok()? - isize::try_from(a).ok()?;
            Some(Self::Levels { from, to, more })
        };
        let known = || {
            let map: BTreeMap<String, String> = pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
            let others: std::collections::BTreeSet<&String> = map.values().collect();
            (others.len() == map.len()).then(|| Self::Known(map.clone()))
        };
        if mixes {
            return levels().filter(&fits).or_else(|| known().filter(&fits));
        }
        let simple = simple.into_iter().flatten().find(&fits);
        simple.or_else(|| known().filter(&fits)).or_else(|| levels().filter(&fits))
    }

    /// A line on this way; `None` where the way does not lead. Blank lines stay as they are.
    pub(crate) fn apply(&self, line: &str) -> Option<String> {
        if line.trim().is_empty() {
            return Some(line.to_owned());
        }
        let indent = indent_of(line);
        self.indent(indent).map(|indent_there| format!("{indent_there}{}", &line[indent.len()..]))
    }

    fn indent(&self, indent: &str) -> Option<String> {
        match self {
            Self::Same => Some(indent.to_owned()),
            Self::Add(more) => Some(format!("{more}{indent}")),
            Self::Remove(less) => indent.strip_prefix(less.as_str()).map(str::to_owned),
            Self::Known(map) => map.get(indent).cloned(),
            Self::Levels { from, to, more } => {
                let (levels, rest) = level(indent, *from)?;
                Some(written(levels.checked_add_signed(*more)?, rest, *to))
            }
        }
    }
}

/// The white space all lines that are not blank have in common.
pub(crate) fn common<'a>(lines: impl Iterator<Item = &'a str>) -> &'a str {
    let mut lines = lines.filter(|line| !line.trim().is_empty());
    let Some(first) = lines.next() else { return "" };
    let mut shared = indent_of(first);
    for line in lines {
        let same = shared.bytes().zip(line.bytes()).take_while(|(a, b)| a == b).count();
        shared = shared.get(..same).unwrap_or("");
    }
    shared
}

/// `code`, meant for the place of `old`, set in as far as that. A model that set in all but its first line is understood.
/// The first lines must then be as deep as each other; a text inside the code can reach further left than the code, and
/// `None` is also for when that hides how deep the code is. In the place of blank lines code keeps its own indentation; where it has none it takes that of the lines `beside`, if
/// they agree, and `None` is for when they do not.
pub(crate) fn set_in(code: &[String], old: &[&str], beside: (Option<&str>, Option<&str>)) -> Option<Vec<String>> {
    let own = common(code.iter().map(String::as_str));
    let wanted = if old.iter().any(|line| !line.trim().is_empty()) {
        common(old.iter().copied())
    } else {
        match (beside.0.map(indent_of), beside.1.map(indent_of)) {
            _ if !own.is_empty() => own,
            (Some(above), Some(below)) => Some(above).filter(|above| *above == below)?,
            (Some(one), None) | (None, Some(one)) => Some(one).filter(|one| one.is_empty())?,
            (None, None) => "",
        }
    };
    let filled = |line: &&str| !line.trim().is_empty();
    let there = old.iter().copied().find(filled).map(indent_of);
    let here = code.iter().map(String::as_str).find(filled).map(indent_of);
    if own == wanted && there.is_none_or(|there| here.is_some_and(|here| here.len() >= there.len())) {
        return Some(code.to_vec());
    }
    if there == here {
        return Some(code.to_vec());
    }
    let first = code.iter().position(|line| !line.trim().is_empty()).unwrap_or(0);
    let old_first = old.iter().position(|line| !line.trim().is_empty()).unwrap_or(0);
    let code_rest = common(code.iter().skip(first + 1).map(String::as_str));
    let old_rest = common(old.iter().skip(old_first + 1).copied());
    let first_alone =
        own.is_empty() && !code_rest.is_empty() && code_rest == old_rest && code_rest.len() >= wanted.len();
    let set = |(at, line): (usize, &String)| {
        if line.trim().is_empty() || (first_alone && at != first) {
            line.clone()
        } else {
            format!("{wanted}{}", line.strip_prefix(own).unwrap_or(line))
        }
    };
    let set: Vec<String> = code.iter().enumerate().map(set).collect();
    let reached = set.get(first).map(|line| indent_of(line).len());
    there.is_none_or(|there| reached.is_some_and(|reached| reached >= there.len())).then_some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_explains_every_line_or_is_none() {
        let check = |search: &[&str], found: &[&str], more: &[&str], expected: Option<&[&str]>| {
            let all: Vec<&str> = search.iter().chain(more).copied().collect();
            let way = Way::learn(search, found, &all, style_of(found.iter().copied(), true));
            let written = way.map(|way| more.iter().filter_map(|line| way.apply(line)).collect::<Vec<_>>());
            assert_eq!(
                written.as_deref().map(|lines| lines.iter().map(String::as_str).collect()),
                expected.map(<[_]>::to_vec),
                "{search:?}"
            );
        };
        check(&["a:", "  b"], &["    a:", "      b"], &["a:", "  c"], Some(&["    a:", "      c"]));
        check(&["    a:", "      b"], &["a:", "  b"], &["    a:", "      c"], Some(&["a:", "  c"]));
        check(
            &["a:", "    b"],
            &["\ta:", "\t\tb"],
            &["a:", "    c", "        d"],
            Some(&["\ta:", "\t\tc", "\t\t\td"]),
        );
        check(&["a:", "b"], &["a:", "  b"], &["a:", "c"], None);
        check(&["    a"], &["  a"], &["c"], Some(&["c"]));
        check(&["a", "b", "    c"], &["    a", "  b", "    c"], &["c"], None);
    }

    #[test]
    fn styles_are_seen() {
        for (lines, expected) in [
            (&["a", "  b", "    c"][..], Some(Style::Spaces(2))),
            (&["a", "    b", "        c", "a"], Some(Style::Spaces(4))),
            (&["a", "\tb"], Some(Style::Tabs)),
            (&["a"], None),
        ] {
            assert_eq!(style_of(lines.iter().copied(), false), expected, "{lines:?}");
        }
    }
}
