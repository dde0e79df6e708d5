//! `familiar stop`: ends the daemon. Refuses: returning before it is gone.

use clap::Args;

use crate::daemon::{attach, lock};
use crate::failure::Failure;
use crate::{home, render};

/// End the daemon; running answers get a few seconds.
#[derive(Debug, Args)]
pub(crate) struct Stop {}

impl Stop {
    /// Ends it and waits.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        let home = home::from_environment()?;
        let Some(daemon) = attach::find(&home).await? else {
            if let Some(holder) = lock::holder(&home) {
                let message = format!("{} holds this home and cannot be reached", holder.describe());
                return Err(Failure::new(message).hint(format!("end it with `kill {}`", holder.pid)).into());
            }
            render::output("no daemon runs\n")?;
            return Ok(0);
        };
        let pid = daemon.identity.pid;
        attach::stop(&home, &daemon.client, pid).await?;
        render::output(&format!("the daemon (pid {pid}) ended\n"))?;
        Ok(0)
    }
}
