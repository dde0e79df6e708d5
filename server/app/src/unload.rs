//! Gives the memory of models back when the user asks for it. Refuses: taking a model away from the images it draws.

use crate::{App, AppError, ErrorKind, Result};

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
        let loaded = self.inner.images.models.loaded();
        if let Some(entry) =
            images.iter().find(|entry| is_meant(&entry.name) && Some(&entry.path) == loaded.as_ref())
        {
            if self.inner.images.queue.is_drawing() {
                return Err(AppError::new(ErrorKind::Busy, format!("{} draws images", entry.name))
                    .hint("wait until they are done, or cancel their job first"));
            }
            self.inner.images.models.unload().await;
            unloaded.push(entry.name.clone());
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
