//! The hidden option that puts a script in the place of the model, in builds for tests. Refuses: being there in other
//! builds.

use std::ffi::OsString;
#[cfg(feature = "scripted")]
use std::path::PathBuf;

use clap::Args;

use crate::context::Context;
use crate::failure::Failure;
use crate::wiring::Workers;

/// What stands in for the model.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Script {
    /// Answer by this script instead of a model, when this starts the daemon.
    #[cfg(feature = "scripted")]
    #[arg(long = "scripted-model", value_name = "FILE", hide = true)]
    scripted_model: Option<PathBuf>,
}

impl Script {
    /// The same option for a daemon, which has another working directory.
    pub(crate) fn for_daemon(&self) -> Vec<OsString> {
        #[cfg(feature = "scripted")]
        if let Some(file) = &self.scripted_model {
            let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
            return vec!["--scripted-model".into(), file.into()];
        }
        Vec::new()
    }

    /// The backend of this process.
    ///
    /// # Errors
    /// When the system has no thread to give, or the script cannot be used.
    pub(crate) fn workers(&self, context: &mut Context) -> Result<Workers, Failure> {
        let workers = Workers::start(&context.build)?;
        #[cfg(feature = "scripted")]
        if let Some(file) = &self.scripted_model {
            return workers.scripted(context, file);
        }
        Ok(workers)
    }
}
