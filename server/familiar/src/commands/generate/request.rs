//! What is asked for, from the command line. Refuses: guessing what is not said; the model knows its own way.

use std::path::PathBuf;

use app::{GenerateRequest, ImageModelEntry, ImageSource, ImageView, SourceOf};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::commands::whole;
use crate::daemon::client::Client;
use crate::failure::{Failure, USAGE};

/// Bytes of a prompt that are read from standard input.
const PROMPT_BYTES_MAX: u64 = 64 * 1024;
const COUNT_MAX: i64 = 16;

/// The wishes.
#[derive(Debug, Args)]
pub(super) struct Wishes {
    /// What is to be seen; `-` reads it from standard input. `(word:1.3)` counts more, `[word]` less.
    prompt: String,
    /// What is not to be seen.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    negative: String,
    /// The model, by its name in `familiar models list` [default: the one in use]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Width and height in pixels [default: the model's own; with --from that of the image, unless it is far larger]
    #[arg(long, value_name = "WxH", value_parser = size)]
    size: Option<(u32, u32)>,
    /// Steps from noise to the image.
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// How far it is pushed from the negative prompt to the prompt; at 1 the negative one does nothing.
    #[arg(long, value_name = "X", value_parser = number)]
    guidance: Option<f64>,
    /// How steps are taken: euler, euler-ancestral, dpm-pp2m, dpm-pp2m-sde, ddim, pndm, uni-pc, heun or lcm.
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true)]
    sampler: Option<Sampler>,
    /// How noise levels are spaced: timesteps, karras, exponential or beta.
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true)]
    spacing: Option<Spacing>,
    /// The first image's seed; the others have the next ones. The same seed gives the same image [default: -1, a random one]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = seed)]
    seed: Option<Seed>,
    /// Images, 1 to 16.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=COUNT_MAX))]
    count: u32,
    /// Layers of the text encoder that are left out at the end.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    clip_skip: u32,
    /// Start from this image instead of noise: an image file, or the id of one in the gallery.
    #[arg(long, value_name = "FILE|ID")]
    from: Option<String>,
    /// Make it so many times as wide and high, more than 1 and up to 4, with details drawn anew.
    #[arg(long, value_name = "N", requires = "from", conflicts_with = "size", value_parser = number)]
    upscale: Option<f64>,
    /// How much of it is drawn anew, above 0 and up to 1 [default: 0.75; 0.3 with --upscale; 1 under a mask]
    #[arg(long, value_name = "X", requires = "from", value_parser = number)]
    strength: Option<f64>,
    /// Change it only where this image file of the same size is white.
    #[arg(long, value_name = "FILE", requires = "from")]
    mask: Option<PathBuf>,
}

/// A seed, or the wish for a random one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seed(Option<u64>);

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sampler {
    Euler,
    EulerAncestral,
    #[value(name = "dpm-pp2m")]
    DpmPp2m,
    #[value(name = "dpm-pp2m-sde")]
    DpmPp2mSde,
    Ddim,
    Pndm,
    UniPc,
    Heun,
    Lcm,
}

