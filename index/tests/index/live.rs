//! Search over the live tree, without and beside an index.

use std::fmt::Write as _;
use std::time::Duration;

use index::{CancelFlag, Filter, Hit, IndexError, LiveAnswer, LiveBudget, SearchKind, SearchRequest, live_search};

use crate::space::{PATIENCE, Space, check_live};

const SESSIONS: &str = "\
class SessionStore:
    \"\"\"Keeps sessions in the database.\"\"\"

    def save(self, must_create=False):
        data = self.encode(self._session)
        self.model.objects.create(session_data=data)

    def load(self):
        return self.decode(self.model.objects.get())
";

fn space() -> Space {
    Space::with(&[
        ("app/sessions.py", SESSIONS),
        (
            "app/views.py",
            "from app.sessions import SessionStore\n\n\ndef login(request):\n    SessionStore().save()\n    return 'ok'\n",
        ),
        ("app/login_page.py", "# login\nNAME = 'Login form'\n"),
        ("tests/test_views.py", "def login():\n    pass\n"),
        ("docs/notes.md", "# Notes\n\nThe word LOGIN in capitals.\n"),
        ("Cargo.lock", "login\n"),
        (".gitignore", "/made/\n"),
        ("made/login.py", "def login():\n    pass\n"),
        (".env", "login=secret\n"),
    ])
}

fn patient() -> LiveBudget {
    LiveBudget { time: PATIENCE, ..LiveBudget::default() }
}

fn ask(space: &Space, kind: SearchKind, query: &str) -> LiveAnswer {
    let request = SearchRequest { kind, ..SearchRequest::new(query, 20) };
    let answer = live_search(&space.root, &request, &patient()).unwrap();
    check_live(&space.root, &answer.hits);
    assert!(!answer.cut);
    answer
}

fn paths(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.path.as_str()).collect()
}

fn check(kind: SearchKind, query: &str, expected: &[&str]) {
    let answer = ask(&space(), kind, query);
    let mut found = paths(&answer.hits);
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, expected, "{query}");
}

#[test]
fn text_is_found_as_it_stands_in_any_case_unless_it_has_capitals() {
    let all = ["app/login_page.py", "app/views.py", "docs/notes.md", "tests/test_views.py"];
    check(SearchKind::Text, "login", &all);
    check(SearchKind::Text, "LOGIN", &["docs/notes.md"]);
    check(SearchKind::Text, "Login form", &["app/login_page.py"]);
    check(SearchKind::Text, "().save(", &["app/views.py"]);
    check(SearchKind::Text, "no such text", &[]);
    check(SearchKind::Text, "", &[]);
}

#[test]
fn several_lines_of_text_have_to_stand_together() {
    let code = "data = self.encode(self._session)\n  self.model.objects.create(session_data=data)";
    check(SearchKind::Text, code, &["app/sessions.py"]);
    check(SearchKind::Text, "data = self.encode(self._session)\n    return self.decode()", &[]);
}

#[test]
fn regular_expressions_are_found_and_broken_ones_explained() {
    check(SearchKind::Regex, r"^def \w+\(request", &["app/views.py"]);
    check(SearchKind::Regex, r"objects\.(get|create)\(", &["app/sessions.py"]);
    check(SearchKind::Regex, "'ok'$", &["app/views.py"]);
    let space = space();
    for broken in ["(", "a\nb", r"(\w{1000}){1000}", &"(".repeat(5_000), &"a".repeat(20_000)] {
        let request = SearchRequest { kind: SearchKind::Regex, ..SearchRequest::new(broken, 5) };
        let result = live_search(&space.root, &request, &patient());
        assert!(matches!(result, Err(IndexError::Query(_))), "{broken:.20}: {result:?}");
    }
    let request = SearchRequest { kind: SearchKind::Regex, ..SearchRequest::new(r"\w{2000}", 5) };
    let error = live_search(&space.root, &request, &patient()).unwrap_err();
    assert!(error.to_string().ends_with("write smaller counts in braces, or [a-z] in place of \\w"), "{error}");
}

#[test]
fn definitions_come_before_mentions_and_tests() {
    let answer = ask(&space(), SearchKind::Text, "login");
    let first = &answer.hits[0];
    assert_eq!((first.path.as_str(), first.symbol.as_deref()), ("app/views.py", Some("login")));
    assert_eq!((first.kind.as_str(), first.start_line), ("function", 1));
    assert_eq!(first.why, "defines `login`; text matches `login` in line 4");
    let place = |path: &str| answer.hits.iter().position(|hit| hit.path == path).unwrap();
    assert!(place("app/login_page.py") < place("docs/notes.md"));
}

