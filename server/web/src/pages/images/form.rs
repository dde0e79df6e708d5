//! The form that asks for images: what was typed, what it means, and how it is filled from an image or a job. Refuses:
//! defaults; what is left empty is the model's own way.

use std::str::FromStr;

use app::{
    AppError, ErrorKind, GenerateRequest, IMAGE_PIXELS_MAX, IMAGE_SIDE_PIXELS_MAX, IMAGE_SIDE_PIXELS_MIN,
    ImageJobView, ImageModelEntry, ImageOrigin, ImageSource, ImageStart, ImageView, SourceOf,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::filter::{given, seed, size, wrong};

/// Factors by which an image is made larger, the largest that fits first.
const UPSCALES: [f64; 2] = [2.0, 1.5];
/// Ways to take steps, as the API calls them and as people do.
const SAMPLERS: [(&str, &str); 9] = [
    ("euler", "Euler"),
    ("euler_ancestral", "Euler a"),
    ("dpm_pp2m", "DPM++ 2M"),
    ("dpm_pp2m_sde", "DPM++ 2M SDE"),
    ("ddim", "DDIM"),
    ("pndm", "PNDM"),
    ("uni_pc", "UniPC"),
    ("heun", "Heun"),
    ("lcm", "LCM"),
];
/// Ways to space noise levels, likewise.
const SPACINGS: [(&str, &str); 4] =
    [("timesteps", "Timesteps"), ("karras", "Karras"), ("exponential", "Exponential"), ("beta", "Beta")];
/// Shapes that are offered, as width to height. The areas are those of a square.
const SHAPES: [(&str, f64, f64); 5] = [
    ("Square", 1.0, 1.0),
    ("Portrait", 2.0, 3.0),
    ("Landscape", 3.0, 2.0),
    ("Tall", 9.0, 16.0),
    ("Wide", 16.0, 9.0),
];
/// Sides that models are trained for, in pixels, while it is not known which one.
const SIDES_PIXELS: [u32; 2] = [512, 1024];
/// Sides that are offered are multiples of it, in pixels: every model of the usual size can draw them.
const SIDE_STEP_PIXELS: u32 = 64;
/// What other tools call a seed that nobody chose.
const RANDOM_SEED: &str = "-1";
/// Characters of a mask that the form holds; what is larger has to be painted again.
const MASK_CHARS_MAX: usize = 128 * 1024;
/// Images of a variation, and how much of it is drawn anew.
const VARIATIONS: u32 = 4;
const VARIATION_STRENGTH: f64 = 0.5;
/// Steps of which that strength leaves at least one.
const VARIATION_STEPS_MIN: u32 = 2;

/// The form as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Draft {
    pub(crate) prompt: String,
    pub(crate) negative_prompt: String,
    pub(crate) model: String,
    /// The one that is chosen.
    pub(crate) size: String,
    /// One that was typed.
    pub(crate) other_size: String,
    pub(crate) count: String,
    pub(crate) steps: String,
    pub(crate) guidance: String,
    pub(crate) sampler: String,
    pub(crate) spacing: String,
    pub(crate) seed: String,
    pub(crate) clip_skip: String,
    /// The image that is drawn over, by id.
    pub(crate) source: String,
    pub(crate) strength: String,
    /// What of it may change: a PNG file in base64, or nothing where all of it may.
    pub(crate) mask: String,
}

/// Something to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) is_chosen: bool,
}

/// Sizes that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// What they have in common; empty where that needs no words.
    pub(crate) label: String,
    pub(crate) choices: Vec<Choice>,
}

