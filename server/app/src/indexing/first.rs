//! The first index of a folder, for whoever wants to show how far it is. Refuses: telling of later walks, which take
//! moments, and holding the folder open.

use std::path::Path;
use std::pin::Pin;

use futures::Stream;

use super::{IndexProgress, Progress};
use crate::streaming::streaming;
use crate::{App, Result};

/// How far a first index is. Dropping it ends nothing but the telling.
pub type FirstIndex = Pin<Box<dyn Stream<Item = Result<IndexProgress>> + Send>>;

impl App {
    /// How far the first index of an open folder is, until it is complete, held up or failed. Nothing is told of a folder
    /// that was complete before, or is not open.
    pub fn first_index(&self, root: &Path) -> FirstIndex {
        let (app, root) = (self.clone(), root.to_owned());
        streaming(move |events| async move {
            let mut seen = {
                let Some(workspace) = app.inner.workspaces.is_open(&root) else { return Ok(()) };
                if workspace.index.status().refreshed_ms.is_some() {
                    return Ok(());
                }
                workspace.progress.subscribe()
            };
            loop {
                let now = seen.borrow_and_update().clone();
                let Progress::Building(now) = now else { return Ok(()) };
                events.send(now).await?;
                // An error says that the folder was closed.
                if seen.changed().await.is_err() {
                    return Ok(());
                }
            }
        })
    }
}
