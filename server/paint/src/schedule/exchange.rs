//! A model's scheduler file with another sampler or another spacing than its own, as `from_config` of the reference does
//! it: what the file says stays, what it leaves out has the default of the new class.
//!
//! Refuses: spacings for samplers that do not count in noise levels, and anything but its own for a flow.

use model::{ImageSampler, NoiseSpacing};
use serde_json::{Map, Value};

use super::config::{FILE, SchedulerClass, SchedulerConfig};
use super::json;
use crate::error::PaintError;

/// Every sampler, in the order in which users are shown them.
const SAMPLERS: [ImageSampler; 9] = [
    ImageSampler::DpmPp2m,
    ImageSampler::DpmPp2mSde,
    ImageSampler::Euler,
    ImageSampler::EulerAncestral,
    ImageSampler::UniPc,
    ImageSampler::Heun,
    ImageSampler::Ddim,
    ImageSampler::Pndm,
    ImageSampler::Lcm,
];

/// The flags of a file that space its noise levels.
const SPACINGS: [(&str, NoiseSpacing); 3] = [
    ("use_karras_sigmas", NoiseSpacing::Karras),
    ("use_exponential_sigmas", NoiseSpacing::Exponential),
    ("use_beta_sigmas", NoiseSpacing::Beta),
];

/// The `scheduler_config.json` of a model.
pub struct ScheduleFile {
    map: Map<String, Value>,
    own: SchedulerConfig,
}

impl ScheduleFile {
    /// Reads a file.
    ///
    /// # Errors
    /// `BadModel` as for [`SchedulerConfig::parse`].
    pub fn parse(text: &str) -> Result<Self, PaintError> {
        let own = SchedulerConfig::parse(text)?;
        let map = json::parse_object(text).map_err(|reason| PaintError::bad_model(FILE, reason))?;
        Ok(Self { map, own })
    }

    /// What the file itself asks for.
    #[must_use]
    pub fn own(&self) -> &SchedulerConfig {
        &self.own
    }

    /// The same model with another sampler or another spacing; `None` is the file's own.
    ///
    /// # Errors
    /// `BadRequest` when the model or the sampler does not have it.
    pub fn exchanged(
        &self,
        sampler: Option<ImageSampler>,
        spacing: Option<NoiseSpacing>,
    ) -> Result<SchedulerConfig, PaintError> {
        let is_flow = self.own.class == SchedulerClass::FlowMatchEuler;
        if is_flow && sampler.is_some_and(|sampler| sampler != ImageSampler::Euler) {
            return Err(PaintError::BadRequest("this model has no other sampler than Euler".to_owned()));
        }
        let mut map = self.map.clone();
        let class = match sampler {
            Some(sampler) if !is_flow => prepare(&mut map, sampler),
            _ => self.own.class,
        };
        if let Some(spacing) = spacing {
            if spacing != NoiseSpacing::Timesteps && !has_spacings(class) {
                return Err(PaintError::BadRequest(format!(
                    "{} does not space noise levels; leave the spacing out or take another sampler",
                    class.class_name()
                )));
            }
            for (key, named) in SPACINGS {
                map.insert(key.to_owned(), Value::Bool(named == spacing));
            }
        }
        SchedulerConfig::of_map(&map, class).map_err(|reason| {
            PaintError::BadRequest(format!(
                "this model cannot be sampled with {}: {reason}; take another sampler or leave it out",
                class.class_name()
            ))
        })
    }

    /// The samplers that [`ScheduleFile::exchanged`] takes.
    #[must_use]
    pub fn samplers(&self) -> Vec<ImageSampler> {
        SAMPLERS.into_iter().filter(|sampler| self.exchanged(Some(*sampler), None).is_ok()).collect()
    }
}

