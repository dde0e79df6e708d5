//! The command line: what can be typed and what it starts. Refuses: two ways to say the same.

mod ask;
mod config;
mod confirm;
mod doctor;
mod eval;
mod folder;
mod gallery;
mod generate;
mod index;
mod lsp;
mod models;
mod open;
mod reach;
mod script;
mod search;
mod serve;
mod setup;
mod status;
mod stop;
mod tokens;
mod whole;
mod worker;

use std::future::Future;

use clap::{Parser, Subcommand};

const AFTER_HELP: &str = "\
Exit codes:
  0   done
  1   it failed; standard error says why
  2   the command line means nothing
  3   another process holds this home
  75  `lsp --standalone` found a daemon, so `lsp` alone works
  130 it was interrupted; what was done is kept

Environment:
  FAMILIAR_HOME    one folder for everything Familiar writes
  FAMILIAR_MODELS  the folder of the model files
  HF_ENDPOINT      another model hub for `models pull`
  NO_COLOR         no colours";

/// A private AI companion for your editor, your shell and your browser.
///
/// Everything runs on this machine: the models, the index of your code, the web page.
#[derive(Debug, Parser)]
#[command(name = "familiar", version, after_help = AFTER_HELP, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Setup(setup::Setup),
    Lsp(lsp::Lsp),
    Ask(ask::Ask),
    Search(search::Search),
    Index(index::Index),
    Eval(eval::Eval),
    Generate(generate::Generate),
    Gallery(gallery::Gallery),
    Models(models::Models),
    Tokens(tokens::Tokens),
    Open(open::Open),
    Status(status::Status),
    Stop(stop::Stop),
    Doctor(doctor::Doctor),
    Config(config::Config),
    #[command(hide = true)]
    Worker(worker::Worker),
}

impl Cli {
    /// Runs the command and returns its exit code.
    pub(crate) fn run(self) -> anyhow::Result<u8> {
        match self.command {
            Command::Serve(command) => on_all_cores(command.run()),
            Command::Setup(command) => on_one_core(command.run()),
            // The pipe only copies bytes; the standalone server brings its own threads.
            Command::Lsp(command) if command.standalone => on_all_cores(command.run()),
            Command::Lsp(command) => on_one_core(command.run()),
            Command::Ask(command) => on_one_core(command.run()),
            Command::Search(command) => on_all_cores(command.run()),
            Command::Index(command) => on_all_cores(command.run()),
            Command::Eval(command) => on_one_core(command.run()),
            Command::Generate(command) => on_one_core(command.run()),
            Command::Gallery(command) => on_one_core(command.run()),
            Command::Models(command) => on_one_core(command.run()),
            Command::Tokens(command) => on_one_core(command.run()),
            Command::Open(command) => on_one_core(command.run()),
            Command::Status(command) => on_one_core(command.run()),
            Command::Stop(command) => on_one_core(command.run()),
            Command::Doctor(command) => on_all_cores(command.run()),
            Command::Config(command) => command.run(),
            Command::Worker(command) => command.run(),
        }
    }
}

fn on_all_cores(command: impl Future<Output = anyhow::Result<u8>>) -> anyhow::Result<u8> {
    run_on(tokio::runtime::Builder::new_multi_thread(), command)
}

fn on_one_core(command: impl Future<Output = anyhow::Result<u8>>) -> anyhow::Result<u8> {
    run_on(tokio::runtime::Builder::new_current_thread(), command)
}

fn run_on(
    mut runtime: tokio::runtime::Builder,
    command: impl Future<Output = anyhow::Result<u8>>,
) -> anyhow::Result<u8> {
    let runtime = runtime.enable_all().build()?;
    let result = runtime.block_on(command);
    // A thread that still reads from a terminal must not keep the process.
    runtime.shutdown_background();
    result
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use clap::CommandFactory;

    use super::*;
    use crate::failure;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// Clap checks this in debug builds alone; arguments that share an id read each other's values.
    #[test]
    fn no_two_arguments_of_a_command_share_a_name() {
        let mut command = Cli::command();
        command.build();
        let mut waiting = vec![&command];
        let mut commands = 0;
        while let Some(command) = waiting.pop() {
            commands += 1;
            let mut seen = HashSet::new();
            for argument in command.get_arguments() {
                let id = format!("id {}", argument.get_id());
                let long = argument.get_long_and_visible_aliases().unwrap_or_default();
                let short = argument.get_short_and_visible_aliases().unwrap_or_default();
                let long = long.iter().map(|name| format!("--{name}"));
                for name in long.chain(short.iter().map(|name| format!("-{name}"))).chain([id]) {
                    assert!(seen.insert(name.clone()), "{name} stands twice in `{}`", command.get_name());
                }
            }
            waiting.extend(command.get_subcommands());
        }
        assert!(commands > 12, "only {commands} commands were looked at");
    }

    #[test]
    fn mistakes_are_one_line_and_a_hint() {
        for (typed, message, hint) in [
            (&["familiar", "ask"][..], "the following required arguments were not provided: <QUESTION>", None),
            (
                &["familiar", "ask", "--jsn", "x"],
                "unexpected argument '--jsn' found",
                Some("a similar argument exists: '--json'"),
            ),
            (
                &["familiar", "srve"],
                "unrecognized subcommand 'srve'",
                Some("a similar subcommand exists: 'serve'"),
            ),
            (
                &["familiar", "serve", "--port", "x"],
                "invalid value 'x' for '--port <N>': invalid digit found in string",
                None,
            ),
        ] {
            let failure = failure::from_usage(&Cli::try_parse_from(typed).expect_err("it means nothing"));
            assert_eq!(failure.message, message);
            assert_eq!(failure.code, failure::USAGE);
            let said = failure.hint.expect("there is help");
            assert!(hint.is_none_or(|hint| said.starts_with(hint)), "{said}");
        }
    }
}
