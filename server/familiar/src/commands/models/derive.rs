//! `familiar models derive`: an image model made of another one and files that lie here. Refuses: fetching anything.

use std::path::PathBuf;

use app::{Derivation, Home, derive_image_model};
use clap::Args;

use super::pull::one_at_a_time;
use crate::render;
use crate::wiring::check_image_model;

/// How much a LoRA counts when nothing is said.
const SCALE: f64 = 1.0;

#[derive(Debug, Args)]
pub(super) struct DeriveArgs {
    /// What to call it.
    name: String,
    /// The image model that it is made of, by its name in `models list`.
    #[arg(long, value_name = "MODEL")]
    from: String,
    /// A checkpoint in one safetensors file, in the place of the model's own weights.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// A LoRA as a safetensors file, and how much it counts, -4 to 4 [default: 1]; up to 8 of them
    #[arg(long = "lora", value_name = "FILE[:SCALE]")]
    loras: Vec<String>,
}

impl DeriveArgs {
    /// Makes it.
    ///
    /// # Errors
    /// When a file or the model is not there, or the model folder cannot be written.
    pub(super) fn run(self, home: &Home) -> anyhow::Result<()> {
        let _lock = one_at_a_time(home)?;
        let loras = self.loras.iter().map(|lora| scaled(lora)).collect();
        let what = Derivation { weights: self.weights, loras };
        let path = derive_image_model(&home.models, &self.from, &self.name, &what, check_image_model)?;
        let text = format!(
            "{} is ready: {}\ntry it: familiar generate \"a lighthouse at dusk\" --model {}\n",
            self.name,
            render::escape(&path.display().to_string()),
            self.name
        );
        Ok(render::output(&text)?)
    }
}

/// A file and how much it counts. What stands behind a colon and is no number belongs to the name.
fn scaled(lora: &str) -> (PathBuf, f64) {
    let said = lora.rsplit_once(':').and_then(|(file, scale)| Some((PathBuf::from(file), scale.parse().ok()?)));
    said.unwrap_or_else(|| (PathBuf::from(lora), SCALE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lora_says_how_much_it_counts() {
        for (said, file, scale) in [
            ("style.safetensors", "style.safetensors", 1.0),
            ("a/style.safetensors:0.8", "a/style.safetensors", 0.8),
            ("style.safetensors:-1", "style.safetensors", -1.0),
            ("c:style.safetensors", "c:style.safetensors", 1.0),
        ] {
            assert_eq!(scaled(said), (PathBuf::from(file), scale));
        }
    }
}
