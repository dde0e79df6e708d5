//! Why a child or its pipe cannot be used, cut by who has to act.

/// Why a child or its pipe cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The operating system refused; the text says what was tried.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The other end sent something that is no message of ours.
    #[error("the other end of the worker pipe sent {0}")]
    Protocol(&'static str),
    /// The other end is of another build.
    #[error("the worker is of another build; restart familiar")]
    OtherBuild,
    /// The other end does, or asks for, another kind of work.
    #[error("the worker does {done}, not {asked}")]
    OtherWork {
        /// What the child does.
        done: String,
        /// What the parent asks for.
        asked: String,
    },
    /// This process was not started as a worker.
    #[error("this command is started by familiar itself and is of no use by hand")]
    NotAWorker,
    /// The backend panicked and its state is not trusted any more.
    #[error("the worker had an internal error")]
    Panicked,
}

impl WorkerError {
    /// Wraps a system error with what was tried.
    pub(crate) fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}
