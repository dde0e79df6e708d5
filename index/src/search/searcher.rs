//! A question against one snapshot: candidates from the text index and from unsaved buffers, each checked against the
//! live file before it is shown.
//!
//! Refuses: to return text that is not there now, a secret, or a path outside the workspace.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use serde::Serialize;
use tantivy::TantivyDocument;

use crate::build::shared::{Shared, View};
use crate::error::{Doing, IndexError};
use crate::files::admit::Gate;
use crate::files::lines::whole_lines;
use crate::handle::{canonical, folder_of};
use crate::limits::{CANDIDATES_PER_HIT, CancelFlag, HITS_MAX, IndexDirs, RANKING_ROUNDS_MAX};
use crate::parse::deadline::search_deadline;
use crate::parse::qualified::normal;
use crate::search::corpus::{Changed, Corpus};
use crate::search::filter::Filter;
use crate::search::live::{LiveAnswer, LiveBudget, live_search};
use crate::search::live_files::{Differing, LiveFiles};
use crate::search::nearby::{Gains, Nearby};
use crate::search::overlay::Overlay;
use crate::search::query::Plan;
use crate::search::rank::{Ranked, Ranking};
use crate::search::saved::Saved;
use crate::search::score::Scores;
use crate::search::snapshot::Snapshot;
use crate::search::symbols::names;
use crate::search::uses::{PASSAGES, Passage, Raised, raise_used};
use crate::search::why::{best_name, why};
use crate::storage::base::open_text;
use crate::storage::document::Card;

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
    /// What the asker is at; between near equals the nearer one comes first. Names, texts and patterns are searched
    /// without it.
    pub nearby: Nearby,
    /// Ends the search with [`IndexError::Cancelled`]; asked before each file that is read.
    pub cancel: CancelFlag,
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
            nearby: Nearby::default(),
            cancel: CancelFlag::new(),
        }
    }

    /// Asks whether anybody still waits for the answer.
    ///
    /// # Errors
    /// [`IndexError::Cancelled`] when nobody does.
    pub(crate) fn check_cancel(&self) -> Result<(), IndexError> {
        if self.cancel.is_cancelled() { Err(IndexError::Cancelled) } else { Ok(()) }
    }

    /// What a look through the live files on behalf of this question may cost.
    fn live_budget(&self) -> LiveBudget {
        LiveBudget { cancel: self.cancel.clone(), ..LiveBudget::default() }
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
    /// Lines of it that hold what was spelled out, 1-based and in order; none for a question in words.
    pub lines: Vec<u32>,
}

/// What a question found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchAnswer {
    /// Best first.
    pub hits: Vec<Hit>,
    /// Not all was looked at: the live files were looked through and time was up, or there were more matches than anybody
    /// reads; or more files changed since they were indexed than one search looks at again.
    pub cut: bool,
    /// The last of these reasons: the files that were not looked at again are lacking.
    pub many_changed: bool,
    /// Sentences about what the question names and what is not so, or may mean several things.
    pub notes: Vec<String>,
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
    /// Only the path, or a name, is known; it is no passage.
    pub light: bool,
}

type ReportStale = Arc<dyn Fn(&str) + Send + Sync>;

/// A snapshot of an index. It keeps answering from its generation however the index moves on, but what it shows is
/// always checked against the live files.
#[derive(Clone)]
pub struct Searcher {
    pub(crate) root: PathBuf,
    pub(crate) snapshot: Arc<Snapshot>,
    /// Files that are not in the text index yet.
    pub(crate) saved: Arc<Saved>,
    generation: u64,
    /// Whether the index holds about everything; until then the live files are looked through as well.
    pub(super) complete: bool,
    /// Many files changed just now and the writer has not taken them up.
    unsettled: bool,
    /// Rules may have changed since the index was made.
    unsure_of_rules: bool,
    pub(crate) report_stale: Option<ReportStale>,
}

impl Searcher {
    pub(crate) fn new(
        root: PathBuf,
        View { snapshot, saved, generation }: View,
        complete: bool,
        report_stale: Option<ReportStale>,
    ) -> Self {
        Self { root, snapshot, saved, generation, complete, unsettled: false, unsure_of_rules: true, report_stale }
    }

