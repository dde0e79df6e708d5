//! The gallery as doors use it: pages, single images and their files, favourites, removal.
//! Refuses: a removal that could be undone; gone means gone.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use store::{GALLERY_PAGE_MAX, GalleryCursor, IMAGES_REMOVED_MAX, StoreError};

use super::parameters::{ImageParameters, read_text, without_text};
use super::photo::to_png;
use super::picture::Pixels;
use super::views::ImageView;
use crate::new_file::{slug, write_new};
use crate::{App, AppError, ErrorKind, Result};

/// Which images are shown. An empty filter shows all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GalleryFilter {
    /// Words of the prompt, all of which must be there; each may be the beginning of one.
    pub words: String,
    /// The model that drew it.
    pub model: Option<String>,
    /// Kept at this time or later, UTC milliseconds.
    pub from_ms: Option<i64>,
    /// Kept before this time, UTC milliseconds.
    pub before_ms: Option<i64>,
    /// Only those that the user marked.
    pub favourites: bool,
    /// Width and height in pixels.
    pub size_pixels: Option<(u32, u32)>,
    /// What its noise was made from.
    pub seed: Option<u64>,
    /// Those whose file somebody removed, which are not shown otherwise.
    pub missing: bool,
}

/// One page of the gallery, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GalleryPage {
    /// The images.
    pub images: Vec<ImageView>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
}

/// What there is of the images that a filter shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GalleryTotals {
    /// Images.
    pub images: u64,
    /// Bytes of their files.
    pub size_bytes: u64,
    /// Models that drew them with the number of images, the most used first.
    pub models: Vec<(String, u64)>,
}

/// What a comparison of files and rows found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweptImages {
    /// Images that are no longer shown because somebody removed their file.
    pub missing: usize,
    /// Images whose file is there again.
    pub found: usize,
    /// Files that no image needs any more and that were removed.
    pub removed_files: usize,
    /// Their bytes.
    pub removed_bytes: u64,
}

impl From<GalleryFilter> for store::GalleryFilter {
    fn from(filter: GalleryFilter) -> Self {
        let GalleryFilter { words, model, from_ms, before_ms, favourites, size_pixels, seed, missing } = filter;
        Self { words, model, from_ms, before_ms, favourites, size_pixels, seed, missing }
    }
}

impl App {
    /// The next `limit` images that `filter` shows, beginning where `cursor` says.
    ///
    /// # Errors
    /// `User` for a cursor that was none, or words that are too many; `Unavailable` when the disk refuses.
    pub async fn gallery(&self, filter: GalleryFilter, cursor: Option<&str>, limit: usize) -> Result<GalleryPage> {
        let after = cursor.map(place).transpose()?;
        let limit = limit.clamp(1, GALLERY_PAGE_MAX - 1);
        // One more tells whether there is a further page.
        let mut images = self.stored(move |store| store.gallery(&filter.into(), after, limit + 1)).await?;
        let has_more = images.len() > limit;
        images.truncate(limit);
        let last = images.last().filter(|_| has_more).map(store::Image::cursor);
        let next = last.map(|place| format!("{}-{}", place.created_ms, place.seq));
        Ok(GalleryPage { images: images.into_iter().map(ImageView::from).collect(), next })
    }

    /// Where the page of [`App::gallery`] begins that has the image `id` first.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when the disk refuses.
    pub async fn gallery_cursor(&self, id: &str) -> Result<String> {
        let id = id.to_owned();
        let place = self.stored(move |store| Ok(store.image(&id)?.cursor())).await?;
        // A page begins after its cursor, and the place before this one is one further, whether anything is there or not.
        Ok(format!("{}-{}", place.created_ms, place.seq.saturating_add(1)))
    }

    /// What there is of the images that `filter` shows.
    ///
    /// # Errors
    /// As [`App::gallery`].
    pub async fn gallery_totals(&self, filter: GalleryFilter) -> Result<GalleryTotals> {
        let totals = self.stored(move |store| store.gallery_totals(&filter.into())).await?;
        Ok(GalleryTotals { images: totals.images, size_bytes: totals.bytes, models: totals.models })
    }

    /// The image `id`. Whether somebody removed its file is as the disk says now.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when the disk refuses.
    pub async fn image(&self, id: &str) -> Result<ImageView> {
        let id = id.to_owned();
        Ok(self.stored(move |store| store.look_at_image(&id)).await?.into())
    }

