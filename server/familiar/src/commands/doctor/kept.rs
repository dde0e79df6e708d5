//! The rows of `familiar doctor` about what is kept of the workspace here: is there a folder for it and room, can it be
//! read, is it complete, what is left out, how are changes found. Refuses: indexing it.

use std::path::Path;

use app::{IndexStatus, counted};

use super::{Finding, Report, probed};
use crate::commands::folder;
use crate::commands::index::state;
use crate::context::Context;
use crate::failure::Failure;
use crate::{os, render};

/// With less room than this the next large index may not fit, in bytes.
const FREE_BYTES_MIN: u64 = 200_000_000;

/// The folder of the cache that holds indexes.
const INDEXES: &str = "index";

/// Tells them.
pub(super) async fn rows(report: &mut Report, context: &Context) -> std::io::Result<()> {
    let folder = &context.home.cache;
    let other =
        format!("free some space, or set FAMILIAR_HOME to a folder on another disk than {}", folder.display());
    report.tell("cache", cache(folder, os::free_bytes(folder)), &other)?;
    let fix = "`familiar index --rebuild` makes it anew, `familiar index --forget` removes it";
    let status = match folder::named_or_here(None) {
        Ok(root) => state::look(context, &root).await,
        Err(failure) => Err(failure.into()),
    };
    let status = match status {
        Ok(status) => status,
        Err(error) => {
            let failure = Failure::from_error(&error).unwrap_or_else(|| Failure::new("it cannot be read"));
            return report.tell("store", Err(failure), fix);
        }
    };
    report.tell("store", Ok(store(&status)), fix)?;
    if status.state == "none" {
        return Ok(());
    }
    report.tell("fresh", fresh(&status), "`familiar index` brings it up to date")?;
    report.tell(
        "watch",
        watch(&status),
        "raise fs.inotify.max_user_watches, or leave folders out in `.familiarignore`",
    )?;
    report.tell("skipped", Ok(skipped(&status)), "`familiar index --status`")
}

/// Whether indexes can be kept in a folder, which was made where it could be, and in the one for them inside it.
fn cache(folder: &Path, free: Option<u64>) -> Finding {
    let inside = folder.join(INDEXES);
    let here = [folder, &inside];
    // The inner one is made by the first index.
    here.into_iter().filter(|one| *one == folder || one.symlink_metadata().is_ok()).try_for_each(probed)?;
    let shown = folder.display();
    match free.map(|free| (free, render::bytes(free))) {
        Some((free, words)) if free < FREE_BYTES_MIN => {
            Err(Failure::new(format!("only {words} are free in {shown}, where indexes are kept")))
        }
        Some((_, words)) => Ok(format!("{shown} keeps indexes, {words} are free")),
        None => Ok(format!("{shown} keeps indexes; the system does not say how much is free")),
    }
}

fn store(status: &IndexStatus) -> String {
    let root = status.root.display();
    if status.state == "none" {
        return format!("{root} is not indexed; `familiar index` does it");
    }
    let IndexStatus { files, chunks, bytes, .. } = status;
    let (files, chunks) = (counted(*files, "file"), counted(*chunks, "chunk"));
    format!("{root}: {files}, {chunks}, {} on disk, readable", render::bytes(*bytes))
}

fn fresh(status: &IndexStatus) -> Finding {
    match status.state.as_str() {
        "paused" => Err(Failure::new(state::state(status))),
        "failed" | "partial" => Err(Failure::new(format!("{} {}", state::state(status), status.notes.join("; ")))),
        _ => Ok(format!("{}; looked at {}", status.state, state::looked(status))),
    }
}

fn watch(status: &IndexStatus) -> Finding {
    match status.watching.as_str() {
        "events" => Ok("the system tells of each change".into()),
        "polling" => {
            let why = status.notes.iter().find(|note| note.contains("walking")).map_or("", String::as_str);
            Err(Failure::new(format!("changes are found by walking every half minute: {why}")))
        }
        _ => Ok("nothing watches it now; a daemon does while it runs".into()),
    }
}

fn skipped(status: &IndexStatus) -> String {
    let total: u64 = status.left_out.iter().map(|one| one.count).sum();
    if total == 0 {
        return "nothing is left out".to_owned();
    }
    let parts: Vec<String> = status.left_out.iter().map(|one| format!("{} {}", one.count, one.reason)).collect();
    let total = if total == 1 { "one file or folder".to_owned() } else { format!("{total} files and folders") };
    format!("{total}: {}; `familiar index --status` gives examples", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: &str, watching: &str) -> IndexStatus {
        IndexStatus { state: state.into(), watching: watching.into(), ..IndexStatus::default() }
    }

    #[test]
    fn a_cache_that_cannot_hold_indexes_is_a_failure() {
        let folder = tempfile::tempdir().expect("a folder");
        let enough = Some(FREE_BYTES_MIN);
        assert!(cache(folder.path(), enough).is_ok_and(|words| words.contains("200.0 MB are free")));
        assert!(cache(folder.path(), None).is_ok());
        assert!(cache(folder.path(), Some(FREE_BYTES_MIN - 1)).is_err());
        assert!(cache(&folder.path().join("missing"), enough).is_err());
        std::fs::write(folder.path().join(INDEXES), "").expect("a file in its place");
        let failure = cache(folder.path(), enough).expect_err("no folder can be made there");
        assert!(failure.message.contains(INDEXES) && failure.hint.is_some(), "{failure}");
    }

    #[test]
    fn an_index_that_needs_help_is_a_failure() {
        for (name, is_well) in [
            ("ready", true),
            ("building", true),
            ("empty", true),
            ("partial", false),
            ("failed", false),
            ("paused", false),
        ] {
            assert_eq!(fresh(&status(name, "events")).is_ok(), is_well, "{name}");
        }
        for (name, is_well) in [("events", true), ("nothing", true), ("polling", false)] {
            assert_eq!(watch(&status("ready", name)).is_ok(), is_well, "{name}");
        }
        assert!(store(&status("none", "nothing")).contains("`familiar index` does it"));
    }
}
