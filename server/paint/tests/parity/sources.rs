//! Images that start from another one, whole or under a mask, against diffusers' pipelines; and what holds for all of them.

use std::fs;
use std::path::{Path, PathBuf};

use model::{ImageRequest, ImageSampler, NoiseSpacing, SourceImage};
use paint::pipeline::{Drawing, Pipeline, Start};
use paint::scheduler::SamplerOptions;
use paint::{PaintError, Painter, Stop};
use tiny::integers::numbers;

use crate::painter::{drawn, request};
use crate::pipelines::{LATENTS_BAR, drawing, latents, pipeline, same_pixels, scheduler};
use crate::references::{References, description, error};

const WIDTH: usize = 16;
const HEIGHT: usize = 24;

/// Bytes from 0 to 255.
fn picture(name: &str, count: usize) -> Vec<u8> {
    let byte = |number: f32| ((f64::from(number) + 1.0) * 128.0).floor().clamp(0.0, 255.0) as u8;
    numbers(name, count, 1.0).into_iter().map(byte).collect()
}

/// White in a rectangle, black around it, and grey of both sides of the middle within.
fn mask(width: usize, height: usize) -> Vec<u8> {
    let grey = picture("mask", 16);
    let pixel = |at: usize| match (at / width, at % width) {
        (y @ 8..12, x @ 4..8) => grey[(y - 8) * 4 + x - 4],
        (5..20, 3..13) => 255,
        _ => 0,
    };
    (0..width * height).map(pixel).collect()
}

fn start(strength: f64, masked: bool) -> Start {
    start_of((WIDTH, HEIGHT), strength, masked)
}

fn start_of((width, height): (usize, usize), strength: f64, masked: bool) -> Start {
    let mask = masked.then(|| mask(width, height).into_iter().map(|grey| grey >= 128).collect());
    Start { rgb: picture("source", width * height * 3), strength, mask }
}

fn family(name: &str) -> &str {
    if name == "xl" { "xl" } else { "sd" }
}

#[test]
fn runs_from_an_image_and_pictures_agree() {
    let references = References::open("sources");
    let description = description("sources");
    let cases = description.as_array().unwrap();
    assert!(cases.len() >= 12);
    for case in cases {
        let text = |key: &str| case[key].as_str().unwrap();
        let (name, masked) = (text("name"), case["masked"].as_bool().unwrap());
        let schedule = scheduler(&format!("{}/{}", family(text("family")), text("sampler")));
        let pipeline = pipeline(text("family"), &schedule);
        let start = start(case["strength"].as_f64().unwrap(), masked);
        let off = agrees_from(&pipeline, drawing(&pipeline), start, &references, name);
        println!("{name}: {off:.2e}");
    }
}

/// Latents and picture of a run from an image are those that were recorded under this name. How far the latents are off.
fn agrees_from(pipeline: &Pipeline, drawing: Drawing, start: Start, references: &References, name: &str) -> f64 {
    let drawing = Drawing { start: Some(start.clone()), ..drawing };
    let latents = latents(pipeline, &drawing, 0..1).expect("latents");
    let off = error(&latents[0], &references.numbers(&format!("{name}/latents")));
    assert!(off <= LATENTS_BAR, "{name}: {off:.2e}");
    let prepared = pipeline.prepare(&drawing, Stop::NEVER).expect("it can be drawn");
    let pixels = pipeline.decode(&prepared, &latents[0], Stop::NEVER).expect("a picture").rgb;
    // The reference leaves it to its callers to put back what stands outside of the mask.
    let mut expected = references.numbers(&format!("{name}/pixels"));
    for (at, value) in expected.iter_mut().enumerate() {
        if start.mask.as_ref().is_some_and(|mask| !mask[at / 3]) {
            *value = f32::from(start.rgb[at]);
        }
    }
    same_pixels(name, &pixels, &expected);
    off
}

