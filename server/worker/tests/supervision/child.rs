//! What this test program is when it was started as a child: an obedient worker, or one that misbehaves.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use model::{ImageEvent, ImageModelInfo, ImageRequest, ModelError, Timings};
use worker::{
    CancelFlag, ImageBackend, ScriptedBackend, ScriptedImageBackend, WorkerError, inherited_channel, serve,
    serve_images,
};

/// Build id that the tests expect.
pub(crate) const BUILD_ID: &str = "test-build";

/// Runs as the child the arguments ask for.
pub(crate) fn run(kind: &str, script: &str) -> Result<(), WorkerError> {
    match kind {
        "good" => serve_script(script, BUILD_ID),
        "images" => serve_images(&mut ScriptedImageBackend::new(script), BUILD_ID),
        "counted" => serve_images(&mut Counted(ScriptedImageBackend::new(script), script.into()), BUILD_ID),
        "hostile" => crate::hostile::run(script),
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

/// The socket where a counting child sends a byte for each event that it got rid of.
pub(crate) fn count_socket(script: &Path) -> PathBuf {
    script.with_extension("count")
}

/// Follows a script and counts its events.
struct Counted(ScriptedImageBackend, PathBuf);

impl ImageBackend for Counted {
    fn load(&mut self, progress: &mut dyn FnMut(f32), cancel: &CancelFlag) -> Result<ImageModelInfo, ModelError> {
        self.0.load(progress, cancel)
    }

    fn draw(
        &mut self,
        request: &ImageRequest,
        emit: &mut dyn FnMut(ImageEvent),
        cancel: &CancelFlag,
    ) -> Result<Timings, ModelError> {
        let socket = UnixStream::connect(count_socket(&self.1));
        let mut socket = socket.map_err(|error| ModelError::Bug(error.to_string()))?;
        let mut counted = |event| {
            emit(event);
            drop(socket.write_all(b"."));
        };
        self.0.draw(request, &mut counted, cancel)
    }
}
