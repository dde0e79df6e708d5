//! A Stable Diffusion in one file under its original names against the same numbers in diffusers' folders.
//!
//! Refuses: names of its own. Which layer is which was read off the reference's own conversion.

use std::fs;
use std::path::Path;

use paint::Stop;
use paint::pipeline::{Pipeline, weight_bytes};
use serde_json::Value;

use crate::folders::{Made, folder, open, read, refused, write};
use crate::loras::{add, files, forward};
use crate::models::tensor;
use crate::references::described;

const FILE: &str = "tiny.safetensors";
const UNET: &str = "model.diffusion_model.";
const VAE: &str = "first_stage_model.";
const TEXT_1: &str = "cond_stage_model.transformer.text_model.";
const TEXT_2: &str = "cond_stage_model.model.";
const TEXT_XL: &str = "conditioner.embedders.0.transformer.text_model.";
const SECOND_TEXT: &str = "conditioner.embedders.1.model.";

/// Tensors of a part of a folder.
fn part(folder: &Path, part: &str) -> Vec<Made> {
    let weights = fs::read_dir(folder.join(part)).expect("a part").map(|entry| entry.expect("an entry").path());
    let mut weights = weights.filter(|path| path.extension().is_some_and(|end| end == "safetensors"));
    read(&weights.next().expect("it has weights"))
}

/// The tensors of a part under the names of the original, in the shapes that they have there.
fn renamed(tensors: &[Made], reference: &str, begin: &str) -> Vec<Made> {
    let layers = described("checkpoints", reference)["layers"].clone();
    let mut original = Vec::new();
    for (layer, names) in layers.as_object().expect("layers") {
        let names: Vec<&str> = match names {
            Value::Array(names) => names.iter().map(|name| name.as_str().expect("a name")).collect(),
            one => vec![one.as_str().expect("a name")],
        };
        for end in ["", ".weight", ".bias"] {
            let of = |name: &&str| {
                // Folders of other ages have no `text_model`.
                let whole = format!("{name}{end}");
                let short = whole.trim_start_matches("text_model.");
                tensors.iter().find(|made| made.0 == whole || made.0 == short)
            };
            let Some(parts) = names.iter().map(of).collect::<Option<Vec<_>>>() else { continue };
            let (_, mut shape, _) = parts[0].clone();
            let mut numbers: Vec<f32> = parts.iter().flat_map(|made| made.2.iter().copied()).collect();
            shape[0] *= parts.len();
            if begin == VAE && layer.contains("attn") && shape.len() == 2 {
                shape.extend([1, 1]);
            }
            if layer == "text_projection" {
                let (rows, columns) = (shape[0], shape[1]);
                numbers = (0..rows * columns).map(|at| numbers[at % rows * columns + at / rows]).collect();
                shape.reverse();
            }
            original.push((format!("{begin}{layer}{end}"), shape, numbers));
        }
    }
    original
}

/// Tensors of the text encoder that have the names of diffusers behind a beginning.
fn behind(tensors: &[Made], begin: &str) -> Vec<Made> {
    tensors
        .iter()
        .map(|(name, shape, numbers)| (format!("{begin}{name}"), shape.clone(), numbers.clone()))
        .collect()
}

/// All parts of a folder in one list: `1` and `2` are the two versions that have one text encoder.
fn checkpoint(folder: &Path, version: &str) -> Vec<Made> {
    let family = if version == "xl" { "unet-xl" } else { "unet-sd" };
    let mut tensors = renamed(&part(folder, "unet"), family, UNET);
    tensors.extend(renamed(&part(folder, "vae"), "vae", VAE));
    let text = part(folder, "text_encoder");
    let beside: &[&str] = match version {
        "1" => {
            tensors.extend(behind(&text, TEXT_1));
            &["embeddings.position_ids"]
        }
        "2" => {
            tensors.extend(renamed(&text, "clip-exact", TEXT_2));
            // The encoder has three layers; the one behind them is not read.
            &[
                "text_projection",
                "logit_scale",
                "transformer.resblocks.3.ln_1.weight",
                "transformer.resblocks.3.attn.in_proj_bias",
            ]
        }
        _ => {
            tensors.extend(behind(&text, TEXT_XL));
            tensors.extend(renamed(&part(folder, "text_encoder_2"), "clip-exact", SECOND_TEXT));
            &["logit_scale"]
        }
    };
    let begin = match version {
        "1" => TEXT_1,
        "2" => TEXT_2,
        _ => SECOND_TEXT,
    };
    let more =
        ["model_ema.decay", "model_ema.diffusion_modelconv_in", "alphas_cumprod", "sqrt_one_minus_alphas_cumprod"];
    let beside = beside.iter().map(|name| format!("{begin}{name}")).chain(more.map(str::to_owned));
    tensors.extend(beside.map(|name| (name, vec![2], vec![1.0, f32::NAN])));
    tensors
}

