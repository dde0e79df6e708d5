//! What one answer is worth, by the measure that its set is known by.
//!
//! Refuses: to look at anything but paths, lines and names of the hits; the gold never reaches the search.

use std::collections::{BTreeMap, HashSet};

use crate::eval::task::{Gold, Task};
use crate::files::role::{TEST, role_of};
use crate::search::searcher::Hit;

/// How the answers of a set are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Files and functions to change for an issue or a commit; tests do not count as candidates.
    Changes,
    /// Files, or spans in them, of which each distinct file counts once.
    Files,
    /// Spans that are worth more or less.
    Graded,
    /// Spans, all of which are wanted.
    Passages,
    /// Documents, one of which is right.
    Documents,
}

impl Measure {
    /// The measure of a set, by its name; a set that is not known is told by the form of its gold.
    pub(crate) fn of(task: &Task) -> Self {
        match task.set.as_str() {
            "lite" | "own-commits" | "own-docs" => Self::Changes,
            "semble" => Self::Files,
            "octocode" => Self::Graded,
            "anthropic" => Self::Passages,
            "cosqa" => Self::Documents,
            _ if task.gold.iter().any(|gold| gold.gain.is_some()) => Self::Graded,
            _ if task.gold.iter().any(|gold| gold.symbol.is_some()) => Self::Changes,
            _ if task.gold.iter().all(|gold| gold.start.is_some()) => Self::Passages,
            _ if task.repo.is_none() => Self::Documents,
            _ => Self::Files,
        }
    }
}

/// One hit, with its path as the gold writes paths.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) path: String,
    pub(crate) lines: (u32, u32),
    pub(crate) symbol: Option<String>,
    pub(crate) bytes: usize,
}

impl Found {
    /// A hit in a workspace that lies at `root` of its repository.
    pub(crate) fn of(hit: &Hit, root: &str) -> Self {
        let path = if root.is_empty() { hit.path.clone() } else { format!("{root}/{}", hit.path) };
        Self { path, lines: (hit.start_line, hit.end_line), symbol: hit.symbol.clone(), bytes: hit.text.len() }
    }
}

/// A gold passage with the lines of its symbol.
#[derive(Debug, Clone)]
pub(crate) struct Wanted<'a> {
    pub(crate) gold: &'a Gold,
    /// Lines it stands on; empty when the whole file is meant.
    pub(crate) spans: Vec<(u32, u32)>,
}

impl Wanted<'_> {
    /// Whether a hit shows some of it.
    fn is_shown_by(&self, found: &Found) -> bool {
        found.path == self.gold.path
            && (self.spans.is_empty()
                || self.spans.iter().any(|span| overlap(*span, found.lines) > 0)
                || self.is_named_by(found))
    }

    /// Whether a hit names its symbol.
    fn is_named_by(&self, found: &Found) -> bool {
        let (Some(gold), Some(symbol)) = (&self.gold.symbol, &found.symbol) else { return false };
        let below_module = gold.contains('.') && symbol.ends_with(gold) && {
            let before = &symbol[..symbol.len() - gold.len()];
            before.is_empty() || before.ends_with(['.', ':'])
        };
        found.path == self.gold.path && (symbol == gold || below_module)
    }

    /// Whether hits together show at least half of its lines.
    fn is_half_shown_by(&self, hits: &[Found]) -> bool {
        let hits = hits.iter().filter(|found| found.path == self.gold.path);
        let lines: Vec<(u32, u32)> = hits.map(|found| found.lines).collect();
        self.spans.iter().any(|&(start, end)| {
            let shown = (start..=end).filter(|line| lines.iter().any(|hit| hit.0 <= *line && *line <= hit.1));
            2 * shown.count() as u64 > u64::from(end - start)
        })
    }

    fn gain(&self) -> f64 {
        self.gold.gain.unwrap_or(1.0)
    }
}