/// The class of a sampler, and what of the file would make it another one.
fn prepare(map: &mut Map<String, Value>, sampler: ImageSampler) -> SchedulerClass {
    let mut set = |key: &str, value: Value| {
        map.insert(key.to_owned(), value);
    };
    match sampler {
        ImageSampler::DpmPp2m | ImageSampler::DpmPp2mSde => {
            let stochastic = sampler == ImageSampler::DpmPp2mSde;
            set("algorithm_type", if stochastic { "sde-dpmsolver++" } else { "dpmsolver++" }.into());
            set("solver_order", 2.into());
        }
        // The steps in front that the file may not have left out are not among ours.
        ImageSampler::Pndm => set("skip_prk_steps", true.into()),
        _ => {}
    }
    match sampler {
        ImageSampler::Euler => SchedulerClass::Euler,
        ImageSampler::EulerAncestral => SchedulerClass::EulerAncestral,
        ImageSampler::DpmPp2m | ImageSampler::DpmPp2mSde => SchedulerClass::DpmSolverMultistep,
        ImageSampler::Ddim => SchedulerClass::Ddim,
        ImageSampler::Pndm => SchedulerClass::Pndm,
        ImageSampler::UniPc => SchedulerClass::UniPc,
        ImageSampler::Heun => SchedulerClass::Heun,
        ImageSampler::Lcm => SchedulerClass::Lcm,
    }
}

/// Whether the class heeds the flags of [`SPACINGS`].
fn has_spacings(class: SchedulerClass) -> bool {
    use SchedulerClass::{DpmSolverMultistep, Euler, FlowMatchEuler, Heun, UniPc};
    matches!(class, Euler | DpmSolverMultistep | UniPc | Heun | FlowMatchEuler)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Algorithm, SigmaSpacing};

    fn file(more: &str) -> ScheduleFile {
        let text = format!(r#"{{"beta_schedule": "scaled_linear", "skip_prk_steps": true{more}}}"#);
        ScheduleFile::parse(&text).unwrap()
    }

    #[test]
    fn every_sampler_is_taken_and_keeps_the_files_keys() {
        let file = file(r#", "_class_name": "PNDMScheduler", "beta_end": 0.013, "use_beta_sigmas": true"#);
        assert_eq!(file.samplers(), SAMPLERS);
        for sampler in SAMPLERS {
            let config = file.exchanged(Some(sampler), None).unwrap();
            assert!((config.beta_end - 0.013).abs() < 1e-9 && config.sigma_spacing == SigmaSpacing::Beta);
            let stochastic = config.algorithm_type == Algorithm::SdeDpmSolverPlusPlus;
            assert_eq!(stochastic, sampler == ImageSampler::DpmPp2mSde);
        }
        assert_eq!(&file.exchanged(None, None).unwrap(), file.own());
    }

    #[test]
    fn a_spacing_takes_the_place_of_the_files() {
        let file = file(r#", "_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": true"#);
        for (spacing, expected) in [
            (NoiseSpacing::Timesteps, SigmaSpacing::OfTimesteps),
            (NoiseSpacing::Karras, SigmaSpacing::Karras),
            (NoiseSpacing::Exponential, SigmaSpacing::Exponential),
            (NoiseSpacing::Beta, SigmaSpacing::Beta),
        ] {
            assert_eq!(file.exchanged(None, Some(spacing)).unwrap().sigma_spacing, expected);
            let ddim = file.exchanged(Some(ImageSampler::Ddim), Some(spacing));
            assert_eq!(ddim.is_ok(), spacing == NoiseSpacing::Timesteps, "{ddim:?}");
        }
    }

    #[test]
    fn what_a_model_cannot_have_is_refused() {
        let flow = file(r#", "_class_name": "FlowMatchEulerDiscreteScheduler""#);
        assert_eq!(flow.samplers(), [ImageSampler::Euler]);
        assert!(matches!(flow.exchanged(Some(ImageSampler::Ddim), None), Err(PaintError::BadRequest(_))));
        let of_images = file(r#", "_class_name": "DDIMScheduler", "prediction_type": "sample""#);
        let refused = of_images.exchanged(Some(ImageSampler::Pndm), None).unwrap_err().to_string();
        assert!(refused.contains("prediction_type"), "{refused}");
        assert!(!of_images.samplers().contains(&ImageSampler::EulerAncestral));
    }
}