/// Takes the weights out of the parts of a folder.
fn clear(folder: &Path) {
    for part in ["unet", "vae", "text_encoder", "text_encoder_2"].map(|part| folder.join(part)) {
        for entry in fs::read_dir(part).into_iter().flatten().map(|entry| entry.expect("an entry").path()) {
            if entry.extension().is_some_and(|end| end == "safetensors") {
                fs::remove_file(entry).expect("removed");
            }
        }
    }
}

/// Numbers that every tensor of a pipeline has a part in.
fn seen(pipeline: &Pipeline) -> Vec<Vec<f32>> {
    let (mean, logarithm) =
        pipeline.vae.encode(&tensor("vae image", &[1, 3, 16, 12]), Stop::NEVER).expect("a latent");
    let decoded = pipeline.vae.decode(&tensor("vae latents", &[1, 4, 8, 6]), Stop::NEVER).expect("an image");
    let numbers = |x: candle_core::Tensor| x.flatten_all().and_then(|x| x.to_vec1()).expect("numbers");
    vec![forward(pipeline), numbers(mean), numbers(logarithm), numbers(decoded)]
}

#[test]
fn one_file_makes_what_the_folders_of_its_parts_make() {
    for version in ["1", "2", "xl"] {
        let family = if version == "xl" { "xl" } else { "sd" };
        let folder = folder(family);
        let place = folder.path();
        let (plain, bytes) = (seen(&open(place).unwrap()), weight_bytes(place).unwrap());
        let loras = files(family, "kohya");
        add(place, &loras, &[0.8, -0.5]);
        let changed = seen(&open(place).unwrap());
        fs::remove_file(place.join("loras.json")).unwrap();
        let tensors = checkpoint(place, version);
        clear(place);
        refused(place, &["text_encoder", "there is no"]);
        write(&place.join(FILE), &tensors);
        let one = open(place).unwrap();
        assert_eq!(seen(&one), plain, "{version}");
        assert_eq!((one.weight_bytes, weight_bytes(place).unwrap()), (bytes, bytes), "{version}");
        add(place, &loras, &[0.8, -0.5]);
        let both = seen(&open(place).unwrap());
        assert_eq!(both, changed, "{version}: with LoRAs");
        assert_ne!(both[0], plain[0]);
    }
}

