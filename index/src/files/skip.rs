//! Why a file is not in the index, counted, with a few examples for each reason.
//!
//! Refuses: to drop a file without a word.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::EXAMPLES_MAX;

/// Why a file or folder was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// Named by an ignore file; a folder counts once.
    Ignored,
    /// Installed packages or a build cache, by the folder's name or its own marker; a folder counts once.
    Dependencies,
    /// A hidden file or folder that is not known to be useful.
    Hidden,
    /// On the secrets list; nothing in a workspace can change that.
    Secret,
    /// A symbolic link; links are never followed.
    Symlink,
    /// A socket, pipe or device.
    Special,
    /// Larger than the limit.
    TooLarge,
    /// Not text.
    Binary,
    /// Machine-made: very long lines.
    Minified,
    /// Says of itself that it is generated.
    Generated,
    /// A lock file of a package manager.
    LockFile,
    /// A catalogue of translations: the same words many times over.
    Translations,
    /// Its syntax took too long to read, so that it is searched as plain text.
    SlowToParse,
    /// Not readable by this user.
    Unreadable,
    /// The name is not UTF-8 and could not be cited.
    NameNotUtf8,
    /// Folders nested deeper than the limit.
    TooDeep,
    /// Over the limit on the number of files.
    OverLimit,
    /// Over the limit on the size of all files together.
    OverSize,
    /// The index is as large as it may be.
    OverDisk,
}

impl SkipReason {
    /// The reason in a few plain words, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Ignored => "ignored by an ignore file",
            Self::Dependencies => "installed packages or build cache",
            Self::Hidden => "hidden",
            Self::Secret => "may hold secrets",
            Self::Symlink => "symbolic link",
            Self::Special => "not a regular file",
            Self::TooLarge => "too large",
            Self::Binary => "binary",
            Self::Minified => "minified",
            Self::Generated => "generated",
            Self::LockFile => "lock file",
            Self::Translations => "translation catalogue",
            Self::SlowToParse => "too slow to parse, searched as plain text",
            Self::Unreadable => "not readable",
            Self::NameNotUtf8 => "name is not UTF-8",
            Self::TooDeep => "nested too deeply",
            Self::OverLimit => "over the limit on files",
            Self::OverSize => "over the limit on the size of all files",
            Self::OverDisk => "over the limit on the size of the index",
        }
    }

    /// A number for the manifest; never re-used.
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::TooLarge => 1,
            Self::Binary => 2,
            Self::Minified => 3,
            Self::Generated => 4,
            Self::LockFile => 5,
            Self::Translations => 6,
            Self::SlowToParse => 7,
            // The others depend on more than the file, so they are found again at each walk.
            _ => 0,
        }
    }

    /// The reason behind a number of the manifest.
    pub(crate) fn from_code(code: i64) -> Option<Self> {
        [
            Self::TooLarge,
            Self::Binary,
            Self::Minified,
            Self::Generated,
            Self::LockFile,
            Self::Translations,
            Self::SlowToParse,
        ]
        .into_iter()
        .find(|reason| reason.code() == code)
    }
}

/// How many were skipped for one reason, with a few of their paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The reason.
    pub reason: SkipReason,
    /// Files, or whole folders, left out for it.
    pub count: usize,
    /// The first few paths, relative to the workspace.
    pub examples: Vec<String>,
}

/// Counts skipped files while a walk runs.
#[derive(Debug, Default, Clone)]
pub(crate) struct SkipTally(BTreeMap<SkipReason, (usize, Vec<String>)>);

impl SkipTally {
    /// Counts one path. The examples are the first paths in their order, whoever comes across them first.
    pub(crate) fn add(&mut self, reason: SkipReason, path: &str) {
        let (count, examples) = self.0.entry(reason).or_default();
        *count += 1;
        let at = examples.partition_point(|known| known.as_str() <= path);
        if at < EXAMPLES_MAX {
            examples.insert(at, path.to_owned());
            examples.truncate(EXAMPLES_MAX);
        }
    }

    /// Adds what was counted elsewhere.
    pub(crate) fn append(&mut self, other: Self) {
        for (reason, (count, examples)) in other.0 {
            examples.iter().for_each(|path| self.add(reason, path));
            // Those were counted as they were added.
            self.0.entry(reason).or_default().0 += count - examples.len();
        }
    }

    /// The counts, one entry for each reason that occurred.
    pub(crate) fn list(&self) -> Vec<Skipped> {
        self.0
            .iter()
            .map(|(&reason, (count, examples))| Skipped { reason, count: *count, examples: examples.clone() })
            .collect()
    }
}
