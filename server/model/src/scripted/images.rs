//! The fake that makes images: a gradient for each seed and prompt, with delays and faults on request.
//!
//! Refuses: requests beyond the bounds of any image, and to look at a source image; it only says that it could.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{Script, take_next};
use crate::{
    IMAGE_ROWS_BYTES_MAX, IMAGE_SIDE_PIXELS_MAX, IMAGE_STEPS_MAX, IMAGES_MAX, ImageEvent, ImageModel,
    ImageModelInfo, ImageRequest, ImageSampler, ImageStream, ModelError, Preview, Timings,
};

/// Longest side of a preview, in pixels.
const PREVIEW_SIDE_PIXELS: u32 = 32;

/// What happens to one request of the script.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageReply {
    /// Waited before each step, in milliseconds.
    pub delay_ms: u64,
    /// Goes no further than this step; `None` makes all images.
    pub steps_max: Option<u32>,
    /// Ends the stream with this error then.
    pub error: Option<ModelError>,
    /// Never ends: the caller has to cancel.
    pub hang: bool,
    /// Kills the process then, as an abort in native code would. Only the scripted worker obeys.
    pub abort: bool,
}

impl ImageReply {
    /// What the fake does with `request` up to its end: all events but the last. Pixels are made as they are taken.
    ///
    /// # Errors
    /// [`ModelError::BadRequest`] when it is beyond the bounds of any image.
    pub fn events(
        &self,
        request: &ImageRequest,
    ) -> Result<impl Iterator<Item = ImageEvent> + Send + use<>, ModelError> {
        check(request)?;
        let (steps, count) = (request.steps, request.count);
        let taken = self.steps_max.map_or(steps, |most| most.min(steps));
        let drawn = if self.steps_max.is_some() { 0 } else { count };
        let (sketched, drawing) = (request.clone(), request.clone());
        let steps = (1..=taken).map(move |step| {
            let preview = sketched.previews.then(|| sketch(&sketched, step));
            ImageEvent::Step { done: step * count, all: steps * count, preview }
        });
        let decoding = (drawn > 0).then_some(ImageEvent::Decoding);
        let images = (0..drawn).flat_map(move |index| image(&drawing, index));
        Ok([ImageEvent::Encoding].into_iter().chain(steps).chain(decoding).chain(images))
    }
}

fn check(request: &ImageRequest) -> Result<(), ModelError> {
    let wrong = |number: u32, most: u32| !(1..=most).contains(&number);
    for (what, number, most) in [
        ("width", request.width_pixels, IMAGE_SIDE_PIXELS_MAX),
        ("height", request.height_pixels, IMAGE_SIDE_PIXELS_MAX),
        ("steps", request.steps, IMAGE_STEPS_MAX),
        ("number of images", request.count, IMAGES_MAX),
    ] {
        if wrong(number, most) {
            return Err(ModelError::BadRequest(format!("{number} is no {what}; it may be 1 to {most}")));
        }
    }
    Ok(())
}

/// The pixels that the fake makes of a prompt and a seed, in rows of red, green and blue bytes: a gradient between two
/// colours that both decide.
pub fn gradient(prompt: &str, seed: u64, width_pixels: u32, height_pixels: u32) -> Vec<u8> {
    let colours = hash(prompt, seed).to_le_bytes();
    let last = (width_pixels + height_pixels).saturating_sub(2).max(1);
    // A pixel's colour depends on how far it is from the corner alone, so each row begins one colour later.
    let ramp: Vec<u8> = (0..=last)
        .flat_map(|at| {
            [0, 1, 2].map(|channel| {
                let (from, to) = (u32::from(colours[channel]), u32::from(colours[channel + 3]));
                ((from * (last - at) + to * at) / last) as u8
            })
        })
        .collect();
    let row_bytes = width_pixels as usize * 3;
    let mut rgb = Vec::with_capacity(row_bytes * height_pixels as usize);
    for row in 0..height_pixels as usize {
        rgb.extend_from_slice(&ramp[row * 3..row * 3 + row_bytes]);
    }
    rgb
}