#[test]
fn what_does_not_belong_or_is_missing_is_named() {
    for version in ["1", "2", "xl"] {
        let folder = folder(if version == "xl" { "xl" } else { "sd" });
        let place = folder.path();
        let sound = checkpoint(place, version);
        clear(place);
        let more = |name: &str, said: &[&str]| {
            let mut tensors = sound.clone();
            tensors.push((name.to_owned(), vec![1], vec![1.0]));
            write(&place.join(FILE), &tensors);
            refused(place, &[said, &[FILE]].concat());
        };
        for name in [
            "odd.weight",
            "model.diffusion_model.input_blocks.1.0.odd.weight",
            "model.diffusion_model.input_blocks.99.0.in_layers.0.weight",
            "first_stage_model.decoder.up.9.block.0.conv1.weight",
            "first_stage_model.loss.logvar",
            "model.alphas_cumprod",
        ] {
            more(name, &["belongs to no part", name]);
        }
        more("model.diffusion_model.middle_block.1.odd.weight", &["mid_block.attentions.0.odd.weight", "(unet)"]);
        let other = if version == "xl" {
            "cond_stage_model.model.ln_final.bias"
        } else {
            "conditioner.embedders.1.model.ln_final.bias"
        };
        more(other, &["belongs to no part", other]);
        match version {
            "1" => {
                more(
                    "cond_stage_model.transformer.text_model.odd.weight",
                    &["text_model.odd.weight", "(text_encoder)"],
                );
                // Both ways of having a text encoder at once.
                more(
                    "cond_stage_model.model.ln_final.bias",
                    &["are the same tensor", "text_model.final_layer_norm.bias"],
                );
            }
            "2" => {
                let next = "cond_stage_model.model.transformer.resblocks.4.ln_1.weight";
                more(next, &["belongs to no part", next]);
            }
            _ => {
                let next = "conditioner.embedders.1.model.transformer.resblocks.3.ln_1.weight";
                more(next, &["belongs to no part", next]);
            }
        }
        let missing = |name: &str, said: &str| {
            let mut tensors = sound.clone();
            tensors.retain(|made| made.0 != name);
            assert_eq!(tensors.len() + 1, sound.len(), "{name}");
            write(&place.join(FILE), &tensors);
            refused(place, &["missing", said, FILE]);
        };
        missing("first_stage_model.decoder.up.1.block.0.conv1.bias", "decoder.up_blocks.0.resnets.0.conv1.bias");
        missing("model.diffusion_model.out.2.weight", "conv_out.weight");
        let reshaped = |name: &str, to: &dyn Fn(&[usize]) -> Vec<usize>| {
            let mut tensors = sound.clone();
            let (_, shape, numbers) = tensors.iter_mut().find(|made| made.0 == name).expect("it is there");
            *shape = to(shape);
            numbers.resize(shape.iter().product(), 1.0);
            write(&place.join(FILE), &tensors);
            refused(place, &["has the shape", name, FILE]);
        };
        reshaped("first_stage_model.encoder.mid.attn_1.q.weight", &|shape| vec![shape[0], shape[1], 1, 2]);
        reshaped("model.diffusion_model.input_blocks.0.0.weight", &|shape| shape[..2].to_vec());
        if version == "xl" {
            reshaped("conditioner.embedders.1.model.text_projection", &|shape| vec![shape[1], shape[0]]);
            reshaped("conditioner.embedders.1.model.transformer.resblocks.0.attn.in_proj_weight", &|shape| {
                vec![shape[0] + 3, shape[1]]
            });
        }
        write(&place.join(FILE), &sound);
        let bytes = fs::read(place.join(FILE)).unwrap();
        fs::write(place.join(FILE), &bytes[..bytes.len() - 1]).unwrap();
        refused(place, &["no part of the file", FILE]);
        fs::write(place.join(FILE), bytes).unwrap();
        assert!(open(place).is_ok(), "it was restored");
    }
}

#[test]
fn files_that_leave_a_choice_are_refused() {
    let (folder, whole) = (folder("sd"), folder("sd"));
    let place = folder.path();
    let tensors = checkpoint(place, "1");
    write(&place.join(FILE), &tensors);
    let unet = place.join("unet/diffusion_pytorch_model.safetensors");
    let weights = fs::read(&unet).unwrap();
    clear(place);
    fs::write(place.join("second.safetensors"), "other").unwrap();
    refused(place, &["second.safetensors", FILE, "as well"]);
    fs::remove_file(place.join("second.safetensors")).unwrap();
    // Weights of one part mean those of all.
    fs::write(&unet, weights).unwrap();
    refused(place, &["text_encoder"]);
    fs::remove_file(&unet).unwrap();
    fs::write(place.join("unet/diffusion_pytorch_model.safetensors.index.json"), "{}").unwrap();
    refused(place, &["text_encoder"]);
    fs::remove_file(place.join("unet/diffusion_pytorch_model.safetensors.index.json")).unwrap();
    assert!(open(place).is_ok());
    // Such folders are published with files at the root as well, and those are not read.
    fs::write(whole.path().join(FILE), "other").unwrap();
    assert!(open(whole.path()).is_ok());
    // Folders of transformers are published with such files beside their parts, and they are not read.
    let flux = crate::flux::folder();
    fs::write(flux.path().join(FILE), "other").unwrap();
    assert!(open(flux.path()).is_ok());
}
