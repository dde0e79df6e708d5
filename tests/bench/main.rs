//! Measures Familiar side by side with what bounds it, in one run on one machine, and writes tables to `results/`.
//!
//! Usage: `bench index|fresh|decode|daemon|images DJANGO STARTER RESULTS`. Refuses: comparing figures of different runs.

mod daemon;
mod decode;
mod fresh;
mod images;
mod index;
mod table;

use std::error::Error;
use std::path::{Path, PathBuf};

/// What every bench needs.
pub struct Inputs {
    /// Django's sources.
    pub django: PathBuf,
    /// The starter model.
    pub starter: PathBuf,
    /// Where tables are written.
    pub results: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    // As the program does, whose figures these are.
    worker::give_back_freed_memory();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // The decode bench starts this program again as the child that runs the model.
    if let [role, model] = arguments.as_slice()
        && role == decode::WORKER_ROLE
    {
        return Ok(decode::serve(Path::new(model))?);
    }
    let [what, django, starter, results] = arguments.as_slice() else {
        return Err("usage: bench index|fresh|decode|daemon|images DJANGO STARTER RESULTS".into());
    };
    let inputs = Inputs { django: django.into(), starter: starter.into(), results: results.into() };
    match what.as_str() {
        "index" => index::run(&inputs),
        "fresh" => fresh::run(&inputs),
        "decode" => decode::run(&inputs),
        "daemon" => daemon::run(&inputs),
        "images" => images::run(&inputs),
        _ => Err(format!("there is no bench `{what}`").into()),
    }
}
