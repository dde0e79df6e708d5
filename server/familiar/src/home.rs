//! Where home is: the one place that reads the environment for it. Refuses: relative folders, which would be another
//! home in every directory.

use std::path::{Path, PathBuf};

use app::Home;

use crate::failure::Failure;
use crate::os;

/// Longest path of a socket the system takes, in bytes, the closing zero included.
const SOCKET_PATH_BYTES_MAX: usize = 108;
const HASH_CHARS: usize = 16;

/// The home the environment names: `FAMILIAR_HOME`, else the platform's folders; `FAMILIAR_MODELS` moves the models.
///
/// # Errors
/// When the user has no home folder.
pub(crate) fn from_environment() -> Result<Home, Failure> {
    let mut home = match folder("FAMILIAR_HOME")? {
        Some(folder) => Home::under(&folder),
        None => os::platform_home().ok_or_else(|| {
            Failure::new("the user has no home folder").hint("set HOME, or FAMILIAR_HOME to a folder for Familiar")
        })?,
    };
    if let Some(models) = folder("FAMILIAR_MODELS")? {
        home.models = models;
    }
    Ok(home)
}

/// Where the daemon of `home` listens.
///
/// # Errors
/// When there is no safe folder for it, or its path is too long for a socket.
pub(crate) fn socket(home: &Home) -> Result<PathBuf, Failure> {
    let socket = os::socket_folder()?.join(format!("{}.sock", hash(&home.state)));
    let length = socket.as_os_str().len() + 1;
    if length > SOCKET_PATH_BYTES_MAX {
        let message =
            format!("{} is too long for a socket ({length} bytes of {SOCKET_PATH_BYTES_MAX})", socket.display());
        return Err(Failure::new(message).hint("set XDG_RUNTIME_DIR or TMPDIR to a shorter folder"));
    }
    Ok(socket)
}

/// A name for `folder` that is the same however it is written.
fn hash(folder: &Path) -> String {
    let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let hash = blake3::hash(folder.as_os_str().as_encoded_bytes());
    hash.to_hex().chars().take(HASH_CHARS).collect()
}

fn folder(variable: &str) -> Result<Option<PathBuf>, Failure> {
    let Some(value) = std::env::var_os(variable).filter(|value| !value.is_empty()) else { return Ok(None) };
    let absolute = std::path::absolute(&value);
    absolute.map(Some).map_err(|error| Failure::new(format!("{variable} cannot be used: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_home_has_one_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let real = folder.path().join("real");
        std::fs::create_dir(&real).expect("a folder");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&real, &link).expect("a link");
        assert_eq!(hash(&real), hash(&link));
        assert_ne!(hash(&real), hash(folder.path()));
        assert_eq!(hash(&real).len(), HASH_CHARS);
    }
}
