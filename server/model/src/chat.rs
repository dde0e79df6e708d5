//! One chat request and the events of its answer. Refuses: streams that end without saying why.

use std::pin::Pin;

use futures::Stream;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::ModelError;

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions of the product.
    System,
    /// The user's words.
    User,
    /// The model's words.
    Assistant,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who wrote it.
    pub role: Role,
    /// Its text.
    pub content: String,
}

impl Message {
    /// A message of `role` saying `content`.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into() }
    }
}

/// How the next token is drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// 0 draws the most likely token always.
    pub temperature: f32,
    /// Share of probability kept, 0..=1.
    pub top_p: f32,
    /// Number of candidates kept; 0 keeps all.
    pub top_k: u32,
    /// Candidates less likely than this share of the best are dropped, 0..=1.
    pub min_p: f32,
    /// Above 1 makes repeating recent tokens less likely.
    pub repeat_penalty: f32,
    /// Seed of the draw; the same seed, prompt, cached state and number of threads give the same text.
    pub seed: u32,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.2, top_p: 0.95, top_k: 40, min_p: 0.05, repeat_penalty: 1.1, seed: 0 }
    }
}

/// Who goes first when requests wait for one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Completion while typing.
    Completion,
    /// A person waits for an edit or an answer.
    Interactive,
    /// Nobody waits.
    Background,
}

/// A part of an answer that may only repeat lines of given texts, as they stand and one after the other. A model that
/// cannot be held to it writes freely.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quotation {
    /// The line after which a quotation begins; empty when the answer begins with its only one.
    pub opens: String,
    /// The line that ends it.
    pub closes: String,
    /// What may be quoted. A quotation begins with a line that is not blank, and does not go on from one text to the next.
    pub texts: Vec<String>,
    /// Whether it may end before its first line.
    pub may_be_empty: bool,
}

/// A request for one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// The answer ends after this many tokens.
    pub answer_tokens_max: u32,
    /// The answer ends before any of these texts.
    pub stop: Vec<String>,
    /// What the answer may only quote.
    #[serde(default)]
    pub quotation: Option<Quotation>,
    /// Who goes first.
    pub priority: Priority,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model said it was done, or a stop text was reached.
    Stop,
    /// `answer_tokens_max` or the end of the context window was reached.
    Length,
}

/// Tokens of one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Of those, tokens whose state was re-used and not computed again.
    pub cached_tokens: u32,
    /// Tokens of the answer.
    pub answer_tokens: u32,
}

/// Where the time of one answer went, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Waiting for the model to be free or loaded.
    pub queue_ms: f64,
    /// Computing the prompt.
    pub prompt_ms: f64,
    /// Computing the answer.
    pub answer_ms: f64,
}

/// The last event of a good stream.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Why it ended.
    pub reason: FinishReason,
    /// Tokens used.
    pub usage: Usage,
    /// Time used.
    pub timings: Timings,
}

/// What happens while an answer is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatEvent {
    /// The request waits; `position` requests go first (1 = next).
    Queued {
        /// How many requests go first.
        position: u32,
    },
    /// The model is being loaded; `fraction` is 0..=1.
    Loading {
        /// Share loaded.
        fraction: f32,
    },
    /// The prompt is being read.
    Prompt {
        /// Prompt tokens done.
        done_tokens: u32,
        /// Prompt tokens in all.
        total_tokens: u32,
    },
    /// The next piece of the answer, whole characters only.
    Text(String),
    /// The answer is complete. No event follows.
    Finished(Finished),
}

/// The events of one answer. It ends after [`ChatEvent::Finished`] or after an error, never without either.
/// Dropping it cancels the request.
pub type ChatStream = Pin<Box<dyn Stream<Item = Result<ChatEvent, ModelError>> + Send>>;

/// What is known about a model, some of it only once it was loaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The name users know it by.
    pub name: String,
    /// Tokens that prompt and answer may fill together; `None` until known.
    pub context_tokens: Option<u32>,
    /// Measured speed of reading a prompt, tokens per second; `None` until measured.
    pub prompt_tokens_per_s: Option<f64>,
    /// Measured speed of writing an answer, tokens per second; `None` until measured.
    pub answer_tokens_per_s: Option<f64>,
    /// Whether it stands ready in memory.
    pub loaded: bool,
    /// Share loaded, 0..=1, while it is being loaded.
    pub loading: Option<f32>,
}

/// A model that can chat.
pub trait ChatModel: Send + Sync {
    /// What is known now; never waits.
    fn info(&self) -> ModelInfo;

    /// Loads the model when it is not loaded and tells what is known then.
    ///
    /// # Errors
    /// [`ModelError`] when it cannot be loaded.
    fn load(&self) -> BoxFuture<'_, Result<ModelInfo, ModelError>>;

    /// Starts an answer. The stream must be polled inside a tokio runtime.
    fn chat(&self, request: ChatRequest) -> ChatStream;

    /// Tokens of each text, as this model counts them, without any chat template.
    ///
    /// # Errors
    /// [`ModelError`] when the model cannot be loaded or dies.
    fn count_tokens(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Vec<u32>, ModelError>>;
}
