//! Measures an index of a folder: yardstick, cold build, unchanged re-open, searches, memory.
//!
//! `cargo run --release -p index --example measure -- FOLDER [CACHE]`. Refuses: to touch an existing cache other than its own.
#![expect(clippy::print_stdout, reason = "printing figures is all it does")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use index::{CancelFlag, Index, IndexDirs, Limits, SearchRequest, read_and_parse};

const QUERIES: &[&str] = &[
    "how is a session hash verified when a user logs in",
    "User.get_session_auth_hash",
    "where are database migrations recorded as applied",
    "csrf token check",
    "QuerySet.prefetch_related",
    "how does the template engine resolve variables",
    "password hashing algorithm",
    "TypeError: view must be a callable",
    "middleware order",
    "FileUploadHandler",
    "how to add a custom management command",
    "static files finders",
    "select_related joins",
    "cache backend key prefix version",
    "url resolver reverse namespace",
    "tests for form validation",
    "Traceback (most recent call last):\n  File \"django/db/models/query.py\", line 100, in get\n    raise self.model.DoesNotExist(",
    "admin changelist pagination",
    "timezone aware datetime conversion",
    "signal dispatch weak reference",
];
const ROUNDS: usize = 20;
const SAVES: usize = 30;
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let root = arguments.next().ok_or("name a folder")?;
    let cache = arguments.next().unwrap_or_else(|| std::env::temp_dir().join("familiar-measure"));
    let dirs = IndexDirs { cache };
    let limits = Limits::default();
    let yardstick = read_and_parse(&root, &limits)?;
    println!("read and parse: {yardstick:?}");
    Index::forget(&root, &dirs)?;
    let started = Instant::now();
    let index = Index::open(&root, &dirs, limits.clone())?;
    let report = index.refresh(&mut |_| {}, &CancelFlag::new())?;
    let cold = started.elapsed().as_secs_f64();
    println!("cold: {cold:.3} s = {:.2} x reading and parsing; {report:?}", cold / yardstick.seconds);
    println!("resident: {}", resident());
    drop(index);
    let started = Instant::now();
    let index = Index::open(&root, &dirs, limits)?;
    let opened = started.elapsed().as_secs_f64();
    let report = index.refresh(&mut |_| {}, &CancelFlag::new())?;
    let again = started.elapsed().as_secs_f64();
    println!(
        "again: open {opened:.3} s, refreshed {again:.3} s = {:.1} % of cold; parsed {}, unchanged {}",
        100.0 * again / cold,
        report.indexed,
        report.unchanged
    );
    let searcher = index.searcher();
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        for query in QUERIES {
            let started = Instant::now();
            let hits = searcher.search(&SearchRequest::new(*query, 10))?;
            times.push(started.elapsed().as_secs_f64() * 1e3);
            if round == 0 {
                println!("\n{query}");
                for hit in hits.iter().take(5) {
                    let symbol = hit.symbol.as_deref().unwrap_or("-");
                    println!(
                        "  {:6.2} {}:{}-{} {} {symbol} | {}",
                        hit.score, hit.path, hit.start_line, hit.end_line, hit.kind, hit.why
                    );
                }
            }
        }
    }
    times.sort_by(f64::total_cmp);
    println!(
        "\nsearch: p50 {:.2} ms, p95 {:.2} ms, max {:.2} ms",
        times[times.len() / 2],
        times[times.len() * 95 / 100],
        times[times.len() - 1]
    );
    println!("resident: {}", resident());
    let saves = saves()?;
    println!("save -> found: p50 {:.0} ms, max {:.0} ms", saves[saves.len() / 2], saves[saves.len() - 1]);
    Ok(())
}

/// Time from a save by another program until it is found, in milliseconds, in a small workspace of its own.
fn saves() -> Result<Vec<f64>, Box<dyn std::error::Error>> {
    let place = tempfile::tempdir()?;
    let root = place.path().join("work");
    std::fs::create_dir(&root)?;
    std::fs::write(root.join("a.py"), "def start():\n    pass\n")?;
    let index = Index::open(&root, &IndexDirs { cache: place.path().join("cache") }, Limits::default())?;
    let ticket = index.watch()?;
    index.wait(ticket, PATIENCE);
    let mut times = Vec::new();
    for save in 0..SAVES {
        let mut generation = index.status().generation;
        // A word of its own, so that only the index can know it.
        let name: String =
            format!("{:05}", save * 7_919).bytes().map(|digit| char::from(digit - b'0' + b'l')).collect();
        let started = Instant::now();
        std::fs::write(root.join("a.py"), format!("def {name}():\n    pass\n").repeat(200))?;
        while index.searcher().search(&SearchRequest::new(name.as_str(), 1))?.is_empty() {
            generation = index.wait_for_change(generation, PATIENCE);
        }
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Current and highest resident memory of this process, where the system tells.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    lines.collect::<Vec<_>>().join(", ")
}
