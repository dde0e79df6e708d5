//! Repositories that a set asks about and that are not here yet, cloned by name with the `git` command. Refuses: names
//! that could be anything but `owner/name`, questions on the terminal, and half a clone that looks like a whole one.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use index::CancelFlag;

use crate::failure::{Failure, INTERRUPTED, USAGE};
use crate::os;
use crate::render;

/// Where repositories are cloned from.
pub(super) const ORIGIN: &str = "https://github.com";
/// Longest clone, and how often it is looked at.
const CLONE_MAX: Duration = Duration::from_secs(60 * 60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A connection slower than this for this long is given up, in bytes and seconds.
const SLOW_BYTES_PER_S: &str = "http.lowSpeedLimit=1000";
const SLOW_FOR_S: &str = "http.lowSpeedTime=60";
/// What git says is read up to here, in bytes.
const SAID_BYTES_MAX: u64 = 16 << 10;

/// Clones each repository into its folder, one after another.
///
/// # Errors
/// When git is missing, a repository cannot be had, or it was broken off.
pub(super) fn all(missing: &[(String, PathBuf)], origin: &str, cancel: &CancelFlag) -> Result<(), Failure> {
    if origin.starts_with('-') || origin.contains("::") {
        return Err(Failure::new(format!("{origin} is no address of repositories"))
            .hint(format!("name one such as {ORIGIN}"))
            .code(USAGE));
    }
    for (at, (name, folder)) in missing.iter().enumerate() {
        render::complain(&format!("cloning {} of {}: {name}", at + 1, missing.len()));
        one(&format!("{}/{name}", origin.trim_end_matches('/')), folder, cancel)?;
    }
    Ok(())
}

/// Clones into a folder beside the one that is meant, which gets its name only when all is there.
fn one(address: &str, folder: &Path, cancel: &CancelFlag) -> Result<(), Failure> {
    let parent = folder.parent().unwrap_or(folder);
    let unwritable = |error: std::io::Error| {
        Failure::new(format!("{} cannot be written: {error}", parent.display()))
            .hint("name another folder with --repos")
    };
    std::fs::create_dir_all(parent).map_err(unwritable)?;
    let part = tempfile::Builder::new().prefix("clone-").tempdir_in(parent).map_err(unwritable)?;
    let target = part.path().join("repo");
    let mut child = git(address, &target).spawn().map_err(|error| {
        Failure::new(format!("git cannot be started: {error}"))
            .hint("install git, or clone the repositories yourself")
    })?;
    let said = ended(&mut child, cancel)?;
    if let Some(said) = said {
        return Err(Failure::new(format!("{address} cannot be cloned: {}", last_line(&said)))
            .hint("check the network and the name, or put a clone into --repos yourself"));
    }
    std::fs::rename(&target, folder).map_err(unwritable)
}

/// Makes ssh fail where it would ask for something.
const SSH_ASKS_NOTHING: &str = "ssh -o BatchMode=yes";

/// A bare clone that asks nothing: no password, no helper, nothing of a repository's own hooks.
fn git(address: &str, target: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .args(["-c", SLOW_BYTES_PER_S, "-c", SLOW_FOR_S, "-c", "credential.helper=", "-c", "core.askPass="])
        .args(["clone", "--bare", "--quiet", "--", address])
        .arg(target)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .env("GIT_SSH_COMMAND", SSH_ASKS_NOTHING)
        .env_remove("GIT_ASKPASS")
        .env_remove("SSH_ASKPASS")
        .env_remove("GIT_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    os::lead_group(&mut command);
    command
}

/// Waits until git is done: `None` when it did its work, else what it said.
fn ended(child: &mut Child, cancel: &CancelFlag) -> Result<Option<String>, Failure> {
    let stderr = child.stderr.take();
    // Read beside the waiting, so that a full pipe never holds git up.
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr.by_ref().take(SAID_BYTES_MAX).read_to_end(&mut said);
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        }
        String::from_utf8_lossy(&said).into_owned()
    });
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if cancel.is_cancelled() || began.elapsed() > CLONE_MAX => {
                // With what it started, which else goes on loading.
                os::kill_group(child);
                let _ = child.wait();
                let why = if cancel.is_cancelled() { "cloning was broken off" } else { "cloning took too long" };
                return Err(Failure::new(why).hint("run it again; whole clones are kept").code(INTERRUPTED));
            }
            Ok(None) => std::thread::sleep(LOOK_EVERY),
            Err(error) => return Err(Failure::new(format!("git cannot be waited for: {error}"))),
        }
    };
    let said = reader.join().unwrap_or_default();
    Ok((!status.success()).then_some(said))
}

/// The line of git's that says why.
fn last_line(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let fatal = lines.iter().rev().find(|line| line.starts_with("fatal:"));
    let line = fatal.or(lines.last()).copied().unwrap_or("git gave no reason");
    render::one_line(line.trim_start_matches("fatal:").trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_one_line_and_odd_origins_are_refused() {
        assert_eq!(last_line("Cloning\nfatal: no route\nhint: x\n"), "no route");
        assert_eq!(last_line(""), "git gave no reason");
        let cancel = CancelFlag::new();
        for origin in ["--upload-pack=x", "ext::sh -c x"] {
            assert_eq!(all(&[], origin, &cancel).expect_err(origin).code, USAGE);
        }
        assert_eq!(all(&[], "file:///nowhere", &cancel), Ok(()));
    }

    #[test]
    fn git_asks_nothing() {
        let command = git("file:///nowhere", Path::new("x"));
        let set: std::collections::BTreeMap<_, _> = command.get_envs().collect();
        let of =
            |name: &str| set.get(std::ffi::OsStr::new(name)).map(|value| value.and_then(|value| value.to_str()));
        assert_eq!(of("GIT_TERMINAL_PROMPT"), Some(Some("0")));
        assert_eq!(of("GIT_SSH_COMMAND"), Some(Some("ssh -o BatchMode=yes")));
        for name in ["GIT_ASKPASS", "SSH_ASKPASS", "GIT_DIR"] {
            assert_eq!(of(name), Some(None), "{name} is taken away");
        }
    }

    #[test]
    fn what_is_broken_off_ends_with_all_it_started() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo begun; wait"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        os::lead_group(&mut command);
        let mut child = command.spawn().expect("it starts");
        let mut stdout = child.stdout.take().expect("it is piped");
        let mut begun = [0; 6];
        stdout.read_exact(&mut begun).expect("it begins");
        let cancel = CancelFlag::new();
        cancel.cancel();
        let began = Instant::now();
        ended(&mut child, &cancel).expect_err("it is broken off");
        // Ends only when nobody holds the other side any more.
        stdout.read_to_end(&mut Vec::new()).expect("it ends");
        assert!(began.elapsed() < Duration::from_secs(300), "the sleeper went on");
    }

    #[test]
    fn what_cannot_be_cloned_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let wanted = folder.path().join("repos/own+er/repo");
        let missing = [("own/er".to_owned(), wanted.clone())];
        let origin = format!("file://{}", folder.path().join("nowhere").display());
        let failure = all(&missing, &origin, &CancelFlag::new()).expect_err("there is none");
        assert!(failure.message.contains("cannot be cloned: "), "{failure}");
        assert!(!wanted.exists());
        let left = std::fs::read_dir(folder.path().join("repos/own+er")).expect("it is there").count();
        assert_eq!(left, 0);
    }
}
