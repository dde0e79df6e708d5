//! Text encoders, denoisers and autoencoders against transformers and diffusers, with weights made of integers.

use candle_core::{Device, IndexOp, Tensor};
use paint::clip::{ClipConfig, ClipTextEncoder, before_last};
use paint::unet::{SizeCondition, UNet, UNetConfig};
use paint::vae::{Vae, VaeConfig};
use paint::{Room, Stop};
use serde_json::Value;
use tiny::Model;
use tiny::integers::numbers;

use crate::references::{References, error};

const BAR: f64 = 1e-5;

pub(crate) fn tensor(name: &str, shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    Tensor::from_vec(numbers(name, count, 1.0), shape, &Device::Cpu).expect("it fits")
}

/// The largest difference over the largest reference, which is within the bar.
pub(crate) fn off(got: &Tensor, references: &References, name: &str) -> f64 {
    let got: Vec<f32> = got.flatten_all().and_then(|flat| flat.to_vec1()).expect("numbers");
    let expected = references.numbers(name);
    let off = error(&got, &expected);
    assert!(off <= BAR, "{name}: {off:.2e}");
    off
}

#[test]
fn text_encoders_agree() {
    let references = References::open("models");
    let mut worst = 0.0f64;
    let first: Vec<u32> = [932].into_iter().chain(1..60).chain(200..216).chain([933]).collect();
    let second: Vec<u32> = [932, 5, 6, 7, 933].into_iter().chain([1; 72]).collect();
    let kept = Tensor::new(&[0u32, 1, 4, 5, 40, 76], &Device::Cpu).unwrap();
    for name in ["clip-quick", "clip-exact"] {
        let model = Model::of(name);
        let encoder = ClipTextEncoder::load(&ClipConfig::parse(&model.config).unwrap(), &model.weights).unwrap();
        model.asked_for_all();
        let encoded = encoder.encode(&[first.clone(), second.clone()]).unwrap();
        let places = |tensor: &Tensor| tensor.index_select(&kept, 1).unwrap();
        for (got, what) in [
            (places(&encoded.last), "last"),
            (places(before_last(&encoded, 1).unwrap()), "before-last"),
            (places(&encoder.normalised(&encoded, 2).unwrap()), "skipped"),
            (encoded.pooled.clone(), "pooled"),
        ] {
            worst = worst.max(off(&got, &references, &format!("{name}/{what}")));
        }
        assert!(encoder.encode(&[vec![1; 78]]).is_err() && encoder.encode(&[vec![934]]).is_err());
        assert!(before_last(&encoded, 4).is_err());
    }
    println!("text encoders: largest difference {worst:.2e}");
}

#[test]
fn denoisers_agree() {
    let references = References::open("models");
    let mut worst = 0.0f64;
    for (name, channels, width) in [("unet-sd", 4, 32), ("unet-groups", 9, 32), ("unet-xl", 4, 64)] {
        let model = Model::of(name);
        let unet = UNet::load(&UNetConfig::parse(&model.config).unwrap(), &model.weights).unwrap();
        model.asked_for_all();
        let text = tensor(&format!("{name} text"), &[2, 10, width]);
        let condition = (name == "unet-xl").then(|| SizeCondition {
            text: tensor(&format!("{name} pooled"), &[2, 24]),
            sizes: vec![[64.0, 48.0, 0.0, 0.0, 64.0, 48.0], [100.0, 90.0, 3.0, 5.0, 64.0, 48.0]],
        });
        let latents = tensor(&format!("{name} latents"), &[2, channels, 8, 6]);
        for (timestep, at) in [(1.0, "1.0"), (500.25, "500.25"), (999.0, "999.0")] {
            let got = unet.forward(&latents, timestep, &text, condition.as_ref(), Stop::NEVER).unwrap();
            worst = worst.max(off(&got, &references, &format!("{name}/{at}")));
        }
        let odd = tensor(&format!("{name} odd"), &[2, channels, 7, 5]);
        let got = unet.forward(&odd, 10.0, &text, condition.as_ref(), Stop::NEVER).unwrap();
        worst = worst.max(off(&got, &references, &format!("{name}/odd")));
        // An image of the batch does not depend on the others.
        let alone = (condition.is_none())
            .then(|| unet.forward(&latents.i(1..2).unwrap(), 999.0, &text.i(1..2).unwrap(), None, Stop::NEVER));
        if let Some(alone) = alone {
            let both = unet.forward(&latents, 999.0, &text, None, Stop::NEVER).unwrap();
            let difference = (both.i(1..2).unwrap() - alone.unwrap()).unwrap().abs().unwrap().max_all().unwrap();
            assert!(difference.to_scalar::<f32>().unwrap() <= 1e-5);
        }
    }
    println!("denoisers: largest difference {worst:.2e}");
}

