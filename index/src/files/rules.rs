//! Ignore rules of a workspace: `.familiarignore`, `.ignore`, `.gitignore` (with or without git), `.git/info/exclude`
//! and the user's global excludes, nearest folder first, in that order of precedence.
//!
//! Refuses: to follow links or to read ignore files of absurd size. The secrets list comes before all of this.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Larger ignore files are ignored themselves, in bytes.
pub(crate) const RULES_BYTES_MAX: u64 = 1 << 20;
/// Longest file that names a folder of git's which is followed, in bytes; more than any path has.
const POINTER_BYTES_MAX: u64 = 8 << 10;
/// Names of ignore files; an edit of one changes what is indexed.
pub(crate) const RULE_FILES: [&str; 3] = [".familiarignore", ".ignore", ".gitignore"];

/// Another such file, which is no part of what is committed.
pub(crate) const EXCLUDE_FILE: &str = ".git/info/exclude";

/// Whether a change of the file or folder at a path may change what is indexed elsewhere: rules, marks of folders that hold
/// no sources, and a repository that begins or ends.
pub(crate) fn changes_rules(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    RULE_FILES.contains(&name)
        || DEPENDENCY_MARKERS.contains(&name)
        || name == ".git"
        || path.ends_with(EXCLUDE_FILE)
}

/// Hidden folders that hold things worth finding.
const USEFUL_FOLDERS: &[&str] = &[
    ".buildkite",
    ".cargo",
    ".changeset",
    ".ci",
    ".circleci",
    ".config",
    ".devcontainer",
    ".forgejo",
    ".gitea",
    ".github",
    ".gitlab",
    ".husky",
    ".storybook",
    ".vscode",
    ".woodpecker",
];
/// Beginnings of hidden file names that are worth finding.
const USEFUL_FILES: &[&str] = &[
    ".appveyor",
    ".babelrc",
    ".bazelrc",
    ".clang-",
    ".clippy",
    ".codecov",
    ".coveragerc",
    ".dockerignore",
    ".editorconfig",
    ".eslint",
    ".flake8",
    ".gitattributes",
    ".gitignore",
    ".gitlab-ci",
    ".gitmodules",
    ".golangci",
    ".goreleaser",
    ".jshintrc",
    ".mailmap",
    ".markdownlint",
    ".nvmrc",
    ".pre-commit",
    ".prettier",
    ".pylintrc",
    ".python-version",
    ".readthedocs",
    ".rspec",
    ".rubocop",
    ".ruff",
    ".rustfmt",
    ".stylelint",
    ".taplo",
    ".tool-versions",
    ".travis",
    ".yamllint",
];
/// Folders of installed packages and build products that are often not named by any ignore file.
const DEPENDENCY_FOLDERS: &[&str] = &["__pycache__", "bower_components", "node_modules", "site-packages"];
/// The file that marks a folder of Familiar's own, so that its chats, logs and models are never found as code, wherever
/// the user keeps them.
pub const OWN_FOLDER_MARKER: &str = ".familiar-home";
/// Files that mark a folder as a cache, an environment or our own.
pub(crate) const DEPENDENCY_MARKERS: [&str; 3] = ["CACHEDIR.TAG", "pyvenv.cfg", OWN_FOLDER_MARKER];

/// What the rules say about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Silent,
    /// Leave it out.
    Ignore,
    /// Named as an exception, so it is indexed even if hidden.
    Allow,
}

/// The rules that hold in one folder, with those of the folders above.
#[derive(Debug)]
pub(crate) struct Level {
    parent: Option<Arc<Level>>,
    familiar: Option<Gitignore>,
    ignore: Option<Gitignore>,
    git: Option<Gitignore>,
    exclude: Option<Gitignore>,
    is_repository: bool,
    global: Arc<Gitignore>,
}

impl Level {
    /// The rules at the root of a workspace, with those of the repository around it.
    pub(crate) fn of_root(root: &Path) -> Arc<Self> {
        let global = Arc::new(GitignoreBuilder::new(root).build_global().0);
        let mut above: Vec<&Path> = Vec::new();
        if let Some(top) = repository_above(root) {
            above.extend(root.ancestors().skip(1).take_while(|folder| folder.starts_with(top)));
        }
        let mut level = None;
        for folder in above.into_iter().rev() {
            level = Some(Arc::new(Self::read(folder, level, &global)));
        }
        Arc::new(Self::read(root, level, &global))
    }

    /// The rules in a folder directly below; `has` says which names stand in it.
    pub(crate) fn below(self: &Arc<Self>, folder: &Path, has: impl Fn(&str) -> bool) -> Arc<Self> {
        if !RULE_FILES.iter().any(|name| has(name)) && !has(".git") {
            return self.clone();
        }
        Arc::new(Self::read(folder, Some(self.clone()), &self.global))
    }

