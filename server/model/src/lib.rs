//! What a model is: the words of a request, the events of its answer, and the errors callers react to.
//!
//! Refuses: any backend, any network, any prompt of a feature. Backends implement [`ChatModel`] or
//! [`ImageModel`]; only the binary names one.

mod chat;
mod error;
pub mod gguf;
mod image;
pub mod scripted;

pub use chat::{
    ChatEvent, ChatModel, ChatRequest, ChatStream, FinishReason, Finished, Message, ModelInfo, Priority,
    Quotation, Role, Sampling, Timings, Usage,
};
pub use error::ModelError;
pub use image::{
    IMAGE_PROMPT_BYTES_MAX, IMAGE_ROWS_BYTES_MAX, IMAGE_SIDE_PIXELS_MAX, IMAGE_STEPS_MAX, IMAGES_MAX, ImageEvent,
    ImageModel, ImageModelInfo, ImageRequest, ImageSampler, ImageStream, NoiseSpacing, Preview, SourceImage,
};

// Makes a different checkout a different input to cargo; see `.cargo/config.toml`.
const _: Option<&str> = option_env!("FAMILIAR_CHECKOUT");