/// Fowler, Noll and Vo's hash of both (FNV-1a, 64 bits).
fn hash(prompt: &str, seed: u64) -> u64 {
    let bytes = prompt.bytes().chain(seed.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A preview that is as bright as its step is late.
fn sketch(request: &ImageRequest, step: u32) -> Preview {
    let longest = request.width_pixels.max(request.height_pixels);
    let small = |side: u32| (side * PREVIEW_SIDE_PIXELS.min(longest) / longest).max(1);
    let (width_pixels, height_pixels) = (small(request.width_pixels), small(request.height_pixels));
    let mut rgb = gradient(&request.prompt, request.seed, width_pixels, height_pixels);
    for byte in &mut rgb {
        *byte = (u32::from(*byte) * step / request.steps) as u8;
    }
    Preview { width_pixels, height_pixels, rgb }
}

/// The events of one whole image.
fn image(request: &ImageRequest, index: u32) -> impl Iterator<Item = ImageEvent> + Send + use<> {
    let (width_pixels, height_pixels) = (request.width_pixels, request.height_pixels);
    let seed = request.seed.wrapping_add(u64::from(index));
    let rgb = gradient(&request.prompt, seed, width_pixels, height_pixels);
    let row_bytes = width_pixels as usize * 3;
    let piece_bytes = IMAGE_ROWS_BYTES_MAX / row_bytes * row_bytes;
    let pieces: Vec<_> = rgb.chunks(piece_bytes).map(|piece| ImageEvent::Rows { rgb: piece.to_vec() }).collect();
    let end = ImageEvent::Image { index, seed, width_pixels, height_pixels };
    pieces.into_iter().chain([end])
}

/// The fake.
#[derive(Clone, Default)]
pub struct ScriptedImageModel {
    replies: Arc<Mutex<VecDeque<ImageReply>>>,
    requests: Arc<Mutex<Vec<ImageRequest>>>,
    load_error: Option<ModelError>,
}

impl ScriptedImageModel {
    /// A model that follows the image replies of `script`.
    pub fn new(script: Script) -> Self {
        Self::with_replies(script.images)
    }

    /// A model to whose requests this happens. The last reply is repeated; without any, all requests succeed.
    pub fn with_replies(replies: impl IntoIterator<Item = ImageReply>) -> Self {
        Self { replies: Arc::new(Mutex::new(replies.into_iter().collect())), ..Self::default() }
    }

    /// The same, but loading it ends with `error`.
    #[must_use]
    pub fn failing_to_load(self, error: ModelError) -> Self {
        Self { load_error: Some(error), ..self }
    }

    /// The requests seen so far, oldest first.
    pub fn requests(&self) -> Vec<ImageRequest> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the next reply of the script, as the scripted worker does.
    pub fn next_reply(&self) -> ImageReply {
        take_next(&self.replies)
    }
}

impl ImageModel for ScriptedImageModel {
    fn info(&self) -> ImageModelInfo {
        ImageModelInfo {
            name: "scripted".into(),
            family: "Scripted".into(),
            side_multiple_pixels: 8,
            side_pixels: 64,
            steps: 4,
            guidance: 5.0,
            samplers: vec![ImageSampler::Euler, ImageSampler::DpmPp2m],
            takes_source: true,
            takes_mask: true,
            weight_bytes: 1024 * 1024,
            loaded: self.load_error.is_none(),
            loading: None,
        }
    }

    fn load(&self) -> BoxFuture<'_, Result<ImageModelInfo, ModelError>> {
        let loaded = match &self.load_error {
            Some(error) => Err(error.clone()),
            None => Ok(self.info()),
        };
        async move { loaded }.boxed()
    }

    fn draw(&self, request: ImageRequest) -> ImageStream {
        let reply = self.next_reply();
        let events = reply.events(&request);
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let events = match self.load_error.clone().map_or(events, Err) {
            Ok(events) => events,
            Err(error) => return stream::once(async move { Err(error) }).boxed(),
        };
        let delay = Duration::from_millis(reply.delay_ms);
        let events = stream::iter(events).then(move |event| async move {
            if !delay.is_zero() && matches!(event, ImageEvent::Step { .. }) {
                tokio::time::sleep(delay).await;
            }
            Ok(event)
        });
        let end = stream::once(async move {
            if reply.hang {
                futures::future::pending::<()>().await;
            }
            reply.error.map_or(Ok(ImageEvent::Finished { timings: Timings::default() }), Err)
        });
        events.chain(end).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(width_pixels: u32, height_pixels: u32) -> ImageRequest {
        ImageRequest {
            prompt: "a hill".into(),
            negative_prompt: String::new(),
            width_pixels,
            height_pixels,
            steps: 3,
            guidance: 5.0,
            sampler: None,
            spacing: None,
            seed: 7,
            count: 2,
            clip_skip: 0,
            source: None,
            previews: true,
            working_bytes_max: None,
        }
    }

    async fn draw(reply: ImageReply, request: ImageRequest) -> Vec<Result<ImageEvent, ModelError>> {
        ScriptedImageModel::with_replies([reply]).draw(request).collect().await
    }

    #[tokio::test]
    async fn images_follow_from_prompt_and_seed() {
        let events = draw(ImageReply::default(), request(40, 8)).await;
        let mut seen: Vec<(u64, Vec<u8>)> = Vec::new();
        let mut rows = Vec::new();
        for event in &events {
            match event {
                Ok(ImageEvent::Rows { rgb }) => rows.extend(rgb),
                Ok(ImageEvent::Image { seed, .. }) => seen.push((*seed, std::mem::take(&mut rows))),
                _ => {}
            }
        }
        let expected: Vec<_> = [7, 8].map(|seed| (seed, gradient("a hill", seed, 40, 8))).into();
        assert_eq!(seen, expected);
        assert_ne!(seen[0].1, seen[1].1);
        assert_ne!(gradient("a hill", 7, 40, 8), gradient("a hut", 7, 40, 8));

        let steps = events.iter().filter_map(|event| match event {
            Ok(ImageEvent::Step { done, all, preview: Some(preview) }) => {
                assert_eq!(preview.rgb.len(), (preview.width_pixels * preview.height_pixels * 3) as usize);
                Some((*done, *all, preview.width_pixels, preview.height_pixels))
            }
            _ => None,
        });
        assert_eq!(steps.collect::<Vec<_>>(), [(2, 6, 32, 6), (4, 6, 32, 6), (6, 6, 32, 6)]);
        assert_eq!(events.first(), Some(&Ok(ImageEvent::Encoding)));
        assert!(matches!(events.last(), Some(Ok(ImageEvent::Finished { .. }))));
    }

    #[tokio::test]
    async fn large_images_come_in_pieces_of_whole_rows() {
        let events = draw(ImageReply::default(), request(1000, 700)).await;
        let pieces = events.iter().filter_map(|event| match event {
            Ok(ImageEvent::Rows { rgb }) => Some(rgb.len()),
            _ => None,
        });
        let pieces: Vec<usize> = pieces.collect();
        assert_eq!(pieces, [1_047_000, 1_047_000, 6_000, 1_047_000, 1_047_000, 6_000]);
        assert!(pieces.iter().all(|bytes| *bytes <= IMAGE_ROWS_BYTES_MAX));
    }

    #[tokio::test]
    async fn faults_come_where_the_script_says() {
        let error = ModelError::Unavailable("no memory".into());
        let reply = ImageReply { steps_max: Some(1), error: Some(error.clone()), ..ImageReply::default() };
        let events = draw(reply, ImageRequest { previews: false, ..request(8, 8) }).await;
        let expected =
            [Ok(ImageEvent::Encoding), Ok(ImageEvent::Step { done: 2, all: 6, preview: None }), Err(error)];
        assert_eq!(events, expected);
        for wrong in [request(0, 8), request(8, 5000), ImageRequest { count: 17, ..request(8, 8) }] {
            let events = draw(ImageReply::default(), wrong).await;
            assert!(matches!(events.as_slice(), [Err(ModelError::BadRequest(_))]), "{events:?}");
        }
    }
}
