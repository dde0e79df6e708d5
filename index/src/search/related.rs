//! What belongs to a passage beyond its text: the outline of its file, callers and callees by name, imports, tests, the
//! last commits and what changes with it. A list of its own, because names alone often mislead.
//!
//! Refuses: to change what a search finds or its order, and to name a place without looking at the live file, or at the
//! unsaved text in its place.

mod users;

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet, TERMINATED, Term};

use crate::error::{Doing, IndexError};
use crate::files::admit::Gate;
use crate::files::live::{inside, read_text};
use crate::files::role::{TEST, role_of};
use crate::history::{CoChange, Commit, History, HistoryLimits, blame};
use crate::parse::outline::{Mention, Outline, Symbol, outline};
use crate::parse::terms::BODY;
use crate::parse::tokenize::tokens;
use crate::search::imports::{Resolver, family};
use crate::search::overlay::Overlay;
use crate::search::related::users::{By, add_uses};
use crate::search::searcher::Searcher;

/// Time after which no further file is parsed, in milliseconds.
const RELATED_MS: u64 = 400;
/// Files parsed for one answer.
const PARSED_FILES_MAX: usize = 80;
/// Files read for one answer.
const READ_FILES_MAX: usize = 400;
/// Files of the index considered for the callers of one name, and for the definitions of one.
const CALLERS_CONSIDERED_MAX: usize = 300;
const DEFINERS_CONSIDERED_MAX: usize = 16;
/// A name that more files define says nothing about which of them is meant.
const DEFINERS_MAX: usize = 5;
/// Names called by one symbol that are looked up.
const CALLED_NAMES_MAX: usize = 40;
/// Symbols of an outline.
const OUTLINE_MAX: usize = 200;
/// Items of every other list.
const ITEMS_MAX: usize = 20;
/// Commits of the file, and files that change with it.
const COMMITS_MAX: usize = 5;
const CO_CHANGED_MAX: usize = 8;
/// Time that the origin of the lines is looked for, in milliseconds.
const ORIGIN_MS: u64 = 500;

/// A place that belongs to a passage. It stood there when it was looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RelatedItem {
    /// Relative to the workspace.
    pub path: String,
    /// 1-based line.
    pub line: u32,
    /// The symbol at or around that line; for an import what the passage's file writes.
    pub name: String,
    /// Kind of the symbol (`function`, ...), of the use (`call`, `type`, ...), or `import`.
    pub kind: String,
}

/// What belongs to a passage. Every list is bounded, the closest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Related {
    /// The symbol that the passage is about, with those around it; none in prose.
    pub symbol: Option<String>,
    /// The symbols of its file, in order.
    pub outline: Vec<RelatedItem>,
    /// Places outside tests that use the symbol's name.
    pub callers: Vec<RelatedItem>,
    /// Definitions of the names that the symbol calls.
    pub callees: Vec<RelatedItem>,
    /// First lines of the workspace's files that the file imports.
    pub imports: Vec<RelatedItem>,
    /// Places in tests that use the symbol's name.
    pub tests: Vec<RelatedItem>,
    /// The last commits that changed the file.
    pub commits: Vec<Commit>,
    /// The newest commit that brought in some of the passage's lines, where that was found in time.
    pub last_change: Option<Commit>,
    /// Files that change together with this one, the closest first.
    pub changes_with: Vec<CoChange>,
    /// Time or a limit ended the look: there may be more.
    pub cut: bool,
}

impl Searcher {
    /// What belongs to some lines (1-based, inclusive) of a file: found by name through the index, and checked in the
    /// live files, with the unsaved buffers of `overlay` in place of theirs. The commits come from `history`, where there
    /// is one.
    ///
    /// # Errors
    /// [`IndexError::Refused`] for a file that may not be shown, [`IndexError::Storage`] when the index cannot be read.
    pub fn related(
        &self,
        path: &str,
        lines: RangeInclusive<u32>,
        overlay: &Overlay,
        history: Option<&History>,
    ) -> Result<Related, IndexError> {
        self.related_to(path, lines, None, overlay, history)
    }

