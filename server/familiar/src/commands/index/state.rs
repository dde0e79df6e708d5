//! `familiar index --status`: what is indexed, what is left out, why, and what can be done about it. Refuses: indexing
//! anything, and holding up a command that does.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use app::{AppError, ErrorKind, IndexStatus, LeftOut, counted, stored_index};

use crate::commands::{folder, status};
use crate::context::Context;
use crate::daemon::client::query;
use crate::daemon::{attach, lock};
use crate::render::{self, Style};

/// Shows it.
///
/// # Errors
/// When the index cannot be read.
pub(super) async fn show(context: &Context, root: &Path, as_json: bool) -> anyhow::Result<u8> {
    let status = look(context, root).await?;
    render::output(&if as_json { render::json(&status) } else { page(&status, Style::of_output()) })?;
    Ok(0)
}

/// What is known, from the daemon when one runs.
///
/// # Errors
/// As [`show`].
pub(in crate::commands) async fn look(context: &Context, root: &Path) -> anyhow::Result<IndexStatus> {
    // Looking ends no daemon of another build; where it does not answer, what is stored does.
    if let Ok(Some(daemon)) = attach::find(&context.home).await {
        let path = query("/api/v1/index", &[("workspace", folder::text(root)?)]);
        if let Ok(status) = daemon.client.get(&path).await {
            return Ok(status);
        }
    }
    let (home, config, root) = (context.home.clone(), context.config.clone(), root.to_owned());
    // Who has the home works perhaps in another folder, so only both together say something.
    let holder = lock::holder(&context.home);
    let look = tokio::task::spawn_blocking(move || stored_index(&home, &config, &root)).await;
    let mut status = look.map_err(|error| AppError::new(ErrorKind::Bug, error.to_string()))??;
    if let Some(holder) = holder {
        status.notes.push(format!("{} works in this home", holder.describe()));
    }
    Ok(status)
}

fn page(status: &IndexStatus, style: Style) -> String {
    let mut lines = vec![("folder", status.root.display().to_string()), ("state", state(status))];
    if status.state != "none" {
        lines.push(("looked", looked(status)));
        lines.push(("stored", format!("{} in {}", render::bytes(status.bytes), status.folder.display())));
    }
    let size = render::bytes(status.file_bytes_max);
    let (source, stored) = (render::bytes(status.source_bytes_max), render::bytes(status.index_bytes_max));
    let files = status.files_max;
    lines.push(("limits", format!("files up to {size}, {files} files, {source} in all; {stored} on disk")));
    let total: u64 = status.left_out.iter().map(|left_out| left_out.count).sum();
    if total > 0 {
        let what = if total == 1 { "file or whole folder" } else { "files and whole folders" };
        lines.push(("skipped", format!("{total} {what}:")));
    }
    let line = |(name, text): &(&str, String)| {
        format!("{} {}\n", style.dim(&format!("{name:<8}")), render::one_line(text))
    };
    let mut text: String = lines.iter().map(line).collect();
    text.extend(status.left_out.iter().map(|one| left_out(one, style)));
    text.extend(status.notes.iter().map(|note| line(&("note", note.clone()))));
    text
}

/// How complete the index is, in words.
pub(in crate::commands) fn state(status: &IndexStatus) -> String {
    let IndexStatus { files, chunks, generation, done, total, .. } = status;
    let (files, chunks) = (counted(*files, "file"), counted(*chunks, "chunk"));
    let holds = format!("{files}, {chunks}, generation {generation}");
    let held_up = "large changes wait; `familiar index --resume` lets them go on";
    match status.state.as_str() {
        "none" => "not indexed; `familiar index` does it".to_owned(),
        "empty" if status.paused => format!("nothing indexed yet, and paused; {held_up}"),
        "empty" => "nothing indexed yet; `familiar index` does it".to_owned(),
        "building" if *total > 0 => format!("being built, {done} of {total} files are done; {holds}"),
        "building" => format!("being built; {holds}"),
        "paused" => format!("paused: {done} of {total} files are done, {holds}; {held_up}"),
        "partial" if status.paused => format!("not complete, and paused: {holds}; {held_up}"),
        "partial" => format!("not complete: {holds}; `familiar index` completes it"),
        "failed" => format!("the last run failed; {holds}"),
        _ if status.paused => format!("complete, but paused: {holds}; {held_up}"),
        _ => format!("ready: {holds}"),
    }
}

