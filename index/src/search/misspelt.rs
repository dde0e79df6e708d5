//! A name that stands nowhere: the definitions that are one letter off, or differ in `_` and capitals only, come first,
//! and where there are none, what is found says that the name is not.
//!
//! Refuses: to second-guess a name that is there, and questions of several words.

use tantivy::Term;

use crate::error::{Doing, IndexError};
use crate::limits::HITS_MAX;
use crate::parse::qualified::parts;
use crate::parse::tokenize::{folded, tokens};
use crate::search::query::Plan;
use crate::search::searcher::{Hit, SearchKind, SearchRequest, Searcher};
use crate::search::symbols::one_letter_off;

/// Hits that come first for it.
const FIRST_MAX: usize = 3;

impl Searcher {
    /// Puts the definitions that are meant before the other hits, when the question is one name that stands nowhere.
    pub(super) fn with_misspelt(
        &self,
        request: &SearchRequest,
        mut hits: Vec<Hit>,
    ) -> Result<Vec<Hit>, IndexError> {
        let plan = Plan::of(&request.query);
        let Some(asked) = plan.identifiers.last().filter(|_| plan.lone && plan.paths.is_empty()) else {
            return Ok(hits);
        };
        let asked_folded = folded(asked);
        let written = asked.to_lowercase();
        let shows_it = |hit: &Hit| hit.text.to_lowercase().contains(&written);
        if hits.iter().any(shows_it) || self.stands(asked)? {
            return Ok(hits);
        }
        let by_name = SearchRequest { kind: SearchKind::Symbol, ..request.clone() };
        let mut meant = self.symbols(&by_name)?.hits;
        meant.retain(|hit| {
            name_of(hit).is_some_and(|name| name == asked_folded || one_letter_off(&name, &asked_folded))
        });
        meant.truncate(FIRST_MAX);
        if meant.is_empty() {
            // Whoever asked for a name should not take what shares a word with it for that name.
            hits.iter_mut().for_each(|hit| hit.why = format!("`{asked}` stands nowhere; {}", hit.why));
            return Ok(hits);
        }
        let best = hits.first().map_or(1.0, |hit| hit.score);
        for one in &mut meant {
            one.score = one.score.max(best);
            let is_same = name_of(one).is_some_and(|name| name == asked_folded);
            let how = if is_same { "the same but for `_` and capitals" } else { "one letter off" };
            one.why = format!("{}; `{asked}` stands nowhere, and this is {how}", one.why);
        }
        let is_meant = |hit: &Hit| {
            meant.iter().any(|one| {
                one.path == hit.path && one.start_line <= hit.end_line && hit.start_line <= one.end_line
            })
        };
        hits.retain(|hit| !is_meant(hit));
        meant.append(&mut hits);
        meant.truncate(request.limit.min(HITS_MAX));
        Ok(meant)
    }

    /// Whether a name stands anywhere in what is stored.
    fn stands(&self, name: &str) -> Result<bool, IndexError> {
        // The whole name comes first.
        let Some(word) = tokens(name).into_iter().next() else { return Ok(true) };
        let fields = &self.snapshot.fields;
        for field in fields.words.into_iter().chain([fields.light_names]) {
            if self.snapshot.text.doc_freq(&Term::from_field_text(field, &word)).doing("searching")? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The plain name of what a hit defines, folded.
fn name_of(hit: &Hit) -> Option<String> {
    hit.symbol.as_deref().and_then(|symbol| parts(symbol).pop().map(folded))
}
