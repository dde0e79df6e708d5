//! What a question spells out: a name with a slip of the finger, a text as it stands. Refuses: questions that spell nothing
//! out; these are answered as before.

use index::{Overlay, SearchRequest};

use crate::space::{Space, paths, refresh, search, touch};

const SHOP: &[(&str, &str)] = &[
    ("shop/session.py", "def get_session_hash(user):\n    return hash(user)\n"),
    ("shop/other.py", "def get_hash(session):\n    return session.hash\n\n\ndef session_get():\n    pass\n"),
    ("shop/notes.md", "# Session\n\nThe hash of a session.\n"),
];

#[test]
fn a_misspelt_name_is_found_unless_it_stands_somewhere() {
    let space = Space::with(SHOP);
    let (index, _) = space.indexed();
    for name in ["get_sesion_hash", "get_session_hsah", "Shop.get_session_hasj", "getSesionHash"] {
        let first = &search(&index, name)[0];
        assert_eq!(first.symbol.as_deref(), Some("get_session_hash"), "{name}: {first:?}");
        assert!(first.why.contains("one letter off"), "{name}: {first:?}");
    }
    let first = &search(&index, "getsessionhash")[0];
    assert_eq!(first.symbol.as_deref(), Some("get_session_hash"), "{first:?}");
    let others = search(&index, "session_frobnicator");
    let says_so = |hit: &index::Hit| hit.why.starts_with("`session_frobnicator` stands nowhere; ");
    assert!(!others.is_empty() && others.iter().all(says_so), "{others:?}");
    // A name that is there is what is meant, also when it is only used.
    space.write("shop/till.py", b"def pay(get_sesion_hash):\n    return get_sesion_hash()\n");
    refresh(&index);
    assert_eq!(paths(&index, "get_sesion_hash")[0], "shop/till.py");
    assert!(search(&index, "get_sesion_hash").iter().all(|hit| !hit.why.contains("one letter off")));
    // And so are the words of a question.
    assert!(search(&index, "where is the sesion hash").iter().all(|hit| !hit.why.contains("one letter off")));
}

/// A line of a file leads to the passage there, as it is now and also where nothing is saved yet.
#[test]
fn a_line_of_a_file_comes_first() {
    let functions = |count: usize| -> String {
        (0..count)
            .map(|n| format!("def f{n}():\n    '''{}'''\n    return {n}\n\n\n", "words ".repeat(60)))
            .collect()
    };
    let space =
        Space::with(&[("shop/till.py", functions(20).as_str()), ("tests/till.py", "def test():\n    pass\n")]);
    let (index, _) = space.indexed();
    for question in ["shop/till.py:78", "till.py:78:4", "File \"shop/till.py\", line 78, in f15"] {
        let hits = search(&index, question);
        assert!(hits[0].path == "shop/till.py" && hits[0].text.contains("def f15"), "{question}: {hits:?}");
        assert!(hits[0].start_line <= 78 && 78 <= hits[0].end_line, "{question}: {hits:?}");
    }
    // A line that is not there, and a file that is not, are no place, and that is said.
    for (question, said) in [
        ("shop/till.py:7800", Some("`shop/till.py` has 100 lines, so there is no line 7800 in it.")),
        ("shop/none.py:1", Some("No file here is `shop/none.py` or ends so.")),
        ("ask example.com:443", None),
        ("http://example.com/a.py:443", None),
    ] {
        let answer = index.searcher().answer(&SearchRequest::new(question, 5)).unwrap();
        assert!(answer.hits.iter().all(|hit| !hit.why.contains("line")), "{question}");
        assert_eq!(answer.notes.first().map(String::as_str), said, "{question}");
    }
    // An empty line lies between two passages.
    let beside = &search(&index, "shop/till.py:80")[0];
    assert!(beside.why.contains("line 80") && beside.path == "shop/till.py", "{beside:?}");
    let mut request = SearchRequest::new("shop/till.py:2", 5);
    request.overlay.set("shop/till.py", "import new\ndef unsaved():\n    pass\n");
    let found = index.searcher().search(&request).unwrap();
    assert!(found[0].text.contains("unsaved") && found[0].why.contains("unsaved text"), "{found:?}");
}

#[test]
fn a_place_in_one_of_several_files_is_said_to_be() {
    let space = Space::with(&[
        ("shop/app.py", "def shop():\n    pass\n"),
        ("a/deep/app.py", "def deep():\n    pass\n\n\ndef deeper():\n    pass\n"),
        ("other.py", "def other():\n    pass\n"),
    ]);
    let (index, _) = space.indexed();
    let ask = |question: &str| index.searcher().answer(&SearchRequest::new(question, 5)).unwrap();
    let answer = ask("app.py:1");
    assert_eq!(answer.hits[0].path, "shop/app.py", "{answer:?}");
    let said = "2 files end in `app.py`: `shop/app.py`, `a/deep/app.py`. This is `shop/app.py`; more of the path tells which.";
    assert_eq!(answer.notes, [said]);
    // Only one of them has such a line.
    assert_eq!(ask("app.py:5").hits[0].symbol.as_deref(), Some("deeper"));
    for question in ["deep/app.py:5", "/home/me/project/a/deep/app.py:5", "other.py:1"] {
        let answer = ask(question);
        assert!(answer.notes.is_empty() && answer.hits[0].why.contains("holds line"), "{question}: {answer:?}");
    }
}

