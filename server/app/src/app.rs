//! The handle every door holds, and how its parts are put together. Refuses: globals; what a part needs is in here.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use model::ModelInfo;
use store::Store;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::activity::Activity;
use crate::indexing::Workspaces;
use crate::models::Models;
use crate::runs::Runs;
use crate::{AppError, Backend, Config, ErrorKind, Home, ModelEntry, Result};

/// Everything an [`App`] is made of.
pub struct Parts {
    /// Where it keeps things.
    pub home: Home,
    /// How it behaves.
    pub config: Config,
    /// What runs model files; `None` answers with passages alone.
    pub backend: Option<Arc<dyn Backend>>,
    /// Names this very build; see the binary.
    pub build_id: String,
    /// Whether an editor started it, so that it leaves when nobody needs it.
    pub auto_started: bool,
}

/// A cheap handle to the use cases.
#[derive(Clone)]
pub struct App {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) home: Home,
    pub(crate) config: watch::Sender<Arc<Config>>,
    pub(crate) models: Models,
    pub(crate) store: Arc<Store>,
    pub(crate) workspaces: Workspaces,
    pub(crate) runs: Runs,
    pub(crate) activity: Activity,
    pub(crate) shutdown: CancellationToken,
    pub(crate) started: Instant,
    pub(crate) build_id: String,
    pub(crate) auto_started: bool,
    /// Known once the web page listens.
    pub(crate) port: OnceLock<u16>,
}

impl App {
    /// Opens the user's data and is ready for requests; indexes and models follow when they are needed.
    ///
    /// # Errors
    /// `Unavailable` when a folder cannot be written, another process has the data open, or it is damaged.
    pub fn start(parts: Parts) -> Result<Self> {
        let Parts { home, config, backend, build_id, auto_started } = parts;
        home.create()?;
        let store = Store::open(&home.data).map_err(crate::stored::from_store)?;
        let report = store.report();
        if report.after_crash {
            tracing::warn!("the last end was not clean; the user's data was checked and is sound");
        }
        if let Some(moved) = &report.events_moved_to {
            tracing::warn!(to = %moved.display(), "events.db was damaged; it was moved aside and a new one begun");
        }
        let interrupted = store.interrupt_open_runs().map_err(crate::stored::from_store)?;
        if !interrupted.is_empty() {
            tracing::warn!(runs = interrupted.len(), "runs of the last process are marked as interrupted");
        }
        let inner = Inner {
            models: Models::new(home.models.clone(), backend),
            workspaces: Workspaces::new(home.cache.clone()),
            store: Arc::new(store),
            config: watch::Sender::new(Arc::new(config)),
            runs: Runs::default(),
            activity: Activity::default(),
            shutdown: CancellationToken::new(),
            started: Instant::now(),
            build_id,
            auto_started,
            port: OnceLock::new(),
            home,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The folders of this home.
    pub fn home(&self) -> &Home {
        &self.inner.home
    }

    /// The configuration now.
    pub fn config(&self) -> Arc<Config> {
        self.inner.config.borrow().clone()
    }

    /// Model files, and which one is in use.
    pub fn models(&self) -> Vec<ModelEntry> {
        self.inner.models.list(&self.config())
    }

    /// Loads the model in use and tells what is known of it then.
    ///
    /// # Errors
    /// `Unavailable` when there is none or it cannot be loaded.
    pub async fn load_model(&self) -> Result<ModelInfo> {
        Ok(self.inner.models.current(&self.config())?.load().await?)
    }

    /// Says which port the web page listens on.
    ///
    /// # Errors
    /// `Bug` when it was said before.
    pub fn set_port(&self, port: u16) -> Result<()> {
        self.inner.port.set(port).map_err(|_| AppError::new(ErrorKind::Bug, "the port is known already"))
    }

    /// Cancelled when the daemon should end.
    pub fn shutdown_token(&self) -> CancellationToken {
        self.inner.shutdown.clone()
    }

    /// Ends runs and gives models back. Text that was written so far is kept.
    pub async fn shutdown(&self) {
        self.inner.shutdown.cancel();
        self.interrupt_runs().await;
        self.inner.models.unload().await;
        self.inner.workspaces.close();
    }
}
