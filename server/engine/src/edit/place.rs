//! Where the lines that a model looks for stand in a file: exactly, but for blanks at their ends, or set in otherwise.
//!
//! Refuses: a second candidate, other letters, other blanks inside a line. Each step takes time in proportion to the
//! lines of the file and of the search.

use std::collections::HashMap;
use std::ops::Range;

use super::limits::PLACES_MAX;

/// A text as lines.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    /// Each line with its line break.
    pub(crate) whole: Vec<&'a str>,
    /// Each line without it.
    pub(crate) bare: Vec<&'a str>,
    /// Where each line starts, in bytes, and the length of the text.
    pub(crate) starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// The lines of `text`.
    pub(crate) fn of(text: &'a str) -> Self {
        let whole: Vec<&str> = text::split_lines(text).collect();
        let mut starts = Vec::with_capacity(whole.len() + 1);
        let mut at = 0;
        starts.push(at);
        for line in &whole {
            at += line.len();
            starts.push(at);
        }
        let bare = whole.iter().map(|line| line.strip_suffix(text::line_break(line)).unwrap_or(line)).collect();
        Self { whole, bare, starts }
    }

    /// The bytes of some lines.
    pub(crate) fn bytes(&self, lines: &Range<usize>) -> Range<usize> {
        let at = |line: usize| self.starts.get(line).or(self.starts.last()).copied().unwrap_or(0);
        at(lines.start)..at(lines.end)
    }

    /// The lines that some bytes touch.
    pub(crate) fn lines(&self, bytes: &Range<usize>) -> Range<usize> {
        let first = self.starts.partition_point(|start| *start <= bytes.start).saturating_sub(1);
        let end = self.starts.partition_point(|start| *start < bytes.end);
        let last = self.whole.len();
        first.min(last)..end.clamp(first.min(last), last)
    }
}

/// How well the lines of a search agree with those of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// In every byte but the line break.
    Exact,
    /// But for blanks at the ends of lines, and blank lines around.
    Whitespace,
    /// But for how far lines are set in.
    Indentation,
}

/// A place that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its lines in the file.
    pub(crate) lines: Range<usize>,
    /// How well it agrees.
    pub(crate) grade: Grade,
    /// Blank lines of the search, in front and behind, that the file does not have.
    pub(crate) blank: (usize, usize),
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Misplaced {
    /// Nowhere.
    Nowhere,
    /// In more than one place; their first lines, from zero.
    Twice(Vec<usize>),
}

/// The lines of a file as numbers, one for each different line at each grade.
#[derive(Debug)]
pub(crate) struct Finder<'a> {
    grades: [Keys<'a>; 3],
}

#[derive(Debug)]
struct Keys<'a> {
    numbers: HashMap<&'a str, u32>,
    of_line: Vec<u32>,
}

/// No line of the file.
const NO_LINE: u32 = u32::MAX;

fn key(line: &str, grade: Grade) -> &str {
    match grade {
        Grade::Exact => line,
        Grade::Whitespace => line.trim_end_matches([' ', '\t']),
        Grade::Indentation => line.trim_matches([' ', '\t']),
    }
}

