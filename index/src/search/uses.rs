//! Call edges in ranking: what the best passages use and few places define is raised, because what answers a question
//! often lies one call away from what reads like it.
//!
//! Refuses: names that much of the workspace defines; they lead nowhere.

use std::collections::{HashMap, HashSet};

use crate::error::IndexError;
use crate::limits::{USED_NAMES_MAX, USED_NAMES_SEEN_MAX};
use crate::parse::tokenize::tokens;
use crate::search::corpus::Corpus;
use crate::search::query::Plan;
use crate::search::rank::Ranked;
use crate::search::score::Scores;

/// Passages whose names are followed.
pub(crate) const PASSAGES: usize = 8;

/// How strongly. Chosen on the development sets; see `tests/eval/results/`.
struct Follow {
    /// Weight of the name that tells most, relative to a name that the question itself spells out.
    most: f32,
    /// What a name counts that shares no word with the question.
    unlike: f32,
    /// What a name counts besides that shares all its words with the question.
    like: f32,
    /// A name that more chunks define is not followed.
    defined_max: usize,
    /// Shorter names say too little, in bytes.
    bytes_min: usize,
    /// A question of so few words asks for what holds one of them, and nothing else comes before that.
    few_words: usize,
}

const FOLLOW: Follow = Follow { most: 0.3, unlike: 0.4, like: 2.0, defined_max: 4, bytes_min: 4, few_words: 2 };

/// One passage that was found: its score and its text.
#[derive(Clone, Copy)]
pub(crate) struct Passage<'a> {
    /// Higher is better.
    pub(crate) score: f32,
    /// As it stands in the file.
    pub(crate) text: &'a str,
}

/// What was raised.
#[derive(Debug, Default)]
pub(crate) struct Raised {
    /// By chunk, the name for which it was raised most.
    pub(crate) names: HashMap<u32, String>,
    /// Chunks that come after all others, because they hold no word of a question of few.
    last: HashSet<u32>,
}

impl Raised {
    /// How many chunks may have come before others that they belong behind.
    pub(crate) fn count_of_last(&self) -> usize {
        self.last.len()
    }

    /// Puts those chunks behind the others of an order.
    pub(crate) fn put_last(&self, ranked: &mut [Ranked]) {
        ranked.sort_by_key(|one| self.last.contains(&one.chunk));
        let mut least = f32::INFINITY;
        for one in ranked {
            least = least.min(one.score);
            one.score = least;
        }
    }
}

/// Raises the definitions of what the passages use; best passage first.
///
/// # Errors
/// [`IndexError::Storage`] when the text index cannot be read.
pub(crate) fn raise_used(
    corpus: &Corpus<'_>,
    scores: &mut Scores,
    plan: &Plan,
    passages: &[Passage<'_>],
) -> Result<Raised, IndexError> {
    let mut used: Vec<(f32, &str)> = used_names(passages, plan)
        .into_iter()
        .map(|(name, used)| (used * (FOLLOW.unlike + FOLLOW.like * share(name, plan)), name))
        .collect();
    used.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let mut followed: Vec<(f32, &str, Vec<u32>)> = Vec::new();
    for (weight, name) in used {
        // A name weighs most when one chunk defines it, so none of those that are left comes in.
        if followed.len() >= USED_NAMES_MAX && followed.last().is_some_and(|last| weight < last.0) {
            break;
        }
        let Some(defining) = corpus.defining_at_most(name, FOLLOW.defined_max)? else { continue };
        if !defining.is_empty() {
            #[expect(clippy::cast_precision_loss, reason = "a few chunks")]
            followed.push((weight / defining.len() as f32, name, defining));
            followed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
            followed.truncate(USED_NAMES_MAX);
        }
    }
    let most = followed.first().map_or(1.0, |(weight, ..)| *weight);
    let mut raised = Raised::default();
    if plan.telling <= FOLLOW.few_words {
        let all = followed.iter().flat_map(|(.., defining)| defining);
        raised.last.extend(all.filter(|chunk| scores.chunks[**chunk as usize] <= 0.0));
    }
    for (weight, name, defining) in followed {
        scores.raise(corpus, &defining, FOLLOW.most * weight / most);
        for chunk in defining {
            raised.names.entry(chunk).or_insert_with(|| name.to_owned());
        }
    }
    Ok(raised)
}

/// The names in the passages with how much they are used: once per passage, by its score.
fn used_names<'a>(passages: &[Passage<'a>], plan: &Plan) -> HashMap<&'a str, f32> {
    let best = passages.first().map_or(1.0, |passage| passage.score.max(f32::MIN_POSITIVE));
    let mut used: HashMap<&str, f32> = HashMap::new();
    for passage in passages {
        let names = passage.text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
        let mut seen = HashSet::new();
        for name in names.filter(|name| name.len() >= FOLLOW.bytes_min) {
            if seen.len() < USED_NAMES_SEEN_MAX && seen.insert(name) {
                *used.entry(name).or_default() += passage.score / best;
            }
        }
    }
    used.retain(|name, _| !plan.identifiers.iter().any(|known| known == name));
    used
}

/// How many of a name's words the question has, from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "a name has few words")]
fn share(name: &str, plan: &Plan) -> f32 {
    let parts = tokens(name);
    let shared = parts.iter().filter(|part| plan.term(part).is_some()).count();
    shared as f32 / parts.len().max(1) as f32
}
