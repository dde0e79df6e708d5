//! Freshness and size of the index: from an edit until it is found, from a save by another program until it is found, a
//! small project from nothing, a tree of 50,000 files. Refuses: an index that knows the text before it is written; each
//! edit brings a word of its own.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use index::{CancelFlag, Index, IndexDirs, Limits, Overlay, SearchRequest};

use crate::Inputs;
use crate::index::{SEARCH_ROUNDS, resident_mib, search_times};
use crate::table::{Row, percentile, write};

const EDITS: usize = 200;
const SAVES: usize = 60;
const LARGE_FILE_BYTES: usize = 200_000;
const TREE_FILES: usize = 50_000;
/// So many of them have 100,000 chunks.
const SEARCHED_FILES: usize = 32_800;
const FILES_PER_FOLDER: usize = 50;
const PATIENCE: Duration = Duration::from_secs(30);

pub fn run(inputs: &Inputs) -> Result<(), Box<dyn Error>> {
    let flask = inputs.django.parent().map(|target| target.join("flask")).filter(|path| path.exists());
    let flask = flask.ok_or("Flask's sources are not beside Django's; `make bench` brings both")?;
    // The tree comes first, so that its memory is not that of the others.
    let mut rows = tree(&inputs.django)?;
    let large = large_file(&inputs.django)?;
    rows.insert(0, edits(&large)?);
    rows.insert(1, saves(&large)?);
    rows.push(small_project(&flask)?);
    let method = format!(
        "`bench fresh`: {EDITS} edits of an unsaved Python file of {LARGE_FILE_BYTES} bytes made of Django's sources, \
         each followed by a search for a word that only this edit holds, the edit included; {SAVES} saves of that file \
         by another writer while it is watched; {SEARCHED_FILES} files with text taken from Django, later {TREE_FILES}, \
         queries as in `bench index`, {SEARCH_ROUNDS} rounds."
    );
    write(&inputs.results, "fresh", &method, &rows)
}

/// Django's sources one after the other, cut at a line.
fn large_file(django: &Path) -> Result<String, Box<dyn Error>> {
    let mut large = String::new();
    for name in ["query.py", "base.py", "options.py", "expressions.py", "lookups.py", "sql/compiler.py"] {
        large.push_str(&fs::read_to_string(django.join("django/db/models").join(name))?);
    }
    let end = large[..LARGE_FILE_BYTES.min(large.len())].rfind("\nclass ").ok_or("no class in Django's models")?;
    large.truncate(end + 1);
    Ok(large)
}

/// A word that stands nowhere else.
fn word(number: usize) -> String {
    format!("{number:05}").bytes().map(|digit| char::from(digit - b'0' + b'k')).chain("qx".chars()).collect()
}

/// The text with one more line at a place that depends on the number.
fn edited(large: &str, number: usize) -> String {
    let lines = large.matches('\n').count();
    let line = number * 7_919 % lines;
    let at = large.match_indices('\n').nth(line).map_or(0, |(at, _)| at + 1);
    format!("{}# {}\n{}", &large[..at], word(number), &large[at..])
}

fn edits(large: &str) -> Result<Row, Box<dyn Error>> {
    let place = tempfile::tempdir()?;
    let (index, _) = small_workspace(place.path(), large)?;
    let mut overlay = Overlay::new();
    let mut times = Vec::new();
    for number in 0..=EDITS {
        let text = edited(large, number);
        let started = Instant::now();
        overlay.set("a.py", &text);
        let mut request = SearchRequest::new(word(number), 5);
        request.overlay = overlay.clone();
        let hits = index.searcher().search(&request)?;
        let passed = started.elapsed().as_secs_f64() * 1e3;
        if !hits.iter().any(|hit| hit.text.contains(&word(number))) {
            return Err(format!("edit {number} was not found").into());
        }
        // The first one opens the file.
        if number > 0 {
            times.push(passed);
        }
    }
    let (p50, p99) = (percentile(&times, 50.0), percentile(&times, 99.0));
    Ok(Row {
        what: "unsaved edit -> found, p50 / p99",
        figure: format!("{p50:.1} ms / {p99:.1} ms"),
        bar: "<= 5 / 30 ms",
        met: p50 <= 5.0 && p99 <= 30.0,
    })
}