impl Draft {
    /// What is asked for.
    ///
    /// # Errors
    /// `User` with the value that says nothing.
    pub(crate) fn request(&self) -> Result<GenerateRequest, AppError> {
        if self.prompt.trim().is_empty() {
            return Err(AppError::new(ErrorKind::User, "the prompt is empty").hint("say what is to be seen"));
        }
        let sides = self.sides()?;
        let source = given(&self.source).map(|id| -> Result<ImageSource, AppError> {
            let strength = number(&self.strength, "strength")?.unwrap_or(VARIATION_STRENGTH);
            let mask = given(&self.mask).map(|mask| STANDARD.decode(mask)).transpose().map_err(|error| {
                AppError::new(ErrorKind::User, "what was painted cannot be read")
                    .hint("paint again")
                    .caused_by(error)
            })?;
            Ok(ImageSource { image: SourceOf::Image(id.to_owned()), strength, mask })
        });
        Ok(GenerateRequest {
            prompt: self.prompt.trim().to_owned(),
            negative_prompt: self.negative_prompt.trim().to_owned(),
            model: given(&self.model).map(str::to_owned),
            width_pixels: sides.map(|(width, _)| width),
            height_pixels: sides.map(|(_, height)| height),
            steps: number(&self.steps, "number of steps")?,
            guidance: number(&self.guidance, "guidance")?,
            sampler: named(&self.sampler, "sampler")?,
            spacing: named(&self.spacing, "noise spacing")?,
            // Other tools write a random seed so.
            seed: given(&self.seed).filter(|text| *text != RANDOM_SEED).map(seed).transpose()?,
            count: number(&self.count, "number of images")?.unwrap_or(1),
            clip_skip: number(&self.clip_skip, "number of layers")?.unwrap_or(0),
            source: source.transpose()?,
            ..GenerateRequest::default()
        })
    }

    /// The size that is asked for.
    ///
    /// # Errors
    /// `User` for what is no size, and for two of them.
    fn sides(&self) -> Result<Option<(u32, u32)>, AppError> {
        let chosen = given(&self.size).map(size).transpose()?;
        let typed = given(&self.other_size).map(size).transpose()?;
        match (chosen, typed) {
            (Some(chosen), Some(typed)) if chosen != typed => {
                let shown = |(width, height): (u32, u32)| format!("{width} × {height}");
                let message = format!("two sizes are asked for, {} and {}", shown(chosen), shown(typed));
                Err(AppError::new(ErrorKind::User, message).hint("choose one, or clear the other"))
            }
            (chosen, typed) => Ok(typed.or(chosen)),
        }
    }

    /// How an image was made, to be made again; what it was drawn over is [`Draft::carry`]'s.
    pub(crate) fn of_image(image: &ImageView) -> Self {
        let mut draft = Self {
            prompt: image.prompt.clone(),
            negative_prompt: image.negative_prompt.clone(),
            model: image.model.clone(),
            size: format!("{}x{}", image.width_pixels, image.height_pixels),
            ..Self::default()
        };
        match &image.origin {
            ImageOrigin::Made { settings } => {
                draft.seed = settings.seed.to_string();
                draft.steps = settings.steps.to_string();
                draft.guidance = settings.guidance.to_string();
                draft.sampler = name(&settings.sampler);
                draft.spacing = name(&settings.spacing);
                draft.clip_skip = nonzero(settings.clip_skip);
            }
            ImageOrigin::Brought { parameters } => {
                let said = parameters.as_deref().cloned().unwrap_or_default();
                draft.seed = said.seed.map(|seed| seed.to_string()).unwrap_or_default();
                draft.steps = said.steps.map(|steps| steps.to_string()).unwrap_or_default();
                draft.guidance = said.guidance.map(|guidance| guidance.to_string()).unwrap_or_default();
                draft.sampler = name(&said.sampler);
                draft.spacing = name(&said.spacing);
                draft.clip_skip = nonzero(said.clip_skip.unwrap_or_default());
                if let Some((width, height)) = said.size_pixels {
                    draft.size = format!("{width}x{height}");
                }
            }
        }
        draft
    }

