//! The one door: folders sound and damaged, requests of all kinds, and the events of a drawing.

use std::cell::Cell;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{Device, Tensor};
use model::{IMAGE_ROWS_BYTES_MAX, ImageEvent, ImageRequest, ImageSampler, NoiseSpacing};
use paint::pipeline::{Denoiser, Drawing, Family, Pipeline, Prompted, check};
use paint::schedule::SchedulerConfig;
use paint::{PaintError, Painter, Stop};

use crate::folders::same_by_heads;
use crate::pipelines::{pipeline, same_pixels, scheduler};
use crate::references::{References, description};

pub(crate) fn request() -> ImageRequest {
    let description = description("pipelines");
    let text = |key: &str| description[key].as_str().expect("a text").to_owned();
    ImageRequest {
        prompt: text("prompt"),
        negative_prompt: text("negative"),
        width_pixels: 16,
        height_pixels: 24,
        steps: 20,
        guidance: 7.5,
        sampler: None,
        spacing: None,
        seed: 77,
        count: 2,
        clip_skip: 0,
        source: None,
        previews: true,
        working_bytes_max: None,
    }
}

/// All events of a request, and its images put together.
pub(crate) fn drawn(
    painter: &Painter,
    request: &ImageRequest,
) -> Result<(Vec<ImageEvent>, Vec<Vec<u8>>), PaintError> {
    let mut events = Vec::new();
    let mut emit = |event| {
        events.push(event);
        ControlFlow::Continue(())
    };
    painter.draw(request, &mut emit, &|| false)?;
    let mut images = vec![Vec::new()];
    for event in &events {
        match event {
            ImageEvent::Rows { rgb } => {
                assert!(rgb.len() <= IMAGE_ROWS_BYTES_MAX);
                images.last_mut().expect("one").extend(rgb);
            }
            ImageEvent::Image { .. } => images.push(Vec::new()),
            _ => {}
        }
    }
    assert_eq!(images.pop(), Some(Vec::new()), "rows after the last image");
    Ok((events, images))
}

fn painter(family: &str, sampler: &str) -> Painter {
    Painter::new(pipeline(family, &scheduler(&format!("{family}/{sampler}"))), "tiny")
}

#[test]
fn a_request_makes_the_pictures_of_the_reference() {
    let references = References::open("pipelines");
    for family in ["sd", "xl"] {
        let painter = painter(family, "ddim");
        for (name, sampler, spacing) in [
            ("ddim", None, None),
            ("euler", Some(ImageSampler::Euler), None),
            ("ancestral", Some(ImageSampler::EulerAncestral), None),
            ("karras", Some(ImageSampler::DpmPp2m), Some(NoiseSpacing::Karras)),
        ] {
            let name = format!("{family}/{name}");
            let (events, images) = drawn(&painter, &ImageRequest { sampler, spacing, ..request() }).unwrap();
            same_pixels(&name, &images.concat(), &references.numbers(&format!("{name}/pixels")));
            order_is_kept(&events);
        }
    }
}

/// `Encoding`, then for each image its steps, `Decoding`, rows and end, then `Finished`.
fn order_is_kept(events: &[ImageEvent]) {
    let (mut steps, mut ends) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            ImageEvent::Step { done, all, preview } => {
                steps.push(*done);
                assert_eq!(*all, 40);
                if let Some(preview) = preview {
                    assert_eq!(
                        (preview.width_pixels, preview.height_pixels, preview.rgb.len()),
                        (8, 12, 8 * 12 * 3)
                    );
                }
            }
            ImageEvent::Image { index, seed, width_pixels: 16, height_pixels: 24 } => {
                assert!(steps.len() as u32 >= (index + 1) * 20, "an image is sent as soon as it is there");
                ends.push((*index, *seed));
            }
            _ => {}
        }
    }
    assert_eq!(steps, (1..=40).collect::<Vec<u32>>());
    assert_eq!(ends, [(0, 77), (1, 78)]);
    assert_eq!(events[0], ImageEvent::Encoding);
    assert!(events.iter().any(|event| matches!(event, ImageEvent::Step { preview: Some(_), .. })));
    let Some(ImageEvent::Finished { timings }) = events.last() else { panic!("no end: {:?}", events.last()) };
    assert!(timings.prompt_ms > 0.0 && timings.answer_ms > 0.0);
}

