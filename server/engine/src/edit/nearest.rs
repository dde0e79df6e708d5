//! The lines of a file that are most like those a model looked for, to show them to it.
//!
//! Refuses: being used to place an edit. What is only near is never a place.

use std::collections::{HashMap, HashSet};

use super::Nearest;
use super::limits::{NEAREST_LINES_MAX, NEAREST_SCAN_LINES_MAX, VOTES_PER_LINE_MAX};

/// The part of `file` most like `search`: where most of its lines stand but for blanks, signs and capitals, else the
/// line that shares most words with it. `None` when nothing is shared.
pub(crate) fn nearest(search: &[String], file: &[&str]) -> Option<Nearest> {
    let file = file.get(..file.len().min(NEAREST_SCAN_LINES_MAX)).unwrap_or_default();
    let at = by_votes(search, file).or_else(|| by_words(search, file))?;
    let count = search.len().clamp(3, NEAREST_LINES_MAX);
    let lines = file.iter().skip(at).take(count);
    let text = lines.flat_map(|line| [*line, "\n"]).collect();
    Some(Nearest { line: u32::try_from(at + 1).unwrap_or(u32::MAX), text })
}

fn by_votes(search: &[String], file: &[&str]) -> Option<usize> {
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, line) in file.iter().enumerate() {
        let places = places.entry(core(line)).or_default();
        if places.len() < VOTES_PER_LINE_MAX {
            places.push(at);
        }
    }
    let mut votes: HashMap<usize, usize> = HashMap::new();
    for (by, line) in search.iter().enumerate().filter(|(_, line)| core(line).len() > 1) {
        for at in places.get(&core(line)).into_iter().flatten() {
            *votes.entry(at.saturating_sub(by)).or_default() += 1;
        }
    }
    votes.into_iter().max_by_key(|(at, votes)| (*votes, std::cmp::Reverse(*at))).map(|(at, _)| at)
}

fn by_words(search: &[String], file: &[&str]) -> Option<usize> {
    let (by, line) = search.iter().enumerate().max_by_key(|(_, line)| words(line).len())?;
    let wanted = words(line);
    let shared = |line: &str| words(line).intersection(&wanted).count();
    let best = file.iter().enumerate().max_by_key(|(at, line)| (shared(line), std::cmp::Reverse(*at)));
    best.filter(|(_, line)| shared(line) > 0).map(|(at, _)| at.saturating_sub(by))
}

/// The letters and digits of a line.
fn core(line: &str) -> String {
    line.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The words of a line, in lower case.
fn words(line: &str) -> HashSet<String> {
    let words = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_lines_are_shown() {
        let file = ["fn a() {", "    let Total = 1;", "}", "fn b() {", "    total += \"x\";", "}"];
        let check = |search: &[&str]| {
            let search: Vec<String> = search.iter().map(|line| (*line).to_owned()).collect();
            nearest(&search, &file).map(|nearest| nearest.line)
        };
        assert_eq!(check(&["let total = 1;"]), Some(2));
        assert_eq!(check(&["fn b() {", "    total += “x”;"]), Some(4));
        assert_eq!(check(&["total -= y"]), Some(2));
        assert_eq!(check(&["nothing here"]), None);
    }
}