    fn read(folder: &Path, parent: Option<Arc<Self>>, global: &Arc<Gitignore>) -> Self {
        let [familiar, ignore, git] = RULE_FILES.map(|name| rules_in(&folder.join(name)));
        let is_repository = fs::symlink_metadata(folder.join(".git")).is_ok();
        let exclude = is_repository.then(|| exclude_in(folder)).flatten();
        Self { parent, familiar, ignore, git, exclude, is_repository, global: global.clone() }
    }

    /// What the rules say about an absolute path directly in this folder.
    pub(crate) fn verdict(&self, path: &Path, is_folder: bool) -> Verdict {
        let by_kind = |kind: fn(&Self) -> Option<&Gitignore>, within_repository: bool| {
            let mut level = Some(self);
            while let Some(here) = level {
                if let Some(rules) = kind(here) {
                    let verdict = verdict_of(rules, path, is_folder);
                    if verdict != Verdict::Silent {
                        return verdict;
                    }
                }
                level = if within_repository && here.is_repository { None } else { here.parent.as_deref() };
            }
            Verdict::Silent
        };
        let mut verdict = by_kind(|level| level.familiar.as_ref(), false);
        if verdict == Verdict::Silent {
            verdict = by_kind(|level| level.ignore.as_ref(), false);
        }
        if verdict == Verdict::Silent {
            verdict = by_kind(|level| level.git.as_ref(), true);
        }
        if verdict == Verdict::Silent {
            verdict = by_kind(|level| level.exclude.as_ref(), true);
        }
        if verdict == Verdict::Silent && !self.global.is_empty() {
            verdict = verdict_of(&self.global, path, is_folder);
        }
        verdict
    }
}

/// Whether a hidden name is worth indexing without being asked for.
pub(crate) fn useful_when_hidden(name: &str, is_folder: bool) -> bool {
    if is_folder {
        USEFUL_FOLDERS.contains(&name)
    } else {
        USEFUL_FILES.iter().any(|prefix| name.starts_with(prefix))
    }
}

/// Whether a folder of this name holds installed packages.
pub(crate) fn holds_dependencies(name: &str) -> bool {
    DEPENDENCY_FOLDERS.contains(&name)
}

fn verdict_of(rules: &Gitignore, path: &Path, is_folder: bool) -> Verdict {
    let found = rules.matched(path, is_folder);
    if found.is_ignore() {
        Verdict::Ignore
    } else if found.is_whitelist() {
        Verdict::Allow
    } else {
        Verdict::Silent
    }
}

/// The rules of one file; `None` when there is no regular file of a sane size.
fn rules_in(file: &Path) -> Option<Gitignore> {
    let meta = fs::symlink_metadata(file).ok()?;
    if !meta.is_file() || meta.len() > RULES_BYTES_MAX {
        return None;
    }
    let rules = Gitignore::new(file).0;
    (!rules.is_empty()).then_some(rules)
}

/// The nearest folder at or above a workspace that is a repository; rules further up do not hold in it.
pub(crate) fn repository_above(root: &Path) -> Option<&Path> {
    root.ancestors().find(|folder| folder.join(".git").exists())
}

/// Where a folder's `.git/info/exclude` lies if it is a repository, also behind the pointer file of a work tree or
/// submodule. Work trees share that of the repository they belong to.
pub(crate) fn exclude_of(folder: &Path) -> Option<PathBuf> {
    let repository = folder.join(".git");
    let git_dir = if repository.is_dir() { repository } else { pointed_at(folder, &repository)? };
    let git_dir = match pointer(&git_dir.join("commondir")) {
        Some(common) => git_dir.join(common.trim_end()),
        None => git_dir,
    };
    Some(git_dir.join("info").join("exclude"))
}

fn exclude_in(folder: &Path) -> Option<Gitignore> {
    let file = exclude_of(folder)?;
    let meta = fs::symlink_metadata(&file).ok()?;
    if !meta.is_file() || meta.len() > RULES_BYTES_MAX {
        return None;
    }
    let mut builder = GitignoreBuilder::new(folder);
    builder.add(file);
    builder.build().ok().filter(|rules| !rules.is_empty())
}

/// The git directory that a `.git` file names.
fn pointed_at(folder: &Path, file: &Path) -> Option<PathBuf> {
    Some(folder.join(pointer(file)?.strip_prefix("gitdir:")?.trim()))
}

/// What a short regular file says.
fn pointer(file: &Path) -> Option<String> {
    if !fs::symlink_metadata(file).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    let read = fs::File::open(file).ok()?.take(POINTER_BYTES_MAX).read_to_string(&mut text).ok()?;
    (read as u64 != POINTER_BYTES_MAX).then_some(text)
}
