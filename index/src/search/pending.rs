//! Files that changed and that the writer has not taken up yet, because it gathers saves for a moment, walks or waits for a
//! disk: whoever searches meanwhile takes them up itself.
//!
//! Refuses: many of them. Then the live files are looked through, and the answer says that files are being taken up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::symlink_metadata;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::files::admit::Gate;
use crate::files::content::skip_by_name;
use crate::files::live::current;
use crate::files::rules::changes_rules;
use crate::limits::PENDING_FILES_MAX;
use crate::parse::light;
use crate::search::saved::{Saved, SavedFile};

/// What changed and is not shown yet.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Relative paths of files and folders.
    pub(crate) paths: BTreeSet<String>,
    /// More than these changed, or may have, and nobody knows what.
    pub(crate) unknown: bool,
}

/// Files that were taken up by a search, for as long as they wait for the writer.
#[derive(Default)]
pub(crate) struct Early(Mutex<BTreeMap<String, Arc<SavedFile>>>);

impl Early {
    /// Shows pending files as they are now, over what is known of them; false where they are more than a search takes up.
    /// What is not parsed at `until` is shown in windows.
    pub(crate) fn take_up(
        &self,
        root: &Path,
        bytes_max: u64,
        pending: &Pending,
        until: Instant,
        saved: &mut Saved,
    ) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|path, _| pending.paths.contains(path));
        if pending.unknown || pending.paths.iter().any(|path| changes_rules(path)) {
            return false;
        }
        let mut gate = Gate::new(root);
        let mut files = Vec::new();
        // Of the others the path is all that is known, and it stays the same.
        for path in pending.paths.iter().filter(|path| skip_by_name(path).is_none()) {
            let kind = symlink_metadata(root.join(path));
            if kind.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
                // Whatever is in it may be new.
                return false;
            }
            files.push((path, kind.is_ok() && gate.admits(path)));
            if files.iter().filter(|(_, is_there)| *is_there).count() > PENDING_FILES_MAX {
                return false;
            }
        }
        for (path, is_there) in files {
            match is_there.then(|| current(root, path, bytes_max)).flatten() {
                None => {
                    known.remove(path);
                    // One whose content is not searched is still found by its name.
                    if !is_there {
                        saved.hide(path);
                    }
                }
                Some(now) => {
                    let same = known.get(path).filter(|file| file.hash == now.hash).cloned();
                    let file = same.unwrap_or_else(|| {
                        let chunks = light::cut_until(path, &now.decoded.text, until);
                        Arc::new(SavedFile::new(path, now.decoded.text, now.hash, chunks))
                    });
                    // One that came too late is cut properly by the next search.
                    if Instant::now() < until {
                        known.insert(path.clone(), file.clone());
                    }
                    saved.put(path, file);
                }
            }
        }
        true
    }
}
