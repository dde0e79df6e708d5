//! An image model of many files, as diffusers lays it out, from the Hugging Face hub: <https://huggingface.co/docs/hub/api>.
//!
//! Refuses: files that a pipeline does not read, weights in formats that may run code, and a folder in its place before
//! every file of it arrived and was checked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futures::StreamExt;
use serde::Deserialize;

use super::{PullProgress, disk, download, is_expected, settle, sha256_of};
use crate::images::{self, INDEX_FILE, RECORD_FILE};
use crate::{AppError, ErrorKind, Result};

/// Parts that are never read here.
const UNREAD_PARTS: [&str; 3] = ["safety_checker", "feature_extractor", "image_encoder"];
/// Text files of a part that are read, besides JSON.
const TEXT_FILES: [&str; 2] = ["merges.txt", "vocab.txt"];
/// Weights of half the bytes, which differ from the full ones by less than anybody sees.
const HALF: &str = ".fp16";
const WEIGHTS: &str = ".safetensors";
/// Bytes of the list of a repository's files.
const LIST_BYTES_MAX: usize = 8 << 20;
/// Files of one model.
const FILES_MAX: usize = 200;

/// Where a model lies on the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repository {
    /// The hub's address, without a slash at the end.
    hub: String,
    /// Owner and name.
    name: String,
    /// Branch, tag or commit.
    revision: String,
}

#[derive(Deserialize)]
struct Listed {
    siblings: Vec<ListedFile>,
}

#[derive(Clone, Debug, Deserialize)]
struct ListedFile {
    rfilename: String,
    size: Option<u64>,
    lfs: Option<LargeFile>,
}

#[derive(Clone, Debug, Deserialize)]
struct LargeFile {
    sha256: Option<String>,
}

impl Repository {
    /// The repository of these names; `None` when one is more than a name.
    pub(super) fn new(hub: &str, owner: &str, repo: &str, revision: &str) -> Option<Self> {
        let all_plain = [owner, repo, revision].into_iter().all(is_plain);
        all_plain.then(|| Self {
            hub: hub.to_owned(),
            name: format!("{owner}/{repo}"),
            revision: revision.to_owned(),
        })
    }

    /// Brings the pipeline to `target`, which does not exist yet.
    ///
    /// # Errors
    /// `User` for a repository that holds none, `Unavailable` when it cannot be reached or written.
    pub(super) async fn fetch(
        &self,
        target: &Path,
        progress: &mut (dyn FnMut(PullProgress) + Send),
    ) -> Result<()> {
        progress(PullProgress::Step(format!("asking what {} holds", self.name)));
        let listed = self.list().await?;
        let part = self.part_of(target);
        std::fs::create_dir_all(&part).map_err(|error| disk("write to the model folder", error))?;
        let Some(index) = listed.iter().find(|file| file.rfilename == INDEX_FILE) else {
            return Err(AppError::new(ErrorKind::User, format!("{} holds no image model", self.name))
                .hint("it has no model_index.json; for a GGUF file write `hf:OWNER/REPO/FILE.gguf`"));
        };
        self.bring(index, &part, &mut |_| ()).await?;
        let files = wanted(&parts(&part.join(INDEX_FILE))?, &listed)?;
        let total: u64 = files.iter().filter_map(|file| file.size).sum();
        let mut before = 0;
        for file in &files {
            let mut report = |told| {
                if let PullProgress::Bytes { done, .. } = told {
                    progress(PullProgress::Bytes { done: before + done, total: (total > 0).then_some(total) });
                }
            };
            self.bring(file, &part, &mut report).await?;
            before += file.size.unwrap_or(0);
        }
        progress(PullProgress::Step("putting it in its place".into()));
        record(&part, std::iter::once(index).chain(&files)).await?;
        std::fs::rename(&part, target).map_err(|error| disk("put the model in its folder", error))
    }

    /// Where files lie until all are there; those of another repository or revision are not taken for them.
    fn part_of(&self, target: &Path) -> PathBuf {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let from = format!("{}@{}", self.name, self.revision).replace('/', "+");
        target.with_file_name(format!(".{name}.{from}.part"))
    }

