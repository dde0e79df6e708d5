//! The scheduler configuration of a model folder, read strictly.
//!
//! Class and key names are those of diffusers, and what a file leaves out has the default of the class that is used, so
//! one file serves every sampler. Refuses, by name: keys nobody knows, values of known keys that change the picture in a
//! way we do not do, and numbers that make no schedule.

mod keys;

use serde_json::{Map, Value};

use super::{TRAIN_TIMESTEPS_MAX, json};
use crate::error::PaintError;
use keys::Keys;

/// The file's name within a model's `scheduler` folder.
pub const FILE: &str = "scheduler_config.json";

/// A sampler, under the name of its class in diffusers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchedulerClass {
    /// `EulerDiscreteScheduler`.
    Euler,
    /// `EulerAncestralDiscreteScheduler`.
    EulerAncestral,
    /// `DPMSolverMultistepScheduler`: DPM++ 2M, and 2M SDE.
    DpmSolverMultistep,
    /// `DDIMScheduler`.
    Ddim,
    /// `PNDMScheduler`, without its Runge-Kutta steps.
    Pndm,
    /// `UniPCMultistepScheduler`.
    UniPc,
    /// `FlowMatchEulerDiscreteScheduler`.
    FlowMatchEuler,
    /// `LCMScheduler`.
    Lcm,
    /// `HeunDiscreteScheduler`.
    Heun,
}

impl SchedulerClass {
    /// Every sampler there is.
    pub const ALL: [Self; 9] = [
        Self::Euler,
        Self::EulerAncestral,
        Self::DpmSolverMultistep,
        Self::Ddim,
        Self::Pndm,
        Self::UniPc,
        Self::FlowMatchEuler,
        Self::Lcm,
        Self::Heun,
    ];

    /// The name a model folder has for it in `_class_name`.
    #[must_use]
    pub fn class_name(self) -> &'static str {
        match self {
            Self::Euler => "EulerDiscreteScheduler",
            Self::EulerAncestral => "EulerAncestralDiscreteScheduler",
            Self::DpmSolverMultistep => "DPMSolverMultistepScheduler",
            Self::Ddim => "DDIMScheduler",
            Self::Pndm => "PNDMScheduler",
            Self::UniPc => "UniPCMultistepScheduler",
            Self::FlowMatchEuler => "FlowMatchEulerDiscreteScheduler",
            Self::Lcm => "LCMScheduler",
            Self::Heun => "HeunDiscreteScheduler",
        }
    }
}

/// How `beta` grows over the training timesteps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BetaSchedule {
    /// `linear`.
    Linear,
    /// `scaled_linear`: its square root grows linearly.
    ScaledLinear,
    /// `squaredcos_cap_v2`.
    SquaredCosCapV2,
}

/// What the model's output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// `epsilon`: the noise.
    Epsilon,
    /// `v_prediction`: the velocity of Salimans and Ho, 2022.
    Velocity,
    /// `sample`: the image without noise.
    Sample,
}

/// Which training timesteps are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// `leading`.
    Leading,
    /// `trailing`.
    Trailing,
    /// `linspace`.
    Linspace,
}

/// How noise levels are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigmaSpacing {
    /// As the timesteps are.
    OfTimesteps,
    /// `use_karras_sigmas`.
    Karras,
    /// `use_exponential_sigmas`.
    Exponential,
    /// `use_beta_sigmas`.
    Beta,
}

/// The noise level after the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalSigma {
    /// `zero`.
    Zero,
    /// `sigma_min`: the lowest trained one.
    Lowest,
}

/// The equation a DPM solver integrates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `dpmsolver++`.
    DpmSolverPlusPlus,
    /// `sde-dpmsolver++`: noise is added at every step.
    SdeDpmSolverPlusPlus,
}

/// How a multistep solver weighs what it remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SolverType {
    /// `midpoint`, of DPM-Solver.
    Midpoint,
    /// `heun`, of DPM-Solver.
    Heun,
    /// `bh1`, of UniPC.
    Bh1,
    /// `bh2`, of UniPC.
    Bh2,
}

