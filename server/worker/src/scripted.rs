//! Backends that follow a script, for tests of supervision with a real child process.
//!
//! They obey delays, hangs and aborts. Refuses: to be mistaken for a model; they exist only with the cargo feature.

use std::path::{Path, PathBuf};
use std::time::Duration;

use model::scripted::{Script, ScriptedImageModel, ScriptedModel};
use model::{
    ChatEvent, ChatModel, ChatRequest, FinishReason, Finished, ImageEvent, ImageModel, ImageModelInfo,
    ImageRequest, ModelError, Timings, Usage,
};

use crate::backend::{Backend, CancelFlag, ImageBackend, Loaded};

/// Bytes of a script.
const SCRIPT_BYTES_MAX: u64 = 16 * 1024 * 1024;
const LAST_WORDS: Duration = Duration::from_millis(100);
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

/// The chat backend. It reads its script when it is told to load.
pub struct ScriptedBackend {
    path: PathBuf,
    model: ScriptedModel,
}

impl ScriptedBackend {
    /// A backend that will follow the script in the JSON file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), model: ScriptedModel::default() }
    }
}

/// The backend that makes images. It reads its script when it is told to load.
pub struct ScriptedImageBackend {
    path: PathBuf,
    model: ScriptedImageModel,
}

impl ScriptedImageBackend {
    /// A backend that will follow the image replies of the script in the JSON file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), model: ScriptedImageModel::default() }
    }
}

fn read_script(path: &Path) -> Result<Script, ModelError> {
    let bad = |error: &dyn std::fmt::Display| ModelError::BadFile(format!("{}: {error}", path.display()));
    let length = std::fs::metadata(path).map_err(|error| bad(&error))?.len();
    if length > SCRIPT_BYTES_MAX {
        return Err(bad(&"the script is too long"));
    }
    let bytes = std::fs::read(path).map_err(|error| bad(&error))?;
    serde_json::from_slice(&bytes).map_err(|error| bad(&error))
}

fn count(text: &str) -> u32 {
    u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX)
}

/// Waits as the script says; `true` when the request was cancelled.
fn wait(delay_ms: u64, cancel: &CancelFlag) -> bool {
    cancel.is_set() || (delay_ms > 0 && cancel.wait(Duration::from_millis(delay_ms)))
}

/// Ends a reply as the script says.
fn end(abort: bool, hang: bool, error: Option<ModelError>, cancel: &CancelFlag) -> Result<(), ModelError> {
    if abort {
        // Gives the writer time, so that tests see the events before the end.
        cancel.wait(LAST_WORDS);
        std::process::abort();
    }
    if hang && cancel.wait(FOREVER) {
        return Err(ModelError::Cancelled);
    }
    error.map_or(Ok(()), Err)
}

impl Backend for ScriptedBackend {
    fn load(&mut self, progress: &mut dyn FnMut(f32), _cancel: &CancelFlag) -> Result<Loaded, ModelError> {
        self.model = ScriptedModel::new(read_script(&self.path)?);
        progress(1.0);
        Ok(Loaded { info: self.model.info(), slots: 1, count_tokens: Box::new(|text| Ok(count(text))) })
    }

    fn chat(
        &mut self,
        request: &ChatRequest,
        emit: &mut dyn FnMut(ChatEvent),
        cancel: &CancelFlag,
    ) -> Result<Finished, ModelError> {
        let reply = self.model.next_reply();
        let prompt_tokens = request.messages.iter().map(|message| count(&message.content)).sum();
        emit(ChatEvent::Prompt { done_tokens: prompt_tokens, total_tokens: prompt_tokens });
        let mut answer_tokens = 0;
        for piece in reply.text {
            if wait(reply.delay_ms, cancel) {
                return Err(ModelError::Cancelled);
            }
            answer_tokens += count(&piece);
            emit(ChatEvent::Text(piece));
        }
        end(reply.abort, reply.hang, reply.error, cancel)?;
        Ok(Finished {
            reason: FinishReason::Stop,
            usage: Usage { prompt_tokens, cached_tokens: 0, answer_tokens },
            timings: Timings::default(),
        })
    }
}

impl ImageBackend for ScriptedImageBackend {
    fn load(&mut self, progress: &mut dyn FnMut(f32), _cancel: &CancelFlag) -> Result<ImageModelInfo, ModelError> {
        self.model = ScriptedImageModel::new(read_script(&self.path)?);
        progress(1.0);
        Ok(self.model.info())
    }

    fn draw(
        &mut self,
        request: &ImageRequest,
        emit: &mut dyn FnMut(ImageEvent),
        cancel: &CancelFlag,
    ) -> Result<Timings, ModelError> {
        let reply = self.model.next_reply();
        for event in reply.events(request)? {
            let delay_ms = if matches!(event, ImageEvent::Step { .. }) { reply.delay_ms } else { 0 };
            if wait(delay_ms, cancel) {
                return Err(ModelError::Cancelled);
            }
            emit(event);
        }
        end(reply.abort, reply.hang, reply.error, cancel)?;
        Ok(Timings::default())
    }
}
