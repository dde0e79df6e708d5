//! Images: the rows of the gallery, whose pixels are blobs. Refuses: a row before its blobs are whole, and a file that
//! stays after its last row.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::error::Fault;
use crate::limits::fits;
use crate::{JSON_BYTES_MAX, NAME_BYTES_MAX, Store, StoreError, TEXT_BYTES_MAX, jobs};

/// Images one call of [`Store::remove_images`] removes.
pub const IMAGES_REMOVED_MAX: usize = 1_000;

/// Columns of [`Image`], of a table named `images`.
pub(crate) const COLUMNS: &str = "images.id, images.job_id, images.place, images.blob, images.thumbnail, \
    images.width_pixels, images.height_pixels, images.seed, images.model, images.prompt, images.negative_prompt, \
    images.settings, images.created_ms, images.favourite, images.bytes, images.missing_ms, images.seq";

/// An image to store.
#[derive(Clone, Copy, Debug)]
pub struct NewImage<'a> {
    /// The job that made it and its place there, from 0; `None` for one that was brought.
    pub job: Option<(&'a str, u32)>,
    /// The file.
    pub file: &'a [u8],
    /// A small version of it.
    pub thumbnail: &'a [u8],
    /// Width in pixels.
    pub width_pixels: u32,
    /// Height in pixels.
    pub height_pixels: u32,
    /// What its noise was made from.
    pub seed: u64,
    /// The model that drew it; empty when that is not known.
    pub model: &'a str,
    /// What is to be seen.
    pub prompt: &'a str,
    /// What is not to be seen.
    pub negative_prompt: &'a str,
    /// How it was made, as JSON of the caller.
    pub settings: &'a str,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Sortable random id.
    pub id: String,
    /// The job that made it, while that is listed.
    pub job_id: Option<String>,
    /// Its place within the job, from 0.
    pub place: u32,
    /// Hash of the file; see [`Store::blob`].
    pub blob: String,
    /// Hash of the small version.
    pub thumbnail: String,
    /// Width in pixels.
    pub width_pixels: u32,
    /// Height in pixels.
    pub height_pixels: u32,
    /// What its noise was made from.
    pub seed: u64,
    /// The model that drew it; empty when that is not known.
    pub model: String,
    /// What is to be seen.
    pub prompt: String,
    /// What is not to be seen.
    pub negative_prompt: String,
    /// How it was made, as JSON of the caller.
    pub settings: String,
    /// When it was stored, in UTC milliseconds.
    pub created_ms: i64,
    /// Whether the user marked it.
    pub favourite: bool,
    /// Bytes of both files.
    pub bytes: u64,
    /// Since when its file is known to be gone, in UTC milliseconds.
    pub missing_ms: Option<i64>,
    /// Its place among all images, by arrival.
    pub(crate) seq: i64,
}

impl Store {
    /// Stores an image: its files first, then in one transaction its row, its words and the count of its job, which ends
    /// with its last image.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the job; [`StoreError::Conflict`] when that does not run or has an image in this
    /// place; [`StoreError::TooLarge`]; the disk's errors. After any of them the gallery is as it was.
    pub fn add_image(&self, new: &NewImage<'_>) -> Result<Image, StoreError> {
        self.keep_image(new, |_, _| Ok(None)).map(|(image, _)| image)
    }

    /// Stores an image that somebody brings, unless the gallery has one with the same file; tells whether it is new. One
    /// whose file was gone is shown again.
    ///
    /// # Errors
    /// As [`Store::add_image`].
    pub fn bring_image(&self, new: &NewImage<'_>) -> Result<(Image, bool), StoreError> {
        self.keep_image(new, |transaction, blob| {
            let Some(found) = of_blob(transaction, blob)? else { return Ok(None) };
            transaction.execute("UPDATE images SET missing_ms = NULL WHERE blob = ?1", [blob])?;
            image(transaction, &found.id).map(Some)
        })
    }