/// How the shift of a flow depends on the size of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeShift {
    /// `exponential`.
    Exponential,
    /// `linear`.
    Linear,
}

/// A checked configuration: every field has a value, from the file or the default of [`SchedulerConfig::class`].
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are named as the keys of the file, whose meaning the papers give")]
pub struct SchedulerConfig {
    pub class: SchedulerClass,
    pub num_train_timesteps: usize,
    pub beta_start: f64,
    pub beta_end: f64,
    pub beta_schedule: BetaSchedule,
    pub trained_betas: Option<Vec<f32>>,
    pub prediction_type: Prediction,
    pub timestep_spacing: Spacing,
    pub steps_offset: usize,
    pub rescale_betas_zero_snr: bool,
    pub sigma_spacing: SigmaSpacing,
    pub sigma_min: Option<f64>,
    pub sigma_max: Option<f64>,
    pub final_sigmas_type: FinalSigma,
    /// Half the width of the range the predicted image is held to (`clip_sample`, `clip_sample_range`).
    pub clip_sample_range: Option<f32>,
    pub set_alpha_to_one: bool,
    pub solver_order: usize,
    pub algorithm_type: Algorithm,
    pub solver_type: SolverType,
    pub lower_order_final: bool,
    pub euler_at_final: bool,
    pub lambda_min_clipped: f64,
    pub original_inference_steps: usize,
    pub timestep_scaling: f64,
    pub shift: f64,
    pub use_dynamic_shifting: bool,
    pub base_shift: f64,
    pub max_shift: f64,
    pub base_image_seq_len: usize,
    pub max_image_seq_len: usize,
    pub shift_terminal: Option<f64>,
    pub time_shift_type: TimeShift,
    pub stochastic_sampling: bool,
}

impl SchedulerConfig {
    /// Reads a `scheduler_config.json` for the class that it names.
    ///
    /// # Errors
    /// `BadModel` with the key that is unknown, out of range or asks for something that we do not do.
    pub fn parse(text: &str) -> Result<Self, PaintError> {
        Self::read(text, None)
    }

    /// Reads a `scheduler_config.json` for another sampler than the one it names.
    ///
    /// # Errors
    /// As for [`SchedulerConfig::parse`], but a class that we do not have is no error.
    pub fn parse_for(text: &str, class: SchedulerClass) -> Result<Self, PaintError> {
        Self::read(text, Some(class))
    }

    fn read(text: &str, class: Option<SchedulerClass>) -> Result<Self, PaintError> {
        let config = json::parse_object(text).and_then(|map| {
            let class = class.map_or_else(|| named_class(&map), Ok)?;
            Self::of_map(&map, class)
        });
        config.map_err(|reason| PaintError::bad_model(FILE, reason))
    }

    /// What a class makes of the keys of a file.
    pub(super) fn of_map(map: &Map<String, Value>, class: SchedulerClass) -> Result<Self, String> {
        Self::of_keys(&Keys { map }, class)?.checked()
    }

