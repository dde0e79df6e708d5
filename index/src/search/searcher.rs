//! A question against one snapshot: candidates from the text index and from unsaved buffers, each checked against the
//! live file before it is shown.
//!
//! Refuses: to return text that is not there now, a secret, or a path outside the workspace.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tantivy::collector::TopDocs;
use tantivy::{DocAddress, DocId, Score, SegmentReader, TantivyDocument};

use crate::error::{Doing, IndexError};
use crate::files::admit::Gate;
use crate::files::content::decode;
use crate::files::live::{inside, read};
use crate::files::role::role_of;
use crate::handle::{canonical, folder_of};
use crate::limits::{
    CANDIDATES_MAX, CANDIDATES_MIN, CANDIDATES_PER_HIT, FILE_BYTES_MAX, HITS_MAX, IndexDirs, RECUT_FILES_MAX,
};
use crate::parse::cut::{Chunk, Cutter};
use crate::search::filter::Filter;
use crate::search::live::{LiveBudget, live_search};
use crate::search::overlay::Overlay;
use crate::search::query::Plan;
use crate::search::score::{MemoryScorer, keep_telling, query, role_factor};
use crate::search::why::{best_name, why};
use crate::storage::base::open_text;
use crate::storage::document::{Card, Fields, ROLE};

/// What a query is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SearchKind {
    /// Told from its form: a name, a path, an error message, code, or a sentence.
    #[default]
    Auto,
    /// The name of a definition, or a part of one.
    Symbol,
    /// Text as it stands in the files, in any letter case unless the query has capitals.
    Text,
    /// A regular expression over lines.
    Regex,
}

/// A question.
#[derive(Debug, Clone)]
pub struct SearchRequest {
    /// Words, names, an error message, a sentence: anything.
    pub query: String,
    /// Most hits wanted; at most [`HITS_MAX`].
    pub limit: usize,
    /// What the query is taken for.
    pub kind: SearchKind,
    /// Only in these files.
    pub filter: Filter,
    /// Unsaved buffers of the session that asks. Those that ignore rules exclude are not searched.
    pub overlay: Overlay,
}

impl SearchRequest {
    /// A question over the whole workspace as it is on disk.
    pub fn new(query: impl Into<String>, limit: usize) -> Self {
        Self {
            query: query.into(),
            limit,
            kind: SearchKind::Auto,
            filter: Filter::default(),
            overlay: Overlay::default(),
        }
    }
}

/// A passage that answers a question. Its text is that of the live file or buffer at the moment of the search.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hit {
    /// Relative to the workspace, with `/`.
    pub path: String,
    /// 1-based first line.
    pub start_line: u32,
    /// 1-based last line, inclusive.
    pub end_line: u32,
    /// The definition it is about.
    pub symbol: Option<String>,
    /// Kind of that definition, `section` or `text`.
    pub kind: String,
    /// Higher is better; comparable within one answer only.
    pub score: f32,
    /// Why it was found, in words.
    pub why: String,
    /// The text of the passage.
    pub text: String,
}

/// One chunk of a snapshot, without its text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChunkRef {
    /// Relative to the workspace.
    pub path: String,
    /// Byte at which it begins in the decoded text.
    pub start: u32,
    /// Byte after its end.
    pub end: u32,
    /// 1-based first line.
    pub start_line: u32,
    /// 1-based last line, inclusive.
    pub end_line: u32,
    /// Hash of header and text.
    pub hash: u128,
}

type ReportStale = Arc<dyn Fn(&str) + Send + Sync>;

/// A snapshot of an index. It keeps answering from its generation however the index moves on, but what it shows is
/// always checked against the live files.
#[derive(Clone)]
pub struct Searcher {
    pub(crate) root: PathBuf,
    pub(crate) text: tantivy::Searcher,
    pub(crate) fields: Fields,
    generation: u64,
    report_stale: Option<ReportStale>,
}

/// A passage before it is put in order.
struct Candidate {
    score: f32,
    card: Card,
    text: String,
    unsaved: bool,
}

/// A stored file compared with the live one.
enum Checked {
    /// The same bytes.
    Same(String),
    /// Other bytes; its chunks were cut again and are among the candidates already.
    Recut,
    /// Not there, or not to be shown.
    Dropped,
}

impl Searcher {
    pub(crate) fn new(
        root: PathBuf,
        text: tantivy::Searcher,
        generation: u64,
        report_stale: Option<ReportStale>,
    ) -> Self {
        Self { root, text, fields: Fields::schema().1, generation, report_stale }
    }

