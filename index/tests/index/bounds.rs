//! What holds an index up and what does not: pauses, typing, models that write, callers that wait, and limits that bite.

use index::{CancelFlag, Index, IndexError, Limits, Pace, State};

use crate::space::{PATIENCE, Space, paths, refresh, touch};

/// Files enough for a large build.
const MANY: usize = 300;

fn space_of_many() -> Space {
    let space = Space::with(&[]);
    for n in 0..MANY {
        space.write(&format!("f{n}.py"), format!("def f{n}():\n    pass\n").as_bytes());
    }
    space
}

fn in_background(index: &Index) -> Result<index::Report, IndexError> {
    index.refresh_in_background(&mut |_| {}, &CancelFlag::new())
}

#[test]
fn a_pause_holds_up_large_builds_and_no_saves() {
    let space = space_of_many();
    let index = space.open();
    index.pause().unwrap();
    assert!(matches!(in_background(&index), Err(IndexError::Cancelled)));
    let status = index.status();
    assert_eq!((status.state, status.paused), (State::Paused { done: 0, total: MANY }, true));
    touch(&index, &["f7.py"]);
    assert_eq!((index.status().files, paths(&index, "f7").first().map(String::as_str)), (1, Some("f7.py")));
    // More at once than a walk is usually wanted for, and an ignore file.
    space.write(".gitignore", b"f8.py\n");
    let saved: Vec<String> = (0..100).map(|n| format!("f{n}.py")).chain([".gitignore".to_owned()]).collect();
    touch(&index, &saved.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(index.status().files, 100, "99 files and the rules");
    drop(index);
    let index = space.open();
    assert_eq!(index.status().state, State::Paused { done: 100, total: MANY }, "it holds after a restart");
    assert!(in_background(&index).is_err());
    assert_eq!(refresh(&index).files, MANY, "whoever asks for all of it gets it");
    assert_eq!((index.status().state, index.status().paused), (State::Ready, true));
    let ticket = index.resume().unwrap();
    assert!(index.wait(ticket, PATIENCE) && !index.status().paused);
    drop(index);
    assert!(!space.open().status().paused);
}

#[test]
fn a_pause_ends_a_build_that_runs_and_the_next_one_completes_it() {
    let space = space_of_many();
    let index = space.open();
    let result = index.refresh_in_background(&mut |_| index.pause().unwrap(), &CancelFlag::new());
    assert!(matches!(result, Err(IndexError::Cancelled)), "{result:?}");
    let State::Paused { done, total } = index.status().state else { panic!("{:?}", index.status().state) };
    assert!(done < total && total == MANY, "{done} of {total}");
    assert_eq!(index.status().files, done, "what is done can be found");
    let ticket = index.resume().unwrap();
    assert!(index.wait(ticket, PATIENCE));
    assert_eq!((index.status().state, index.status().files), (State::Ready, MANY));
    assert_eq!(index.searcher().chunks().unwrap(), space.rebuilt());
}

/// A build in the background makes way, ends nevertheless, and steps aside for a caller that waits.
#[test]
fn whoever_waits_comes_before_the_background() {
    let space = space_of_many();
    let pace = Pace::new();
    let index = space.open_with(Limits { pace: pace.clone(), ..Limits::default() });
    let _writing = pace.writing();
    let (begun, has_begun) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let background = scope.spawn(|| {
            index
                .refresh_in_background(&mut |_| begun.send(()).unwrap_or_default(), &CancelFlag::new())
                .map(|report| report.files)
        });
        has_begun.recv_timeout(PATIENCE).unwrap();
        assert_eq!(refresh(&index).files, MANY);
        assert_eq!(background.join().unwrap().unwrap(), MANY, "it goes on afterwards");
    });
    assert_eq!(index.searcher().chunks().unwrap(), space.rebuilt());
}
