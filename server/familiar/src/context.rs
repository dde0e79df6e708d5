//! What every command starts with: home, configuration, build. Refuses: stopping for a mistake in the configuration.

use std::io::Read;

use app::{CONFIG_BYTES_MAX, Config, Home};

use crate::build_id::BuildId;
use crate::failure::Failure;
use crate::{home, render};

/// The surroundings of one command.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The user's folders.
    pub(crate) home: Home,
    /// The checked configuration.
    pub(crate) config: Config,
    /// This build.
    pub(crate) build: BuildId,
}

impl Context {
    /// Reads environment and configuration. The folders are made when they are missing.
    ///
    /// # Errors
    /// When there is no home, or its folders cannot be made.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let home = home::from_environment()?;
        home.create()?;
        let config = read_config(&home)?;
        let build = BuildId::own_noted(&home.cache)?;
        Ok(Self { home, config, build })
    }

    /// Tells the user what is wrong with the configuration.
    pub(crate) fn tell_notes(&self) {
        for note in &self.config.notes {
            render::complain(&format!("familiar: {}", render::one_line(note)));
        }
    }
}

/// The configuration of `home`; one that is not there is empty.
///
/// # Errors
/// When the file is there and cannot be read.
pub(crate) fn read_config(home: &Home) -> Result<Config, Failure> {
    let path = home.config_file();
    let failed = |why: String| {
        Failure::new(format!("cannot read {}: {why}", path.display())).hint("repair the file or move it away")
    };
    let file = match std::fs::File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Config::default()),
        opened => opened.map_err(|error| failed(error.to_string()))?,
    };
    let mut bytes = Vec::new();
    file.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > CONFIG_BYTES_MAX {
        return Err(failed(format!("it is larger than {CONFIG_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8 text".into()))?;
    Ok(Config::from_file(&text))
}
