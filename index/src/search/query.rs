//! A question -> the words, names and wishes that search scores. Pure.
//!
//! Refuses: any query syntax; people and models write what they like.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::files::role::{EXAMPLE, HISTORY, PROSE, TEST, VENDORED};
use crate::limits::{IDENTIFIERS_MAX, QUERY_BYTES_MAX, TERMS_MAX};
use crate::parse::tokenize::{for_each_written, tokens};
use crate::search::report::{is_report, without_form, without_places};
use crate::search::short_forms::forms_of;

/// Weight of a part of a compound identifier, relative to a word that stands alone.
const PART_WEIGHT: f32 = 0.6;
/// Weight of the first line of a long question, which usually is its title.
const TITLE_WEIGHT: f32 = 2.0;
/// What a word counts at most that a report repeats below its title, relative to one mention. A log of a hundred equal
/// lines would otherwise outweigh what the report is about.
const REPEATED_MAX: f32 = 3.0;
/// Weight of a number or a single letter in a report, relative to a word: versions, line numbers, variables of examples.
const SHORT_WEIGHT: f32 = 0.5;
/// Weight of a name in a report: among so many words the few that are written as code is tell most.
const REPORTED_NAME_WEIGHT: f32 = 1.67;
/// How much more a name counts that the title of a report has.
const TITLED_NAME_WEIGHT: f32 = 2.0;
/// Weight of the short form of a word, or of the word to a short form, relative to what the question says.
const FORM_WEIGHT: f32 = 0.15;
/// Weight of two neighbouring words taken for one name, relative to a word that stands alone.
const COMPOUND_WEIGHT: f32 = 0.2;

/// The line that opens every Python traceback; its words say nothing.
const TRACEBACK: &str = "Traceback (most recent call last)";

/// Words that say nothing about code.
const STOP_WORDS: &str = "a about all also am an and any are as at be because been being but by can could did do does \
    doing done for from had has have having he her here him his how i if in into is it its just like me my no nor not \
    of on or our out over please she should so some such than that the their them then there these they this those to \
    too under up very was we were what when where which while who whom whose why will with would you your explain show \
    tell find work works working happens happen used use uses using describe detail great brief briefly";

static STOPS: LazyLock<HashSet<String>> = LazyLock::new(|| tokens(STOP_WORDS).into_iter().collect());

/// One scored word.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    /// As the tokenizer writes it.
    pub(crate) token: String,
    /// As the question writes it, in lower case.
    pub(crate) word: String,
    /// How much it counts.
    pub(crate) weight: f32,
}

/// What a question asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Plan {
    /// Words, in order of first appearance.
    pub(crate) terms: Vec<Term>,
    /// Names that look like code, to be found exactly.
    pub(crate) identifiers: Vec<String>,
    /// How many of them the title of a report has; those come first.
    titled: usize,
    /// Ends of paths that the question spells out, with `/`.
    pub(crate) paths: Vec<String>,
    /// The question is a report of some length, such as an issue, rather than a question about the code.
    pub(crate) report: bool,
    /// The question is one word, such as a name.
    pub(crate) lone: bool,
    /// How many of its words say something about code.
    pub(crate) telling: usize,
    /// Roles that the question asks for, so that they are not ranked lower.
    pub(crate) wanted_roles: u64,
}

impl Plan {
    /// Reads a question.
    pub(crate) fn of(question: &str) -> Self {
        let mut end = question.len().min(QUERY_BYTES_MAX);
        while !question.is_char_boundary(end) {
            end -= 1;
        }
        let question = question[..end].trim();
        let report = is_report(question);
        let telling = if report { without_form(question) } else { question.to_owned() };
        let question = telling.as_str();
        let mut terms = terms(question, report, true);
        if terms.is_empty() {
            terms = self::terms(question, report, false);
        }
        let identifiers = identifiers(question);
        let in_title = self::identifiers(question.lines().next().unwrap_or_default());
        Self {
            titled: identifiers.iter().take_while(|name| in_title.contains(name)).count(),
            identifiers,
            paths: paths(question),
            wanted_roles: wanted_roles(&wishes(question, report)),
            report,
            lone: question.split_whitespace().nth(1).is_none(),
            telling: question.split_whitespace().filter(|word| tells(word)).count(),
            terms,
        }
    }

