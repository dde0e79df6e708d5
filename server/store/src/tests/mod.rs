//! Tests of the store on real files. The clock is the only thing that is not real.

mod chats;
mod events_and_blobs;
mod faults;
mod gallery;
mod image_jobs;
mod images;
mod kill;
mod killed_painter;
mod opening;
mod proposals;
mod runs;
mod sign_in;
mod upgrades;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tempfile::TempDir;

use crate::{
    After, BegunRun, Clock, ImageJob, NewImage, NewImageJob, NewRun, RunEnd, RunOutcome, RunUsage, Store,
    StoreError,
};

/// Some moment, in UTC milliseconds.
const START_MS: i64 = 1_800_000_000_000;

/// A store in a folder of its own, with a clock that only moves when told.
struct Home {
    folder: TempDir,
    now_ms: Arc<AtomicI64>,
}

impl Home {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), now_ms: Arc::new(AtomicI64::new(START_MS)) }
    }

    fn dir(&self) -> &Path {
        self.folder.path()
    }

    fn clock(&self) -> Clock {
        let now_ms = Arc::clone(&self.now_ms);
        Arc::new(move || now_ms.load(Ordering::SeqCst))
    }

    fn try_open(&self) -> Result<Store, StoreError> {
        Store::open_with_clock(self.dir(), self.clock())
    }

    fn open(&self) -> Store {
        self.try_open().unwrap()
    }

    fn pass(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

/// Asks `text` at the end of a chat.
fn ask(store: &Store, chat_id: &str, text: &str) -> BegunRun {
    store.begin_run(&NewRun { chat_id, after: After::Newest, text, model: None }).unwrap()
}

/// An end in one way, with a text and a cost.
fn end(outcome: RunOutcome, text: &str) -> RunEnd<'_> {
    let usage = RunUsage {
        model: "starter",
        prompt_tokens: 100,
        cached_tokens: 40,
        answer_tokens: 7,
        prompt_ms: 500,
        answer_ms: 70,
    };
    RunEnd {
        outcome,
        text: Some(text),
        error: None,
        citations: Some("[1]"),
        manifest: Some("{}"),
        usage: Some(usage),
    }
}

/// The first number of a query on the writing connection.
fn count(store: &Store, sql: &str) -> i64 {
    store.user.writer().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// A job for `images` images, stored.
fn job(store: &Store, images: u32) -> ImageJob {
    let new = NewImageJob { priority: 0, model: "tiny", request: "{}", images, blobs: &[] };
    store.enqueue_image_job(&new).unwrap()
}

/// An image of `prompt` that no job made; its file is the prompt itself.
fn image(prompt: &str) -> NewImage<'_> {
    NewImage {
        job: None,
        file: prompt.as_bytes(),
        thumbnail: b"small",
        width_pixels: 64,
        height_pixels: 32,
        seed: 7,
        model: "tiny",
        prompt,
        negative_prompt: "",
        settings: "{}",
    }
}
