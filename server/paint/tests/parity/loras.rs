//! LoRAs merged into tiny models against diffusers and peft, in every naming, and what is refused with its name.
//!
//! Refuses: to take one naming for another. Each is written as whoever trains writes it, and all give the same numbers.

use std::fs;
use std::path::Path;

use candle_core::quantized::GgmlDType;
use paint::Stop;
use paint::pipeline::{Drawing, Pipeline, weight_bytes};
use serde_json::Value;
use tiny::integers::numbers;

use crate::flux_gguf;
use crate::folders::{Made, folder, open, read, refused, write};
use crate::models::tensor;
use crate::pipelines::{LATENTS_BAR, drawing, latents};
use crate::references::{References, description, error};

/// One output of text encoders and denoiser.
const FORWARD_BAR: f64 = 1e-5;

const FILES: [&str; 2] = ["first.safetensors", "second.safetensors"];
const ALPHA: f32 = 2.0;

/// The recorded layers of a family.
fn layers(family: &str) -> Vec<Value> {
    let list = description("loras");
    list.as_array().expect("a list").iter().filter(|item| item["name"] == family).cloned().collect()
}

/// Both files of a family under names of one kind: `layer` is that of diffusers and has no alpha.
pub(crate) fn files(family: &str, naming: &str) -> [Vec<Made>; 2] {
    let mut files = [Vec::new(), Vec::new()];
    for item in layers(family) {
        let text = |key: &str| item[key].as_str().map(str::to_owned);
        let shape = |key: &str| -> Vec<usize> { serde_json::from_value(item[key].clone()).expect("a shape") };
        let (down, up, file) = (shape("down"), shape("up"), item["file"].as_u64().expect("a place") as usize);
        let key = format!("{file} {}", text("layer").expect("a name"));
        let inputs: usize = down[1..].iter().product();
        let made = |end: &str, shape: &[usize], scale: f64| {
            numbers(&format!("{key} {end}"), shape.iter().product(), scale as f32)
        };
        let (narrow, mut wide) = (made("down", &down, (3.0 / inputs as f64).sqrt()), made("up", &up, 0.5));
        let name = text(naming).or_else(|| text("kohya")).expect("a name");
        let (down_end, up_end) = if naming == "layer" { ("lora_A", "lora_B") } else { ("lora_down", "lora_up") };
        if naming == "layer" {
            wide.iter_mut().for_each(|number| *number *= ALPHA / down[0] as f32);
        } else {
            files[file].push((format!("{name}.alpha"), Vec::new(), vec![ALPHA]));
        }
        files[file].push((format!("{name}.{down_end}.weight"), down, narrow));
        files[file].push((format!("{name}.{up_end}.weight"), up, wide));
    }
    files
}

/// Writes files and the list that names them with these scales.
pub(crate) fn add(folder: &Path, files: &[Vec<Made>], scales: &[f64]) {
    let place = folder.join("loras");
    fs::create_dir_all(&place).expect("a folder");
    let mut listed = Vec::new();
    for ((name, tensors), scale) in FILES.iter().zip(files).zip(scales) {
        write(&place.join(name), tensors);
        listed.push(serde_json::json!({"file": name, "scale": scale}));
    }
    fs::write(folder.join("loras.json"), Value::from(listed).to_string()).expect("written");
}

/// One output for the recorded prompt, without guidance.
pub(crate) fn forward(pipeline: &Pipeline) -> Vec<f32> {
    let drawing = Drawing { guidance: 1.0, ..drawing(pipeline) };
    let read = pipeline.denoiser.read(&drawing, Stop::NEVER).expect("it is read");
    read.outputs(&tensor("lora latents", &[1, 4, 12, 8]), 500.25, Stop::NEVER).expect("an output")
}

