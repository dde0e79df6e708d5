//! Configuration in two steps: what was written becomes what it means, once. Refuses: stopping for a mistake; a bad
//! value is named, the default is used, and the program goes on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The file may not be larger than this.
pub const CONFIG_BYTES_MAX: u64 = 256 * 1024;
const ALLOWED_HOSTS_MAX: usize = 64;
/// In bytes; what tools that show free space mean by it.
const MEGABYTE: u64 = 1 << 20;
const MINUTES_MAX: i64 = 7 * 24 * 60;

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigOrigin {
    /// Built in.
    Default,
    /// The user's `config.toml`.
    File,
    /// The command line.
    CommandLine,
}

impl fmt::Display for ConfigOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::File => "config.toml",
            Self::CommandLine => "command line",
        })
    }
}

/// One setting as `config show` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name in `config.toml`.
    pub name: String,
    /// Its value, as TOML.
    pub value: String,
    /// Where the value came from.
    pub origin: ConfigOrigin,
    /// What it does.
    pub what: String,
}

/// The checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The web page's port.
    pub port: u16,
    /// Whether the port was asked for by name, so that another one will not do.
    pub port_explicit: bool,
    /// Host names the web page answers to, besides this machine's own.
    pub allowed_hosts: Vec<String>,
    /// The model in use, by the name `familiar models list` shows.
    pub model: String,
    /// Tokens of context a model is loaded with, at most.
    pub context_tokens_max: u32,
    /// Tokens of an answer, at most.
    pub answer_tokens_max: u32,
    /// Seconds a question may take to be read before the first token.
    pub prompt_seconds_max: f64,
    /// Whether an edit is asked about before it enters the open buffer, rather than marked in it.
    pub edits_ask_first: bool,
    /// Whether functions get code lenses, in editors that show them.
    pub function_lenses: bool,
    /// Minutes after which an unused model is unloaded; 0 keeps it.
    pub model_idle_minutes: u64,
    /// Minutes after which an unused daemon leaves, when an editor started it; 0 keeps it.
    pub daemon_idle_minutes: u64,
    /// Files of one workspace that are indexed, at most.
    pub index_files_max: usize,
    /// Megabytes one index may take on disk.
    pub index_disk_mb_max: u64,
    /// Megabytes of memory a build of an index may use for the text it gathers.
    pub index_memory_mb_max: usize,
    /// What the log holds: `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: String,
    /// What was wrong with what was written, one sentence each.
    pub notes: Vec<String>,
    origins: Vec<(&'static str, ConfigOrigin)>,
}

/// Name and meaning of every setting, in the order they are shown.
const SETTINGS: [(&str, &str); 14] = [
    ("port", "port of the web page on this machine"),
    ("allowed_hosts", "host names the web page answers to, besides this machine's own"),
    ("model", "the model in use, by its name in `familiar models list`"),
    ("context_tokens_max", "tokens of context a model is loaded with, at most"),
    ("answer_tokens_max", "tokens of an answer, at most"),
    ("prompt_seconds_max", "seconds a question may take to be read; context is packed to fit"),
    ("edits_ask_first", "whether an edit is asked about before it enters the buffer, rather than marked in it"),
    ("function_lenses", "whether functions get code lenses, in editors that show them"),
    ("model_idle_minutes", "minutes after which an unused model is unloaded; 0 keeps it"),
    ("daemon_idle_minutes", "minutes after which an unused daemon leaves, when an editor started it; 0 keeps it"),
    ("index_files_max", "files of one workspace that are indexed, at most"),
    ("index_disk_mb_max", "megabytes one index may take on disk; files that matter less are left out then"),
    ("index_memory_mb_max", "megabytes of memory a build of an index gathers text in"),
    ("log_level", "what the log holds: error, warn, info, debug or trace"),
];

impl Default for Config {
    fn default() -> Self {
        Self {
            port: 4774,
            port_explicit: false,
            allowed_hosts: Vec::new(),
            model: "starter".into(),
            context_tokens_max: 4096,
            answer_tokens_max: 320,
            prompt_seconds_max: 2.5,
            edits_ask_first: false,
            function_lenses: false,
            model_idle_minutes: 15,
            daemon_idle_minutes: 15,
            index_files_max: index::FILES_MAX,
            index_disk_mb_max: index::INDEX_BYTES_MAX / MEGABYTE,
            index_memory_mb_max: index::Limits::default().build_bytes / MEGABYTE as usize,
            log_level: "info".into(),
            notes: Vec::new(),
            origins: Vec::new(),
        }
    }
}

