//! Whole runs against diffusers' pipelines: prompt in, latents and pictures out.

use std::ops::ControlFlow;

use candle_core::Device;
use paint::clip::{ClipConfig, ClipTextEncoder};
use paint::pipeline::{Drawing, Pipeline, StableDiffusion, StepTaken, TextEncoder, TextEncoders, Watch};
use paint::schedule::ScheduleFile;
use paint::scheduler::SamplerOptions;
use paint::tokenizer::ClipTokenizer;
use paint::unet::{UNet, UNetConfig};
use paint::vae::{Vae, VaeConfig};
use paint::{PaintError, Stop};
use tiny::Model;

use crate::references::{References, description, error};

/// The bar of a guided loop of 20 steps.
pub(crate) const LATENTS_BAR: f64 = 1e-4;

fn encoder(name: &str) -> TextEncoder {
    let model = Model::of(name);
    let config = ClipConfig::parse(&model.config).expect("a configuration");
    TextEncoder {
        tokenizer: ClipTokenizer::open(&tiny::reference("tokenizer")).expect("a tokenizer"),
        encoder: ClipTextEncoder::load(&config, &model.weights).expect("an encoder"),
    }
}

pub(crate) fn pipeline(family: &str, scheduler: &str) -> Pipeline {
    // The denoiser that knows of masks is the one whose groups and heads are not the customary ones.
    let unet = if family == "nine" { "unet-groups".to_owned() } else { format!("unet-{family}") };
    let (unet, vae) = (Model::of(&unet), Model::of("vae"));
    let unet_config = UNetConfig::parse(&unet.config).expect("a configuration");
    let vae_config = VaeConfig::parse(&vae.config).expect("a configuration");
    Pipeline {
        denoiser: Box::new(StableDiffusion {
            text: if family == "xl" {
                TextEncoders::Two(Box::new([encoder("clip-quick"), encoder("clip-exact")]))
            } else {
                TextEncoders::One(Box::new(encoder("clip-quick")))
            },
            unet: UNet::load(&unet_config, &unet.weights).expect("a denoiser"),
            zero_for_empty: family == "xl",
        }),
        vae: Vae::load(&vae_config, &vae.weights).expect("an autoencoder"),
        schedule: ScheduleFile::parse(scheduler).expect("a configuration"),
        weight_bytes: 0,
        device: Device::Cpu,
    }
}

/// Both images of the recorded runs.
const BOTH: std::ops::Range<u64> = 0..2;

pub(crate) fn drawing(pipeline: &Pipeline) -> Drawing {
    let description = description("pipelines");
    let text = |key: &str| description[key].as_str().expect("a text").to_owned();
    Drawing {
        prompt: text("prompt"),
        negative: text("negative"),
        width: 16,
        height: 24,
        schedule: pipeline.schedule.own().clone(),
        sampling: SamplerOptions::new(20),
        guidance: 7.5,
        seed: 77,
        clip_skip: 0,
        start: None,
    }
}

pub(crate) fn latents(
    pipeline: &Pipeline,
    drawing: &Drawing,
    images: std::ops::Range<u64>,
) -> Result<Vec<Vec<f32>>, PaintError> {
    let prepared = pipeline.prepare(drawing, Stop::NEVER)?;
    let mut watch = Watch { step: &mut |_| ControlFlow::Continue(()), stop: Stop::NEVER };
    pipeline.latents(&prepared, images, &mut watch)
}

/// The drawing of the recorded runs through a flow.
pub(crate) fn flow_drawing(pipeline: &Pipeline, prompt: &str, negative: &str, guidance: f64) -> Drawing {
    let (width, height) = (24, 32);
    Drawing {
        prompt: prompt.to_owned(),
        negative: negative.to_owned(),
        width,
        height,
        schedule: pipeline.schedule.own().clone(),
        sampling: pipeline.sampling(8, width, height),
        guidance,
        seed: 77,
        clip_skip: 0,
        start: None,
    }
}

