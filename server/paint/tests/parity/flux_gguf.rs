//! FLUX from GGUF files in the original layout against the same numbers under the names of diffusers.
//!
//! Refuses: to judge what quantising does to a picture. A quantised denoiser is compared with its own numbers unpacked.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use candle_core::quantized::{GgmlDType, QTensor, gguf_file};
use candle_core::{DType, Device, Tensor};
use paint::flux::{FluxConfig, FluxText, FluxTransformer, GgufFile};
use paint::weights::{TensorSource, Weights};
use paint::{PaintError, Stop};
use tiny::made_up;

use crate::models::tensor;
use crate::references::error;

const CONFIG: &str = r#"{"in_channels": 16, "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 128,
    "num_attention_heads": 2, "joint_attention_dim": 64, "pooled_projection_dim": 32, "guidance_embeds": true}"#;

/// Width of the model: one block of the kinds that have 256 numbers in a block.
const WIDTH: usize = 256;

/// Made-up numbers under the names of diffusers.
struct Plain;

impl TensorSource for Plain {
    fn place(&self) -> String {
        "made up".to_owned()
    }

    fn names(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }

    fn has(&self, _name: &str) -> bool {
        true
    }

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, PaintError> {
        Ok(made_up("gguf", name, shape))
    }
}

/// A file whose numbers are unpacked when they are read.
struct Unpacked(GgufFile);

impl TensorSource for Unpacked {
    fn place(&self) -> String {
        self.0.place()
    }

    fn names(&self) -> BTreeSet<String> {
        self.0.names()
    }

    fn has(&self, name: &str) -> bool {
        self.0.has(name)
    }

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, PaintError> {
        self.0.read(name, shape)
    }
}

fn made(name: &str, shape: &[usize]) -> Tensor {
    Tensor::from_vec(made_up("gguf", name, shape), shape, &Device::Cpu).expect("it fits")
}

/// Tensors of the original layout, from those of diffusers that stand side by side in them.
pub(crate) fn original() -> Vec<(String, Tensor)> {
    let mut tensors = Vec::new();
    let mut layer = |from: &str, to: &[&str], outputs: &[usize], inputs: usize| {
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for (name, outputs) in to.iter().zip(outputs) {
            weights.push(made(&format!("{name}.weight"), &[*outputs, inputs]));
            biases.push(made(&format!("{name}.bias"), &[*outputs]));
        }
        tensors.push((format!("{from}.weight"), Tensor::cat(&weights, 0).expect("they fit")));
        tensors.push((format!("{from}.bias"), Tensor::cat(&biases, 0).expect("they fit")));
    };
    let embed = "time_text_embed";
    for (from, to, inputs) in [
        ("time_in", "timestep_embedder", 256),
        ("guidance_in", "guidance_embedder", 256),
        ("vector_in", "text_embedder", 32),
    ] {
        layer(&format!("{from}.in_layer"), &[&format!("{embed}.{to}.linear_1")], &[WIDTH], inputs);
        layer(&format!("{from}.out_layer"), &[&format!("{embed}.{to}.linear_2")], &[WIDTH], WIDTH);
    }
    layer("img_in", &["x_embedder"], &[WIDTH], 16);
    layer("txt_in", &["context_embedder"], &[WIDTH], 64);
    layer("final_layer.linear", &["proj_out"], &[16], WIDTH);
    let block = "transformer_blocks.0";
    let three = [WIDTH; 3];
    for (kind, norm, parts, out, feed) in [
        ("img", "norm1", ["to_q", "to_k", "to_v"], "to_out.0", "ff"),
        ("txt", "norm1_context", ["add_q_proj", "add_k_proj", "add_v_proj"], "to_add_out", "ff_context"),
    ] {
        let from = |name: &str| format!("double_blocks.0.{kind}_{name}");
        let parts = parts.map(|part| format!("{block}.attn.{part}"));
        layer(&from("mod.lin"), &[&format!("{block}.{norm}.linear")], &[6 * WIDTH], WIDTH);
        layer(&from("attn.qkv"), &[&parts[0], &parts[1], &parts[2]], &three, WIDTH);
        layer(&from("attn.proj"), &[&format!("{block}.attn.{out}")], &[WIDTH], WIDTH);
        layer(&from("mlp.0"), &[&format!("{block}.{feed}.net.0.proj")], &[4 * WIDTH], WIDTH);
        layer(&from("mlp.2"), &[&format!("{block}.{feed}.net.2")], &[WIDTH], 4 * WIDTH);
    }
    let (from, block) = ("single_blocks.0", "single_transformer_blocks.0");
    let parts = ["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"].map(|part| format!("{block}.{part}"));
    layer(&format!("{from}.modulation.lin"), &[&format!("{block}.norm.linear")], &[3 * WIDTH], WIDTH);
    layer(
        &format!("{from}.linear1"),
        &[&parts[0], &parts[1], &parts[2], &parts[3]],
        &[WIDTH, WIDTH, WIDTH, 4 * WIDTH],
        WIDTH,
    );
    layer(&format!("{from}.linear2"), &[&format!("{block}.proj_out")], &[WIDTH], 5 * WIDTH);
    for (from, to) in [
        ("double_blocks.0.img_attn.norm.query_norm", "transformer_blocks.0.attn.norm_q"),
        ("double_blocks.0.img_attn.norm.key_norm", "transformer_blocks.0.attn.norm_k"),
        ("double_blocks.0.txt_attn.norm.query_norm", "transformer_blocks.0.attn.norm_added_q"),
        ("double_blocks.0.txt_attn.norm.key_norm", "transformer_blocks.0.attn.norm_added_k"),
        ("single_blocks.0.norm.query_norm", "single_transformer_blocks.0.attn.norm_q"),
        ("single_blocks.0.norm.key_norm", "single_transformer_blocks.0.attn.norm_k"),
    ] {
        tensors.push((format!("{from}.scale"), made(&format!("{to}.weight"), &[128])));
    }
    for end in ["weight", "bias"] {
        let shape = if end == "weight" { vec![2 * WIDTH, WIDTH] } else { vec![2 * WIDTH] };
        let parts = made(&format!("norm_out.linear.{end}"), &shape).chunk(2, 0).expect("two halves");
        let swapped = Tensor::cat(&[&parts[1], &parts[0]], 0).expect("they fit");
        tensors.push((format!("final_layer.adaLN_modulation.1.{end}"), swapped));
    }
    tensors
}

