//! Scores the search on sets of questions with known answers.
//!
//! `cargo run --release -p index --example eval -- --sets FILE_OR_DIR... --repos DIR --work DIR`, or
//! `-- --compare A.json B.json`. Refuses: everything that `index::eval` refuses.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing figures is all it does")]

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use index::CancelFlag;
use index::eval::{Options, Sets, compare, report, run};

const USAGE: &str = "eval --sets FILE_OR_DIR... --work DIR [--repos DIR] [--only SET,SET] [--limit-tasks N] [--jobs N] \
[--json OUT] [--details]\neval --compare A.json B.json [--details]";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = arguments();
    let value = |name: &str| arguments.get(name).and_then(|values| values.first());
    let details = arguments.contains_key("details");
    if let Some([first, second]) = arguments.get("compare").map(Vec::as_slice) {
        let (first, second) =
            (compare::read_outcome(Path::new(first))?, compare::read_outcome(Path::new(second))?);
        if details {
            println!("{}", compare::changed(&first, &second));
        }
        println!("{}", compare::table(&first, &second));
        return Ok(());
    }
    let sets: Vec<PathBuf> = arguments.get("sets").ok_or(USAGE)?.iter().map(PathBuf::from).collect();
    let only: Vec<String> =
        value("only").map(|only| only.split(',').map(str::to_owned).collect()).unwrap_or_default();
    let limit = value("limit-tasks").map(|limit| limit.parse()).transpose()?;
    let jobs = match value("jobs") {
        Some(jobs) => jobs.parse()?,
        None => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    let options = Options {
        repos: value("repos").map(PathBuf::from),
        work: value("work").map(PathBuf::from).ok_or(USAGE)?,
        jobs,
    };
    let sets = Sets::read(&sets, &only, limit)?;
    eprintln!("{} questions", sets.tasks.len());
    let outcome = run(&sets, &options, &|line| eprint!("\r{line} "), &CancelFlag::new())?;
    eprintln!();
    if let Some(path) = value("json") {
        std::fs::write(path, serde_json::to_vec(&outcome)?)?;
    }
    if details {
        println!("{}", report::details(&outcome));
    }
    println!("{}", report::table(&outcome));
    Ok(())
}

/// The values of each `--name`.
fn arguments() -> HashMap<String, Vec<String>> {
    let mut arguments: HashMap<String, Vec<String>> = HashMap::new();
    let mut name = String::new();
    for argument in std::env::args().skip(1) {
        match argument.strip_prefix("--") {
            Some(next) => name = next.to_owned(),
            None => arguments.entry(name.clone()).or_default().push(argument.clone()),
        }
        arguments.entry(name.clone()).or_default();
    }
    arguments
}
