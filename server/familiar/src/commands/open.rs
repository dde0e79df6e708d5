//! `familiar open`: a fresh link that signs the browser in. Refuses: links that live longer than a minute.

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::context::Context;
use crate::daemon::attach;
use crate::daemon::run::address;
use crate::failure::Failure;
use crate::{os, render};

/// Open the web page, signed in; starts the daemon when none runs.
#[derive(Debug, Args)]
pub(crate) struct Open {
    /// Only print the link.
    #[arg(long)]
    print: bool,
}

#[derive(Deserialize)]
struct SignInLink {
    path: String,
}

impl Open {
    /// Prints the link and opens it.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        let context = Context::open()?;
        context.tell_notes();
        let daemon = attach::running_or_started(&context, &[]).await?;
        let Some(port) = daemon.identity.port else {
            return Err(Failure::new("the daemon has no web page: no port was free when it started")
                .hint("`familiar stop`, then `familiar serve --port N` with a free port")
                .into());
        };
        let link: SignInLink = daemon.client.post("/api/v1/sign-in-links", &json!({})).await?;
        let address = format!("{}{}", address(port), link.path);
        render::output(&format!("{address}\n"))?;
        if !self.print && !os::open_browser(&address).await {
            render::complain("familiar: no browser could be opened here; use the link within 60 s, once");
        }
        Ok(0)
    }
}
