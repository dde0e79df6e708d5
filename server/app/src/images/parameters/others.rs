//! What other tools write as JSON. Refuses: more than a best effort; a graph may be anything, and what is not found stays
//! unknown.

use serde_json::Value;

use super::{ImageParameters, ParametersForm, names};

/// Links that are followed from one node of a graph to the next.
const LINKS_MAX: usize = 16;

/// `invokeai_metadata`.
pub(super) fn invoke(json: &str) -> Option<ImageParameters> {
    let json = object(json)?;
    let model = json.get("model").and_then(|model| model.get("name").or_else(|| model.get("model_name")));
    let mut read = ImageParameters {
        form: ParametersForm::InvokeAi,
        prompt: text(&json, "positive_prompt")?,
        negative_prompt: text(&json, "negative_prompt").unwrap_or_default(),
        model: model.and_then(Value::as_str).map(str::to_owned),
        guidance: json.get("cfg_scale").and_then(Value::as_f64),
        strength: json.get("strength").and_then(Value::as_f64),
        clip_skip: number(&json, "clip_skip"),
        ..common(&json)
    };
    (read.sampler, read.spacing) = text(&json, "scheduler").map(|name| names::sampler(&name)).unwrap_or_default();
    Some(read)
}

/// `parameters` of SwarmUI.
pub(super) fn swarm(json: &str) -> Option<ImageParameters> {
    let json = object(json)?.get("sui_image_params")?.clone();
    let mut read = ImageParameters {
        form: ParametersForm::SwarmUi,
        prompt: text(&json, "prompt")?,
        negative_prompt: text(&json, "negativeprompt").unwrap_or_default(),
        model: text(&json, "model"),
        guidance: json.get("cfgscale").and_then(Value::as_f64),
        ..common(&json)
    };
    read.sampler = text(&json, "sampler").and_then(|name| names::sampler(&name).0);
    read.spacing = text(&json, "scheduler").and_then(|name| names::spacing(&name));
    Some(read)
}

/// `parameters` of Fooocus.
pub(super) fn fooocus(json: &str) -> Option<ImageParameters> {
    let json = object(json)?;
    let sides = text(&json, "resolution").unwrap_or_default().replace(['(', ')', ' '], "").replace(',', "x");
    let mut read = ImageParameters {
        form: ParametersForm::Fooocus,
        prompt: text(&json, "prompt")?,
        negative_prompt: text(&json, "negative_prompt").unwrap_or_default(),
        model: text(&json, "base_model"),
        model_hash: text(&json, "base_model_hash"),
        guidance: json.get("guidance_scale").and_then(Value::as_f64),
        clip_skip: number::<u32>(&json, "clip_skip").map(|layer| layer.saturating_sub(1)),
        ..common(&json)
    };
    read.size_pixels = super::infotext::size(&sides);
    read.sampler = text(&json, "sampler").and_then(|name| names::sampler(&name).0);
    read.spacing = text(&json, "scheduler").and_then(|name| names::spacing(&name));
    Some(read)
}

/// The graph under `prompt` of ComfyUI: the first node that samples, and what leads to it.
pub(super) fn comfy(json: &str) -> Option<ImageParameters> {
    let graph = object(json)?;
    let inputs_of = |id: &str| graph.get(id)?.get("inputs");
    let nodes = graph.as_object()?.values();
    let sampling = nodes
        .filter_map(|node| node.get("inputs"))
        .find(|inputs| ["positive", "negative", "steps"].iter().all(|key| inputs.get(key).is_some()))?;
    // Where an input leads, by the links of nodes that only pass on, until a node has `key`.
    let found = |input: &str, key: &str| {
        let mut link = sampling.get(input)?;
        for _ in 0..LINKS_MAX {
            let inputs = inputs_of(link.get(0)?.as_str()?)?;
            if let Some(value) = inputs.get(key).filter(|value| !value.is_array()) {
                return Some(value.clone());
            }
            link = inputs.get(input).or_else(|| inputs.as_object()?.values().find(|value| value.is_array()))?;
        }
        None
    };
    let words = |input| found(input, "text").and_then(|text| text.as_str().map(str::to_owned));
    let side = |key| found("latent_image", key)?.as_u64()?.try_into().ok();
    Some(ImageParameters {
        form: ParametersForm::ComfyUi,
        prompt: words("positive")?,
        negative_prompt: words("negative").unwrap_or_default(),
        model: found("model", "ckpt_name").and_then(|name| name.as_str().map(str::to_owned)),
        size_pixels: side("width").zip(side("height")),
        steps: number(sampling, "steps"),
        guidance: sampling.get("cfg").and_then(Value::as_f64),
        sampler: text(sampling, "sampler_name").and_then(|name| names::sampler(&name).0),
        spacing: text(sampling, "scheduler").and_then(|name| names::spacing(&name)),
        seed: number(sampling, "seed").or_else(|| number(sampling, "noise_seed")),
        strength: sampling.get("denoise").and_then(Value::as_f64).filter(|strength| *strength < 1.0),
        ..ImageParameters::default()
    })
}

/// What all of them call the same.
fn common(json: &Value) -> ImageParameters {
    ImageParameters {
        size_pixels: number(json, "width").zip(number(json, "height")),
        steps: number(json, "steps"),
        seed: number(json, "seed"),
        ..ImageParameters::default()
    }
}

fn object(json: &str) -> Option<Value> {
    serde_json::from_str(json).ok().filter(Value::is_object)
}

fn text(json: &Value, key: &str) -> Option<String> {
    json.get(key)?.as_str().map(str::to_owned)
}

/// A number, also one that was written as text.
fn number<N: TryFrom<u64>>(json: &Value, key: &str) -> Option<N> {
    let value = json.get(key)?;
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    N::try_from(number).ok()
}
