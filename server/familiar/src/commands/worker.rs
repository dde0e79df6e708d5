//! `familiar worker`: the child that runs a model and may die. Refuses: being typed by a person.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use llama::LlamaOptions;

use crate::build_id::BuildId;

/// Run one model for the daemon; started by it alone.
#[derive(Debug, Args)]
pub(crate) struct Worker {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Run a GGUF file with llama.cpp.
    Llama(Llama),
    /// Make images with the model in a folder.
    Paint {
        /// The model's folder.
        #[arg(long)]
        model: PathBuf,
    },
    /// Follow a script.
    #[cfg(feature = "scripted")]
    Scripted {
        /// The script, JSON.
        file: PathBuf,
    },
    /// Make images by a script.
    #[cfg(feature = "scripted")]
    ScriptedImages {
        /// The script, JSON.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Llama {
    /// The model file.
    #[arg(long)]
    model: PathBuf,
    /// What users call it.
    #[arg(long)]
    name: String,
    /// Tokens of context, at most.
    #[arg(long)]
    context_tokens: u32,
    /// Threads; 0 takes the physical cores.
    #[arg(long, default_value_t = 0)]
    threads: u32,
}

impl Worker {
    /// Runs until the parent is gone.
    pub(crate) fn run(self) -> anyhow::Result<u8> {
        let build = BuildId::own()?.to_string();
        match self.kind {
            Kind::Llama(Llama { model, name, context_tokens, threads }) => {
                let options =
                    LlamaOptions { context_tokens_max: context_tokens, threads, ..LlamaOptions::new(model, name) };
                llama::serve_worker(options, &build)?;
            }
            Kind::Paint { model } => paint::serve_worker(model, &build)?,
            #[cfg(feature = "scripted")]
            Kind::Scripted { file } => ::worker::serve(&mut ::worker::ScriptedBackend::new(file), &build)?,
            #[cfg(feature = "scripted")]
            Kind::ScriptedImages { file } => {
                ::worker::serve_images(&mut ::worker::ScriptedImageBackend::new(file), &build)?;
            }
        }
        Ok(0)
    }
}
