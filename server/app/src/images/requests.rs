//! What is asked for: checked before it is stored, completed from the model before it is drawn. Refuses: sizes, counts
//! and texts over their bounds, with the nearest that would do.

use std::path::PathBuf;

use model::{
    IMAGE_SIDE_PIXELS_MAX, IMAGE_STEPS_MAX, IMAGES_MAX, ImageModelInfo, ImageRequest, ImageSampler, NoiseSpacing,
};
use serde::{Deserialize, Serialize};

use super::models::ImageModelEntry;
use super::settings::ImageSettings;
use crate::{AppError, ErrorKind, Result, counted};

/// Most pixels of one image.
pub const IMAGE_PIXELS_MAX: u64 = 2_048 * 2_048;
/// How many times the model's own area an image has at most that nobody said the size of, because it is drawn over another.
const SOURCE_AREAS_MAX: f64 = 4.0;
/// How many times as large an image is made at once, at most.
const UPSCALE_MAX: f64 = 4.0;
/// How much of an image is drawn anew when it is drawn over, and when it is made larger.
const STRENGTH: f64 = 0.75;
const UPSCALE_STRENGTH: f64 = 0.3;
/// Shortest side, in pixels.
pub const IMAGE_SIDE_PIXELS_MIN: u32 = 64;
/// Both sides are multiples of this with every model, in pixels.
const SIDE_MULTIPLE_PIXELS: u32 = 8;
/// Furthest an image is pushed to the prompt.
const GUIDANCE_MAX: f64 = 100.0;
/// Longest prompt, in characters.
const IMAGE_PROMPT_CHARS_MAX: usize = 4_000;
/// Longest prompt, in bytes.
const PROMPT_BYTES_MAX: usize = 4_800;
/// Parts that the word `BREAK` may cut a prompt into.
const PROMPT_PARTS_MAX: usize = 64;
/// Most layers of the text encoder that are left out.
const CLIP_SKIP_MAX: u32 = 12;
/// What is taken when a model says nothing of it.
pub(crate) const SIDE_PIXELS: u32 = 512;
const STEPS: u32 = 20;
const GUIDANCE: f64 = 7.5;

/// Which jobs go first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImagePriority {
    /// After all others.
    Low,
    /// In the order they came.
    #[default]
    Normal,
    /// Before all others.
    High,
}

impl ImagePriority {
    pub(crate) fn rank(self) -> i64 {
        match self {
            Self::Low => -1,
            Self::Normal => 0,
            Self::High => 1,
        }
    }

    pub(crate) fn of_rank(rank: i64) -> Self {
        match rank {
            ..0 => Self::Low,
            0 => Self::Normal,
            1.. => Self::High,
        }
    }
}

/// An image that is drawn over.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageSource {
    /// Which.
    pub image: SourceOf,
    /// How much of it is drawn anew, above 0 and up to 1.
    pub strength: f64,
    /// What is drawn anew: an image file of the same size, white where the image may change.
    pub mask: Option<Vec<u8>>,
}

/// Where an image that is drawn over comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceOf {
    /// The gallery, by id.
    Image(String),
    /// A PNG, JPEG or WebP file.
    File(Vec<u8>),
}

/// Images that somebody wants. What is `None` is the model's own way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerateRequest {
    /// What is to be seen.
    pub prompt: String,
    /// What is not to be seen.
    pub negative_prompt: String,
    /// The model by name; `None` is the one in use.
    pub model: Option<String>,
    /// Width in pixels.
    pub width_pixels: Option<u32>,
    /// Height in pixels.
    pub height_pixels: Option<u32>,
    /// Steps from noise to the image.
    pub steps: Option<u32>,
    /// How far it is pushed from the negative prompt to the prompt.
    pub guidance: Option<f64>,
    /// How steps are taken.
    pub sampler: Option<ImageSampler>,
    /// How noise levels are spaced.
    pub spacing: Option<NoiseSpacing>,
    /// The first image's seed; the others have the next ones. `None` is one that nobody knows before.
    pub seed: Option<u64>,
    /// How many times as wide and high as the image that it starts from, instead of a size.
    pub upscale: Option<f64>,
    /// Images.
    pub count: u32,
    /// Layers of the text encoder that are left out at the end.
    pub clip_skip: u32,
    /// Which jobs go first.
    pub priority: ImagePriority,
    /// Whether small previews are wanted while it is drawn.
    pub previews: bool,
    /// The image to start from. Only the program itself says it: it holds bytes.
    #[serde(skip)]
    pub source: Option<ImageSource>,
}