    fn of_keys(keys: &Keys<'_>, class: SchedulerClass) -> Result<Self, String> {
        keys.all_are_known()?;
        keys.ask_for_nothing_else(class)?;
        let of_lcm = class == SchedulerClass::Lcm;
        let from_stable_diffusion = of_lcm || class == SchedulerClass::Heun;
        Ok(Self {
            class,
            num_train_timesteps: keys.count("num_train_timesteps", 1_000)?,
            beta_start: keys.number("beta_start", if from_stable_diffusion { 0.000_85 } else { 0.000_1 })?,
            beta_end: keys.number("beta_end", if from_stable_diffusion { 0.012 } else { 0.02 })?,
            beta_schedule: keys.beta_schedule(of_lcm)?,
            trained_betas: keys.betas()?,
            prediction_type: keys.prediction()?,
            timestep_spacing: keys.spacing(class)?,
            steps_offset: keys.count("steps_offset", 0)?,
            rescale_betas_zero_snr: keys.flag("rescale_betas_zero_snr", false)?,
            sigma_spacing: keys.sigma_spacing()?,
            sigma_min: keys.optional("sigma_min")?,
            sigma_max: keys.optional("sigma_max")?,
            final_sigmas_type: keys.final_sigma()?,
            clip_sample_range: keys.clip(class)?,
            set_alpha_to_one: keys.flag("set_alpha_to_one", class != SchedulerClass::Pndm)?,
            solver_order: keys.count("solver_order", 2)?,
            algorithm_type: keys.algorithm(class)?,
            solver_type: keys.solver(class)?,
            lower_order_final: keys.flag("lower_order_final", true)?,
            euler_at_final: keys.flag("euler_at_final", false)?,
            lambda_min_clipped: keys.number("lambda_min_clipped", f64::NEG_INFINITY)?,
            original_inference_steps: keys.count("original_inference_steps", 50)?,
            timestep_scaling: keys.number("timestep_scaling", 10.0)?,
            shift: keys.number("shift", 1.0)?,
            use_dynamic_shifting: keys.flag("use_dynamic_shifting", false)?,
            base_shift: keys.number("base_shift", 0.5)?,
            max_shift: keys.number("max_shift", 1.15)?,
            base_image_seq_len: keys.count("base_image_seq_len", 256)?,
            max_image_seq_len: keys.count("max_image_seq_len", 4_096)?,
            shift_terminal: keys.optional("shift_terminal")?.filter(|terminal| *terminal != 0.0),
            time_shift_type: keys.time_shift()?,
            stochastic_sampling: keys.flag("stochastic_sampling", false)?,
        })
    }

    /// Numbers that would make no schedule, or one without bounds.
    fn checked(self) -> Result<Self, String> {
        let within = |name: &str, ok: bool| if ok { Ok(()) } else { Err(format!("`{name}` is out of range")) };
        let train = self.num_train_timesteps;
        let positive = |number: f64| number > 0.0 && number.is_finite();
        within("num_train_timesteps", (2..=TRAIN_TIMESTEPS_MAX).contains(&train))?;
        within("beta_start", positive(self.beta_start) && self.beta_start < 1.0)?;
        within("beta_end", positive(self.beta_end) && self.beta_end < 1.0)?;
        if let Some(betas) = &self.trained_betas {
            within("trained_betas", betas.len() == train && betas.iter().all(|beta| (0.0..1.0).contains(beta)))?;
        }
        within("steps_offset", self.steps_offset < train)?;
        within("sigma_min", self.sigma_min.is_none_or(positive))?;
        within("sigma_max", self.sigma_max.is_none_or(positive))?;
        within("clip_sample_range", self.clip_sample_range.is_none_or(|range| positive(f64::from(range))))?;
        within("solver_order", (1..=3).contains(&self.solver_order))?;
        within("original_inference_steps", (1..=train).contains(&self.original_inference_steps))?;
        within("timestep_scaling", positive(self.timestep_scaling))?;
        within("lambda_min_clipped", self.lambda_min_clipped < f64::INFINITY)?;
        within("shift", positive(self.shift))?;
        within("base_shift", self.base_shift.is_finite())?;
        within("max_shift", self.max_shift.is_finite())?;
        within("max_image_seq_len", self.max_image_seq_len > self.base_image_seq_len)?;
        within("shift_terminal", self.shift_terminal.is_none_or(|terminal| positive(terminal) && terminal < 1.0))?;
        Ok(self)
    }
}

fn named_class(map: &Map<String, Value>) -> Result<SchedulerClass, String> {
    let name = map.get("_class_name").and_then(Value::as_str).ok_or("`_class_name` is missing")?;
    let class = SchedulerClass::ALL.into_iter().find(|class| class.class_name() == name);
    class.ok_or_else(|| format!("the sampler `{name}` is not among ours"))
}

#[cfg(test)]
mod tests {
    use super::{Prediction, SchedulerClass, SchedulerConfig, SigmaSpacing, Spacing};
    use crate::error::PaintError;

