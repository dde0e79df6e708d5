//! Sequences of events: edits, renames, links, branch switches, rules in the workspace and above it, lost events, pauses,
//! workspaces that vanish and return, killed writers, two owners at once. After each the index equals one made from nothing.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use index::{CancelFlag, Index, IndexDirs, IndexError, Limits, SearchRequest, Searcher};
use kit::Dice;

use super::world::act;
use crate::space::{PATIENCE, Space, check_live, refresh};

/// Rounds of one sequence; each does a few things to the workspace.
const ROUNDS: usize = 8;
/// Set for a process that is going to be killed: where it works.
const CHILD: &str = "FAMILIAR_INDEX_FUZZ_CHILD";
const TEST: &str = "fuzz::events::any_sequence_of_events_equals_a_rebuild";

/// How a sequence went: events, kills, races, pauses and vanished workspaces.
type Counts = [usize; 6];

fn one(seed: u64) -> Counts {
    let mut dice = Dice::new(seed);
    let mut counts = [1, 0, 0, 0, 0, 0];
    let space = Space::with(&[]);
    for _ in 0..dice.roll(8) {
        act(&space, &mut dice);
    }
    let mut index = space.open();
    refresh(&index);
    let mut watched = watch(&index, &mut dice);
    for _ in 0..ROUNDS {
        let mut touched = Vec::new();
        for _ in 0..=dice.roll(3) {
            counts[1] += 1;
            touched.extend(act(&space, &mut dice));
        }
        let hits = index.searcher().search(&SearchRequest::new("needle", 20)).unwrap();
        check_live(&space.root, &hits);
        match dice.roll(15) {
            // The events are lost, or only the watcher sees them.
            0..=2 => {}
            3 => drop(refresh(&index)),
            4 => {
                drop(index);
                index = reopened(&space, &mut dice, &mut counts);
                watched = watch(&index, &mut dice);
            }
            5 => {
                drop(index);
                kill_a_writer(&space, &mut dice);
                counts[2] += 1;
                index = reopened(&space, &mut dice, &mut counts);
                watched = watch(&index, &mut dice);
            }
            6 | 7 if index.status().paused => {
                let ticket = index.resume().unwrap();
                assert!(dice.roll(2) == 0 || index.wait(ticket, PATIENCE), "a pause does not end");
            }
            6 | 7 => {
                index.pause().unwrap();
                counts[4] += 1;
            }
            8 => {
                vanish(&space, &index, &mut dice);
                counts[5] += 1;
            }
            _ => {
                let ticket = index.touch(&touched);
                assert!(index.wait(ticket, PATIENCE), "the touched paths are not taken up: {touched:?}");
            }
        }
    }
    if index.status().paused {
        let ticket = index.resume().unwrap();
        assert!(index.wait(ticket, PATIENCE), "a pause does not end");
    }
    let expected = space.rebuilt();
    let chunks = expected.iter().filter(|chunk| !chunk.light).count();
    if watched && dice.roll(2) == 0 {
        // Nobody says what changed: the watcher has to know.
        let mut generation = index.status().generation;
        // A search takes up what changed before the writer does, and only the writer counts it.
        while index.searcher().chunks().unwrap() != expected || index.status().chunks != chunks {
            let now = index.wait_for_change(generation, PATIENCE);
            assert_ne!(now, generation, "the watcher missed something: {:#?}", differ(&index, &expected));
            generation = now;
        }
    } else {
        refresh(&index);
        assert!(index.searcher().chunks().unwrap() == expected, "{:#?}", differ(&index, &expected));
    }
    assert_eq!(index.status().chunks, chunks);
    counts
}

/// The workspace goes away, as an unplugged disk does, and comes back; nothing of it is shown meanwhile, and nothing is
/// forgotten.
fn vanish(space: &Space, index: &Index, dice: &mut Dice) {
    let away = space.root.with_extension("away");
    std::fs::rename(&space.root, &away).unwrap();
    match index.searcher().search(&SearchRequest::new("needle", 20)) {
        Ok(hits) => assert!(hits.is_empty(), "{hits:?}"),
        Err(error) => assert!(matches!(error, IndexError::Root { .. }), "{error}"),
    }
    if dice.roll(2) == 0 {
        let walked = index.refresh(&mut |_| {}, &CancelFlag::new());
        assert!(matches!(walked, Err(IndexError::Root { .. })), "{walked:?}");
    }
    std::fs::rename(&away, &space.root).unwrap();
}