#[test]
fn merged_models_agree_in_every_naming() {
    let references = References::open("loras");
    for family in ["sd", "xl"] {
        let folder = folder(family);
        let bytes = weight_bytes(folder.path()).unwrap();
        let plain = forward(&open(folder.path()).unwrap());
        add(folder.path(), &files(family, "kohya"), &[0.8, -0.5]);
        let merged = open(folder.path()).unwrap();
        assert_eq!((merged.weight_bytes, weight_bytes(folder.path()).unwrap()), (bytes, bytes));
        let output = forward(&merged);
        let off = error(&output, &references.numbers(&format!("{family}/forward")));
        assert!(off <= FORWARD_BAR, "{family}: {off:.2e}");
        assert!(error(&plain, &output) > 0.1, "{family}: the LoRAs change next to nothing");
        let drawing = drawing(&merged);
        let run = error(
            &latents(&merged, &drawing, 0..2).unwrap().concat(),
            &references.numbers(&format!("{family}/latents")),
        );
        assert!(run <= LATENTS_BAR, "{family}: {run:.2e}");
        println!("LoRAs of {family}: one output {off:.2e}, a run {run:.2e}");
        for naming in ["layer", "original"] {
            add(folder.path(), &files(family, naming), &[0.8, -0.5]);
            assert_eq!(forward(&open(folder.path()).unwrap()), output, "{family}, {naming}");
        }
        add(folder.path(), &files(family, "layer"), &[0.0, 0.0]);
        assert_eq!(forward(&open(folder.path()).unwrap()), plain, "{family}: nothing of them");
        fs::write(folder.path().join("loras.json"), "[]").unwrap();
        assert_eq!(forward(&open(folder.path()).unwrap()), plain, "{family}: none of them");
    }
}

