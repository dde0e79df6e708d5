//! The index of Django against only reading and parsing the same files, and searching it. Refuses: a warm page cache
//! for one side only; both run after the files were read once.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use index::{CancelFlag, Index, IndexDirs, IndexError, Limits, SearchRequest};

use crate::Inputs;
use crate::table::{Row, median, percentile, write};

const PAIRS: usize = 5;
/// How often each query is searched for.
pub const SEARCH_ROUNDS: usize = 20;
/// How long a first answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is asked of every index.
const QUERIES: [&str; 12] = [
    "Where is the session auth hash computed?",
    "get_session_auth_hash",
    "how does the ORM build a WHERE clause",
    "QuerySet.select_related",
    "csrf token rotation",
    "django/contrib/auth/hashers.py",
    "TypeError: expected string or bytes-like object, got NoneType in urlize",
    "migration autodetector renamed field",
    "template loader cached",
    "ASGIHandler",
    "validate password strength",
    "multipart upload memory limit",
];

pub fn run(inputs: &Inputs) -> Result<(), Box<dyn Error>> {
    let (mut cold, mut baseline, mut reopen) = (Vec::new(), Vec::new(), Vec::new());
    index::read_and_parse(&inputs.django, &Limits::default())?;
    let mut last = None;
    for _ in 0..PAIRS {
        let parsed = index::read_and_parse(&inputs.django, &Limits::default())?;
        baseline.push(parsed.seconds);
        let cache = tempfile::tempdir()?;
        let dirs = IndexDirs { cache: cache.path().to_owned() };
        let (opened, seconds) = open(inputs, &dirs)?;
        cold.push(seconds);
        drop(opened);
        let (opened, seconds) = open(inputs, &dirs)?;
        reopen.push(seconds);
        last = Some((opened, cache));
    }
    let (opened, _cache) = last.ok_or("no run")?;
    let status = opened.status();
    let first = first_answers(inputs)?;
    let searches = search_times(&opened)?;
    let (cold, baseline, reopen) = (median(&cold), median(&baseline), median(&reopen));
    let (first_p50, first_max) = (median(&first), percentile(&first, 100.0));
    let (p50, p95) = (percentile(&searches, 50.0), percentile(&searches, 95.0));
    let resident = resident_mib()?;
    let rows = [
        Row {
            what: "cold index / only reading and parsing",
            figure: format!("{:.2} ({cold:.2} s / {baseline:.2} s)", cold / baseline),
            bar: "<= 2",
            met: cold <= 2.0 * baseline,
        },
        Row { what: "Django full index", figure: format!("{cold:.2} s"), bar: "<= 10 s", met: cold <= 10.0 },
        Row {
            what: "first useful answer on a cold workspace, p50 / slowest",
            figure: format!("{:.0} ms / {:.0} ms", first_p50 * 1000.0, first_max * 1000.0),
            bar: "<= 1 s",
            met: first_max <= 1.0,
        },
        Row {
            what: "re-open unchanged / cold",
            figure: format!("{:.1} % ({:.0} ms)", 100.0 * reopen / cold, reopen * 1000.0),
            bar: "<= 5 %",
            met: reopen <= 0.05 * cold,
        },
        Row {
            what: "search p50 / p95",
            figure: format!("{p50:.1} ms / {p95:.1} ms"),
            bar: "p95 <= 20 ms",
            met: p95 <= 20.0,
        },
        Row {
            what: "resident after all runs in one process",
            figure: format!("{resident} MiB"),
            bar: "<= 250 MiB",
            met: resident <= 250,
        },
    ];
    let method = format!(
        "`bench index`: Django 5.2.19, {} files and {} chunks indexed; medians of {PAIRS} alternating pairs in one \
         process, files in the page cache; {} searches of {} queries. First answers: each query once, from opening Django without an index, which \
         is built meanwhile, to the first answer that is not empty.",
        status.files,
        status.chunks,
        SEARCH_ROUNDS * QUERIES.len(),
        QUERIES.len()
    );
    write(&inputs.results, "index", &method, &rows)
}

fn open(inputs: &Inputs, dirs: &IndexDirs) -> Result<(Index, f64), Box<dyn Error>> {
    let started = Instant::now();
    let index = Index::open(&inputs.django, dirs, Limits::default())?;
    index.refresh(&mut |_| {}, &CancelFlag::new())?;
    Ok((index, started.elapsed().as_secs_f64()))
}

/// Seconds from opening a workspace that has no index until a question has an answer, for each question.
fn first_answers(inputs: &Inputs) -> Result<Vec<f64>, Box<dyn Error>> {
    QUERIES.iter().map(|query| first_answer(inputs, query)).collect()
}

fn first_answer(inputs: &Inputs, query: &str) -> Result<f64, Box<dyn Error>> {
    let cache = tempfile::tempdir()?;
    let dirs = IndexDirs { cache: cache.path().to_owned() };
    let cancel = CancelFlag::new();
    let started = Instant::now();
    let index = Index::open(&inputs.django, &dirs, Limits::default())?;
    thread::scope(|scope| {
        let build = scope.spawn(|| index.refresh(&mut |_| {}, &cancel).map(drop));
        let found = loop {
            match index.searcher().search(&SearchRequest::new(query, 10)) {
                Ok(hits) if hits.is_empty() && started.elapsed() < PATIENCE => {}
                Ok(hits) if hits.is_empty() => break Err(format!("nothing found for {query}").into()),
                Ok(_) => break Ok(started.elapsed().as_secs_f64()),
                Err(error) => break Err(error.into()),
            }
        };
        cancel.cancel();
        match build.join() {
            Ok(Ok(()) | Err(IndexError::Cancelled)) => found,
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err("the build panicked".into()),
        }
    })
}

/// Milliseconds of each search of all rounds.
///
/// # Errors
/// When nothing is found.
pub fn search_times(index: &Index) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut milliseconds = Vec::new();
    for round in 0..=SEARCH_ROUNDS {
        for query in QUERIES {
            let started = Instant::now();
            let hits = index.searcher().search(&SearchRequest::new(query, 10))?;
            if hits.is_empty() {
                return Err(format!("nothing found for {query}").into());
            }
            // The first round only warms the caches.
            if round > 0 {
                milliseconds.push(started.elapsed().as_secs_f64() * 1000.0);
            }
        }
    }
    Ok(milliseconds)
}

/// Memory of this process, in MiB.
///
/// # Errors
/// Where the system does not tell.
pub fn resident_mib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
    Ok(kib / 1024)
}