/// When the folder was last looked at as a whole, and how changes are found since.
pub(in crate::commands) fn looked(status: &IndexStatus) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let when = match status.refreshed_ms {
        Some(at) => format!("{} ago", status::duration(now.saturating_sub(at) / 1000)),
        None => "never to the end".to_owned(),
    };
    let how = match status.watching.as_str() {
        "events" => "changes are taken up as they happen",
        "polling" => "changes are found by walking every half minute",
        _ => "nothing watches it now; the next search or question looks again",
    };
    format!("{when}; {how}")
}

fn left_out(one: &LeftOut, style: Style) -> String {
    let mut text = format!("  {:>6}  {}\n", one.count, render::one_line(&one.reason));
    if !one.examples.is_empty() {
        let more = if one.count > one.examples.len() as u64 { ", ..." } else { "" };
        let names: Vec<String> = one.examples.iter().map(|path| render::name(path)).collect();
        let examples = format!("{}{more}", names.join(", "));
        text.push_str(&format!("          {}\n", style.dim(&examples)));
    }
    if !one.advice.is_empty() {
        text.push_str(&format!("          {}\n", render::one_line(&one.advice)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_said_on_one_screen() {
        let left_out = LeftOut {
            reason: "too large".into(),
            count: 7,
            examples: vec!["a/b.json".into(), "c.csv".into()],
            advice: "split them".into(),
        };
        let status = IndexStatus {
            root: "/w".into(),
            state: "ready".into(),
            files: 3,
            chunks: 9,
            generation: 2,
            watching: "events".into(),
            folder: "/c/i".into(),
            bytes: 2_500_000,
            left_out: vec![left_out],
            notes: vec!["one\nnote".into()],
            file_bytes_max: 1 << 20,
            files_max: 1_000_000,
            source_bytes_max: 16 << 30,
            index_bytes_max: 8 << 30,
            ..IndexStatus::default()
        };
        let expected = "\
folder   /w
state    ready: 3 files, 9 chunks, generation 2
looked   never to the end; changes are taken up as they happen
stored   2.5 MB in /c/i
limits   files up to 1.0 MB, 1000000 files, 17.2 GB in all; 8.6 GB on disk
skipped  7 files and whole folders:
       7  too large
          a/b.json, c.csv, ...
          split them
note     one note
";
        assert_eq!(page(&status, Style::plain()), expected);
        let none = IndexStatus { state: "none".into(), ..IndexStatus::default() };
        assert!(page(&none, Style::plain()).contains("state    not indexed; `familiar index` does it\n"));
        let paused = IndexStatus { state: "paused".into(), paused: true, done: 1200, total: 4232, ..none };
        assert!(state(&paused).starts_with("paused: 1200 of 4232 files are done"), "{}", state(&paused));
        let partial = IndexStatus { state: "partial".into(), files: 1, chunks: 1, ..paused.clone() };
        let holds = "1 file, 1 chunk, generation 0";
        let resume = "large changes wait; `familiar index --resume` lets them go on";
        assert_eq!(state(&partial), format!("not complete, and paused: {holds}; {resume}"));
        let partial = IndexStatus { paused: false, ..partial };
        assert_eq!(state(&partial), format!("not complete: {holds}; `familiar index` completes it"));
        let ready = IndexStatus { state: "ready".into(), ..paused };
        assert_eq!(
            state(&ready),
            "complete, but paused: 0 files, 0 chunks, generation 0; large changes wait; `familiar index --resume` lets them go on"
        );
    }
}
