//! What every sampler does whatever the reference says: bounds, ends, and errors.

use super::{FlowLevels, Sampler, SamplerOptions};
use crate::error::PaintError;
use crate::noise::Generator;
use crate::schedule::{SchedulerClass, SchedulerConfig};

fn config(class: SchedulerClass, more: &str) -> SchedulerConfig {
    let text = format!(r#"{{"beta_schedule": "scaled_linear", "skip_prk_steps": true{more}}}"#);
    SchedulerConfig::parse_for(&text, class).unwrap()
}

fn sampler(class: SchedulerClass, steps: usize) -> Sampler {
    Sampler::new(&config(class, ""), &SamplerOptions::new(steps)).unwrap()
}

#[test]
fn a_run_ends_and_says_so() {
    for class in SchedulerClass::ALL {
        let mut sampler = sampler(class, 5);
        let mut generator = Generator::new(1);
        let mut latent = generator.normal(20).unwrap();
        while !sampler.timesteps().is_empty() {
            let seen = sampler.scale_model_input(&latent);
            latent = sampler.step(&seen, &latent, &mut generator).unwrap();
        }
        let late = sampler.step(&latent, &latent, &mut generator);
        assert!(matches!(late, Err(PaintError::Bug(_))), "{class:?}");
        assert_eq!(sampler.add_noise(&latent, &latent).unwrap(), latent, "{class:?}");
    }
}

#[test]
fn no_strength_leaves_the_image_and_full_strength_leaves_nothing_out() {
    for class in SchedulerClass::ALL {
        let all = sampler(class, 7).timesteps().to_vec();
        let mut none = sampler(class, 7);
        none.start_from_image(0.0).unwrap();
        assert!(none.timesteps().is_empty(), "{class:?}");
        assert_eq!(none.add_noise(&[0.5], &[3.0]).unwrap(), [0.5], "{class:?}");
        let mut full = sampler(class, 7);
        full.start_from_image(1.0).unwrap();
        assert_eq!(full.timesteps(), all, "{class:?}");
        assert!(full.start_from_image(1.5).is_err() && full.start_from_image(f64::NAN).is_err());
    }
}

#[test]
fn requests_out_of_range_are_refused() {
    for class in SchedulerClass::ALL {
        for steps in [0, 1_000, usize::MAX] {
            let planned = Sampler::new(&config(class, ""), &SamplerOptions::new(steps));
            assert!(matches!(planned, Err(PaintError::BadRequest(_))), "{class:?} {steps}");
        }
        let eta = SamplerOptions { eta: 1.5, ..SamplerOptions::new(4) };
        assert!(Sampler::new(&config(class, ""), &eta).is_err());
    }
    assert!(Sampler::new(&config(SchedulerClass::Lcm, ""), &SamplerOptions::new(51)).is_err());
    let by_size = config(SchedulerClass::FlowMatchEuler, r#", "use_dynamic_shifting": true"#);
    assert!(Sampler::new(&by_size, &SamplerOptions::new(4)).is_err());
    let sized = SamplerOptions {
        image_tokens: Some(1024),
        flow_levels: FlowLevels::EvenFromOne,
        ..SamplerOptions::new(4)
    };
    assert!(Sampler::new(&by_size, &sized).is_ok());
}

#[test]
fn numbers_that_are_not_finite_and_sizes_that_differ_are_errors() {
    for class in SchedulerClass::ALL {
        let mut sampler = sampler(class, 4);
        let mut generator = Generator::new(0);
        for bad in [f32::NAN, f32::INFINITY] {
            let result = sampler.step(&[0.0, bad], &[0.0, 0.0], &mut generator);
            assert!(matches!(result, Err(PaintError::NotFinite { .. })), "{class:?}");
        }
        assert!(matches!(sampler.step(&[0.0], &[0.0, 0.0], &mut generator), Err(PaintError::Bug(_))));
        assert!(sampler.step(&[0.0, 0.0], &[0.0, 0.0], &mut generator).is_ok(), "{class:?} goes on");
    }
}

#[test]
fn the_predicted_image_is_the_image_that_was_mixed() {
    for class in SchedulerClass::ALL {
        for kind in ["epsilon", "v_prediction", "sample"] {
            let more = format!(r#", "prediction_type": "{kind}""#);
            let text = format!(r#"{{"beta_schedule": "scaled_linear", "skip_prk_steps": true{more}}}"#);
            let Ok(config) = SchedulerConfig::parse_for(&text, class) else { continue };
            let sampler = Sampler::new(&config, &SamplerOptions::new(5)).unwrap();
            let mut generator = Generator::new(3);
            let (image, noise) = (generator.normal(20).unwrap(), generator.normal(20).unwrap());
            let sample = sampler.add_noise(&image, &noise).unwrap();
            let (signal, level) = sampler.solver.scale().mixture(0);
            let norm = signal.hypot(level);
            let output: Vec<f32> = image
                .iter()
                .zip(&noise)
                .map(|(image, noise)| match kind {
                    _ if class == SchedulerClass::FlowMatchEuler => noise - image,
                    "epsilon" => *noise,
                    "sample" => *image,
                    _ => (signal * noise - level * image) / norm,
                })
                .collect();
            let seen = sampler.predicted_image(&output, &sample);
            let off = seen.iter().zip(&image).map(|(seen, image)| (seen - image).abs()).fold(0.0, f32::max);
            assert!(off < 2e-3, "{class:?} {kind}: {off}");
        }
    }
}

#[test]
fn no_signal_at_all_cannot_be_divided_by() {
    // Such a model predicts velocities; with predicted noise the first step would divide by zero.
    let config = config(
        SchedulerClass::Ddim,
        r#", "rescale_betas_zero_snr": true, "timestep_spacing": "trailing", "clip_sample": false"#,
    );
    let mut sampler = Sampler::new(&config, &SamplerOptions::new(4)).unwrap();
    let step = sampler.step(&[0.1], &[0.2], &mut Generator::new(0));
    assert!(matches!(step, Err(PaintError::NotFinite { .. })), "{step:?}");
}
