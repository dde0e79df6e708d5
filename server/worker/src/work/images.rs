//! Images as a kind of work: steps that melt together, and pixels that a child sends no faster than they are read.
//!
//! Refuses: pixels that are no whole image, images beyond those asked for, and previews larger than small.

use model::{
    IMAGE_ROWS_BYTES_MAX, IMAGE_SIDE_PIXELS_MAX, ImageEvent, ImageModelInfo, ImageRequest, Preview, Priority,
    Timings,
};
use serde::{Deserialize, Serialize};

use super::Work;

/// Bytes of pixels of the largest image.
const IMAGE_BYTES_MAX: usize = (IMAGE_SIDE_PIXELS_MAX as usize).pow(2) * 3;
/// Bytes of pixels of a preview.
const PREVIEW_BYTES_MAX: usize = 1024 * 1024;

/// Images.
pub(crate) struct Images;

/// A question that nobody can ask: image models have none beside their work.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct NoQuestion;

/// What was seen of the images of one request.
pub(crate) struct Check {
    /// Images asked for.
    count: u32,
    /// Images that ended.
    done: u32,
    /// Bytes of the image that did not end yet.
    rows_bytes: usize,
}

impl Work for Images {
    const NAME: &'static str = "images";
    /// Some images of common size, so that a model goes on while its reader writes a file; of larger ones a part.
    const UNREAD_BYTES_MAX: usize = 8 * 1024 * 1024;

    type Request = ImageRequest;
    type Event = ImageEvent;
    type End = Timings;
    type Info = ImageModelInfo;
    type Question = NoQuestion;
    type Answer = NoQuestion;
    type Check = Check;

    fn priority(_request: &ImageRequest) -> Priority {
        // Whose images go first is decided before they come here.
        Priority::Interactive
    }

    fn queued(position: u32) -> ImageEvent {
        ImageEvent::Queued { position }
    }

    fn loading(fraction: f32) -> ImageEvent {
        ImageEvent::Loading { fraction }
    }

    fn finished(timings: Timings) -> ImageEvent {
        ImageEvent::Finished { timings }
    }

    fn end_of(event: ImageEvent) -> Result<Timings, ImageEvent> {
        match event {
            ImageEvent::Finished { timings } => Ok(timings),
            event => Err(event),
        }
    }

    fn queue_ms(end: &mut Timings) -> &mut f64 {
        &mut end.queue_ms
    }

    fn payload_bytes(event: &ImageEvent) -> usize {
        match event {
            ImageEvent::Rows { rgb } | ImageEvent::Step { preview: Some(Preview { rgb, .. }), .. } => rgb.len(),
            _ => 0,
        }
    }

    fn melt(unread: &mut ImageEvent, event: ImageEvent) -> Option<ImageEvent> {
        match (unread, event) {
            (ImageEvent::Rows { rgb }, ImageEvent::Rows { rgb: more })
                if rgb.len() + more.len() <= IMAGE_ROWS_BYTES_MAX =>
            {
                rgb.extend(more);
            }
            (
                ImageEvent::Step { done, all, preview },
                ImageEvent::Step { done: now_done, all: now_all, preview: newer },
            ) => {
                (*done, *all) = (now_done, now_all);
                if newer.is_some() {
                    *preview = newer;
                }
            }
            (last @ ImageEvent::Queued { .. }, event @ ImageEvent::Queued { .. })
            | (last @ ImageEvent::Loading { .. }, event @ ImageEvent::Loading { .. }) => *last = event,
            (ImageEvent::Encoding, ImageEvent::Encoding) | (ImageEvent::Decoding, ImageEvent::Decoding) => {}
            (_, event) => return Some(event),
        }
        None
    }

    fn check_for(request: &ImageRequest) -> Check {
        Check { count: request.count, done: 0, rows_bytes: 0 }
    }

    fn check(check: &mut Check, event: &ImageEvent) -> Result<(), &'static str> {
        match event {
            ImageEvent::Step { done, all, .. } if done > all => Err("more steps than there are"),
            ImageEvent::Step { preview: Some(preview), .. } => {
                let bytes = bytes_of(preview.width_pixels, preview.height_pixels);
                let fits = bytes.is_some_and(|bytes| bytes == preview.rgb.len() && bytes <= PREVIEW_BYTES_MAX);
                if fits { Ok(()) } else { Err("a preview that is no small image") }
            }
            ImageEvent::Rows { rgb } => {
                check.rows_bytes += rgb.len();
                if rgb.is_empty() || rgb.len() > IMAGE_ROWS_BYTES_MAX || check.rows_bytes > IMAGE_BYTES_MAX {
                    return Err("rows beyond their bound");
                }
                Ok(())
            }
            ImageEvent::Image { index, width_pixels, height_pixels, .. } => {
                let is_whole = bytes_of(*width_pixels, *height_pixels) == Some(check.rows_bytes);
                check.rows_bytes = 0;
                check.done += 1;
                if !is_whole {
                    Err("rows that are no whole image")
                } else if *index >= check.count || check.done > check.count {
                    Err("an image that was not asked for")
                } else {
                    Ok(())
                }
            }
            ImageEvent::Finished { .. } if check.rows_bytes > 0 || check.done != check.count => {
                Err("an end before the last image")
            }
            _ => Ok(()),
        }
    }

    fn unloaded(name: String) -> ImageModelInfo {
        ImageModelInfo { name, ..ImageModelInfo::default() }
    }

    fn adopt(info: &mut ImageModelInfo, loaded: ImageModelInfo) {
        let name = std::mem::take(&mut info.name);
        *info = ImageModelInfo { name, ..loaded };
    }

    fn note_state(info: &mut ImageModelInfo, loaded: bool, loading: Option<f32>) {
        (info.loaded, info.loading) = (loaded, loading);
    }

    fn learn(_info: &mut ImageModelInfo, _end: &Timings) {}
}

/// Bytes of the pixels of an image, when it may exist.
fn bytes_of(width_pixels: u32, height_pixels: u32) -> Option<usize> {
    let fits = |side: u32| (1..=IMAGE_SIDE_PIXELS_MAX).contains(&side);
    (fits(width_pixels) && fits(height_pixels)).then(|| width_pixels as usize * height_pixels as usize * 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_end_are_refused() {
        let mut check = Check { count: 16, done: 0, rows_bytes: 0 };
        let rows = ImageEvent::Rows { rgb: vec![0; IMAGE_ROWS_BYTES_MAX] };
        let whole = IMAGE_BYTES_MAX / IMAGE_ROWS_BYTES_MAX;
        for _ in 0..whole {
            assert_eq!(Images::check(&mut check, &rows), Ok(()));
        }
        let side = IMAGE_SIDE_PIXELS_MAX;
        let end = ImageEvent::Image { index: 0, seed: 0, width_pixels: side, height_pixels: side };
        assert_eq!(Images::check(&mut check, &end), Ok(()), "the largest image is an image");
        for _ in 0..whole {
            assert_eq!(Images::check(&mut check, &rows), Ok(()));
        }
        assert_eq!(Images::check(&mut check, &rows), Err("rows beyond their bound"));
    }

    #[test]
    fn a_load_tells_everything_but_the_name() {
        let mut info = Images::unloaded("mine".into());
        let loaded = ImageModelInfo { name: "its own".into(), side_pixels: 512, ..ImageModelInfo::default() };
        Images::adopt(&mut info, loaded);
        assert_eq!((info.name.as_str(), info.side_pixels), ("mine", 512));
    }
}
