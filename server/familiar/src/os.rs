//! Everything that depends on the operating system. Linux is tested; macOS is built for and untested.
//!
//! Refuses: `unsafe`, and a folder for the socket that another user could have made.

mod port_holder;

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use app::Home;
use rustix::process::{Pid, geteuid, setsid, test_kill_process};
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;
pub(crate) use port_holder::port_holder;

/// Only the owner may enter.
const PRIVATE_FOLDER: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;
/// The permission bits of group and others.
const OTHERS: u32 = 0o077;

/// An opener that found nothing to open with says so by then.
const BROWSER_ANSWER_MAX: Duration = Duration::from_secs(3);

/// Variables that a daemon started by an editor keeps: where things are and how text looks. Keys, endpoints and
/// proxies come from the user's configuration, or from a `serve` the user typed.
const VARIABLES_KEPT: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "FAMILIAR_HOME",
    "FAMILIAR_MODELS",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "RUST_BACKTRACE",
];
/// Variables that begin so are kept too.
const VARIABLE_PREFIXES_KEPT: &[&str] = &["LC_", "XDG_", "OMP_", "CUDA_", "NVIDIA_", "HIP_", "ROCR_", "VK_"];

/// Variables that name folders, perhaps relative to the working directory.
const FOLDER_VARIABLES: &[&str] = &["FAMILIAR_HOME", "FAMILIAR_MODELS", "TMPDIR"];

/// Memory of the machine that a program can still have, and all of it, in bytes (proc(5), `meminfo`). `None` where the
/// system does not say.
pub(crate) fn memory() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse().ok()?;
        kib.checked_mul(1024)
    };
    Some((bytes("MemAvailable")?, bytes("MemTotal")?))
}

/// The folders the platform has for programs; `None` when the user has no home.
pub(crate) fn platform_home() -> Option<Home> {
    let user = PathBuf::from(std::env::var_os("HOME").filter(|home| !home.is_empty())?);
    if cfg!(target_os = "macos") {
        let support = user.join("Library/Application Support/familiar");
        return Some(Home { cache: user.join("Library/Caches/familiar"), ..Home::under(&support) });
    }
    let folder = |variable: &str, usual: &str| {
        // The rules of XDG: a relative path is ignored.
        let named = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        named.unwrap_or_else(|| user.join(usual)).join("familiar")
    };
    let data = folder("XDG_DATA_HOME", ".local/share");
    Some(Home {
        models: data.join("models"),
        data,
        cache: folder("XDG_CACHE_HOME", ".cache"),
        config: folder("XDG_CONFIG_HOME", ".config"),
        state: folder("XDG_STATE_HOME", ".local/state"),
    })
}

/// The folder for sockets: in the user's runtime folder, else one of our own below the temporary folder. It is made
/// when it is missing.
///
/// # Errors
/// When it cannot be made, or is not ours alone.
pub(crate) fn socket_folder() -> Result<PathBuf, Failure> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    if let Some(runtime) = runtime.filter(|path| path.is_absolute()) {
        let folder = runtime.join("familiar");
        if own_folder(&folder).is_ok() {
            return Ok(folder);
        }
    }
    let folder = std::env::temp_dir().join(format!("familiar-{}", user_id()));
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    own_folder(&folder)?;
    Ok(folder)
}

/// Makes `folder` and checks that nobody else could have made it or may enter it.
fn own_folder(folder: &Path) -> Result<(), Failure> {
    let unusable = |why: String| {
        Failure::new(format!("{} cannot hold a socket: {why}", folder.display()))
            .hint("remove it, or set XDG_RUNTIME_DIR or TMPDIR to a folder of your own")
    };
    match DirBuilder::new().mode(PRIVATE_FOLDER).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unusable(error.to_string())),
        _ => {}
    }
    // Not following links: a link of another user's must not lead us elsewhere.
    let found = std::fs::symlink_metadata(folder).map_err(|error| unusable(error.to_string()))?;
    if !found.is_dir() {
        return Err(unusable("it is not a folder".into()));
    }
    if found.uid() != user_id() {
        return Err(unusable("it belongs to another user".into()));
    }
    if found.mode() & OTHERS != 0 {
        return Err(unusable("others may enter it".into()));
    }
    Ok(())
}

/// The user this process acts for.
pub(crate) fn user_id() -> u32 {
    geteuid().as_raw()
}

/// The file of the running program, also when its name was given to another build meanwhile.
pub(crate) fn running_program() -> PathBuf {
    if cfg!(target_os = "linux") {
        return PathBuf::from("/proc/self/exe");
    }
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("familiar"))
}

/// What tells a file from every other one, and from itself before it was written, without reading it.
pub(crate) fn stamp(metadata: &std::fs::Metadata) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (device, inode, bytes) = (metadata.dev(), metadata.ino(), metadata.len());
        let (modified, changed) = (metadata.mtime_nsec(), metadata.ctime_nsec());
        format!("{device}.{inode}.{bytes}.{}.{modified}.{}.{changed}", metadata.mtime(), metadata.ctime())
    }
    #[cfg(not(unix))]
    {
        format!("{}.{:?}", metadata.len(), metadata.modified().ok())
    }
}

/// What a person types to start this program: `familiar` when the PATH finds this very file, else its full path.
pub(crate) fn program_name() -> String {
    let Ok(own) = std::env::current_exe() else { return "familiar".into() };
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|folder| folder.join("familiar")).find(|program| program.is_file())
    });
    let same = found.is_some_and(|found| found.canonicalize().is_ok_and(|found| found == own));
    if same { "familiar".into() } else { own.display().to_string() }
}