    /// What a job was asked for, to be asked again.
    pub(crate) fn of_job(job: &ImageJobView) -> Self {
        let request = &job.request;
        let sides = request.width_pixels.zip(request.height_pixels);
        let text = |number: Option<String>| number.unwrap_or_default();
        Self {
            prompt: request.prompt.clone(),
            negative_prompt: request.negative_prompt.clone(),
            model: job.model.clone(),
            size: text(sides.map(|(width, height)| format!("{width}x{height}"))),
            count: request.count.to_string(),
            steps: text(request.steps.map(|steps| steps.to_string())),
            guidance: text(request.guidance.map(|guidance| guidance.to_string())),
            sampler: name(&request.sampler),
            spacing: name(&request.spacing),
            seed: text(request.seed.map(|seed| seed.to_string())),
            clip_skip: nonzero(request.clip_skip),
            ..Self::default()
        }
    }

    /// The same, drawn over an image, a few times with other noise.
    pub(crate) fn over(self, image: &str) -> Self {
        let (source, strength) = (image.to_owned(), VARIATION_STRENGTH.to_string());
        // Of fewer steps the strength would leave none.
        let steps = match self.steps.trim().parse::<u32>() {
            Ok(steps) => steps.max(VARIATION_STEPS_MIN).to_string(),
            Err(_) => self.steps.clone(),
        };
        // Its size is the image's own.
        Self {
            source,
            strength,
            steps,
            size: String::new(),
            seed: String::new(),
            count: VARIATIONS.to_string(),
            ..self
        }
    }

    /// Takes up what an image, or a job, was drawn over; tells what of it is not here any more.
    pub(crate) fn carry(&mut self, start: ImageStart) -> Option<String> {
        let ImageStart { image, strength, mask, has_mask } = start;
        let Some(image) = image else {
            return Some(
                "It was drawn over an image that is not here. From nothing it becomes another one.".to_owned(),
            );
        };
        (self.source, self.strength) = (image, strength.to_string());
        let mask = mask.map(|mask| STANDARD.encode(mask)).filter(|mask| mask.len() <= MASK_CHARS_MAX);
        self.mask = mask.unwrap_or_default();
        (has_mask && self.mask.is_empty()).then(|| {
            "Only a part of the image was drawn anew. The mask that showed it is not here; paint it again."
                .to_owned()
        })
    }

    /// The same image once more, as large as can be asked for up to twice as wide and high, little of it drawn anew.
    pub(crate) fn upscaled(self, image: &ImageView) -> Self {
        let size = (image.width_pixels, image.height_pixels);
        let (width, height) = upscaled_size(size).unwrap_or(size);
        let (source, strength) = (image.id.clone(), ImageSource::usual_strength(false, true));
        // Of fewer steps the strength would leave none.
        let steps_min = (1.0 / strength).ceil() as u32;
        let steps = match self.steps.trim().parse::<u32>() {
            Ok(steps) => steps.max(steps_min).to_string(),
            Err(_) => self.steps.clone(),
        };
        let (strength, size) = (strength.to_string(), format!("{width}x{height}"));
        Self { source, strength, steps, size, count: "1".to_owned(), ..self }
    }

    /// Offers the size that is wanted and chooses it, and puts a model that is not there away; tells the model's name then.
    pub(crate) fn settle(&mut self, sizes: &mut Vec<Sizes>, models: &[ImageModelEntry]) -> Option<String> {
        // What cannot be read, or is one too many, stays as it was typed.
        if let Ok(Some((width, height))) = self.sides() {
            self.other_size.clear();
            let value = format!("{width}x{height}");
            let mut choices = sizes.iter_mut().flat_map(|group| &mut group.choices);
            match choices.find(|choice| choice.value == value) {
                Some(choice) => choice.is_chosen = true,
                None => {
                    let choice = Choice { value, label: format!("{width} × {height}"), is_chosen: true };
                    sizes.insert(0, Sizes { label: String::new(), choices: vec![choice] });
                }
            }
        }
        let is_there = self.model.is_empty() || models.iter().any(|entry| entry.name == self.model);
        if is_there { None } else { Some(std::mem::take(&mut self.model)) }
    }

