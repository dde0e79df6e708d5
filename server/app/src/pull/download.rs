//! One file over HTTP, resumed when the connection breaks. Refuses: waiting for a server that says nothing, and
//! resuming a file that changed meanwhile.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::StreamExt;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use reqwest::{Client, Response, StatusCode, redirect};
use tokio::io::AsyncWriteExt;

use super::{PullProgress, disk};
use crate::{AppError, ErrorKind, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that brings nothing for so long is taken for broken.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const REDIRECTS_MAX: usize = 5;
/// Attempts without a single new byte before giving up.
const BARREN_ATTEMPTS_MAX: u32 = 4;
const BACK_OFF_FIRST: Duration = Duration::from_millis(250);
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
const MODEL_BYTES_MAX: u64 = 1 << 40;
/// The hub's header with the SHA-256 of a large file.
const HUB_HASH_HEADER: &str = "x-linked-etag";

enum Attempt {
    Complete,
    Broken(AppError),
}

/// Downloads `url` to `part`, going on where an earlier attempt stopped. Returns the SHA-256 the hub states.
pub(super) async fn download(
    url: &url::Url,
    from_hub: bool,
    part: &Path,
    progress: &mut (dyn FnMut(PullProgress) + Send),
) -> Result<Option<String>> {
    let client = client()?;
    let hub_hash = if from_hub { hub_hash(url).await? } else { None };
    let mut barren = 0;
    loop {
        let before = length(part);
        match attempt(&client, url, part, progress).await? {
            Attempt::Complete => {
                let _ = std::fs::remove_file(tag_file(part));
                return Ok(hub_hash);
            }
            Attempt::Broken(error) => {
                barren = if length(part) > before { 0 } else { barren + 1 };
                if barren >= BARREN_ATTEMPTS_MAX {
                    return Err(error);
                }
                tracing::warn!(%error, "the download broke off; going on where it stopped");
                tokio::time::sleep(BACK_OFF_FIRST * 2_u32.pow(barren)).await;
            }
        }
    }
}

pub(super) fn client() -> Result<Client> {
    // Fails only when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .redirect(redirect::Policy::limited(REDIRECTS_MAX))
        .user_agent(concat!("familiar/", env!("CARGO_PKG_VERSION")));
    builder.build().map_err(|error| AppError::new(ErrorKind::Bug, "cannot set up HTTP").caused_by(error))
}

/// The hub answers with the hash before it redirects to the storage, so the redirect is not followed here.
async fn hub_hash(url: &url::Url) -> Result<Option<String>> {
    let builder = Client::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT);
    let client = builder.redirect(redirect::Policy::none()).build();
    let client = client.map_err(|error| AppError::new(ErrorKind::Bug, "cannot set up HTTP").caused_by(error))?;
    let response = client.head(url.clone()).send().await.map_err(|error| unreachable(url, error))?;
    let header = response.headers().get(HUB_HASH_HEADER).and_then(|value| value.to_str().ok());
    let hash = header.map(|value| value.trim_matches('"').to_ascii_lowercase());
    Ok(hash.filter(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())))
}

async fn attempt(
    client: &Client,
    url: &url::Url,
    part: &Path,
    progress: &mut (dyn FnMut(PullProgress) + Send),
) -> Result<Attempt> {
    let have = length(part);
    let mut request = client.get(url.clone());
    if have > 0 {
        request = request.header(RANGE, format!("bytes={have}-"));
        // With the tag of the first answer the server sends all of a file that changed; without one the checks at
        // the end tell.
        if let Ok(tag) = std::fs::read_to_string(tag_file(part)) {
            request = request.header(IF_RANGE, tag);
        }
    }
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Ok(Attempt::Broken(unreachable(url, error))),
    };
    let status = response.status();
    let resumed = status == StatusCode::PARTIAL_CONTENT && starts_at(&response, have);
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        let whole = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
        if whole.and_then(|range| range.strip_prefix("bytes */")?.parse().ok()) == Some(have) {
            return Ok(Attempt::Complete);
        }
        let _ = std::fs::remove_file(part);
        return Ok(Attempt::Broken(refused(url, status)));
    }
    if !resumed && status != StatusCode::OK {
        let error = refused(url, status);
        return if status.is_server_error() { Ok(Attempt::Broken(error)) } else { Err(error) };
    }
    let headers = response.headers();
    match headers.get(ETAG).or_else(|| headers.get(LAST_MODIFIED)).and_then(|tag| tag.to_str().ok()) {
        Some(tag) => {
            std::fs::write(tag_file(part), tag).map_err(|error| disk("write to the model folder", error))?
        }
        None => drop(std::fs::remove_file(tag_file(part))),
    }
    let done = if resumed { have } else { 0 };
    receive(response, url, part, done, progress).await
}

async fn receive(
    response: Response,
    url: &url::Url,
    part: &Path,
    mut done: u64,
    progress: &mut (dyn FnMut(PullProgress) + Send),
) -> Result<Attempt> {
    let header = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let total = header.map(|length| length.saturating_add(done));
    if total.is_some_and(|total| total > MODEL_BYTES_MAX) {
        return Err(AppError::new(ErrorKind::User, format!("{url} says it is larger than a terabyte")));
    }
    let mut options = tokio::fs::OpenOptions::new();
    options.create(true).write(true).append(done > 0).truncate(done == 0);
    let mut file = options.open(part).await.map_err(|error| disk("write to the model folder", error))?;
    let mut chunks = response.bytes_stream();
    let mut told = Instant::now();
    progress(PullProgress::Bytes { done, total });
    while let Some(chunk) = chunks.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => {
                file.flush().await.map_err(|error| disk("write the model file", error))?;
                return Ok(Attempt::Broken(unreachable(url, error)));
            }
        };
        done += chunk.len() as u64;
        if done > MODEL_BYTES_MAX {
            return Err(AppError::new(ErrorKind::User, format!("{url} does not end")));
        }
        file.write_all(&chunk).await.map_err(|error| disk("write the model file", error))?;
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            progress(PullProgress::Bytes { done, total });
        }
    }
    file.flush().await.map_err(|error| disk("write the model file", error))?;
    progress(PullProgress::Bytes { done, total });
    if total.is_some_and(|total| done < total) {
        let error = AppError::new(ErrorKind::Unavailable, format!("{url} broke off"));
        return Ok(Attempt::Broken(error.hint("pull again: what arrived is kept")));
    }
    Ok(Attempt::Complete)
}

fn starts_at(response: &Response, have: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range
        .and_then(|range| range.strip_prefix("bytes "))
        .is_some_and(|range| range.starts_with(&format!("{have}-")))
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn tag_file(part: &Path) -> PathBuf {
    part.with_extension("part-tag")
}

pub(super) fn refused(url: &url::Url, status: StatusCode) -> AppError {
    let kind = if status == StatusCode::NOT_FOUND { ErrorKind::NotFound } else { ErrorKind::Unavailable };
    AppError::new(kind, format!("{url} answers {status}")).hint("check the address")
}

pub(super) fn unreachable(url: &url::Url, error: reqwest::Error) -> AppError {
    let what = if error.is_connect() {
        "cannot be reached"
    } else if error.is_timeout() {
        "does not answer"
    } else {
        "broke off"
    };
    AppError::new(ErrorKind::Unavailable, format!("{url} {what}"))
        .hint("check the network, then pull again: what arrived is kept")
        .caused_by(error)
}
