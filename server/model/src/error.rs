//! Why a model gave no answer, cut by what the caller does about it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a model gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelError {
    /// No model is there or it cannot be started; the text says why and what to do.
    #[error("the model is unavailable: {0}")]
    Unavailable(String),
    /// The file is damaged or of a kind we do not load; trying again does not help.
    #[error("the model file cannot be used: {0}")]
    BadFile(String),
    /// Too many requests wait already.
    #[error("too many requests wait for the model")]
    Busy,
    /// The prompt does not fit.
    #[error("the prompt has {prompt_tokens} tokens, the model reads {context_tokens}")]
    TooLong {
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Tokens the model can hold.
        context_tokens: u32,
    },
    /// The request asks for something that cannot be; the text says what to change.
    #[error("{0}")]
    BadRequest(String),
    /// The process that ran the model ended in the middle; asking again starts a new one.
    #[error("the model process stopped: {0}")]
    Crashed(String),
    /// The process that runs the model died so often that it is not started for a while.
    #[error("the model process is not started for now: {reason}; it is tried again in {} s", .retry_after.as_secs() + 1)]
    Resting {
        /// Why it died last.
        reason: String,
        /// From when on asking again starts it.
        retry_after: Duration,
    },
    /// The caller took the request back.
    #[error("cancelled")]
    Cancelled,
    /// A defect of ours.
    #[error("internal model error: {0}")]
    Bug(String),
}
