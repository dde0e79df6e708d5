//! Where a command's work is done: by the daemon when one runs, else here under the same lock, with nothing left
//! running afterwards.

use std::time::Duration;

use app::{App, Parts};

use crate::context::Context;
use crate::daemon::attach::{self, Daemon};
use crate::daemon::lock::{Holder, HomeLock, Role, Taken};
use crate::logging::{self, Also};

/// How long a command that only reads waits for another one: most are done by then.
const READ_PATIENCE: Duration = Duration::from_millis(300);

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
    let reach = reach_in_background(context).await?;
    if let Reach::Here(here) = &reach {
        here.app.work_on_demand();
    }
    Ok(reach)
}

/// The same for a command that stays: folders it opens are watched, as by a daemon.
///
/// # Errors
/// As [`reach`].
pub(crate) async fn reach_in_background(context: &Context) -> anyhow::Result<Reach> {
    match attach::daemon_or_lock(context).await? {
        Ok(daemon) => Ok(Reach::Daemon(Box::new(daemon))),
        Err(lock) => here(context, lock),
    }
}

/// The same for a command that only reads: another command that works in the home is not waited for, and then there is
/// nobody to ask.
///
/// # Errors
/// As [`reach`].
pub(crate) async fn reach_to_read(context: &Context) -> anyhow::Result<Option<Reach>> {
    if let Some(daemon) = attach::running(context).await? {
        return Ok(Some(Reach::Daemon(Box::new(daemon))));
    }
    let me = Holder::this_process(Role::Command, context.build.to_string());
    match HomeLock::take(&context.home, &me, READ_PATIENCE).await? {
        Taken::Ours(lock) => {
            let reach = here(context, lock)?;
            if let Reach::Here(here) = &reach {
                here.app.work_on_demand();
            }
            Ok(Some(reach))
        }
        Taken::Held(Some(Holder { role: Role::Command, .. })) => Ok(None),
        // A daemon that is about to listen, or about to be gone.
        Taken::Held(_) => reach(context).await.map(Some),
    }
}

fn here(context: &Context, lock: HomeLock) -> anyhow::Result<Reach> {
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
