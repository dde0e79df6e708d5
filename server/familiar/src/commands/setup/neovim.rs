//! Neovim: the client of `editors/neovim` as a package in the user's data folder, which Neovim loads by itself. Refuses:
//! the user's own files, and a package of that name which came from elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::Change;
use super::programs::{self, Command};
use super::{Plan, shown, user_folder};
use crate::failure::Failure;

/// The files of the client, by their path in the package.
const CLIENT: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/neovim.rs"));
/// Where packages that are loaded at once lie in Neovim's data folder.
const PACKAGE: &str = "site/pack/familiar/start/familiar";
/// Folders above a file of the package that are ours when nothing else is in them: the package's own and the path to it.
const FOLDERS_OURS: usize = 5;
/// What was written, so that what somebody changed since is told from it.
const MANIFEST: &str = "familiar-setup.json";
/// Where the client says which program it starts, and how.
const OPTIONS: &str = "lua/familiar/init.lua";
const COMMAND: &str = "cmd = { 'familiar', 'lsp' }";
/// What `:help` finds its pages by. Plug-in managers write it too.
const TAGS: &str = "doc/tags";
/// The first version with `vim.lsp.config`.
const VERSION_MIN: (u32, u32) = (0, 11);

/// What an earlier setup wrote: the hash of each file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Manifest {
    files: BTreeMap<String, String>,
}

/// Whether it is here, and which version.
pub(super) async fn found() -> Result<String, Failure> {
    let Some(nvim) = programs::find(&["nvim"]) else {
        return Err(Failure::new("Neovim is not here: nvim is not on the PATH"));
    };
    let said = Command::new(&nvim, &[OsStr::new("--version")]).run().await?;
    let first = said.lines().next().unwrap_or_default();
    if programs::version(first).is_some_and(|version| version < VERSION_MIN) {
        let (major, minor) = VERSION_MIN;
        return Err(Failure::new(format!("{first} ({}) is too old", shown(&nvim)))
            .hint(format!("Neovim {major}.{minor} or newer has what the client needs")));
    }
    Ok(format!("{first} ({})", shown(&nvim)))
}

/// Writes the package.
pub(super) async fn plan(program: &str) -> Result<Plan, Failure> {
    let (heading, mut notes) = match found().await {
        Ok(found) => (found, Vec::new()),
        Err(failure) if failure.hint.is_some() => return Err(failure),
        // It may have another name, or be installed later.
        Err(_) => (
            "Neovim".to_owned(),
            vec!["nvim is not on the PATH; the client needs version 0.11 or newer".to_owned()],
        ),
    };
    let package = package()?;
    let files = files(program);
    let (manifest, known) = known(&package)?;
    let mut changes = Vec::new();
    for (name, text) in &files {
        let change = Change::of(&package.join(name))?;
        let ours =
            change.before().is_none_or(|there| there == text || name == TAGS || is_known(&known, name, there));
        if !ours {
            return Err(not_ours(change.path(), !known.files.is_empty()));
        }
        changes.push(change.to(Some(text.clone())));
    }
    // What an older version had and this one has not.
    for name in known.files.keys().filter(|name| !files.contains_key(*name)) {
        let change = Change::of(&package.join(name))?;
        let ours = change.before().is_some_and(|there| is_known(&known, name, there));
        if ours {
            changes.push(change.to(None).with_folders(1));
        }
    }
    let hashes = files.iter().map(|(name, text)| (name.clone(), hash(text))).collect();
    let text = serde_json::to_string_pretty(&Manifest { files: hashes }).unwrap_or_default() + "\n";
    changes.push(manifest.to(Some(text)));
    if std::env::var_os("VIMINIT").is_some() {
        notes.push("VIMINIT is set; Neovim loads packages all the same unless it says otherwise".to_owned());
    }
    let next = "start nvim in a project, select some lines, press <Leader>ae and type what to change; `:help familiar` tells the rest".to_owned();
    Ok(Plan { heading, changes, notes, next, ..Plan::default() })
}

/// Removes the package, but for files that somebody changed.
pub(super) fn undo() -> Result<Plan, Failure> {
    let package = package()?;
    let (manifest, known) = known(&package)?;
    let mut plan = Plan { heading: format!("Neovim: {}", shown(&package)), ..Plan::default() };
    for name in known.files.keys() {
        let change = Change::of(&package.join(name))?;
        let Some(there) = change.before() else { continue };
        if name == TAGS || is_known(&known, name, there) {
            plan.changes.push(change.to(None).with_folders(FOLDERS_OURS));
        } else {
            plan.notes.push(format!("{} was changed since, so it stays", shown(change.path())));
        }
    }
    if manifest.before().is_some() {
        plan.changes.push(manifest.to(None).with_folders(FOLDERS_OURS));
    }
    Ok(plan)
}