/// The frames of a traceback that lie here come first, the innermost in front, wherever the program ran.
#[test]
fn a_traceback_leads_to_its_frames() {
    let filler = |count: usize| "    x = 1\n".repeat(count);
    let run = format!("from tank import fill\n\n\ndef run():\n{}    fill()\n", filler(90));
    let tank = format!("def empty():\n    pass\n\n\ndef fill():\n{}    raise Empty\n", filler(5));
    let decoder = "def decode(text):\n    return text\n\n\ndef unused():\n    pass\n";
    let space = Space::with(&[
        ("src/shop/run.py", run.as_str()),
        ("src/shop/tank.py", tank.as_str()),
        ("src/json/decoder.py", decoder),
        ("docs/run.md", "# Run\n\nrun fill Empty tank no water\n"),
    ]);
    let (index, _) = space.indexed();
    let traceback = |folder: &str| {
        format!(
            "Traceback (most recent call last):\n  File \"{folder}/shop/run.py\", line 95, in run\n    fill()\n  File \
             \"/usr/lib/python3/json/decoder.py\", line 5, in decode\n    scan()\n  File \"{folder}/shop/tank.py\", \
             line 11, in fill\n    raise Empty\nEmpty: no water"
        )
    };
    for folder in
        ["src", "/home/me/src", "/usr/lib/python3/site-packages", &format!("{}/src", space.root.display())]
    {
        let hits = search(&index, &traceback(folder));
        let first: Vec<_> = hits.iter().take(2).map(|hit| (hit.path.as_str(), hit.lines.as_slice())).collect();
        assert_eq!(first, [("src/shop/tank.py", &[11][..]), ("src/shop/run.py", &[95])], "{folder}: {hits:#?}");
        assert!(hits[0].why.starts_with("the innermost frame here"), "{hits:#?}");
        // A file of the language's own that is called like one here is another one.
        assert!(
            hits.iter().all(|hit| hit.path != "src/json/decoder.py" || !hit.why.contains("frame")),
            "{hits:#?}"
        );
    }
    // What somebody says of it may find more than where it ended.
    let titled = search(&index, &format!("decode returns unused text of the decoder\n\n{}", traceback("src")));
    let first: Vec<_> = titled.iter().take(2).map(|hit| hit.path.as_str()).collect();
    assert_eq!(first, ["src/json/decoder.py", "src/shop/tank.py"], "{titled:#?}");
    let none = search(&index, &traceback("/nowhere/else").replace("shop/", "other/"));
    assert!(none.iter().all(|hit| !hit.why.contains("frame")), "{none:#?}");
}

#[test]
fn a_text_as_it_stands_comes_first() {
    let space = Space::with(&[
        (
            "tank/errors.py",
            "class Empty(Exception):\n    pass\n\n\ndef complain():\n    raise Empty(\"the tank of the rocket is empty\")\n",
        ),
        (
            "tank/rocket.py",
            "def rocket_tank(tank):\n    # tank rocket empty tank\n    empty = tank.rocket\n    return empty\n",
        ),
        (
            "tank/empty.py",
            "def empty_rocket_tank(rocket, tank):\n    \"\"\"The empty tank.\"\"\"\n    return rocket.tank.empty\n",
        ),
        ("tests/test_tank.py", "def test_tank():\n    assert \"the tank of the rocket is empty\" in complain()\n"),
    ]);
    let (index, _) = space.indexed();
    for question in [
        "the tank of the rocket is empty",
        "\"tank of the rocket\"",
        "why do I see \"rocket is empty\" in the log?",
    ] {
        let hits = search(&index, question);
        assert_eq!(hits[0].path, "tank/errors.py", "{question}: {hits:?}");
        assert!(hits[0].why.starts_with("holds `"), "{question}: {hits:?}");
        assert_eq!(hits[1].path, "tests/test_tank.py", "a test comes after what it tests: {hits:?}");
        assert!(hits.len() > 2, "the others follow: {hits:?}");
    }
    let asked = search(&index, "is the tank of the rocket empty?");
    assert!(asked.iter().all(|hit| !hit.why.contains("just so")), "{asked:?}");
    // What was saved or typed since counts, and what is gone does not.
    space.write("tank/errors.py", b"def complain():\n    raise Empty(\"no fuel is left at all\")\n");
    touch(&index, &["tank/errors.py"]);
    assert_eq!(paths(&index, "no fuel is left at all")[0], "tank/errors.py");
    assert_eq!(paths(&index, "the tank of the rocket is empty")[0], "tests/test_tank.py");
    let mut request = SearchRequest::new("a meteor hit the rocket", 5);
    request.overlay = Overlay::new();
    request.overlay.set("tank/rocket.py", "def f():\n    print(\"a meteor hit the rocket\")\n");
    let found = index.searcher().search(&request).unwrap();
    assert_eq!((found[0].path.as_str(), found[0].why.contains("unsaved")), ("tank/rocket.py", true), "{found:?}");
}