impl From<Sampler> for model::ImageSampler {
    fn from(sampler: Sampler) -> Self {
        match sampler {
            Sampler::Euler => Self::Euler,
            Sampler::EulerAncestral => Self::EulerAncestral,
            Sampler::DpmPp2m => Self::DpmPp2m,
            Sampler::DpmPp2mSde => Self::DpmPp2mSde,
            Sampler::Ddim => Self::Ddim,
            Sampler::Pndm => Self::Pndm,
            Sampler::UniPc => Self::UniPc,
            Sampler::Heun => Self::Heun,
            Sampler::Lcm => Self::Lcm,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Spacing {
    Timesteps,
    Karras,
    Exponential,
    Beta,
}

impl From<Spacing> for model::NoiseSpacing {
    fn from(spacing: Spacing) -> Self {
        match spacing {
            Spacing::Timesteps => Self::Timesteps,
            Spacing::Karras => Self::Karras,
            Spacing::Exponential => Self::Exponential,
            Spacing::Beta => Self::Beta,
        }
    }
}

impl Wishes {
    /// Images that are asked for.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// The prompt, read where it stands.
    ///
    /// # Errors
    /// When standard input cannot be read, or is longer than any prompt.
    pub(super) async fn prompt(&self) -> Result<String, Failure> {
        let mut prompt = self.prompt.clone();
        if prompt == "-" {
            prompt.clear();
            let mut input = tokio::io::stdin().take(PROMPT_BYTES_MAX + 1);
            input
                .read_to_string(&mut prompt)
                .await
                .map_err(|error| Failure::new(format!("cannot read the prompt: {error}")))?;
            if prompt.len() as u64 > PROMPT_BYTES_MAX {
                return Err(Failure::new("the prompt is too long").hint("make it shorter").code(USAGE));
            }
        }
        Ok(prompt.trim().to_owned())
    }

    /// What is asked for, checked as far as that goes without a model; nothing was sent yet.
    ///
    /// # Errors
    /// When a file cannot be read, or it cannot be asked of any model.
    pub(super) async fn request(&self, prompt: String) -> anyhow::Result<Request> {
        let mut request = GenerateRequest {
            prompt,
            negative_prompt: self.negative.clone(),
            model: self.model.clone(),
            width_pixels: self.size.map(|size| size.0),
            height_pixels: self.size.map(|size| size.1),
            steps: self.steps,
            guidance: self.guidance,
            sampler: self.sampler.map(Into::into),
            spacing: self.spacing.map(Into::into),
            seed: self.seed.and_then(|seed| seed.0),
            upscale: self.upscale,
            count: self.count,
            clip_skip: self.clip_skip,
            previews: false,
            ..GenerateRequest::default()
        };
        if let Some(from) = &self.from {
            let mask = match &self.mask {
                Some(mask) => Some(whole::image(mask).await?),
                None => None,
            };
            let image = source(from).await?;
            if let SourceOf::File(image) = &image {
                app::check_source(image, mask.as_deref())?;
            }
            let usual = || ImageSource::usual_strength(mask.is_some(), self.upscale.is_some());
            let strength = self.strength.unwrap_or_else(usual);
            request.source = Some(ImageSource { image, strength, mask });
        }
        request.check()?;
        Ok(Request(request))
    }
}

/// A request that was checked.
pub(super) struct Request(GenerateRequest);

impl Request {
    /// The request as the daemon reads it; a file to start from is brought to it first, unless the model is not there.
    ///
    /// # Errors
    /// When the daemon does not take a file.
    pub(super) async fn body(mut self, client: &Client) -> anyhow::Result<Value> {
        let source = self.0.source.take();
        let mut body = serde_json::to_value(&self.0)?;
        if let Some(ImageSource { image, strength, mask }) = source {
            let image = match image {
                SourceOf::Image(id) => id,
                SourceOf::File(file) => {
                    known_model(client, self.0.model.as_deref()).await?;
                    client.post_file::<ImageView>("/api/v1/images/import", "image/png", file).await?.id
                }
            };
            let mask = mask.map(|mask| STANDARD.encode(mask));
            body["source"] = json!({ "image": image, "strength": strength, "mask": mask });
        }
        Ok(body)
    }
}

/// The image models as the daemon lists them.
#[derive(Deserialize)]
struct ImageModels {
    models: Vec<ImageModelEntry>,
}

/// Whether the daemon will find the model, before it is sent anything that stays.
async fn known_model(client: &Client, name: Option<&str>) -> anyhow::Result<()> {
    let ImageModels { models } = client.get("/api/v1/images/models").await?;
    if models.iter().any(|entry| name.map_or(entry.current, |name| entry.name == name)) {
        return Ok(());
    }
    let (message, hint) = match name {
        Some(name) => (format!("there is no image model named `{name}`"), "see `familiar models list`"),
        None => ("there is no image model".to_owned(), "`familiar models recommend` shows which can be had"),
    };
    Err(Failure::new(message).hint(hint).into())
}

/// What is drawn over: the image of the gallery that is named, or a file.
async fn source(from: &str) -> Result<SourceOf, Failure> {
    let path = PathBuf::from(from);
    if path.exists() || from.contains(['.', '/']) {
        return Ok(SourceOf::File(whole::image(&path).await.map_err(|failure| failure.code(USAGE))?));
    }
    Ok(SourceOf::Image(from.to_owned()))
}

/// A whole number, or -1 as other tools write a random one.
fn seed(text: &str) -> Result<Seed, String> {
    match text.trim() {
        "-1" => Ok(Seed(None)),
        text => text
            .parse()
            .map(|seed| Seed(Some(seed)))
            .map_err(|_| "write a whole number from 0 on, or -1 for a random one".to_owned()),
    }
}

/// A number that is one: what is none has no form in which the daemon could be told it.
fn number(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
        .ok_or_else(|| "write a number, such as 7.5".to_owned())
}

/// `768x512` as numbers.
fn size(text: &str) -> Result<(u32, u32), String> {
    let sides =
        text.split_once(['x', 'X', '×']).map(|(width, height)| (width.trim().parse(), height.trim().parse()));
    match sides {
        Some((Ok(width), Ok(height))) => Ok((width, height)),
        _ => Err("write width and height in pixels, such as 768x512".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, expected) in [
            ("768x512", Some((768, 512))),
            ("768 X 512", Some((768, 512))),
            ("1024×1024", Some((1024, 1024))),
            ("768", None),
            ("x", None),
            ("-1x5", None),
        ] {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
    }
    #[test]
    fn a_seed_is_a_number_or_random() {
        for (text, expected) in [
            ("7", Some(Seed(Some(7)))),
            ("18446744073709551615", Some(Seed(Some(u64::MAX)))),
            ("-1", Some(Seed(None))),
            ("-2", None),
            ("1.5", None),
            ("lucky", None),
        ] {
            assert_eq!(seed(text).ok(), expected, "{text}");
        }
    }
}
