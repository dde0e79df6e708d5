//! `familiar tokens`: access for other programs. Refuses: telling a token twice; only its hash is kept.

use app::{ApiToken, NewToken};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;

use super::reach::{Reach, reach};
use crate::context::Context;
use crate::render;

/// Tokens for programs that use the HTTP API.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  familiar tokens create --name build-bot --json\n  familiar tokens list\n  familiar tokens revoke ID"
)]
pub(crate) struct Tokens {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token; it is shown this once.
    Create {
        /// What it is for.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Print one JSON object: id, name, token.
        #[arg(long)]
        json: bool,
    },
    /// Show the tokens that are good.
    List {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// End a token at once.
    Revoke {
        /// Its id in `tokens list`.
        id: String,
    },
}

#[derive(Deserialize)]
struct TokenList {
    tokens: Vec<ApiToken>,
}

impl Tokens {
    /// Does what was asked for.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        let context = Context::open()?;
        let reach = reach(&context).await?;
        let done = self.action.run(&reach).await;
        if let Reach::Here(here) = reach {
            here.close().await;
        }
        render::output(&done?)?;
        Ok(0)
    }
}

impl Action {
    async fn run(&self, reach: &Reach) -> anyhow::Result<String> {
        Ok(match self {
            Self::Create { name, json } => {
                let new: NewToken = match reach {
                    Reach::Daemon(daemon) => {
                        daemon.client.post("/api/v1/tokens", &json!({ "name": name })).await?
                    }
                    Reach::Here(here) => here.app.create_token(name).await?,
                };
                if *json { render::json(&new) } else { created(&new) }
            }
            Self::List { json } => {
                let tokens = match reach {
                    Reach::Daemon(daemon) => daemon.client.get::<TokenList>("/api/v1/tokens").await?.tokens,
                    Reach::Here(here) => here.app.tokens().await?,
                };
                if *json { render::json(&json!({ "tokens": tokens })) } else { table(&tokens) }
            }
            Self::Revoke { id } => {
                match reach {
                    Reach::Daemon(daemon) => daemon.client.delete(&revoke_path(id)).await?,
                    Reach::Here(here) => here.app.revoke_token(id).await?,
                }
                format!("{} is revoked\n", render::one_line(id))
            }
        })
    }
}

/// The path of a token, whatever was typed as its id.
fn revoke_path(id: &str) -> String {
    let good = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    // What no id can hold names no token either.
    let id: String = id.chars().map(|c| if good(&c) { c } else { '-' }).collect();
    format!("/api/v1/tokens/{id}")
}

fn created(new: &NewToken) -> String {
    format!(
        "{}\n\nThis is the only time the token is shown. Programs send it as\n  Authorization: Bearer TOKEN\nEnd it with `familiar tokens revoke {}`.\n",
        new.token, new.id
    )
}

fn table(tokens: &[ApiToken]) -> String {
    if tokens.is_empty() {
        return "there are no tokens; make one with `familiar tokens create --name NAME`\n".into();
    }
    let line = |token: &ApiToken| {
        let used = if token.last_used_ms.is_some() { "used" } else { "never used" };
        format!("{}  {}…  {}  {used}\n", token.id, token.prefix, render::one_line(&token.name))
    };
    tokens.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_name_another_path() {
        assert_eq!(revoke_path("01ab-C_d"), "/api/v1/tokens/01ab-C_d");
        assert_eq!(revoke_path("../stop?x#"), "/api/v1/tokens/---stop-x-");
    }
}
