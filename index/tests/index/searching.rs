//! What is found, in which order, and with which words.

use index::{Filter, Hit, Overlay, SearchKind, SearchRequest};

use crate::space::{Space, check_live, paths, search};

const MODELS: &str = "\
import hashlib


class User:
    \"\"\"A person who may log in.\"\"\"

    def get_session_auth_hash(self):
        \"\"\"Return a keyed hash of the password field.\"\"\"
        return hashlib.sha256(self.password).hexdigest()

    def set_password(self, raw):
        self.password = raw
";

const AUTH: &str = "\
def login(request, user):
    # Stores the hash so that a changed password ends other sessions.
    request.session['hash'] = user.get_session_auth_hash()
    request.user = user
";

fn space() -> Space {
    Space::with(&[
        ("auth/models.py", MODELS),
        ("auth/login.py", AUTH),
        ("tests/test_login.py", "def test_login():\n    login(request, user)\n    assert session_auth_hash\n"),
        ("docs/guide.md", "# Guide\n\nHow to log in.\n\n## Sessions\n\nA session holds the hash of a login.\n"),
        ("vendor/login.js", "function login() { return sessionHash; }\n"),
    ])
}

fn first(hits: &[Hit]) -> (&str, Option<&str>, &str) {
    let hit = hits.first().expect("something is found");
    (hit.path.as_str(), hit.symbol.as_deref(), hit.kind.as_str())
}

#[test]
fn what_the_best_hit_uses_is_found_with_it() {
    let space = Space::with(&[
        ("shop/login.py", "def renew_login_token(user):\n    return stamp_with_salt(user.token)\n"),
        ("shop/salt.py", "def stamp_with_salt(text):\n    return text + SALT\n"),
        ("shop/cart.py", "def total(cart):\n    return sum(cart)\n"),
    ]);
    let (index, _) = space.indexed();
    let hits = search(&index, "how is the login renewed");
    assert_eq!(paths(&index, "how is the login renewed"), ["shop/login.py", "shop/salt.py"]);
    assert_eq!(hits[1].why, "defines `stamp_with_salt`; other hits use `stamp_with_salt`");
    // A name is itself what is looked for.
    assert_eq!(paths(&index, "renew_login_token"), ["shop/login.py"]);
}

/// Two words are looked for where they stand, however often what holds them uses something else.
#[test]
fn what_holds_no_word_of_two_comes_last() {
    let long = "    # about a phrase among many other things that are told here at length\n".repeat(12);
    let uses = |n: usize| format!("def phrase_{n}(quoted):\n    return stamp_with_salt(quoted)\n");
    let space = Space::with(&[
        ("shop/salt.py", "def stamp_with_salt(text):\n    return text + SALT\n"),
        ("shop/a.py", uses(1).as_str()),
        ("shop/b.py", uses(2).as_str()),
        ("shop/c.py", uses(3).as_str()),
        (
            "shop/long.py",
            format!("def lengthy_function():\n{}    return 1\n", long.replace("phrase", "thing")).as_str(),
        ),
        ("shop/words.py", format!("def told():\n{long}    return 1\n").as_str()),
    ]);
    let (index, _) = space.indexed();
    let hits = search(&index, "phrase quoted");
    let found: Vec<&str> = hits.iter().map(|hit| hit.path.as_str()).collect();
    assert_eq!(found, ["shop/a.py", "shop/b.py", "shop/c.py", "shop/words.py", "shop/salt.py"]);
    assert!(hits.is_sorted_by(|one, next| one.score >= next.score), "{hits:?}");
}

#[test]
fn short_forms_of_words_are_found() {
    let space =
        Space::with(&[("app/cfg.c", "int read_cfg(void) { return 1; }\n"), ("app/log.c", "int log(void);\n")]);
    let (index, _) = space.indexed();
    assert_eq!(paths(&index, "where is the configuration loaded"), ["app/cfg.c"]);
}

#[test]
fn names_win_over_mentions() {
    let space = space();
    let (index, _) = space.indexed();
    for query in
        ["get_session_auth_hash", "getSessionAuthHash", "User.get_session_auth_hash", "session auth hash user"]
    {
        let hits = search(&index, query);
        assert_eq!(first(&hits), ("auth/models.py", Some("User.get_session_auth_hash"), "method"), "{query}");
        check_live(&space.root, &hits);
    }
    let hits = search(&index, "User.get_session_auth_hash");
    assert_eq!(
        hits[0].why,
        "defines `User.get_session_auth_hash`; path matches 'auth'; \
         text matches: user, get_session_auth_hash, get, session, auth, hash"
    );
}

