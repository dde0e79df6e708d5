//! Images from text on the user's own machine.
//!
//! Everything that decides what a picture looks like is here and compared with recorded results of the reference
//! implementation: the noise a seed gives, the noise levels of a schedule, the steps of each sampler, the models and
//! their pipeline. What a model needs is read from its own files. Refuses: any global random state, any default that the
//! model's own files name, any key of a configuration that it does not understand.

mod backend;
pub mod clip;
mod cpu;
mod error;
pub mod flux;
pub mod json_tokenizer;
mod layers;
mod model_config;
pub mod noise;
mod original;
mod painter;
pub mod pipeline;
pub mod prompt;
pub mod qwen3;
mod resnet;
mod rotary;
pub mod schedule;
pub mod scheduler;
mod stop;
pub mod t5;
pub mod tokenizer;
pub mod unet;
pub mod vae;
pub mod weights;
pub mod z_image;

pub use backend::{PaintBackend, serve_worker};
pub use error::PaintError;
pub use painter::Painter;
pub use stop::{Room, Stop};

// Makes a different checkout a different input to cargo; see `.cargo/config.toml`.
const _: Option<&str> = option_env!("FAMILIAR_CHECKOUT");
