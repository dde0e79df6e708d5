//! What an edit changed, block of lines by block of lines: moved with the text, judged alone, found again later.
//!
//! Refuses: near-enough places. A block whose text no longer stands in one place is said to be lost, never guessed.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use text::{Bias, Edit, Hunk, Rope, TextEdit, split_lines};

/// Unchanged lines kept on each side of a block, by which it is found again.
const CONTEXT_LINES: usize = 3;
/// Lines with words in them from which a text is found without any line around it.
const ALONE_LINES_MIN: usize = 2;
/// Changes longer than this are taken as they are reported; shorter ones are first reduced to what really differs.
const REFINED_BYTES_MAX: usize = 1024 * 1024;

/// Lines that an edit changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The lines that were there, with their line breaks.
    pub old_text: String,
    /// The lines in their place.
    pub new_text: String,
    /// The lines in front of them.
    pub before: String,
    /// The lines behind them.
    pub after: String,
    /// Where the old lines began, from zero.
    pub old_line: usize,
    /// Where the new lines began, from zero.
    pub new_line: usize,
}

/// Which text of a block is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The text that was there.
    Old,
    /// The text in its place.
    New,
}

/// Why a block is not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Its text is not there.
    Gone,
    /// Its text is there more than once.
    Ambiguous,
}

impl Block {
    /// The block of a hunk, in the text that the hunk leads to.
    #[must_use]
    pub fn of(hunk: &Hunk, new: &str) -> Self {
        let before: Vec<&str> = split_lines(&new[..hunk.new_bytes.start]).collect();
        let after = split_lines(&new[hunk.new_bytes.end..]).take(CONTEXT_LINES);
        Self {
            old_text: hunk.old_text.clone(),
            new_text: hunk.new_text.clone(),
            before: before[before.len().saturating_sub(CONTEXT_LINES)..].concat(),
            after: after.collect(),
            old_line: hunk.old_lines.start,
            new_line: hunk.new_lines.start,
        }
    }

    /// Its text on one side.
    #[must_use]
    pub fn text(&self, side: Side) -> &str {
        match side {
            Side::Old => &self.old_text,
            Side::New => &self.new_text,
        }
    }

    /// Where its text stands in `now`, in bytes: with all lines around it if they are there, else with fewer, else with
    /// those on one side. Alone only a text of some lines is found: one line may stand anywhere, and mean something else.
    ///
    /// # Errors
    /// [`Lost`] unless that is one place.
    pub fn find(&self, now: &str, side: Side) -> Result<Range<usize>, Lost> {
        let text = self.text(side);
        let around = |lines: usize| (last_lines(&self.before, lines), first_lines(&self.after, lines));
        let both = [around(CONTEXT_LINES), around(2), around(1)];
        let one_side = [(self.before.as_str(), ""), ("", self.after.as_str()), ("", "")];
        let is_telling =
            text.lines().filter(|line| line.contains(char::is_alphanumeric)).count() >= ALONE_LINES_MIN;
        let weaker = match (text.is_empty(), is_telling) {
            // Only lines on both sides tell where a text is not; one side of them would fit too many places.
            (true, _) => &[][..],
            (false, false) => &one_side[..2],
            (false, true) => &one_side[..],
        };
        for (before, after) in both.iter().chain(weaker) {
            if !is_telling && !text.is_empty() && before.is_empty() && after.is_empty() && !self.is_all() {
                continue;
            }
            match places(now, &[before, text, after].concat())[..] {
                [] => {}
                [at] => return Ok(at + before.len()..at + before.len() + text.len()),
                // Fewer lines around it are in no fewer places.
                _ => return Err(Lost::Ambiguous),
            }
        }
        Err(Lost::Gone)
    }

    /// Whether it is the whole of its file, so that no line stands around it.
    fn is_all(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }
}

fn first_lines(text: &str, count: usize) -> &str {
    let bytes: usize = split_lines(text).take(count).map(str::len).sum();
    &text[..bytes]
}

fn last_lines(text: &str, count: usize) -> &str {
    let skipped = split_lines(text).count().saturating_sub(count);
    let bytes: usize = split_lines(text).take(skipped).map(str::len).sum();
    &text[bytes..]
}

