//! A model that draws plain squares at once, hangs or fails, as a test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use model::{
    ImageEvent, ImageModel, ImageModelInfo, ImageRequest, ImageSampler, ImageStream, ModelError, Preview, Timings,
};

/// Side of its previews, in pixels.
const PREVIEW_PIXELS: u32 = 8;

/// What becomes of one request.
#[derive(Clone, Debug)]
pub(super) enum Turn {
    /// It takes one step and then nothing more.
    Hang,
    /// It takes one step and fails.
    Fail(ModelError),
}

/// The model; requests beyond those it was told of succeed.
#[derive(Default)]
pub(super) struct Painter {
    turns: Mutex<VecDeque<Turn>>,
}

impl Painter {
    pub(super) fn taking(turns: impl IntoIterator<Item = Turn>) -> Arc<dyn ImageModel> {
        Arc::new(Self { turns: Mutex::new(turns.into_iter().collect()) })
    }
}

impl ImageModel for Painter {
    fn info(&self) -> ImageModelInfo {
        ImageModelInfo {
            name: "scripted".into(),
            family: "Scripted".into(),
            side_multiple_pixels: 8,
            side_pixels: 64,
            steps: 4,
            guidance: 5.0,
            samplers: vec![ImageSampler::Euler],
            takes_source: true,
            loaded: true,
            ..ImageModelInfo::default()
        }
    }

    fn load(&self) -> BoxFuture<'_, Result<ImageModelInfo, ModelError>> {
        async { Ok(self.info()) }.boxed()
    }

    fn draw(&self, request: ImageRequest) -> ImageStream {
        let turn = self.turns.lock().unwrap().pop_front();
        let all = request.steps * request.count;
        let step = ImageEvent::Step { done: 1, all, preview: Some(preview()) };
        let begun = [Ok(ImageEvent::Encoding), Ok(step)];
        match turn {
            Some(Turn::Hang) => stream::iter(begun).chain(stream::pending()).boxed(),
            Some(Turn::Fail(error)) => stream::iter(begun).chain(stream::iter([Err(error)])).boxed(),
            None => {
                let images = (0..request.count).flat_map(move |index| image(&request, index));
                let end = ImageEvent::Finished { timings: Timings::default() };
                let rest = images.chain([end]).map(Ok).collect::<Vec<_>>();
                stream::iter(begun).chain(stream::iter(rest)).boxed()
            }
        }
    }
}

fn preview() -> Preview {
    let rgb = vec![128; (PREVIEW_PIXELS * PREVIEW_PIXELS * 3) as usize];
    Preview { width_pixels: PREVIEW_PIXELS, height_pixels: PREVIEW_PIXELS, rgb }
}

fn image(request: &ImageRequest, index: u32) -> [ImageEvent; 2] {
    let (width_pixels, height_pixels) = (request.width_pixels, request.height_pixels);
    let seed = request.seed + u64::from(index);
    let colour = [seed as u8, (seed >> 8) as u8, width_pixels as u8];
    let rgb = colour.repeat((width_pixels * height_pixels) as usize);
    [ImageEvent::Rows { rgb }, ImageEvent::Image { index, seed, width_pixels, height_pixels }]
}