/// Watches in half of the cases.
fn watch(index: &Index, dice: &mut Dice) -> bool {
    let watched = dice.roll(2) == 0;
    if watched {
        let ticket = index.watch().unwrap();
        assert!(index.wait(ticket, PATIENCE));
    }
    watched
}

/// What the index holds and should not, and what it should hold and does not.
fn differ(index: &Index, expected: &[index::ChunkRef]) -> [Vec<index::ChunkRef>; 2] {
    let found = index.searcher().chunks().unwrap();
    let without = |all: &[index::ChunkRef], known: &[index::ChunkRef]| {
        all.iter().filter(|chunk| !known.contains(chunk)).cloned().collect()
    };
    [without(&found, expected), without(expected, &found)]
}

/// Opens the index again; now and then two want to be its owner at once, and exactly one becomes it.
fn reopened(space: &Space, dice: &mut Dice, counts: &mut Counts) -> Index {
    if dice.roll(3) > 0 {
        let index = space.open();
        // Some owners look around at once, others wait for what they are told.
        if dice.roll(2) == 0 {
            refresh(&index);
        }
        return index;
    }
    counts[3] += 1;
    let open = || Index::open(&space.root, &space.dirs, Limits::default());
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(open);
        (open(), other.join().unwrap())
    });
    let (index, refused) = match (one, other) {
        (Ok(index), Err(refused)) | (Err(refused), Ok(index)) => (index, refused),
        (one, other) => panic!("owners: {:?}, {:?}", one.err(), other.err()),
    };
    assert!(matches!(refused, IndexError::Locked { .. }), "{refused}");
    // The other may read while the owner writes.
    let reader = Searcher::open(&space.root, &space.dirs).unwrap();
    let walk = index.touch([""]);
    check_live(&space.root, &reader.search(&SearchRequest::new("needle", 20)).unwrap());
    assert!(index.wait(walk, PATIENCE));
    index
}

/// Lets another process build the index and kills it on the way.
fn kill_a_writer(space: &Space, dice: &mut Dice) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture"])
        .env(CHILD, format!("{}\n{}", space.root.display(), space.dirs.cache.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let told = 1 + dice.roll(6);
    assert_eq!(lines.filter(|line| line.contains("at work")).take(told).count(), told);
    child.kill().unwrap();
    child.wait().unwrap();
    // A killed owner leaves nothing that keeps the next one out, and nothing broken.
    let index = space.open();
    assert_eq!(index.status().notes, Vec::<String>::new());
}

/// Changes and indexes files without end, and says so in the midst of it.
fn work_until_killed(place: &str) {
    let (root, cache) = place.split_once('\n').unwrap();
    let index =
        Index::open(Path::new(root), &IndexDirs { cache: PathBuf::from(cache) }, Limits::default()).unwrap();
    let tell = || {
        let mut out = std::io::stdout().lock();
        writeln!(out, "at work").unwrap();
        out.flush().unwrap();
    };
    for round in 0usize.. {
        for n in 0..6 {
            let text = format!("def needle{n}_{round}():\n    return {round}\n").repeat(1 + (n + round) % 5);
            std::fs::write(Path::new(root).join(format!("killed{n}.py")), text).unwrap();
        }
        tell();
        if round % 2 == 0 {
            index.refresh(&mut |_| tell(), &CancelFlag::new()).unwrap();
        } else {
            index.touch((0..6).map(|n| format!("killed{n}.py")));
        }
    }
}

#[test]
fn any_sequence_of_events_equals_a_rebuild() {
    if let Ok(place) = std::env::var(CHILD) {
        return work_until_killed(&place);
    }
    super::run(
        "events",
        24,
        ["sequences", "events", "kills with -9", "races of two owners", "pauses", "vanished workspaces"],
        one,
    );
}
