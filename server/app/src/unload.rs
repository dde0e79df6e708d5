//! Gives the memory of models back when the user asks for it. Refuses: taking a model away from the images it draws.

use std::time::Duration;

use crate::{App, AppError, ErrorKind, Result};

/// How long a job that is over is waited for.
const LET_GO_MAX: Duration = Duration::from_millis(500);

impl App {
    /// Gives the memory of a model back now, of every model without a name, and tells which ones stood in it. Running answers
    /// are waited for. The next request loads a model again.
    ///
    /// # Errors
    /// `NotFound` for a name of none; `Busy` while images are drawn; `Unavailable` when the choice cannot be read.
    pub async fn unload_models(&self, name: Option<&str>) -> Result<Vec<String>> {
        let app = self.clone();
        let texts = tokio::task::spawn_blocking(move || app.models()).await.map_err(AppError::task_died)?;
        let images = self.image_models().await?;
        let is_meant = |model: &str| name.is_none_or(|name| name == model);
        let is_known = texts.iter().map(|entry| &entry.name).chain(images.iter().map(|entry| &entry.name));
        if let Some(name) = name
            && !is_known.into_iter().any(|known| known == name)
        {
            let error = AppError::new(ErrorKind::NotFound, format!("there is no model named `{name}`"));
            return Err(error.hint("`familiar models list` shows which there are"));
        }
        let mut unloaded = Vec::new();
        let open = self.inner.images.models.open_path();
        if let Some(entry) =
            images.iter().find(|entry| is_meant(&entry.name) && Some(&entry.path) == open.as_ref())
        {
            // A job that is over in the table may not have let go yet.
            let at_rest = tokio::time::timeout(LET_GO_MAX, self.inner.images.queue.at_rest());
            if at_rest.await.is_err() {
                return Err(AppError::new(
                    ErrorKind::Busy,
                    format!("{} draws images, or is loaded for some", entry.name),
                )
                .hint("wait until they are done, or cancel their job first"));
            }
            if self.inner.images.models.loaded().as_ref() == Some(&entry.path) {
                self.inner.images.models.unload().await;
                unloaded.push(entry.name.clone());
            }
        }
        let loaded = self.inner.models.loaded();
        if let Some(entry) =
            texts.iter().find(|entry| is_meant(&entry.name) && Some(&entry.path) == loaded.as_ref())
        {
            self.inner.models.unload().await;
            unloaded.push(entry.name.clone());
        }
        self.inner.memory.look();
        Ok(unloaded)
    }
}