    /// Keeps the words that tell most when there are too many. `found` counts the chunks with a word, of `all`.
    pub(crate) fn keep_telling<E>(&mut self, found: impl Fn(&str) -> Result<u64, E>, all: u64) -> Result<(), E> {
        if self.terms.len() <= TERMS_MAX {
            return Ok(());
        }
        let mut scored = Vec::with_capacity(self.terms.len());
        for (index, term) in self.terms.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "an estimate of how rare a word is")]
            let rare = (1.0 + all as f32 / (found(&term.token)? as f32 + 1.0)).ln();
            scored.push((rare * term.weight, index));
        }
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut kept: Vec<usize> = scored.into_iter().take(TERMS_MAX).map(|(_, index)| index).collect();
        kept.sort_unstable();
        self.terms = kept.into_iter().map(|index| self.terms[index].clone()).collect();
        Ok(())
    }

    /// Names that look like code, with how much they count.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, f32)> {
        let weight = move |at: usize| match (self.report, at < self.titled) {
            (false, _) => 1.0,
            (true, false) => REPORTED_NAME_WEIGHT,
            (true, true) => REPORTED_NAME_WEIGHT * TITLED_NAME_WEIGHT,
        };
        self.identifiers.iter().enumerate().map(move |(at, name)| (name.as_str(), weight(at)))
    }

    /// Whether a token is one of the question's words.
    pub(crate) fn term(&self, token: &str) -> Option<&Term> {
        self.terms.iter().find(|term| term.token == token)
    }
}

/// Whether a word says something about code.
fn tells(word: &str) -> bool {
    tokens(word).iter().any(|token| !STOPS.contains(token))
}

/// What is asked for by name: in a report only the title asks, the rest mentions.
fn wishes(question: &str, report: bool) -> Vec<Term> {
    terms(if report { question.lines().next().unwrap_or_default() } else { question }, false, true)
}

fn terms(question: &str, report: bool, without_stops: bool) -> Vec<Term> {
    let mut order: Vec<Term> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    // How often the title has each word.
    let mut titled: Vec<f32> = Vec::new();
    let several_lines = question.lines().nth(1).is_some();
    for (number, line) in question.lines().enumerate() {
        let is_title = several_lines && number == 0;
        if line.trim_start().starts_with(TRACEBACK) {
            continue;
        }
        let line = if report { without_places(line) } else { line.into() };
        for_each_written(&line, |token, written, is_part| {
            if without_stops && STOPS.contains(token) {
                return;
            }
            let part = if is_part { PART_WEIGHT } else { 1.0 };
            let mentioned = part * if report && is_short(token) { SHORT_WEIGHT } else { 1.0 };
            let index = *known.entry(token.to_owned()).or_insert_with(|| {
                order.push(Term { token: token.to_owned(), word: written.to_lowercase(), weight: 0.0 });
                titled.push(0.0);
                order.len() - 1
            });
            let counts = if is_title { &mut titled[index] } else { &mut order[index].weight };
            *counts += mentioned;
        });
    }
    for (term, titled) in order.iter_mut().zip(titled) {
        term.weight =
            if report { weight_in_report(term.weight, titled) } else { term.weight + TITLE_WEIGHT * titled };
    }
    if without_stops {
        add_forms(&mut order, &mut known);
        add_compounds(question, &mut order, &mut known);
    }
    for term in order.iter_mut().filter(|term| !report && term.weight > 1.0) {
        // The tenth mention of a word says little more than the second.
        term.weight = 1.0 + term.weight.ln();
    }
    order
}

