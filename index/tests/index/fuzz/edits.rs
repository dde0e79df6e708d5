//! Edits, unsaved and saved, with searches in between: every hit is what stands at its lines of the buffer or file at that
//! moment, and what was just typed is found at once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::Range;

use index::{Index, Overlay, SearchRequest};
use kit::Dice;

use super::world::text;
use crate::space::{PATIENCE, Space, refresh};

/// Edits of one run, which has one workspace.
const EDITS: usize = 100;
const FILES: [&str; 6] = ["a.py", "b.rs", "c.md", "sub/d.py", "sub/e.txt", "sub/f.rs"];
const QUERIES: [&str; 6] = ["needle", "method", "Heading words", "call needle_3", "crab", "Needle5"];

/// An editor with some unsaved buffers, and what is on disk.
struct Desk {
    space: Space,
    index: Index,
    overlay: Overlay,
    unsaved: BTreeMap<&'static str, String>,
    /// Words that stand in one text only.
    words: usize,
}

impl Desk {
    fn live(&self, path: &str) -> String {
        let saved = || fs::read_to_string(self.space.root.join(path)).unwrap_or_default();
        self.unsaved.get(path).cloned().unwrap_or_else(saved)
    }

    /// Edits a text by some bytes and plants a new word, which is given back.
    fn edited(&mut self, dice: &mut Dice, path: &str) -> (String, String) {
        let mut live = self.live(path);
        let start = boundary(&live, dice.roll(live.len() + 1));
        let end = boundary(&live, (start + dice.roll(60)).min(live.len())).max(start);
        self.words += 1;
        let digits = format!("{:05}", self.words);
        // Letters only, so that it is one word; no stem ends so.
        let word: String =
            digits.bytes().map(|digit| char::from(digit - b'0' + b'k')).chain("qx".chars()).collect();
        let new = match dice.roll(3) {
            0 => format!(" {word} "),
            1 => format!("\n{word}\n"),
            _ => format!("\n\n{} # {word}\n{}", text(dice), text(dice)),
        };
        live.replace_range(start..end, &new);
        if live.len() > 60_000 {
            live = new;
        }
        (live, word)
    }

    fn step(&mut self, dice: &mut Dice) {
        let path = *dice.pick(&FILES);
        match dice.roll(10) {
            0..=4 => {
                let (text, word) = self.edited(dice, path);
                self.overlay.set(path, &text);
                self.unsaved.insert(path, text);
                self.finds(&word, path);
            }
            5 | 6 => {
                let Some(text) = self.unsaved.remove(path) else { return };
                self.space.write(path, text.as_bytes());
                self.overlay.remove(path);
                if dice.roll(2) == 0 {
                    let ticket = self.index.touch([path]);
                    assert!(self.index.wait(ticket, PATIENCE));
                }
            }
            7 => {
                self.unsaved.remove(path);
                self.overlay.remove(path);
            }
            _ => self.save_elsewhere(dice, path),
        }
    }

    /// Another program saves; the clock may have been set back, and nobody tells the index.
    fn save_elsewhere(&mut self, dice: &mut Dice, path: &'static str) {
        let full = self.space.root.join(path);
        let stamp = fs::metadata(&full).and_then(|meta| meta.modified()).ok();
        let (text, word) = match dice.roll(3) {
            // As long as before, so that only the content tells.
            0 => (self.live(path).replace("needle", "noodle"), None),
            _ => {
                let (text, word) = self.edited(dice, path);
                (text, Some(word))
            }
        };
        self.space.write(path, text.as_bytes());
        if let Some(stamp) = stamp.filter(|_| dice.roll(2) == 0) {
            File::options().write(true).open(&full).unwrap().set_modified(stamp).unwrap();
        }
        if let Some(word) = word.filter(|_| !self.unsaved.contains_key(path) && dice.roll(2) == 0) {
            let ticket = self.index.touch([path]);
            assert!(self.index.wait(ticket, PATIENCE));
            self.finds(&word, path);
        }
    }

    fn request(&self, query: &str) -> SearchRequest {
        let mut request = SearchRequest::new(query, 20);
        request.overlay = self.overlay.clone();
        request
    }

    /// A word that stands in one text is found there.
    fn finds(&self, word: &str, path: &str) {
        let hits = self.index.searcher().search(&self.request(word)).unwrap();
        let found = hits.iter().any(|hit| hit.path == path && hit.text.contains(word));
        assert!(found, "{word} was just written to {path} and is not found: {hits:#?}");
    }

    /// Searches and compares each hit with the live text; gives back how many there were.
    fn check(&self, dice: &mut Dice) -> usize {
        let query = *dice.pick(&QUERIES);
        let hits = self.index.searcher().search(&self.request(query)).unwrap();
        for hit in &hits {
            let live = self.live(&hit.path);
            let lines = lines(&live);
            let (first, last) = (hit.start_line as usize - 1, hit.end_line as usize - 1);
            assert!(first <= last && last < lines.len(), "{}: lines {first}-{last} of {}", hit.path, lines.len());
            let around = lines[first].start..lines[last].end;
            // It begins in its first line and ends in its last.
            let right = live[around.clone()].match_indices(&hit.text).any(|(at, found)| {
                let start = around.start + at;
                start < lines[first].end && start + found.len() > lines[last].start
            });
            assert!(right, "{}:{first}-{last} shows what is not there:\n{}\n---\n{live}", hit.path, hit.text);
        }
        hits.len()
    }
}

fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The lines of a text with their breaks, as editors count them.
fn lines(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut lines = Vec::new();
    let mut start = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte == b'\n' || byte == b'\r' && bytes.get(at + 1) != Some(&b'\n') {
            lines.push(start..at + 1);
            start = at + 1;
        }
    }
    lines.push(start..text.len());
    lines
}

fn one(seed: u64) -> [usize; 3] {
    let mut dice = Dice::new(seed);
    let space = Space::with(&[]);
    for path in FILES {
        space.write(path, text(&mut dice).as_bytes());
    }
    let index = space.open();
    refresh(&index);
    let mut desk = Desk { space, index, overlay: Overlay::new(), unsaved: BTreeMap::new(), words: 0 };
    let mut hits = 0;
    for _ in 0..EDITS {
        desk.step(&mut dice);
        hits += desk.check(&mut dice);
    }
    assert!(hits > 0, "a run without hits checks nothing");
    [EDITS, EDITS + desk.words, hits]
}

#[test]
fn edits_are_found_at_once_and_nothing_stale_is_shown() {
    super::run("edits", 6, ["edits", "searches", "hits compared"], one);
}
