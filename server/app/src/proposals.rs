//! What a model proposed to change, kept with the text that was there before, so that each block of lines can be judged
//! now and taken back later, from any session and after a restart.
//!
//! Refuses: changing a file. A proposal remembers; the editor that holds the text changes it.

mod document;

use std::path::{Path, PathBuf};

use engine::Block;
use serde::{Deserialize, Serialize};
use store::{DocumentKind, StoredProposal};
use tokio::sync::broadcast;

pub use self::document::{ProposalDocument, ShownChange};
use crate::{App, AppError, ErrorKind, Result};

/// Changes of proposals that a session may be behind with before it has to look at all of them anew.
pub(crate) const CHANGES_LEN_MAX: usize = 256;
/// A file that is deleted is kept up to this size, so that it can come back.
pub const KEPT_FILE_BYTES_MAX: usize = 1024 * 1024;

/// Proposals whose documents stay written; those of older ones are removed.
pub(crate) const DOCUMENTS_KEPT: usize = 200;

/// A proposal and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Sortable random id.
    pub id: String,
    /// When it was made, in UTC milliseconds.
    pub created_ms: i64,
    /// What it says.
    pub said: Proposed,
}

/// What a proposal says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposed {
    /// What was done, for people: `Edit shop.py`.
    pub title: String,
    /// The user's own words.
    pub instruction: Option<String>,
    /// The folder it belongs to.
    pub workspace: Option<PathBuf>,
    /// The files, in the order in which they are changed.
    pub files: Vec<ProposedFile>,
}

/// What happens to one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposedFile {
    /// Its path, or its URI when it is no file.
    pub place: String,
    /// Its name for people: the path in the workspace.
    pub name: String,
    /// What happens to it.
    pub change: ProposedChange,
    /// What became of each part of the change: one for each block of an edit, else one.
    pub states: Vec<ChangeState>,
}

/// What happens to a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProposedChange {
    /// Lines of it change.
    Edit {
        /// Which.
        blocks: Vec<Block>,
    },
    /// It is made.
    Create {
        /// Its text.
        text: String,
    },
    /// It gets another name.
    Rename {
        /// The path it gets.
        to: String,
    },
    /// It goes.
    Delete {
        /// Its text, unless it is larger than [`KEPT_FILE_BYTES_MAX`].
        text: Option<String>,
    },
}

/// What became of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeState {
    /// Not in any text yet.
    Proposed,
    /// In the text, and not judged.
    Standing,
    /// In the text for good.
    Kept,
    /// Not in the text: taken back, or never wanted.
    Reverted,
}

/// A proposal that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalChanged {
    /// Its id.
    pub id: String,
}

impl Proposed {
    /// How many changes there are to judge.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.files.iter().map(|file| file.states.len()).sum()
    }

    /// All changes, by file and number.
    #[must_use]
    pub fn every_change(&self) -> Vec<(usize, usize)> {
        let files = (0..).zip(&self.files);
        files.flat_map(|(file, one)| (0..one.states.len()).map(move |change| (file, change))).collect()
    }

    /// How many changes are in this state.
    #[must_use]
    pub fn count(&self, state: ChangeState) -> usize {
        self.files.iter().flat_map(|file| &file.states).filter(|one| **one == state).count()
    }
}

impl ProposedFile {
    /// Whether the file has this place, before the change or after it.
    #[must_use]
    pub fn is_at(&self, place: &str) -> bool {
        self.place == place || matches!(&self.change, ProposedChange::Rename { to } if to == place)
    }

    /// The blocks of an edit; none for anything else.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        match &self.change {
            ProposedChange::Edit { blocks } => blocks,
            _ => &[],
        }
    }
}

impl App {
    /// Keeps a proposal.
    ///
    /// # Errors
    /// `User` when it is too large to be kept; `Unavailable` when the disk does not take it.
    pub async fn propose(&self, said: Proposed) -> Result<Proposal> {
        let (places, body) = (places(&said), written(&said)?);
        let stored = self.stored(move |store| store.add_proposal(&places, &body)).await?;
        Ok(Proposal { id: stored.id, created_ms: stored.created_ms, said })
    }

    /// The proposal `id`.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when it cannot be read.
    pub async fn proposal(&self, id: &str) -> Result<Proposal> {
        let id = id.to_owned();
        read(self.stored(move |store| store.proposal(&id)).await?)
    }