/// The bytes at which whole lines `wanted` begin in `text`; two are enough to know that there is more than one.
fn places(text: &str, wanted: &str) -> Vec<usize> {
    if wanted.is_empty() {
        return if text.is_empty() { vec![0] } else { Vec::new() };
    }
    let starts_line = |at: usize| at == 0 || text[..at].ends_with(['\n', '\r']) && !splits_break(text, at);
    let ends_line = |end: usize| end == text.len() || wanted.ends_with(['\n', '\r']) && !splits_break(text, end);
    let mut found = Vec::new();
    let mut from = 0;
    while found.len() < 2
        && let Some(at) = text.get(from..).and_then(|rest| rest.find(wanted)).map(|at| at + from)
    {
        if starts_line(at) && ends_line(at + wanted.len()) {
            found.push(at);
        }
        from = at + wanted.chars().next().map_or(1, char::len_utf8);
    }
    found
}

/// Whether a byte lies between the two characters of one line break.
fn splits_break(text: &str, at: usize) -> bool {
    text[..at].ends_with('\r') && text[at..].starts_with('\n')
}

/// Blocks in a text that goes on being changed.
#[derive(Clone, Debug)]
pub struct Review {
    /// The text that all blocks together were made for, and the one they led to.
    base: Rope,
    blocks: Vec<Block>,
    /// Where each block is; `None` once nobody needs to know.
    places: Vec<Option<Range<usize>>>,
    /// What was undone, for blocks that have no place because of it.
    undone: Vec<Option<Undone>>,
}

/// A block that was undone, and may be done again.
#[derive(Clone, Debug)]
struct Undone {
    /// Where its old text stands.
    place: Range<usize>,
    /// What stood there instead, with what the user had typed in it.
    text: Rope,
}

impl Undone {
    /// Where its text stands in the text now; `around` is its place with what was put in at its edges.
    fn comes_back(&self, around: &Range<usize>, now: &Rope) -> Option<Range<usize>> {
        let starts = [self.place.start, around.start];
        let ends = [self.place.end, around.end];
        let mut places = starts.into_iter().flat_map(|start| ends.map(|end| start..end));
        places.find(|place| now.get_byte_slice(place.clone()).is_some_and(|text| text == self.text))
    }
}

/// What a change of the text meant for blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// It undid these, or they went with the text they stood in; they no longer wait.
    pub ended: Vec<usize>,
    /// It undid the undoing of these; they wait again.
    pub again: Vec<usize>,
}

impl Review {
    /// The blocks of `hunks`, which lead from `base` to `now`.
    #[must_use]
    pub fn new(base: Rope, hunks: &[Hunk], now: &Rope) -> Self {
        let text = now.to_string();
        let blocks = hunks.iter().map(|hunk| Block::of(hunk, &text)).collect();
        let places = hunks.iter().map(|hunk| Some(hunk.new_bytes.clone())).collect();
        Self { base, undone: vec![None; hunks.len()], blocks, places }
    }

    /// Blocks that are looked for in a text anew; those for which `wanted` does not hold, and those that are lost, have
    /// no place.
    #[must_use]
    pub fn found_again(blocks: Vec<Block>, wanted: impl Fn(usize) -> bool, now: &str) -> Self {
        let mut places: Vec<Option<Range<usize>>> = (0..)
            .zip(&blocks)
            .map(|(number, block)| wanted(number).then(|| block.find(now, Side::New).ok()).flatten())
            .collect();
        // Two blocks at one place: at most one of them is right, and nothing says which.
        for number in 1..places.len() {
            let (earlier, rest) = places.split_at_mut(number);
            let overlaps = |place: &Range<usize>| {
                earlier.iter().flatten().any(|one| one.start < place.end && place.start < one.end || one == place)
            };
            if rest[0].as_ref().is_some_and(overlaps) {
                rest[0] = None;
            }
        }
        let mut base = Rope::from_str(now);
        let review = Self { base: base.clone(), undone: vec![None; blocks.len()], blocks, places };
        if let Ok(before) = review.revert(|_| true).apply(&base) {
            base = before;
        }
        Self { base, ..review }
    }

