//! The question before something is removed for good. Refuses: taking silence for a yes.

use std::io::{IsTerminal, Write};

use crate::failure::{Failure, USAGE};

/// Asks whether `what`, as the user reads it, shall be gone for good.
///
/// # Errors
/// When nobody is there to ask, and when the answer is no.
pub(crate) fn removal(what: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(format!("nobody is there to ask whether {what} shall be gone for good"))
            .hint("add `--yes`")
            .code(USAGE));
    }
    let mut error = std::io::stderr().lock();
    // Whoever cannot read the question cannot answer it either.
    let _ = write!(error, "Remove {what} for good? [y/N] ");
    let _ = error.flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::new("nothing was removed"))
}