#[test]
fn tests_and_copies_rank_below_unless_asked_for() {
    let space = space();
    let (index, _) = space.indexed();
    assert_eq!(paths(&index, "login")[0], "auth/login.py");
    assert_eq!(paths(&index, "tests of login")[0], "tests/test_login.py");
}

#[test]
fn a_path_that_many_files_share_says_nothing_in_a_report() {
    let code = "def stamp(token):\n    return token + salt\n";
    let space = Space::with(&[
        ("shop/__init__.py", "def renew(token):\n    return token\n"),
        ("cart/__init__.py", "def total(cart):\n    return sum(cart)\n"),
        ("user/__init__.py", "def name(user):\n    return user\n"),
        ("mail/__init__.py", "def send(mail):\n    return mail\n"),
        ("shop/stamps.py", code),
        ("cart/stamps.py", code),
    ]);
    let (index, _) = space.indexed();
    let report = |path: &str| {
        let more =
            "It went well until the last release, and nobody here can tell what is the matter with it. ".repeat(3);
        format!("the stamp of a token has no salt\n{more}\nThe folder:\n{path}\n")
    };
    let best = |path: &str| paths(&index, &report(path)).swap_remove(0);
    assert_eq!(best("__init__.py"), "cart/stamps.py");
    // A path that tells a file still does.
    assert_eq!(best("shop/stamps.py"), "shop/stamps.py");
}

#[test]
fn one_file_does_not_fill_the_answer() {
    let body =
        (0..60).map(|n| format!("def needle_{n}(x):\n    return needle(x, {n})  # {}\n\n\n", "pad ".repeat(60)));
    let space =
        Space::with(&[("many.py", &body.collect::<String>()), ("one.py", "x = needle\n"), ("two.py", "y = 1\n")]);
    let (index, _) = space.indexed();
    let found = paths(&index, "needle");
    // Its better hits may come first, but each lets others come nearer.
    assert!(found.len() == 10 && found.iter().any(|path| path == "one.py"), "{found:?}");
    assert!(found.iter().all(|path| path != "two.py"));
}

#[test]
fn a_prefix_narrows_to_a_folder_or_file() {
    let space = space();
    let (index, _) = space.indexed();
    let find = |prefix: &str| {
        let mut request = SearchRequest::new("session hash login", 10);
        request.filter = Filter::new(&[], &[prefix.to_owned()]).unwrap();
        let mut paths: Vec<String> =
            index.searcher().search(&request).unwrap().into_iter().map(|hit| hit.path).collect();
        paths.sort();
        paths.dedup();
        paths
    };
    assert_eq!(find("auth"), ["auth/login.py", "auth/models.py"]);
    assert_eq!(find("auth/"), ["auth/login.py", "auth/models.py"]);
    assert_eq!(find("auth/login.py"), ["auth/login.py"]);
    assert_eq!(find("aut"), Vec::<String>::new());
    assert_eq!(find("."), find(""));
}

#[test]
fn unsaved_text_replaces_what_is_on_disk() {
    let space = space();
    let (index, _) = space.indexed();
    let mut overlay = Overlay::new();
    overlay.set("auth/login.py", "# moved\n\n\ndef sign_in(request, zebra):\n    return zebra\n");
    overlay.set("auth/new.py", "def zebra():\n    pass\n");
    let find = |query: &str, overlay: &Overlay| {
        let request = SearchRequest { overlay: overlay.clone(), ..SearchRequest::new(query, 10) };
        index.searcher().search(&request).unwrap()
    };
    let hits = find("zebra", &overlay);
    assert_eq!(first(&hits), ("auth/new.py", Some("zebra"), "function"));
    assert!(hits.iter().all(|hit| hit.why.ends_with("unsaved text of an open editor")));
    let hit = hits.iter().find(|hit| hit.path == "auth/login.py").unwrap();
    assert_eq!((hit.start_line, hit.end_line, hit.symbol.as_deref()), (1, 5, Some("sign_in")));
    assert!(
        find("request.session", &overlay)
            .iter()
            .all(|hit| hit.path != "auth/login.py" || hit.text.contains("sign_in"))
    );
    overlay.remove("auth/login.py");
    assert!(
        find("login request", &overlay).iter().any(|hit| hit.path == "auth/login.py" && hit.text.contains("hash"))
    );
    assert_eq!(index.searcher().search(&SearchRequest::new("zebra", 10)).unwrap(), []);
}

