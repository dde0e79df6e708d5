//! The neighbours of an image in the gallery. Refuses: reading more than one row on each side.

use rusqlite::{OptionalExtension, params_from_iter};

use super::{GALLERY_WORDS_BYTES_MAX, GalleryFilter, Query};
use crate::limits::fits;
use crate::{Store, StoreError};

/// The ids of the images right before and right after one, among those a filter shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Stored after it; `None` when it is the newest.
    pub newer: Option<String>,
    /// Stored before it; `None` when it is the oldest.
    pub older: Option<String>,
}

impl Store {
    /// The neighbours of the image `id` among those that `filter` shows, whether it shows that image or not.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; as [`Store::gallery`].
    pub fn images_beside(&self, id: &str, filter: &GalleryFilter) -> Result<Beside, StoreError> {
        fits("words to look for", filter.words.len(), GALLERY_WORDS_BYTES_MAX)?;
        let place = self.image(id)?.cursor();
        self.user.read(|connection| {
            let next = |direction: &str, order: &str| {
                let mut query = Query::shown("seq AS shown_seq", filter);
                let condition = format!("(created_ms, seq) {direction} (?, ?)");
                query.and(&condition, [place.created_ms.into(), place.seq.into()]);
                let sql = format!(
                    "SELECT images.id FROM ({} ORDER BY created_ms {order}, seq {order} LIMIT 1)
                     JOIN images ON images.seq = shown_seq",
                    query.sql
                );
                let mut statement = connection.prepare_cached(&sql)?;
                statement.query_row(params_from_iter(query.values), |row| row.get(0)).optional()
            };
            Ok(Beside { newer: next(">", "ASC")?, older: next("<", "DESC")? })
        })
    }
}
