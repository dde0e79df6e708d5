//! The keys of a scheduler configuration one by one: known, of the right type, and asking for nothing that we do not do.
//!
//! Refuses: to guess. A value of another type than its key has is an error, also where the key does not matter.

use serde_json::{Map, Value};

use super::{
    Algorithm, BetaSchedule, FinalSigma, Prediction, SchedulerClass, SigmaSpacing, SolverType, Spacing, TimeShift,
};

/// Every key that a class of ours reads, and those that only matter with a setting that we refuse or to a class that
/// we do not have. A key with a leading underscore is about the file itself.
const KNOWN: &[&str] = &[
    "algorithm_type",
    "base_image_seq_len",
    "base_shift",
    "beta_end",
    "beta_schedule",
    "beta_start",
    "clip_sample",
    "clip_sample_range",
    "disable_corrector",
    "dynamic_thresholding_ratio",
    "euler_at_final",
    "final_sigmas_type",
    "flow_shift",
    "interpolation_type",
    "invert_sigmas",
    "lambda_min_clipped",
    "lower_order_final",
    "max_image_seq_len",
    "max_shift",
    "num_train_timesteps",
    "original_inference_steps",
    "predict_x0",
    "prediction_type",
    "rescale_betas_zero_snr",
    "sample_max_value",
    "set_alpha_to_one",
    "shift",
    "shift_terminal",
    "sigma_max",
    "sigma_min",
    "skip_prk_steps",
    "solver_order",
    "solver_p",
    "solver_type",
    "steps_offset",
    "stochastic_sampling",
    "thresholding",
    "time_shift_type",
    "timestep_scaling",
    "timestep_spacing",
    "timestep_type",
    "trained_betas",
    "use_beta_sigmas",
    "use_dynamic_shifting",
    "use_exponential_sigmas",
    "use_flow_sigmas",
    "use_karras_sigmas",
    "use_lu_lambdas",
    "variance_type",
];

/// The keys of a file.
pub(super) struct Keys<'a> {
    pub(super) map: &'a Map<String, Value>,
}