    /// Whether anything is said that stands under "More settings".
    pub(crate) fn is_detailed(&self) -> bool {
        let folded = [
            &self.negative_prompt,
            &self.other_size,
            &self.steps,
            &self.guidance,
            &self.sampler,
            &self.spacing,
            &self.seed,
            &self.clip_skip,
        ];
        folded.into_iter().any(|value| !value.trim().is_empty())
    }

    /// Ways to take steps.
    pub(crate) fn samplers(&self) -> Vec<Choice> {
        choices(&SAMPLERS, &self.sampler)
    }

    /// Ways to space noise levels.
    pub(crate) fn spacings(&self) -> Vec<Choice> {
        choices(&SPACINGS, &self.spacing)
    }
}

/// Sizes that suit a model whose images have sides of `side_pixels`; 0 when that is not known. As the sides of SDXL's
/// own list are, they are cut to multiples, so that no image has more pixels than the square.
pub(crate) fn sizes(side_pixels: u32) -> Vec<Sizes> {
    let sides = if side_pixels == 0 { SIDES_PIXELS.to_vec() } else { vec![side_pixels] };
    let is_known = side_pixels != 0;
    let groups = sides.into_iter().map(|side| Sizes {
        label: if is_known { String::new() } else { format!("For models of {side} pixels") },
        choices: SHAPES.iter().filter_map(|shape| sized(side, shape)).collect(),
    });
    groups.collect()
}

/// A shape; `None` when one of its sides is shorter than anything that is drawn.
fn sized(side: u32, (label, width, height): &(&str, f64, f64)) -> Option<Choice> {
    let cut = |ratio: f64| {
        let pixels = (f64::from(side) * ratio.sqrt()) as u32;
        // A small model has small steps, else every shape would be the square.
        let step = (side / 8).clamp(1, SIDE_STEP_PIXELS);
        (pixels / step * step).max(step)
    };
    let (width, height) = (cut(width / height), cut(height / width));
    let value = format!("{width}x{height}");
    (width.min(height) >= IMAGE_SIDE_PIXELS_MIN).then(|| Choice {
        label: format!("{label}, {width} × {height}"),
        value,
        is_chosen: false,
    })
}

/// What people call a way to take steps, or to space noise levels.
pub(crate) fn label(value: &impl Serialize) -> String {
    let name = name(value);
    let known = SAMPLERS.iter().chain(&SPACINGS).find(|(value, _)| *value == name);
    known.map_or(name.clone(), |(_, label)| (*label).to_owned())
}

fn choices(all: &[(&str, &str)], chosen: &str) -> Vec<Choice> {
    let choice = |(value, label): &(&str, &str)| Choice {
        value: (*value).to_owned(),
        label: (*label).to_owned(),
        is_chosen: *value == chosen,
    };
    all.iter().map(choice).collect()
}

