//! What a child runs: a backend that loads a model, does what is asked and stops when told.
//!
//! Refuses: knowledge of pipes and processes; those are the business of [`crate::serve`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::{
    ChatEvent, ChatRequest, Finished, ImageEvent, ImageModelInfo, ImageRequest, ModelError, ModelInfo, Timings,
};

use crate::work::{Answerer, Chat, Images, Work};

/// Counts the tokens of a text; works while an answer is made.
pub type CountTokens = Box<dyn Fn(&str) -> Result<u32, ModelError> + Send>;

/// A model that stands ready.
pub struct Loaded {
    /// What is known about it, measured speeds included.
    pub info: ModelInfo,
    /// Requests the parent may send at once; one for now.
    pub slots: u32,
    /// Counts tokens on a thread of its own.
    pub count_tokens: CountTokens,
}

/// A model as the child sees it. All calls come from one thread.
pub trait Backend {
    /// Loads the model and tells `progress` the share loaded, 0..=1, often enough to show that it is alive.
    ///
    /// # Errors
    /// [`ModelError`] when the model cannot be used.
    fn load(&mut self, progress: &mut dyn FnMut(f32), cancel: &CancelFlag) -> Result<Loaded, ModelError>;

    /// Makes one answer. Everything but the end goes to `emit`.
    ///
    /// # Errors
    /// [`ModelError::Cancelled`] soon after `cancel` is set, or another [`ModelError`].
    fn chat(
        &mut self,
        request: &ChatRequest,
        emit: &mut dyn FnMut(ChatEvent),
        cancel: &CancelFlag,
    ) -> Result<Finished, ModelError>;
}

/// A model that makes images, as the child sees it. All calls come from one thread.
pub trait ImageBackend {
    /// Loads the model and tells `progress` the share loaded, 0..=1, often enough to show that it is alive.
    ///
    /// # Errors
    /// [`ModelError`] when the model cannot be used.
    fn load(&mut self, progress: &mut dyn FnMut(f32), cancel: &CancelFlag) -> Result<ImageModelInfo, ModelError>;

    /// Makes the images of one request. Everything but the end goes to `emit`, which waits while the reader at the
    /// other end has too much unread. Returns the time used, without waiting.
    ///
    /// # Errors
    /// [`ModelError::Cancelled`] at most a step after `cancel` is set, or another [`ModelError`].
    fn draw(
        &mut self,
        request: &ImageRequest,
        emit: &mut dyn FnMut(ImageEvent),
        cancel: &CancelFlag,
    ) -> Result<Timings, ModelError>;
}

/// A model of any kind that stands ready.
pub(crate) struct Ready<W: Work> {
    pub(crate) info: W::Info,
    pub(crate) slots: u32,
    pub(crate) answer: Option<Answerer<W>>,
}

/// A backend of any kind.
pub(crate) trait Runs<W: Work> {
    fn load(&mut self, progress: &mut dyn FnMut(f32), cancel: &CancelFlag) -> Result<Ready<W>, ModelError>;

    fn run(
        &mut self,
        request: &W::Request,
        emit: &mut dyn FnMut(W::Event),
        cancel: &CancelFlag,
    ) -> Result<W::End, ModelError>;
}

impl Runs<Chat> for dyn Backend + '_ {
    fn load(&mut self, progress: &mut dyn FnMut(f32), cancel: &CancelFlag) -> Result<Ready<Chat>, ModelError> {
        let Loaded { info, slots, count_tokens } = Backend::load(self, progress, cancel)?;
        let count_all = move |texts: &Vec<String>| texts.iter().map(|text| count_tokens(text)).collect();
        Ok(Ready { info, slots, answer: Some(Box::new(count_all)) })
    }

    fn run(
        &mut self,
        request: &ChatRequest,
        emit: &mut dyn FnMut(ChatEvent),
        cancel: &CancelFlag,
    ) -> Result<Finished, ModelError> {
        self.chat(request, emit, cancel)
    }
}

impl Runs<Images> for dyn ImageBackend + '_ {
    fn load(&mut self, progress: &mut dyn FnMut(f32), cancel: &CancelFlag) -> Result<Ready<Images>, ModelError> {
        let info = ImageBackend::load(self, progress, cancel)?;
        Ok(Ready { info, slots: 1, answer: None })
    }

    fn run(
        &mut self,
        request: &ImageRequest,
        emit: &mut dyn FnMut(ImageEvent),
        cancel: &CancelFlag,
    ) -> Result<Timings, ModelError> {
        self.draw(request, emit, cancel)
    }
}

#[derive(Default)]
struct Inner {
    set: AtomicBool,
    lock: Mutex<()>,
    changed: Condvar,
}

/// Set once, when nobody wants the answer any more.
#[derive(Clone, Default)]
pub struct CancelFlag(Arc<Inner>);

impl CancelFlag {
    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.0.set.load(Ordering::Acquire)
    }

    /// Sets it and wakes who waits.
    pub fn set(&self) {
        // Under the lock, so that nobody falls asleep between looking at the flag and waiting.
        let _guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.set.store(true, Ordering::Release);
        self.0.changed.notify_all();
    }

    /// Waits until it is set or `time` is over and returns whether it is set.
    pub fn wait(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.is_set() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            (guard, _) = self.0.changed.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }
}