/// What a word counts that stands this often below the title of a report and in it. Below it each further mention says
/// less; in a title words stand once.
fn weight_in_report(below: f32, titled: f32) -> f32 {
    let half = REPEATED_MAX - 1.0;
    let below = if below > 1.0 { below * REPEATED_MAX / (below + half) } else { below };
    below + TITLE_WEIGHT * titled.min(1.0)
}

/// Whether a token is a number or a single letter.
fn is_short(token: &str) -> bool {
    token.len() == 1 || token.bytes().all(|byte| byte.is_ascii_digit())
}

/// What code may write for a word: `cfg` for `configuration`.
fn add_forms(order: &mut Vec<Term>, known: &mut HashMap<String, usize>) {
    for index in 0..order.len() {
        let weight = FORM_WEIGHT * order[index].weight;
        for form in forms_of(&order[index].token) {
            if !known.contains_key(form) {
                known.insert(form.clone(), order.len());
                order.push(Term { token: form.clone(), word: form.clone(), weight });
            }
        }
    }
}

/// Neighbouring words that code may write as one name: `status code` as `StatusCode`.
fn add_compounds(question: &str, order: &mut Vec<Term>, known: &mut HashMap<String, usize>) {
    let mut before: Option<String> = None;
    let mut add = |name: String, order: &mut Vec<Term>| {
        if !known.contains_key(&name) && order.len() < TERMS_MAX {
            known.insert(name.clone(), order.len());
            order.push(Term { token: name.clone(), word: name, weight: COMPOUND_WEIGHT });
        }
    };
    for word in question.split_whitespace() {
        let ends = word.ends_with([',', '.', ';', ':', ')', '?', '!']);
        let plain = word.trim_matches(|letter: char| !letter.is_alphanumeric());
        let usable = plain.len() > 1 && plain.bytes().all(|byte| byte.is_ascii_alphabetic());
        let plain = plain.to_lowercase();
        if !usable || tokens(&plain).iter().all(|token| STOPS.contains(token)) {
            before = None;
            continue;
        }
        if let Some(before) = before.take() {
            if let Some(one) = plain.strip_suffix('s').filter(|one| !one.ends_with(['s', 'u', 'i'])) {
                add(format!("{before}{one}"), order);
            }
            add(format!("{before}{plain}"), order);
        }
        before = (!ends).then_some(plain);
    }
}

/// What stands between the parts of a name.
const JOINTS: [char; 4] = ['.', ':', '#', '/'];

/// A name without the count of its arguments, as in `Shop.Basket.add/2`.
pub(crate) fn without_arity(name: &str) -> &str {
    let name = name.trim();
    let end = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    end.strip_suffix('/').filter(|_| end.len() < name.len()).unwrap_or(name)
}

/// Names in a question that are written as code is, with their last parts.
fn identifiers(question: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let alone = question.split_whitespace().count() == 1;
    let question = if alone { without_arity(question) } else { question };
    let is_name = |letter: char| {
        letter.is_alphanumeric() || matches!(letter, '_' | '.' | ':' | '#') || alone && letter == '/'
    };
    for run in question.split(|letter: char| !is_name(letter)) {
        let run = run.trim_matches(JOINTS);
        if !run.contains(char::is_alphabetic) || !(alone || looks_like_code(run)) {
            continue;
        }
        let last = run.rsplit(JOINTS).next().unwrap_or(run);
        let last_two = run.rmatch_indices(JOINTS).filter(|(at, _)| !run[..*at].ends_with(':')).nth(1);
        let last_two = last_two.map_or(run, |(at, _)| run[at..].trim_start_matches(JOINTS));
        for name in [run, last_two, last] {
            if name.len() > 1 && !found.iter().any(|known| known == name) && found.len() < IDENTIFIERS_MAX {
                found.push(name.to_owned());
            }
        }
    }
    found
}