/// What rules keep out of the index, they keep out of a search over unsaved text, whether or not it is on disk.
#[test]
fn unsaved_text_that_rules_exclude_is_not_searched() {
    let space = Space::with(&[
        (".gitignore", "*.log\n/build/\n"),
        (".familiarignore", "/private/\n!/private.md\n"),
        ("app/.ignore", "local_*\n!local_kept.py\n"),
        ("app/main.py", "pass\n"),
        ("private/notes.md", "on disk\n"),
        ("cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n"),
    ]);
    let (index, _) = space.indexed();
    let cases = [
        ("app/main.py", true),
        ("app/new/deep.py", true),
        ("app/local_kept.py", true),
        ("private.md", true),
        (".github/ci.yml", true),
        ("app/local_settings.py", false),
        ("app/new/local_other.py", false),
        ("run.log", false),
        ("app/run.log", false),
        ("build/made.py", false),
        ("build/deep/made.py", false),
        ("private/notes.md", false),
        ("private/new.md", false),
        ("cache/made.py", false),
        ("node_modules/dep/a.js", false),
        (".hidden/a.py", false),
        (".git/config.py", false),
        ("../outside.py", false),
        ("app/../run.py", false),
    ];
    for (path, expected) in cases {
        let mut request = SearchRequest::new("zebra", 10);
        request.overlay.set(path, "def zebra():\n    pass\n");
        let hits = index.searcher().search(&request).unwrap();
        assert_eq!(hits.iter().any(|hit| hit.path == path), expected, "{path}");
    }
}

/// A buffer with the very text of the disk scores as the disk does: ranks do not jump when typing begins.
#[test]
fn unsaved_text_scores_by_the_same_rules() {
    let space = space();
    let (index, _) = space.indexed();
    let stored = search(&index, "session auth hash");
    let mut request = SearchRequest::new("session auth hash", 10);
    request.overlay.set("auth/login.py", AUTH);
    request.overlay.set("auth/models.py", MODELS);
    let unsaved = index.searcher().search(&request).unwrap();
    let shape = |hits: &[Hit]| hits.iter().map(|hit| (hit.path.clone(), hit.start_line)).collect::<Vec<_>>();
    assert_eq!(shape(&stored), shape(&unsaved));
    for (a, b) in stored.iter().zip(&unsaved) {
        assert!((a.score - b.score).abs() < a.score * 1e-3, "{}: {} and {}", a.path, a.score, b.score);
    }
}

#[test]
fn odd_questions_are_answered_or_empty() {
    let space = space();
    let (index, _) = space.indexed();
    for query in ["", "   ", "the of and", "???", "\u{0}", "AND OR NOT (", "\"", "😀", &"login ".repeat(50_000)]
    {
        search(&index, query);
    }
    assert_eq!(index.searcher().search(&SearchRequest::new("login", 0)).unwrap(), []);
}

#[test]
fn symbols_are_found_by_name_with_their_own_lines() {
    let space = space();
    space.write("auth/hashers.py", b"SALT = 1\n\n\nclass Hasher:\n    def make_hash(self, text):\n        return text\n\n    def check(self):\n        pass\n");
    let (index, _) = space.indexed();
    let find = |query: &str, overlay: &Overlay| {
        let mut request = SearchRequest::new(query, 5);
        request.kind = SearchKind::Symbol;
        request.overlay = overlay.clone();
        let hits = index.searcher().search(&request).unwrap();
        let first =
            hits.first().map(|hit| (hit.symbol.clone().unwrap(), hit.start_line, hit.end_line, hit.text.clone()));
        first.unwrap_or_default()
    };
    let made =
        ("Hasher.make_hash".to_owned(), 5, 6, "    def make_hash(self, text):\n        return text".to_owned());
    let on_disk = Overlay::new();
    for query in [
        "make_hash",
        "makeHash",
        "Hasher.make_hash",
        "hashers.py:Hasher.make_hash",
        "make_ha",
        "maek_hash",
        "hash make",
    ] {
        assert_eq!(find(query, &on_disk), made, "{query}");
    }
    assert_eq!(find("Other.make_hash", &on_disk), Default::default());
    let mut unsaved = Overlay::new();
    unsaved.set("auth/hashers.py", "\n\ndef make_hash():\n    pass\n");
    assert_eq!(
        find("make_hash", &unsaved),
        ("make_hash".to_owned(), 3, 4, "def make_hash():\n    pass".to_owned())
    );
}

#[test]
fn questions_are_answered_before_anything_is_indexed() {
    let space = space();
    let index = space.open();
    assert_eq!(index.status().files, 0);
    let hits = index.searcher().search(&SearchRequest::new("how does login verify the session hash", 5)).unwrap();
    assert!(hits.iter().any(|hit| hit.path.starts_with("auth/")), "{hits:?}");
}