impl Config {
    /// The configuration that `file`, the text of a `config.toml`, means. What is wrong in it becomes a note.
    pub fn from_file(file: &str) -> Self {
        let mut config = Self::default();
        match file.parse::<toml::Table>() {
            Ok(table) => {
                for (name, value) in &table {
                    config.set(name, value, ConfigOrigin::File);
                }
            }
            Err(error) => {
                let line =
                    error.span().map_or(1, |span| file.get(..span.start).unwrap_or("").lines().count().max(1));
                config.notes.push(format!("config.toml line {line}: {}; defaults are used", error.message()));
            }
        }
        config
    }

    /// The same configuration with `value` for `name`, as the command line gave it.
    #[must_use]
    pub fn with_argument(mut self, name: &str, value: impl Into<toml::Value>) -> Self {
        self.set(name, &value.into(), ConfigOrigin::CommandLine);
        self
    }

    /// Every setting with its value and origin.
    pub fn settings(&self) -> Vec<Setting> {
        SETTINGS
            .iter()
            .map(|(name, what)| Setting {
                name: (*name).into(),
                value: self.value(name).to_string(),
                origin: self.origin(name),
                what: (*what).into(),
            })
            .collect()
    }

    /// What one index may take.
    pub(crate) fn index_limits(&self) -> index::Limits {
        index::Limits {
            files_max: self.index_files_max,
            index_bytes_max: self.index_disk_mb_max * MEGABYTE,
            build_bytes: self.index_memory_mb_max * MEGABYTE as usize,
            ..index::Limits::default()
        }
    }

    fn origin(&self, name: &str) -> ConfigOrigin {
        let found = self.origins.iter().rev().find(|(known, _)| *known == name);
        found.map_or(ConfigOrigin::Default, |(_, origin)| *origin)
    }

    fn set(&mut self, name: &str, value: &toml::Value, origin: ConfigOrigin) {
        let Some((known, _)) = SETTINGS.iter().find(|(known, _)| *known == name) else {
            let likeness = |known: &str| strsim::jaro_winkler(known, name);
            let nearest = SETTINGS.iter().map(|(known, _)| *known).filter(|known| likeness(known) > 0.8);
            let nearest = nearest.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
            let advice = nearest.map(|known| format!("; did you mean `{known}`?")).unwrap_or_default();
            self.notes.push(format!("{origin}: there is no setting `{name}`{advice}"));
            return;
        };
        if let Err(expected) = self.apply(known, value) {
            self.notes.push(format!("{origin}: `{name}` must be {expected}, not {value}; the default is used"));
            return;
        }
        self.port_explicit |= *known == "port" && origin == ConfigOrigin::CommandLine;
        self.origins.push((known, origin));
    }