    /// The present state of an index that is open, with what changed and is not in it yet.
    pub(crate) fn of(shared: &Arc<Shared>) -> Self {
        // In this order: what is settled by then is complete, and in the view that is taken last.
        let pending = shared.pending();
        let status = shared.status();
        let mut view = shared.view();
        let mut unsettled = pending.unknown;
        if !pending.paths.is_empty() {
            let mut saved = Saved::clone(&view.saved);
            let bytes_max = shared.limits.file_bytes_max;
            unsettled |= !shared.early.take_up(&shared.root, bytes_max, &pending, search_deadline(), &mut saved);
            view.saved = Arc::new(saved);
        }
        let weak: Weak<Shared> = Arc::downgrade(shared);
        let report = Arc::new(move |path: &str| {
            if let Some(shared) = weak.upgrade() {
                shared.touch([path]);
            }
        });
        let complete = !unsettled && status.is_about_complete();
        let unsure_of_rules = unsettled || !shared.has_looked();
        Self { unsettled, unsure_of_rules, ..Self::new(shared.root.clone(), view, complete, Some(report)) }
    }

    /// Opens the index of a workspace for reading only, also while another process owns it. How much of the workspace it
    /// holds is not known, so the live files are looked through as well.
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
        let snapshot = Arc::new(Snapshot::new(reader.searcher(), None));
        Ok(Self::new(root, View { snapshot, saved: Arc::default(), generation }, false, None))
    }

    /// The generation of the index that this snapshot shows.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Answers a question, best hit first. The first hits of different files come first, unless a second one of the same
    /// file is much better than the next file.
    ///
    /// # Errors
    /// [`IndexError::Storage`] when the index cannot be read, [`IndexError::Cancelled`]. Stale or vanished files are
    /// no error.
    pub fn search(&self, request: &SearchRequest) -> Result<Vec<Hit>, IndexError> {
        Ok(self.answer(request)?.hits)
    }

    /// The same, with whether all that should be looked at was.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub fn answer(&self, request: &SearchRequest) -> Result<SearchAnswer, IndexError> {
        match request.kind {
            SearchKind::Text | SearchKind::Regex => {
                let live = live_search(&self.root, request, &request.live_budget())?;
                return Ok(SearchAnswer { hits: live.hits, cut: live.cut, ..SearchAnswer::default() });
            }
            SearchKind::Symbol | SearchKind::Auto => {}
        }
        let mut answer = self.of_index(request)?;
        if self.unsure_of_rules {
            let mut gate = Gate::new(&self.root);
            answer.hits.retain(|hit| gate.admits(&hit.path));
        }
        Ok(answer)
    }

    /// Answers from the index, and from the live files as far as it is not complete.
    fn of_index(&self, request: &SearchRequest) -> Result<SearchAnswer, IndexError> {
        let by_name = request.kind == SearchKind::Symbol;
        let indexed =
            if by_name { self.symbols(request)? } else { self.as_spelled(request, self.indexed(request)?)? };
        if self.complete {
            return Ok(indexed);
        }
        let LiveAnswer { hits: mut live, cut, .. } = live_search(&self.root, request, &request.live_budget())?;
        if by_name {
            live.retain(|hit| {
                hit.symbol.as_deref().is_some_and(|symbol| names(&request.query, symbol, &hit.path))
            });
        }
        let mut hits = alternate(indexed.hits, live);
        // What is indexed by now may lack the very definition that is asked for.
        if let Some(asked) = Plan::of(&request.query).identifiers.first().map(|asked| normal(asked)) {
            hits.sort_by_key(|hit| !hit.symbol.as_deref().is_some_and(|symbol| ends_in(&normal(symbol), &asked)));
        }
        hits.truncate(request.limit.min(HITS_MAX));
        Ok(SearchAnswer { hits, cut: cut || self.unsettled, many_changed: self.unsettled, notes: indexed.notes })
    }

    /// The answer with what the question spells out in front: a text that stands somewhere just so, the name that is meant
    /// by one that stands nowhere, a line of a file or the lines of a traceback.
    fn as_spelled(&self, request: &SearchRequest, answer: SearchAnswer) -> Result<SearchAnswer, IndexError> {
        if request.limit == 0 {
            return Ok(answer);
        }
        let hits = self.with_verbatim(request, answer.hits)?;
        let hits = self.with_misspelt(request, hits)?;
        let hits = self.with_frames(request, hits)?;
        self.with_place(request, SearchAnswer { hits, ..answer })
    }

    /// Answers from the index alone.
    fn indexed(&self, request: &SearchRequest) -> Result<SearchAnswer, IndexError> {
        let limit = request.limit.min(HITS_MAX);
        let mut plan = Plan::of(&request.query);
        if limit == 0 || plan.terms.is_empty() && plan.identifiers.is_empty() {
            return Ok(SearchAnswer::default());
        }
        plan.keep_telling(|token| self.snapshot.chunks_with(token), self.snapshot.tables()?.totals.chunks)?;
        let mut live = LiveFiles::new(&self.root);
        let mut differing = Differing::default();
        let mut gate = Gate::new(&self.root);
        let until = search_deadline();
        let mut open = request.overlay.cut(until).filter(|file| gate.admits(file.path)).collect::<Vec<_>>();
        self.add_saved(&mut open);
        let (filter, gains) = (&request.filter, request.nearby.gains(&request.query));
        // Some that pass by their path will not pass by their text.
        let wanted = if filter.asks_text() { limit * CANDIDATES_PER_HIT } else { limit };
        let mut rounds_left = RANKING_ROUNDS_MAX;
        loop {
            request.check_cancel()?;
            rounds_left -= 1;
            let kept = open.iter().copied().filter(|file| !differing.knows(file.path));
            let changed: Vec<Changed<'_>> = kept.chain(differing.changed()).collect();
            let gone: Vec<&str> = self.saved.hidden().chain(differing.gone()).collect();
            let corpus = Corpus::new(&self.snapshot, &changed, &gone)?;
            let mut ranking = Ranking::new(&corpus, &plan, filter, &gains);
            let mut scores = Scores::of(&corpus, &plan)?;
            let (mut stale, mut raised) = (Vec::new(), Raised::default());
            // A report mentions much that it is not about, and a name is itself what is looked for: what their passages
            // use would lead astray.
            if !plan.report && !plan.lone {
                let first = ranking.best(&scores, wanted.max(PASSAGES));
                let passages = self.as_they_are(&corpus, first, PASSAGES, request, &mut live, &mut stale)?;
                let passages: Vec<_> = passages.iter().map(passage).collect();
                raised = raise_used(&corpus, &mut scores, &plan, &passages)?;
            }
            let mut ranked = ranking.best(&scores, wanted + raised.count_of_last());
            raised.put_last(&mut ranked);
            let candidates = self.as_they_are(&corpus, ranked, limit, request, &mut live, &mut stale)?;
            // What is stale is cut again and competes as it is now, so the order may be another one.
            let settled =
                stale.is_empty() || !differing.take_up(&self.root, stale, until, self.report_stale.as_ref());
            if settled || rounds_left == 0 {
                let hits = candidates.into_iter().map(|one| hit(one, &plan, &raised.names, &gains)).collect();
                let hits = self.with_named_files(request, limit, hits)?;
                let cut = differing.left_out || !settled;
                return Ok(SearchAnswer { hits, cut, many_changed: cut, ..SearchAnswer::default() });
            }
        }
    }

    /// The first `count` chunks in the order, as they are now; paths of those that are not are added to `stale`.
    fn as_they_are(
        &self,
        corpus: &Corpus<'_>,
        ranked: Vec<Ranked>,
        count: usize,
        request: &SearchRequest,
        live: &mut LiveFiles<'_>,
        stale: &mut Vec<String>,
    ) -> Result<Vec<Candidate>, IndexError> {
        let mut shown = Vec::with_capacity(count);
        for one in ranked {
            if shown.len() >= count {
                break;
            }
            request.check_cancel()?;
            match self.candidate(corpus, one, live, &request.filter)? {
                Found::Shown(candidate) => shown.push(candidate),
                Found::Stale(path) => stale.push(path),
                Found::Nothing => {}
            }
        }
        Ok(shown)
    }

    /// Adds the files that are not in the text index yet, but for those that are open with unsaved text.
    pub(crate) fn add_saved<'a>(&'a self, open: &mut Vec<Changed<'a>>) {
        let unsaved = open.len();
        for file in self.saved.changed() {
            if open[..unsaved].iter().all(|one| one.path != file.path) {
                open.push(file);
            }
        }
    }

    /// The chunk behind a place in the order, as it is now.
    fn candidate(
        &self,
        corpus: &Corpus<'_>,
        ranked: Ranked,
        live: &mut LiveFiles<'_>,
        filter: &Filter,
    ) -> Result<Found, IndexError> {
        let score = ranked.score;
        if let Some((file, chunk)) = corpus.changed_chunk(ranked.chunk) {
            let file = corpus.changed(file);
            if !live.is_as(file) {
                return Ok(Found::Stale(file.path.to_owned()));
            }
            if !filter.admits_text(file.path, file.text) {
                return Ok(Found::Nothing);
            }
            let chunk = &file.chunks[chunk];
            let card = Card::unstored(file.path, chunk);
            let (text, unsaved) = (Part::of(file.text, chunk.span.clone()), file.unsaved);
            return Ok(Found::Shown(Candidate { chunk: ranked.chunk, score, card, text, unsaved }));
        }
        let address = corpus.tables().address(ranked.chunk);
        let document: TantivyDocument = self.snapshot.text.doc(address).doing("reading the text index")?;
        let Some(card) = self.snapshot.fields.card(&document) else { return Ok(Found::Nothing) };
        if card.is_of_large() {
            let Some(text) = live.at_name(&card) else { return Ok(Found::Stale(card.path)) };
            let line = text.lines().next().unwrap_or_default();
            let text = Part::of(line, 0..line.len());
            return Ok(Found::Shown(Candidate { chunk: ranked.chunk, score, text, card, unsaved: false }));
        }
        let Some(text) = live.text(&card) else { return Ok(Found::Stale(card.path)) };
        if !filter.admits_text(&card.path, text) {
            return Ok(Found::Nothing);
        }
        let span = card.bytes.0 as usize..card.bytes.1 as usize;
        if text.get(span.clone()).is_none() {
            return Ok(Found::Nothing);
        }
        let text = Part::of(text, span);
        Ok(Found::Shown(Candidate { chunk: ranked.chunk, score, text, card, unsaved: false }))
    }

    /// All chunks of this snapshot, in order of path and place.
    ///
    /// # Errors
    /// [`IndexError::Storage`] when the index cannot be read.
    pub fn chunks(&self) -> Result<Vec<ChunkRef>, IndexError> {
        let doing = "reading the text index";
        let mut all = Vec::new();
        for segment in self.snapshot.text.segment_readers() {
            let store = segment.get_store_reader(1).doing(doing)?;
            for document in segment.doc_ids_alive() {
                let document: TantivyDocument = store.get(document).doing(doing)?;
                if let Some(card) =
                    self.snapshot.fields.card(&document).filter(|card| !self.saved.hides(&card.path))
                {
                    let (start, end) = card.bytes;
                    let (start_line, end_line) = card.lines;
                    let light = card.is_light();
                    all.push(ChunkRef {
                        path: card.path,
                        start,
                        end,
                        start_line,
                        end_line,
                        hash: card.hash,
                        light,
                    });
                }
            }
        }
        for file in self.saved.changed() {
            all.extend(file.chunks.iter().map(|chunk| {
                let Card { path, bytes: (start, end), lines: (start_line, end_line), hash, .. } =
                    Card::unstored(file.path, chunk);
                ChunkRef { path, start, end, start_line, end_line, hash, light: chunk.is_light() }
            }));
        }
        all.sort();
        Ok(all)
    }
}