/// Every kind of line break counts as editors count, also in encodings that have to be converted.
#[test]
fn lines_are_honest_in_every_encoding() {
    let space = Space::with(&[("crlf.txt", "one\r\ntwo needle\r\nthree\r\n"), ("old.txt", "one\rtwo\rneedle\r")]);
    let wide: Vec<u8> = "\u{feff}one\ntwo\nthree\nneedle\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    space.write("wide.txt", &wide);
    space.write("latin.txt", b"caf\xE9\nneedle\n");
    space.write("binary.txt", b"needle\0\x01");
    let found = ask(&space, SearchKind::Text, "needle");
    let mut whys: Vec<_> = found.hits.iter().map(|hit| (hit.path.as_str(), hit.why.as_str())).collect();
    whys.sort_unstable();
    let line = |path, number| (path, format!("text matches `needle` in line {number}"));
    let expected = [line("crlf.txt", 2), line("latin.txt", 2), line("old.txt", 3), line("wide.txt", 4)];
    assert_eq!(whys, expected.iter().map(|(path, why)| (*path, why.as_str())).collect::<Vec<_>>());
    assert_eq!(paths(&ask(&space, SearchKind::Text, "café").hits), ["latin.txt"]);
    assert_eq!(paths(&ask(&space, SearchKind::Regex, "^one$").hits), ["crlf.txt", "old.txt", "wide.txt"]);
}

#[test]
fn open_buffers_stand_in_for_their_files() {
    let space = space();
    let mut request = SearchRequest { kind: SearchKind::Text, ..SearchRequest::new("zebra", 10) };
    request.overlay.set("app/views.py", "import os\n\n\ndef zebra():\n    pass\n");
    request.overlay.set("app/new.py", "x = zebra\n");
    request.overlay.set("made/new.py", "zebra\n");
    let hits = live_search(&space.root, &request, &patient()).unwrap().hits;
    assert_eq!(paths(&hits), ["app/views.py", "app/new.py"]);
    assert_eq!((hits[0].start_line, hits[0].end_line, hits[0].symbol.as_deref()), (1, 5, Some("zebra")));
    assert!(hits.iter().all(|hit| hit.why.ends_with("unsaved text of an open editor")));
    request.query = "def login(request".to_owned();
    assert_eq!(live_search(&space.root, &request, &patient()).unwrap().hits, []);
}

#[test]
fn filters_narrow_and_the_limit_holds() {
    let space = space();
    let mut request = SearchRequest { kind: SearchKind::Text, ..SearchRequest::new("login", 10) };
    request.filter = Filter::new(&["python".to_owned()], &["tests".to_owned()]).unwrap();
    let answer = live_search(&space.root, &request, &patient()).unwrap();
    assert_eq!((paths(&answer.hits), answer.files), (vec!["tests/test_views.py"], 1));
    request.filter = Filter::default();
    request.limit = 2;
    assert_eq!(live_search(&space.root, &request, &patient()).unwrap().hits.len(), 2);
    request.limit = 0;
    assert_eq!(live_search(&space.root, &request, &patient()).unwrap().hits, []);
}

#[test]
fn questions_are_answered_by_their_words() {
    let answer = ask(&space(), SearchKind::Auto, "how are sessions stored in the database?");
    let first = &answer.hits[0];
    assert_eq!((first.path.as_str(), first.symbol.as_deref()), ("app/sessions.py", Some("SessionStore")));
    let answer = ask(&space(), SearchKind::Auto, "where is the login test");
    assert_eq!(answer.hits[0].path, "tests/test_views.py");
    for odd in ["", "???", "the of", "\u{0}", "😀", &"login ".repeat(5_000)] {
        ask(&space(), SearchKind::Auto, odd);
    }
}

#[test]
fn an_index_that_holds_nothing_yet_still_finds_text() {
    let space = space();
    let index = space.open();
    let find = |kind| {
        let request = SearchRequest { kind, ..SearchRequest::new("().save", 5) };
        let hits = index.searcher().search(&request).unwrap();
        hits.into_iter().map(|hit| hit.path).collect::<Vec<_>>()
    };
    assert_eq!(find(SearchKind::Text), ["app/views.py"]);
    assert_eq!(find(SearchKind::Regex), ["app/sessions.py", "app/views.py"]);
}

