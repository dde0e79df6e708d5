//! `familiar models`: which models there are, bringing, choosing, checking and removing them. Refuses: a file that was not
//! checked, and removing without being asked twice.

mod change;
mod derive;
mod listed;
mod pull;
mod recommend;

use app::{
    ImageModelEntry, ModelEntry, VerifiedImageModel, list_image_models, list_models, verify_image_model,
    verify_model,
};
use clap::{Args, Subcommand};

use crate::context::Context;
use crate::failure::Failure;
use crate::render;
use crate::wiring::check_image_model;
use derive::DeriveArgs;
use pull::PullArgs;

/// The models: for text, a file each; for images, a folder each.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  familiar models pull starter\n  familiar models pull hf:OWNER/REPO/FILE.gguf --name small\n  familiar models pull https://example.org/model.gguf --sha256 HASH\n  familiar models recommend                     image models that fit this machine\n  familiar models pull sd-turbo                 one of them\n  familiar models pull hf:OWNER/REPO            another one, as diffusers lays it out\n  familiar models derive dream --from sd15 --weights dream.safetensors\n  familiar models derive sketch --from sd15 --lora pencil.safetensors:0.8\n  familiar models use sd-turbo                  it draws when none is named\n  familiar models unload                        frees the memory they take now\n\nThe model for text that is in use is named by `model` in config.toml.\n\nA model of your own goes into the model folder, which `familiar doctor` names and FAMILIAR_MODELS moves: for text a file NAME.gguf, for images a folder NAME as diffusers lays it out, with model_index.json in it. `familiar models verify NAME` then checks it."
)]
pub(crate) struct Models {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the models and which ones are in use.
    List {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show which image models this machine has the memory for; `pull` brings one by its name.
    Recommend {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Bring a model; goes on where an earlier attempt stopped.
    Pull(PullArgs),
    /// Make an image model of another one: with the weights of a checkpoint file, with LoRAs, or both.
    ///
    /// The other model stays as it is, and its files are shared on the disk. It gives the configuration and the tokenizers, so
    /// a checkpoint has to be of the same kind: of Stable Diffusion 1.5 for a model of Stable Diffusion 1.5.
    Derive(DeriveArgs),
    /// Choose the image model that draws when none is named.
    Use {
        /// Its name in `models list`.
        name: String,
    },
    /// Check the files of a model without loading it.
    ///
    /// The parts of an image model have to fit together, by the names and shapes of their tensors. When `pull` brought it, every
    /// file is compared with what arrived; of any other one the weights are checked as far as they describe themselves.
    Verify {
        /// Its name in `models list`.
        name: String,
    },
    /// Give the memory of a model back now; the next request loads it again.
    Unload {
        /// Its name in `models list` [default: every model]
        name: Option<String>,
    },
    /// Remove a model and its files, for good.
    Remove {
        /// Its name in `models list`.
        name: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// A model of either kind.
enum Found {
    Text(ModelEntry),
    Image(ImageModelEntry),
}

impl Models {
    /// Does what was asked for.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        let context = Context::open()?;
        context.tell_notes();
        match self.action {
            Action::List { json } => listed::list(&context, json).await?,
            Action::Recommend { json } => recommend::recommend(&context.home, json)?,
            Action::Pull(pull) => pull.run(&context.home, &context.config.model).await?,
            Action::Derive(derive) => derive.run(&context.home)?,
            Action::Use { name } => change::choose(&context, &name).await?,
            Action::Verify { name } => {
                for found in find(&context, &name)? {
                    render::output(&found.verify()?)?;
                }
            }
            Action::Unload { name } => change::unload(&context, name.as_deref()).await?,
            Action::Remove { name, yes } => change::remove(&context, &name, yes).await?,
        }
        Ok(0)
    }
}

impl Found {
    /// Checks its files; what to say when they are sound.
    fn verify(&self) -> anyhow::Result<String> {
        Ok(match self {
            Self::Text(entry) => {
                verify_model(&entry.path)?;
                format!("{} is sound\n", entry.name)
            }
            Self::Image(entry) => sound(&entry.name, verify_image_model(&entry.path, check_image_model)?),
        })
    }
}

fn sound(name: &str, verified: VerifiedImageModel) -> String {
    let VerifiedImageModel { recorded_files, weight_files } = verified;
    if recorded_files > 0 {
        return format!("{name} is sound: {} as it arrived\n", app::counted(recorded_files as u64, "file"));
    }
    let files = app::counted(weight_files as u64, "file");
    format!(
        "{name} is sound: its parts fit together, and its {files} of weights are whole; there is no record of what arrived, \
         so their numbers were not compared\n"
    )
}

/// The models of this name: one, unless a file and a folder share it.
///
/// # Errors
/// When there is none.
fn find(context: &Context, name: &str) -> Result<Vec<Found>, Failure> {
    let texts = list_models(&context.home.models, &context.config.model).into_iter();
    let texts = texts.filter(|entry| entry.name == name).map(Found::Text);
    let images = list_image_models(&context.home.models).into_iter();
    let images = images.filter(|entry| entry.name == name).map(Found::Image);
    let found: Vec<Found> = texts.chain(images).collect();
    if found.is_empty() {
        return Err(Failure::new(format!("there is no model named `{name}`")).hint("see `familiar models list`"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_model_says_how_much_that_means() {
        let said = |recorded_files, weight_files| sound("m", VerifiedImageModel { recorded_files, weight_files });
        assert_eq!(said(12, 3), "m is sound: 12 files as it arrived\n");
        assert!(said(0, 3).contains("its 3 files of weights are whole; there is no record"));
    }
}