    /// The newest image with exactly this file; one that is shown before one whose file is gone.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn image_of_file(&self, file: &[u8]) -> Result<Option<Image>, StoreError> {
        self.image_of_blob(&blake3::hash(file).to_hex())
    }

    /// The same by the hash of the file.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn image_of_blob(&self, blob: &str) -> Result<Option<Image>, StoreError> {
        self.user.read(|connection| of_blob(connection, blob))
    }

    /// Stores the files and then the row, unless `known` finds one for the hash of the file; tells whether it is new.
    fn keep_image(
        &self,
        new: &NewImage<'_>,
        known: impl Fn(&Transaction<'_>, &str) -> Result<Option<Image>, Fault>,
    ) -> Result<(Image, bool), StoreError> {
        fits("prompt", new.prompt.len(), TEXT_BYTES_MAX)?;
        fits("negative prompt", new.negative_prompt.len(), TEXT_BYTES_MAX)?;
        fits("settings of an image", new.settings.len(), JSON_BYTES_MAX)?;
        fits("model name", new.model.len(), NAME_BYTES_MAX)?;
        // Held until the row names the blobs; see `sweep.rs`.
        let _kept = self.keep_blobs();
        let (blob, thumbnail) = (self.put_blob(new.file)?, self.put_blob(new.thumbnail)?);
        let now_ms = self.now_ms();
        let id = self.ids.next(now_ms)?;
        self.user.write(|transaction| {
            if let Some(found) = known(transaction, &blob)? {
                return Ok((found, false));
            }
            insert(transaction, &id, new, (&blob, &thumbnail), now_ms)?;
            Ok((image(transaction, &id)?, true))
        })
    }

    /// The image `id`, also when its file is gone.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's errors.
    pub fn image(&self, id: &str) -> Result<Image, StoreError> {
        self.user.read(|connection| image(connection, id))
    }

    /// The images of a job that are still there, in order.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn images_of_job(&self, job_id: &str) -> Result<Vec<Image>, StoreError> {
        self.user.read(|connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM images WHERE job_id = ?1 AND missing_ms IS NULL ORDER BY place LIMIT ?2"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![job_id, crate::GALLERY_PAGE_MAX as i64], from_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Marks the image `id`, or takes the mark off.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's errors.
    pub fn set_favourite(&self, id: &str, favourite: bool) -> Result<(), StoreError> {
        self.user.write(|transaction| {
            let sql = "UPDATE images SET favourite = ?2 WHERE id = ?1";
            match transaction.execute(sql, params![id, favourite])? {
                0 => Err(StoreError::not_found("image", id).into()),
                _ => Ok(()),
            }
        })
    }

    /// Removes images for good, all or none, and tells how many there were; ids of none are passed over. A file that
    /// another image or a job still needs stays.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] for more than [`IMAGES_REMOVED_MAX`]; the disk's errors. When only a file could not be
    /// removed, the images are gone and the file follows with the next sweep.
    pub fn remove_images(&self, ids: &[&str]) -> Result<usize, StoreError> {
        fits("number of images", ids.len(), IMAGES_REMOVED_MAX)?;
        let removed = self.user.write(|transaction| {
            let mut removed = 0;
            for id in ids {
                removed += usize::from(remove(transaction, id)?);
            }
            Ok(removed)
        })?;
        self.remove_blobs()?;
        Ok(removed)
    }
}

/// Adds the row, the words of the prompt and the count of the job.
fn insert(
    transaction: &Transaction<'_>,
    id: &str,
    new: &NewImage<'_>,
    (blob, thumbnail): (&str, &str),
    now_ms: i64,
) -> Result<(), Fault> {
    if let Some((job_id, _)) = new.job {
        jobs::count_image(transaction, job_id, now_ms)?;
    }
    let bytes = (new.file.len() + new.thumbnail.len()) as i64;
    let inserted = transaction.execute(
        "INSERT INTO images (id, job_id, place, blob, thumbnail, width_pixels, height_pixels, seed, model, prompt,
         negative_prompt, settings, created_ms, favourite, bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0, ?14) ON CONFLICT DO NOTHING",
        params![
            id,
            new.job.map(|(job_id, _)| job_id),
            new.job.map_or(0, |(_, place)| place),
            blob,
            thumbnail,
            new.width_pixels,
            new.height_pixels,
            new.seed.cast_signed(),
            new.model,
            new.prompt,
            new.negative_prompt,
            new.settings,
            now_ms,
            bytes,
        ],
    )?;
    if inserted == 0 {
        return Err(StoreError::Conflict("the job has an image in this place already".to_owned()).into());
    }
    let seq = transaction.last_insert_rowid();
    transaction.execute("INSERT INTO images_words (rowid, prompt) VALUES (?1, ?2)", params![seq, new.prompt])?;
    Ok(())
}

/// The newest image with this file; one that is shown before one whose file is gone.
fn of_blob(connection: &Connection, blob: &str) -> Result<Option<Image>, Fault> {
    let sql =
        format!("SELECT {COLUMNS} FROM images WHERE blob = ?1 ORDER BY missing_ms IS NOT NULL, seq DESC LIMIT 1");
    Ok(connection.prepare_cached(&sql)?.query_row([blob], from_row).optional()?)
}

/// Takes an image's row and words away and notes its blobs for removal; tells whether there was one.
fn remove(transaction: &Transaction<'_>, id: &str) -> Result<bool, Fault> {
    let sql = "SELECT seq, prompt, blob, thumbnail FROM images WHERE id = ?1";
    let found: Option<(i64, String, String, String)> = transaction
        .prepare_cached(sql)?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((seq, prompt, blob, thumbnail)) = found else { return Ok(false) };
    transaction
        .prepare_cached("INSERT INTO images_words (images_words, rowid, prompt) VALUES ('delete', ?1, ?2)")?
        .execute(params![seq, prompt])?;
    transaction.prepare_cached("DELETE FROM images WHERE seq = ?1")?.execute([seq])?;
    // A job that is over does not keep what the user wants gone; it cannot be tried again then.
    transaction
        .prepare_cached(
            "DELETE FROM image_job_blobs WHERE blob = ?1
             AND job_id NOT IN (SELECT id FROM image_jobs WHERE state IN ('queued', 'running'))",
        )?
        .execute([&blob])?;
    for blob in [blob, thumbnail] {
        transaction.prepare_cached("INSERT OR IGNORE INTO blobs_to_remove (blob) VALUES (?1)")?.execute([blob])?;
    }
    Ok(true)
}

fn image(connection: &Connection, id: &str) -> Result<Image, Fault> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM images WHERE id = ?1"))?
        .query_row([id], from_row)
        .optional()?
        .ok_or_else(|| StoreError::not_found("image", id).into())
}

pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Image> {
    Ok(Image {
        id: row.get(0)?,
        job_id: row.get(1)?,
        place: row.get(2)?,
        blob: row.get(3)?,
        thumbnail: row.get(4)?,
        width_pixels: row.get(5)?,
        height_pixels: row.get(6)?,
        seed: row.get::<_, i64>(7)?.cast_unsigned(),
        model: row.get(8)?,
        prompt: row.get(9)?,
        negative_prompt: row.get(10)?,
        settings: row.get(11)?,
        created_ms: row.get(12)?,
        favourite: row.get(13)?,
        bytes: row.get::<_, i64>(14)?.cast_unsigned(),
        missing_ms: row.get(15)?,
        seq: row.get(16)?,
    })
}