/// Paths in a question, such as `src/app.py` or `app.py`, and modules that may be paths, such as `django.db.models`.
fn paths(question: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let is_path = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '/' | '-' | '\\');
    for run in question.split(|letter: char| !is_path(letter)) {
        let run = run.replace('\\', "/");
        let run = run.trim_matches(['.', '/', '-']);
        let name = run.rsplit('/').next().unwrap_or(run);
        let has_extension = name.rsplit_once('.').is_some_and(|(stem, extension)| {
            !stem.is_empty()
                && (1..=5).contains(&extension.len())
                && extension.bytes().all(|byte| byte.is_ascii_lowercase())
        });
        if has_extension && found.len() < IDENTIFIERS_MAX && !found.iter().any(|known| known == run) {
            found.push(run.to_owned());
        }
    }
    found
}

fn looks_like_code(run: &str) -> bool {
    run.contains(['_', '.']) || run.contains("::") || run.chars().any(char::is_uppercase)
}

fn wanted_roles(terms: &[Term]) -> u64 {
    let mut roles = 0;
    for term in terms {
        roles |= match term.token.as_str() {
            "test" | "fixtur" | "mock" | "pytest" | "unittest" | "spec" => TEST,
            "exampl" | "sampl" | "demo" | "benchmark" => EXAMPLE,
            "vendor" | "jquery" => VENDORED,
            "doc" | "documentation" | "readm" | "guid" | "tutorial" | "manual" => PROSE,
            "changelog" | "releas" | "version" | "deprecat" => HISTORY,
            _ => 0,
        };
    }
    roles
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(question: &str, terms: &str, identifiers: &str) {
        let plan = Plan::of(question);
        let found: Vec<_> = plan.terms.iter().map(|term| term.token.as_str()).collect();
        assert_eq!(found.join(" "), terms, "terms of {question:?}");
        assert_eq!(plan.identifiers.join(" "), identifiers, "identifiers of {question:?}");
    }

    #[test]
    fn questions_are_read() {
        check("How does the session cache work?", "session cach sess sessioncache", "How");
        check(
            "HTTP status codes, error pages",
            "http status cod error pag err httpstatus statuscode statuscodes errorpage errorpages",
            "HTTP",
        );
        check(
            "User.get_session_auth_hash",
            "user getsessionauthhash get session auth hash sess authentication authorization",
            "User.get_session_auth_hash get_session_auth_hash",
        );
        check("what is `HttpRequest`", "httprequest http request req", "HttpRequest");
        check("where is it", "wher is it", "");
        check("login", "login", "login");
        check("std::fs::File::open fails", "std fs fil open fail standard", "std::fs::File::open File::open open");
        check("", "", "");
    }

    fn weight(plan: &Plan, token: &str) -> f32 {
        plan.term(token).map_or(0.0, |term| term.weight)
    }

    #[test]
    fn a_log_does_not_outweigh_the_title_of_a_report() {
        let log = "a.py:3:0: W0201 attribute defined outside\n".repeat(40);
        let plan = Plan::of(&format!("recursive ignores paths\nIt prints these warnings:\n{log}"));
        assert!(plan.report);
        assert!(weight(&plan, "outsid") < REPEATED_MAX);
        assert!(weight(&plan, "3") < REPEATED_MAX && weight(&plan, "3") > SHORT_WEIGHT);
        assert_eq!(weight(&plan, "recursiv"), TITLE_WEIGHT);
        // What stands once counts as it does in any question.
        assert_eq!(weight(&plan, "warn"), 1.0);
        assert_eq!(weight(&Plan::of("recursive 3 paths"), "3"), 1.0);
    }

    #[test]
    fn numbers_are_no_names() {
        check("pip 3.10.2 fails", "pip 3 10 2 fail", "");
    }

    #[test]
    fn tests_are_wanted_when_named() {
        assert_eq!(Plan::of("tests for login").wanted_roles, TEST);
        assert_eq!(Plan::of("login").wanted_roles, 0);
    }
}