/// A passage that is shown.
struct Candidate {
    /// Its number in the corpus.
    chunk: u32,
    score: f32,
    card: Card,
    text: Part,
    unsaved: bool,
}

/// The text of a passage.
struct Part {
    /// Whole lines.
    lines: String,
    /// What of them is the chunk.
    chunk: Range<usize>,
}

impl Part {
    fn of(text: &str, span: Range<usize>) -> Self {
        let whole = whole_lines(text, span.clone());
        Self { chunk: span.start - whole.start..span.end - whole.start, lines: text[whole].to_owned() }
    }

    fn chunk(&self) -> &str {
        &self.lines[self.chunk.clone()]
    }
}

/// What stands behind a place in the order.
enum Found {
    Shown(Candidate),
    /// A file that is not what was indexed.
    Stale(String),
    Nothing,
}

/// One of each by turns, the better known first; no place twice.
fn alternate(indexed: Vec<Hit>, live: Vec<Hit>) -> Vec<Hit> {
    let mut both = Vec::with_capacity(indexed.len() + live.len());
    let (mut indexed, mut live) = (indexed.into_iter(), live.into_iter());
    loop {
        let pair = [indexed.next(), live.next()];
        if pair.iter().all(Option::is_none) {
            break;
        }
        for hit in pair.into_iter().flatten() {
            let overlaps = |known: &Hit| {
                known.path == hit.path && known.start_line <= hit.end_line && hit.start_line <= known.end_line
            };
            if !both.iter().any(overlaps) {
                both.push(hit);
            }
        }
    }
    both
}

/// Whether a qualified name is another one, or ends in it.
fn ends_in(name: &str, end: &str) -> bool {
    name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn passage(candidate: &Candidate) -> Passage<'_> {
    Passage { score: candidate.score, text: candidate.text.chunk() }
}

fn hit(candidate: Candidate, plan: &Plan, raised: &HashMap<u32, String>, gains: &Gains) -> Hit {
    let Candidate { chunk, score, card, text, unsaved } = candidate;
    let used = raised.get(&chunk).map(String::as_str);
    let best = best_name(&card.names, plan, used);
    let mut why = why(&card, best, text.chunk(), plan, used, unsaved);
    if let Some(near) = gains.why(&card.path) {
        why = if why.is_empty() { near } else { format!("{why}; {near}") };
    }
    let (symbol, kind) = match best {
        Some(name) => (Some(name.qualified.clone()), name.kind.clone()),
        None => (card.symbol, card.kind),
    };
    let (start_line, end_line) = card.lines;
    Hit { path: card.path, start_line, end_line, symbol, kind, score, why, text: text.lines, lines: Vec::new() }
}
