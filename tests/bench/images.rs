//! Images as their user waits for them, but for the drawing: from asking to its begin, and a whole command. Refuses: the time that
//! a model takes; it is scripted here, and `make bench-step` has the real ones.

use std::error::Error;
use std::fs;
use std::time::Instant;

use kit::process::{Stream, TempHome};
use serde_json::{Value, json};

use crate::Inputs;
use crate::table::{Row, median, percentile, write};

const JOBS: usize = 40;
const BEGIN_MS_MAX: f64 = 500.0;

pub fn run(inputs: &Inputs) -> Result<(), Box<dyn Error>> {
    let home = TempHome::new();
    let script = home.user_folder().join("script.json");
    fs::write(&script, json!({ "replies": [], "images": [{}] }).to_string())?;
    let daemon = home.familiar(&["serve", "--scripted-model"]).arg(&script).spawn();
    daemon.wait_for(Stream::Out, "http://");
    let (mut begins, mut commands) = (Vec::new(), Vec::new());
    for at in 0..=JOBS {
        let asked = Instant::now();
        let made = home.familiar(&["generate", "a fox", "--size", "512x512", "--steps", "4", "--json"]).run();
        let command_ms = asked.elapsed().as_secs_f64() * 1_000.0;
        let made: Value = serde_json::from_str(&made.success())?;
        let ms =
            |when: &str| made["job"][when].as_f64().ok_or("the job does not say when it was asked for or begun");
        // The first one starts the process of the model.
        if at > 0 {
            begins.push(ms("started_ms")? - ms("created_ms")?);
            commands.push(command_ms);
        }
    }
    let (begin, begin_p95, command) = (median(&begins), percentile(&begins, 95.0), median(&commands));
    let rows = [
        Row {
            what: "a job, from accepted to running, the model in memory, p50 / p95",
            figure: format!("{begin:.0} ms / {begin_p95:.0} ms"),
            bar: "<= 500 ms",
            met: begin_p95 <= BEGIN_MS_MAX,
        },
        Row {
            what: "`familiar generate` from its start to its end, an image of 512 x 512 kept, a model that takes no time",
            figure: format!("{command:.0} ms"),
            bar: "none",
            met: true,
        },
    ];
    let method =
        format!("`bench images`: the release binary with a scripted model, {JOBS} jobs one after the other.");
    write(&inputs.results, "images", &method, &rows)
}
