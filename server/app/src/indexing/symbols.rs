//! Symbols by name over whole workspaces, and those of one text. Refuses: places that are not those of the live text; a
//! file that changed since it was indexed is outlined as it is now.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use index::{CancelFlag, IndexError};

use super::from_index;
use crate::{App, AppError, Buffer, ErrorKind, Result};

/// Hits of the index that are looked at for one query.
const CANDIDATES_MAX: usize = 200;
/// Files outlined for one query.
const FILES_MAX: usize = 64;
/// A longer query names nothing, in bytes.
const QUERY_BYTES_MAX: usize = 256;

/// A definition in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlinedSymbol {
    /// Its plain name.
    pub name: String,
    /// What it lies in, such as the class of a method; empty at the top.
    pub container: String,
    /// `function`, `class`, ...
    pub kind: &'static str,
    /// Its text up to the body, on one line.
    pub signature: String,
    /// First line with its comments and attributes, 1-based.
    pub start_line: u32,
    /// Last line, inclusive.
    pub end_line: u32,
    /// The line of its name, 1-based.
    pub name_line: u32,
    /// That line.
    pub line: String,
    /// The bytes of the name in that line.
    pub name_bytes: (usize, usize),
}

/// A definition somewhere in a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolPlace {
    /// The file, absolute.
    pub path: PathBuf,
    /// The definition.
    pub symbol: OutlinedSymbol,
}

/// The definitions of a text in order; `None` for a language that is not parsed.
pub fn outline(path: &str, text: &str) -> Option<Vec<OutlinedSymbol>> {
    let lines = lines_of(text);
    let symbols = index::outline(path, text)?.symbols;
    Some(symbols.into_iter().map(|symbol| placed(symbol, &lines)).collect())
}

impl App {
    /// Definitions whose name fits a query, best first, over saved files and unsaved buffers. Blocks while files are
    /// read; `cancel` is asked between them.
    fn symbols(
        &self,
        roots: &[PathBuf],
        query: &str,
        buffers: &[Buffer],
        limit: usize,
        cancel: &CancelFlag,
    ) -> Result<Vec<SymbolPlace>> {
        let query = query.trim();
        let mut found: Vec<(Fit, SymbolPlace)> = Vec::new();
        if query.is_empty() || query.len() > QUERY_BYTES_MAX {
            return Ok(Vec::new());
        }
        for root in roots {
            // One folder that cannot be searched does not keep the others silent.
            match self.symbols_in(root, query, buffers, cancel) {
                Ok(more) => found.extend(more),
                Err(error) if roots.len() == 1 || error.kind == ErrorKind::Cancelled => return Err(error),
                Err(error) => tracing::debug!(root = %root.display(), error = %error.message, "not searched"),
            }
        }
        // Stable: within one fit the order of the index stays.
        found.sort_by_key(|(fit, _)| *fit);
        found.truncate(limit);
        Ok(found.into_iter().map(|(_, place)| place).collect())
    }

    fn symbols_in(
        &self,
        root: &Path,
        query: &str,
        buffers: &[Buffer],
        cancel: &CancelFlag,
    ) -> Result<Vec<(Fit, SymbolPlace)>> {
        check(cancel)?;
        let workspace = self.inner.workspaces.open(root, false)?;
        let mut request = index::SearchRequest::new(query, CANDIDATES_MAX);
        request.kind = index::SearchKind::Symbol;
        request.overlay = workspace.overlay(buffers);
        request.cancel = cancel.clone();
        let hits = workspace.index.searcher().search(&request).map_err(from_index)?;
        let mut seen = HashSet::new();
        let files = hits.into_iter().map(|hit| hit.path).filter(|path| seen.insert(path.clone()));
        let mut found = Vec::new();
        for path in files.take(FILES_MAX) {
            check(cancel)?;
            let text = match request.overlay.text(&path) {
                Some(text) => text.to_owned(),
                // Gone since the search: it defines nothing any more.
                None => match index::read_text(&workspace.root, &path) {
                    Ok((_, text)) => text,
                    Err(_) => continue,
                },
            };
            for symbol in outline(&path, &text).unwrap_or_default() {
                if let Some(fit) = Fit::of(&symbol, query) {
                    found.push((fit, SymbolPlace { path: workspace.root.join(&path), symbol }));
                }
            }
        }
        Ok(found)
    }

    /// Definitions whose name fits a query, best first, over saved files and unsaved buffers. Dropping the future
    /// ends the search before the next file.
    ///
    /// # Errors
    /// As [`App::search`].
    pub async fn find_symbols(
        &self,
        roots: Vec<PathBuf>,
        query: String,
        buffers: Vec<Buffer>,
        limit: usize,
    ) -> Result<Vec<SymbolPlace>> {
        let flag = CancelFlag::new();
        let _cancelled_with_us = super::upkeep::CancelOnDrop(flag.clone());
        let app = self.clone();
        let work = move || app.symbols(&roots, &query, &buffers, limit, &flag);
        tokio::task::spawn_blocking(work).await.map_err(AppError::task_died)?
    }
}

/// Ends what nobody waits for any more.
fn check(cancel: &CancelFlag) -> Result<()> {
    if cancel.is_cancelled() { Err(from_index(IndexError::Cancelled)) } else { Ok(()) }
}

/// How well a name fits a query; less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Exact,
    Folded,
    Beginning,
    Part,
    Letters,
}

