//! A scripted model that reads what it is asked: each order names the code that the prompt must hold to the byte, and how
//! the model behaves.
//!
//! Refuses: keeping what it heard. A run of a million messages may not grow with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use model::{
    ChatEvent, ChatModel, ChatRequest, ChatStream, FinishReason, Finished, ModelError, ModelInfo, Timings, Usage,
};

/// Stands before the number of an order in the user's instruction.
const MARK: &str = "order-";
/// Large enough that no prompt of these tests is cut.
const CONTEXT_TOKENS: u32 = 4_000_000;
const SLOW_PIECE_MS: u64 = 2;
const SLOW_PIECES: usize = 40;
const HUGE_WORDS: usize = 20_000;

/// What the model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Answers with the code and one comment more, after `comment`.
    Change { comment: &'static str },
    /// Answers with the code as it is.
    Same,
    /// Answers with prose.
    Nonsense,
    /// Answers with nothing.
    Nothing,
    /// Answers with a diff against another file.
    OtherDiff,
    /// Answers with far too much.
    Huge,
    /// Answers word by word.
    Slow,
    /// Never ends.
    Hang,
    /// Fails.
    Fail,
}

impl Act {
    pub(crate) const ALL: [Self; 9] = [
        Self::Change { comment: "#" },
        Self::Same,
        Self::Nonsense,
        Self::Nothing,
        Self::OtherDiff,
        Self::Huge,
        Self::Slow,
        Self::Hang,
        Self::Fail,
    ];
}

struct Order {
    code: String,
    act: Act,
}

/// The model, and what it is told to expect.
#[derive(Clone, Default)]
pub(crate) struct Stage {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    orders: HashMap<usize, Order>,
    next: usize,
    prompts_read: usize,
    faults: Vec<String>,
}

impl Stage {
    /// Expects a prompt that holds `code`; returns the instruction that names it.
    pub(crate) fn order(&self, code: String, act: Act) -> String {
        let mut state = self.lock();
        state.next += 1;
        let number = state.next;
        state.orders.insert(number, Order { code, act });
        format!("{MARK}{number};")
    }

    /// Forgets all orders; what they found is kept.
    pub(crate) fn clear(&self) {
        self.lock().orders.clear();
    }

    /// Prompts that were compared so far.
    pub(crate) fn prompts_read(&self) -> usize {
        self.lock().prompts_read
    }

    /// What was wrong with a prompt, if any was.
    pub(crate) fn fault(&self) -> Option<String> {
        self.lock().faults.first().cloned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the model answers `prompt`, in pieces.
    fn play(&self, prompt: &str) -> (Vec<String>, Act) {
        let number = prompt.rsplit_once(MARK).and_then(|(_, rest)| rest.split_once(';')?.0.parse().ok());
        let mut state = self.lock();
        let Some((number, order)) = number.and_then(|number| state.orders.get_key_value(&number)) else {
            return (vec!["It adds up.".to_owned()], Act::Nonsense);
        };
        let (number, act, code) = (*number, order.act, order.code.clone());
        state.prompts_read += 1;
        if !prompt.contains(&code) {
            state.faults.push(format!("order {number} was to hold {code:?}, and the prompt is {prompt:?}"));
        }
        let answer = match act {
            Act::Change { comment } => format!("```\n{code}\n{comment} changed {number}\n```\n"),
            Act::Same => format!("```\n{code}\n```\n"),
            Act::Nonsense => "I am a teapot, short and stout.".to_owned(),
            Act::Nothing | Act::Hang | Act::Fail => String::new(),
            Act::OtherDiff => {
                "```diff\n--- a/other.c\n+++ b/other.c\n@@ -1,2 +1,2 @@\n-int a;\n+int b;\n c\n```".into()
            }
            Act::Huge => "word ".repeat(HUGE_WORDS),
            Act::Slow => return (vec!["word ".to_owned(); SLOW_PIECES], act),
        };
        (vec![answer], act)
    }
}

impl ChatModel for Stage {
    fn info(&self) -> ModelInfo {
        ModelInfo {
            name: "scripted".into(),
            context_tokens: Some(CONTEXT_TOKENS),
            prompt_tokens_per_s: Some(1e6),
            answer_tokens_per_s: Some(1e6),
            loaded: true,
            loading: None,
        }
    }

    fn load(&self) -> BoxFuture<'_, Result<ModelInfo, ModelError>> {
        let info = self.info();
        async move { Ok(info) }.boxed()
    }

    fn chat(&self, request: ChatRequest) -> ChatStream {
        let prompt: String = request.messages.into_iter().map(|message| message.content + "\n").collect();
        let (pieces, act) = self.play(&prompt);
        let pieces = stream::iter(pieces).then(move |piece| async move {
            if act == Act::Slow {
                tokio::time::sleep(Duration::from_millis(SLOW_PIECE_MS)).await;
            }
            Ok(ChatEvent::Text(piece))
        });
        let end = stream::once(async move {
            match act {
                Act::Hang => futures::future::pending().await,
                Act::Fail => Err(ModelError::Crashed("signal 6".into())),
                _ => Ok(ChatEvent::Finished(Finished {
                    reason: FinishReason::Stop,
                    usage: Usage::default(),
                    timings: Timings::default(),
                })),
            }
        });
        pieces.chain(end).boxed()
    }

    fn count_tokens(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Vec<u32>, ModelError>> {
        let count = |text: &String| u32::try_from(text.len() / 4).unwrap_or(u32::MAX);
        async move { Ok(texts.iter().map(count).collect()) }.boxed()
    }
}
