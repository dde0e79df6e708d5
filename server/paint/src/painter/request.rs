//! From a request to a drawing: every number within its range, every choice one that the model has.
//!
//! Refuses: by name and with what to ask for instead.

use model::{IMAGE_PROMPT_BYTES_MAX, IMAGE_STEPS_MAX, IMAGES_MAX, ImageRequest};

use super::source;
use crate::error::PaintError;
use crate::pipeline::{Drawing, Pipeline};

/// Most guidance; far below it pictures are burnt already.
const GUIDANCE_MAX: f64 = 100.0;

/// Most layers of a text encoder that are left out.
const CLIP_SKIP_MAX: u32 = 12;

/// # Errors
/// `BadRequest` with what to change.
pub(super) fn checked(request: &ImageRequest, pipeline: &Pipeline) -> Result<Drawing, PaintError> {
    let refused = |reason: String| Err(PaintError::BadRequest(reason));
    for (name, prompt) in [("prompt", &request.prompt), ("negative prompt", &request.negative_prompt)] {
        if prompt.len() > IMAGE_PROMPT_BYTES_MAX {
            let bytes = prompt.len();
            return refused(format!("the {name} has {bytes} bytes; shorten it to {IMAGE_PROMPT_BYTES_MAX}"));
        }
    }
    if !(1..=IMAGE_STEPS_MAX).contains(&request.steps) {
        return refused(format!("{} steps were asked for; ask for 1 to {IMAGE_STEPS_MAX}", request.steps));
    }
    if !(1..=IMAGES_MAX).contains(&request.count) {
        return refused(format!("{} images were asked for; ask for 1 to {IMAGES_MAX}", request.count));
    }
    if !(0.0..=GUIDANCE_MAX).contains(&request.guidance) {
        return refused(format!("the guidance is {}; ask for 0 to {GUIDANCE_MAX}", request.guidance));
    }
    if request.clip_skip > CLIP_SKIP_MAX {
        let skip = request.clip_skip;
        return refused(format!(
            "{skip} layers of the text encoder were to be left out; ask for 0 to {CLIP_SKIP_MAX}"
        ));
    }
    let (width, height) = (request.width_pixels as usize, request.height_pixels as usize);
    pipeline.check_size(width, height)?;
    let start = request.source.as_ref().map(|source| source::read(source, width, height)).transpose()?;
    Ok(Drawing {
        prompt: request.prompt.clone(),
        negative: request.negative_prompt.clone(),
        width,
        height,
        schedule: pipeline.schedule.exchanged(request.sampler, request.spacing)?,
        sampling: pipeline.sampling(request.steps as usize, width, height),
        guidance: request.guidance,
        seed: request.seed,
        clip_skip: request.clip_skip as usize,
        start,
    })
}
