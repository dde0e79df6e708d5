//! What can happen to the files of a workspace: one function does one thing, chosen by chance.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use git2::build::CheckoutBuilder;
use git2::{Repository, Signature};
use kit::Dice;

use crate::space::Space;

const PLACES: [&str; 12] = [
    "a.py",
    "b.rs",
    "c.md",
    "sub/d.py",
    "sub/e.rs",
    "sub/deep/f.txt",
    "sub/deep/g.py",
    "other/h.rs",
    "other/i.json",
    "other/own/j.py",
    "k.po",
    "l.unknown",
];
const FOLDERS: [&str; 5] = ["sub", "sub/deep", "other", "other/sub", "other/own"];
const RULES: [&str; 7] = ["", "*.py\n", "sub/\n", "deep/\n!g.py\n", "*\n!*.rs\n!*/\n", "/other\n", "[\n!a.py"];
const RULE_FILES: [&str; 5] =
    [".gitignore", ".familiarignore", "sub/.ignore", "other/.gitignore", ".git/info/exclude"];
const BRANCHES: [&str; 3] = ["refs/heads/one", "refs/heads/two", "refs/heads/three"];

/// A random text of code, prose and nonsense. Its lines are short: files with long ones are left out, as made by machines.
pub(super) fn text(dice: &mut Dice) -> String {
    let mut text = String::new();
    for _ in 0..dice.roll(30) {
        let n = dice.roll(9);
        let piece = match dice.roll(8) {
            0 => format!("def needle_{n}(x):\n    return x + {n}\n\n\n"),
            1 => format!("/// Doc {n}.\nfn needle_{n}() {{ call({n}); }}\n\n"),
            2 => format!("class Needle{n}:\n    def method_{n}(self):\n        pass\n\n"),
            3 => format!("# Heading {n}\n\nSome needle words, {n} of them.\n\n"),
            4 => "x = '''unfinished\n".to_owned(),
            5 => format!("impl Needle{n} {{\n    fn m(&self) {{}}\n"),
            6 => "needle in a long line ".repeat(n) + "\r\n",
            _ => "\u{1f980} crab \r".to_owned(),
        };
        text.push_str(&piece);
    }
    text
}

/// A folder beside the workspace, for what is moved out of it.
fn away(space: &Space) -> PathBuf {
    let away = space.root.with_file_name("away");
    fs::create_dir_all(&away).unwrap();
    away
}

/// Moves a file or folder if it is there, over whatever was at the other end.
fn shift(from: &Path, to: &Path) {
    if from == to || to.starts_with(from) || from.starts_with(to) || fs::symlink_metadata(from).is_err() {
        return;
    }
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    if to.is_dir() {
        fs::remove_dir_all(to).unwrap();
    }
    // Refused when a file should replace a folder or the other way round; then nothing happens.
    let _ = fs::rename(from, to);
}

/// Does one thing to the workspace, and names the paths that an editor would name.
pub(super) fn act(space: &Space, dice: &mut Dice) -> Vec<String> {
    let place = (*dice.pick(&PLACES)).to_owned();
    let full = space.root.join(&place);
    match dice.roll(18) {
        0..=4 => {
            space.write(&place, text(dice).as_bytes());
            vec![place]
        }
        5 => {
            let _ = fs::remove_file(full);
            vec![place]
        }
        6 => {
            let target = (*dice.pick(&PLACES)).to_owned();
            shift(&full, &space.root.join(&target));
            vec![place, target]
        }
        7 | 8 => {
            let (from, to) = (*dice.pick(&FOLDERS), *dice.pick(&FOLDERS));
            shift(&space.root.join(from), &space.root.join(to));
            vec![from.to_owned(), to.to_owned()]
        }
        9 | 10 => {
            let rules = *dice.pick(&RULE_FILES);
            space.write(rules, dice.pick(&RULES).as_bytes());
            vec![rules.to_owned()]
        }
        11 | 12 => {
            // The way many editors save.
            let draft = format!("{place}.tmp~");
            space.write(&draft, text(dice).as_bytes());
            shift(&space.root.join(&draft), &full);
            vec![draft, place]
        }
        13 => {
            turn_clock(&full, dice);
            vec![place]
        }
        14 => {
            switch_branch(&space.root, dice);
            // Who switches branches does not know what that changes; the root stands for all of it.
            vec![String::new()]
        }
        15 => {
            let folder = *dice.pick(&FOLDERS);
            let outside = away(space).join("folder");
            if dice.roll(2) == 0 {
                shift(&space.root.join(folder), &outside);
            } else {
                shift(&outside, &space.root.join(folder));
            }
            vec![folder.to_owned()]
        }
        16 => {
            let folder = *dice.pick(&FOLDERS);
            let _ = fs::remove_dir_all(space.root.join(folder));
            vec![folder.to_owned()]
        }
        _ => {
            space.write(&place, b"binary\0");
            vec![place]
        }
    }
}

/// Another text of the same size, with a time stamp before or after the real one.
fn turn_clock(full: &Path, dice: &mut Dice) {
    let Ok(text) = fs::read_to_string(full) else { return };
    let stamp = fs::metadata(full).unwrap().modified().unwrap();
    fs::write(full, text.replace("needle", "noodle")).unwrap();
    let stamp = match dice.roll(4) {
        0 => stamp,
        1 => SystemTime::UNIX_EPOCH,
        2 => stamp - Duration::from_secs(7_200),
        _ => SystemTime::now() + Duration::from_secs(86_400),
    };
    File::options().write(true).open(full).unwrap().set_modified(stamp).unwrap();
}

/// Commits everything on the present branch and goes to another, new or known.
fn switch_branch(root: &Path, dice: &mut Dice) {
    let repository = Repository::init(root).unwrap();
    let who = Signature::now("Somebody", "somebody@example.org").unwrap();
    let mut stage = repository.index().unwrap();
    stage.add_all(["*"], git2::IndexAddOption::FORCE, None).unwrap();
    let tree = repository.find_tree(stage.write_tree().unwrap()).unwrap();
    stage.write().unwrap();
    let parent = repository.head().ok().and_then(|head| head.peel_to_commit().ok());
    let parents: Vec<_> = parent.iter().collect();
    repository.commit(Some("HEAD"), &who, &who, "All of it.", &tree, &parents).unwrap();
    let here = repository.head().unwrap().peel_to_commit().unwrap();
    let branch = *dice.pick(&BRANCHES);
    if repository.find_reference(branch).is_err() {
        repository.reference(branch, here.id(), false, "begin").unwrap();
    }
    let there = repository.find_reference(branch).unwrap().peel_to_commit().unwrap();
    repository.checkout_tree(there.as_object(), Some(CheckoutBuilder::new().force())).unwrap();
    repository.set_head(branch).unwrap();
}
