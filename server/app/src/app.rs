//! The handle every door holds, and how its parts are put together. Refuses: globals; what a part needs is in here.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use model::ModelInfo;
use store::Store;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::activity::Activity;
use crate::edit::History;
use crate::images::{Images, Memory};
use crate::indexing::{Workspaces, existing_folder};
use crate::models::Models;
use crate::proposals::{CHANGES_LEN_MAX, ProposalChanged};
use crate::runs::Runs;
use crate::{AppError, Backend, Config, ErrorKind, Home, ModelEntry, Result};

/// Folders that belong to the system: what is in them is never a project of this user, unless the home lies there.
const SYSTEM_FOLDERS: [&str; 11] =
    ["/etc", "/proc", "/sys", "/dev", "/root", "/boot", "/var", "/usr", "/run", "/private/etc", "/System"];

/// How long the end of the daemon waits for indexes to store what they found.
const INDEXES_CLOSE_MAX: Duration = Duration::from_secs(5);

/// How long the end of the daemon waits until the image job that was cut off waits again.
const IMAGE_JOB_END_MAX: Duration = Duration::from_secs(5);
/// How long models may take to give their memory back when everything ends. One that computes hears of it late; whoever
/// started its process ends that then.
const UNLOAD_MAX: Duration = Duration::from_secs(2);

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
    /// Who may use the memory that models share.
    pub(crate) memory: Memory,
    pub(crate) images: Images,
    pub(crate) store: Arc<Store>,
    pub(crate) workspaces: Workspaces,
    pub(crate) runs: Runs,
    /// What became of each model's edits.
    pub(crate) edits: History,
    /// Who wants to know of proposals that change.
    pub(crate) proposals: broadcast::Sender<ProposalChanged>,
    pub(crate) activity: Activity,
    /// Cancelled when what runs is cut off.
    pub(crate) shutdown: CancellationToken,
    /// Cancelled when nothing new is taken; its parent is `shutdown`.
    drain: CancellationToken,
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
        crate::images::recover(&store)?;
        let shutdown = CancellationToken::new();
        let config = watch::Sender::new(Arc::new(config));
        let inner = Inner {
            memory: Memory::new(backend.clone()),
            images: Images::new(home.models.clone(), backend.clone()),
            models: Models::new(home.models.clone(), backend),
            workspaces: Workspaces::new(home.cache.clone(), config.subscribe()),
            store: Arc::new(store),
            config,
            runs: Runs::default(),
            edits: History::default(),
            proposals: broadcast::Sender::new(CHANGES_LEN_MAX),
            activity: Activity::default(),
            drain: shutdown.child_token(),
            shutdown,
            started: Instant::now(),
            build_id,
            auto_started,
            port: OnceLock::new(),
            home,
        };
        let app = Self { inner: Arc::new(inner) };
        app.keep_events_short();
        app.take_image_turns();
        Ok(app)
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
        let model = self.inner.models.current(&self.config())?;
        self.inner.models.load(&*model).await
    }

    /// Says which port the web page listens on.
    ///
    /// # Errors
    /// `Bug` when it was said before.
    pub fn set_port(&self, port: u16) -> Result<()> {
        self.inner.port.set(port).map_err(|_| AppError::new(ErrorKind::Bug, "the port is known already"))
    }

    /// Whether a folder is open, or a chat is about it: the user named it before.
    ///
    /// # Errors
    /// `User` for a folder that is not there, `Unavailable` when the chats cannot be read.
    pub async fn knows_workspace(&self, folder: &Path) -> Result<bool> {
        let (app, root) = (self.clone(), existing_folder(folder)?);
        self.stored(move |store| {
            let is_open = app.workspaces().iter().any(|workspace| workspace.root == root);
            Ok(is_open || store.has_chat_about(&root.to_string_lossy())?)
        })
        .await
    }

    /// The canonical form of a folder that a program may name on the user's behalf: one the user named before, or one
    /// that can be a project, which the home folder and what belongs to the system cannot.
    ///
    /// # Errors
    /// `User` for any other folder and for one that is not there; as [`App::knows_workspace`].
    pub async fn nameable_workspace(&self, folder: &Path) -> Result<PathBuf> {
        let root = existing_folder(folder)?;
        if can_be_project(&root, std::env::home_dir().as_deref()) || self.knows_workspace(&root).await? {
            return Ok(root);
        }
        let message = format!("{} is no folder that a program may name", root.display());
        Err(AppError::new(ErrorKind::User, message).hint("open it in an editor, or begin a chat about it, first"))
    }

    /// Takes nothing new from now on; what runs goes on until [`App::shutdown`].
    pub fn drain(&self) {
        self.inner.drain.cancel();
    }

    /// Cancelled when nothing new is taken: the daemon is about to end.
    pub fn drain_token(&self) -> CancellationToken {
        self.inner.drain.clone()
    }

    /// Cancelled when what still runs is cut off.
    pub fn shutdown_token(&self) -> CancellationToken {
        self.inner.shutdown.clone()
    }

    /// Whether new work is taken.
    ///
    /// # Errors
    /// `Unavailable` once the daemon is about to end.
    pub fn accept_work(&self) -> Result<()> {
        if self.inner.drain.is_cancelled() {
            return Err(AppError::new(ErrorKind::Unavailable, "Familiar is ending").hint("try again in a moment"));
        }
        Ok(())
    }

    /// Takes nothing new and waits until runs and jobs are done, `at_most` has passed, or they are cut off.
    pub async fn finish(&self, at_most: Duration) {
        self.drain();
        let done = async {
            loop {
                let changed = self.activity_changed();
                if self.activity().1 == 0 && !self.inner.runs.is_any_live() {
                    return;
                }
                changed.await;
            }
        };
        tokio::select! {
            () = self.inner.shutdown.cancelled() => {}
            done = tokio::time::timeout(at_most, done) => {
                if done.is_err() {
                    tracing::info!("what still runs is cut off");
                }
            }
        }
    }

    /// Cuts off what runs, gives models back and closes the indexes. Text that was written so far is kept, and what the
    /// indexes found is stored unless that takes longer than [`INDEXES_CLOSE_MAX`].
    pub async fn shutdown(&self) {
        self.inner.shutdown.cancel();
        self.interrupt_runs().await;
        if tokio::time::timeout(IMAGE_JOB_END_MAX, self.inner.images.queue.at_rest()).await.is_err() {
            tracing::warn!("an image job did not end in time; the next start puts it back");
        }
        let unloaded = async {
            self.inner.models.unload().await;
            self.inner.images.models.unload().await;
        };
        if tokio::time::timeout(UNLOAD_MAX, unloaded).await.is_err() {
            tracing::warn!("a model did not give its memory back in time; its process is ended");
        }
        let inner = Arc::clone(&self.inner);
        let closing = tokio::task::spawn_blocking(move || inner.workspaces.close());
        if tokio::time::timeout(INDEXES_CLOSE_MAX, closing).await.is_err() {
            tracing::warn!("an index did not close in time; what it lacks is found by its next walk");
        }
    }
}

/// Whether a canonical folder can hold a project, for a user whose home is `home`.
fn can_be_project(root: &Path, home: Option<&Path>) -> bool {
    if index::Index::is_forbidden_root(root) {
        return false;
    }
    let home = home.and_then(|home| home.canonicalize().ok()).filter(|home| home.parent().is_some());
    home.is_some_and(|home| root.starts_with(home))
        || !SYSTEM_FOLDERS.iter().any(|folder| root.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_folders_are_no_projects_unless_the_home_lies_there() {
        for (root, home, expected) in [
            ("/etc", "/home/me", false),
            ("/etc/ssh", "/home/me", false),
            ("/", "/home/me", false),
            ("/usr/lib", "/", false),
            ("/proc/1", "/home/me", false),
            ("/srv/project", "/home/me", true),
            ("/etcetera", "/home/me", true),
        ] {
            assert_eq!(can_be_project(Path::new(root), Some(Path::new(home))), expected, "{root} for {home}");
        }
        let home = Path::new("/usr").canonicalize().expect("every system has it");
        assert!(can_be_project(&home.join("project"), Some(&home)));
    }
}