/// Latents and pictures of a run are those that were recorded under this name. The latents, and how far they are off.
pub(crate) fn agrees(
    pipeline: &Pipeline,
    drawing: &Drawing,
    references: &References,
    name: &str,
) -> (Vec<Vec<f32>>, f64) {
    let latents = latents(pipeline, drawing, BOTH).expect("latents");
    let off = error(&latents.concat(), &references.numbers(&format!("{name}/latents")));
    assert!(off <= LATENTS_BAR, "{name}: {off:.2e}");
    let prepared = pipeline.prepare(drawing, Stop::NEVER).expect("it can be drawn");
    let picture = |latent: &Vec<f32>| pipeline.decode(&prepared, latent, Stop::NEVER).expect("a picture").rgb;
    let pixels: Vec<u8> = latents.iter().flat_map(picture).collect();
    same_pixels(name, &pixels, &references.numbers(&format!("{name}/pixels")));
    (latents, off)
}

pub(crate) fn scheduler(name: &str) -> String {
    let description = description("pipelines");
    let runs = description["runs"].as_array().expect("a list");
    let run = runs.iter().find(|run| run["name"] == name).expect("it is described");
    run["config"].as_str().expect("a text").to_owned()
}

#[test]
fn guided_runs_and_pictures_agree() {
    let references = References::open("pipelines");
    for family in ["sd", "xl"] {
        for sampler in ["ddim", "euler", "ancestral", "karras"] {
            let name = format!("{family}/{sampler}");
            let pipeline = pipeline(family, &scheduler(&name));
            let drawing = drawing(&pipeline);
            let (_, off) = agrees(&pipeline, &drawing, &references, &name);
            println!("{name}: {off:.2e}");
        }
    }
}

/// At least 99.9 % of all bytes are within 1, and none is off by more than 2. How many are off by more than 1.
pub(crate) fn same_pixels(name: &str, pixels: &[u8], expected: &[f32]) -> usize {
    assert_eq!(pixels.len(), expected.len(), "{name}");
    let off = || pixels.iter().zip(expected).map(|(got, expected)| (f32::from(*got) - expected).abs());
    let over_one = off().filter(|off| *off > 1.0).count();
    let largest = off().fold(0.0, f32::max);
    assert!(
        over_one * 1_000 <= pixels.len() && largest <= 2.0,
        "{name}: {over_one} of {} bytes are off by more than 1, one by {largest}",
        pixels.len()
    );
    over_one
}

#[test]
fn an_image_is_the_same_alone_and_in_a_group() {
    let pipeline = pipeline("sd", &scheduler("sd/ancestral"));
    let drawing = drawing(&pipeline);
    let both = latents(&pipeline, &drawing, BOTH).unwrap();
    let alone = latents(&pipeline, &drawing, 1..2).unwrap();
    assert!(error(&both[1], &alone[0]) <= 1e-5);
    assert_eq!(both, latents(&pipeline, &drawing, BOTH).unwrap(), "the same seed twice");
}

#[test]
fn prompts_of_all_kinds_make_pictures() {
    let pipeline = pipeline("xl", &scheduler("xl/euler"));
    let short = Drawing { sampling: SamplerOptions::new(2), ..drawing(&pipeline) };
    let plain = latents(&pipeline, &short, 0..1).unwrap();
    let mut seen = vec![plain];
    for (prompt, guidance) in
        [("", 7.5), ("a (cat:1.4) and [dog]", 7.5), (&"long words, ".repeat(60), 7.5), ("cat", 1.0)]
    {
        let drawing = Drawing { prompt: prompt.to_owned(), negative: String::new(), guidance, ..short.clone() };
        let latents = latents(&pipeline, &drawing, 0..1).unwrap();
        assert!(!seen.contains(&latents), "{prompt} makes the same as another one");
        seen.push(latents);
    }
}

#[test]
fn a_watcher_ends_a_group_and_sees_the_image_come() {
    let pipeline = pipeline("sd", &scheduler("sd/euler"));
    let drawing = drawing(&pipeline);
    let prepared = pipeline.prepare(&drawing, Stop::NEVER).unwrap();
    let (mut steps, mut seen) = (0, Vec::new());
    let mut step = |taken: StepTaken<'_>| {
        steps = taken.done;
        seen = taken.image.to_vec();
        if taken.done == 20 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut watch = Watch { step: &mut step, stop: Stop::NEVER };
    assert_eq!(pipeline.latents(&prepared, BOTH, &mut watch), Err(PaintError::Cancelled));
    assert_eq!(steps, 20);
    // In the last step there is no noise left, so what was seen then is the image itself.
    assert!(error(&seen, &latents(&pipeline, &drawing, 0..1).unwrap()[0]) <= 1e-4);
}