    /// The same of the definition of this qualified name, where it begins or ends within the lines or holds them.
    ///
    /// # Errors
    /// As [`Searcher::related`].
    pub fn related_to(
        &self,
        path: &str,
        lines: RangeInclusive<u32>,
        name: Option<&str>,
        overlay: &Overlay,
        history: Option<&History>,
    ) -> Result<Related, IndexError> {
        let mut files = Files::new(&self.root, overlay);
        let unsaved = files.unsaved(path);
        let (path, text) = match unsaved {
            Some(text) => (path.to_owned(), text.to_owned()),
            None => read_text(&self.root, path)?,
        };
        let mut related = Related::default();
        if let Some(history) = history {
            related.commits = history.commits_of(&path).take(COMMITS_MAX).cloned().collect();
            related.changes_with = history.co_changed(&path, CO_CHANGED_MAX);
            // The lines of an unsaved text are not those of any commit.
            if unsaved.is_none() && !related.commits.is_empty() {
                related.last_change = last_change(&self.root, &path, &lines);
                // Looking that up has a limit of its own.
                files.start_over();
            }
        }
        let Some(mine) = outline(&path, &text) else { return Ok(related) };
        related.outline = mine.symbols.iter().take(OUTLINE_MAX).map(|symbol| item(&path, symbol)).collect();
        let mut resolver = Resolver::new(&self.root);
        let imported = imported(&mut resolver, &path, &mine);
        related.imports = imported.iter().take(ITEMS_MAX).cloned().collect();
        let overlaps = |one: &&Symbol| one.start_line <= *lines.end() && *lines.start() <= one.end_line;
        let named = name.and_then(|name| mine.symbols.iter().filter(overlaps).find(|one| one.qualified == name));
        if let Some(symbol) = named.or_else(|| subject(&mine.symbols, &lines)) {
            related.symbol = Some(symbol.qualified.clone());
            let place = Place { path: &path, outline: &mine, symbol };
            for kind in [Kind::Code, Kind::Test] {
                self.add_callers(&place, kind, &mut files, &mut resolver, &mut related)?;
            }
            self.add_callees(&place, &imported, &mut files, &mut related)?;
        }
        related.cut |= files.cut;
        Ok(related)
    }

    fn add_callees(
        &self,
        place: &Place<'_>,
        imported: &[RelatedItem],
        files: &mut Files<'_>,
        related: &mut Related,
    ) -> Result<(), IndexError> {
        let symbol = place.symbol;
        let calls = place.outline.references.iter().filter(|one| is_call(one) && holds(symbol, one.line));
        let mut names: Vec<&str> = Vec::new();
        for call in calls {
            if call.name != symbol.name && !names.contains(&call.name.as_str()) && names.len() < CALLED_NAMES_MAX {
                names.push(&call.name);
            }
        }
        for name in names {
            let here = place.outline.symbols.iter().filter(|one| one.name == name);
            let mut found: Vec<RelatedItem> = here.map(|one| item(place.path, one)).collect();
            if found.is_empty() {
                found = self.definitions_of(name, place.path, files)?;
                keep_meant(&mut found, name, imported);
            }
            for one in found {
                if related.callees.len() >= ITEMS_MAX {
                    related.cut = true;
                    return Ok(());
                }
                if !related.callees.contains(&one) {
                    related.callees.push(one);
                }
            }
        }
        Ok(())
    }

    /// The definitions of a name in files of the language of `path`, tests left out.
    fn definitions_of(
        &self,
        name: &str,
        path: &str,
        files: &mut Files<'_>,
    ) -> Result<Vec<RelatedItem>, IndexError> {
        let mut found = Vec::new();
        let stored = self.files_with(self.snapshot.fields.exact, name, Kind::Code, DEFINERS_CONSIDERED_MAX)?;
        for other in files.with_unsaved(stored, name, Kind::Code) {
            if family(&other) != family(path) {
                continue;
            }
            if let Some(outline) = files.outline(&other, name) {
                found.extend(outline.symbols.iter().filter(|one| one.name == name).map(|one| item(&other, one)));
            }
        }
        Ok(found)
    }

    /// The places of one kind that use the symbol's name.
    fn add_callers(
        &self,
        place: &Place<'_>,
        kind: Kind,
        files: &mut Files<'_>,
        resolver: &mut Resolver<'_>,
        related: &mut Related,
    ) -> Result<(), IndexError> {
        let name = called_as(place.symbol);
        let Some(token) = tokens(name).into_iter().next() else { return Ok(()) };
        let definers = self.files_with(self.snapshot.fields.exact, name, Kind::Code, DEFINERS_CONSIDERED_MAX)?;
        // A name that many define, or methods of the language's own types have, is taken for this one only where this
        // file is imported.
        let is_method = place.symbol.name != place.symbol.qualified;
        let common = definers.len() > DEFINERS_MAX || is_method && !is_telling(name);
        let stored = self.files_with(self.snapshot.fields.words[BODY], &token, kind, CALLERS_CONSIDERED_MAX)?;
        let mut others = files.with_unsaved(stored, name, kind);
        others.retain(|other| family(other) == family(place.path) && other != place.path);
        if kind.holds(place.path) {
            others.insert(0, place.path.to_owned());
        }
        let list = if kind == Kind::Test { &mut related.tests } else { &mut related.callers };
        let mut cut =
            add_uses(place, name, &others, if common { By::File } else { By::Name }, files, resolver, list);
        // Tests often import the package that hands on what its files define.
        if common && kind == Kind::Test && list.is_empty() {
            cut |= add_uses(place, name, &others, By::Package, files, resolver, list);
        }
        related.cut |= cut;
        Ok(())
    }