    async fn list(&self) -> Result<Vec<ListedFile>> {
        let Self { hub, name, revision } = self;
        let url = address(&format!("{hub}/api/models/{name}/revision/{revision}?blobs=true"))?;
        let response = download::client()?.get(url.clone()).send().await;
        let response = response.map_err(|error| download::unreachable(&url, error))?;
        if !response.status().is_success() {
            return Err(download::refused(&url, response.status()));
        }
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(|error| download::unreachable(&url, error))?);
            if body.len() > LIST_BYTES_MAX {
                return Err(AppError::new(ErrorKind::User, format!("{name} lists too many files")));
            }
        }
        let listed: Listed = serde_json::from_slice(&body)
            .map_err(|error| AppError::new(ErrorKind::Unavailable, format!("{url} is not understood: {error}")))?;
        Ok(listed.siblings)
    }

    /// Brings one file into `part` unless it is there.
    async fn bring(
        &self,
        file: &ListedFile,
        part: &Path,
        progress: &mut (dyn FnMut(PullProgress) + Send),
    ) -> Result<()> {
        let target = part.join(&file.rfilename);
        let expected =
            file.lfs.as_ref().and_then(|large| large.sha256.as_ref()).map(|hash| hash.to_ascii_lowercase());
        if target.is_file() && is_expected(&target, expected.clone()).await? {
            return Ok(());
        }
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder).map_err(|error| disk("write to the model folder", error))?;
        }
        let Self { hub, name, revision } = self;
        let url = address(&format!("{hub}/{name}/resolve/{revision}/{}", file.rfilename))?;
        let arriving =
            target.with_file_name(format!("{}.part", target.file_name().unwrap_or_default().to_string_lossy()));
        download::download(&url, false, &arriving, progress).await?;
        let checked = check(&arriving, &file.rfilename, expected).await;
        if let Err(error) = checked {
            // A file that arrived whole and is wrong will not become right by resuming it.
            let _ = std::fs::remove_file(&arriving);
            return Err(error);
        }
        settle(&arriving, &target)
    }
}

fn address(text: &str) -> Result<url::Url> {
    url::Url::parse(text).map_err(|_| AppError::new(ErrorKind::User, format!("`{text}` is no address")))
}

/// The parts of a pipeline that are read.
fn parts(index: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(index).map_err(|error| disk("read the model's index", error))?;
    let index: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text)
        .map_err(|error| AppError::new(ErrorKind::User, format!("its {INDEX_FILE} is damaged: {error}")))?;
    // A part is named with its library and class, both null when the pipeline goes without it.
    let is_part =
        |value: &serde_json::Value| value.as_array().is_some_and(|names| names.len() == 2 && names[1].is_string());
    let parts = index
        .into_iter()
        .filter(|(name, value)| is_part(value) && is_plain(name) && !UNREAD_PARTS.contains(&name.as_str()));
    Ok(parts.map(|(name, _)| name).collect())
}

/// The files of these parts: descriptions, tokens, and one set of weights for each.
fn wanted(parts: &[String], listed: &[ListedFile]) -> Result<Vec<ListedFile>> {
    let mut files = Vec::new();
    for part in parts {
        let inside = |file: &&ListedFile| {
            file.rfilename.split_once('/').is_some_and(|(folder, name)| folder == part && is_plain(name))
        };
        let own: Vec<&ListedFile> = listed.iter().filter(inside).collect();
        let name = |file: &ListedFile| file.rfilename.rsplit('/').next().unwrap_or_default().to_owned();
        let weights: Vec<&ListedFile> =
            own.iter().copied().filter(|file| file.rfilename.ends_with(WEIGHTS)).collect();
        let is_half = |file: &ListedFile| name(file).contains(HALF);
        let half = weights.iter().any(|file| is_half(file));
        // Without a variant the name ends after the customary words and the number of a piece.
        let is_full = |file: &ListedFile| name(file).matches('.').count() == 1;
        files.extend(own.iter().copied().filter(|file| is_text(&name(file), half)).cloned());
        files.extend(weights.into_iter().filter(|file| if half { is_half(file) } else { is_full(file) }).cloned());
    }
    let has_weights = files.iter().any(|file| file.rfilename.ends_with(WEIGHTS));
    if !has_weights || files.len() > FILES_MAX {
        return Err(AppError::new(ErrorKind::User, "it holds no weights that can be read safely")
            .hint("choose a model with files that end in .safetensors"));
    }
    Ok(files)
}

