//! Rules that lie outside what is watched: in folders above the workspace up to its repository, in folders of git's, and in
//! the user's own settings. They are small and few, so whoever searches or walks looks whether they are what they were.
//!
//! Refuses: to say what the rules mean; see `rules`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ignore::gitignore::gitconfig_excludes_path;

use crate::files::live::StatKey;
use crate::files::rules::{RULE_FILES, RULES_BYTES_MAX, exclude_of, repository_above};
use crate::limits::REPOSITORIES_MAX;

/// The rules outside a workspace's own tree at one moment; equal while nothing in them changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outside {
    around: Vec<Seen>,
    /// Those of repositories below the root, at most [`REPOSITORIES_MAX`].
    within: BTreeMap<PathBuf, Option<Seen>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    stat: Option<StatKey>,
    /// Tells what a clock is too coarse for.
    hash: Option<blake3::Hash>,
}

impl Outside {
    /// Looks at the rules around a workspace.
    pub(crate) fn look(root: &Path) -> Self {
        let mut paths: Vec<PathBuf> = gitconfig_excludes_path().into_iter().collect();
        if let Some(top) = repository_above(root) {
            for folder in root.ancestors().take_while(|folder| folder.starts_with(top)) {
                paths.extend(exclude_of(folder));
                // Those in the root itself are watched.
                if folder != root {
                    paths.extend(RULE_FILES.map(|name| folder.join(name)));
                }
            }
        }
        Self { around: paths.into_iter().map(Seen::look).collect(), within: BTreeMap::new() }
    }

    /// Looks at the same again.
    pub(crate) fn again(&self, root: &Path) -> Self {
        let within = self.within.keys().map(|folder| (folder.clone(), exclude_of(folder).map(Seen::look)));
        Self { within: within.collect(), ..Self::look(root) }
    }

    /// Takes up the repositories that a walk found; what is known of one stays as it was seen before the walk.
    pub(crate) fn take_up(&mut self, repositories: Vec<PathBuf>) {
        let mut before = std::mem::take(&mut self.within);
        for folder in repositories.into_iter().take(REPOSITORIES_MAX) {
            let seen = before.remove(&folder).unwrap_or_else(|| exclude_of(&folder).map(Seen::look));
            self.within.insert(folder, seen);
        }
    }
}

impl Seen {
    fn look(path: PathBuf) -> Self {
        let stat = fs::symlink_metadata(&path).ok().map(|meta| StatKey::of(&meta));
        let is_sane = stat.is_some_and(|stat| stat.size <= RULES_BYTES_MAX);
        let bytes = if is_sane { fs::read(&path).ok() } else { None };
        Self { path, stat, hash: bytes.map(|bytes| blake3::hash(&bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_outside_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let root = top.join("a/work");
        let write = |path: &str, text: &str| {
            fs::create_dir_all(top.join(path).parent().unwrap()).unwrap();
            fs::write(top.join(path), text).unwrap();
        };
        write("a/work/nested/.git/info/exclude", "x\n");
        let mut known = Outside::look(&root);
        let mut changed = |what: &str, expected: bool| {
            let now = known.again(&root);
            assert_eq!(now != known, expected, "{what}");
            known = now;
        };
        changed("nothing", false);
        write(".gitignore", "*.tmp\n");
        changed("a file above, outside of any repository", false);
        fs::create_dir_all(top.join(".git/info")).unwrap();
        changed("a repository above", true);
        for path in [".gitignore", "a/.ignore", "a/.familiarignore", ".git/info/exclude"] {
            for text in ["one\n", "two\n", ""] {
                write(path, text);
                changed(path, true);
                changed(path, false);
            }
            fs::remove_file(top.join(path)).unwrap();
            changed(path, true);
        }
        write("a/work/.gitignore", "watched\n");
        write("a/other.txt", "no rules\n");
        changed("other files", false);
        let mut known = known.again(&root);
        known.take_up(vec![root.join("nested")]);
        assert_eq!(known.again(&root), known);
        write("a/work/nested/.git/info/exclude", "y\n");
        assert_ne!(known.again(&root), known, "a repository within");
    }
}