/// Starts this program with `args` in the background: no terminal, no open files, few variables, output to `log`.
///
/// # Errors
/// When it cannot be started or the log cannot be written.
pub(crate) fn start_detached(args: &[OsString], log: &Path) -> io::Result<Child> {
    let log = append_private(log)?;
    let variables = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_kept));
    let variables = variables.map(|(name, value)| {
        // Its working directory is another one.
        let is_folder = FOLDER_VARIABLES.iter().any(|folder| name == *folder) && !value.is_empty();
        let absolute = is_folder.then(|| std::path::absolute(&value).ok()).flatten();
        (name, absolute.map_or(value, PathBuf::into_os_string))
    });
    let mut command = Command::new(running_program());
    command.arg0("familiar").args(args).env_clear().envs(variables).current_dir("/");
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()
}

/// What `command` starts will be the first of a process group of its own.
pub(crate) fn lead_group(command: &mut Command) {
    command.process_group(0);
}

/// Ends a process that leads a group, with all the group; one that is gone already is as good.
pub(crate) fn kill_group(leader: &Child) {
    let _ = rustix::process::kill_process_group(Pid::from_child(leader), rustix::process::Signal::KILL);
}

/// Leaves the terminal and the process group of whoever started this process.
pub(crate) fn leave_session() {
    // Fails only for the leader of a group, which has a session of its own already or was started by hand.
    let _ = setsid();
}

/// Opens `path` to add to it; only the user may read it.
///
/// # Errors
/// When it cannot be opened.
pub(crate) fn append_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(PRIVATE_FILE).open(path)
}

/// Lets only the user talk to the socket at `path`.
///
/// # Errors
/// When its mode cannot be set.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(PRIVATE_FILE))
}

/// Whether a process with this number runs. One that ended and was not waited for yet does not.
pub(crate) fn is_running(pid: u32) -> bool {
    // The state stands behind the name, which is in parentheses and may hold any character.
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    if state.is_some_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))) {
        return false;
    }
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| match test_kill_process(pid) {
        Ok(()) => true,
        // Another user's process is there all the same.
        Err(error) => error == rustix::io::Errno::PERM,
    })
}

/// Whether something was piped into this process, as opposed to a terminal or nothing.
pub(crate) fn input_is_piped() -> bool {
    let input = if cfg!(target_os = "linux") { "/proc/self/fd/0" } else { "/dev/fd/0" };
    let kind = std::fs::metadata(input).map(|metadata| metadata.file_type());
    kind.is_ok_and(|kind| kind.is_fifo() || kind.is_file() || kind.is_socket())
}

/// Bytes that this user may still write to the disk of a folder, where the system says so.
pub(crate) fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Shows `address` in the user's browser; `false` when there is none to ask, or it says at once that it cannot.
pub(crate) async fn open_browser(address: &str) -> bool {
    let has_screen = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    let opener = match std::env::consts::OS {
        "macos" => "open",
        _ if has_screen => "xdg-open",
        _ => return false,
    };
    let mut command = tokio::process::Command::new(opener);
    command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.process_group(0).spawn() else { return false };
    match tokio::time::timeout(BROWSER_ANSWER_MAX, child.wait()).await {
        Ok(ended) => ended.is_ok_and(|status| status.success()),
        // It became the browser itself. The runtime collects it when it ends.
        Err(_) => true,
    }
}

/// Waits until this process is asked to end: Ctrl+C, a terminal that closes, or a plain `kill`.
///
/// # Errors
/// When the system does not let us listen.
pub(crate) async fn asked_to_end() -> io::Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "Ctrl+C",
        _ = terminate.recv() => "a signal",
        _ = hang_up.recv() => "the closed terminal",
    })
}

fn is_kept(name: &str) -> bool {
    VARIABLES_KEPT.contains(&name) || VARIABLE_PREFIXES_KEPT.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn no_secret_reaches_a_daemon_that_an_editor_starts() {
        for name in ["PATH", "HOME", "LC_ALL", "XDG_RUNTIME_DIR", "FAMILIAR_HOME"] {
            assert!(is_kept(name), "{name}");
        }
        for name in ["OPENAI_API_KEY", "HF_TOKEN", "HF_ENDPOINT", "HTTPS_PROXY", "SSH_AUTH_SOCK", "LD_PRELOAD"] {
            assert!(!is_kept(name), "{name}");
        }
    }

    #[test]
    fn a_socket_lies_only_where_nobody_else_may_enter() {
        let folder = tempfile::tempdir().expect("a folder");
        let ours = folder.path().join("ours");
        assert_eq!(own_folder(&ours), Ok(()));
        assert_eq!(own_folder(&ours), Ok(()), "it may be there already");
        std::fs::set_permissions(&ours, std::fs::Permissions::from_mode(0o755)).expect("a mode");
        let open = own_folder(&ours).expect_err("others may enter");
        assert!(open.message.ends_with("others may enter it"), "{open}");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).expect("a link");
        let linked = own_folder(&link).expect_err("a link leads elsewhere");
        assert!(linked.message.ends_with("it is not a folder"), "{linked}");
    }

    #[test]
    fn processes_are_found() {
        assert!(is_running(std::process::id()));
        assert!(!is_running(0));
        assert!(!is_running(u32::MAX));
    }
}