    /// The files of one kind whose chunks hold a term in a field, those with the most such chunks first.
    fn files_with(&self, field: Field, term: &str, kind: Kind, most: usize) -> Result<Vec<String>, IndexError> {
        let doing = "looking up a name";
        let tables = self.snapshot.tables()?;
        let indexed = Term::from_field_text(field, term);
        let mut chunks: HashMap<u32, u32> = HashMap::new();
        for (reader, table) in self.snapshot.text.segment_readers().iter().zip(tables.segments()) {
            let words = reader.inverted_index(field).doing(doing)?;
            let found = words.read_postings(&indexed, IndexRecordOption::Basic).doing(doing)?;
            let Some(mut postings) = found else { continue };
            let mut document = postings.doc();
            while document != TERMINATED {
                if table.is_alive(document) {
                    *chunks.entry(table.file(document)).or_default() += 1;
                }
                document = postings.advance();
            }
        }
        let files = (0..).zip(tables.files()).filter(|(_, (_, role))| kind.has(*role));
        let mut files: Vec<(u32, &str)> = files
            .filter_map(|(file, (path, _))| Some((*chunks.get(&file)?, path)))
            .filter(|(_, path)| !self.saved.hides(path))
            .collect();
        for file in self.saved.changed().filter(|file| kind.has(role_of(file.path))) {
            let chunks = match self.snapshot.fields.words.iter().position(|words| *words == field) {
                Some(words) => file.chunks_with(words, term),
                None => file.chunks_that_define(term),
            };
            files.extend((chunks > 0).then_some((chunks, file.path)));
        }
        files.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        Ok(files.into_iter().take(most).map(|(_, path)| path.to_owned()).collect())
    }
}

/// Code or tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Test,
}

impl Kind {
    fn has(self, role: u64) -> bool {
        (role & TEST != 0) == (self == Self::Test)
    }

    fn holds(self, path: &str) -> bool {
        self.has(role_of(path))
    }
}

/// Leaves those definitions of a called name that are meant in all likelihood: in imported files, else the only one of
/// a telling name.
fn keep_meant(found: &mut Vec<RelatedItem>, name: &str, imported: &[RelatedItem]) {
    let is_imported = |one: &RelatedItem| {
        let outermost = one.name == name;
        (outermost || is_telling(name)) && imported.iter().any(|file| file.path == one.path)
    };
    if found.iter().any(is_imported) {
        found.retain(is_imported);
    } else if found.len() > 1 || !is_telling(name) {
        found.clear();
    }
}

/// Whether a name is of several words, or one of a type: hardly one that the language's own types have.
fn is_telling(name: &str) -> bool {
    tokens(name).len() > 1 || name.starts_with(char::is_uppercase)
}

/// The symbol that an answer is about.
struct Place<'a> {
    path: &'a str,
    outline: &'a Outline,
    symbol: &'a Symbol,
}

/// Live files and unsaved texts, each parsed once and only when the name that is looked for stands in it.
struct Files<'a> {
    root: &'a Path,
    overlay: &'a Overlay,
    gate: Gate<'a>,
    texts: HashMap<String, Option<String>>,
    outlines: HashMap<String, Option<Outline>>,
    until: Instant,
    cut: bool,
}

impl<'a> Files<'a> {
    fn new(root: &'a Path, overlay: &'a Overlay) -> Self {
        let until = Instant::now() + Duration::from_millis(RELATED_MS);
        let (texts, outlines) = (HashMap::new(), HashMap::new());
        Self { root, overlay, gate: Gate::new(root), texts, outlines, until, cut: false }
    }

    /// Gives the files their whole time from now on.
    fn start_over(&mut self) {
        self.until = Instant::now() + Duration::from_millis(RELATED_MS);
    }

