//! What a model is: the words of a request, the events of its answer, and the errors callers react to.
//!
//! Refuses: any backend, any network, any prompt of a feature. Backends implement [`ChatModel`]; only the binary
//! names one.

mod chat;
mod error;
pub mod gguf;
pub mod scripted;

pub use chat::{
    ChatEvent, ChatModel, ChatRequest, ChatStream, FinishReason, Finished, Message, ModelInfo, Priority,
    Quotation, Role, Sampling, Timings, Usage,
};
pub use error::ModelError;

// Makes a different checkout a different input to cargo; see `.cargo/config.toml`.
const _: Option<&str> = option_env!("FAMILIAR_CHECKOUT");