/// The folder of the package, for the name that Neovim goes by.
fn package() -> Result<PathBuf, Failure> {
    let name = std::env::var_os("NVIM_APPNAME").filter(|name| !name.is_empty()).unwrap_or_else(|| "nvim".into());
    let name = PathBuf::from(name);
    // As Neovim has it: a name, or a path below the folder.
    if !name.components().all(|part| matches!(part, std::path::Component::Normal(_))) {
        return Err(Failure::new(format!("NVIM_APPNAME is {}, which is no name", name.display())));
    }
    Ok(user_folder("XDG_DATA_HOME", ".local/share")?.join(name).join(PACKAGE))
}

fn known(package: &Path) -> Result<(Change, Manifest), Failure> {
    let change = Change::of(&package.join(MANIFEST))?;
    let known = match change.before() {
        None => Manifest::default(),
        Some(text) => serde_json::from_str::<Manifest>(text).map_err(|error| {
            Failure::new(format!("cannot read {}: {error}", shown(change.path())))
                .hint(format!("remove the folder {}", shown(package)))
        })?,
    };
    // A path that leads out of the package was not written by us.
    let inside =
        |name: &String| Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let files = known.files.into_iter().filter(|(name, _)| inside(name)).collect();
    Ok((change, Manifest { files }))
}

fn is_known(known: &Manifest, name: &str, text: &str) -> bool {
    known.files.get(name).is_some_and(|written| *written == hash(text))
}

fn not_ours(path: &Path, changed: bool) -> Failure {
    let why = if changed { "was changed since it was written" } else { "was not written by this command" };
    Failure::new(format!("{} {why}", shown(path))).hint("nothing was changed; move it away")
}

fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// Every file of the package but its manifest.
fn files(program: &str) -> BTreeMap<String, String> {
    let command = format!("cmd = {{ {}, 'lsp' }}", lua_quoted(program));
    let placed = |(name, text): &(&str, &str)| {
        let text = if *name == OPTIONS { text.replace(COMMAND, &command) } else { (*text).to_owned() };
        ((*name).to_owned(), text)
    };
    let mut files: BTreeMap<String, String> = CLIENT.iter().map(placed).collect();
    let pages = CLIENT.iter().filter_map(|(name, text)| Some((name.strip_prefix("doc/")?, *text)));
    let tags = tags(pages.filter(|(name, _)| Path::new(name).extension() == Some(OsStr::new("txt"))));
    if !tags.is_empty() {
        files.insert(TAGS.to_owned(), tags);
    }
    files
}

/// The index of help pages: each `*tag*` with its page, in order.
fn tags<'a>(pages: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut tags = BTreeSet::new();
    for (page, text) in pages {
        for word in text.split_whitespace() {
            let tag = word.strip_prefix('*').and_then(|word| word.strip_suffix('*'));
            if let Some(tag) = tag.filter(|tag| !tag.is_empty() && !tag.contains(['*', '|'])) {
                tags.insert(format!("{tag}\t{page}\t/*{tag}*\n"));
            }
        }
    }
    tags.into_iter().collect()
}

fn lua_quoted(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        match c {
            '\\' | '\'' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_starts_this_program_by_its_path() {
        let options = CLIENT.iter().find(|(name, _)| *name == OPTIONS).expect("the client has options").1;
        assert_eq!(options.matches(COMMAND).count(), 1, "{OPTIONS} names the program in one place");
        let files = files("/o'dd\\x");
        assert!(files[OPTIONS].contains(r"cmd = { '/o\'dd\\x', 'lsp' }"), "{}", files[OPTIONS]);
        assert_eq!(files.len() - usize::from(files.contains_key(TAGS)), CLIENT.len());
    }

    #[test]
    fn help_pages_are_found_by_their_tags() {
        let page = "*familiar.txt* About\n\n  *familiar-keys* *familiar*\nA * and **bold** and |familiar-keys|.\n";
        assert_eq!(
            tags([("familiar.txt", page)].into_iter()),
            "familiar\tfamiliar.txt\t/*familiar*\nfamiliar-keys\tfamiliar.txt\t/*familiar-keys*\n\
             familiar.txt\tfamiliar.txt\t/*familiar.txt*\n"
        );
    }
}
