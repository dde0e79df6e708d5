//! What this test program is when it was started as a child: an obedient worker, or one that misbehaves.

use std::io::{Read, Write};

use worker::{ScriptedBackend, WorkerError, inherited_channel, serve};

/// Build id that the tests expect.
pub(crate) const BUILD_ID: &str = "test-build";

/// Runs as the child the arguments ask for.
pub(crate) fn run(kind: &str, script: &str) -> Result<(), WorkerError> {
    match kind {
        "good" => serve_script(script, BUILD_ID),
        "other-build" => serve_script(script, "another-build"),
        "garbage" => {
            let mut channel = inherited_channel()?;
            drop(channel.write_all(b"HTTP/1.1 200 OK\r\n\r\n"));
            wait_for_end(channel);
            Ok(())
        }
        "mute" => {
            wait_for_end(inherited_channel()?);
            Ok(())
        }
        _ => {
            eprintln!("the last words of a {kind} child");
            Err(WorkerError::NotAWorker)
        }
    }
}

fn serve_script(script: &str, build_id: &str) -> Result<(), WorkerError> {
    eprintln!("worker starts");
    serve(&mut ScriptedBackend::new(script), build_id)
}

fn wait_for_end(mut channel: impl Read) {
    let mut buffer = [0; 1024];
    while matches!(channel.read(&mut buffer), Ok(1..)) {}
}
