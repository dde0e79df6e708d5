//! The log: files in the home that turn over by themselves, and warnings on the terminal of a `serve`.
//!
//! Refuses: growing without end, and words of the user or of a model; what is logged says what happened, not what
//! was said.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use app::{Config, Home, disk_hint};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::daemon::lock::ELSEWHERE;
use crate::failure::Failure;
use crate::os;

/// A log file that reached this size is put aside.
const LOG_FILE_BYTES_MAX: u64 = 5_000_000;
/// Log files kept, the one being written included.
const LOG_FILES_MAX: u32 = 5;
/// Libraries that tell much and mean little to a user. What goes wrong in the index and its watcher, ours say.
const QUIET: &str = "tantivy=error,notify=error,hyper=warn,reqwest=warn,rustls=warn,h2=warn,tower_lsp_server=warn";

/// Where else than in the file a process tells what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Also {
    /// Nowhere.
    Nowhere,
    /// Warnings and errors on standard error too.
    Terminal,
}

/// Begins to log. Only the process that holds the home does, so that files turn over in one place.
///
/// # Errors
/// When the log file cannot be written.
pub(crate) fn start(home: &Home, config: &Config, also: Also) -> Result<(), Failure> {
    let file = home.log_file();
    let log = RotatingFile::open(&file).map_err(|error| {
        Failure::new(format!("cannot write the log {}: {error}", file.display()))
            .hint(disk_hint(&error, ELSEWHERE))
    })?;
    let filter = EnvFilter::new(format!("{},{QUIET}", config.log_level));
    let to_file = fmt::layer().with_ansi(false).with_writer(log).with_filter(filter);
    let to_terminal = (also == Also::Terminal).then(|| {
        let plain = fmt::layer().with_ansi(false).with_target(false).without_time().with_writer(io::stderr);
        plain.with_filter(EnvFilter::new(format!("warn,{QUIET}")))
    });
    // Fails only when a log was begun already, and then that one goes on.
    let _ = tracing_subscriber::registry().with(to_file).with(to_terminal).try_init();
    log_panics();
    Ok(())
}

/// A panic is caught at the door it happened behind; the log says where it came from.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(place, message, "panicked");
    }));
}

/// A file that is put aside when it is full; the oldest ones are removed.
#[derive(Clone)]
struct RotatingFile(Arc<Mutex<Rotation>>);

struct Rotation {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl RotatingFile {
    fn open(path: &Path) -> io::Result<Self> {
        Self::with_size(path, LOG_FILE_BYTES_MAX)
    }

    fn with_size(path: &Path, bytes_max: u64) -> io::Result<Self> {
        let file = os::append_private(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self(Arc::new(Mutex::new(Rotation { path: path.to_owned(), file, bytes, bytes_max }))))
    }
}

impl Rotation {
    fn turn_over(&mut self) -> io::Result<()> {
        for number in (1..LOG_FILES_MAX).rev() {
            let from = if number == 1 { self.path.clone() } else { aside(&self.path, number - 1) };
            match std::fs::rename(&from, aside(&self.path, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file = os::append_private(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

fn aside(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

impl Write for RotatingFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut rotation = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rotation.bytes > 0 && rotation.bytes + line.len() as u64 > rotation.bytes_max {
            // A file that cannot be put aside is written on: a long log is better than none.
            let _ = rotation.turn_over();
        }
        let written = rotation.file.write(line)?;
        rotation.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'writer> MakeWriter<'writer> for RotatingFile {
    type Writer = Self;

    fn make_writer(&'writer self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_turn_over_and_the_oldest_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut log = RotatingFile::with_size(&path, 10).expect("a log");
        for number in 0..8 {
            log.write_all(format!("line {number}\n").as_bytes()).expect("it is written");
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).ok();
        let kept: Vec<_> = ["log", "log.1", "log.2", "log.3", "log.4", "log.5"].map(read).into();
        let line = |number: u32| Some(format!("line {number}\n"));
        assert_eq!(kept, [line(7), line(6), line(5), line(4), line(3), None]);
    }

    #[test]
    fn a_log_goes_on_where_it_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        for number in 0..3 {
            let mut log = RotatingFile::with_size(&path, 15).expect("a log");
            log.write_all(format!("line {number}\n").as_bytes()).expect("it is written");
        }
        assert_eq!(std::fs::read_to_string(&path).expect("a log"), "line 2\n");
        assert_eq!(std::fs::read_to_string(aside(&path, 1)).expect("an older log"), "line 0\nline 1\n");
    }
}