impl<'a> Finder<'a> {
    /// A finder for these lines.
    pub(crate) fn new(lines: &[&'a str]) -> Self {
        let keys = |grade| {
            let mut numbers = HashMap::new();
            let mut of_line = Vec::with_capacity(lines.len());
            for line in lines {
                let next = u32::try_from(numbers.len()).unwrap_or(NO_LINE - 1);
                of_line.push(*numbers.entry(key(line, grade)).or_insert(next));
            }
            Keys { numbers, of_line }
        };
        Self { grades: [keys(Grade::Exact), keys(Grade::Whitespace), keys(Grade::Indentation)] }
    }

    /// The one place of `search` among the lines `within`, at the best grade that has any.
    pub(crate) fn place(&self, search: &[String], within: &Range<usize>) -> Result<Place, Misplaced> {
        let front = search.iter().take_while(|line| line.trim().is_empty()).count();
        let back = search.iter().rev().take_while(|line| line.trim().is_empty()).count();
        if front == search.len() {
            return Err(Misplaced::Nowhere);
        }
        let core = search.get(front..search.len() - back).unwrap_or_default();
        for (grade, lines, blank) in [
            (Grade::Exact, search, (0, 0)),
            (Grade::Whitespace, search, (0, 0)),
            (Grade::Whitespace, core, (front, back)),
            (Grade::Indentation, search, (0, 0)),
            (Grade::Indentation, core, (front, back)),
        ] {
            let places = self.places(lines, within, grade);
            match places.as_slice() {
                [] => {}
                [one] => return Ok(Place { lines: *one..*one + lines.len(), grade, blank }),
                _ => return Err(Misplaced::Twice(places)),
            }
        }
        Err(Misplaced::Nowhere)
    }

    /// First lines of the places at one grade, by the search of Knuth, Morris and Pratt.
    fn places(&self, search: &[String], within: &Range<usize>, grade: Grade) -> Vec<usize> {
        let keys = &self.grades[grade as usize];
        let number = |line: &String| keys.numbers.get(key(line, grade)).copied().unwrap_or(NO_LINE);
        let needle: Vec<u32> = search.iter().map(number).collect();
        let hay = keys.of_line.get(within.clone()).unwrap_or_default();
        let mut found = Vec::new();
        if needle.is_empty() || needle.len() > hay.len() || needle.contains(&NO_LINE) {
            return found;
        }
        let borders = borders(&needle);
        let mut matched = 0;
        for (at, line) in hay.iter().enumerate() {
            while matched > 0 && needle.get(matched) != Some(line) {
                matched = borders[matched - 1];
            }
            matched += usize::from(needle.get(matched) == Some(line));
            if matched == needle.len() {
                found.push(within.start + at + 1 - needle.len());
                if found.len() >= PLACES_MAX {
                    break;
                }
                matched = borders[matched - 1];
            }
        }
        found
    }
}

/// For each beginning of `needle`, the length of its longest proper beginning that is also its end.
fn borders(needle: &[u32]) -> Vec<usize> {
    let mut borders = vec![0; needle.len()];
    let mut length = 0;
    for at in 1..needle.len() {
        while length > 0 && needle[at] != needle[length] {
            length = borders[length - 1];
        }
        length += usize::from(needle[at] == needle[length]);
        borders[at] = length;
    }
    borders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_grade_with_one_place_wins() {
        let file = ["a", "  b", "a  ", "c", "  b", "d", "", "e"];
        let finder = Finder::new(&file);
        let check = |search: &[&str], expected: Result<(Range<usize>, Grade), Misplaced>| {
            let search: Vec<String> = search.iter().map(|line| (*line).to_owned()).collect();
            let place = finder.place(&search, &(0..file.len())).map(|place| (place.lines, place.grade));
            assert_eq!(place, expected, "{search:?}");
        };
        check(&["a"], Ok((0..1, Grade::Exact)));
        check(&["a", "c"], Ok((2..4, Grade::Whitespace)));
        check(&["  b"], Err(Misplaced::Twice(vec![1, 4])));
        check(&["b", "d"], Ok((4..6, Grade::Indentation)));
        check(&["", "c", ""], Ok((3..4, Grade::Whitespace)));
        check(&["A"], Err(Misplaced::Nowhere));
        check(&[""], Err(Misplaced::Nowhere));
        check(&["d", "", "e"], Ok((5..8, Grade::Exact)));
    }

    #[test]
    fn overlapping_places_are_counted() {
        let file = ["x"; 5];
        let search = vec!["x".to_owned(); 3];
        assert_eq!(Finder::new(&file).place(&search, &(0..5)), Err(Misplaced::Twice(vec![0, 1, 2])));
        assert_eq!(Finder::new(&file).place(&search, &(1..4)).map(|place| place.lines), Ok(1..4));
    }
}
