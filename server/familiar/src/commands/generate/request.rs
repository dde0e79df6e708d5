//! What is asked for, from the command line. Refuses: guessing what is not said; the model knows its own way.

use std::path::{Path, PathBuf};

use app::{GenerateRequest, ImageView};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::daemon::client::Client;
use crate::failure::{Failure, USAGE};

/// Bytes of a prompt that are read from standard input.
const PROMPT_BYTES_MAX: u64 = 64 * 1024;
/// How much of an image is drawn anew when nothing else is said.
const STRENGTH_DEFAULT: f64 = 0.75;
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
    /// Width and height in pixels.
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
    /// The first image's seed; the others have the next ones. The same seed gives the same image.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Images, 1 to 16.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=COUNT_MAX))]
    count: u32,
    /// Layers of the text encoder that are left out at the end.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    clip_skip: u32,
    /// Start from this image instead of noise: a PNG file, or the id of one in the gallery.
    #[arg(long, value_name = "FILE|ID")]
    from: Option<String>,
    /// How much of it is drawn anew, above 0 and up to 1 [default: 0.75, and 1 under a mask]
    #[arg(long, value_name = "X", requires = "from", value_parser = number)]
    strength: Option<f64>,
    /// Change it only where this PNG file of the same size is white.
    #[arg(long, value_name = "FILE", requires = "from")]
    mask: Option<PathBuf>,
}

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

    /// The request as the daemon reads it; a file to start from is brought to it first.
    ///
    /// # Errors
    /// When a file cannot be read, or the daemon does not take it.
    pub(super) async fn body(&self, client: &Client, prompt: String) -> anyhow::Result<Value> {
        let request = GenerateRequest {
            prompt,
            negative_prompt: self.negative.clone(),
            model: self.model.clone(),
            width_pixels: self.size.map(|size| size.0),
            height_pixels: self.size.map(|size| size.1),
            steps: self.steps,
            guidance: self.guidance,
            sampler: self.sampler.map(Into::into),
            spacing: self.spacing.map(Into::into),
            seed: self.seed,
            count: self.count,
            clip_skip: self.clip_skip,
            previews: false,
            ..GenerateRequest::default()
        };
        let mut body = serde_json::to_value(&request)?;
        if let Some(from) = &self.from {
            let mask = match &self.mask {
                Some(mask) => Some(STANDARD.encode(file(mask).await?)),
                None => None,
            };
            let image = brought(client, from).await?;
            let strength = self.strength.unwrap_or(if mask.is_some() { 1.0 } else { STRENGTH_DEFAULT });
            body["source"] = json!({ "image": image, "strength": strength, "mask": mask });
        }
        Ok(body)
    }
}

/// The id of an image of the gallery: that which is named, or that of a file that is brought there.
async fn brought(client: &Client, from: &str) -> anyhow::Result<String> {
    let path = PathBuf::from(from);
    if !path.is_file() {
        if from.contains(['.', '/']) {
            return Err(Failure::new(format!("there is no file {from}")).code(USAGE).into());
        }
        return Ok(from.to_owned());
    }
    let image: ImageView = client.post_file("/api/v1/images/import", "image/png", file(&path).await?).await?;
    Ok(image.id)
}

async fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    tokio::fs::read(path).await.map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))
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
}
