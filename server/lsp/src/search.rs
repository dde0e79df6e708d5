//! Search and related places in the protocol's form, for clients without a search of their own: `familiar/search` and
//! `familiar/related`.
//!
//! Refuses: searching. The parameters are read here and the answers written; `app` finds them.

use std::path::{Path, PathBuf};

use app::{Hit, Related, RelatedPlace, SEARCH_HITS_MAX, SearchKind, SearchOptions, SearchResult};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_lsp::jsonrpc::{Error, Result};

use crate::uris::{path_of, uri_of};

/// What a client asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Wanted {
    /// Passages.
    Passages(SearchParams),
    /// What belongs to the line of a document.
    Related(RelatedParams),
}

/// The parameters of `familiar/search`.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchParams {
    /// What to look for.
    pub(crate) query: String,
    /// What the query is taken for.
    #[serde(default)]
    kind: SearchKind,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    path: OneOrMore,
    #[serde(default)]
    language: OneOrMore,
    /// A folder of the session, as a path or a URI; all of them when it is not named.
    #[serde(default)]
    workspace: Option<String>,
}

/// A text, or a list of them.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    #[default]
    None,
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn all(&self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::One(one) => vec![one.clone()],
            Self::More(all) => all.clone(),
        }
    }
}

/// The parameters of `familiar/related`.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RelatedParams {
    text_document: Document,
    position: Position,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Document {
    uri: String,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Position {
    line: u32,
}

impl Wanted {
    /// Reads the parameters of `familiar/search`.
    pub(crate) fn search(params: Value) -> Result<Self> {
        let params: SearchParams = read("familiar/search", params)?;
        if params.limit == Some(0) {
            let message = format!("familiar/search: `limit` is a number from 1 to {SEARCH_HITS_MAX}, not 0");
            return Err(Error::invalid_params(message));
        }
        Ok(Self::Passages(params))
    }

    /// Reads the parameters of `familiar/related`.
    pub(crate) fn related(params: Value) -> Result<Self> {
        read("familiar/related", params).map(Self::Related)
    }
}

fn read<T: for<'a> Deserialize<'a>>(method: &str, params: Value) -> Result<T> {
    serde_json::from_value(params).map_err(|error| Error::invalid_params(format!("{method}: {error}")))
}

impl SearchParams {
    /// How to search.
    pub(crate) fn options(&self) -> SearchOptions {
        let usual = SearchOptions { kind: self.kind, ..SearchOptions::default() };
        SearchOptions {
            limit: self.limit.unwrap_or(usual.limit).min(SEARCH_HITS_MAX),
            languages: self.language.all(),
            paths: self.path.all(),
            ..usual
        }
    }

    /// The folders to search, of those that the session works in.
    pub(crate) fn roots(&self, open: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
        let Some(named) = &self.workspace else { return Ok(open) };
        let path = path_of(named).unwrap_or_else(|| PathBuf::from(named));
        let around = open.into_iter().filter(|root| path.starts_with(root));
        match around.max_by_key(|root| root.as_os_str().len()) {
            Some(root) => Ok(vec![root]),
            None => Err(Error::invalid_params(format!("{named} is no folder of this session"))),
        }
    }
}

impl RelatedParams {
    /// The document.
    pub(crate) fn uri(&self) -> &str {
        &self.text_document.uri
    }

    /// The line, 1-based.
    pub(crate) fn line(&self) -> u32 {
        self.position.line.saturating_add(1)
    }
}

/// One answer to `familiar/search`: what each folder has, the best of each first.
pub(crate) fn passages(found: Vec<(PathBuf, SearchResult)>, limit: usize) -> Value {
    let mut notices: Vec<String> = Vec::new();
    let mut lists = Vec::new();
    for (root, result) in found {
        notices.extend(result.notice.filter(|notice| !notices.contains(notice)));
        lists.push(result.hits.into_iter().filter_map(move |hit| passage(&root, hit)));
    }
    let mut hits: Vec<Value> = Vec::new();
    loop {
        let before = hits.len();
        hits.extend(lists.iter_mut().filter_map(Iterator::next));
        if hits.len() == before || hits.len() >= limit {
            break;
        }
    }
    hits.truncate(limit);
    json!({ "hits": hits, "notice": (!notices.is_empty()).then(|| notices.join(" ")) })
}

fn passage(root: &Path, hit: Hit) -> Option<Value> {
    let Hit { path, start_line, end_line, symbol, kind, why, text, lines: told, .. } = hit;
    let uri = uri_of(&root.join(&path))?;
    let range = lines(start_line, end_line);
    // From zero, as the range is.
    let told: Vec<u32> = told.into_iter().map(|line| line.saturating_sub(1)).collect();
    Some(json!({
        "uri": uri, "range": range, "path": path, "symbol": symbol, "kind": kind, "why": why, "text": text,
        "lines": told,
    }))
}

/// One answer to `familiar/related`.
pub(crate) fn related(root: &Path, found: &Related) -> Value {
    let places = |places: &[RelatedPlace]| -> Value { places.iter().filter_map(|one| place(root, one)).collect() };
    let changes_with = found.changes_with.iter().filter_map(|one| {
        let uri = uri_of(&root.join(&one.path))?;
        Some(json!({ "uri": uri, "commits": one.commits }))
    });
    json!({
        "symbol": found.symbol,
        "outline": places(&found.outline),
        "callers": places(&found.callers),
        "callees": places(&found.callees),
        "imports": places(&found.imports),
        "tests": places(&found.tests),
        "lastChange": found.last_change,
        "commits": found.commits,
        "changesWith": changes_with.collect::<Value>(),
        "isCut": found.cut,
    })
}

fn place(root: &Path, place: &RelatedPlace) -> Option<Value> {
    let RelatedPlace { path, line, name, kind } = place;
    let uri = uri_of(&root.join(path))?;
    Some(json!({ "uri": uri, "range": lines(*line, *line), "name": name, "kind": kind }))
}

/// Whole lines, up to the first column of the next one.
fn lines(first: u32, last: u32) -> Value {
    let start = json!({ "line": first.saturating_sub(1), "character": 0 });
    json!({ "start": start, "end": { "line": last, "character": 0 } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(params: Value) -> SearchParams {
        match Wanted::search(params) {
            Ok(Wanted::Passages(params)) => params,
            other => panic!("it can be read: {other:?}"),
        }
    }

    #[test]
    fn parameters_are_read_in_either_form() {
        let options = params(json!({ "query": "x" })).options();
        assert_eq!(options, SearchOptions::default());
        let given =
            json!({ "query": "x", "kind": "symbol", "limit": 9999, "path": "src", "language": ["rust", "c"] });
        let options = params(given).options();
        assert_eq!((options.kind, options.limit), (SearchKind::Symbol, SEARCH_HITS_MAX));
        assert_eq!((options.paths.len(), options.languages.len()), (1, 2));
        for wrong in [json!({}), json!({ "query": "x", "kind": "fuzzy" }), json!({ "query": "x", "limits": 3 })] {
            let error = Wanted::search(wrong.clone()).expect_err("it is no search");
            assert!(error.message.starts_with("familiar/search: "), "{wrong}: {error}");
        }
        let none = Wanted::search(json!({ "query": "x", "limit": 0 })).expect_err("it asks for nothing");
        assert_eq!(none.message, "familiar/search: `limit` is a number from 1 to 200, not 0");
        assert!(Wanted::related(json!({ "textDocument": { "uri": "file:///a" } })).is_err());
    }

    #[test]
    fn the_folder_is_one_of_the_session() {
        let open = || ["/a", "/a/b", "/c"].map(PathBuf::from).to_vec();
        let roots = |workspace: Value| params(json!({ "query": "x", "workspace": workspace })).roots(open());
        assert_eq!(roots(Value::Null).map(|all| all.len()), Ok(3));
        assert_eq!(roots(json!("file:///a/b")), Ok(vec!["/a/b".into()]));
        assert_eq!(roots(json!("/a/x")), Ok(vec!["/a".into()]));
        assert!(roots(json!("/d")).is_err());
    }

    #[test]
    fn folders_take_turns() {
        let hit = |path: &str| Hit {
            path: path.into(),
            start_line: 2,
            end_line: 3,
            symbol: None,
            kind: "text".into(),
            score: 1.0,
            why: String::new(),
            text: String::new(),
            lines: vec![3],
        };
        let result = |paths: &[&str]| SearchResult {
            hits: paths.iter().map(|path| hit(path)).collect(),
            related: None,
            notice: Some("not all".into()),
        };
        let found = vec![(PathBuf::from("/a"), result(&["1", "2", "3"])), (PathBuf::from("/b"), result(&["4"]))];
        let answer = passages(found, 3);
        let uris: Vec<_> =
            answer["hits"].as_array().expect("a list").iter().map(|hit| hit["uri"].clone()).collect();
        assert_eq!(uris, ["file:///a/1", "file:///b/4", "file:///a/2"]);
        assert_eq!(answer["notice"], "not all", "what both say is said once");
        assert_eq!(answer["hits"][0]["range"]["end"], json!({ "line": 3, "character": 0 }));
        assert_eq!(answer["hits"][0]["lines"], json!([2]), "lines are counted as those of the range are");
    }
}
