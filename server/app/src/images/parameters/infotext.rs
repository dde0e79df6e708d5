//! The shared form: the prompt, a line `Negative prompt:`, and a last line of `Key: value` pairs.
//!
//! A prompt may hold lines that look like either. The last line is always ours, so only a `Negative prompt:` inside of
//! the prompt is in doubt; then a pair says how many lines the prompt has. Other tools pass over a pair they do not know.
//! Refuses: a last line with fewer than three pairs, which is then a part of the prompt.

use super::{ImageParameters, ParametersForm, names};
use crate::images::settings::ImageSettings;

const NEGATIVE: &str = "Negative prompt:";
const PROMPT_LINES: &str = "Prompt lines";
/// Pairs that make a last line one of settings.
const PAIRS_MIN: usize = 3;
/// Pairs that are read; further ones are not looked at.
const PAIRS_MAX: usize = 256;

/// The text for an image.
pub(crate) fn write(settings: &ImageSettings) -> String {
    // A NUL would end the text within the file.
    let prompt = settings.prompt.replace('\0', " ");
    let negative = settings.negative_prompt.replace('\0', " ");
    let mut text = String::new();
    if !prompt.is_empty() {
        text.push_str(&prompt);
        text.push('\n');
    }
    if !negative.is_empty() {
        text.push_str(&format!("{NEGATIVE} {negative}\n"));
    }
    let pairs = pairs_of(settings, &prompt);
    let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{key}: {}", quoted(&value))).collect();
    text.push_str(&pairs.join(", "));
    text
}

fn pairs_of(settings: &ImageSettings, prompt: &str) -> Vec<(&'static str, String)> {
    let mut pairs = vec![("Steps", settings.steps.to_string())];
    pairs.extend(settings.sampler.map(|sampler| ("Sampler", names::of_sampler(sampler).to_owned())));
    pairs.extend(settings.spacing.map(|spacing| ("Schedule type", names::of_spacing(spacing).to_owned())));
    pairs.push(("CFG scale", settings.guidance.to_string()));
    pairs.push(("Seed", settings.seed.to_string()));
    pairs.push(("Size", format!("{}x{}", settings.width_pixels, settings.height_pixels)));
    if !settings.model.is_empty() {
        pairs.push(("Model", settings.model.replace('\0', " ")));
    }
    pairs.extend(settings.strength.map(|strength| ("Denoising strength", strength.to_string())));
    if settings.clip_skip > 0 {
        // These tools count the layer that is used, from the end; 1 leaves none out.
        pairs.push(("Clip skip", (u64::from(settings.clip_skip) + 1).to_string()));
    }
    pairs.push(("RNG", "CPU".to_owned()));
    if prompt.lines().any(|line| line.trim_start().starts_with(NEGATIVE)) {
        pairs.push((PROMPT_LINES, prompt.split('\n').count().to_string()));
    }
    if !settings.program.is_empty() {
        pairs.push(("Version", settings.program.replace('\0', " ")));
    }
    pairs
}

/// A value as it stands in a pair: as JSON where its end would be in doubt.
fn quoted(value: &str) -> String {
    let is_plain = !value.contains([',', ':', '\n', '"']) && value.trim() == value;
    if is_plain { value.to_owned() } else { serde_json::Value::from(value).to_string() }
}

/// What a text says; `None` when it is empty.
pub(crate) fn read(text: &str) -> Option<ImageParameters> {
    if text.trim().is_empty() {
        return None;
    }
    let text = text.trim_end();
    let (before, last) = text.rsplit_once('\n').map_or((None, text), |(before, last)| (Some(before), last));
    let pairs = pairs(last);
    let (lines, pairs): (Vec<&str>, _) = if pairs.len() >= PAIRS_MIN {
        (before.map(|before| before.split('\n').collect()).unwrap_or_default(), pairs)
    } else {
        (text.split('\n').collect(), Vec::new())
    };
    let mut read = ImageParameters { form: ParametersForm::Infotext, ..ImageParameters::default() };
    let mut prompt_lines = None;
    for (key, value) in pairs {
        if key == PROMPT_LINES {
            prompt_lines = value.parse().ok();
        } else {
            take(&mut read, key, value);
        }
    }
    let is_negative = |line: &&str| line.trim_start().starts_with(NEGATIVE);
    let at = match prompt_lines {
        Some(at) if at <= lines.len() => at,
        _ => lines.iter().position(is_negative).unwrap_or(lines.len()),
    };
    read.prompt = lines[..at].join("\n");
    let negative = lines[at..].join("\n");
    let negative = negative.trim_start();
    let negative = negative.strip_prefix(NEGATIVE).unwrap_or(negative);
    read.negative_prompt = negative.strip_prefix(' ').unwrap_or(negative).to_owned();
    Some(read)
}

fn take(read: &mut ImageParameters, key: String, value: String) {
    match key.as_str() {
        "Steps" => read.steps = value.parse().ok(),
        "Sampler" => {
            let (sampler, spacing) = names::sampler(&value);
            read.sampler = sampler;
            read.spacing = read.spacing.or(spacing);
            // A way that we cannot take ourselves is still how the image was made.
            if sampler.is_none() {
                read.others.push((key, value));
            }
        }
        "Schedule type" => read.spacing = names::spacing(&value).or(read.spacing),
        "CFG scale" => read.guidance = finite(&value),
        "Seed" => read.seed = value.parse().ok(),
        "Size" => read.size_pixels = size(&value),
        "Model" => read.model = Some(value),
        "Model hash" => read.model_hash = Some(value),
        "Denoising strength" => read.strength = finite(&value),
        "Clip skip" => read.clip_skip = value.parse::<u32>().ok().map(|layer| layer.saturating_sub(1)),
        _ => read.others.push((key, value)),
    }
}

pub(super) fn finite(value: &str) -> Option<f64> {
    value.parse().ok().filter(|number: &f64| number.is_finite())
}

pub(super) fn size(value: &str) -> Option<(u32, u32)> {
    let (width, height) = value.split_once(['x', '×'])?;
    Some((width.trim().parse().ok()?, height.trim().parse().ok()?))
}

/// The pairs of a line; none when it holds anything else.
fn pairs(line: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() && pairs.len() < PAIRS_MAX {
        let Some((key, after)) = rest.split_once(':') else { return Vec::new() };
        let is_key = |key: &str| {
            key.chars().all(|c| c.is_alphanumeric() || " _-/".contains(c))
                && key.starts_with(char::is_alphanumeric)
        };
        if !is_key(key) {
            return Vec::new();
        }
        let (value, after) = value(after.trim_start());
        pairs.push((key.to_owned(), value));
        rest = after.trim_start();
    }
    pairs
}

/// The value at the beginning of `text` and what follows its comma.
fn value(text: &str) -> (String, &str) {
    if text.starts_with('"') {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
        if let Some(Ok(value)) = values.next() {
            let after = text[values.byte_offset()..].trim_start();
            if after.is_empty() || after.starts_with(',') {
                return (value, after.strip_prefix(',').unwrap_or(after));
            }
        }
    }
    let (value, after) = text.split_once(',').unwrap_or((text, ""));
    (value.trim_end().to_owned(), after)
}