    /// The unsaved text of a file, if there is one and rules do not leave it out.
    fn unsaved(&mut self, path: &str) -> Option<&'a str> {
        let text = self.overlay.text(path)?;
        self.gate.admits(path).then_some(text)
    }

    /// Adds to files of the index those whose unsaved text holds a name: the index does not know them yet.
    fn with_unsaved(&mut self, mut stored: Vec<String>, name: &str, kind: Kind) -> Vec<String> {
        let overlay = self.overlay;
        for path in overlay.paths() {
            let is_new = kind.holds(path) && !stored.iter().any(|known| known == path);
            if is_new && self.unsaved(path).is_some_and(|text| text.contains(name)) {
                stored.insert(0, path.to_owned());
            }
        }
        stored
    }

    /// Whether a word stands in the live text of a file.
    fn mentions(&mut self, path: &str, word: &str) -> bool {
        let root = self.root;
        if let Some(text) = self.unsaved(path) {
            return text.contains(word);
        }
        if !self.texts.contains_key(path) && self.texts.len() >= READ_FILES_MAX {
            self.cut = true;
            return false;
        }
        let text = self.texts.entry(path.to_owned()).or_insert_with(|| live_text(root, path));
        text.as_deref().is_some_and(|text| text.contains(word))
    }

    /// The outline of a file that holds `name`; `None` when it does not, or when time or the limit is spent.
    fn outline(&mut self, path: &str, name: &str) -> Option<&Outline> {
        if !self.outlines.contains_key(path) {
            if Instant::now() >= self.until || self.outlines.len() >= PARSED_FILES_MAX {
                self.cut = true;
                return None;
            }
            if !self.mentions(path, name) {
                return None;
            }
            let unsaved = self.unsaved(path);
            let text = unsaved.or_else(|| self.texts.get(path)?.as_deref());
            let parsed = text.and_then(|text| outline(path, text));
            self.outlines.insert(path.to_owned(), parsed);
        }
        self.outlines.get(path)?.as_ref()
    }
}

/// The newest commit that brought in some lines of a file; `None` when that takes too long.
fn last_change(root: &Path, path: &str, lines: &RangeInclusive<u32>) -> Option<Commit> {
    let limits = HistoryLimits { time: Duration::from_millis(ORIGIN_MS), ..HistoryLimits::default() };
    let found = blame(root, path, *lines.start(), *lines.end(), &limits);
    found.parts.into_iter().filter_map(|part| part.commit).max_by_key(|commit| commit.time)
}

/// The text of a file that still stands under the name by which it was indexed.
fn live_text(root: &Path, path: &str) -> Option<String> {
    let (real, _) = inside(root, path).ok()?;
    (real == path).then(|| read_text(root, path).ok())?.map(|(_, text)| text)
}

/// The files that a file imports, each once, with the import as it is written.
fn imported(resolver: &mut Resolver<'_>, path: &str, outline: &Outline) -> Vec<RelatedItem> {
    let mut found: Vec<RelatedItem> = Vec::new();
    for import in &outline.imports {
        if let Some(target) = resolver.resolve(path, &import.name)
            && target != path
            && !found.iter().any(|known| known.path == target)
        {
            found.push(RelatedItem {
                path: target,
                line: 1,
                name: import.name.clone(),
                kind: "import".to_owned(),
            });
        }
    }
    found
}

/// The innermost symbol that holds all the lines, else the first that begins among them, else what holds the first.
fn subject<'a>(symbols: &'a [Symbol], lines: &RangeInclusive<u32>) -> Option<&'a Symbol> {
    let (first, last) = (*lines.start(), *lines.end());
    let innermost = |last: u32| {
        let around = symbols.iter().filter(move |one| one.start_line <= first && last <= one.end_line);
        around.min_by_key(|one| one.end_line - one.start_line)
    };
    let begins = || symbols.iter().find(|one| first <= one.start_line && one.start_line <= last);
    innermost(last).or_else(begins).or_else(|| innermost(first))
}

/// The name by which a symbol is called: a constructor by that of its class.
fn called_as(symbol: &Symbol) -> &str {
    if !matches!(symbol.name.as_str(), "__init__" | "__new__" | "constructor") {
        return &symbol.name;
    }
    let outer = symbol.qualified.strip_suffix(symbol.name.as_str()).unwrap_or_default();
    let outer = outer.trim_end_matches(['.', ':']);
    let outer = outer.rsplit(['.', ':']).next().unwrap_or_default();
    if outer.is_empty() { &symbol.name } else { outer }
}

fn is_call(mention: &Mention) -> bool {
    matches!(mention.kind, "call" | "macro")
}

fn holds(symbol: &Symbol, line: u32) -> bool {
    symbol.start_line <= line && line <= symbol.end_line
}

fn item(path: &str, symbol: &Symbol) -> RelatedItem {
    RelatedItem {
        path: path.to_owned(),
        line: symbol.line,
        name: symbol.qualified.clone(),
        kind: symbol.kind.to_owned(),
    }
}