/// A flow's runs from an image, whole and under a mask. How far the latents are off at most.
pub(crate) fn flow_agrees_from(pipeline: &Pipeline, drawing: &Drawing, references: &References, run: &str) -> f64 {
    let tasks = [("Img2Img", 0.6, false), ("Inpaint", 0.85, true)];
    let off = tasks.map(|(task, strength, masked)| {
        let start = start_of((drawing.width, drawing.height), strength, masked);
        agrees_from(pipeline, drawing.clone(), start, references, &format!("{run}/{task}"))
    });
    off.into_iter().fold(0.0, f64::max)
}

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().expect("a folder") };
        files.write("source.png", png::ColorType::Rgb, (WIDTH, HEIGHT), &picture("source", WIDTH * HEIGHT * 3));
        files.write("mask.png", png::ColorType::Grayscale, (WIDTH, HEIGHT), &mask(WIDTH, HEIGHT));
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, color: png::ColorType, (width, height): (usize, usize), bytes: &[u8]) {
        let file = fs::File::create(self.path(name)).expect("a file");
        let mut encoder = png::Encoder::new(file, width as u32, height as u32);
        encoder.set_color(color);
        encoder.write_header().and_then(|mut writer| writer.write_image_data(bytes)).expect("written");
    }

    fn request(&self, strength: f64, masked: bool) -> ImageRequest {
        let mask = masked.then(|| self.path("mask.png"));
        let source = SourceImage { path: self.path("source.png"), strength, mask };
        ImageRequest { source: Some(source), count: 1, ..request() }
    }
}

fn painter(family: &str) -> Painter {
    let schedule = scheduler(if family == "xl" { "xl/euler" } else { "sd/euler" });
    Painter::new(pipeline(family, &schedule), "tiny")
}

#[test]
fn what_a_mask_leaves_out_is_the_source_to_the_bit() {
    let files = Files::new();
    let source = picture("source", WIDTH * HEIGHT * 3);
    let mask = mask(WIDTH, HEIGHT);
    for family in ["sd", "xl", "nine"] {
        let painter = painter(family);
        assert!(painter.info().takes_source && painter.info().takes_mask);
        for sampler in [ImageSampler::Euler, ImageSampler::Heun, ImageSampler::Pndm, ImageSampler::UniPc] {
            for strength in [0.3, 1.0] {
                let request = ImageRequest { sampler: Some(sampler), steps: 5, ..files.request(strength, true) };
                let (_, images) = drawn(&painter, &request).unwrap_or_else(|error| panic!("{sampler:?}: {error}"));
                let changed = |at: usize| images[0][at * 3..][..3] != source[at * 3..][..3];
                let white = |at: &usize| mask[*at] >= 128;
                let (inside, outside): (Vec<usize>, Vec<usize>) = (0..mask.len()).partition(white);
                assert!(!outside.into_iter().any(changed), "{family} {sampler:?}");
                assert!(inside.into_iter().filter(|at| changed(*at)).count() > 20, "{family} {sampler:?}");
            }
        }
    }
}

#[test]
fn full_strength_under_a_mask_that_is_all_white_is_text_to_image() {
    let pipeline = pipeline("nine", &scheduler("sd/euler"));
    let plain = Drawing { sampling: SamplerOptions::new(4), ..drawing(&pipeline) };
    let all = Start { mask: Some(vec![true; WIDTH * HEIGHT]), ..start(1.0, false) };
    let masked = Drawing { start: Some(all), ..plain.clone() };
    assert_eq!(latents(&pipeline, &masked, 0..1).unwrap(), latents(&pipeline, &plain, 0..1).unwrap());
}