    /// The images of a job that are still there, in order.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub async fn images_of_job(&self, job_id: &str) -> Result<Vec<ImageView>> {
        let id = job_id.to_owned();
        let images = self.stored(move |store| store.images_of_job(&id)).await?;
        Ok(images.into_iter().map(ImageView::from).collect())
    }

    /// The PNG file of an image, with what it says about how it was made or without.
    ///
    /// # Errors
    /// `NotFound`, also when somebody removed the file, which is noted then; `Unavailable` when the disk refuses or it is
    /// damaged.
    pub async fn image_file(&self, id: &str, with_settings: bool) -> Result<Vec<u8>> {
        let image_id = id.to_owned();
        let file = self.stored(move |store| {
            let image = store.look_at_image(&image_id)?;
            if image.missing_ms.is_some() {
                return Ok(Err(removed(&image_id)));
            }
            match store.blob(&image.blob) {
                Err(error @ StoreError::Corrupt { .. }) => Ok(Err(damaged(&image_id).caused_by(error))),
                file => file.map(Ok),
            }
        });
        let file = file.await??;
        Ok(if with_settings { file } else { without_text(&file) })
    }

    /// Whether the file of an image can be shown: it is there and holds what it was stored with.
    ///
    /// # Errors
    /// As [`App::image_file`], but for a file that is damaged or gone.
    pub async fn is_image_whole(&self, id: &str) -> Result<bool> {
        let image_id = id.to_owned();
        self.stored(move |store| {
            let image = store.look_at_image(&image_id)?;
            match store.blob(&image.blob) {
                Ok(_) => Ok(true),
                Err(StoreError::NotFound { what: "blob", .. } | StoreError::Corrupt { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Writes the PNG file of an image into a folder of the user's, under a new name that its prompt gives, and tells where.
    ///
    /// # Errors
    /// As [`App::image_file`]; `Unavailable` when the folder cannot be written.
    pub async fn save_image_into(&self, image: &ImageView, folder: PathBuf) -> Result<PathBuf> {
        let file = self.image_file(&image.id, true).await?;
        let name = slug(&image.prompt, "image");
        let place = folder.clone();
        let written = tokio::task::spawn_blocking(move || write_new(&folder, &name, "png", &file));
        written.await.map_err(AppError::task_died)?.map_err(|error| {
            let message = format!("the image could not be written into {}: {error}", place.display());
            let hint = "it is in the gallery; free some space or make the folder writable, and try again";
            AppError::new(ErrorKind::Unavailable, message).hint(hint).caused_by(error)
        })
    }

    /// The small version of an image, WebP. One that somebody removed is made again from the image.
    ///
    /// # Errors
    /// As [`App::image_file`].
    pub async fn image_thumbnail(&self, id: &str) -> Result<Vec<u8>> {
        let image_id = id.to_owned();
        let kept = self.stored(move |store| match store.blob(&store.image(&image_id)?.thumbnail) {
            Ok(thumbnail) => Ok(Some(thumbnail)),
            Err(StoreError::NotFound { what: "blob", .. } | StoreError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        });
        if let Some(thumbnail) = kept.await? {
            return Ok(thumbnail);
        }
        let file = self.image_file(id, true).await?;
        let made = tokio::task::spawn_blocking(move || Pixels::of_png(&file)?.thumbnail());
        let thumbnail = made.await.map_err(AppError::task_died)??;
        let image_id = id.to_owned();
        self.stored(move |store| {
            // It is made again next time where the disk refuses.
            if let Err(error) = store.replace_thumbnail(&image_id, &thumbnail) {
                tracing::warn!(%error, image = image_id, "a thumbnail that was made anew is not kept");
            }
            Ok(thumbnail)
        })
        .await
    }

    /// Marks an image, or takes the mark off.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when the disk refuses.
    pub async fn favourite(&self, id: &str, favourite: bool) -> Result<()> {
        let id = id.to_owned();
        self.stored(move |store| store.set_favourite(&id, favourite)).await
    }

    /// Removes images for good, with their files; tells how many there were.
    ///
    /// # Errors
    /// `User` for too many at once; `Unavailable` when the disk refuses.
    pub async fn delete_images(&self, ids: &[String]) -> Result<usize> {
        if ids.len() > IMAGES_REMOVED_MAX {
            let message = format!("{} images are too many to remove at once", ids.len());
            return Err(AppError::new(ErrorKind::User, message).hint(format!("at most {IMAGES_REMOVED_MAX} go")));
        }
        let ids = ids.to_vec();
        self.stored(move |store| {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            store.remove_images(&ids)
        })
        .await
    }

    /// What an image file says about how it was made; `None` when it says nothing.
    ///
    /// # Errors
    /// `User` for a file that is no image or too large.
    pub async fn read_parameters(&self, file: Vec<u8>) -> Result<Option<ImageParameters>> {
        let read = tokio::task::spawn_blocking(move || {
            let file = to_png(file)?;
            Pixels::of_png(&file).map(|_| ImageParameters::of_file(&read_text(&file)))
        });
        read.await.map_err(AppError::task_died)?
    }

    /// Compares the files of images with what the gallery knows.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub async fn sweep_images(&self) -> Result<SweptImages> {
        let store::Swept { missing, found, removed_files, removed_bytes } =
            self.stored(store::Store::sweep_images).await?;
        Ok(SweptImages { missing, found, removed_files, removed_bytes })
    }
}

/// The error for an image whose file somebody removed.
fn removed(id: &str) -> AppError {
    let hint = format!(
        "make it again with its settings, which are still on its page and in `familiar gallery show {id}`; when the file \
         comes back, so does the image"
    );
    AppError::new(ErrorKind::NotFound, "the file of this image was deleted outside of Familiar").hint(hint)
}

/// The error for an image whose file is damaged.
fn damaged(id: &str) -> AppError {
    let hint = format!(
        "bring a whole copy of it again, or make it again with its settings, which are still on its page and in `familiar \
         gallery show {id}`"
    );
    AppError::new(ErrorKind::Unavailable, "the file of this image is damaged").hint(hint)
}

fn place(cursor: &str) -> Result<GalleryCursor> {
    let numbers =
        cursor.split_once('-').and_then(|(created, seq)| Some((created.parse().ok()?, seq.parse().ok()?)));
    let (created_ms, seq) = numbers.ok_or_else(|| {
        AppError::new(ErrorKind::User, "this is no place in the gallery")
            .hint("take the one that the list before ended with, or begin anew without one")
    })?;
    Ok(GalleryCursor { created_ms, seq })
}
