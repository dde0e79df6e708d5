//! Rows of the page that large runs leave behind, so that every room that has one writes the same table.
//!
//! Refuses: a row of a run that failed. Whoever records has found nothing wrong; a failure is a panic before.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Names the page; without it nothing is recorded. `make soak` sets it.
pub const RESULTS: &str = "FAMILIAR_SOAK_RESULTS";

/// Adds a row to the page that [`RESULTS`] names, if it does: what ran, from which seed on, what was counted, and for how
/// many seconds.
///
/// # Panics
/// When the page cannot be written.
pub fn record(what: &str, first_seed: u64, figures: &str, seconds: f64) {
    let Ok(page) = std::env::var(RESULTS) else { return };
    record_in(Path::new(&page), what, first_seed, figures, seconds);
}

/// Adds a row to `page`, and begins an empty one with the machine and the date.
fn record_in(page: &Path, what: &str, first_seed: u64, figures: &str, seconds: f64) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut page = fs::OpenOptions::new().create(true).append(true).open(page).expect("the page can be opened");
    let mut row = String::new();
    if page.metadata().expect("it was opened").len() == 0 {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
        let cpu = cpu.trim_start_matches([' ', '\t', ':']);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let date = std::process::Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
        let date = date.map(|date| String::from_utf8_lossy(&date.stdout).trim().to_owned()).unwrap_or_default();
        row = format!(
            "# soak\n\n{date}, {cores} cores of {cpu}. A run that finds anything wrong ends and writes nothing.\n\n\
             | what | first seed | figures | wrong | seconds |\n|---|---|---|---|---|\n"
        );
    }
    row.push_str(&format!("| {what} | {first_seed} | {figures} | 0 | {seconds:.0} |\n"));
    page.write_all(row.as_bytes()).expect("the page can be written");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_follow_one_heading() {
        let folder = tempfile::tempdir().expect("a folder");
        let page = folder.path().join("soak.md");
        record_in(&page, "edits", 24301, "3 edits, 4 hits", 1.6);
        record_in(&page, "answers", 0, "5 answers", 0.0);
        let text = fs::read_to_string(&page).expect("it was written");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0]), (8, "# soak"), "{text}");
        assert_eq!(
            lines[6..],
            ["| edits | 24301 | 3 edits, 4 hits | 0 | 2 |", "| answers | 0 | 5 answers | 0 | 0 |"]
        );
    }
}
