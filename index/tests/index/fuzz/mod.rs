//! Random lives of a workspace, with an oracle for each: no hit ever shows what is not there, and in the end the index
//! equals one made from nothing. The same code runs as a sample with the other tests and at full size by `make soak`,
//! which sets the variables named below.
//!
//! Refuses: chance without a seed; a failure names the seed that repeats it.

mod edits;
mod events;
mod world;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// How many runs, instead of a sample.
const RUNS: [(&str, &str); 2] = [("edits", "FAMILIAR_SOAK_DESKS"), ("events", "FAMILIAR_SOAK_SEQUENCES")];
/// The first seed, to repeat a failure; with it, as many runs as the variables above say.
const SEED: &str = "FAMILIAR_SOAK_SEED";
const SEED_DEFAULT: u64 = 0x5EED;

/// Runs `one` for as many seeds as asked for, `sample` if nobody asked, on all cores. `one` gives back a few counts.
fn run<const N: usize>(name: &str, sample: usize, counted: [&str; N], one: impl Fn(u64) -> [usize; N] + Sync) {
    let number = |variable: &str| std::env::var(variable).ok().map(|text| text.parse().unwrap());
    let variable = RUNS.iter().find(|(known, _)| *known == name).unwrap().1;
    let asked: Option<usize> = number(variable);
    let runs = asked.unwrap_or(sample);
    let first = number(SEED).map_or(SEED_DEFAULT, |seed| seed as u64);
    let (next, done, started) = (AtomicUsize::new(0), AtomicUsize::new(0), Instant::now());
    let totals = Mutex::new([0; N]);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    if turn >= runs {
                        return;
                    }
                    let seed = first + turn as u64;
                    let Ok(counts) = catch_unwind(AssertUnwindSafe(|| one(seed))) else {
                        next.store(runs, Ordering::Relaxed);
                        panic!("{name} failed with seed {seed}; repeat it with {SEED}={seed} {variable}=1");
                    };
                    totals.lock().unwrap().iter_mut().zip(counts).for_each(|(total, count)| *total += count);
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    if asked.is_some() && done.is_multiple_of((runs / 200).max(1)) {
                        let seconds = started.elapsed().as_secs();
                        // Without a terminal nobody is told, which is no failure.
                        let _ = writeln!(std::io::stderr(), "{name}: {done} of {runs}, {seconds} s");
                    }
                }
            });
        }
    });
    let totals = totals.into_inner().unwrap();
    let figures: Vec<String> = counted.iter().zip(totals).map(|(what, count)| format!("{count} {what}")).collect();
    if asked.is_some() {
        kit::soak::record(name, first, &figures.join(", "), started.elapsed().as_secs_f64());
    }
}
