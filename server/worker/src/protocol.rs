//! What parent and child say to each other. Refuses nothing by itself; both ends check order and ids.

use model::ModelError;
use serde::{Deserialize, Serialize};

use crate::work::Work;

/// Number of a request, unique for the life of the parent.
pub(crate) type RequestId = u64;

/// Said by the parent.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", bound = "")]
pub(crate) enum ParentMessage<W: Work> {
    /// The first message.
    Hello {
        /// Build of the parent.
        build_id: String,
        /// The kind of work it will ask for.
        work: String,
    },
    /// Load the model.
    Load,
    /// Do this.
    Work {
        /// Its number.
        id: RequestId,
        /// What is asked.
        request: Box<W::Request>,
    },
    /// Answer this beside the work.
    Question {
        /// Its number.
        id: RequestId,
        /// What is asked.
        question: W::Question,
    },
    /// Stop the work of a request. May arrive before the request itself.
    Cancel {
        /// Its number.
        id: RequestId,
    },
    /// The reader took events of a request; as much more may be sent.
    Read {
        /// Its number.
        id: RequestId,
        /// What those events cost.
        bytes: usize,
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
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", bound = "")]
pub(crate) enum ChildMessage<W: Work> {
    /// The first message.
    Hello {
        /// Build of the child.
        build_id: String,
        /// The kind of work it does.
        work: String,
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
        info: W::Info,
        /// Requests that may be sent at once.
        slots: u32,
    },
    /// The model cannot be loaded.
    LoadFailed {
        /// Why.
        error: ModelError,
    },
    /// Something happened in a request; after its end nothing follows.
    Event {
        /// Number of the request.
        id: RequestId,
        /// What happened.
        event: W::Event,
    },
    /// A request or question ended without an answer.
    Failed {
        /// Its number.
        id: RequestId,
        /// Why.
        error: ModelError,
    },
    /// The answer to a question.
    Answered {
        /// Number of the question.
        id: RequestId,
        /// The answer.
        answer: W::Answer,
    },
    /// Answer to a heartbeat.
    Pong {
        /// Its number.
        n: u64,
    },
}
