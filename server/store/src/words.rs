//! Closed sets of words that are stored as text. Refuses: a word the schema does not list.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};

/// Writes an enum whose variants are stored as the given words.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$meaning:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$meaning])* $variant,)+
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word that is stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The value a word stands for, `None` when it stands for nothing.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word)
            }
        }

        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.as_str()))
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                Self::parse(value.as_str()?).ok_or(FromSqlError::InvalidType)
            }
        }
    };
}

words! {
    /// Who wrote a message.
    MessageRole {
        /// The product.
        System = "system",
        /// The user.
        User = "user",
        /// The model.
        Assistant = "assistant",
    }
}

words! {
    /// How far a message is.
    MessageState {
        /// It is whole.
        Complete = "complete",
        /// Its run is still open; the content is what was checkpointed so far.
        Streaming = "streaming",
        /// Familiar ended in the middle; the content is what was checkpointed.
        Interrupted = "interrupted",
        /// Its run failed; `error` says why.
        Failed = "failed",
        /// The user stopped it.
        Stopped = "stopped",
    }
}

words! {
    /// How far a run is.
    RunState {
        /// It waits for its turn.
        Queued = "queued",
        /// It is being answered.
        Running = "running",
        /// It ended well.
        Done = "done",
        /// It ended with an error.
        Failed = "failed",
        /// The user stopped it.
        Stopped = "stopped",
        /// Familiar ended in the middle of it.
        Interrupted = "interrupted",
    }
}

impl RunState {
    /// Whether the run is not over.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

words! {
    /// How a run ended.
    RunOutcome {
        /// Well.
        Done = "done",
        /// With an error.
        Failed = "failed",
        /// By the user's wish.
        Stopped = "stopped",
        /// By the end of Familiar.
        Interrupted = "interrupted",
    }
}

impl RunOutcome {
    /// The state of the answer after this end.
    #[must_use]
    pub const fn message_state(self) -> MessageState {
        match self {
            Self::Done => MessageState::Complete,
            Self::Failed => MessageState::Failed,
            Self::Stopped => MessageState::Stopped,
            Self::Interrupted => MessageState::Interrupted,
        }
    }
}

words! {
    /// How far an image job is.
    ImageJobState {
        /// It waits for its turn.
        Queued = "queued",
        /// It is being worked on.
        Running = "running",
        /// It ended well.
        Done = "done",
        /// It failed.
        Failed = "failed",
        /// The user took it back.
        Cancelled = "cancelled",
    }
}

words! {
    /// What a document is.
    DocumentKind {
        /// One answer.
        Answer = "answer",
        /// A whole chat.
        Chat = "chat",
        /// A proposed change.
        Proposal = "proposal",
    }
}