/// Writes a file; matrices whose rows are whole blocks are of this kind, and the rest is plain.
pub(crate) fn write(path: &Path, kind: GgmlDType, tensors: &[(String, Tensor)]) {
    let quantised: Vec<(&str, QTensor)> = tensors
        .iter()
        .map(|(name, tensor)| {
            let fits = tensor.rank() == 2 && tensor.dim(1).expect("two axes").is_multiple_of(kind.block_size());
            let kind = if fits { kind } else { GgmlDType::F32 };
            (name.as_str(), QTensor::quantize(tensor, kind).expect("it is quantised"))
        })
        .collect();
    let quantised: Vec<(&str, &QTensor)> = quantised.iter().map(|(name, tensor)| (*name, tensor)).collect();
    gguf_file::write(&mut File::create(path).expect("a file"), &[], &quantised).expect("written");
}

fn output(source: impl TensorSource + 'static) -> Vec<f32> {
    let weights = Weights::new(source, &Device::Cpu, DType::F32);
    let model = FluxTransformer::load(&FluxConfig::parse(CONFIG).expect("keys"), &weights).expect("a denoiser");
    let text = FluxText { tokens: tensor("gguf text", &[1, 7, 64]), pooled: tensor("gguf pooled", &[1, 32]) };
    let output =
        model.forward(&tensor("gguf latents", &[1, 4, 8, 6]), 0.5, 3.5, &text, Stop::NEVER).expect("an output");
    output.flatten_all().and_then(|output| output.to_vec1()).expect("numbers")
}

#[test]
fn files_of_every_kind_give_what_their_numbers_give() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flux.gguf");
    let (tensors, plain) = (original(), output(Plain));
    // What multiplies a quantised matrix is rounded to eight bits, block by block.
    for (kind, bar) in [
        (GgmlDType::F32, 1e-5),
        (GgmlDType::Q8_0, 2e-2),
        (GgmlDType::Q4_0, 2e-2),
        (GgmlDType::Q4K, 2e-2),
        (GgmlDType::Q6K, 2e-2),
    ] {
        write(&path, kind, &tensors);
        let got = output(GgufFile::open(&path).unwrap());
        let unpacked = output(Unpacked(GgufFile::open(&path).unwrap()));
        let (of_kind, of_numbers) = (error(&got, &unpacked), error(&got, &plain));
        println!("{kind:?}: {of_kind:.2e} from its numbers, {of_numbers:.2e} from those before quantising");
        assert!(of_kind <= bar, "{kind:?}");
        assert!(kind != GgmlDType::F32 || of_numbers <= bar, "the names");
    }
}

#[test]
fn damaged_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flux.gguf");
    let tensors = original();
    let load = || -> Result<FluxTransformer, PaintError> {
        let weights = Weights::new(GgufFile::open(&path)?, &Device::Cpu, DType::F32);
        FluxTransformer::load(&FluxConfig::parse(CONFIG).expect("keys"), &weights)
    };
    let refused = |said: &str| match load() {
        Err(error @ PaintError::BadModel { .. }) => assert!(error.to_string().contains(said), "{said}: {error}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken; {said} is wrong"),
    };
    write(&path, GgmlDType::Q8_0, &tensors);
    let sound = fs::read(&path).unwrap();
    assert!(load().is_ok());
    for (bytes, said) in [
        (&sound[..sound.len() / 2], "no part of the file"),
        (&sound[..100], "header"),
        (b"GGUF".as_slice(), "header"),
        (b"no GGUF file at all".as_slice(), "header"),
    ] {
        fs::write(&path, bytes).unwrap();
        refused(said);
    }
    write(&path, GgmlDType::Q8_0, &tensors[1..]);
    refused("linear_1.weight");
    let mut more = tensors.clone();
    more.push(("model.odd.weight".to_owned(), made("odd", &[2, 32])));
    write(&path, GgmlDType::Q8_0, &more);
    refused("model.odd.weight");
    let mut narrow = tensors.clone();
    narrow.retain(|(name, _)| name != "single_blocks.0.linear2.weight");
    narrow.push(("single_blocks.0.linear2.weight".to_owned(), made("odd", &[WIDTH, WIDTH])));
    write(&path, GgmlDType::Q8_0, &narrow);
    refused("has the shape");
    // An alignment of zero, which the tensor library divides by.
    let alignment = gguf_file::Value::U32(0);
    let one = QTensor::quantize(&made("odd", &[2, 32]), GgmlDType::F32).unwrap();
    let mut file = File::create(&path).unwrap();
    gguf_file::write(&mut file, &[("general.alignment", &alignment)], &[("img_in.weight", &one)]).unwrap();
    refused("header");
}
