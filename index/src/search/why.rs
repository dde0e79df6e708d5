//! Why a hit was found, in words, and which of its names the question means.
//!
//! Refuses: to influence the order of hits.

use crate::parse::cut::Name;
use crate::parse::qualified::is_asked;
use crate::parse::tokenize::{for_each_token, tokens};
use crate::search::query::Plan;
use crate::storage::document::Card;

/// Words listed for one reason.
const WORDS_MAX: usize = 6;

/// The name of a chunk that the question means: one written exactly, else the one that shares most of its words, else
/// the one that other hits use.
pub(crate) fn best_name<'a>(names: &'a [Name], plan: &Plan, used: Option<&str>) -> Option<&'a Name> {
    // Identifiers come with the most qualified first.
    for asked in &plan.identifiers {
        if let Some(name) = names.iter().find(|name| is_asked(name, asked)) {
            return Some(name);
        }
    }
    let mut best: Option<(f32, &Name)> = None;
    for name in names {
        let parts = tokens(&name.name);
        let shared: f32 = parts.iter().filter_map(|token| plan.term(token)).map(|term| term.weight).sum();
        #[expect(clippy::cast_precision_loss, reason = "a handful of parts")]
        let share = shared / (parts.len() as f32).max(1.0).sqrt();
        if share > 0.0 && best.is_none_or(|(score, _)| share > score) {
            best = Some((share, name));
        }
    }
    let is_used = |name: &&Name| used.is_some_and(|used| used == name.name || used == name.qualified);
    best.map(|(_, name)| name).or_else(|| names.iter().find(is_used))
}

/// The definition that line `line` of a chunk stands in, and its kind; `subject` and `kind` are what the chunk as a whole
/// is about, `start_line` is its first line.
pub(crate) fn symbol_at(
    names: &[Name],
    subject: Option<&str>,
    kind: &str,
    start_line: u32,
    line: u32,
) -> (Option<String>, String) {
    let at = line.saturating_sub(start_line);
    let inside = names.iter().filter(|name| (name.line..=name.line + name.more_lines).contains(&at));
    if let Some(name) = inside.max_by_key(|name| name.line) {
        return (Some(name.qualified.clone()), name.kind.clone());
    }
    // Below the one definition that the chunk is named after, and in none of the others.
    let is_behind = |name: &Name| subject == Some(name.qualified.as_str()) && at > name.line + name.more_lines;
    if names.iter().any(is_behind) {
        return (None, "text".to_owned());
    }
    (subject.map(str::to_owned), kind.to_owned())
}

/// A sentence fragment such as ``defines `User.save`; path matches 'models'; text matches: save, signal``.
pub(crate) fn why(
    card: &Card,
    best: Option<&Name>,
    text: &str,
    plan: &Plan,
    used: Option<&str>,
    unsaved: bool,
) -> String {
    let mut reasons = Vec::new();
    if let Some(name) = best {
        let verb = if name.kind == "section" { "is the section" } else { "defines" };
        reasons.push(format!("{verb} `{}`", name.qualified));
    } else if let Some(symbol) = card.symbol.as_deref().filter(|symbol| !shared(symbol, plan).is_empty()) {
        reasons.push(format!("is part of `{symbol}`"));
    }
    let path = shared(&card.path, plan);
    if !path.is_empty() {
        reasons.push(format!("path matches '{}'", path.join("', '")));
    }
    let words = shared(text, plan);
    if !words.is_empty() {
        reasons.push(format!("text matches: {}", words.join(", ")));
    }
    if let Some(used) = used {
        reasons.push(format!("other hits use `{used}`"));
    }
    reasons.extend(card.only_names().map(only_names));
    if unsaved {
        reasons.push("unsaved text of an open editor".to_owned());
    }
    reasons.join("; ")
}

/// What is said of a hit in a file of which nothing but names is searched.
pub(crate) fn only_names(because: &str) -> String {
    format!("only names are searched in this file, as it is {because}")
}

/// The question's words that a text holds, in the question's order.
fn shared<'a>(text: &str, plan: &'a Plan) -> Vec<&'a str> {
    let mut found = vec![false; plan.terms.len()];
    for_each_token(text, |token| {
        if let Some(index) = plan.terms.iter().position(|term| term.token == token) {
            found[index] = true;
        }
    });
    let mut words: Vec<&str> = Vec::new();
    for (term, found) in plan.terms.iter().zip(found) {
        if found && !words.contains(&term.word.as_str()) && words.len() < WORDS_MAX {
            words.push(&term.word);
        }
    }
    words
}