impl Fit {
    fn of(symbol: &OutlinedSymbol, query: &str) -> Option<Self> {
        // `Basket.add` and `basket::add` name a symbol in a container.
        let name = query.rsplit(['.', ':', '/', '#']).find(|part| !part.is_empty())?;
        let around = query.strip_suffix(name).unwrap_or_default();
        let inner = around.rsplit(['.', ':', '/', '#']).find(|part| !part.is_empty());
        // What stands further out may be a package, a file or a folder, which the index has looked at; so may the inner
        // one, where nothing is around the symbol.
        if inner.is_some_and(|inner| {
            !symbol.container.is_empty() && !letters_in(&folded(inner), &folded(&symbol.container))
        }) {
            return None;
        }
        let (wanted, own) = (folded(name), folded(&symbol.name));
        if wanted.is_empty() {
            return None;
        }
        Some(if symbol.name == name {
            Self::Exact
        } else if own == wanted {
            Self::Folded
        } else if own.starts_with(&wanted) {
            Self::Beginning
        } else if own.contains(&wanted) {
            Self::Part
        } else if letters_in(&wanted, &own) {
            Self::Letters
        } else {
            return None;
        })
    }
}

/// A name without what styles differ in.
fn folded(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether the letters of `wanted` stand in `own` in this order, as editors match names.
fn letters_in(wanted: &str, own: &str) -> bool {
    let mut rest = own.chars();
    wanted.chars().all(|letter| rest.any(|other| other == letter))
}

/// Lines as the index counts them: they end at `\n`, `\r\n` or a lone `\r`.
fn lines_of(text: &str) -> Vec<&str> {
    let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    lines.flat_map(|line| line.split('\r')).collect()
}

fn placed(symbol: index::Symbol, lines: &[&str]) -> OutlinedSymbol {
    let qualified = symbol.qualified.strip_suffix(&symbol.name).unwrap_or_default();
    let container = qualified.trim_end_matches(['.', ':', '/', '#']).to_owned();
    let (first, last) = (symbol.start_line.max(1), symbol.end_line.max(symbol.start_line).max(1));
    // Comments before a definition may name it, its signature begins with the same word as the line it stands in.
    let opening = symbol.signature.split_whitespace().next().unwrap_or_default();
    let own = lines.iter().enumerate().take(last as usize).skip(first as usize - 1);
    let named = own.filter_map(|(at, line)| Some((at, *line, word_in(line, &symbol.name)?)));
    let named: Vec<_> = named.take(NAMED_LINES_MAX).collect();
    let by_signature = named.iter().find(|(_, line, _)| line.trim_start().starts_with(opening));
    let (at, line, start) = match by_signature.or(named.first()) {
        Some(found) => *found,
        None => (first as usize - 1, lines.get(first as usize - 1).copied().unwrap_or_default(), 0),
    };
    let end = if line[start..].starts_with(&symbol.name) { start + symbol.name.len() } else { start };
    OutlinedSymbol {
        container,
        kind: symbol.kind,
        signature: symbol.signature,
        start_line: first,
        end_line: last,
        name_line: u32::try_from(at + 1).unwrap_or(first),
        line: line.to_owned(),
        name_bytes: (start, end),
        name: symbol.name,
    }
}

/// Lines with its name that are looked at for one definition.
const NAMED_LINES_MAX: usize = 64;

/// Where a name stands in a line as a word of its own.
fn word_in(line: &str, name: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(name).map(|(at, _)| at).find(|&at| {
        let before = line[..at].chars().next_back().is_some_and(is_part);
        let after = line[at + name.len()..].chars().next().is_some_and(is_part);
        !before && !after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# launch is below
class Rocket:
    # launch flies
    def launch(self, fuel):
        return launch(fuel)
";

    #[test]
    fn names_are_found_where_they_are_defined() {
        let symbols = outline("a.py", TEXT).expect("Python is parsed");
        let launch = symbols.iter().find(|symbol| symbol.name == "launch").expect("it is defined");
        assert_eq!((launch.name_line, launch.name_bytes), (4, (8, 14)));
        assert_eq!((launch.container.as_str(), launch.kind, launch.end_line), ("Rocket", "method", 5));
        assert_eq!(launch.line, "    def launch(self, fuel):");
        assert!(outline("a.unknown", TEXT).is_none());
        assert_eq!(outline("a.py", &TEXT.replace('\n', "\r\n")), Some(symbols));
        // A lone `\r` ends a line as well, as the index counts them.
        let symbols =
            outline("a.py", "class Rocket:\r    def launch(self):\r        pass\r").expect("Python is parsed");
        let launch = symbols.iter().find(|symbol| symbol.name == "launch").expect("it is defined");
        assert_eq!((launch.name_line, launch.line.as_str()), (2, "    def launch(self):"));
        assert_eq!(&launch.line[launch.name_bytes.0..launch.name_bytes.1], "launch");
    }

    #[test]
    fn names_fit_as_editors_match_them() {
        let symbols = outline("a.py", "class Rocket:\n    def get_auth_hash(self):\n        pass\n");
        let symbols = symbols.expect("Python is parsed");
        let method = symbols.iter().find(|symbol| symbol.name == "get_auth_hash").expect("it is defined");
        for (query, expected) in [
            ("get_auth_hash", Some(Fit::Exact)),
            ("getAuthHash", Some(Fit::Folded)),
            ("getauth", Some(Fit::Beginning)),
            ("auth_hash", Some(Fit::Part)),
            ("gah", Some(Fit::Letters)),
            ("Rocket.get_auth_hash", Some(Fit::Exact)),
            ("Basket::get_auth_hash", None),
            ("space::Rocket::get_auth_hash", Some(Fit::Exact)),
            ("src/rocket.py:Rocket#get_auth_hash", Some(Fit::Exact)),
            ("xyz", None),
            ("::", None),
        ] {
            assert_eq!(Fit::of(method, query), expected, "{query}");
        }
    }
}
