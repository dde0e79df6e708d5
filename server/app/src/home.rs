//! Every folder Familiar writes. Refuses: reading the environment; whoever starts the program says where home is.

use std::path::{Path, PathBuf};

use crate::error::IN_THE_WAY_HINT;
use crate::{AppError, ErrorKind, Result, disk_hint};

/// The folders of one user, or of one `FAMILIAR_HOME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// Databases, documents, attachments: what must not be lost.
    pub data: PathBuf,
    /// Indexes: what can be made again.
    pub cache: PathBuf,
    /// `config.toml`.
    pub config: PathBuf,
    /// The lock, the port, the log files.
    pub state: PathBuf,
    /// Model files.
    pub models: PathBuf,
}

impl Home {
    /// All folders under one, as `FAMILIAR_HOME` asks for.
    pub fn under(folder: &Path) -> Self {
        Self {
            data: folder.join("data"),
            cache: folder.join("cache"),
            config: folder.join("config"),
            state: folder.join("state"),
            models: folder.join("models"),
        }
    }

    /// The configuration file of the user.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// Answer, chat and proposal documents.
    pub fn documents(&self) -> PathBuf {
        self.data.join("documents")
    }

    /// Log files.
    pub fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    /// The newest log file.
    pub fn log_file(&self) -> PathBuf {
        self.logs().join("familiar.log")
    }

    /// The file whose lock names the one daemon of this home.
    pub fn lock_file(&self) -> PathBuf {
        self.state.join("daemon.lock")
    }

    /// The port that was last listened on, so that bookmarks stay right.
    pub fn port_file(&self) -> PathBuf {
        self.state.join("port")
    }

    /// Every folder with what it holds, for the manual and for removing it all.
    pub fn folders(&self) -> [(&'static str, &Path); 5] {
        [
            ("chats and documents", &self.data),
            ("indexes", &self.cache),
            ("configuration", &self.config),
            ("lock, port and logs", &self.state),
            ("model files", &self.models),
        ]
    }

    /// Creates the folders, readable by their owner alone.
    ///
    /// # Errors
    /// `Unavailable` when one cannot be made.
    pub fn create(&self) -> Result<()> {
        let documents = self.documents();
        let logs = self.logs();
        let folders = [&self.data, &self.cache, &self.config, &self.state, &self.models, &documents, &logs];
        folders.into_iter().try_for_each(|folder| private_folder(folder))?;
        self.folders().into_iter().for_each(|(_, folder)| mark(folder));
        Ok(())
    }
}

/// Marks a folder as Familiar's own, so that a search of a workspace around it leaves it out.
fn mark(folder: &Path) {
    let marker = folder.join(index::OWN_FOLDER_MARKER);
    if !marker.exists() {
        // Whoever needs the folder next says so when it cannot be written.
        let _ = std::fs::write(marker, "This folder belongs to Familiar, so it is not searched as code.\n");
    }
}

/// Creates `folder` with mode 0700; one that exists keeps its mode.
fn private_folder(folder: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| {
        let otherwise = match error.kind() {
            std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => IN_THE_WAY_HINT,
            _ => "make the folder writable, or set FAMILIAR_HOME to another one",
        };
        AppError::new(ErrorKind::Unavailable, format!("cannot create {}: {error}", folder.display()))
            .hint(disk_hint(&error, otherwise))
            .caused_by(error)
    })
}