    /// All blocks, judged ones too.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The blocks that wait to be judged, with their bytes in the text now.
    pub fn standing(&self) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
        (0..).zip(&self.places).filter_map(|(number, place)| Some((number, place.clone()?)))
    }

    /// Whether a block that does not wait may wait again: the user undid it.
    #[must_use]
    pub fn may_return(&self) -> bool {
        self.undone.iter().any(Option::is_some)
    }

    /// Takes a block out of what waits to be judged. Says whether it did.
    pub fn settle(&mut self, number: usize) -> bool {
        self.places.get_mut(number).and_then(Option::take).is_some()
    }

    /// Follows a change of the text from `before` to `now`, and tells what it meant for the blocks.
    pub fn follow(&mut self, before: &Rope, typed: &Edit, now: &Rope) -> Followed {
        self.follow_all(before, &[(typed.clone(), now.clone())])
    }

    /// Follows changes that were made as one, each with the text after it, and tells what they meant for the blocks.
    pub fn follow_all(&mut self, before: &Rope, steps: &[(Edit, Rope)]) -> Followed {
        let text = |place: &Option<Range<usize>>| before.get_byte_slice(place.clone()?).map(Rope::from);
        let stood: Vec<Option<Rope>> = self.places.iter().map(text).collect();
        // Where what was undone lies, with what is put in at its edges: that may be a part of it which comes back.
        let place = |undone: &Option<Undone>| undone.as_ref().map(|undone| undone.place.clone());
        let mut around: Vec<Option<Range<usize>>> = self.undone.iter().map(place).collect();
        let mut followed = Followed::default();
        let mut now = before;
        for (typed, after) in steps {
            let typed = refined(now, typed);
            followed.ended.extend(self.step(now, &typed, after));
            for bytes in around.iter_mut().flatten() {
                let start = typed.map_byte(bytes.start, Bias::Before);
                *bytes = start..typed.map_byte(bytes.end, Bias::After).max(start);
            }
            now = after;
        }
        for (number, (stood, around)) in stood.into_iter().zip(around).enumerate() {
            let Some(undone) = &mut self.undone[number] else { continue };
            if let Some(text) = stood {
                // What is undone in several steps comes back as it stood before the first of them.
                undone.text = text;
            }
            if let Some(place) = around.and_then(|around| undone.comes_back(&around, now)) {
                self.places[number] = Some(place);
                self.undone[number] = None;
                followed.again.push(number);
            }
        }
        followed
    }

    /// Follows one change, and gives back the blocks that it ended.
    fn step(&mut self, before: &Rope, typed: &Edit, now: &Rope) -> Vec<usize> {
        let all_undone = same_text(&self.base, now);
        let mut ended = Vec::new();
        for (number, block) in self.blocks.iter().enumerate() {
            if let Some(bytes) = self.places[number].clone() {
                let (mut moved, swallowed) = moved(&bytes, typed);
                moved.end -= opened_below(before, &bytes, typed);
                let old = stands(&bytes, &moved, typed, now, &block.old_text);
                if old.is_none() && !all_undone && !swallowed {
                    self.places[number] = Some(moved);
                    continue;
                }
                let old = old.or_else(|| all_undone.then(|| old_place(now, block)).flatten());
                let text = before.get_byte_slice(bytes).map(Rope::from);
                self.places[number] = None;
                self.undone[number] = old.zip(text).map(|(place, text)| Undone { place, text });
                ended.push(number);
            } else if let Some(undone) = &mut self.undone[number] {
                let (moved, swallowed) = moved(&undone.place, typed);
                undone.place = moved;
                if swallowed {
                    self.undone[number] = None;
                }
            }
        }
        ended
    }

    /// The edit of the text now that takes back the waiting blocks for which `wanted` holds.
    #[must_use]
    pub fn revert(&self, wanted: impl Fn(usize) -> bool) -> Edit {
        let parts = self
            .standing()
            .filter(|(number, _)| wanted(*number))
            .map(|(number, bytes)| TextEdit::new(bytes.start, bytes.end, self.blocks[number].old_text.clone()));
        // Places never overlap, so this cannot fail; if it did, nothing would be the right edit.
        Edit::new(parts.collect()).unwrap_or_default()
    }

    /// Whether somebody changed a block since it was made.
    #[must_use]
    pub fn is_touched(&self, number: usize, now: &Rope) -> bool {
        let place = self.places.get(number).cloned().flatten();
        let text = place.and_then(|bytes| now.get_byte_slice(bytes));
        text.is_some_and(|text| text != self.blocks[number].new_text.as_str())
    }
}