fn saves(large: &str) -> Result<Row, Box<dyn Error>> {
    let place = tempfile::tempdir()?;
    let (index, root) = small_workspace(place.path(), large)?;
    index.wait(index.watch()?, PATIENCE);
    let mut times = Vec::new();
    for number in 0..SAVES {
        let text = edited(large, number + EDITS + 1);
        let name = word(number + EDITS + 1);
        let mut generation = index.status().generation;
        let started = Instant::now();
        // Every other save the way editors do it.
        if number % 2 == 0 {
            fs::write(root.join("a.py"), text)?;
        } else {
            fs::write(root.join("a.py.new~"), text)?;
            fs::rename(root.join("a.py.new~"), root.join("a.py"))?;
        }
        while index.searcher().search(&SearchRequest::new(name.as_str(), 1))?.is_empty() {
            generation = index.wait_for_change(generation, PATIENCE);
            if started.elapsed() > PATIENCE {
                return Err(format!("save {number} was not found").into());
            }
        }
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    let (p50, p99) = (percentile(&times, 50.0), percentile(&times, 99.0));
    Ok(Row {
        what: "save by another program -> found, p50 / p99",
        figure: format!("{p50:.0} ms / {p99:.0} ms"),
        bar: "p99 <= 300 ms",
        met: p99 <= 300.0,
    })
}

/// A workspace of the large file and some others.
fn small_workspace(place: &Path, large: &str) -> Result<(Index, std::path::PathBuf), Box<dyn Error>> {
    let root = place.join("work");
    fs::create_dir(&root)?;
    fs::write(root.join("a.py"), large)?;
    for number in 0..20 {
        fs::write(root.join(format!("b{number}.py")), format!("def other_{number}():\n    pass\n"))?;
    }
    let index = Index::open(&root, &IndexDirs { cache: place.join("cache") }, Limits::default())?;
    index.refresh(&mut |_| {}, &CancelFlag::new())?;
    Ok((index, root))
}

fn small_project(flask: &Path) -> Result<Row, Box<dyn Error>> {
    let cache = tempfile::tempdir()?;
    let started = Instant::now();
    let index = Index::open(flask, &IndexDirs { cache: cache.path().to_owned() }, Limits::default())?;
    let report = index.refresh(&mut |_| {}, &CancelFlag::new())?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Row {
        what: "Flask from nothing",
        figure: format!("{seconds:.2} s ({} files)", report.files),
        bar: "<= 1 s",
        met: seconds <= 1.0,
    })
}

fn tree(django: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    let place = tempfile::tempdir()?;
    let root = place.path().join("work");
    let dirs = IndexDirs { cache: place.path().join("cache") };
    let pieces = pieces(django)?;
    grow(&root, &pieces, 0..SEARCHED_FILES)?;
    let index = Index::open(&root, &dirs, Limits::default())?;
    index.refresh(&mut |_| {}, &CancelFlag::new())?;
    let chunks = index.status().chunks;
    let times = search_times(&index)?;
    let (p50, p95) = (percentile(&times, 50.0), percentile(&times, 95.0));
    let searched = Row {
        what: "search, p50 / p95",
        figure: format!("{p50:.1} ms / {p95:.1} ms ({chunks} chunks)"),
        bar: "<= 5 / 20 ms at 100,000 chunks",
        met: p50 <= 5.0 && p95 <= 20.0,
    };
    grow(&root, &pieces, SEARCHED_FILES..TREE_FILES)?;
    index.refresh(&mut |_| {}, &CancelFlag::new())?;
    let built = resident_mib()?;
    let times = search_times(&index)?;
    let (p50, p95) = (percentile(&times, 50.0), percentile(&times, 95.0));
    let chunks = index.status().chunks;
    let resident = resident_mib()?.max(built);
    drop(index);
    let started = Instant::now();
    let index = Index::open(&root, &dirs, Limits::default())?;
    index.refresh(&mut |_| {}, &CancelFlag::new())?;
    let reopened = started.elapsed().as_secs_f64() * 1e3;
    Ok(vec![
        searched,
        Row {
            what: "resident with 50,000 files, after building and searching",
            figure: format!("{resident} MiB ({chunks} chunks)"),
            bar: "<= 250 MiB",
            met: resident <= 250,
        },
        Row {
            what: "search in them, p50 / p95",
            figure: format!("{p50:.1} ms / {p95:.1} ms"),
            bar: "no bar",
            met: true,
        },
        Row {
            what: "re-open them unchanged, all files looked at",
            figure: format!("{reopened:.0} ms"),
            bar: "no bar; 300 ms for Django",
            met: true,
        },
    ])
}

/// Pieces of Django's text.
fn pieces(django: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut pieces = Vec::new();
    for folder in ["django/db/models", "django/contrib/admin", "django/core", "django/forms", "django/http"] {
        for entry in fs::read_dir(django.join(folder))?.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "py") {
                let text = fs::read_to_string(path)?;
                pieces.extend(text.split("\n\n\n").filter(|piece| piece.len() > 400).map(str::to_owned));
            }
        }
    }
    Ok(pieces)
}

/// Writes files with two pieces of Django's text each, so that words are as frequent as in real code.
fn grow(root: &Path, pieces: &[String], numbers: Range<usize>) -> Result<(), Box<dyn Error>> {
    for number in numbers {
        let folder = root.join(format!("part{}", number / FILES_PER_FOLDER));
        fs::create_dir_all(&folder)?;
        let mut text = String::new();
        for turn in 0..2 {
            let piece = &pieces[(number * 31 + turn * 17) % pieces.len()];
            writeln!(text, "\n\n{}", piece.get(..1_800).unwrap_or(piece))?;
        }
        fs::write(folder.join(format!("module_{number}.py")), text)?;
    }
    Ok(())
}
