//! Scores -> an order: chunk and file scores joined, what a file is for, and how often one file may come first.
//!
//! Refuses: to read anything; it works on numbers and paths.

use std::collections::{HashMap, HashSet};

use crate::files::role::{EXAMPLE, HISTORY, PROSE, TEST, VENDORED};
use crate::limits::{CANDIDATES_MIN, CANDIDATES_PER_HIT};
use crate::parse::tokenize::for_each_token;
use crate::search::corpus::Corpus;
use crate::search::filter::Filter;
use crate::search::nearby::Gains;
use crate::search::query::Plan;
use crate::search::score::Scores;

/// How numbers become an order. Chosen on the development sets; see `tests/eval/results/`.
struct Mix {
    /// Share of the whole file's score in that of its chunks.
    file: f32,
    /// What a file gains whose name the question speaks of.
    stem: f32,
    /// The same for its folder.
    folder: f32,
    /// How far a form of a word counts as the word, in names of files.
    akin: f32,
    /// What a path gains that the question spells out.
    path: f32,
    /// A path in a report that more files share says nothing.
    path_files: usize,
    /// What each further chunk of one file keeps of its score when it defines something.
    decay: f32,
    /// The same for a chunk that goes on with what another one began.
    decay_unnamed: f32,
    /// What prose keeps of its score when the question is a report of a fault, which lies in code.
    prose_for_report: f32,
}

const MIX: Mix = Mix {
    file: 0.35,
    stem: 0.35,
    folder: 0.15,
    akin: 0.7,
    path: 1.5,
    path_files: 3,
    decay: 0.93,
    decay_unnamed: 0.8,
    prose_for_report: 0.6,
};

/// What each role of a file that is not asked for leaves of its score.
const ROLES: [(u64, f32); 5] = [(TEST, 0.45), (EXAMPLE, 0.6), (VENDORED, 0.4), (HISTORY, 0.4), (PROSE, 0.5)];

/// One chunk in order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ranked {
    /// Its number in the corpus.
    pub(crate) chunk: u32,
    /// Higher is better; comparable within one answer only.
    pub(crate) score: f32,
}

/// How much the role of a file lowers its score.
pub(crate) fn role_factor(role: u64, wanted: u64) -> f32 {
    let mut factor = 1.0;
    for (bit, lower) in ROLES {
        if role & bit != 0 && wanted & bit == 0 {
            factor *= lower;
        }
    }
    factor
}

/// What decides the order of the answers to one question, with what was worked out of it already.
pub(crate) struct Ranking<'a> {
    corpus: &'a Corpus<'a>,
    plan: &'a Plan,
    filter: &'a Filter,
    gains: &'a Gains,
    /// Ends of paths that the question spells out and that tell a file.
    named: Vec<&'a str>,
    /// What the role of each file leaves of its score.
    roles: Vec<f32>,
    /// What paths make of scores, for the files that came up; 0 for those that are not asked for.
    paths: HashMap<u32, f32>,
}

impl<'a> Ranking<'a> {
    /// The order for one question.
    pub(crate) fn new(corpus: &'a Corpus<'a>, plan: &'a Plan, filter: &'a Filter, gains: &'a Gains) -> Self {
        let left = |role| {
            let beside = plan.report && role & PROSE & !plan.wanted_roles != 0;
            role_factor(role, plan.wanted_roles) * if beside { MIX.prose_for_report } else { 1.0 }
        };
        let named = plan.paths.iter().map(String::as_str).filter(|named| !plan.report || tells(named, corpus));
        let named = named.collect();
        let mut roles = Vec::new();
        // Most files are like the one before.
        let mut last = (0, left(0));
        corpus.each_role(|role| {
            if role != last.0 {
                last = (role, left(role));
            }
            roles.push(last.1);
        });
        Self { corpus, plan, filter, gains, named, roles, paths: HashMap::new() }
    }

    /// The best `count` chunks, best first. The first chunk of each file keeps its score; each further one must do with
    /// a part of it, so that other files come between.
    pub(crate) fn best(&mut self, scores: &Scores, count: usize) -> Vec<Ranked> {
        let (best_chunk, best_file) = (highest(&scores.chunks), highest(&scores.files));
        if best_chunk <= 0.0 {
            return Vec::new();
        }
        let (chunk_share, file_share) =
            ((1.0 - MIX.file) / best_chunk, MIX.file / best_file.max(f32::MIN_POSITIVE));
        let files: Vec<(f32, f32)> =
            scores.files.iter().zip(&self.roles).map(|(score, role)| (file_share * score, *role)).collect();
        let kept = match self.filter.is_open() {
            true => (count * CANDIDATES_PER_HIT).max(CANDIDATES_MIN),
            false => usize::MAX,
        };
        let mut found: Vec<(u32, Ranked)> = Vec::new();
        // What scores no more than this is not among the best of those that were seen.
        let mut floor = 0.0;
        self.corpus.each_chunk(|chunk, file| {
            let of_chunk = chunk_share * scores.chunks[chunk as usize];
            // No file adds more than its share, and no role raises anything.
            if of_chunk <= 0.0 || of_chunk + MIX.file <= floor {
                return;
            }
            let (of_file, role) = files[file as usize];
            let score = (of_chunk + of_file) * role;
            if score > floor {
                found.push((file, Ranked { chunk, score }));
                if found.len() >= kept.saturating_mul(2) {
                    floor = keep_best(&mut found, kept);
                }
            }
        });
        keep_best(&mut found, kept);
        for (file, one) in &mut found {
            let factor = match self.paths.get(file) {
                Some(factor) => *factor,
                None => self.weigh_path(*file),
            };
            one.score *= factor;
        }
        found.retain(|(_, one)| one.score > 0.0);
        spread(found, self.corpus, count)
    }

