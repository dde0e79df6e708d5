//! Samplers: state machines that take a latent one step closer to an image, over plain numbers.
//!
//! A [`Sampler`] belongs to one image, so that an image comes out the same alone and in a batch. It needs no tensor
//! library and no device. Refuses: any random number but those of the image's own generator; latents and outputs whose
//! sizes differ; numbers that are not finite.

mod ddim;
mod dpm_solver;
mod euler;
mod euler_ancestral;
mod flow_match;
mod heun;
mod latents;
mod lcm;
mod levels;
mod pndm;
mod scale;
mod unipc;

use crate::error::PaintError;
use crate::noise::Generator;
use crate::schedule::{Prediction, STEPS_MAX, SchedulerClass, SchedulerConfig};
use latents::all_finite;
use scale::Scale;

/// What a request decides about its schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplerOptions {
    /// Steps from pure noise to the image, 1 to [`STEPS_MAX`].
    pub steps: usize,
    /// Share of fresh noise in each DDIM step, 0 to 1; other samplers take none.
    pub eta: f64,
    /// Tokens of the image within a flow transformer; needed where the configuration shifts by size.
    pub image_tokens: Option<usize>,
    /// Which noise levels a flow visits.
    pub flow_levels: FlowLevels,
}

impl SamplerOptions {
    /// So many steps, and the customary values for the rest.
    #[must_use]
    pub fn new(steps: usize) -> Self {
        Self { steps, eta: 0.0, image_tokens: None, flow_levels: FlowLevels::Trained }
    }
}

/// Which noise levels a flow visits before they are shifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowLevels {
    /// Evenly from the highest to the lowest trained one, as the scheduler itself does it.
    Trained,
    /// Evenly from 1 to one part in `steps`, as the pipelines of FLUX do it.
    EvenFromOne,
    /// The same in single precision throughout, as the pipeline of Z-Image does it.
    EvenFromOneSingle,
}

/// What a sampler takes a step from. The slices have the same length; `index` counts timesteps from zero.
struct Step<'a> {
    index: usize,
    output: &'a [f32],
    sample: &'a [f32],
    noise: &'a mut Generator,
}

/// One sampler.
trait Solver: Send {
    /// What its latents hold at each step.
    fn scale(&self) -> &dyn Scale;

    /// The latent after a step.
    fn step(&mut self, step: Step<'_>) -> Result<Vec<f32>, PaintError>;
}

/// What a class of sampler makes of a configuration.
struct Planned {
    timesteps: Vec<f32>,
    /// Factor that turns unit noise into the first latent.
    initial_noise_scale: f32,
    solver: Box<dyn Solver>,
}

/// A sampler on its way through one image.
pub struct Sampler {
    class: SchedulerClass,
    prediction: Prediction,
    steps: usize,
    timesteps: Vec<f32>,
    initial_noise_scale: f32,
    solver: Box<dyn Solver>,
    index: usize,
    started: bool,
}

impl Sampler {
    /// Plans the steps of one image.
    ///
    /// # Errors
    /// `BadRequest` when the steps or options are out of range for this model, `NotFinite` when the schedule is.
    pub fn new(config: &SchedulerConfig, options: &SamplerOptions) -> Result<Self, PaintError> {
        let steps_max = STEPS_MAX.min(config.num_train_timesteps - 1);
        if !(1..=steps_max).contains(&options.steps) {
            return Err(PaintError::BadRequest(format!(
                "{} steps were asked for; this model takes 1 to {steps_max}",
                options.steps
            )));
        }
        if !(0.0..=1.0).contains(&options.eta) {
            return Err(PaintError::BadRequest(format!("eta is {}; it goes from 0 to 1", options.eta)));
        }
        let planned = match config.class {
            SchedulerClass::Euler => euler::plan(config, options),
            SchedulerClass::EulerAncestral => euler_ancestral::plan(config, options),
            SchedulerClass::DpmSolverMultistep => dpm_solver::plan(config, options),
            SchedulerClass::Ddim => ddim::plan(config, options),
            SchedulerClass::Pndm => pndm::plan(config, options),
            SchedulerClass::UniPc => unipc::plan(config, options),
            SchedulerClass::FlowMatchEuler => flow_match::plan(config, options)?,
            SchedulerClass::Lcm => lcm::plan(config, options)?,
            SchedulerClass::Heun => heun::plan(config, options),
        };
        all_finite(&planned.timesteps, "the timesteps of the schedule")?;
        all_finite(&[planned.initial_noise_scale], "the first noise level of the schedule")?;
        let in_table = |timestep: &f32| (0.0..=config.num_train_timesteps as f32).contains(timestep);
        if !planned.timesteps.iter().all(in_table) {
            return Err(PaintError::BadRequest(format!(
                "{} steps leave the {} timesteps this model was trained with; ask for another number of steps",
                options.steps, config.num_train_timesteps
            )));
        }
        Ok(Self {
            class: config.class,
            prediction: config.prediction_type,
            steps: options.steps,
            timesteps: planned.timesteps,
            initial_noise_scale: planned.initial_noise_scale,
            solver: planned.solver,
            index: 0,
            started: false,
        })
    }

