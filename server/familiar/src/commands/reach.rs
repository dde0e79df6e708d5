//! Where a command's work is done: by the daemon when one runs, else here under the same lock, with nothing left
//! running afterwards.

use app::{App, Parts};

use crate::context::Context;
use crate::daemon::attach::{self, Daemon};
use crate::daemon::lock::HomeLock;
use crate::logging::{self, Also};

/// Who does the work.
pub(crate) enum Reach {
    /// The daemon.
    Daemon(Box<Daemon>),
    /// This process.
    Here(Here),
}

/// The use cases in this process, while it holds the home.
pub(crate) struct Here {
    /// The use cases.
    pub(crate) app: App,
    lock: HomeLock,
}

/// Finds out who does the work.
///
/// # Errors
/// When the home is held by something that cannot be used, or its data cannot be opened.
pub(crate) async fn reach(context: &Context) -> anyhow::Result<Reach> {
    let lock = match attach::daemon_or_lock(context).await? {
        Ok(daemon) => return Ok(Reach::Daemon(Box::new(daemon))),
        Err(lock) => lock,
    };
    logging::start(&context.home, &context.config, Also::Nowhere)?;
    let app = App::start(Parts {
        home: context.home.clone(),
        config: context.config.clone(),
        backend: None,
        build_id: context.build.to_string(),
        auto_started: false,
    })?;
    Ok(Reach::Here(Here { app, lock }))
}

impl Here {
    /// Ends background work; the home is given back when the process ends, which is next.
    pub(crate) async fn close(self) {
        self.app.shutdown().await;
        self.lock.keep_until_exit();
    }
}