    fn apply(&mut self, name: &str, value: &toml::Value) -> std::result::Result<(), &'static str> {
        match name {
            "port" => self.port = integer(value, 1, 65_535).ok_or("a port from 1 to 65535")?,
            "allowed_hosts" => self.allowed_hosts = hosts(value).ok_or("a list of at most 64 host names")?,
            "model" => {
                let name = value.as_str().filter(|name| !name.is_empty());
                self.model = name.ok_or("the name of a model")?.to_owned();
            }
            "context_tokens_max" => {
                self.context_tokens_max = integer(value, 256, 1 << 20).ok_or("a number from 256 to 1048576")?;
            }
            "answer_tokens_max" => {
                self.answer_tokens_max = integer(value, 16, 65_536).ok_or("a number from 16 to 65536")?;
            }
            "prompt_seconds_max" => {
                let seconds = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
                let seconds = seconds.filter(|seconds| (0.5..=600.0).contains(seconds));
                self.prompt_seconds_max = seconds.ok_or("seconds from 0.5 to 600")?;
            }
            "edits_ask_first" => self.edits_ask_first = value.as_bool().ok_or("true or false")?,
            "function_lenses" => self.function_lenses = value.as_bool().ok_or("true or false")?,
            "model_idle_minutes" => {
                self.model_idle_minutes = integer(value, 0, MINUTES_MAX).ok_or("minutes from 0 to 10080")?;
            }
            "daemon_idle_minutes" => {
                self.daemon_idle_minutes = integer(value, 0, MINUTES_MAX).ok_or("minutes from 0 to 10080")?;
            }
            "index_files_max" => {
                let files = integer(value, 1, index::FILES_MAX as i64);
                self.index_files_max = files.ok_or("a number from 1 to 1000000")?;
            }
            "index_disk_mb_max" => {
                let megabytes = integer(value, 1, (index::INDEX_BYTES_MAX / MEGABYTE) as i64);
                self.index_disk_mb_max = megabytes.ok_or("megabytes from 1 to 8192")?;
            }
            "index_memory_mb_max" => {
                let (least, most) =
                    (index::BUILD_BYTES_MIN as u64 / MEGABYTE, index::BUILD_BYTES_MAX as u64 / MEGABYTE);
                let megabytes = integer(value, least as i64, most as i64);
                self.index_memory_mb_max = megabytes.ok_or("megabytes from 32 to 1024")?;
            }
            _ => {
                let level = value.as_str().filter(|level| LOG_LEVELS.contains(level));
                self.log_level = level.ok_or("error, warn, info, debug or trace")?.to_owned();
            }
        }
        Ok(())
    }

    fn value(&self, name: &str) -> toml::Value {
        match name {
            "port" => i64::from(self.port).into(),
            "allowed_hosts" => self.allowed_hosts.clone().into(),
            "model" => self.model.clone().into(),
            "context_tokens_max" => i64::from(self.context_tokens_max).into(),
            "answer_tokens_max" => i64::from(self.answer_tokens_max).into(),
            "prompt_seconds_max" => self.prompt_seconds_max.into(),
            "edits_ask_first" => self.edits_ask_first.into(),
            "function_lenses" => self.function_lenses.into(),
            "model_idle_minutes" => (self.model_idle_minutes as i64).into(),
            "daemon_idle_minutes" => (self.daemon_idle_minutes as i64).into(),
            "index_files_max" => (self.index_files_max as i64).into(),
            "index_disk_mb_max" => (self.index_disk_mb_max as i64).into(),
            "index_memory_mb_max" => (self.index_memory_mb_max as i64).into(),
            _ => self.log_level.clone().into(),
        }
    }
}

const LOG_LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

fn integer<T: TryFrom<i64>>(value: &toml::Value, min: i64, max: i64) -> Option<T> {
    value.as_integer().filter(|number| (min..=max).contains(number)).and_then(|number| T::try_from(number).ok())
}

fn hosts(value: &toml::Value) -> Option<Vec<String>> {
    let list = value.as_array().filter(|list| list.len() <= ALLOWED_HOSTS_MAX)?;
    list.iter().map(|host| host.as_str().map(str::to_ascii_lowercase)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_and_their_origin_is_known() {
        let config = Config::from_file("port = 5000\nallowed_hosts = [\"Box.local\"]\nprompt_seconds_max = 4\n")
            .with_argument("port", 6000);
        assert_eq!((config.port, config.port_explicit), (6000, true));
        assert_eq!(config.allowed_hosts, ["box.local"]);
        assert_eq!(config.prompt_seconds_max, 4.0);
        assert!(config.notes.is_empty(), "{:?}", config.notes);
        let shown = config.settings();
        assert_eq!((shown[0].value.as_str(), shown[0].origin), ("6000", ConfigOrigin::CommandLine));
        assert_eq!((shown[2].value.as_str(), shown[2].origin), ("\"starter\"", ConfigOrigin::Default));
    }

    #[test]
    fn mistakes_are_named_and_survived() {
        for (file, note) in [
            ("prot = 1", "config.toml: there is no setting `prot`; did you mean `port`?"),
            ("port = 0", "config.toml: `port` must be a port from 1 to 65535, not 0; the default is used"),
            ("port = \"x\"", "config.toml: `port` must be a port from 1 to 65535, not \"x\"; the default is used"),
            (
                "log_level = \"loud\"",
                "config.toml: `log_level` must be error, warn, info, debug or trace, not \"loud\"; the default is used",
            ),
        ] {
            let config = Config::from_file(file);
            assert_eq!(config.notes, [note]);
            assert_eq!(config.port, 4774);
        }
        let broken = Config::from_file("port = 1\nmodel = [\n");
        assert_eq!(broken.notes.len(), 1);
        assert!(broken.notes[0].starts_with("config.toml line "), "{:?}", broken.notes);
        assert_eq!(broken.port, 4774);
    }
}
