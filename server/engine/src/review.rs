//! What an edit changed, block of lines by block of lines: moved with the text and judged alone.
//!
//! Refuses: judging. What becomes of a block is said from outside; a block that is undone says so by itself.

mod block;

use std::ops::Range;

use text::{Bias, Edit, Hunk, Rope, TextEdit};

pub use block::{Block, Lost, Side};

/// Changes longer than this are taken as they are reported; shorter ones are first reduced to what really differs.
const REFINED_BYTES_MAX: usize = 1024 * 1024;

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

    /// Blocks whose places in a text are known; `base` is that text without them. One without a place is not
    /// followed.
    #[must_use]
    pub fn placed(base: Rope, blocks: Vec<Block>, mut places: Vec<Option<Range<usize>>>) -> Self {
        places.resize(blocks.len(), None);
        Self { base, undone: vec![None; blocks.len()], blocks, places }
    }

    /// The same with only those blocks followed for which `wanted` holds.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(usize) -> bool) -> Self {
        let mut only = self.clone();
        for number in (0..only.blocks.len()).filter(|number| !wanted(*number)) {
            (only.places[number], only.undone[number]) = (None, None);
        }
        only
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

    /// Whether a block was undone: its old text stands in its place, and undoing that brings it back.
    #[must_use]
    pub fn is_undone(&self, number: usize) -> bool {
        self.undone.get(number).is_some_and(Option::is_some)
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