impl Keys<'_> {
    pub(super) fn all_are_known(&self) -> Result<(), String> {
        let mut names = self.map.keys().filter(|key| !key.starts_with('_'));
        match names.find(|key| !KNOWN.contains(&key.as_str())) {
            Some(key) => Err(format!("the key `{key}` is unknown")),
            None => Ok(()),
        }
    }

    /// Values that would change the picture of this class in a way we do not do.
    pub(super) fn ask_for_nothing_else(&self, class: SchedulerClass) -> Result<(), String> {
        use SchedulerClass::{Ddim, DpmSolverMultistep, Euler, EulerAncestral, FlowMatchEuler, Lcm, Pndm, UniPc};
        let is = |classes: &[SchedulerClass]| classes.contains(&class);
        let off = |key: &str| if self.flag(key, false)? { Err(unsupported(key, "true")) } else { Ok(()) };
        if is(&[Ddim, DpmSolverMultistep, UniPc, Lcm]) {
            off("thresholding")?;
        }
        if is(&[DpmSolverMultistep, UniPc]) {
            off("use_flow_sigmas")?;
        }
        if is(&[DpmSolverMultistep]) {
            off("use_lu_lambdas")?;
            self.only("variance_type", &["fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"])?;
            if self.count("solver_order", 2)? > 2 {
                return Err(unsupported("solver_order", "above 2"));
            }
        }
        if is(&[FlowMatchEuler]) {
            off("invert_sigmas")?;
        }
        if is(&[Euler]) {
            self.only("interpolation_type", &["linear"])?;
            self.only("timestep_type", &["discrete"])?;
        }
        if is(&[Pndm]) && !self.flag("skip_prk_steps", false)? {
            return Err(unsupported("skip_prk_steps", "false"));
        }
        if is(&[Pndm, EulerAncestral]) && self.prediction()? == Prediction::Sample {
            return Err(unsupported("prediction_type", "sample"));
        }
        if is(&[UniPc]) {
            if !self.flag("predict_x0", true)? {
                return Err(unsupported("predict_x0", "false"));
            }
            let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
            if let Some(key) =
                ["disable_corrector", "solver_p"].into_iter().find(|key| !self.map.get(*key).is_none_or(empty))
            {
                return Err(unsupported(key, "anything but empty"));
            }
        }
        Ok(())
    }

    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, String> {
        match self.present(key) {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| wrong_type(key, "true or false")),
        }
    }

    pub(super) fn count(&self, key: &str, default: usize) -> Result<usize, String> {
        let whole = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok());
        match self.present(key) {
            None => Ok(default),
            Some(value) => whole(value).ok_or_else(|| wrong_type(key, "a whole number from zero on")),
        }
    }

    pub(super) fn number(&self, key: &str, default: f64) -> Result<f64, String> {
        Ok(self.optional(key)?.unwrap_or(default))
    }

    /// A number, infinite where Python wrote so; `None` for an absent key and for `null`.
    pub(super) fn optional(&self, key: &str) -> Result<Option<f64>, String> {
        let number = |value: &Value| match value.as_str() {
            Some("Infinity") => Some(f64::INFINITY),
            Some("-Infinity") => Some(f64::NEG_INFINITY),
            _ => value.as_f64(),
        };
        self.present(key).map(|value| number(value).ok_or_else(|| wrong_type(key, "a number"))).transpose()
    }

    pub(super) fn betas(&self) -> Result<Option<Vec<f32>>, String> {
        let wrong = || wrong_type("trained_betas", "a list of numbers");
        let Some(value) = self.present("trained_betas") else { return Ok(None) };
        let list = value.as_array().ok_or_else(wrong)?;
        let numbers: Option<Vec<f32>> = list.iter().map(|item| item.as_f64().map(|item| item as f32)).collect();
        numbers.map(Some).ok_or_else(wrong)
    }

    pub(super) fn prediction(&self) -> Result<Prediction, String> {
        self.choice(
            "prediction_type",
            Prediction::Epsilon,
            &[
                ("epsilon", Prediction::Epsilon),
                ("v_prediction", Prediction::Velocity),
                ("sample", Prediction::Sample),
            ],
        )
    }

    pub(super) fn beta_schedule(&self, of_lcm: bool) -> Result<BetaSchedule, String> {
        let default = if of_lcm { BetaSchedule::ScaledLinear } else { BetaSchedule::Linear };
        self.choice(
            "beta_schedule",
            default,
            &[
                ("linear", BetaSchedule::Linear),
                ("scaled_linear", BetaSchedule::ScaledLinear),
                ("squaredcos_cap_v2", BetaSchedule::SquaredCosCapV2),
            ],
        )
    }

    pub(super) fn spacing(&self, class: SchedulerClass) -> Result<Spacing, String> {
        use SchedulerClass::{Ddim, Lcm, Pndm};
        let default = if matches!(class, Ddim | Lcm | Pndm) { Spacing::Leading } else { Spacing::Linspace };
        self.choice(
            "timestep_spacing",
            default,
            &[("leading", Spacing::Leading), ("trailing", Spacing::Trailing), ("linspace", Spacing::Linspace)],
        )
    }

    pub(super) fn sigma_spacing(&self) -> Result<SigmaSpacing, String> {
        let mut chosen = SigmaSpacing::OfTimesteps;
        for (key, spacing) in [
            ("use_karras_sigmas", SigmaSpacing::Karras),
            ("use_exponential_sigmas", SigmaSpacing::Exponential),
            ("use_beta_sigmas", SigmaSpacing::Beta),
        ] {
            if self.flag(key, false)? {
                if chosen != SigmaSpacing::OfTimesteps {
                    return Err(format!("`{key}` is true beside another spacing of noise levels"));
                }
                chosen = spacing;
            }
        }
        Ok(chosen)
    }

    pub(super) fn final_sigma(&self) -> Result<FinalSigma, String> {
        let choices = [("zero", FinalSigma::Zero), ("sigma_min", FinalSigma::Lowest)];
        self.choice("final_sigmas_type", FinalSigma::Zero, &choices)
    }

    /// The range of `clip_sample`, where the class has it and it is on.
    pub(super) fn clip(&self, class: SchedulerClass) -> Result<Option<f32>, String> {
        let range = self.number("clip_sample_range", 1.0)? as f32;
        let on = self.flag("clip_sample", class == SchedulerClass::Ddim)?;
        Ok(on.then_some(range))
    }

    pub(super) fn algorithm(&self, class: SchedulerClass) -> Result<Algorithm, String> {
        if class != SchedulerClass::DpmSolverMultistep {
            return Ok(Algorithm::DpmSolverPlusPlus);
        }
        self.choice(
            "algorithm_type",
            Algorithm::DpmSolverPlusPlus,
            &[
                ("dpmsolver++", Algorithm::DpmSolverPlusPlus),
                ("sde-dpmsolver++", Algorithm::SdeDpmSolverPlusPlus),
                // The reference takes this one for its own default.
                ("deis", Algorithm::DpmSolverPlusPlus),
            ],
        )
    }

    /// The two multistep solvers have names of their own, and each takes the other's for its default.
    pub(super) fn solver(&self, class: SchedulerClass) -> Result<SolverType, String> {
        use SolverType::{Bh1, Bh2, Heun, Midpoint};
        let (default, choices) = match class {
            SchedulerClass::UniPc => {
                (Bh2, [("bh1", Bh1), ("bh2", Bh2), ("midpoint", Bh2), ("heun", Bh2), ("logrho", Bh2)])
            }
            SchedulerClass::DpmSolverMultistep => (
                Midpoint,
                [
                    ("midpoint", Midpoint),
                    ("heun", Heun),
                    ("logrho", Midpoint),
                    ("bh1", Midpoint),
                    ("bh2", Midpoint),
                ],
            ),
            _ => return Ok(Midpoint),
        };
        self.choice("solver_type", default, &choices)
    }

    pub(super) fn time_shift(&self) -> Result<TimeShift, String> {
        let choices = [("exponential", TimeShift::Exponential), ("linear", TimeShift::Linear)];
        self.choice("time_shift_type", TimeShift::Exponential, &choices)
    }

    fn only(&self, key: &str, allowed: &[&str]) -> Result<(), String> {
        match self.text(key)? {
            Some(text) if !allowed.contains(&text) => Err(unsupported(key, text)),
            _ => Ok(()),
        }
    }

    fn choice<T: Copy>(&self, key: &str, default: T, choices: &[(&str, T)]) -> Result<T, String> {
        let Some(text) = self.text(key)? else { return Ok(default) };
        let chosen = choices.iter().find(|(name, _)| *name == text);
        chosen.map(|(_, value)| *value).ok_or_else(|| unsupported(key, text))
    }

    fn text(&self, key: &str) -> Result<Option<&str>, String> {
        self.present(key).map(|value| value.as_str().ok_or_else(|| wrong_type(key, "a word"))).transpose()
    }

    fn present(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }
}

fn unsupported(key: &str, value: &str) -> String {
    format!("`{key}` is {value}, which we do not do")
}

fn wrong_type(key: &str, expected: &str) -> String {
    format!("`{key}` is not {expected}")
}