#[test]
fn previews_come_only_when_they_are_wanted_and_change_no_pixel() {
    let painter = painter("sd", "euler");
    let (_, with) = drawn(&painter, &request()).unwrap();
    let (events, without) = drawn(&painter, &ImageRequest { previews: false, ..request() }).unwrap();
    assert_eq!(with, without);
    assert!(!events.iter().any(|event| matches!(event, ImageEvent::Step { preview: Some(_), .. })));
}

/// A denoiser on a device that has memory for small parts alone, or for nothing at all.
struct Short {
    denoiser: Box<dyn Denoiser>,
    score_bytes: u64,
}

struct ShortRead<'a>(Box<dyn Prompted + 'a>, u64);

impl Denoiser for Short {
    fn family(&self, own: &SchedulerConfig) -> Family {
        self.denoiser.family(own)
    }

    fn read<'a>(&'a self, drawing: &Drawing, stop: Stop<'_>) -> Result<Box<dyn Prompted + 'a>, PaintError> {
        Ok(Box::new(ShortRead(self.denoiser.read(drawing, stop)?, self.score_bytes)))
    }
}

impl Prompted for ShortRead<'_> {
    fn sides(&self) -> usize {
        self.0.sides()
    }

    fn outputs(&self, latents: &Tensor, timestep: f32, stop: Stop<'_>) -> Result<Vec<f32>, PaintError> {
        if stop.room().score_bytes_max > self.1 {
            return Err(PaintError::OutOfMemory("none is left".to_owned()));
        }
        self.0.outputs(latents, timestep, stop)
    }
}

#[test]
fn a_device_that_is_short_of_memory_makes_the_same_pictures_from_smaller_parts() {
    let ample = drawn(&painter("sd", "ancestral"), &request()).unwrap().1;
    let short = |score_bytes: u64| {
        let pipeline = pipeline("sd", &scheduler("sd/ancestral"));
        let denoiser = Box::new(Short { denoiser: pipeline.denoiser, score_bytes });
        drawn(&Painter::new(Pipeline { denoiser, ..pipeline }, "tiny"), &request())
    };
    assert_eq!(short(16 << 20).unwrap().1, ample);
    let Err(PaintError::OutOfMemory(reason)) = short(0) else { panic!("it went without memory") };
    assert_eq!(reason, "none is left");
}

#[test]
fn a_picture_that_has_no_room_is_made_in_tiles() {
    let painter = painter("sd", "euler");
    let request = ImageRequest { width_pixels: 192, height_pixels: 160, steps: 2, count: 1, ..request() };
    let draw = |working_bytes_max| drawn(&painter, &ImageRequest { working_bytes_max, ..request.clone() });
    let whole = draw(None).unwrap().1;
    assert_eq!(draw(Some(1 << 30)).unwrap().1, whole, "there is room");
    let tiled = draw(Some(0)).unwrap().1;
    assert_ne!(tiled, whole);
    assert_eq!(tiled[0].len(), whole[0].len());
    let apart: f64 = tiled[0].iter().zip(&whole[0]).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    assert!(apart / whole[0].len() as f64 <= 8.0, "{}", apart / whole[0].len() as f64);
}

#[test]
fn every_sampler_that_is_named_draws() {
    let painter = painter("sd", "karras");
    let samplers = painter.info().samplers.clone();
    assert_eq!(samplers.len(), 9);
    let mut seen = Vec::new();
    for sampler in samplers {
        let request = ImageRequest { sampler: Some(sampler), steps: 4, count: 1, ..request() };
        let (_, images) = drawn(&painter, &request).unwrap_or_else(|error| panic!("{sampler:?}: {error}"));
        assert!(!seen.contains(&images), "{sampler:?} draws what another one does");
        seen.push(images);
    }
}