impl Default for GenerateRequest {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: String::new(),
            model: None,
            width_pixels: None,
            height_pixels: None,
            steps: None,
            guidance: None,
            sampler: None,
            spacing: None,
            seed: None,
            upscale: None,
            count: 1,
            clip_skip: 0,
            priority: ImagePriority::Normal,
            previews: true,
            source: None,
        }
    }
}

/// A request as it is stored with its job. The bytes it starts from are blobs of the job: the image, then the mask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredRequest {
    pub(crate) request: GenerateRequest,
    /// How much of the source is drawn anew, when there is one.
    pub(crate) strength: Option<f64>,
    /// Width and height of the source, in pixels.
    #[serde(default)]
    pub(crate) source_pixels: Option<(u32, u32)>,
}

impl ImageSource {
    /// How much is drawn anew when nobody says: all of what a mask shows, little of what is only made larger.
    #[must_use]
    pub fn usual_strength(has_mask: bool, is_upscaled: bool) -> f64 {
        match (has_mask, is_upscaled) {
            (true, _) => 1.0,
            (false, true) => UPSCALE_STRENGTH,
            (false, false) => STRENGTH,
        }
    }
}

fn user(message: impl Into<String>, hint: impl Into<String>) -> AppError {
    AppError::new(ErrorKind::User, message).hint(hint)
}

impl GenerateRequest {
    /// Whether it can be asked of any model. What it starts from is not looked at; see [`check_source`].
    ///
    /// [`check_source`]: crate::check_source
    ///
    /// # Errors
    /// `User` with what to change.
    pub fn check(&self) -> Result<()> {
        if self.prompt.trim().is_empty() {
            return Err(user("the prompt is empty", "say what is to be seen"));
        }
        check_prompt("prompt", &self.prompt)?;
        check_prompt("negative prompt", &self.negative_prompt)?;
        if self.count == 0 || self.count > IMAGES_MAX {
            return Err(user(
                format!("{} images cannot be asked for at once", self.count),
                format!("ask for 1 to {IMAGES_MAX}"),
            ));
        }
        if let Some(steps) = self.steps.filter(|steps| *steps == 0 || *steps > IMAGE_STEPS_MAX) {
            let message = format!("an image cannot be drawn in {}", counted(steps.into(), "step"));
            return Err(user(message, format!("take 1 to {IMAGE_STEPS_MAX} steps")));
        }
        if let Some(guidance) = self.guidance.filter(|guidance| !(0.0..=GUIDANCE_MAX).contains(guidance)) {
            let message = format!("a guidance of {guidance} is out of bounds");
            return Err(user(message, format!("take 0 to {GUIDANCE_MAX}")));
        }
        if self.clip_skip > CLIP_SKIP_MAX {
            let message = format!("{} layers cannot be left out", self.clip_skip);
            return Err(user(message, format!("leave out 0 to {CLIP_SKIP_MAX}")));
        }
        let strength = self.source.as_ref().map(|source| source.strength);
        if let Some(strength) = strength.filter(|strength| !(*strength > 0.0 && *strength <= 1.0)) {
            let message = format!("a strength of {strength} is out of bounds");
            return Err(user(message, "take more than 0 and up to 1"));
        }
        if let Some(times) = self.upscale {
            if !(times > 1.0 && times <= UPSCALE_MAX) {
                let message = format!("an image cannot be made {times} times as large");
                return Err(user(message, format!("take more than 1 and up to {UPSCALE_MAX}")));
            }
            if self.source.is_none() {
                return Err(user(
                    "it is not said which image is to be made larger",
                    "name the image to start from",
                ));
            }
            if self.width_pixels.or(self.height_pixels).is_some() {
                return Err(user("both a size and how much larger are asked for", "leave one of them out"));
            }
        }
        for (side, pixels) in [("width", self.width_pixels), ("height", self.height_pixels)] {
            pixels.map_or(Ok(()), |pixels| check_side(side, pixels, SIDE_MULTIPLE_PIXELS))?;
        }
        check_pixels(self.width_pixels.unwrap_or(SIDE_PIXELS), self.height_pixels.unwrap_or(SIDE_PIXELS))
    }
}

