//! `familiar status`: what runs, on one screen. Refuses: starting anything.

use app::{Status as DaemonStatus, WorkspaceStatus, counted};
use clap::Args;
use engine::{Format, OutcomeRow, Standing};
use serde_json::{Value, json};

use crate::build_id::BuildId;
use crate::daemon::attach::Identity;
use crate::daemon::run::address;
use crate::daemon::{attach, lock};
use crate::render::Style;
use crate::{home, render};

/// Models whose edits are shown, those used last; `--json` shows all.
const EDITS_SHOWN_MAX: usize = 3;

/// Show what runs: daemon, model, indexes, and where the log is.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Status {
    /// Shows it.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        let home = home::from_environment()?;
        let daemon = attach::find(&home).await?;
        let text = match (&daemon, self.json) {
            (Some(daemon), true) => {
                let mut status: Value = daemon.client.get("/api/v1/status").await?;
                if let Value::Object(fields) = &mut status {
                    fields.insert("running".into(), true.into());
                }
                render::json(&status)
            }
            (Some(daemon), false) => match daemon.client.get::<DaemonStatus>("/api/v1/status").await {
                Ok(status) => running(&status, Style::of_output()),
                Err(error) => match of_another_build(&daemon.identity) {
                    Some(text) => text,
                    None => return Err(error.into()),
                },
            },
            (None, true) => {
                let holder = lock::holder(&home);
                render::json(&json!({
                    "running": false, "home": home.data, "log": home.log_file(), "held_by": holder,
                }))
            }
            (None, false) => {
                let state = match lock::holder(&home) {
                    Some(holder) => format!("no daemon runs; {} holds this home\n", holder.describe()),
                    None => "no daemon runs; `familiar serve` starts one, and so does an editor\n".to_owned(),
                };
                format!("{state}log    {}\n", render::escape(&home.log_file().display().to_string()))
            }
        };
        render::output(&text)?;
        Ok(0)
    }
}

fn running(status: &DaemonStatus, style: Style) -> String {
    let how = if status.auto_started { ", started by an editor or a command" } else { "" };
    let mut lines = vec![
        ("daemon", format!("pid {}, up for {}{how}", status.pid, duration(status.uptime_s))),
        ("build", status.build_id.clone()),
        ("page", status.port.map_or_else(|| "none: no port was free".to_owned(), address)),
        ("model", model(status)),
        ("in use", format!("{} sessions and streams, {} answers and jobs", status.sessions, status.runs)),
    ];
    for workspace in &status.workspaces {
        let root = workspace.root.display();
        lines.push(("index", format!("{root}: {}", index(workspace))));
        lines.extend(workspace.notes.iter().map(|note| ("note", note.clone())));
    }
    lines.extend(edits(&status.edits).into_iter().map(|line| ("edits", line)));
    lines.extend(status.notes.iter().map(|note| ("note", note.clone())));
    lines.push(("data", status.home.display().to_string()));
    lines.push(("log", status.log.display().to_string()));
    let line = |(name, text): &(&str, String)| {
        format!("{} {}\n", style.dim(&format!("{name:<7}")), render::one_line(text))
    };
    lines.iter().map(line).collect()
}

/// How an index stands.
fn index(workspace: &WorkspaceStatus) -> String {
    let state = match workspace.state.as_str() {
        "building" if workspace.total == 0 => return "looking for changed files".to_owned(),
        "building" => return format!("indexing, {} of {} files", workspace.done, workspace.total),
        "ready" if workspace.paused => "paused, and large changes wait for `familiar index --resume`",
        "paused" if workspace.paused => {
            return format!(
                "paused at {} of {} files; `familiar index --resume` lets it go on",
                workspace.done, workspace.total
            );
        }
        state => state,
    };
    let (files, chunks) = (counted(workspace.files, "file"), counted(workspace.chunks, "chunk"));
    format!("{state}, {files}, {chunks}{}", besides(workspace))
}

/// What is left out of an index, and when changes reach it late.
fn besides(workspace: &WorkspaceStatus) -> String {
    let skipped: u64 = workspace.skipped.values().sum();
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    let late = if workspace.watching == "polling" { ", changes are found every half minute" } else { "" };
    format!("{skipped}{late}")
}

