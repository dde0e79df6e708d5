//! What parent and child say to each other. Refuses nothing by itself; both ends check order and ids.

use model::{ChatEvent, ChatRequest, ModelError, ModelInfo};
use serde::{Deserialize, Serialize};

/// Number of a request, unique for the life of the parent.
pub(crate) type RequestId = u64;

/// Said by the parent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ParentMessage {
    /// The first message.
    Hello {
        /// Build of the parent.
        build_id: String,
    },
    /// Load the model.
    Load,
    /// Make an answer.
    Chat {
        /// Its number.
        id: RequestId,
        /// What is asked.
        request: Box<ChatRequest>,
    },
    /// Count the tokens of texts.
    CountTokens {
        /// Its number.
        id: RequestId,
        /// The texts.
        texts: Vec<String>,
    },
    /// Stop making an answer. May arrive before the request itself.
    Cancel {
        /// Its number.
        id: RequestId,
    },
    /// A heartbeat, answered at once.
    Ping {
        /// Its number.
        n: u64,
    },
    /// End yourself.
    Shutdown,
}

/// Said by the child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChildMessage {
    /// The first message.
    Hello {
        /// Build of the child.
        build_id: String,
        /// Its process.
        pid: u32,
    },
    /// Share loaded, 0..=1.
    Loading {
        /// The share.
        fraction: f32,
    },
    /// The model stands ready.
    Loaded {
        /// What is known about it.
        info: ModelInfo,
        /// Requests that may be sent at once.
        slots: u32,
    },
    /// The model cannot be loaded.
    LoadFailed {
        /// Why.
        error: ModelError,
    },
    /// Something happened in an answer; after `Finished` nothing follows.
    Event {
        /// Number of the request.
        id: RequestId,
        /// What happened.
        event: ChatEvent,
    },
    /// A request ended without an answer.
    Failed {
        /// Its number.
        id: RequestId,
        /// Why.
        error: ModelError,
    },
    /// Tokens of each text.
    Counted {
        /// Number of the request.
        id: RequestId,
        /// The counts, in the order of the texts.
        counts: Vec<u32>,
    },
    /// Answer to a heartbeat.
    Pong {
        /// Its number.
        n: u64,
    },
}
