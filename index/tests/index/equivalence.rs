//! After any sequence of edits, renames, deletes and rule changes the index equals one made from nothing.

use std::fs;

use index::SearchRequest;

use crate::space::{Space, check_live, refresh};

/// Rounds of one sequence.
const ROUNDS: usize = 25;

/// A small generator of numbers, so that a failure can be repeated by its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

const PLACES: [&str; 10] = [
    "a.py",
    "b.rs",
    "c.md",
    "sub/d.py",
    "sub/e.rs",
    "sub/deep/f.txt",
    "sub/deep/g.py",
    "other/h.rs",
    "other/i.json",
    "j.po",
];

fn text(dice: &mut Dice) -> String {
    let mut text = String::new();
    for _ in 0..dice.roll(30) {
        let n = dice.roll(9);
        let piece = match dice.roll(7) {
            0 => format!("def needle_{n}(x):\n    return x + {n}\n\n\n"),
            1 => format!("/// Doc {n}.\nfn needle_{n}() {{ call({n}); }}\n\n"),
            2 => format!("class Needle{n}:\n    def method_{n}(self):\n        pass\n\n"),
            3 => format!("# Heading {n}\n\nSome needle words, {n} of them.\n\n"),
            4 => "x = '''unfinished\n".to_owned(),
            5 => format!("impl Needle{n} {{\n    fn m(&self) {{}}\n"),
            _ => "\u{1f980} crab \r\n".to_owned(),
        };
        text.push_str(&piece);
    }
    text
}

/// Does one thing to the workspace and names the paths that an editor or watcher would name.
fn act(space: &Space, dice: &mut Dice) -> Vec<String> {
    let place = PLACES[dice.roll(PLACES.len())].to_owned();
    let full = space.root.join(&place);
    match dice.roll(10) {
        0..=4 => {
            space.write(&place, text(dice).as_bytes());
            vec![place]
        }
        5 => {
            let _ = fs::remove_file(full);
            vec![place]
        }
        6 => {
            let target = PLACES[dice.roll(PLACES.len())].to_owned();
            fs::create_dir_all(space.root.join(&target).parent().unwrap()).unwrap();
            let _ = fs::rename(full, space.root.join(&target));
            vec![place, target]
        }
        7 => {
            let (from, to) = if dice.roll(2) == 0 { ("sub", "other/sub") } else { ("other/sub", "sub") };
            let _ = fs::remove_dir_all(space.root.join(to));
            fs::create_dir_all(space.root.join(to).parent().unwrap()).unwrap();
            let _ = fs::rename(space.root.join(from), space.root.join(to));
            vec![from.to_owned(), to.to_owned()]
        }
        8 => {
            let rules = ["", "*.py\n", "sub/\n", "deep/\n!g.py\n", "*\n!*.rs\n"];
            space.write(".gitignore", rules[dice.roll(rules.len())].as_bytes());
            vec![".gitignore".to_owned()]
        }
        _ => {
            space.write(&place, b"binary\0");
            vec![place]
        }
    }
}

fn check(seed: u64) {
    let mut dice = Dice(seed);
    let space = Space::with(&[]);
    let (mut index, _) = space.indexed();
    for round in 0..ROUNDS {
        let mut touched = Vec::new();
        for _ in 0..=dice.roll(3) {
            touched.extend(act(&space, &mut dice));
        }
        let hits = index.searcher().search(&SearchRequest::new("needle", 20)).unwrap();
        check_live(&space.root, &hits);
        match dice.roll(8) {
            // Now and then the events are lost, or the process ends, and a walk has to find out.
            0 => drop(refresh(&index)),
            1 => {
                drop(index);
                index = space.open();
                refresh(&index);
            }
            _ => {
                let ticket = index.touch(&touched);
                assert!(index.wait(ticket, crate::space::PATIENCE));
            }
        }
        let expected = space.rebuilt();
        assert_eq!(
            index.searcher().chunks().unwrap(),
            expected,
            "seed {seed}, round {round}, touched {touched:?}"
        );
        assert_eq!(index.status().chunks, expected.len());
    }
}

#[test]
fn any_sequence_of_changes_equals_a_rebuild() {
    for seed in [0x9E37_79B9, 0xDEAD_BEEF, 42] {
        check(seed);
    }
}
