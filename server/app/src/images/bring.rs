//! Images that somebody brings: read in full first, then kept, each file once. Refuses: keeping some of several files when
//! one of them is no image.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::parameters::{ImageParameters, read_text};
use super::photo::to_png;
use super::picture::{IMPORT_BYTES_MAX, Pixels};
use super::views::{ImageOrigin, ImageView};
use crate::{App, AppError, ErrorKind, Result};

/// An image that was brought.
#[derive(Clone, Debug, PartialEq)]
pub struct BroughtImage {
    /// It, as the gallery has it.
    pub image: ImageView,
    /// Whether it came with this file; the gallery may have had it before.
    pub is_new: bool,
}

/// Bytes of the files that are brought together, once all of them are PNG, which is larger than what photos come as.
const PNG_BYTES_MAX: usize = 4 * IMPORT_BYTES_MAX;

/// Files that are brought at once, over all doors. Each is held whole, and its pixels besides.
pub const IMPORTS_AT_ONCE_MAX: usize = 2;

/// A place among those who bring files; it is given back when this is dropped.
#[must_use]
pub struct ImportGuard {
    _place: OwnedSemaphorePermit,
}

/// A file that somebody brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BroughtFile {
    /// What whoever brings it calls it; empty where that is not known.
    pub name: String,
    /// All of it.
    pub bytes: Vec<u8>,
}

impl From<Vec<u8>> for BroughtFile {
    fn from(bytes: Vec<u8>) -> Self {
        Self { name: String::new(), bytes }
    }
}

/// A file that was read.
struct ReadFile {
    file: Vec<u8>,
    size_pixels: (u32, u32),
    thumbnail: Vec<u8>,
    said: Option<ImageParameters>,
}

/// A file that is brought.
enum Given {
    /// The gallery has it.
    Known(Box<store::Image>),
    /// It is new.
    New(Box<ReadFile>),
}

impl App {
    /// Takes a place among those who bring files, before any of their bytes is taken in.
    ///
    /// # Errors
    /// `Busy` when [`IMPORTS_AT_ONCE_MAX`] have one.
    pub fn begin_import(&self) -> Result<ImportGuard> {
        let place = Arc::clone(&self.inner.images.imports).try_acquire_owned();
        place.map(|place| ImportGuard { _place: place }).map_err(|_| {
            AppError::new(ErrorKind::Busy, "other images are being brought just now").hint("try again in a moment")
        })
    }

    /// Keeps a PNG, JPEG or WebP file as an image of the gallery, with what it says about how it was made. An image that
    /// is there with exactly this file is found instead.
    ///
    /// # Errors
    /// `User` for a file that is no image or too large; `Unavailable` when Familiar is ending or the disk refuses.
    pub async fn import_image(&self, file: Vec<u8>) -> Result<BroughtImage> {
        let mut brought = self.import_images(vec![file]).await?;
        brought.pop().ok_or_else(|| AppError::new(ErrorKind::Bug, "an image was brought and is not there"))
    }

    /// The same with several files. All of them are read before the first is kept.
    ///
    /// # Errors
    /// As [`App::import_image`]; the message names the file, or says which one of several it is.
    pub async fn import_images(&self, files: Vec<impl Into<BroughtFile>>) -> Result<Vec<BroughtImage>> {
        let _counted = self.count_run();
        self.accept_work()?;
        let files: Vec<BroughtFile> = files.into_iter().map(Into::into).collect();
        let count = files.len();
        let files = tokio::task::spawn_blocking(move || as_png(files)).await.map_err(AppError::task_died)??;
        let known = self.stored(move |store| {
            let mut known = Vec::with_capacity(files.len());
            for file in files {
                // One whose file was gone is read and kept like a new one, which brings it back.
                let image = store.image_of_file(&file.bytes)?.filter(|image| image.missing_ms.is_none());
                let is_whole = image.as_ref().is_some_and(|image| store.blob(&image.blob).is_ok());
                known.push((file, image.filter(|_| is_whole)));
            }
            Ok(known)
        });
        let known = known.await?;
        let read = tokio::task::spawn_blocking(move || {
            let files = known.into_iter().enumerate().map(|(at, (file, image))| match image {
                Some(image) => Ok(Given::Known(Box::new(image))),
                None => match read(file.bytes) {
                    Ok(file) => Ok(Given::New(Box::new(file))),
                    Err(problem) => Err(of_file(at, count, &file.name, problem)),
                },
            });
            files.collect::<Result<Vec<_>>>()
        });
        let mut brought = Vec::new();
        for given in read.await.map_err(AppError::task_died)?? {
            brought.push(match given {
                Given::New(file) => self.keep_brought(*file).await?,
                Given::Known(image) => BroughtImage { image: ImageView::from(*image), is_new: false },
            });
        }
        Ok(brought)
    }

