//! `familiar serve`: the daemon in the foreground.

use std::path::PathBuf;

use clap::Args;

use super::folder;
use super::script::Script;
use crate::context::Context;
use crate::daemon::run;
use crate::os;

/// Run the daemon in the foreground: web page, editors, models.
///
/// It takes over from a daemon that an editor started. Ctrl+C ends it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  familiar serve --workspace ~/code/project --open\n  familiar serve --port 5000"
)]
pub(crate) struct Serve {
    /// A folder to index and watch; may be given several times.
    #[arg(long, value_name = "DIR")]
    workspace: Vec<PathBuf>,
    /// The port of the web page on this machine; this one or none [default: 4774, or the next free one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Open the web page in the browser.
    #[arg(long)]
    open: bool,
    /// Started by a command: silent, leaves when nobody needs it.
    #[arg(long, hide = true)]
    auto: bool,
    #[command(flatten)]
    script: Script,
}

impl Serve {
    /// Runs until the daemon is asked to end.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        if self.auto {
            os::leave_session();
        }
        let workspaces =
            self.workspace.iter().map(|folder| folder::named(folder)).collect::<Result<Vec<_>, _>>()?;
        let mut context = Context::open()?;
        if let Some(port) = self.port {
            context.config = context.config.with_argument("port", i64::from(port));
        }
        let workers = self.script.workers(&mut context)?;
        let serve = run::Serve { workspaces, open: self.open, auto: self.auto };
        run::serve(context, serve, workers).await?;
        Ok(0)
    }
}
