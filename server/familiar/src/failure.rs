//! How a command ends badly: one line, a next step, an exit code that means something. Refuses: backtraces on a
//! user's screen; causes go to the log.

use std::fmt;
use std::io;

use app::AppError;

use crate::render;

/// The command did not do what it was asked.
pub(crate) const FAILED: u8 = 1;
/// The command line means nothing.
pub(crate) const USAGE: u8 = 2;
/// Another process holds this home.
pub(crate) const HELD: u8 = 3;
/// The user broke it off; what was done is kept. What a shell shows of a process that Ctrl+C ended.
pub(crate) const INTERRUPTED: u8 = 130;
/// A daemon holds the home that `lsp --standalone` wanted for itself; trying without `--standalone` works.
pub(crate) const TRY_THE_DAEMON: u8 = 75;

/// Why a command failed, as its user reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What the process exits with.
    pub(crate) code: u8,
    /// What happened, one sentence.
    pub(crate) message: String,
    /// The next step.
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// A failure saying `message`, exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { code: FAILED, message: message.into(), hint: None }
    }

    /// The same with the next step.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with another exit code.
    #[must_use]
    pub(crate) fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// What `error` means to the user; `None` when the reader of our output is gone, which is no failure.
    pub(crate) fn from_error(error: &anyhow::Error) -> Option<Self> {
        if let Some(failure) = error.downcast_ref::<Self>() {
            return Some(failure.clone());
        }
        if let Some(error) = error.downcast_ref::<AppError>() {
            return Some(Self { code: FAILED, message: error.message.clone(), hint: error.hint.clone() });
        }
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return None;
        }
        Some(Self::new(format!("{error:#}")))
    }

    /// The lines on standard error.
    pub(crate) fn lines(&self) -> String {
        let message = render::one_line(&self.message);
        match &self.hint {
            Some(hint) => format!("familiar: {message}\n  hint: {}\n", render::one_line(hint)),
            None => format!("familiar: {message}\n"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// What clap says about a command line, in our form.
pub(crate) fn from_usage(error: &clap::Error) -> Failure {
    let said = error.to_string();
    let mut message = String::new();
    let mut tips = Vec::new();
    for line in said.lines() {
        let line = line.trim();
        if let Some(tip) = line.strip_prefix("tip: ") {
            tips.push(tip.to_owned());
        } else if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        } else if !line.is_empty() {
            let space = if message.is_empty() { "" } else { " " };
            message.push_str(space);
            message.push_str(line.strip_prefix("error: ").unwrap_or(line));
        }
    }
    tips.push("`familiar help` lists the commands, `familiar help COMMAND` their options".to_owned());
    Failure::new(message).hint(tips.join("; ")).code(USAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_and_a_hint() {
        let failure = Failure::new("no\nfolder \x1b[31mred").hint("make it");
        assert_eq!(failure.lines(), "familiar: no folder \\x1b[31mred\n  hint: make it\n");
        let error = AppError::new(app::ErrorKind::Busy, "too much").hint("wait");
        let failure = Failure::from_error(&anyhow::Error::from(error)).expect("it is a failure");
        assert_eq!(failure.lines(), "familiar: too much\n  hint: wait\n");
    }

    #[test]
    fn a_reader_that_left_is_no_failure() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(Failure::from_error(&error), None);
    }
}