    async fn keep_brought(&self, file: ReadFile) -> Result<BroughtImage> {
        let ReadFile { file, size_pixels: (width_pixels, height_pixels), thumbnail, said } = file;
        let origin = ImageOrigin::Brought { parameters: said.clone().map(Box::new) };
        let json = serde_json::to_string(&origin)
            .map_err(|error| AppError::new(ErrorKind::Bug, "settings cannot be stored").caused_by(error))?;
        let said = said.unwrap_or_default();
        let kept = self.stored(move |store| {
            store.bring_image(&store::NewImage {
                job: None,
                file: &file,
                thumbnail: &thumbnail,
                width_pixels,
                height_pixels,
                seed: said.seed.unwrap_or(0),
                model: said.model.as_deref().unwrap_or_default(),
                prompt: &said.prompt,
                negative_prompt: &said.negative_prompt,
                settings: &json,
            })
        });
        let (image, is_new) = kept.await?;
        Ok(BroughtImage { image: image.into(), is_new })
    }
}

/// The files as PNG.
fn as_png(files: Vec<BroughtFile>) -> Result<Vec<BroughtFile>> {
    let count = files.len();
    let mut left = PNG_BYTES_MAX;
    let to_png = |(at, file): (usize, BroughtFile)| {
        let BroughtFile { name, bytes } = file;
        let bytes = to_png(bytes).and_then(|bytes| match left.checked_sub(bytes.len()) {
            Some(rest) => {
                left = rest;
                Ok(bytes)
            }
            None => {
                let message = format!("as PNG these files have more than {} MiB", PNG_BYTES_MAX >> 20);
                Err(AppError::new(ErrorKind::User, message).hint("bring fewer of them at once"))
            }
        });
        match bytes {
            Ok(bytes) => Ok(BroughtFile { name, bytes }),
            Err(problem) => Err(of_file(at, count, &name, problem)),
        }
    };
    files.into_iter().enumerate().map(to_png).collect()
}

fn read(file: Vec<u8>) -> Result<ReadFile> {
    let pixels = Pixels::of_png(&file)?;
    let thumbnail = pixels.thumbnail()?;
    let said = ImageParameters::of_file(&read_text(&file));
    Ok(ReadFile { size_pixels: (pixels.width, pixels.height), thumbnail, said, file })
}

/// The same problem, with the name of the file that has it, or its place among several.
fn of_file(at: usize, count: usize, name: &str, mut problem: AppError) -> AppError {
    // Backticks stand around what is shown as it is, so a name has none of its own.
    let name = name.replace('`', "'");
    problem.message = match (name.as_str(), count) {
        ("", 0 | 1) => return problem,
        ("", _) => format!("none of the files is kept, because of number {}: {}", at + 1, problem.message),
        (name, 0 | 1) => format!("the file `{name}` is not kept: {}", problem.message),
        (name, _) => format!("none of the files is kept, because of `{name}`: {}", problem.message),
    };
    problem
}

/// An image that is to be drawn over, as PNG.
pub(super) struct DrawnOver {
    /// It.
    pub(super) image: Vec<u8>,
    /// Where it may change, a PNG file of the same size.
    pub(super) mask: Option<Vec<u8>>,
    /// Width and height in pixels.
    pub(super) size_pixels: (u32, u32),
}

/// Reads an image that is to be drawn over, and a mask for it, from files of any kind that is read. Nothing is kept.
///
/// # Errors
/// `User` for what is no image, damaged or too large, and for a mask of another size or without anything white.
pub(super) fn drawn_over(image: Vec<u8>, mask: Option<Vec<u8>>) -> Result<DrawnOver> {
    let (image, mask) = (to_png(image)?, mask.map(to_png).transpose()?);
    let pixels = Pixels::of_png(&image)?;
    let size_pixels = (pixels.width, pixels.height);
    if let Some(of_mask) = mask.as_deref().map(Pixels::of_png).transpose()? {
        if size_pixels != (of_mask.width, of_mask.height) {
            let message = format!(
                "the image has {} x {} pixels and its mask {} x {}",
                pixels.width, pixels.height, of_mask.width, of_mask.height
            );
            return Err(AppError::new(ErrorKind::User, message).hint("make the mask as large as the image"));
        }
        if !of_mask.is_any_white() {
            let message = "the mask is black all over, so that nothing may change";
            return Err(AppError::new(ErrorKind::User, message).hint("paint white what is to be drawn anew"));
        }
    }
    Ok(DrawnOver { image, mask, size_pixels })
}

/// Whether a file, and a mask for it, can be drawn over; tells width and height in pixels. Nothing is kept.
///
/// # Errors
/// `User` for what is no image, damaged or too large, and for a mask of another size or without anything white.
pub fn check_source(image: &[u8], mask: Option<&[u8]>) -> Result<(u32, u32)> {
    drawn_over(image.to_vec(), mask.map(<[u8]>::to_vec)).map(|source| source.size_pixels)
}