    fn reason(text: &str) -> String {
        match SchedulerConfig::parse(text) {
            Err(PaintError::BadModel { reason, .. }) => reason,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_file_of_stable_diffusion_serves_every_sampler() {
        let text = r#"{"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "beta_end": 0.012,
            "beta_schedule": "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000,
            "set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1, "trained_betas": null,
            "clip_sample": false}"#;
        let own = SchedulerConfig::parse(text).unwrap();
        assert_eq!(
            (own.class, own.timestep_spacing, own.steps_offset),
            (SchedulerClass::Pndm, Spacing::Leading, 1)
        );
        for class in SchedulerClass::ALL {
            assert_eq!(SchedulerConfig::parse_for(text, class).unwrap().class, class);
        }
        let euler = SchedulerConfig::parse_for(text, SchedulerClass::Euler).unwrap();
        assert_eq!(euler.timestep_spacing, Spacing::Linspace);
    }

    #[test]
    fn pythons_infinity_and_flags_are_read() {
        let text = r#"{"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity,
            "use_karras_sigmas": true, "prediction_type": "v_prediction", "variance_type": null}"#;
        let config = SchedulerConfig::parse(text).unwrap();
        assert_eq!((config.sigma_spacing, config.prediction_type), (SigmaSpacing::Karras, Prediction::Velocity));
        assert!(config.lambda_min_clipped.is_infinite());
    }

    #[test]
    fn what_we_do_not_do_is_an_error_that_names_the_key() {
        let with = |class: &str, more: &str| reason(&format!(r#"{{"_class_name": "{class}", {more}}}"#));
        for (class, more, named) in [
            ("DDIMScheduler", r#""bright_new_key": 1"#, "bright_new_key"),
            ("DDIMScheduler", r#""thresholding": true"#, "thresholding"),
            ("DDIMScheduler", r#""beta_schedule": "sigmoid""#, "beta_schedule"),
            ("DDIMScheduler", r#""num_train_timesteps": 1e9"#, "num_train_timesteps"),
            ("DDIMScheduler", r#""num_train_timesteps": "many""#, "num_train_timesteps"),
            ("DDIMScheduler", r#""beta_end": NaN"#, "beta_end"),
            ("DDIMScheduler", r#""steps_offset": -1"#, "steps_offset"),
            ("DDIMScheduler", r#""trained_betas": [0.1]"#, "trained_betas"),
            ("DDIMScheduler", r#""clip_sample_range": -1"#, "clip_sample_range"),
            ("PNDMScheduler", r#""skip_prk_steps": false"#, "skip_prk_steps"),
            ("PNDMScheduler", r#""skip_prk_steps": true, "prediction_type": "sample""#, "prediction_type"),
            ("EulerDiscreteScheduler", r#""interpolation_type": "log_linear""#, "interpolation_type"),
            ("EulerDiscreteScheduler", r#""timestep_type": "continuous""#, "timestep_type"),
            ("EulerDiscreteScheduler", r#""use_karras_sigmas": true, "use_beta_sigmas": true"#, "use_beta_sigmas"),
            ("EulerAncestralDiscreteScheduler", r#""prediction_type": "sample""#, "prediction_type"),
            ("DPMSolverMultistepScheduler", r#""solver_order": 3"#, "solver_order"),
            ("DPMSolverMultistepScheduler", r#""algorithm_type": "dpmsolver""#, "algorithm_type"),
            ("DPMSolverMultistepScheduler", r#""use_lu_lambdas": true"#, "use_lu_lambdas"),
            ("UniPCMultistepScheduler", r#""use_flow_sigmas": true"#, "use_flow_sigmas"),
            ("UniPCMultistepScheduler", r#""predict_x0": false"#, "predict_x0"),
            ("UniPCMultistepScheduler", r#""disable_corrector": [0]"#, "disable_corrector"),
            ("FlowMatchEulerDiscreteScheduler", r#""invert_sigmas": true"#, "invert_sigmas"),
            ("FlowMatchEulerDiscreteScheduler", r#""shift": 0"#, "shift"),
            ("KarrasVeScheduler", r#""sigma_min": 1"#, "KarrasVeScheduler"),
        ] {
            let said = with(class, more);
            assert!(said.contains(named), "{more}: {said}");
        }
        assert!(reason("{}").contains("_class_name"));
        assert!(reason("[]").contains("object"));
    }
}