    /// The timesteps still to be visited, in order; each is what the model is told in that step. Samplers that ask the
    /// model twice in a step name its timestep twice.
    #[must_use]
    pub fn timesteps(&self) -> &[f32] {
        &self.timesteps[self.index..]
    }

    /// The factor that turns unit noise into the first latent of an image from nothing (`init_noise_sigma`).
    #[must_use]
    pub fn initial_noise_scale(&self) -> f32 {
        self.initial_noise_scale
    }

    /// Leaves the first steps out, for an image that starts from another one: `strength` 1 visits all, 0 none. What is
    /// left may be nothing.
    ///
    /// # Errors
    /// `BadRequest` when the strength is not within 0 to 1, `Bug` when steps were taken already.
    pub fn start_from_image(&mut self, strength: f64) -> Result<(), PaintError> {
        if !(0.0..=1.0).contains(&strength) {
            return Err(PaintError::BadRequest(format!("the strength is {strength}; it goes from 0 to 1")));
        }
        if self.started {
            return Err(PaintError::Bug("a strength came after the first step".to_owned()));
        }
        let visited = self.steps as f64 * strength;
        // The reference rounds what is visited for the one kind of model and what is left out for the other.
        let left_out = match self.class {
            SchedulerClass::FlowMatchEuler => (self.steps as f64 - visited) as usize,
            _ => self.steps - visited as usize,
        };
        let per_step = if self.class == SchedulerClass::Heun { 2 } else { 1 };
        // Not every list of timesteps has one entry for each step.
        let all = if left_out == self.steps { self.timesteps.len() } else { left_out * per_step };
        self.index = all.min(self.timesteps.len());
        Ok(())
    }

    /// An image's latent mixed with unit noise, as the next step expects it. After the last step, the image itself.
    ///
    /// # Errors
    /// `Bug` when the sizes differ, `NotFinite` when the numbers or the noise level are not.
    pub fn add_noise(&self, image: &[f32], noise: &[f32]) -> Result<Vec<f32>, PaintError> {
        same_length(image, noise)?;
        if self.index == self.timesteps.len() {
            return Ok(image.to_vec());
        }
        let (of_image, of_noise) = self.solver.scale().mixture(self.index);
        let mixed = latents::combine(&[(of_image, image), (of_noise, noise)]);
        all_finite(&mixed, "the noise added to the image")?;
        Ok(mixed)
    }

    /// The latent as the model is to see it in the next step.
    #[must_use]
    pub fn scale_model_input(&self, sample: &[f32]) -> Vec<f32> {
        let index = self.index.min(self.timesteps.len() - 1);
        let divisor = self.solver.scale().input_divisor(index);
        sample.iter().map(|value| value / divisor).collect()
    }

    /// The image without noise that the model's output for the next step stands for, as far as it is known by then. It is
    /// for looking at; samplers compute their own, in the order of the reference.
    #[must_use]
    pub fn predicted_image(&self, output: &[f32], sample: &[f32]) -> Vec<f32> {
        let (signal, noise) = self.solver.scale().mixture(self.index.min(self.timesteps.len() - 1));
        if self.class == SchedulerClass::FlowMatchEuler {
            return latents::zip(sample, output, |sample, output| sample - noise * output);
        }
        let norm = signal.hypot(noise);
        latents::zip(sample, output, |sample, output| match self.prediction {
            Prediction::Epsilon => (sample - noise * output) / signal,
            Prediction::Sample => output,
            Prediction::Velocity => (signal * sample / norm - noise * output) / norm,
        })
    }

    /// Takes the next step: the model's output for [`Sampler::scale_model_input`] of `sample` in, the next latent out.
    ///
    /// # Errors
    /// `Bug` after the last step and when the sizes differ; `NotFinite` when the output or the result is not.
    pub fn step(&mut self, output: &[f32], sample: &[f32], noise: &mut Generator) -> Result<Vec<f32>, PaintError> {
        same_length(output, sample)?;
        if self.index == self.timesteps.len() {
            return Err(PaintError::Bug("a sampler was asked for a step after its last one".to_owned()));
        }
        let place = format!("timestep {}", self.timesteps[self.index]);
        all_finite(output, &place)?;
        let next = self.solver.step(Step { index: self.index, output, sample, noise })?;
        all_finite(&next, &place)?;
        self.index += 1;
        self.started = true;
        Ok(next)
    }
}

fn same_length(a: &[f32], b: &[f32]) -> Result<(), PaintError> {
    if a.len() == b.len() {
        return Ok(());
    }
    Err(PaintError::Bug(format!("a sampler got {} numbers beside {}", a.len(), b.len())))
}

#[cfg(test)]
mod tests;