#[test]
fn autoencoders_agree() {
    let references = References::open("models");
    let mut worst = 0.0f64;
    for (name, channels) in [("vae", 4), ("vae-groups", 6)] {
        let model = Model::of(name);
        let vae = Vae::load(&VaeConfig::parse(&model.config).unwrap(), &model.weights).unwrap();
        model.asked_for_all();
        let (mean, logarithm) =
            vae.encode(&tensor(&format!("{name} image"), &[2, 3, 16, 12]), Stop::NEVER).unwrap();
        let decoded = vae.decode(&tensor(&format!("{name} latents"), &[2, channels, 8, 6]), Stop::NEVER).unwrap();
        for (got, what) in [(mean, "mean"), (logarithm, "logvar"), (decoded, "decoded")] {
            worst = worst.max(off(&got, &references, &format!("{name}/{what}")));
        }
        assert!(vae.encode(&tensor("odd", &[1, 3, 15, 12]), Stop::NEVER).is_err());
    }
    println!("autoencoders: largest difference {worst:.2e}");
}

/// What is off by tiles at most, and on the mean, over the largest number. A tile is normalised by what it sees alone; with
/// made-up weights, for which every place is noise, that shows most.
const TILED_BARS: [f32; 2] = [0.2, 0.01];

/// Largest and mean difference over the largest number.
fn apart(whole: &Tensor, other: &Tensor) -> candle_core::Result<[f32; 2]> {
    let off = (whole - other)?.abs()?;
    let largest = whole.abs()?.max_all()?.to_scalar::<f32>()?;
    Ok([off.max_all()?.to_scalar::<f32>()? / largest, off.mean_all()?.to_scalar::<f32>()? / largest])
}

#[test]
fn tiled_autoencoders_are_near_the_whole_ones() {
    let short = Stop::NEVER.within(Room { image_bytes_max: 0, ..Room::AMPLE });
    for (name, channels) in [("vae", 4), ("vae-groups", 6)] {
        let model = Model::of(name);
        let vae = Vae::load(&VaeConfig::parse(&model.config).unwrap(), &model.weights).unwrap();
        let latents = tensor(&format!("{name} large latents"), &[1, channels, 112, 80]);
        let image = tensor(&format!("{name} large image"), &[1, 3, 224, 160]);
        for (what, [largest, mean]) in [
            ("decoded", [Stop::NEVER, short].map(|stop| vae.decode(&latents, stop).unwrap())),
            ("encoded", [Stop::NEVER, short].map(|stop| vae.encode(&image, stop).unwrap().0)),
        ]
        .map(|(what, [whole, tiled])| (what, apart(&whole, &tiled).unwrap()))
        {
            println!("{name}, {what} in tiles: off by {largest:.3}, on the mean {mean:.4}");
            assert!(largest > 0.0 && largest <= TILED_BARS[0] && mean <= TILED_BARS[1]);
        }
        // What fits into one tile is not cut.
        let small = tensor("small latents", &[1, channels, 64, 48]);
        let decoded = [Stop::NEVER, short].map(|stop| vae.decode(&small, stop).unwrap());
        assert_eq!(apart(&decoded[0], &decoded[1]).unwrap(), [0.0, 0.0]);
    }
}

/// A configuration with one key changed.
fn changed(name: &str, key: &str, value: Value) -> String {
    let mut config: Value = serde_json::from_str(&Model::of(name).config).expect("it is JSON");
    config[key] = value;
    config.to_string()
}

#[test]
fn configurations_that_ask_for_more_are_refused_by_key() {
    for (key, value) in [
        ("brand_new", Value::Bool(true)),
        ("class_embed_type", "timestep".into()),
        ("time_cond_proj_dim", 256.into()),
        ("down_block_types", serde_json::json!(["SimpleCrossAttnDownBlock2D", "DownBlock2D"])),
        ("block_out_channels", serde_json::json!([33, 64])),
        ("attention_head_dim", 7.into()),
        ("norm_eps", serde_json::json!(-1)),
        ("layers_per_block", serde_json::json!(1_000_000)),
        ("addition_embed_type", "text_time".into()),
    ] {
        let refused = UNetConfig::parse(&changed("unet-sd", key, value)).unwrap_err().to_string();
        assert!(refused.contains("config.json"), "{key}: {refused}");
    }
    for (key, value) in [("hidden_act", "relu".into()), ("num_attention_heads", 5.into()), ("odd", 1.into())] {
        assert!(ClipConfig::parse(&changed("clip-quick", key, value)).is_err(), "{key}");
    }
    for (key, value) in
        [("latents_mean", serde_json::json!([0.1])), ("norm_num_groups", 5.into()), ("odd", 1.into())]
    {
        assert!(VaeConfig::parse(&changed("vae", key, value)).is_err(), "{key}");
    }
}