/// How a value without fields is called in JSON; empty for nothing.
fn name(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

fn named<T: DeserializeOwned>(text: &str, what: &str) -> Result<Option<T>, AppError> {
    let read = given(text).map(|name| serde_json::from_value(name.into()));
    read.transpose().map_err(|_| wrong(text, &format!("is no {what}"), "choose one from the list"))
}

fn number<T: FromStr>(text: &str, what: &str) -> Result<Option<T>, AppError> {
    let read = given(text).map(|text| text.replace(',', ".").parse());
    read.transpose().map_err(|_| wrong(text, &format!("is no {what}"), "write a number, or leave it to the model"))
}

fn nonzero(number: u32) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

/// The width and height of an image made larger, in pixels; `None` when it cannot be.
pub(crate) fn upscaled_size((width, height): (u32, u32)) -> Option<(u32, u32)> {
    let side = |pixels: u32, factor: f64| {
        (f64::from(pixels) * factor / f64::from(SIDE_STEP_PIXELS)).round() as u32 * SIDE_STEP_PIXELS
    };
    let times = |factor: f64| (side(width, factor), side(height, factor));
    let fits = |(width, height): &(u32, u32)| {
        width.max(height) <= &IMAGE_SIDE_PIXELS_MAX && u64::from(*width) * u64::from(*height) <= IMAGE_PIXELS_MAX
    };
    UPSCALES.into_iter().map(times).find(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(sizes: &[Sizes]) -> Vec<Vec<&str>> {
        sizes.iter().map(|group| group.choices.iter().map(|choice| choice.value.as_str()).collect()).collect()
    }

    #[test]
    fn sizes_suit_the_model() {
        let large = ["1024x1024", "832x1216", "1216x832", "768x1344", "1344x768"];
        let small = ["512x512", "384x576", "576x384", "384x640", "640x384"];
        assert_eq!(values(&sizes(1024)), [large]);
        assert_eq!(values(&sizes(0)), [small, large]);
        assert_eq!(values(&sizes(64)), [["64x64"]], "every other shape has a side that is too short");
        for side in [1, 8, 63, 64, 72, 96, 128, 512, 768, 1024, 2048] {
            for sized in values(&sizes(side)).concat() {
                let (width, height) = size(sized).expect("it is a size");
                assert!(width >= 64 && height >= 64, "{sized}");
            }
        }
    }

    #[test]
    fn a_variation_has_a_step_to_take() {
        for (steps, expected) in [("1", "2"), ("2", "2"), ("20", "20"), ("", ""), ("many", "many")] {
            let draft = Draft { steps: steps.into(), ..Draft::default() }.over("id");
            assert_eq!((draft.steps.as_str(), draft.strength.as_str()), (expected, "0.5"));
        }
    }

    #[test]
    fn an_image_is_made_as_large_as_fits() {
        for (size, expected) in [
            ((512, 512), Some((1024, 1024))),
            ((832, 1216), Some((1664, 2432))),
            ((64, 64), Some((128, 128))),
            ((1344, 1344), Some((2048, 2048))),
            ((1408, 1408), None),
            ((2048, 2048), None),
            ((64, 4096), None),
        ] {
            assert_eq!(upscaled_size(size), expected, "{size:?}");
        }
    }

    #[test]
    fn every_way_that_is_offered_is_known() {
        for (value, _) in SAMPLERS {
            let draft = Draft { prompt: "x".into(), sampler: value.into(), ..Draft::default() };
            assert_eq!(name(&draft.request().expect(value).sampler), value);
            assert_eq!(draft.samplers().iter().filter(|choice| choice.is_chosen).count(), 1, "{value}");
        }
        for (value, known) in SPACINGS {
            let draft = Draft { prompt: "x".into(), spacing: value.into(), ..Draft::default() };
            let request = draft.request().expect(value);
            assert_eq!((name(&request.spacing), label(&request.spacing)), (value.into(), known.into()));
        }
    }

    #[test]
    fn what_is_empty_is_the_models_own_way() {
        let empty = Draft { prompt: " a fox ".into(), ..Draft::default() };
        let expected = GenerateRequest { prompt: "a fox".into(), ..GenerateRequest::default() };
        assert_eq!(empty.request().expect("it is enough"), expected);
        let full = Draft {
            prompt: "a fox".into(),
            size: "32x16".into(),
            other_size: "32 x 16".into(),
            count: "3".into(),
            guidance: "3,5".into(),
            seed: u64::MAX.to_string(),
            source: "id".into(),
            mask: STANDARD.encode(b"PNG"),
            ..Draft::default()
        };
        let request = full.request().expect("all of it is read");
        assert_eq!((request.width_pixels, request.height_pixels), (Some(32), Some(16)));
        assert_eq!((request.count, request.guidance, request.seed), (3, Some(3.5), Some(u64::MAX)));
        let expected = (VARIATION_STRENGTH, Some(b"PNG".to_vec()));
        assert_eq!(request.source.map(|source| (source.strength, source.mask)), Some(expected));
    }

    #[test]
    fn what_says_nothing_is_refused() {
        let with = |change: fn(&mut Draft)| {
            let mut draft = Draft { prompt: "a fox".into(), ..Draft::default() };
            change(&mut draft);
            draft.request().expect_err("it says nothing").message
        };
        assert_eq!(with(|draft| draft.prompt = " \n".into()), "the prompt is empty");
        let painted = |draft: &mut Draft| (draft.source, draft.mask) = ("id".into(), "?".into());
        assert_eq!(with(painted), "what was painted cannot be read");
        assert_eq!(with(|draft| draft.steps = "many".into()), "`many` is no number of steps");
        assert_eq!(with(|draft| draft.guidance = "x".into()), "`x` is no guidance");
        assert_eq!(with(|draft| draft.count = "-1".into()), "`-1` is no number of images");
        assert_eq!(with(|draft| draft.sampler = "fast".into()), "`fast` is no sampler");
        assert_eq!(with(|draft| draft.other_size = "big".into()), "`big` is no size");
        assert_eq!(with(|draft| draft.seed = "lucky".into()), "`lucky` is no seed");
        let two = |draft: &mut Draft| (draft.size, draft.other_size) = ("64x64".into(), "32x16".into());
        assert_eq!(with(two), "two sizes are asked for, 64 × 64 and 32 × 16");
    }

    #[test]
    fn a_seed_that_other_tools_call_random_is_random() {
        let draft = Draft { prompt: "a fox".into(), seed: " -1 ".into(), ..Draft::default() };
        assert_eq!(draft.request().expect("it is read").seed, None);
    }

    #[test]
    fn there_is_one_size_and_it_is_chosen() {
        let mut offered = sizes(512);
        let mut draft = Draft { other_size: "384x576".into(), model: "gone".into(), ..Draft::default() };
        assert_eq!(draft.settle(&mut offered, &[]), Some("gone".into()));
        assert!(draft.other_size.is_empty() && draft.model.is_empty());
        assert!(offered[0].choices[1].is_chosen);
        let mut offered = sizes(512);
        let mut draft = Draft { size: "100x200".into(), ..Draft::default() };
        assert_eq!(draft.settle(&mut offered, &[]), None);
        let first = &offered[0].choices[0];
        assert_eq!((first.value.as_str(), first.label.as_str(), first.is_chosen), ("100x200", "100 × 200", true));
        for (size, other_size) in [("100x200", "200x100"), ("", "big")] {
            let mut draft = Draft { size: size.into(), other_size: other_size.into(), ..Draft::default() };
            draft.settle(&mut sizes(512), &[]);
            assert_eq!(
                (draft.size.as_str(), draft.other_size.as_str()),
                (size, other_size),
                "it is for the user to say"
            );
        }
    }

    #[test]
    fn what_an_image_was_drawn_over_comes_with_it_or_is_said_to_be_gone() {
        let start = |image: Option<&str>, mask: Option<&[u8]>, has_mask| ImageStart {
            image: image.map(str::to_owned),
            strength: 0.3,
            mask: mask.map(<[u8]>::to_vec),
            has_mask,
        };
        let large = vec![0; MASK_CHARS_MAX];
        for (start, source, has_mask, remark) in [
            (start(Some("id"), None, false), "id", false, None),
            (start(Some("id"), Some(b"PNG"), true), "id", true, None),
            (start(Some("id"), None, true), "id", false, Some("paint it again")),
            (start(Some("id"), Some(&large), true), "id", false, Some("paint it again")),
            (start(None, Some(b"PNG"), true), "", false, Some("is not here")),
        ] {
            let mut draft = Draft::default();
            let said = draft.carry(start);
            assert_eq!((draft.source.as_str(), !draft.mask.is_empty()), (source, has_mask), "{said:?}");
            assert_eq!(draft.strength, if source.is_empty() { "" } else { "0.3" });
            let as_expected = match remark {
                Some(words) => said.as_ref().is_some_and(|said| said.contains(words)),
                None => said.is_none(),
            };
            assert!(as_expected, "{said:?}");
        }
    }
}