/// Common lines of two spans.
fn overlap(a: (u32, u32), b: (u32, u32)) -> u32 {
    (a.1.min(b.1) + 1).saturating_sub(a.0.max(b.0))
}

/// The scores of one answer by name, each from 0 to 1.
pub(crate) fn score(measure: Measure, found: &[Found], wanted: &[Wanted<'_>]) -> BTreeMap<String, f64> {
    let scores = match measure {
        Measure::Changes => changes(found, wanted),
        Measure::Files => files(found, wanted),
        Measure::Graded => graded(found, wanted),
        Measure::Passages => passages(found, wanted),
        Measure::Documents => documents(found, wanted),
    };
    scores.into_iter().collect()
}

/// The 0-based place of the first hit that shows some gold, and the bytes of text up to its end.
pub(crate) fn first_shown(found: &[Found], wanted: &[Wanted<'_>]) -> Option<(usize, usize)> {
    let at = found.iter().position(|found| wanted.iter().any(|wanted| wanted.is_shown_by(found)))?;
    Some((at, found[..=at].iter().map(|found| found.bytes).sum()))
}

/// Files that are not tests, in the order of their first hits: `all@k` is 1 when every gold file is among the first k.
/// Functions: hits outside tests that differ in file and symbol, in order; `fn@k` is 1 when every gold function is
/// overlapped or named by one of the first k, `fn-named@k` counts names only.
fn changes(found: &[Found], wanted: &[Wanted<'_>]) -> Vec<(String, f64)> {
    let found: Vec<&Found> = found.iter().filter(|found| role_of(&found.path) & TEST == 0).collect();
    let files = distinct(found.iter().map(|found| found.path.as_str()));
    let mut scores = Vec::new();
    for k in [1, 3, 5, 10] {
        let first = &files[..k.min(files.len())];
        let all = wanted.iter().all(|wanted| first.contains(&wanted.gold.path.as_str()));
        scores.push((format!("all@{k}"), yes(all)));
    }
    let rank = files.iter().position(|file| wanted.iter().any(|wanted| wanted.gold.path == *file));
    scores.push(("mrr".to_owned(), rank.map_or(0.0, |rank| 1.0 / (rank + 1) as f64)));
    let functions: Vec<&Wanted<'_>> = wanted.iter().filter(|wanted| wanted.gold.symbol.is_some()).collect();
    if functions.is_empty() {
        return scores;
    }
    let mut seen = HashSet::new();
    let ranked: Vec<&Found> = found
        .into_iter()
        .filter(|found| {
            let lines = if found.symbol.is_some() { (0, 0) } else { found.lines };
            seen.insert((found.path.as_str(), found.symbol.as_deref(), lines))
        })
        .collect();
    for k in [5, 10] {
        let first = &ranked[..k.min(ranked.len())];
        let shown = functions.iter().all(|wanted| first.iter().any(|found| wanted.is_shown_by(found)));
        let named = functions.iter().all(|wanted| first.iter().any(|found| wanted.is_named_by(found)));
        scores.push((format!("fn@{k}"), yes(shown)));
        scores.push((format!("fn-named@{k}"), yes(named)));
    }
    scores
}

/// `ndcg@10`: the rank of a gold is the number of distinct files seen when a hit shows it. `ndcg@10-hits` counts hits
/// instead of files.
fn files(found: &[Found], wanted: &[Wanted<'_>]) -> Vec<(String, f64)> {
    let mut seen = HashSet::new();
    let distinct_so_far: Vec<usize> = found
        .iter()
        .map(|found| {
            seen.insert(found.path.as_str());
            seen.len()
        })
        .collect();
    let places: Vec<Option<usize>> =
        wanted.iter().map(|wanted| found.iter().position(|found| wanted.is_shown_by(found))).collect();
    let by_file = places.iter().map(|place| place.map(|at| distinct_so_far[at]));
    let by_hit = places.iter().map(|place| place.map(|at| at + 1));
    vec![("ndcg@10".to_owned(), binary_ndcg(by_file, 10)), ("ndcg@10-hits".to_owned(), binary_ndcg(by_hit, 10))]
}

/// Hits in order. `ndcg@10` gives each gold its gain once, at the first hit that shows it; `ndcg@10-repeated` gives every
/// hit the best gain it shows, as the set's own script does, so it can exceed 1.
fn graded(found: &[Found], wanted: &[Wanted<'_>]) -> Vec<(String, f64)> {
    let shows = |found: &Found| wanted.iter().any(|wanted| wanted.is_shown_by(found));
    let first = found.iter().position(shows);
    let top = &found[..found.len().min(10)];
    let mut left: Vec<&Wanted<'_>> = wanted.iter().collect();
    let (mut once, mut repeated) = (0.0, 0.0);
    for (at, hit) in top.iter().enumerate() {
        let best = |list: &[&Wanted<'_>]| {
            list.iter().filter(|wanted| wanted.is_shown_by(hit)).map(|wanted| wanted.gain()).fold(0.0, f64::max)
        };
        once += best(&left) * discount(at + 1);
        repeated += best(&wanted.iter().collect::<Vec<_>>()) * discount(at + 1);
        left.retain(|wanted| !wanted.is_shown_by(hit));
    }
    let mut gains: Vec<f64> = wanted.iter().map(Wanted::gain).collect();
    gains.sort_by(|a, b| b.total_cmp(a));
    let ideal: f64 = gains.iter().take(10).enumerate().map(|(at, gain)| gain * discount(at + 1)).sum();
    let share = |sum: f64| if ideal > 0.0 { sum / ideal } else { 0.0 };
    let recalled = wanted.iter().filter(|wanted| top.iter().any(|found| wanted.is_shown_by(found))).count();
    vec![
        ("hit@5".to_owned(), yes(first.is_some_and(|at| at < 5))),
        ("hit@10".to_owned(), yes(first.is_some_and(|at| at < 10))),
        ("mrr".to_owned(), first.map_or(0.0, |at| 1.0 / (at + 1) as f64)),
        ("ndcg@10".to_owned(), share(once)),
        ("ndcg@10-repeated".to_owned(), share(repeated)),
        ("recall@10".to_owned(), recalled as f64 / wanted.len().max(1) as f64),
    ]
}

/// `pass@k`: the share of gold spans that one of the first k hits overlaps; `pass-half@k` wants half of the span's lines
/// in the first k hits together.
fn passages(found: &[Found], wanted: &[Wanted<'_>]) -> Vec<(String, f64)> {
    let mut scores = Vec::new();
    for k in [5, 10, 20] {
        let first = &found[..k.min(found.len())];
        let touched = wanted.iter().filter(|wanted| first.iter().any(|found| wanted.is_shown_by(found))).count();
        let half = wanted.iter().filter(|wanted| wanted.is_half_shown_by(first)).count();
        scores.push((format!("pass@{k}"), touched as f64 / wanted.len().max(1) as f64));
        scores.push((format!("pass-half@{k}"), half as f64 / wanted.len().max(1) as f64));
    }
    scores
}

/// Distinct documents in order.
fn documents(found: &[Found], wanted: &[Wanted<'_>]) -> Vec<(String, f64)> {
    let files = distinct(found.iter().map(|found| found.path.as_str()));
    let ranks: Vec<Option<usize>> = wanted
        .iter()
        .map(|wanted| files.iter().position(|file| *file == wanted.gold.path).map(|at| at + 1))
        .collect();
    let first = ranks.iter().flatten().min();
    vec![
        ("mrr".to_owned(), first.map_or(0.0, |rank| 1.0 / *rank as f64)),
        ("ndcg@10".to_owned(), binary_ndcg(ranks.iter().copied(), 10)),
        ("hit@10".to_owned(), yes(first.is_some_and(|rank| *rank <= 10))),
    ]
}

fn distinct<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    paths.filter(|path| seen.insert(*path)).collect()
}

/// Discounted gain of gold at 1-based ranks, against all of them standing first.
fn binary_ndcg(ranks: impl ExactSizeIterator<Item = Option<usize>>, k: usize) -> f64 {
    let ideal: f64 = (1..=ranks.len().min(k)).map(discount).sum();
    // A sum of nothing would be minus zero.
    let gained = ranks.flatten().filter(|rank| *rank <= k).map(discount).fold(0.0, |sum, gain| sum + gain);
    // Two gold spans in one file share its rank, which would be better than the ideal.
    if ideal > 0.0 { (gained / ideal).min(1.0) } else { 0.0 }
}

/// What a gain at a 1-based rank is worth.
fn discount(rank: usize) -> f64 {
    1.0 / ((rank + 1) as f64).log2()
}

fn yes(value: bool) -> f64 {
    if value { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(list: &[(&str, u32, u32, &str)]) -> Vec<Found> {
        let one = |&(path, start, end, symbol): &(&str, u32, u32, &str)| Found {
            path: path.to_owned(),
            lines: (start, end),
            symbol: (!symbol.is_empty()).then(|| symbol.to_owned()),
            bytes: 40,
        };
        list.iter().map(one).collect()
    }

    fn gold(path: &str, symbol: Option<&str>, gain: Option<f64>) -> Gold {
        Gold { path: path.to_owned(), symbol: symbol.map(str::to_owned), gain, ..Gold::default() }
    }

    /// Scores, with the gold on the given lines.
    fn check(
        measure: Measure,
        hits: &[(&str, u32, u32, &str)],
        gold: &[(Gold, &[(u32, u32)])],
        expected: &[(&str, f64)],
    ) {
        let wanted: Vec<Wanted<'_>> =
            gold.iter().map(|(gold, spans)| Wanted { gold, spans: spans.to_vec() }).collect();
        let scores = score(measure, &found(hits), &wanted);
        for (name, value) in expected {
            assert!((scores[*name] - value).abs() < 1e-6, "{name} is {}, not {value}, of {hits:?}", scores[*name]);
        }
    }

    #[test]
    fn files_of_a_change_are_ranked_without_tests() {
        let hits =
            [("tests/test_a.py", 1, 9, "a"), ("b.py", 1, 9, "b"), ("b.py", 10, 19, "c"), ("a.py", 1, 9, "a")];
        let whole: &[(u32, u32)] = &[];
        let a = (gold("a.py", None, None), whole);
        let b = (gold("b.py", None, None), whole);
        check(Measure::Changes, &hits, std::slice::from_ref(&a), &[("all@1", 0.0), ("all@3", 1.0), ("mrr", 0.5)]);
        check(Measure::Changes, &hits, &[a, b.clone()], &[("all@1", 0.0), ("all@3", 1.0), ("mrr", 1.0)]);
        check(Measure::Changes, &hits, &[b], &[("all@1", 1.0)]);
        check(Measure::Changes, &[], &[(gold("a.py", None, None), whole)], &[("all@10", 0.0), ("mrr", 0.0)]);
    }

    #[test]
    fn functions_count_once_by_lines_or_name() {
        let f = (gold("a.py", Some("A.f"), None), &[(30, 40)][..]);
        let g = (gold("a.py", Some("g"), None), &[(50, 60)][..]);
        let mut hits = vec![("a.py", 1, 9, "A.x"), ("a.py", 1, 9, "A.x"), ("a.py", 2, 3, "A.x")];
        hits.extend([
            ("a.py", 10, 12, "A.y"),
            ("a.py", 13, 14, "A.z"),
            ("a.py", 38, 45, "A.h"),
            ("a.py", 1, 2, "g"),
        ]);
        // Four distinct functions come before the fifth, which is named `g`.
        check(Measure::Changes, &hits, std::slice::from_ref(&f), &[("fn@5", 1.0), ("fn-named@5", 0.0)]);
        check(Measure::Changes, &hits, &[f.clone(), g.clone()], &[("fn@5", 1.0), ("fn@10", 1.0)]);
        check(Measure::Changes, &hits, &[g], &[("fn-named@5", 1.0)]);
        check(Measure::Changes, &[("b.py", 30, 40, "A.f")], &[f], &[("fn@10", 0.0)]);
        check(
            Measure::Changes,
            &[("a.py", 1, 2, "mod.A.f")],
            &[(gold("a.py", Some("A.f"), None), &[(0, 0)][..])],
            &[("fn-named@5", 1.0)],
        );
    }

    #[test]
    fn distinct_files_share_no_rank() {
        let whole: &[(u32, u32)] = &[];
        let hits = [("a", 1, 9, ""), ("a", 10, 19, ""), ("b", 1, 9, "")];
        let third = 1.0 / 4f64.log2();
        let second = 1.0 / 3f64.log2();
        let b = (gold("b", None, None), whole);
        check(Measure::Files, &hits, std::slice::from_ref(&b), &[("ndcg@10", second), ("ndcg@10-hits", third)]);
        let missing = (gold("c", None, None), whole);
        check(Measure::Files, &hits, &[b, missing], &[("ndcg@10", second / (1.0 + second))]);
        // A span is found where its lines come, at the rank of its file.
        let late = (gold("a", None, None), &[(12, 13)][..]);
        check(Measure::Files, &hits, &[late], &[("ndcg@10", 1.0), ("ndcg@10-hits", second)]);
    }

    #[test]
    fn graded_gold_gives_its_gain_once() {
        let strong = (gold("a", None, Some(2.0)), &[(1, 5)][..]);
        let weak = (gold("b", None, Some(1.0)), &[(1, 5)][..]);
        let hits = [("b", 5, 8, ""), ("b", 1, 3, ""), ("a", 2, 2, "")];
        let (second, third) = (1.0 / 3f64.log2(), 0.5);
        let ideal = 2.0 + second;
        let expected = [
            ("ndcg@10", (1.0 + 2.0 * third) / ideal),
            ("ndcg@10-repeated", (1.0 + second + 2.0 * third) / ideal),
            ("mrr", 1.0),
            ("hit@5", 1.0),
            ("recall@10", 1.0),
        ];
        check(Measure::Graded, &hits, &[strong.clone(), weak], &expected);
        check(Measure::Graded, &[("a", 6, 9, "")], &[strong], &[("hit@10", 0.0), ("mrr", 0.0), ("ndcg@10", 0.0)]);
    }

    #[test]
    fn passages_are_shown_in_part_or_by_half() {
        let long = (gold("a", None, None), &[(1, 10)][..]);
        let other = (gold("a", None, None), &[(20, 21)][..]);
        let hits = [("a", 9, 12, ""), ("a", 1, 3, "")];
        check(Measure::Passages, &hits, &[long.clone(), other], &[("pass@5", 0.5), ("pass-half@5", 0.5)]);
        check(Measure::Passages, &hits[..1], &[long], &[("pass@5", 1.0), ("pass-half@5", 0.0)]);
    }

    #[test]
    fn documents_are_ranked_once_each() {
        let whole: &[(u32, u32)] = &[];
        let hits = [("a", 1, 2, ""), ("a", 3, 4, ""), ("b", 1, 2, "")];
        let b = (gold("b", None, None), whole);
        check(Measure::Documents, &hits, &[b], &[("mrr", 0.5), ("ndcg@10", 1.0 / 3f64.log2()), ("hit@10", 1.0)]);
    }

    #[test]
    fn the_first_gold_passage_costs_what_comes_before_it() {
        let gold = gold("b", None, None);
        let wanted = [Wanted { gold: &gold, spans: vec![(3, 4)] }];
        let hits = found(&[("a", 1, 2, ""), ("b", 1, 2, ""), ("b", 4, 9, "")]);
        assert_eq!(first_shown(&hits, &wanted), Some((2, 120)));
        assert_eq!(first_shown(&hits[..2], &wanted), None);
    }
}
