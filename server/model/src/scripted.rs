//! A public fake: a model that says what a script tells it to say, with delays and faults on request.
//!
//! It stands in for a model in tests and demonstrations; it never pretends to be one elsewhere.

mod images;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use serde::{Deserialize, Serialize};

pub use images::{ImageReply, ScriptedImageModel, gradient};

use crate::{
    ChatEvent, ChatModel, ChatRequest, ChatStream, FinishReason, Finished, ModelError, ModelInfo, Timings, Usage,
};

/// One answer of the script: what happens, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reply {
    /// Pieces of text, streamed one by one.
    pub text: Vec<String>,
    /// Waited before each piece, in milliseconds.
    pub delay_ms: u64,
    /// Ends the stream with this error after the pieces.
    pub error: Option<ModelError>,
    /// Never ends after the pieces: the caller has to cancel.
    pub hang: bool,
    /// Kills the process after the pieces, as an abort in native code would. Only the scripted worker obeys.
    pub abort: bool,
}

impl Reply {
    /// An answer of one piece.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: vec![text.into()], ..Self::default() }
    }
}

/// Replies in order; the last one of each kind is repeated when the script is used up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Script {
    /// The replies.
    pub replies: Vec<Reply>,
    /// Tokens the fake claims to read; 0 means 2048.
    pub context_tokens: u32,
    /// What happens to requests for images.
    pub images: Vec<ImageReply>,
}

/// Takes the next reply, or repeats the last one.
fn take_next<T: Clone + Default>(replies: &Mutex<VecDeque<T>>) -> T {
    let mut replies = replies.lock().unwrap_or_else(PoisonError::into_inner);
    if replies.len() > 1 { replies.pop_front() } else { replies.front().cloned() }.unwrap_or_default()
}

/// The fake.
#[derive(Clone, Default)]
pub struct ScriptedModel {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    requests: Arc<Mutex<Vec<ChatRequest>>>,
    context_tokens: u32,
    load_error: Option<ModelError>,
}

const CONTEXT_TOKENS_DEFAULT: u32 = 2048;

impl ScriptedModel {
    /// A model that follows `script`.
    pub fn new(script: Script) -> Self {
        let context_tokens =
            if script.context_tokens == 0 { CONTEXT_TOKENS_DEFAULT } else { script.context_tokens };
        Self {
            replies: Arc::new(Mutex::new(script.replies.into())),
            requests: Arc::default(),
            context_tokens,
            load_error: None,
        }
    }

    /// A model that gives these answers.
    pub fn with_replies(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::new(Script { replies: replies.into_iter().collect(), ..Script::default() })
    }

    /// The same, but loading it ends with `error`.
    #[must_use]
    pub fn failing_to_load(self, error: ModelError) -> Self {
        Self { load_error: Some(error), ..self }
    }

    /// The requests seen so far, oldest first.
    pub fn requests(&self) -> Vec<ChatRequest> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the next reply of the script, as the scripted worker does.
    pub fn next_reply(&self) -> Reply {
        take_next(&self.replies)
    }
}

/// Words stand for tokens here, so that tests can count by hand.
fn count(text: &str) -> u32 {
    u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX)
}

impl ChatModel for ScriptedModel {
    fn info(&self) -> ModelInfo {
        ModelInfo {
            name: "scripted".into(),
            context_tokens: Some(self.context_tokens),
            prompt_tokens_per_s: Some(1000.0),
            answer_tokens_per_s: Some(100.0),
            loaded: self.load_error.is_none(),
            loading: None,
        }
    }

    fn load(&self) -> BoxFuture<'_, Result<ModelInfo, ModelError>> {
        let loaded = match &self.load_error {
            Some(error) => Err(error.clone()),
            None => Ok(self.info()),
        };
        async move { loaded }.boxed()
    }

    fn chat(&self, request: ChatRequest) -> ChatStream {
        let reply = self.next_reply();
        let prompt_tokens = request.messages.iter().map(|message| count(&message.content)).sum();
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let answer_tokens = reply.text.iter().map(|piece| count(piece)).sum();
        let delay = Duration::from_millis(reply.delay_ms);
        let pieces = stream::iter(reply.text).then(move |piece| async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            Ok(ChatEvent::Text(piece))
        });
        let finished = Finished {
            reason: FinishReason::Stop,
            usage: Usage { prompt_tokens, cached_tokens: 0, answer_tokens },
            timings: Timings::default(),
        };
        let (error, hang) = (reply.error, reply.hang);
        let end = stream::once(async move {
            if hang {
                futures::future::pending::<()>().await;
            }
            error.map_or(Ok(ChatEvent::Finished(finished)), Err)
        });
        pieces.chain(end).boxed()
    }

    fn count_tokens(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Vec<u32>, ModelError>> {
        async move { Ok(texts.iter().map(|text| count(text)).collect()) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Message, Priority, Role, Sampling};

    fn request() -> ChatRequest {
        ChatRequest {
            messages: vec![Message::new(Role::User, "two words")],
            sampling: Sampling::default(),
            answer_tokens_max: 10,
            stop: Vec::new(),
            quotation: None,
            priority: Priority::Interactive,
        }
    }

    #[tokio::test]
    async fn a_broken_answer_never_looks_like_a_short_one() {
        let error = ModelError::Crashed("signal 6".into());
        let model = ScriptedModel::with_replies([Reply {
            text: vec!["half".into()],
            error: Some(error.clone()),
            ..Reply::default()
        }]);
        let events: Vec<_> = model.chat(request()).collect().await;
        assert_eq!(events, [Ok(ChatEvent::Text("half".into())), Err(error)]);
    }

    #[tokio::test]
    async fn replies_come_in_order_and_the_last_repeats() {
        let model = ScriptedModel::with_replies([Reply::text("a"), Reply::text("b")]);
        let mut seen = Vec::new();
        for _ in 0..3 {
            let events: Vec<_> = model.chat(request()).collect().await;
            seen.push(events.first().cloned());
        }
        let text = |piece: &str| Some(Ok(ChatEvent::Text(piece.into())));
        assert_eq!(seen, [text("a"), text("b"), text("b")]);
        assert_eq!(model.requests().len(), 3);
    }
}
