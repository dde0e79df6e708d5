//! Familiar: a private AI companion for the editor, in one program.
//!
//! This room holds the commands, the sources of configuration, the log, the life of the daemon, and the wiring of the
//! backends. Refuses: deciding what a use case does; that is `app`.

mod build_id;
mod commands;
mod context;
mod daemon;
mod failure;
mod home;
mod logging;
mod os;
mod render;
mod wiring;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use commands::Cli;
use failure::Failure;
use render::Style;

fn main() -> ExitCode {
    worker::give_back_freed_memory();
    let result = match Cli::try_parse() {
        Ok(cli) => cli.run(),
        Err(error) => answer(&error),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => match Failure::from_error(&error) {
            Some(failure) => {
                render::complain(failure.lines().trim_end());
                ExitCode::from(failure.code)
            }
            None => ExitCode::SUCCESS,
        },
    }
}

/// What clap wants to say: help and version as they are, mistakes in our own form.
fn answer(error: &clap::Error) -> anyhow::Result<u8> {
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            render::output(&if Style::of_output().has_colour() {
                text.ansi().to_string()
            } else {
                text.to_string()
            })?;
            Ok(0)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            render::complain(text.to_string().trim_end());
            Ok(failure::USAGE)
        }
        _ => Err(failure::from_usage(error).into()),
    }
}