#[test]
fn requests_that_cannot_be_say_what_to_change() {
    let painter = painter("sd", "euler");
    let base = request();
    for (request, said) in [
        (ImageRequest { width_pixels: 13, ..base.clone() }, "multiple of 2"),
        (ImageRequest { height_pixels: 0, ..base.clone() }, "multiple of 2"),
        (ImageRequest { width_pixels: u32::MAX, ..base.clone() }, "4096"),
        (ImageRequest { steps: 0, ..base.clone() }, "1 to 150"),
        (ImageRequest { steps: 151, ..base.clone() }, "1 to 150"),
        (ImageRequest { count: 0, ..base.clone() }, "1 to 16"),
        (ImageRequest { count: 17, ..base.clone() }, "1 to 16"),
        (ImageRequest { guidance: f64::NAN, ..base.clone() }, "guidance"),
        (ImageRequest { guidance: -1.0, ..base.clone() }, "0 to 100"),
        (ImageRequest { guidance: f64::INFINITY, ..base.clone() }, "0 to 100"),
        (ImageRequest { clip_skip: 9, ..base.clone() }, "layers"),
        (ImageRequest { clip_skip: u32::MAX, ..base.clone() }, "layers"),
        (ImageRequest { prompt: "x".repeat(70_000), ..base.clone() }, "shorten it to 65536"),
        (ImageRequest { negative_prompt: "x".repeat(70_000), ..base.clone() }, "negative prompt"),
        (ImageRequest { sampler: Some(ImageSampler::Lcm), steps: 60, ..base.clone() }, "at most 50 steps"),
        (
            ImageRequest { sampler: Some(ImageSampler::Ddim), spacing: Some(NoiseSpacing::Beta), ..base.clone() },
            "leave the spacing out",
        ),
    ] {
        match drawn(&painter, &request) {
            Err(PaintError::BadRequest(reason)) => assert!(reason.contains(said), "{said}: {reason}"),
            other => panic!("{said}: {:?}", other.map(|_| ())),
        }
    }
    let empty = ImageRequest { prompt: String::new(), negative_prompt: String::new(), steps: 1, count: 1, ..base };
    assert!(drawn(&painter, &empty).is_ok(), "an empty prompt is a prompt");
}

#[test]
fn a_request_ends_at_every_place_where_it_may() {
    let painter = painter("xl", "euler");
    let request = ImageRequest { steps: 2, count: 1, ..request() };
    // Each time it is asked once more before it is told to stop, until nobody asks any more.
    let asked = Cell::new(0);
    let mut places = 0;
    loop {
        asked.set(0);
        let stop = || asked.replace(asked.get() + 1) == places;
        match painter.draw(&request, &mut |_| ControlFlow::Continue(()), &stop) {
            Err(PaintError::Cancelled) => places += 1,
            Ok(()) => break,
            Err(other) => panic!("{other}"),
        }
    }
    // Two encoders; twice the denoiser with its 18 pairs and middle; the encoder of the preview; the decoder.
    assert!(places > 60, "{places}");
    for event in 0..6 {
        let mut left = event;
        let mut emit = |_| {
            left -= 1;
            if left < 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        assert_eq!(painter.draw(&request, &mut emit, &|| false), Err(PaintError::Cancelled), "{event}");
    }
}

/// A tiny Stable Diffusion as a folder, in the layout of diffusers.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    tiny::stable_diffusion(folder.path(), &scheduler("sd/ddim"));
    folder
}

fn open(folder: &Path) -> Result<Painter, PaintError> {
    Painter::open(folder, &Device::Cpu, &mut |_| {}, &|| false)
}