    /// Opens the index of a workspace for reading only, also while another process owns it.
    ///
    /// # Errors
    /// [`IndexError::Root`], and [`IndexError::Storage`] when there is no index yet or it cannot be read.
    pub fn open(root: &Path, dirs: &IndexDirs) -> Result<Self, IndexError> {
        let root = canonical(root)?;
        let text = open_text(&folder_of(&root, dirs).join("base").join("text"))?;
        let doing = "opening the text index";
        let payload = text.load_metas().doing(doing)?.payload;
        let generation = payload.and_then(|payload| payload.parse().ok()).unwrap_or(0);
        let reader: tantivy::IndexReader =
            text.reader_builder().reload_policy(tantivy::ReloadPolicy::Manual).try_into().doing(doing)?;
        Ok(Self::new(root, reader.searcher(), generation, None))
    }

    /// The generation of the index that this snapshot shows.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Answers a question, best hit first: the best of each file, then further ones of the same files.
    ///
    /// # Errors
    /// [`IndexError::Storage`] when the index cannot be read. Stale or vanished files are no error.
    pub fn search(&self, request: &SearchRequest) -> Result<Vec<Hit>, IndexError> {
        if matches!(request.kind, SearchKind::Text | SearchKind::Regex) {
            return Ok(live_search(&self.root, request, &LiveBudget::default())?.hits);
        }
        let limit = request.limit.min(HITS_MAX);
        let mut plan = Plan::of(&request.query);
        if limit == 0 || plan.terms.is_empty() && plan.identifiers.is_empty() {
            return Ok(Vec::new());
        }
        let doing = "searching";
        keep_telling(&mut plan, &self.text, &self.fields).doing(doing)?;
        let mut found = Check::new(self, &plan, &request.filter);
        found.add_overlay(&request.overlay)?;
        let masked: Vec<&str> = request.overlay.paths().collect();
        let query = query(&plan, &self.fields, &masked);
        let mut wanted = (limit * CANDIDATES_PER_HIT).max(CANDIDATES_MIN);
        let mut taken = 0;
        loop {
            let top = self.top(&query, plan.wanted_roles, wanted).doing(doing)?;
            let exhausted = top.len() < wanted;
            for (score, address) in top.into_iter().skip(taken) {
                taken += 1;
                found.add_stored(score, address)?;
                if found.files.len() >= limit {
                    break;
                }
            }
            // Fewer files than wanted, because many chunks lie in one file or were stale: look further down.
            if exhausted || found.files.len() >= limit || wanted >= CANDIDATES_MAX {
                break;
            }
            wanted = (wanted * 4).min(CANDIDATES_MAX);
        }
        Ok(arrange(found.candidates, &plan, limit))
    }

    /// All chunks of this snapshot, in order of path and place.
    ///
    /// # Errors
    /// [`IndexError::Storage`] when the index cannot be read.
    pub fn chunks(&self) -> Result<Vec<ChunkRef>, IndexError> {
        let doing = "reading the text index";
        let mut all = Vec::new();
        for segment in self.text.segment_readers() {
            let store = segment.get_store_reader(1).doing(doing)?;
            for document in segment.doc_ids_alive() {
                let document: TantivyDocument = store.get(document).doing(doing)?;
                if let Some(card) = self.fields.card(&document) {
                    let (start, end) = card.bytes;
                    let (start_line, end_line) = card.lines;
                    all.push(ChunkRef { path: card.path, start, end, start_line, end_line, hash: card.hash });
                }
            }
        }
        all.sort();
        Ok(all)
    }

    fn top(
        &self,
        query: &dyn tantivy::query::Query,
        wanted_roles: u64,
        count: usize,
    ) -> tantivy::Result<Vec<(Score, DocAddress)>> {
        let collector = TopDocs::with_limit(count).tweak_score(move |segment: &SegmentReader| {
            let roles = segment.fast_fields().u64(ROLE).ok().map(|column| column.first_or_default_col(0));
            move |document: DocId, score: Score| {
                let role = roles.as_ref().map_or(0, |roles| roles.get_val(document));
                score * role_factor(role, wanted_roles)
            }
        });
        self.text.search(query, &collector)
    }
}

/// Collects candidates and checks them against the live files.
struct Check<'a> {
    searcher: &'a Searcher,
    plan: &'a Plan,
    filter: &'a Filter,
    scorer: Option<MemoryScorer>,
    cutter: Option<Cutter>,
    checked: HashMap<String, Checked>,
    recut: usize,
    candidates: Vec<Candidate>,
    /// Different files among the candidates, with their candidates.
    files: BTreeMap<String, usize>,
}

impl<'a> Check<'a> {
    fn new(searcher: &'a Searcher, plan: &'a Plan, filter: &'a Filter) -> Self {
        Self {
            searcher,
            plan,
            filter,
            scorer: None,
            cutter: None,
            checked: HashMap::new(),
            recut: 0,
            candidates: Vec::new(),
            files: BTreeMap::new(),
        }
    }

