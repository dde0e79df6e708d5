//! The files in which two trees differ.
//!
//! Refuses: renames (both names count as changed), and trees that differ in more places than anybody asks for.

use std::collections::HashMap;

use git2::{Error, ObjectType, Oid, Repository, Tree};

/// How deep folders of a tree are followed.
const TREE_DEPTH_MAX: usize = 128;
/// Folders compared for one commit. A few small trees that hold each other many times stand for billions of folders.
const TREES_MAX: usize = 20_000;

/// Where two trees differ.
#[derive(Debug, Default)]
pub(super) struct Differences {
    /// Changed, new and removed files, with `/`; names that are no UTF-8 are left out.
    pub(super) paths: Vec<String>,
    /// There are more than were asked for.
    pub(super) cut: bool,
}

/// Folders to compare: of the old tree, of the new one, with their path and depth.
type Pending = (Option<Oid>, Option<Oid>, String, usize);

/// Compares two trees, by id; `None` is an empty one. Stops after `most` files, or a great many folders.
pub(super) fn differences(
    repository: &Repository,
    old: Option<Oid>,
    new: Option<Oid>,
    most: usize,
) -> Result<Differences, Error> {
    let mut found = Differences::default();
    let mut pending: Vec<Pending> = vec![(old, new, String::new(), 0)];
    let mut compared = 0;
    while let Some((old, new, prefix, depth)) = pending.pop() {
        compared += 1;
        if found.paths.len() > most || compared > TREES_MAX {
            found.cut = true;
            break;
        }
        if old == new || depth > TREE_DEPTH_MAX {
            continue;
        }
        let tree = |id: Option<Oid>| id.map(|id| repository.find_tree(id)).transpose();
        let (old, new) = (tree(old)?, tree(new)?);
        let old = old.as_ref().map(entries).unwrap_or_default();
        let new = new.as_ref().map(entries).unwrap_or_default();
        let gone = old.keys().filter(|name| !new.contains_key(*name));
        for name in new.keys().chain(gone) {
            let (before, after) = (old.get(name), new.get(name));
            if before == after {
                continue;
            }
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            let of = |entry: Option<&Entry>, kind| entry.filter(|(_, is)| *is == kind).map(|(id, _)| *id);
            let folders = (of(before, ObjectType::Tree), of(after, ObjectType::Tree));
            if of(before, ObjectType::Blob) != of(after, ObjectType::Blob) {
                found.paths.push(path.clone());
            }
            if folders.0 != folders.1 {
                pending.push((folders.0, folders.1, path, depth + 1));
            }
        }
    }
    found.paths.sort_unstable();
    Ok(found)
}

type Entry = (Oid, ObjectType);

fn entries(tree: &Tree<'_>) -> HashMap<String, Entry> {
    let all = tree.iter().filter_map(|entry| Some((entry.name().ok()?.to_owned(), (entry.id(), entry.kind()?))));
    all.collect()
}