#[test]
fn strength_grows_from_the_source_to_something_else() {
    let (files, painter) = (Files::new(), painter("sd"));
    let source = picture("source", WIDTH * HEIGHT * 3);
    let mut seen = Vec::new();
    for strength in [0.05, 0.5, 1.0] {
        let (events, images) = drawn(&painter, &files.request(strength, false)).unwrap();
        let steps = events.iter().filter(|event| matches!(event, model::ImageEvent::Step { .. })).count();
        assert_eq!(steps, (20.0 * strength) as usize);
        assert!(!seen.contains(&images) && images[0] != source);
        seen.push(images);
    }
    // Each image of a request has its own noise, and the second is what it would be alone.
    let two = ImageRequest { count: 2, ..files.request(0.5, false) };
    let (_, two) = drawn(&painter, &two).unwrap();
    assert_eq!(two[0], seen[1][0]);
    let alone = ImageRequest { seed: 78, ..files.request(0.5, false) };
    assert_eq!(two[1..], drawn(&painter, &alone).unwrap().1);
}

#[test]
fn sources_of_other_sizes_and_kinds_are_taken() {
    let (files, painter) = (Files::new(), painter("sd"));
    let few = |name: &str| {
        let mut request = ImageRequest { steps: 4, ..files.request(0.5, false) };
        request.source.as_mut().unwrap().path = files.path(name);
        drawn(&painter, &request).unwrap().1
    };
    let plain = few("source.png");
    let source = picture("source", WIDTH * HEIGHT * 3);
    let with_alpha: Vec<u8> = source.chunks(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 9]).collect();
    files.write("alpha.png", png::ColorType::Rgba, (WIDTH, HEIGHT), &with_alpha);
    assert_eq!(few("alpha.png"), plain);
    files.write("grey.png", png::ColorType::Grayscale, (37, 11), &picture("grey", 37 * 11));
    assert_ne!(few("grey.png"), plain);
}

#[test]
fn files_and_strengths_that_cannot_be_say_so() {
    let (files, painter) = (Files::new(), painter("sd"));
    files.write("small.png", png::ColorType::Grayscale, (8, 8), &[255; 64]);
    files.write("black.png", png::ColorType::Grayscale, (WIDTH, HEIGHT), &[0; WIDTH * HEIGHT]);
    let sound = fs::read(files.path("source.png")).unwrap();
    fs::write(files.path("cut.png"), &sound[..sound.len() / 2]).unwrap();
    fs::write(files.path("text.png"), "no picture").unwrap();
    fs::write(files.path("bomb.png"), bomb()).unwrap();
    let source = |path: &Path| SourceImage { path: path.to_owned(), strength: 0.5, mask: None };
    let sound = source(&files.path("source.png"));
    for (source, said) in [
        (source(&files.path("absent.png")), "source image"),
        (source(&files.path("cut.png")), "source image"),
        (source(&files.path("text.png")), "source image"),
        (source(&files.path("bomb.png")), "pixels"),
        (source(files.folder.path()), "source image"),
        (SourceImage { mask: Some(files.path("small.png")), ..sound.clone() }, "make them the same"),
        (SourceImage { mask: Some(files.path("black.png")), ..sound.clone() }, "black all over"),
        (SourceImage { mask: Some(files.path("cut.png")), ..sound.clone() }, "the mask"),
        (SourceImage { strength: 0.0, ..sound.clone() }, "strength"),
        (SourceImage { strength: f64::NAN, ..sound.clone() }, "strength"),
        (SourceImage { strength: 1.01, ..sound.clone() }, "strength"),
        (SourceImage { strength: 0.01, ..sound }, "leaves none of 20 steps"),
    ] {
        let request = ImageRequest { source: Some(source), spacing: Some(NoiseSpacing::Karras), ..request() };
        match drawn(&painter, &request) {
            Err(PaintError::BadRequest(reason)) => assert!(reason.contains(said), "{said}: {reason}"),
            other => panic!("{said}: {:?}", other.map(|_| ())),
        }
    }
}

/// The beginning of a PNG that says it has 4,000,000,000 pixels.
fn bomb() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 16_000, 250_000);
    encoder.set_color(png::ColorType::Grayscale);
    drop(encoder.write_header().expect("a header"));
    bytes
}
