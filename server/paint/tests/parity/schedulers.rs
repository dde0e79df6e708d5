//! Samplers against diffusers' schedulers: timesteps for 1 to 50 steps, and every latent of recorded runs.

use paint::PaintError;
use paint::noise::Generator;
use paint::schedule::SchedulerConfig;
use paint::scheduler::{FlowLevels, Sampler, SamplerOptions};
use serde_json::Value;
use tiny::integers::numbers;

use crate::references::{References, description, error};

const LATENT: usize = 17;
/// The numbers of a latent that are recorded.
const KEPT: [usize; 6] = [0, 1, 2, 3, 15, 16];
const STEPS_MAX: usize = 50;
const BAR: f64 = 1e-6;

struct Case {
    name: String,
    config: SchedulerConfig,
    description: Value,
}

impl Case {
    fn options(&self, steps: usize) -> SamplerOptions {
        let options = &self.description["options"];
        let even = options["even_from_one"].as_bool().unwrap_or(false);
        SamplerOptions {
            eta: options["eta"].as_f64().unwrap_or(0.0),
            image_tokens: options["tokens"].as_u64().map(|tokens| tokens as usize),
            flow_levels: if even { FlowLevels::EvenFromOne } else { FlowLevels::Trained },
            ..SamplerOptions::new(steps)
        }
    }

    fn sampler(&self, steps: usize) -> Result<Sampler, PaintError> {
        Sampler::new(&self.config, &self.options(steps))
    }
}

fn cases() -> Vec<Case> {
    let description = description("schedulers");
    let case = |item: &Value| {
        let name = item["name"].as_str().expect("the description is whole").to_owned();
        let config = SchedulerConfig::parse(item["config"].as_str().expect("the description is whole"));
        let config = config.unwrap_or_else(|error| panic!("{name}: {error}"));
        Case { name, config, description: item.clone() }
    };
    description.as_array().expect("the description is whole").iter().map(case).collect()
}

/// Timesteps that lie between trained ones come from logarithms of noise levels, and those of numpy and of the C library
/// differ in their last bit.
fn from_logarithms(name: &str) -> bool {
    let euler_or_heun = name.starts_with("Euler") || name.starts_with("Heun");
    euler_or_heun && ["karras", "exponential", "beta"].iter().any(|way| name.contains(way))
}

#[test]
fn timesteps_are_the_same_for_1_to_50_steps() {
    let references = References::open("schedulers");
    let mut wrong = Vec::new();
    for case in cases() {
        let refused: Vec<usize> = serde_json::from_value(case.description["refused"].clone()).unwrap();
        let expected = references.numbers(case.description["timesteps"].as_str().unwrap());
        let mut expected = expected.as_slice();
        for steps in 1..=STEPS_MAX {
            let sampler = case.sampler(steps);
            if refused.contains(&steps) {
                assert!(sampler.is_err(), "{} takes {steps} steps", case.name);
                continue;
            }
            let sampler = sampler.unwrap_or_else(|error| panic!("{} {steps}: {error}", case.name));
            let got = sampler.timesteps();
            let (here, rest) = expected.split_at(got.len().min(expected.len()));
            expected = rest;
            let bound = if from_logarithms(&case.name) { BAR } else { 0.0 };
            if got.len() != here.len() || error(got, here) > bound {
                wrong.push(format!("{} {steps}: {got:?} {here:?}", case.name));
                break;
            }
        }
        if expected.is_empty() {
            continue;
        }
        wrong.push(format!("{}: {} timesteps more are recorded", case.name, expected.len()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_latent_of_a_run_is_the_same() {
    let references = References::open("schedulers");
    let (mut worst, mut wrong) = (0.0f64, Vec::new());
    for case in cases() {
        for run in case.description["runs"].as_array().unwrap() {
            let (steps, strength) = (run[0].as_u64().unwrap() as usize, run[1].as_f64().unwrap());
            let expected = references.numbers(&format!("{}/{steps}/{strength:.1}", case.name));
            let off = compare(&case, steps, strength, &expected);
            worst = worst.max(off.clone().unwrap_or(0.0));
            if !off.as_ref().is_ok_and(|off| *off <= BAR) {
                wrong.push(format!("{} {steps} steps, strength {strength}: {off:?}", case.name));
            }
        }
    }
    println!("largest difference {worst:.2e}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The largest difference within a run: weights of image and noise, what the model sees of each latent, each latent.
fn compare(case: &Case, steps: usize, strength: f64, expected: &[f32]) -> Result<f64, PaintError> {
    let mut sampler = case.sampler(steps)?;
    sampler.start_from_image(strength)?;
    let weights = [sampler.add_noise(&[1.0], &[0.0])?, sampler.add_noise(&[0.0], &[1.0])?].concat();
    let mut rest = expected;
    let mut take = |count: usize| {
        let (here, after) = rest.split_at(count);
        rest = after;
        here
    };
    let mut off = error(&weights, take(2));
    let noise = numbers("noise", LATENT, 1.0);
    let mut sample = if strength < 1.0 {
        sampler.add_noise(&numbers("image", LATENT, 1.0), &noise)?
    } else {
        noise.iter().map(|noise| noise * sampler.initial_noise_scale()).collect()
    };
    let mut generator = Generator::new(11);
    let has_scaling = !case.name.starts_with("FlowMatch");
    for index in 0..sampler.timesteps().len() {
        if has_scaling {
            off = off.max(error(&sampler.scale_model_input(&sample)[..1], take(1)));
        }
        let output = numbers(&format!("output {index}"), LATENT, 1.5);
        sample = sampler.step(&output, &sample, &mut generator)?;
        off = off.max(error(&KEPT.map(|at| sample[at]), take(KEPT.len())));
    }
    assert!(rest.is_empty(), "{}: {} numbers more are recorded", case.name, rest.len());
    Ok(off)
}
