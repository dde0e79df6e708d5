//! The places that use a symbol's name: in which files a use of the name is one of the symbol.
//!
//! Refuses: uses of another thing of the same name, as far as imports tell.

use crate::search::imports::Resolver;
use crate::search::related::{Files, ITEMS_MAX, Place, RelatedItem, holds, imported, subject};

/// Files parsed for each of callers and tests.
const CALLER_FILES_MAX: usize = 24;
/// Folders above a file for which an import may stand.
const PACKAGES_MAX: usize = 4;

/// By what a use of a name is taken for one of the symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The name tells enough.
    Name,
    /// The symbol's file is imported.
    File,
    /// So is the file that stands for its folder, or for one further up.
    Package,
}

impl By {
    /// Words of which one stands in a file that may have such an import: most need no parsing to know that they have none.
    fn words(self, path: &str) -> Vec<&str> {
        match self {
            Self::Name => Vec::new(),
            Self::File => vec![module_name(path)],
            Self::Package => path.rsplit('/').skip(1).take(PACKAGES_MAX).collect(),
        }
    }

    /// Whether an import of a file is enough.
    fn admits(self, imported: &str, path: &str) -> bool {
        match self {
            Self::Name => true,
            Self::File => imported == path,
            Self::Package => {
                let folder = imported.rsplit_once('/').map(|(folder, _)| folder);
                let below =
                    folder.and_then(|folder| path.strip_prefix(folder)).is_some_and(|it| it.starts_with('/'));
                below && stands_for_folder(imported)
            }
        }
    }
}

/// Adds the places in some files that use the symbol's name; true when there may be more.
pub(super) fn add_uses(
    place: &Place<'_>,
    name: &str,
    others: &[String],
    by: By,
    files: &mut Files<'_>,
    resolver: &mut Resolver<'_>,
    list: &mut Vec<RelatedItem>,
) -> bool {
    let words = by.words(place.path);
    let mut parsed = 0;
    for other in others {
        if parsed >= CALLER_FILES_MAX || list.len() >= ITEMS_MAX {
            list.truncate(ITEMS_MAX);
            return true;
        }
        let own = other == place.path;
        if !own && !words.is_empty() && !words.iter().any(|word| files.mentions(other, word)) {
            continue;
        }
        let Some(outline) = files.outline(other, name) else { continue };
        parsed += 1;
        let asks = !own && by != By::Name;
        if asks && !imported(resolver, other, outline).iter().any(|one| by.admits(&one.path, place.path)) {
            continue;
        }
        for one in outline.references.iter().filter(|one| one.name == name) {
            let inside = own && holds(place.symbol, one.line);
            let around = subject(&outline.symbols, &(one.line..=one.line));
            let around = around.map_or("top level", |symbol| symbol.qualified.as_str());
            if inside || list.iter().any(|known| known.path == *other && known.name == around) {
                continue;
            }
            list.push(RelatedItem {
                path: other.clone(),
                line: one.line,
                name: around.to_owned(),
                kind: one.kind.to_owned(),
            });
        }
    }
    let more = list.len() > ITEMS_MAX;
    list.truncate(ITEMS_MAX);
    more
}

/// What an import of a file has to name: the file, or its folder where the file stands for that.
fn module_name(path: &str) -> &str {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = name.split('.').next().unwrap_or(name);
    if stands_for_folder(path) { folder.rsplit('/').next().unwrap_or(folder) } else { stem }
}

/// Whether a file is what its folder is imported as.
fn stands_for_folder(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.split('.').next().unwrap_or(name);
    matches!(stem, "__init__" | "mod" | "lib" | "main" | "index") || name.ends_with(".go")
}