impl StoredRequest {
    /// The settings of its first image with the model that draws it, and all of them as the model is asked.
    ///
    /// # Errors
    /// `User` when the model cannot do what is asked for.
    pub(crate) fn complete(
        &self,
        info: &ImageModelInfo,
        blobs: Vec<(String, PathBuf)>,
    ) -> Result<(ImageSettings, ImageRequest)> {
        let or = |known: u32, otherwise: u32| if known == 0 { otherwise } else { known };
        let multiple = side_multiple(info);
        let (width, height) = self.size(info);
        check_side("width", width, multiple)?;
        check_side("height", height, multiple)?;
        check_pixels(width, height)?;
        if let Some(sampler) = self.request.sampler
            && !info.samplers.is_empty()
            && !info.samplers.contains(&sampler)
        {
            return Err(user("the model cannot take steps in this way", "leave the sampler to the model"));
        }
        let mut blobs = blobs.into_iter();
        let (source, mask) = (blobs.next(), blobs.next());
        if source.is_none() && self.strength.is_some() {
            return Err(user("the image that it starts from was removed", "ask anew, with another image"));
        }
        if (source.is_some() && !info.takes_source) || (mask.is_some() && !info.takes_mask) {
            return Err(user("the model cannot draw over an image in this way", "choose another model"));
        }
        let guidance = if info.guidance > 0.0 { info.guidance } else { GUIDANCE };
        let settings = ImageSettings {
            program: concat!("Familiar ", env!("CARGO_PKG_VERSION")).to_owned(),
            prompt: self.request.prompt.clone(),
            negative_prompt: self.request.negative_prompt.clone(),
            model: info.name.clone(),
            family: info.family.clone(),
            width_pixels: width,
            height_pixels: height,
            steps: self.request.steps.unwrap_or(or(info.steps, STEPS)),
            guidance: self.request.guidance.unwrap_or(guidance),
            sampler: self.request.sampler,
            spacing: self.request.spacing,
            seed: self.request.seed.unwrap_or(0),
            clip_skip: self.request.clip_skip,
            strength: self.strength,
            source: source.as_ref().map(|(hash, _)| hash.clone()),
            mask: mask.as_ref().map(|(hash, _)| hash.clone()),
        };
        let request = ImageRequest {
            prompt: settings.prompt.clone(),
            negative_prompt: settings.negative_prompt.clone(),
            width_pixels: width,
            height_pixels: height,
            steps: settings.steps,
            guidance: settings.guidance,
            sampler: settings.sampler,
            spacing: settings.spacing,
            seed: settings.seed,
            count: self.request.count,
            clip_skip: settings.clip_skip,
            source: source.map(|(_, path)| model::SourceImage {
                path,
                strength: self.strength.unwrap_or(1.0),
                mask: mask.map(|(_, path)| path),
            }),
            previews: self.request.previews,
            // Told once the memory is there.
            working_bytes_max: None,
        };
        Ok((settings, request))
    }

    /// Whether it is small enough for some model, as far as its size is known.
    ///
    /// # Errors
    /// `User` with what to change.
    pub(crate) fn check_size(&self) -> Result<()> {
        let (width, height) = self.size(&ImageModelInfo::default());
        check_pixels(width, height)
    }

    /// Width and height in pixels. What is drawn over another image is as large, or so many times as large as is asked for;
    /// one that is far larger than the model's own is made smaller.
    pub(crate) fn size(&self, info: &ImageModelInfo) -> (u32, u32) {
        let (side, multiple) = (own_side(info), side_multiple(info));
        let asked = (self.request.width_pixels, self.request.height_pixels);
        let (None, None, Some((width, height))) = (asked.0, asked.1, self.source_pixels) else {
            return (asked.0.unwrap_or(side), asked.1.unwrap_or(side));
        };
        let (width, height) = (f64::from(width), f64::from(height));
        let fit = |pixels: f64, round: fn(f64) -> f64| {
            let multiples = round(pixels / f64::from(multiple)) as u32;
            multiples.saturating_mul(multiple).clamp(IMAGE_SIDE_PIXELS_MIN, IMAGE_SIDE_PIXELS_MAX)
        };
        if let Some(times) = self.request.upscale {
            return (fit(width * times, f64::round), fit(height * times, f64::round));
        }
        let area_max = (SOURCE_AREAS_MAX * f64::from(side).powi(2)).min(IMAGE_PIXELS_MAX as f64);
        let own = (fit(width, f64::round), fit(height, f64::round));
        if f64::from(own.0) * f64::from(own.1) <= area_max {
            return own;
        }
        let scale = (area_max / (width * height)).sqrt().min(1.0);
        (fit(width * scale, f64::floor), fit(height * scale, f64::floor))
    }
}