    /// The last proposals that change the file or document at `place`, newest first.
    ///
    /// # Errors
    /// `Unavailable` when they cannot be read.
    pub async fn proposals_at(&self, place: &str, limit: usize) -> Result<Vec<Proposal>> {
        let place = place.to_owned();
        let found = self.stored(move |store| store.proposals_at(&place, limit)).await?;
        // One that cannot be read any more hides no other.
        Ok(found.into_iter().filter_map(|one| read(one).ok()).collect())
    }

    /// Says what became of some changes of a proposal, each named by file and number, and tells every session.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when it cannot be kept.
    pub async fn settle(&self, id: &str, changes: Vec<(usize, usize)>, state: ChangeState) -> Result<Proposal> {
        let name = id.to_owned();
        let stored = self
            .stored(move |store| {
                store.change_proposal(&name, |body| {
                    let mut said: Proposed = serde_json::from_str(body).ok()?;
                    for (file, number) in changes {
                        if let Some(one) = said.files.get_mut(file).and_then(|file| file.states.get_mut(number)) {
                            *one = state;
                        }
                    }
                    serde_json::to_string(&said).ok()
                })
            })
            .await?;
        // Nobody listens when no editor is attached.
        let _ = self.inner.proposals.send(ProposalChanged { id: id.to_owned() });
        read(stored)
    }

    /// Tells of each proposal that changes from now on.
    #[must_use]
    pub fn proposal_changes(&self) -> broadcast::Receiver<ProposalChanged> {
        self.inner.proposals.subscribe()
    }

    /// Writes a proposal as a diff that any editor can open, and tells where its changes stand in it.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be written.
    pub async fn write_proposal_document(&self, proposal: &Proposal) -> Result<ProposalDocument> {
        let shown = document::rendered(proposal, &self.inner.home.documents());
        let (path, text) = (shown.path.clone(), shown.text.clone());
        let write = move || -> std::io::Result<()> {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(&path, text)
        };
        tokio::task::spawn_blocking(write).await.map_err(AppError::task_died)?.map_err(|error| {
            AppError::new(ErrorKind::Unavailable, format!("the proposal could not be written: {error}"))
                .hint("free some space or make the home writable")
                .caused_by(error)
        })?;
        let registered = shown.path.to_string_lossy().into_owned();
        self.stored(move |store| {
            if store.document_at(&registered)?.is_none() {
                store.add_document(DocumentKind::Proposal, &registered, None)?;
            }
            // The proposals stay, and each is written again when it is to be seen.
            for old in store.documents_beyond(DocumentKind::Proposal, DOCUMENTS_KEPT)? {
                match std::fs::remove_file(&old.path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        tracing::warn!(path = old.path, %error, "an old document could not be removed");
                    }
                    _ => store.remove_document(&old.id)?,
                }
            }
            Ok(())
        })
        .await?;
        Ok(shown)
    }

    /// The proposal whose document is the file at `path`, with where its changes stand in it; `None` for any other file.
    ///
    /// # Errors
    /// `NotFound` when it was dropped meanwhile; `Unavailable` when it cannot be read.
    pub async fn proposal_of_document(&self, path: &Path) -> Result<Option<(Proposal, ProposalDocument)>> {
        let folder = self.inner.home.documents();
        let Some(id) = document::proposal_id(path, &folder) else { return Ok(None) };
        let proposal = self.proposal(id).await?;
        let shown = document::rendered(&proposal, &folder);
        Ok(Some((proposal, shown)))
    }
}

/// The places at which a proposal is looked for: also those that files get by it.
fn places(said: &Proposed) -> Vec<String> {
    let renamed = said.files.iter().filter_map(|file| match &file.change {
        ProposedChange::Rename { to } => Some(to.clone()),
        _ => None,
    });
    said.files.iter().map(|file| file.place.clone()).chain(renamed).collect()
}

fn written(said: &Proposed) -> Result<String> {
    serde_json::to_string(said).map_err(|error| AppError::new(ErrorKind::Bug, error.to_string()))
}

fn read(stored: StoredProposal) -> Result<Proposal> {
    let said = serde_json::from_str(&stored.body).map_err(|error| {
        AppError::new(ErrorKind::Unavailable, "what was kept of a proposal cannot be read").caused_by(error)
    })?;
    Ok(Proposal { id: stored.id, created_ms: stored.created_ms, said })
}
