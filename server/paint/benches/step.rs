//! One step of models of real sizes against diffusers, on the same machine, weights, inputs and threads.
//!
//! `tests/parity/step.py` makes the models, takes the reference's time and keeps what came out; here each is loaded, run
//! and compared. The first argument is its folder, the second one where `step.md` is written. Refuses: figures for
//! something else than the reference computed.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

#[path = "../../../tests/bench/table.rs"]
mod table;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use paint::flux::{FluxConfig, FluxText, FluxTransformer};
use paint::unet::{SizeCondition, UNet, UNetConfig};
use paint::vae::{Vae, VaeConfig};
use paint::weights::{SafetensorFiles, Weights};
use paint::z_image::{ZImageConfig, ZImageTransformer};
use paint::{PaintError, Stop};
use serde_json::Value;
use table::{Row, median};

const RUNS: usize = 3;
/// Seconds of ours over the reference's.
const BAR: f64 = 1.25;
/// Largest difference over the largest value; sums of thousands of numbers are rounded in another order.
const DIFFERENCE_MAX: f64 = 1e-3;
const STEM: &str = "diffusion_pytorch_model";
const MODELS: [(&str, &str, Load); 5] = [
    ("stable-diffusion", "Stable Diffusion 1.5, denoiser, 512 x 512, guided", stable_diffusion),
    ("sdxl", "SDXL, denoiser, 512 x 512", sdxl),
    ("flux", "FLUX, one block of each kind, 512 x 512", flux),
    ("z-image", "Z-Image, one block of each kind, 512 x 512", z_image),
    ("vae", "Stable Diffusion, decoder, 512 x 512", vae),
];

type Given = HashMap<String, Tensor>;
type Step = Box<dyn Fn() -> Result<Tensor, PaintError>>;
type Load = fn(&str, &Weights, Given) -> Result<Step, PaintError>;

fn main() {
    // `cargo test --benches` asks for the list of tests; a benchmark is none.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        return;
    }
    let mut paths = arguments.iter().filter(|argument| !argument.starts_with("--")).map(PathBuf::from);
    let Some(folder) = paths.next() else {
        println!("give the folder that tests/parity/step.py has written");
        return;
    };
    let mut rows = Vec::new();
    let mut reference = String::new();
    for (name, what, load) in MODELS {
        let place = folder.join(name);
        let Ok(about) = fs::read_to_string(place.join("step.json")) else { continue };
        let about: Value = serde_json::from_str(&about).expect("step.json is JSON");
        reference = about["reference"].as_str().expect("a text").to_owned();
        let (seconds, difference) = measure(&place, load);
        let theirs = about["seconds"].as_f64().expect("a number");
        let ratio = seconds / theirs;
        println!("{name}: {seconds:.3} s, reference {theirs:.3} s, ratio {ratio:.3}, difference {difference:.1e}");
        assert!(difference <= DIFFERENCE_MAX, "{name} is not what the reference computed");
        rows.push(Row {
            what,
            figure: format!("{ratio:.2} x ({seconds:.2} s, diffusers {theirs:.2} s; difference {difference:.0e})"),
            bar: "1.25 x",
            met: ratio <= BAR,
        });
    }
    let method = format!(
        "`make bench-step`: one run of each model in f32 on the CPU, with random weights of real sizes, against \
         {reference}, one after the other on this machine with as many threads; the median of {RUNS} after a first run."
    );
    if let Some(results) = paths.next() {
        table::write(&results, "step", &method, &rows).expect("the table can be written");
    }
}

fn measure(place: &Path, load: Load) -> (f64, f64) {
    let mut given = candle_core::safetensors::load(place.join("step.safetensors"), &Device::Cpu).expect("tensors");
    let expected = given.remove("out").expect("what came out");
    let files = SafetensorFiles::open(place, STEM).expect("the weights open");
    let weights = Weights::new(files, &Device::Cpu, DType::F32);
    let config = fs::read_to_string(place.join("config.json")).expect("a configuration");
    let step = load(&config, &weights, given).expect("the model loads");
    drop(weights);
    let out = step().expect("it runs");
    let seconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            step().expect("it runs");
            began.elapsed().as_secs_f64()
        })
        .collect();
    (median(&seconds), difference(&out, &expected).expect("both have the same shape"))
}

fn difference(out: &Tensor, expected: &Tensor) -> Result<f64, candle_core::Error> {
    let largest = |tensor: Tensor| tensor.abs()?.max_all()?.to_scalar::<f32>();
    Ok(f64::from(largest((out - expected)?)?) / f64::from(largest(expected.clone())?))
}

fn stable_diffusion(config: &str, weights: &Weights, given: Given) -> Result<Step, PaintError> {
    let unet = UNet::load(&UNetConfig::parse(config)?, weights)?;
    Ok(Box::new(move || unet.forward(&given["latents"], 500.0, &given["text"], None, Stop::NEVER)))
}

fn sdxl(config: &str, weights: &Weights, given: Given) -> Result<Step, PaintError> {
    let unet = UNet::load(&UNetConfig::parse(config)?, weights)?;
    let sizes = vec![[1024.0, 1024.0, 0.0, 0.0, 1024.0, 1024.0]];
    let condition = SizeCondition { text: given["pooled"].clone(), sizes };
    Ok(Box::new(move || unet.forward(&given["latents"], 500.0, &given["text"], Some(&condition), Stop::NEVER)))
}

fn flux(config: &str, weights: &Weights, given: Given) -> Result<Step, PaintError> {
    let model = FluxTransformer::load(&FluxConfig::parse(config)?, weights)?;
    let text = FluxText { tokens: given["text"].clone(), pooled: given["pooled"].clone() };
    Ok(Box::new(move || model.forward(&given["latents"], 0.5, 0.0, &text, Stop::NEVER)))
}

fn z_image(config: &str, weights: &Weights, given: Given) -> Result<Step, PaintError> {
    let model = ZImageTransformer::load(&ZImageConfig::parse(config)?, weights)?;
    let states = given["text"].squeeze(0)?;
    // The reference reads the caption anew in each step.
    Ok(Box::new(move || model.forward(&given["latents"], 0.5, &model.caption(&states)?, Stop::NEVER)))
}

fn vae(config: &str, weights: &Weights, given: Given) -> Result<Step, PaintError> {
    let vae = Vae::load(&VaeConfig::parse(config)?, weights)?;
    Ok(Box::new(move || vae.decode(&given["latents"], Stop::NEVER)))
}