/// Whether a text is short enough for every model: text encoders read it in at most 64 windows of some 75 tokens, a token is
/// at least one byte, and the word `BREAK` begins a window.
fn check_prompt(what: &str, text: &str) -> Result<()> {
    let characters = text.chars().count();
    if characters > IMAGE_PROMPT_CHARS_MAX {
        let message = format!("the {what} has {characters} characters");
        return Err(user(message, format!("at most {IMAGE_PROMPT_CHARS_MAX} are read; make it shorter")));
    }
    if text.len() > PROMPT_BYTES_MAX {
        // Only scripts with several bytes for a character come here, and their characters are several tokens too.
        let message = format!("the {what} has {characters} characters of {} bytes", text.len());
        return Err(user(message, format!("at most {PROMPT_BYTES_MAX} bytes are read; make it shorter")));
    }
    let parts = text.split_whitespace().filter(|word| *word == "BREAK").count() + 1;
    if parts > PROMPT_PARTS_MAX {
        let message = format!("BREAK cuts the {what} into {parts} parts");
        return Err(user(message, format!("make at most {PROMPT_PARTS_MAX} of them")));
    }
    Ok(())
}

/// Whether drawing over an image leaves a step to take. `info` is what is known of the model, if anything is.
///
/// # Errors
/// `User` with what to raise.
pub(crate) fn leaves_a_step(
    request: &GenerateRequest,
    model: &ImageModelEntry,
    info: Option<&ImageModelInfo>,
) -> Result<()> {
    let own = info.map(|info| info.steps).filter(|steps| *steps > 0);
    let (Some(source), Some(steps)) = (&request.source, request.steps.or(own)) else { return Ok(()) };
    if f64::from(steps) * source.strength >= 1.0 || model.matches_flow() {
        return Ok(());
    }
    let needed = (1.0 / source.strength).ceil();
    let more_steps =
        if needed <= f64::from(IMAGE_STEPS_MAX) { format!("{needed} steps or more, or ") } else { String::new() };
    let message = format!("a strength of {} leaves none of {}", source.strength, counted(steps.into(), "step"));
    // Rounded up, so that what is said is enough.
    let strength = (100.0 / f64::from(steps)).ceil() / 100.0;
    let strength = if strength < 1.0 { format!("{strength} or more") } else { "1".to_owned() };
    Err(user(message, format!("take {more_steps}a strength of {strength}")))
}

/// What both sides of a model's images are multiples of, in pixels.
fn side_multiple(info: &ImageModelInfo) -> u32 {
    if info.side_multiple_pixels == 0 { SIDE_MULTIPLE_PIXELS } else { info.side_multiple_pixels }
}

/// The side of a model's own images in pixels, as near to it as can be drawn.
pub(crate) fn own_side(info: &ImageModelInfo) -> u32 {
    let side = if info.side_pixels == 0 { SIDE_PIXELS } else { info.side_pixels };
    let multiple = info.side_multiple_pixels.max(SIDE_MULTIPLE_PIXELS);
    side.clamp(IMAGE_SIDE_PIXELS_MIN, IMAGE_SIDE_PIXELS_MAX) / multiple * multiple
}

fn check_side(side: &str, pixels: u32, multiple: u32) -> Result<()> {
    if !(IMAGE_SIDE_PIXELS_MIN..=IMAGE_SIDE_PIXELS_MAX).contains(&pixels) {
        let hint = format!("take {IMAGE_SIDE_PIXELS_MIN} to {IMAGE_SIDE_PIXELS_MAX}");
        return Err(user(format!("a {side} of {pixels} pixels is out of bounds"), hint));
    }
    if !pixels.is_multiple_of(multiple) {
        let below = pixels / multiple * multiple;
        let message = format!("a {side} of {pixels} pixels is no multiple of {multiple}");
        return Err(user(message, format!("take {below} or {}", below + multiple)));
    }
    Ok(())
}