/// What became of the edits of each model, the one used last first.
fn edits(rows: &[OutcomeRow]) -> Vec<String> {
    let models = rows.chunk_by(|one, other| one.model == other.model).rev().take(EDITS_SHOWN_MAX);
    let line = |rows: &[OutcomeRow]| {
        let model = rows.first().map_or("", |row| &row.model);
        let forms: Vec<String> = rows.iter().map(form).collect();
        format!("{model}: {} landed at the first try", forms.join(", "))
    };
    models.map(line).collect()
}

/// One form, such as `blocks 41 of 50 (trusted)`.
fn form(row: &OutcomeRow) -> String {
    let name = match row.format {
        Format::Rewrite => "rewrites",
        Format::Blocks => "blocks",
        Format::Whole => "whole files",
    };
    let standing = match row.standing {
        Standing::Untried => "",
        Standing::Trusted => " (trusted)",
        Standing::GivenUp => " (given up)",
    };
    format!("{name} {} of {}{standing}", row.landed, row.tried)
}

/// What is known of a daemon whose status this build does not understand; `None` when it is of this build.
fn of_another_build(daemon: &Identity) -> Option<String> {
    let same = BuildId::parse(&daemon.build_id)
        .zip(BuildId::own().ok())
        .is_some_and(|(theirs, own)| own.is_same(&theirs));
    let how = if daemon.auto_started { ", started by an editor or a command" } else { "" };
    let page = daemon.port.map_or_else(|| "none: no port was free".to_owned(), address);
    let build = render::one_line(&daemon.build_id);
    (!same).then(|| {
        format!(
            "daemon  pid {}{how}\nbuild   {build}; another one than this program\npage    {page}\n",
            daemon.pid
        )
    })
}

fn model(status: &DaemonStatus) -> String {
    let model = &status.model;
    let Some(name) = &model.name else { return format!("none; {}", model.hint.as_deref().unwrap_or_default()) };
    let context = model.context_tokens.map(|tokens| format!(", {tokens} tokens of context"));
    let speed = model.prompt_tokens_per_s.zip(model.answer_tokens_per_s);
    let speed = speed.map(|(reads, writes)| format!(", reads {reads:.0} and writes {writes:.0} tokens/s"));
    let pid = model.pid.map(|pid| format!(", pid {pid}"));
    let extra: Vec<String> = [context, speed, pid].into_iter().flatten().collect();
    format!("{name}, {}{}", model.state, extra.concat())
}

/// A time span in words.
pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paused_index_is_not_called_ready() {
        let at = |state: &str, paused| WorkspaceStatus {
            state: state.into(),
            paused,
            files: 3,
            chunks: 9,
            done: 1,
            total: 3,
            ..WorkspaceStatus::default()
        };
        for (state, paused, expected) in [
            ("ready", false, "ready, 3 files, 9 chunks"),
            ("ready", true, "paused, and large changes wait for `familiar index --resume`, 3 files, 9 chunks"),
            ("paused", true, "paused at 1 of 3 files; `familiar index --resume` lets it go on"),
            ("paused", false, "paused, 3 files, 9 chunks"),
            ("building", true, "indexing, 1 of 3 files"),
        ] {
            assert_eq!(index(&at(state, paused)), expected);
        }
    }

    #[test]
    fn durations_are_readable() {
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7325, "2 h 2 min")] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn edits_are_a_line_for_each_of_the_models_used_last() {
        let row = |model: &str, format, landed, standing| OutcomeRow {
            model: model.into(),
            format,
            landed,
            tried: 50,
            standing,
        };
        let mut rows: Vec<OutcomeRow> =
            ["old", "older", "oldest"].map(|model| row(model, Format::Whole, 7, Standing::GivenUp)).into();
        rows.push(row("starter", Format::Rewrite, 30, Standing::Untried));
        rows.push(row("starter", Format::Blocks, 41, Standing::Trusted));
        let expected = [
            "starter: rewrites 30 of 50, blocks 41 of 50 (trusted) landed at the first try",
            "oldest: whole files 7 of 50 (given up) landed at the first try",
            "older: whole files 7 of 50 (given up) landed at the first try",
        ];
        assert_eq!(edits(&rows), expected);
        assert_eq!(edits(&[]), Vec::<String>::new());
    }
}