/// A change as editors report it, less what stays the same in it: some report one change from the first to the last
/// character that differs.
fn refined(before: &Rope, typed: &Edit) -> Edit {
    let small = |part: &TextEdit| {
        part.end_byte > part.start_byte
            && !part.new_text.is_empty()
            && (part.end_byte - part.start_byte).max(part.new_text.len()) <= REFINED_BYTES_MAX
    };
    let parts =
        typed.parts().iter().flat_map(|part| match before.get_byte_slice(part.start_byte..part.end_byte) {
            Some(old) if small(part) => text::minimal_edit(&old.to_string(), &part.new_text)
                .parts()
                .iter()
                .map(|one| {
                    let at = part.start_byte;
                    TextEdit::new(at + one.start_byte, at + one.end_byte, one.new_text.clone())
                })
                .collect(),
            _ => vec![part.clone()],
        });
    Edit::new(parts.collect()).unwrap_or_else(|_| typed.clone())
}

/// Where `wanted` stands after a change, in the place of what were these bytes before it and are `moved` since.
fn stands(
    bytes: &Range<usize>,
    moved: &Range<usize>,
    typed: &Edit,
    now: &Rope,
    wanted: &str,
) -> Option<Range<usize>> {
    if now.get_byte_slice(moved.clone()).is_some_and(|now| now == wanted) {
        return Some(moved.clone());
    }
    let at = moved.start;
    (bytes.is_empty() && puts_back(typed, bytes.start, wanted)).then(|| at..at + wanted.len())
}

/// Where the old text of a block stands in the text that all blocks were made for.
fn old_place(base: &Rope, block: &Block) -> Option<Range<usize>> {
    let start = base.try_line_to_byte(block.old_line).ok()?;
    let place = start..start + block.old_text.len();
    base.get_byte_slice(place.clone()).is_some_and(|old| old == block.old_text.as_str()).then_some(place)
}

fn same_text(one: &Rope, other: &Rope) -> bool {
    one.len_bytes() == other.len_bytes() && one == other
}

/// Where bytes are after a change, and whether a change from outside took them away.
fn moved(bytes: &Range<usize>, typed: &Edit) -> (Range<usize>, bool) {
    let around = |part: &TextEdit| {
        part.start_byte <= bytes.start
            && part.end_byte >= bytes.end
            && (part.start_byte < bytes.start || part.end_byte > bytes.end)
            && part.end_byte > part.start_byte
            && !bytes.is_empty()
    };
    if bytes.is_empty() {
        let at = typed.map_byte(bytes.start, Bias::Before);
        return (at..at, false);
    }
    let start = typed.map_byte(bytes.start, Bias::After);
    let end = typed.map_byte(bytes.end, Bias::Before).max(start);
    (start..end, typed.parts().iter().any(around))
}

/// The bytes of lines that a change opened below the last line of a block. Some editors put them in front of that line's
/// break, inside of the block, where reverting it would take the user's own lines along.
fn opened_below(before: &Rope, bytes: &Range<usize>, typed: &Edit) -> usize {
    let opened = ["\r\n", "\n"].into_iter().find_map(|line_break| {
        let at = bytes.end.checked_sub(line_break.len()).filter(|at| *at >= bytes.start)?;
        let inserts = |part: &&TextEdit| part.start_byte == at && part.end_byte == at;
        let part = typed.parts().iter().find(inserts)?;
        let opens = before.get_byte_slice(at..bytes.end)? == line_break && part.new_text.starts_with(line_break);
        opens.then_some(part.new_text.len())
    });
    opened.unwrap_or(0)
}

/// Whether a change inserts exactly this text at a byte.
fn puts_back(typed: &Edit, at: usize, text: &str) -> bool {
    typed.parts().iter().any(|part| part.start_byte == at && part.end_byte == at && part.new_text == text)
}

#[cfg(test)]
mod tests;