    /// Raises a file whose path the question speaks of, and drops one that it is not about.
    fn weigh_path(&mut self, file: u32) -> f32 {
        let (path, _) = self.corpus.file(file);
        let factor = if self.filter.admits(path) {
            let named = if self.named.iter().any(|named| is_named(path, named)) { MIX.path } else { 1.0 };
            let (stem, folder) = named_share(path, self.plan);
            (1.0 + MIX.stem * stem + MIX.folder * folder) * named * self.gains.factor(path)
        } else {
            0.0
        };
        self.paths.insert(file, factor);
        factor
    }
}

/// The highest of some scores, none of which is below 0: such numbers have the order of their bits, in which processors
/// compare many at once.
fn highest(scores: &[f32]) -> f32 {
    f32::from_bits(scores.iter().map(|score| score.to_bits()).max().unwrap_or(0))
}

/// Drops all but the best, in no order; the lowest score that is left, 0 where nothing was dropped.
fn keep_best(found: &mut Vec<(u32, Ranked)>, count: usize) -> f32 {
    if found.len() <= count || count == 0 {
        return 0.0;
    }
    // Of equals those that come first, so that an answer does not depend on how they were told apart.
    let order =
        |a: &(u32, Ranked), b: &(u32, Ranked)| b.1.score.total_cmp(&a.1.score).then(a.1.chunk.cmp(&b.1.chunk));
    let (.., lowest, _) = found.select_nth_unstable_by(count - 1, order);
    let lowest = lowest.1.score;
    found.truncate(count);
    lowest
}

/// File names that say nothing of their own; the folder's name stands for them.
const FOLDER_FILES: &[&str] = &["mod", "index", "__init__", "lib", "main", "init"];

/// How far the question names the words of a file's name, and of its folder's, each from 0 to 1.
fn named_share(path: &str, plan: &Plan) -> (f32, f32) {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or(name);
    let folder = folders.rsplit('/').next().unwrap_or("");
    if FOLDER_FILES.contains(&stem) && !folder.is_empty() {
        return (share(folder, plan), 0.0);
    }
    (share(stem, plan), share(folder, plan))
}

fn share(name: &str, plan: &Plan) -> f32 {
    let (mut first, mut named, mut all) = (0.0, 0.0, 0.0);
    for_each_token(name, |part| {
        let counts = if plan.term(part).is_some() {
            1.0
        } else if plan.terms.iter().any(|term| akin(&term.token, part)) {
            MIX.akin
        } else {
            0.0
        };
        if all == 0.0 {
            first = counts;
        }
        named += counts;
        all += 1.0;
    });
    // The first token of several is the whole name, which its parts say again.
    if all > 1.0 { (named - first) / (all - 1.0) } else { named }
}

/// Whether two words are forms of one, as far as a long common beginning can tell: `format` and `formatter`.
fn akin(one: &str, other: &str) -> bool {
    let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    same >= 4 && same * 3 >= one.len().max(other.len()) * 2
}

/// Whether so few files have a path that a report spells out that it may be about them. Listings and logs are full of
/// `__init__.py` and `index.rst`.
fn tells(named: &str, corpus: &Corpus<'_>) -> bool {
    let files: HashSet<&str> = corpus.paths().filter(|path| is_named(path, named)).collect();
    files.len() <= MIX.path_files
}

/// Whether `named` are the last parts of a path, or a path that somebody else has in front of this one.
fn is_named(path: &str, named: &str) -> bool {
    is_end_of(path, named) || path.contains('/') && is_end_of(named, path)
}

/// Whether a path is `end`, or ends in it at the start of a name.
pub(super) fn is_end_of(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

fn spread(mut ranked: Vec<(u32, Ranked)>, corpus: &Corpus<'_>, count: usize) -> Vec<Ranked> {
    // Chunks are numbered as they happened to be written, so equals stand in the order of their paths instead.
    let order = |a: &(u32, Ranked), b: &(u32, Ranked)| {
        let by_path = || corpus.order_of_paths(a.0, b.0);
        b.1.score.total_cmp(&a.1.score).then_with(by_path).then(a.1.chunk.cmp(&b.1.chunk))
    };
    ranked.sort_unstable_by(order);
    let mut kept: HashMap<u32, f32> = HashMap::new();
    for (file, one) in &mut ranked {
        let decay = if corpus.defines(one.chunk) { MIX.decay } else { MIX.decay_unnamed };
        let kept = kept.entry(*file).and_modify(|kept| *kept *= decay).or_insert(1.0);
        one.score *= *kept;
    }
    ranked.sort_unstable_by(order);
    ranked.into_iter().take(count).map(|(_, one)| one).collect()
}