    /// Takes up unsaved buffers, but for those that the rules of the workspace keep out of the index too.
    fn add_overlay(&mut self, overlay: &Overlay) -> Result<(), IndexError> {
        let mut gate = Gate::new(&self.searcher.root);
        for (path, text, chunks) in overlay.chunks() {
            if self.filter.admits(path) && gate.admits(path) {
                self.add_live(path, text, chunks, true)?;
            }
        }
        Ok(())
    }

    /// Takes up one result of the text index, if its file still is what was indexed.
    fn add_stored(&mut self, score: f32, address: DocAddress) -> Result<(), IndexError> {
        let document: TantivyDocument = self.searcher.text.doc(address).doing("reading the text index")?;
        let Some(card) = self.searcher.fields.card(&document) else { return Ok(()) };
        if !self.filter.admits(&card.path) {
            return Ok(());
        }
        if !self.checked.contains_key(&card.path) {
            let checked = self.check(&card)?;
            if !matches!(checked, Checked::Same(_))
                && let Some(report) = &self.searcher.report_stale
            {
                report(&card.path);
            }
            self.checked.insert(card.path.clone(), checked);
        }
        if let Some(Checked::Same(text)) = self.checked.get(&card.path)
            && let Some(part) = text.get(card.bytes.0 as usize..card.bytes.1 as usize)
        {
            let text = part.to_owned();
            self.push(Candidate { score, card, text, unsaved: false });
        }
        Ok(())
    }

    /// Compares a stored file with the live one. Its whole content is hashed: time stamps may lie.
    fn check(&mut self, card: &Card) -> Result<Checked, IndexError> {
        let Ok((path, full)) = inside(&self.searcher.root, &card.path) else { return Ok(Checked::Dropped) };
        // A folder that became a link would show the file under a name it was not indexed by.
        if path != card.path {
            return Ok(Checked::Dropped);
        }
        let Ok(file) = read(&full, FILE_BYTES_MAX) else { return Ok(Checked::Dropped) };
        let same = u128::from_le_bytes(file.hash()) == card.file_hash;
        let Ok(decoded) = decode(&path, file.bytes) else { return Ok(Checked::Dropped) };
        if same {
            return Ok(Checked::Same(decoded.text));
        }
        if self.recut >= RECUT_FILES_MAX {
            return Ok(Checked::Dropped);
        }
        self.recut += 1;
        let chunks = self.cutter.get_or_insert_default().cut(&path, &decoded.text);
        self.add_live(&path, &decoded.text, &chunks, false)?;
        Ok(Checked::Recut)
    }

    /// Scores chunks of a text that is not in the text index.
    fn add_live(&mut self, path: &str, text: &str, chunks: &[Chunk], unsaved: bool) -> Result<(), IndexError> {
        if self.scorer.is_none() {
            let scorer =
                MemoryScorer::new(self.plan, &self.searcher.fields, &self.searcher.text).doing("searching")?;
            self.scorer = Some(scorer);
        }
        let Some(scorer) = &self.scorer else { return Ok(()) };
        let factor = role_factor(role_of(path), self.plan.wanted_roles);
        let scored: Vec<Candidate> = chunks
            .iter()
            .map(|chunk| (factor * scorer.score(path, chunk, text), chunk))
            .filter(|(score, _)| *score > 0.0)
            .map(|(score, chunk)| Candidate {
                score,
                card: Card::unstored(path, chunk),
                text: text[chunk.span.clone()].to_owned(),
                unsaved,
            })
            .collect();
        for candidate in scored {
            self.push(candidate);
        }
        Ok(())
    }

    fn push(&mut self, candidate: Candidate) {
        *self.files.entry(candidate.card.path.clone()).or_default() += 1;
        self.candidates.push(candidate);
    }
}

/// The best of each file first, then the second of each, and so on; within each round by score.
fn arrange(mut candidates: Vec<Candidate>, plan: &Plan, limit: usize) -> Vec<Hit> {
    candidates.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.card.path.cmp(&b.card.path))
            .then(a.card.bytes.cmp(&b.card.bytes))
    });
    let mut rounds: HashMap<String, usize> = HashMap::new();
    let mut ranked: Vec<(usize, Candidate)> = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let round = rounds.entry(candidate.card.path.clone()).or_default();
        ranked.push((*round, candidate));
        *round += 1;
    }
    // Stable, so each round stays in order of score.
    ranked.sort_by_key(|(round, _)| *round);
    ranked.into_iter().take(limit).map(|(_, candidate)| hit(candidate, plan)).collect()
}

fn hit(candidate: Candidate, plan: &Plan) -> Hit {
    let Candidate { score, card, text, unsaved } = candidate;
    let best = best_name(&card.names, plan);
    let why = why(&card, best, &text, plan, unsaved);
    let (symbol, kind) = match best {
        Some(name) => (Some(name.qualified.clone()), name.kind.clone()),
        None => (card.symbol, card.kind),
    };
    let (start_line, end_line) = card.lines;
    Hit { path: card.path, start_line, end_line, symbol, kind, score, why, text }
}
