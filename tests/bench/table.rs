//! Medians and a Markdown table with the machine and the date. Refuses: figures without both.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

/// One line of a table.
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: &'static str,
    /// The figure with its unit.
    pub(crate) figure: String,
    /// The bar it is held against.
    pub(crate) bar: &'static str,
    /// Whether the bar is met.
    pub(crate) met: bool,
}

/// The middle of `values`.
///
/// # Panics
/// Without values.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

/// The value below which `percent` of `values` lie (nearest rank).
///
/// # Panics
/// Without values.
pub(crate) fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Writes `NAME.md` into `results` and shows it.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(results: &Path, name: &str, method: &str, rows: &[Row]) -> Result<(), Box<dyn Error>> {
    let mut page =
        format!("# {name}\n\n{}\n\n{method}\n\n| what | figure | bar | met |\n|---|---|---|---|\n", machine()?);
    for row in rows {
        let met = if row.met { "yes" } else { "**no**" };
        page.push_str(&format!("| {} | {} | {} | {met} |\n", row.what, row.figure, row.bar));
    }
    fs::create_dir_all(results)?;
    fs::write(results.join(format!("{name}.md")), &page)?;
    println!("{page}");
    Ok(())
}

fn machine() -> Result<String, Box<dyn Error>> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let cores = std::thread::available_parallelism()?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib: u64 = memory.split_whitespace().nth(1).ok_or("no memory size")?.parse()?;
    let date = String::from_utf8(Command::new("date").args(["-u", "+%Y-%m-%d"]).output()?.stdout)?;
    let model = model.trim_start_matches([' ', '\t', ':']);
    Ok(format!("{}, {cores} cores of {model}, {} GiB, Linux.", date.trim(), kib.div_ceil(1 << 20)))
}
