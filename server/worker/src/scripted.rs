//! A backend that follows a script, for tests of supervision with a real child process.
//!
//! It obeys delays, hangs and aborts. Refuses: to be mistaken for a model; it exists only with the cargo feature.

use std::path::PathBuf;
use std::time::Duration;

use model::scripted::{Script, ScriptedModel};
use model::{ChatEvent, ChatModel, ChatRequest, FinishReason, Finished, ModelError, Timings, Usage};

use crate::backend::{Backend, CancelFlag, Loaded};

/// Bytes of a script.
const SCRIPT_BYTES_MAX: u64 = 16 * 1024 * 1024;
const LAST_WORDS: Duration = Duration::from_millis(100);
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

/// The backend. It reads its script when it is told to load.
pub struct ScriptedBackend {
    path: PathBuf,
    model: ScriptedModel,
}

impl ScriptedBackend {
    /// A backend that will follow the script in the JSON file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), model: ScriptedModel::default() }
    }

    fn read_script(&self) -> Result<Script, ModelError> {
        let bad = |error: &dyn std::fmt::Display| ModelError::BadFile(format!("{}: {error}", self.path.display()));
        let length = std::fs::metadata(&self.path).map_err(|error| bad(&error))?.len();
        if length > SCRIPT_BYTES_MAX {
            return Err(bad(&"the script is too long"));
        }
        let bytes = std::fs::read(&self.path).map_err(|error| bad(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| bad(&error))
    }
}

fn count(text: &str) -> u32 {
    u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX)
}

impl Backend for ScriptedBackend {
    fn load(&mut self, progress: &mut dyn FnMut(f32), _cancel: &CancelFlag) -> Result<Loaded, ModelError> {
        self.model = ScriptedModel::new(self.read_script()?);
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
            if cancel.is_set() || (reply.delay_ms > 0 && cancel.wait(Duration::from_millis(reply.delay_ms))) {
                return Err(ModelError::Cancelled);
            }
            answer_tokens += count(&piece);
            emit(ChatEvent::Text(piece));
        }
        if reply.abort {
            // Gives the writer time, so that tests see the pieces before the end.
            cancel.wait(LAST_WORDS);
            std::process::abort();
        }
        if reply.hang && cancel.wait(FOREVER) {
            return Err(ModelError::Cancelled);
        }
        if let Some(error) = reply.error {
            return Err(error);
        }
        Ok(Finished {
            reason: FinishReason::Stop,
            usage: Usage { prompt_tokens, cached_tokens: 0, answer_tokens },
            timings: Timings::default(),
        })
    }
}