#[test]
fn files_that_do_not_fit_the_model_are_refused_by_name() {
    let sd = folder("sd");
    let place = sd.path().join("loras.json");
    fs::write(&place, r#"[{"file": "gone.safetensors", "scale": 1}]"#).unwrap();
    refused(sd.path(), &["loras/gone.safetensors"]);
    fs::write(&place, r#"[{"file": "../unet/diffusion_pytorch_model.safetensors", "scale": 1}]"#).unwrap();
    refused(sd.path(), &["loras.json", "no name"]);
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    refused(sd.path(), &["loras.json"]);
    fs::remove_dir(&place).unwrap();
    // Those of a larger model: the first name that has no place here.
    add(sd.path(), &files("xl", "kohya"), &[1.0, 1.0]);
    refused(sd.path(), &["loras/first.safetensors", "belongs to no part", "lora_te2_text_model_encoder"]);
    let text: fn(&Made) -> bool = |(name, _, _)| name.starts_with("lora_te_");
    let mut short = files("sd", "kohya");
    for (_, shape, numbers) in
        short[1].iter_mut().filter(|made| text(made) && made.0.ends_with("lora_down.weight"))
    {
        let (rank, inputs) = (shape[0], shape[1] / 2);
        *shape = vec![rank, inputs];
        numbers.truncate(rank * inputs);
    }
    add(sd.path(), &short, &[1.0, 1.0]);
    refused(sd.path(), &["loras/second.safetensors", "do not fit", "lora_te_text_model_encoder_layers_0"]);
}

/// Files of the kohya scripts and those with the dotted original names change several layers of diffusers at once.
#[test]
fn flux_takes_layers_under_their_original_names() {
    let folder = crate::flux::folder();
    let shapes: Vec<(String, Vec<usize>)> =
        read(&folder.path().join("transformer/diffusion_pytorch_model.safetensors"))
            .into_iter()
            .map(|(name, shape, _)| (name, shape))
            .collect();
    let inputs_of = |layer: &str| {
        let name = format!("{layer}.weight");
        shapes.iter().find(|made| made.0 == name).expect("it is there").1.clone()
    };
    let (double, single) = ("transformer_blocks.0.attn", "single_transformer_blocks.0");
    let joined: [(&str, &[String]); 4] = [
        ("double_blocks.0.img_attn.qkv", &["to_q", "to_k", "to_v"].map(|name| format!("{double}.{name}"))),
        ("double_blocks.0.txt_mlp.2", &["transformer_blocks.0.ff_context.net.2".to_owned()]),
        (
            "single_blocks.0.linear1",
            &["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"].map(|name| format!("{single}.{name}")),
        ),
        ("final_layer.linear", &["proj_out".to_owned()]),
    ];
    let rank = 2;
    let (mut split, mut kohya, mut dotted) = (Vec::new(), Vec::new(), Vec::new());
    for (original, layers) in joined {
        let inputs = inputs_of(&layers[0])[1];
        let down = numbers(&format!("{original} down"), rank * inputs, 0.3);
        let mut all = Vec::new();
        for layer in layers {
            let outputs = inputs_of(layer)[0];
            let up = numbers(&format!("{layer} up"), outputs * rank, 0.3);
            all.extend(&up);
            split.push((format!("transformer.{layer}.lora_A.weight"), vec![rank, inputs], down.clone()));
            split.push((format!("transformer.{layer}.lora_B.weight"), vec![outputs, rank], up));
        }
        let rows = all.len() / rank;
        let flat = original.replace('.', "_");
        kohya.push((format!("lora_unet_{flat}.lora_down.weight"), vec![rank, inputs], down.clone()));
        kohya.push((format!("lora_unet_{flat}.lora_up.weight"), vec![rows, rank], all.clone()));
        kohya.push((format!("lora_unet_{flat}.alpha"), Vec::new(), vec![rank as f32]));
        dotted.push((format!("diffusion_model.{original}.lora_A.weight"), vec![rank, inputs], down));
        dotted.push((format!("diffusion_model.{original}.lora_B.weight"), vec![rows, rank], all));
    }
    let drawn = || {
        let pipeline = open(folder.path()).expect("a pipeline");
        latents(&pipeline, &crate::flux::drawing(&pipeline, "flux-dev"), 0..1).expect("latents").concat()
    };
    let plain = drawn();
    add(folder.path(), &[split], &[1.0]);
    let expected = drawn();
    assert!(error(&plain, &expected) > 0.01, "it changes next to nothing");
    for files in [kohya.clone(), dotted] {
        add(folder.path(), &[files], &[1.0]);
        assert!(error(&drawn(), &expected) <= 1e-5);
    }
    // A layer whose rows are too few for the three that it stands for.
    let (_, shape, numbers) = &mut kohya[1];
    shape[0] -= 3;
    numbers.truncate(shape[0] * rank);
    add(folder.path(), &[kohya], &[1.0]);
    refused(folder.path(), &["loras/first.safetensors", "do not fit", "lora_unet_double_blocks_0_img_attn_qkv"]);
}

/// The names of peft hold for transformers too; what is merged is what a file with the sums has.
#[test]
fn transformers_take_them_unless_they_are_quantised() {
    let folder = crate::flux::folder();
    let layers = [
        ("text_encoder", "model", "encoder.layers.0.mlp.fc1"),
        ("transformer", "diffusion_pytorch_model", "transformer_blocks.0.attn.add_k_proj"),
        ("transformer", "diffusion_pytorch_model", "single_transformer_blocks.0.proj_out"),
    ];
    let (mut lora, mut sums) = (Vec::new(), Vec::new());
    for (part, stem, layer) in layers {
        let path = folder.path().join(part).join(format!("{stem}.safetensors"));
        let mut tensors = read(&path);
        let name = format!("{layer}.weight");
        let (_, shape, weights) = tensors.iter_mut().find(|made| made.0 == name).expect("it is there");
        let (outputs, inputs) = (shape[0], shape[1]);
        let (down, up) = (numbers(&format!("{layer} down"), inputs, 1.0), numbers(layer, outputs, 0.2));
        for (at, weight) in weights.iter_mut().enumerate() {
            *weight += 0.5 * (up[at / inputs] * down[at % inputs]);
        }
        sums.push((path, tensors));
        lora.push((format!("{part}.{layer}.lora_A.weight"), vec![1, inputs], down));
        lora.push((format!("{part}.{layer}.lora_B.weight"), vec![outputs, 1], up));
    }
    let drawn = || {
        let pipeline = open(folder.path()).expect("a pipeline");
        let drawing = crate::flux::drawing(&pipeline, "flux-dev");
        latents(&pipeline, &drawing, 0..1).expect("latents")
    };
    let plain = drawn();
    add(folder.path(), &[lora.clone()], &[0.5]);
    let merged = drawn();
    assert_ne!(merged, plain);
    let gguf = folder.path().join("transformer/flux.gguf");
    flux_gguf::write(&gguf, GgmlDType::Q8_0, &flux_gguf::original());
    refused(folder.path(), &["loras/first.safetensors", "quantised", "loras.json"]);
    assert!(weight_bytes(folder.path()).is_err());
    lora.truncate(2);
    add(folder.path(), &[lora], &[0.5]);
    assert!(weight_bytes(folder.path()).is_ok(), "its text encoder is not quantised");
    // What is merged is no matter any more; the file is of a model of another size.
    refused(folder.path(), &["transformer/flux.gguf", "x_embedder.weight"]);
    fs::remove_file(gguf).unwrap();
    fs::remove_file(folder.path().join("loras.json")).unwrap();
    // Two of them lie in one file.
    let [text, first, second] = sums.try_into().expect("three");
    let mut both = first.1;
    let name = format!("{}.weight", layers[2].2);
    let place = both.iter_mut().find(|made| made.0 == name).expect("it is there");
    *place = second.1.into_iter().find(|made| made.0 == name).expect("it is there");
    write(&text.0, &text.1);
    write(&first.0, &both);
    assert_eq!(drawn(), merged);
}