/// More text than can be read in no time at all: what is there comes back at once, and says so.
#[test]
fn a_spent_budget_cuts_and_a_raised_flag_ends() {
    let space = Space::with(&[]);
    for number in 0..300 {
        let mut text = String::new();
        for line in 0..200 {
            writeln!(text, "value_{line} = compute({number})").unwrap();
        }
        space.write(&format!("part{}/file_{number}.py", number % 20), text.as_bytes());
    }
    let request = SearchRequest { kind: SearchKind::Text, ..SearchRequest::new("compute", 5) };
    let spent = LiveBudget { time: Duration::ZERO, ..LiveBudget::default() };
    let hurried = live_search(&space.root, &request, &spent).unwrap();
    assert!(hurried.cut && hurried.searched < hurried.files);
    assert_eq!(hurried.hits.len(), 5, "some files are looked at however little time there is");
    check_live(&space.root, &hurried.hits);
    let full = live_search(&space.root, &request, &patient()).unwrap();
    assert!(full.cut, "sixty thousand matching lines are more than anybody reads");
    assert_eq!(full.hits.len(), 5);
    assert!(full.searched < full.files);
    let cancel = CancelFlag::new();
    cancel.cancel();
    let cancelled = live_search(&space.root, &request, &LiveBudget { cancel, ..patient() });
    assert!(matches!(cancelled, Err(IndexError::Cancelled)), "{cancelled:?}");
    let gone = live_search(&space.root.join("none"), &request, &patient());
    assert!(matches!(gone, Err(IndexError::Root { .. })), "{gone:?}");
}

#[test]
fn a_broken_expression_is_told_with_its_place() {
    let space = space();
    for (broken, told) in [
        ("ab(c", "unclosed group at character 3, `(`"),
        ("é[z-a]", "invalid character class range, the start must be <= the end at character 3, `z-a`"),
        ("a**{", "unclosed counted repetition at character 4, `{`"),
        (r"\p{Klingon}", "Unicode property not found at character 1, `\\p{Klingon}`"),
    ] {
        let request = SearchRequest { kind: SearchKind::Regex, ..SearchRequest::new(broken, 5) };
        let error = live_search(&space.root, &request, &patient()).unwrap_err().to_string();
        assert!(error.contains(told) && !error.contains('\n'), "{broken}: {error}");
    }
}

/// A line that no chunk holds is shown in part when it is long, at the match, and the lines stay honest.
#[test]
fn long_lines_without_chunks_are_cut() {
    let other = "x ".repeat(20_000) + "\n";
    let long =
        format!("{}{}needle{}\n{}", other.repeat(4), "a ".repeat(15_000), " b".repeat(5_000), other.repeat(4));
    let space = Space::with(&[("long.txt", &long)]);
    let found = ask(&space, SearchKind::Text, "needle");
    let hit = &found.hits[0];
    assert!(hit.text.contains("needle") && hit.text.len() <= 2_400, "{} bytes", hit.text.len());
    assert_eq!((hit.start_line, hit.end_line), (5, 5));
}

/// Scripts and headers belong to the language they are written in, with and without an index.
#[test]
fn a_language_is_that_of_the_text() {
    let space = Space::with(&[
        ("bin/tool", "#!/usr/bin/env python3\ndef needle():\n    pass\n"),
        ("bin/other", "#!/bin/sh\nneedle() {\n  echo\n}\n"),
        ("a.h", "int needle(void);\n"),
        ("b.h", "namespace shop {\nint needle();\n}\n"),
        ("c.py", "def needle():\n    pass\n"),
        ("LICENSE", "needle\n"),
    ]);
    let (index, _) = space.indexed();
    let fresh = space.rebuilt();
    assert!(!fresh.is_empty());
    for (language, expected) in [
        ("python", &["bin/tool", "c.py"] as &[&str]),
        ("bash", &["bin/other"]),
        ("c", &["a.h"]),
        ("c++", &["b.h"]),
        (".h", &["a.h", "b.h"]),
    ] {
        for kind in [SearchKind::Auto, SearchKind::Text, SearchKind::Symbol] {
            let filter = Filter::new(&[language.to_owned()], &[]).unwrap();
            let request = SearchRequest { kind, filter, ..SearchRequest::new("needle", 10) };
            let hits = index.searcher().search(&request).unwrap();
            let live = live_search(&space.root, &request, &patient()).unwrap().hits;
            for hits in [hits, live] {
                let mut found = paths(&hits);
                found.sort_unstable();
                // A declaration in a header is no definition.
                if kind == SearchKind::Symbol {
                    assert!(found.iter().all(|path| expected.contains(path)), "{language} {kind:?}: {found:?}");
                } else {
                    assert_eq!(found, expected, "{language} {kind:?}");
                }
            }
        }
    }
}

#[test]
fn an_answer_says_when_not_all_was_looked_at() {
    let space = space();
    let request = SearchRequest { kind: SearchKind::Text, ..SearchRequest::new("login", 5) };
    let (index, _) = space.indexed();
    assert!(!index.searcher().answer(&request).unwrap().cut);
    for n in 0..120 {
        space.write(&format!("many/m{n}.txt"), "login\n".repeat(200).as_bytes());
    }
    let answer = index.searcher().answer(&request).unwrap();
    assert!(answer.cut && answer.hits.len() == 5);
}
