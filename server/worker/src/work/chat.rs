//! Chat as a kind of work: text that streams, and tokens counted beside it.
//!
//! Refuses: answers longer than any real one that nobody reads.

use model::{ChatEvent, ChatRequest, Finished, ModelInfo, Priority};

use super::Work;
use crate::speeds;

/// Chat.
pub(crate) struct Chat;

impl Work for Chat {
    const NAME: &'static str = "chat";
    const UNREAD_BYTES_MAX: usize = 16 * 1024 * 1024;

    type Request = ChatRequest;
    type Event = ChatEvent;
    type End = Finished;
    type Info = ModelInfo;
    /// Texts whose tokens are to be counted.
    type Question = Vec<String>;
    /// Tokens of each text.
    type Answer = Vec<u32>;
    type Check = ();

    fn priority(request: &ChatRequest) -> Priority {
        request.priority
    }

    fn queued(position: u32) -> ChatEvent {
        ChatEvent::Queued { position }
    }

    fn loading(fraction: f32) -> ChatEvent {
        ChatEvent::Loading { fraction }
    }

    fn finished(end: Finished) -> ChatEvent {
        ChatEvent::Finished(end)
    }

    fn end_of(event: ChatEvent) -> Result<Finished, ChatEvent> {
        match event {
            ChatEvent::Finished(finished) => Ok(finished),
            event => Err(event),
        }
    }

    fn queue_ms(end: &mut Finished) -> &mut f64 {
        &mut end.timings.queue_ms
    }

    fn payload_bytes(event: &ChatEvent) -> usize {
        match event {
            ChatEvent::Text(piece) => piece.len(),
            _ => 0,
        }
    }

    fn melt(unread: &mut ChatEvent, event: ChatEvent) -> Option<ChatEvent> {
        match (unread, event) {
            (ChatEvent::Text(text), ChatEvent::Text(piece)) => text.push_str(&piece),
            (last @ ChatEvent::Queued { .. }, event @ ChatEvent::Queued { .. })
            | (last @ ChatEvent::Loading { .. }, event @ ChatEvent::Loading { .. })
            | (last @ ChatEvent::Prompt { .. }, event @ ChatEvent::Prompt { .. }) => *last = event,
            (_, event) => return Some(event),
        }
        None
    }

    fn check_for(_request: &ChatRequest) {}

    fn check((): &mut (), _event: &ChatEvent) -> Result<(), &'static str> {
        Ok(())
    }

    fn unloaded(name: String) -> ModelInfo {
        ModelInfo { name, ..ModelInfo::default() }
    }

    fn adopt(info: &mut ModelInfo, loaded: ModelInfo) {
        info.context_tokens = loaded.context_tokens;
        // What real answers measured is better than the probe of a new load.
        info.prompt_tokens_per_s = info.prompt_tokens_per_s.or(loaded.prompt_tokens_per_s);
        info.answer_tokens_per_s = info.answer_tokens_per_s.or(loaded.answer_tokens_per_s);
    }

    fn note_state(info: &mut ModelInfo, loaded: bool, loading: Option<f32>) {
        (info.loaded, info.loading) = (loaded, loading);
    }

    fn learn(info: &mut ModelInfo, end: &Finished) {
        speeds::learn(info, end);
    }
}