fn check_pixels(width: u32, height: u32) -> Result<()> {
    if u64::from(width) * u64::from(height) <= IMAGE_PIXELS_MAX {
        return Ok(());
    }
    let message = format!("{width} x {height} are more pixels than are drawn");
    Err(user(message, format!("take at most {IMAGE_PIXELS_MAX} in all, such as 2048 x 2048")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut GenerateRequest)) -> GenerateRequest {
        let mut request = GenerateRequest { prompt: "a fox".into(), ..GenerateRequest::default() };
        change(&mut request);
        request
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_with_the_next_step() {
        let source = |strength| Some(ImageSource { image: SourceOf::File(Vec::new()), strength, mask: None });
        for (request, expected) in [
            (with(|_| ()), None),
            (with(|r| r.prompt.clear()), Some("say what is to be seen")),
            (with(|r| r.prompt = " \n\t".into()), Some("say what is to be seen")),
            (with(|r| r.prompt = "x".repeat(IMAGE_PROMPT_CHARS_MAX)), None),
            (with(|r| r.prompt = "x".repeat(IMAGE_PROMPT_CHARS_MAX + 1)), Some("at most 4000 are read")),
            (with(|r| r.negative_prompt = "x".repeat(10_000)), Some("at most 4000 are read")),
            (with(|r| r.prompt = "狐".repeat(1_600)), None),
            (with(|r| r.prompt = "狐".repeat(1_601)), Some("at most 4800 bytes")),
            (with(|r| r.prompt = "BREAK ".repeat(63)), None),
            (with(|r| r.prompt = "BREAK ".repeat(64)), Some("at most 64")),
            (with(|r| r.count = 0), Some("1 to 16")),
            (with(|r| r.count = 17), Some("1 to 16")),
            (with(|r| r.steps = Some(0)), Some("1 to 150")),
            (with(|r| r.steps = Some(151)), Some("1 to 150")),
            (with(|r| r.guidance = Some(f64::NAN)), Some("0 to 100")),
            (with(|r| r.width_pixels = Some(500)), Some("take 496 or 504")),
            (with(|r| r.height_pixels = Some(8)), Some("64 to 4096")),
            (with(|r| (r.width_pixels, r.height_pixels) = (Some(4096), Some(4096))), Some("2048 x 2048")),
            (with(|r| (r.width_pixels, r.height_pixels) = (Some(4096), Some(1024))), None),
            (with(|r| r.source = source(0.0)), Some("more than 0")),
            (with(|r| r.source = source(f64::NAN)), Some("more than 0")),
            (with(|r| r.source = source(1.0)), None),
            (with(|r| r.clip_skip = 13), Some("0 to 12")),
            (with(|r| (r.source, r.upscale) = (source(0.3), Some(2.0))), None),
            (with(|r| (r.source, r.upscale) = (source(0.3), Some(1.0))), Some("up to 4")),
            (with(|r| (r.source, r.upscale) = (source(0.3), Some(f64::NAN))), Some("up to 4")),
            (with(|r| r.upscale = Some(2.0)), Some("name the image")),
            (
                with(|r| (r.source, r.upscale, r.width_pixels) = (source(0.3), Some(2.0), Some(512))),
                Some("leave one of them out"),
            ),
        ] {
            let hint = request.check().err().map(|error| error.hint.unwrap_or_default());
            match expected {
                None => assert_eq!(hint, None, "{request:?}"),
                Some(part) => {
                    assert!(hint.as_ref().is_some_and(|hint| hint.contains(part)), "{request:?}: {hint:?}")
                }
            }
        }
    }

    #[test]
    fn what_is_refused_is_named() {
        for (request, message) in [
            (with(|r| r.steps = Some(151)), "an image cannot be drawn in 151 steps"),
            (with(|r| r.steps = Some(0)), "an image cannot be drawn in 0 steps"),
            (with(|r| r.guidance = Some(-1.0)), "a guidance of -1 is out of bounds"),
            (with(|r| r.prompt = "x".repeat(10_000)), "the prompt has 10000 characters"),
        ] {
            assert_eq!(request.check().expect_err(message).message, message);
        }
    }

    #[test]
    fn drawing_over_an_image_takes_at_least_one_step() {
        let folder = tempfile::tempdir().expect("a folder");
        let entry =
            ImageModelEntry { name: "m".into(), path: folder.path().to_owned(), size_bytes: 0, current: true };
        let turbo = ImageModelInfo { steps: 1, ..ImageModelInfo::default() };
        let over = |steps, strength| {
            with(|r| {
                r.steps = steps;
                r.source = Some(ImageSource { image: SourceOf::File(Vec::new()), strength, mask: None });
            })
        };
        for (steps, strength, info, is_good) in [
            (Some(1), 0.5, None, false),
            (Some(1), 1.0, None, true),
            (Some(2), 0.5, None, true),
            (Some(3), 0.3, None, false),
            (None, 0.5, Some(&turbo), false),
            (None, 0.5, None, true),
        ] {
            let judged = leaves_a_step(&over(steps, strength), &entry, info);
            assert_eq!(judged.is_ok(), is_good, "{steps:?} {strength}: {judged:?}");
        }
        let error = leaves_a_step(&over(Some(1), 0.5), &entry, None).expect_err("no step is left");
        assert_eq!(error.message, "a strength of 0.5 leaves none of 1 step");
        assert_eq!(error.hint.as_deref(), Some("take 2 steps or more, or a strength of 1"));
        std::fs::create_dir(folder.path().join("scheduler")).expect("a folder");
        let config = r#"{"_class_name": "FlowMatchEulerDiscreteScheduler"}"#;
        std::fs::write(folder.path().join("scheduler/scheduler_config.json"), config).expect("written");
        assert!(leaves_a_step(&over(Some(1), 0.5), &entry, None).is_ok(), "it takes a part of a step");
    }

    fn from_nothing(request: GenerateRequest) -> StoredRequest {
        StoredRequest { request, strength: None, source_pixels: None }
    }

    #[test]
    fn what_is_drawn_over_an_image_has_its_shape() {
        for (source, asked, expected) in [
            ((512, 512), None, (512, 512)),
            ((1024, 512), None, (1024, 512)),
            ((1024, 1024), None, (1024, 1024)),
            ((1026, 1030), None, (1016, 1024)),
            ((4_000, 3_000), None, (1176, 880)),
            ((100, 70), None, (104, 72)),
            ((4_000, 10), None, (4_000, 64)),
            ((16_000, 1), None, (4_096, 64)),
            ((16_000, 2_000), None, (2_896, 360)),
            ((1024, 512), Some(256), (256, 512)),
        ] {
            let request = with(|request| request.width_pixels = asked);
            let stored = StoredRequest { source_pixels: Some(source), ..from_nothing(request) };
            assert_eq!(stored.size(&ImageModelInfo::default()), expected, "{source:?}");
        }
        let upscaled = |times| {
            let request = with(|request| request.upscale = Some(times));
            StoredRequest { source_pixels: Some((500, 260)), ..from_nothing(request) }
        };
        assert_eq!(upscaled(2.0).size(&ImageModelInfo::default()), (1_000, 520));
        let coarse = ImageModelInfo { side_multiple_pixels: 16, ..ImageModelInfo::default() };
        assert_eq!(upscaled(2.0).size(&coarse), (1_008, 528));
        assert!(upscaled(4.0).check_size().is_ok());
        let large = StoredRequest { source_pixels: Some((1_024, 1_024)), ..upscaled(4.0) };
        let hint = large.check_size().expect_err("it is too large").hint;
        assert!(hint.as_ref().is_some_and(|hint| hint.contains("2048 x 2048")), "{hint:?}");
    }

    #[test]
    fn what_was_left_open_is_the_models_own_way() {
        let silent = ImageModelInfo { name: "tiny".into(), ..ImageModelInfo::default() };
        let turbo = ImageModelInfo {
            side_pixels: 1024,
            side_multiple_pixels: 16,
            steps: 4,
            guidance: 1.0,
            samplers: vec![ImageSampler::Euler],
            ..silent.clone()
        };
        for (info, expected) in [(&silent, (512, 20, 7.5)), (&turbo, (1024, 4, 1.0))] {
            let stored = from_nothing(with(|_| ()));
            let (settings, request) = stored.complete(info, Vec::new()).expect("it can be drawn");
            assert_eq!((settings.width_pixels, settings.steps, settings.guidance), expected);
            assert_eq!((request.width_pixels, request.steps, request.guidance), expected);
        }
        let small = ImageModelInfo { side_pixels: 16, ..silent.clone() };
        assert_eq!(own_side(&small), IMAGE_SIDE_PIXELS_MIN);
        let source = vec![("hash".to_owned(), PathBuf::from("file"))];
        for (request, blobs) in [
            (with(|r| r.width_pixels = Some(72)), Vec::new()),
            (with(|r| r.sampler = Some(ImageSampler::Heun)), Vec::new()),
            (with(|_| ()), source),
        ] {
            let error = from_nothing(request).complete(&turbo, blobs).expect_err("the model cannot");
            assert!(error.kind == ErrorKind::User && error.hint.is_some(), "{error:?}");
        }
    }
}