#[test]
fn a_folder_makes_what_its_parts_make() {
    let folder = folder();
    let mut shares = Vec::new();
    let opened = Painter::open(folder.path(), &Device::Cpu, &mut |share| shares.push(share), &|| false).unwrap();
    let from_folder = drawn(&opened, &request()).unwrap().1;
    assert_eq!(from_folder, drawn(&painter("sd", "ddim"), &request()).unwrap().1);
    assert_eq!(check(folder.path()), Ok(()));
    assert_eq!((from_folder.len(), from_folder[0].len()), (2, 16 * 24 * 3));
    assert!(shares.len() > 100 && shares.windows(2).all(|pair| pair[0] <= pair[1]));
    assert!((shares[shares.len() - 1] - 1.0).abs() < 1e-6, "{:?}", shares.last());
    let info = opened.info();
    assert_eq!((info.side_multiple_pixels, info.side_pixels, info.samplers.len()), (2, 16, 9));
    assert_eq!(info.family, "Stable Diffusion 1");
    let bytes: u64 = ["text_encoder/model", "unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model.fp16"]
        .iter()
        .map(|file| fs::metadata(folder.path().join(format!("{file}.safetensors"))).unwrap().len())
        .sum();
    assert!(info.weight_bytes < bytes && bytes < info.weight_bytes + 100_000 && info.loaded);
    let asked = Cell::new(0);
    let stop = || asked.replace(asked.get() + 1) == 50;
    let stopped = Painter::open(folder.path(), &Device::Cpu, &mut |_| {}, &stop);
    assert!(matches!(stopped, Err(PaintError::Cancelled)));
}

#[test]
fn damaged_folders_are_refused_by_name() {
    let folder = folder();
    let refused = |file: &str, bytes: &[u8], said: &str| {
        let at = folder.path().join(file);
        let sound = fs::read(&at).expect("it is there");
        fs::write(&at, bytes).expect("written");
        let Err(error) = open(folder.path()) else { panic!("{file} was taken") };
        assert!(error.to_string().contains(said), "{file}: {error}");
        same_by_heads(folder.path(), &error);
        fs::write(&at, sound).expect("written");
    };
    let read = |file: &str| fs::read(folder.path().join(file)).unwrap();
    refused("model_index.json", br#"{"_class_name": "PixArtPipeline"}"#, "PixArtPipeline");
    refused("model_index.json", br#"{"_class_name": "FluxPipeline"}"#, "is not one for this model");
    refused("model_index.json", b"{", "no JSON");
    refused("unet/config.json", b"{}", "unet/config.json");
    refused("scheduler/scheduler_config.json", br#"{"_class_name": "DDIMScheduler", "odd": 1}"#, "`odd`");
    refused("vae/diffusion_pytorch_model.fp16.safetensors", b"short", "diffusion_pytorch_model.fp16.safetensors");
    // The weights of another part: nothing of it is there, and nothing that is there belongs to it.
    let unet = "unet/diffusion_pytorch_model.safetensors";
    let other = read("text_encoder/model.safetensors");
    refused(unet, &other, "tensors are missing");
    refused(unet, &other, "belong to no part");
    let mut weights = read(unet);
    let sound = weights.clone();
    refused(unet, &sound[..sound.len() - 1], "no part of the file");
    let last = weights.len() - 4;
    weights[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    refused(unet, &weights, "is not finite");
    // Parts that are sound and do not fit each other.
    let config = String::from_utf8(read("unet/config.json")).unwrap();
    let wide = config.replace(r#""cross_attention_dim": 32"#, r#""cross_attention_dim": 48"#);
    refused("unet/config.json", wide.as_bytes(), "shape");
    let huge = config.replace("[32, 64]", "[1048576, 1048576]");
    refused("unet/config.json", huge.as_bytes(), "unet");
    let vae = String::from_utf8(read("vae/config.json")).unwrap();
    refused(
        "vae/config.json",
        vae.replace(r#""scaling_factor": 0.18215"#, r#""scaling_factor": 0"#).as_bytes(),
        "vae",
    );
    fs::remove_file(folder.path().join(unet)).unwrap();
    assert!(matches!(open(folder.path()), Err(PaintError::BadModel { .. })));
}