/// Whether it is a text of a part; the index of weights in pieces only where those are taken.
fn is_text(name: &str, half: bool) -> bool {
    if name.ends_with(".index.json") || name.contains(".index.") {
        return name.contains(HALF) == half;
    }
    name.ends_with(".json") || TEXT_FILES.contains(&name)
}

/// One word of letters, digits and the like, so that it leads nowhere else.
fn is_plain(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(good)
}

async fn check(file: &Path, name: &str, expected: Option<String>) -> Result<()> {
    if let Some(expected) = expected {
        let found = sha256_of(file.to_owned()).await?;
        if found != expected {
            return Err(AppError::new(ErrorKind::User, format!("{name} arrived damaged"))
                .hint("pull again; if it stays so, the hub serves another file than it says"));
        }
    }
    if name.ends_with(WEIGHTS) { check_weights(file, name) } else { Ok(()) }
}

fn check_weights(file: &Path, name: &str) -> Result<()> {
    images::check_weights(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => {
            AppError::new(ErrorKind::User, format!("{name}: {error}")).hint("choose another model")
        }
        _ => disk("read the model file", error),
    })
}

/// Records the SHA-256 of what arrived, so that `models verify` can tell later what changed.
async fn record(part: &Path, files: impl Iterator<Item = &ListedFile>) -> Result<()> {
    let mut lines = String::new();
    for file in files {
        // The hub's own hash was compared already; what has none is small.
        let hash = match file.lfs.as_ref().and_then(|large| large.sha256.as_ref()) {
            Some(hash) => hash.to_ascii_lowercase(),
            None => sha256_of(part.join(&file.rfilename)).await?,
        };
        lines.push_str(&format!("{hash}  {}\n", file.rfilename));
    }
    std::fs::write(part.join(RECORD_FILE), lines).map_err(|error| disk("write to the model folder", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(names: &[&str]) -> Vec<ListedFile> {
        names.iter().map(|name| ListedFile { rfilename: (*name).to_owned(), size: Some(1), lfs: None }).collect()
    }

    #[test]
    fn what_a_pipeline_reads_is_taken_once() {
        let files = listed(&[
            "model_index.json",
            "README.md",
            "v1-5-pruned.safetensors",
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
            "unet/diffusion_pytorch_model.non_ema.safetensors",
            "unet/diffusion_pytorch_model.fp16.safetensors",
            "unet/diffusion_pytorch_model.bin",
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors",
            "vae/../../evil.json",
            "text_encoder/config.json",
            "text_encoder/model-00001-of-00002.safetensors",
            "text_encoder/model-00002-of-00002.safetensors",
            "text_encoder/model.safetensors.index.json",
            "text_encoder/model.safetensors.index.fp16.json",
            "tokenizer/merges.txt",
            "tokenizer/vocab.json",
            "scheduler/scheduler_config.json",
            "safety_checker/model.safetensors",
        ]);
        let parts = ["scheduler", "text_encoder", "tokenizer", "unet", "vae"].map(str::to_owned);
        let mut taken: Vec<String> =
            wanted(&parts, &files).expect("it is a model").into_iter().map(|file| file.rfilename).collect();
        taken.sort();
        assert_eq!(
            taken,
            [
                "scheduler/scheduler_config.json",
                "text_encoder/config.json",
                "text_encoder/model-00001-of-00002.safetensors",
                "text_encoder/model-00002-of-00002.safetensors",
                "text_encoder/model.safetensors.index.json",
                "tokenizer/merges.txt",
                "tokenizer/vocab.json",
                "unet/config.json",
                "unet/diffusion_pytorch_model.fp16.safetensors",
                "vae/config.json",
                "vae/diffusion_pytorch_model.safetensors",
            ]
        );
        assert!(wanted(&parts, &listed(&["unet/diffusion_pytorch_model.bin"])).is_err());
    }
}
