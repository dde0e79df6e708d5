//! Other programs: where this one is, where editors are, and what they answer. Refuses: waiting for one forever.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::failure::Failure;

/// How long an editor may take to answer a question about itself, or to install an extension.
const ANSWER_MAX: Duration = Duration::from_secs(120);
/// Bytes of an answer that are looked at.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The absolute path that editors start this program by: as the PATH spells it when that is this very file, so that an
/// update which moves a link is followed, else the file itself.
pub(super) fn own() -> Result<String, Failure> {
    let own = std::env::current_exe().and_then(std::fs::canonicalize).map_err(|error| {
        Failure::new(format!("the file of this program cannot be found: {error}")).hint("install it again")
    })?;
    let same = |path: &PathBuf| path.canonicalize().is_ok_and(|path| path == own);
    let path = find(&["familiar"]).filter(same).unwrap_or_else(|| own.clone());
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::new(format!("{} is no UTF-8 path, so no editor can name it", path.display())))
}

/// The first program of these names on the PATH.
pub(super) fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
    let all = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    all.into_iter().find(|program| is_program(program))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// A program with its arguments.
#[derive(Clone, Debug)]
pub(super) struct Command {
    program: PathBuf,
    args: Vec<OsString>,
    folder: Option<PathBuf>,
    variables: Vec<(&'static str, PathBuf)>,
}

impl Command {
    /// `program` with `args`.
    pub(super) fn new(program: &Path, args: &[&OsStr]) -> Self {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self { program: program.to_owned(), args, folder: None, variables: Vec::new() }
    }

    /// The same in `folder`, which is also its configuration folder, so that it answers for itself alone.
    #[must_use]
    pub(super) fn apart(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self.variables.push(("XDG_CONFIG_HOME", folder.to_owned()));
        self
    }

    /// What it prints.
    ///
    /// # Errors
    /// When it cannot be started, does not end in time, or ends badly.
    pub(super) async fn run(&self) -> Result<String, Failure> {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.args).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let failed = |why: String| Failure::new(format!("`{}` failed: {why}", self.shown()));
        let ended = tokio::time::timeout(ANSWER_MAX, command.output()).await;
        let ended = ended.map_err(|_| failed(format!("no answer in {} s", ANSWER_MAX.as_secs())))?;
        let ended = ended.map_err(|error| failed(error.to_string()))?;
        let text =
            |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(ANSWER_BYTES_MAX)]).into_owned();
        if !ended.status.success() {
            let said = text(&ended.stderr);
            let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            return Err(failed(format!("{} ({last})", ended.status)));
        }
        Ok(text(&ended.stdout))
    }

    /// The command as a person would type it.
    pub(super) fn shown(&self) -> String {
        let words = std::iter::once(self.program.as_os_str()).chain(self.args.iter().map(OsString::as_os_str));
        words.map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/.-_=:+@,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The first two numbers of a version such as `helix 25.07.1`.
pub(super) fn version(text: &str) -> Option<(u32, u32)> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let mut numbers = text[start..].split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_where_they_stand() {
        assert_eq!(version("helix 25.07.1 (abc)"), Some((25, 7)));
        assert_eq!(version("NVIM v0.12.4\nBuild type: Release"), Some((0, 12)));
        assert_eq!(version("1"), None);
        assert_eq!(version("none"), None);
    }

    #[test]
    fn commands_are_shown_as_they_would_be_typed() {
        let command =
            Command::new(Path::new("/bin/code"), &[OsStr::new("--install-extension"), OsStr::new("a b'c")]);
        assert_eq!(command.shown(), r"/bin/code --install-extension 'a b'\''c'");
    }
}
