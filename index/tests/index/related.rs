//! What belongs to a passage: outline, callers, callees, imports, tests, commits.

use index::{Filter, History, HistoryLimits, IndexError, Overlay, Related, RelatedItem, SearchRequest};

use crate::space::{Space, search, touch};

const STORE: &str = "\
from app.codec import encode


class Store:
    def __init__(self, path):
        self.path = path

    def save(self, session):
        self.check(session)
        data = encode(session)
        return len(data)

    def check(self, session):
        return bool(session)


def purge(store):
    store.save(None)
";

fn space() -> Space {
    Space::with(&[
        ("app/__init__.py", ""),
        ("app/store.py", STORE),
        ("app/codec.py", "def encode(value):\n    return repr(value)\n"),
        (
            "app/views.py",
            "from .store import Store\nimport os\n\n\ndef login(request):\n    store = Store('a')\n    store.save(request)\n    store.save(request)\n",
        ),
        ("app/unused.py", "# save is a word here, and no call\nTEXT = 'save'\n"),
        (
            "tests/test_store.py",
            "from app.store import Store\n\n\ndef test_save():\n    assert Store('b').save(1)\n",
        ),
        ("web/save.rs", "fn main() { save(1); }\n"),
    ])
}

fn related(space: &Space, path: &str, lines: std::ops::RangeInclusive<u32>) -> Related {
    let (index, _) = space.indexed();
    index.searcher().related(path, lines, &Overlay::new(), None).unwrap()
}

fn shape(items: &[RelatedItem]) -> Vec<(&str, u32, &str)> {
    items.iter().map(|item| (item.path.as_str(), item.line, item.name.as_str())).collect()
}

/// A definition stands where a hit says that it does, and not where the comments above it begin.
#[test]
fn lines_of_an_outline_are_those_of_definitions() {
    let text = "# what\n# it\n# does\ndef alpha():\n    return beta()\n\n\ndef beta():\n    return 1\n";
    let related = related(&Space::with(&[("a.py", text)]), "a.py", 4..=5);
    assert_eq!(shape(&related.outline), [("a.py", 4, "alpha"), ("a.py", 8, "beta")]);
    assert_eq!(shape(&related.callees), [("a.py", 8, "beta")]);
}

#[test]
fn a_method_has_callers_callees_imports_and_tests() {
    let related = related(&space(), "app/store.py", 8..=11);
    assert_eq!(related.symbol.as_deref(), Some("Store.save"));
    let names: Vec<&str> = related.outline.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["Store", "Store.__init__", "Store.save", "Store.check", "purge"]);
    assert_eq!(shape(&related.callers), [("app/store.py", 18, "purge"), ("app/views.py", 7, "login")]);
    assert_eq!(shape(&related.callees), [("app/store.py", 13, "Store.check"), ("app/codec.py", 1, "encode")]);
    assert_eq!(shape(&related.imports), [("app/codec.py", 1, "app.codec")]);
    assert_eq!(shape(&related.tests), [("tests/test_store.py", 5, "test_save")]);
    assert!(!related.cut);
}

/// A method of a common name is tested through the package that hands its class on.
#[test]
fn tests_that_import_the_package_count() {
    let space = Space::with(&[
        ("src/shop/__init__.py", "from .app import Shop\n"),
        ("src/shop/app.py", "from .base.till import Till\n\n\nclass Shop(Till):\n    pass\n"),
        ("src/shop/base/till.py", "class Till:\n    def add(self, item):\n        return item\n"),
        ("tests/test_shop.py", "import shop\n\n\ndef test_add():\n    shop.Shop().add(1)\n"),
        ("tests/test_other.py", "import other\n\n\ndef test_other():\n    other.Bag().add(1)  # no shop\n"),
    ]);
    let related = related(&space, "src/shop/base/till.py", 2..=3);
    assert_eq!(related.symbol.as_deref(), Some("Till.add"));
    assert_eq!(shape(&related.tests), [("tests/test_shop.py", 5, "test_add")]);
}

#[test]
fn a_name_says_which_definition_of_a_passage_is_meant() {
    let space = space();
    let (index, _) = space.indexed();
    let related = |name| {
        let searcher = index.searcher();
        searcher.related_to("app/store.py", 1..=18, name, &Overlay::new(), None).unwrap().symbol
    };
    assert_eq!(related(Some("Store.check")).as_deref(), Some("Store.check"));
    assert_eq!(related(Some("Store.none")), related(None));
    assert_ne!(related(None).as_deref(), Some("Store.check"));
    // What a search for a name finds is what it is about.
    let hit = search(&index, "Store.check").remove(0);
    assert_eq!(hit.symbol.as_deref(), Some("Store.check"));
}

#[test]
fn more_callers_than_are_listed_are_said_to_be_more() {
    let many: Vec<(String, String)> = (0..25)
        .map(|n| {
            (format!("m{n}.py"), format!("from tidy import purge_all\n\n\ndef tidy_{n}():\n    purge_all()\n"))
        })
        .collect();
    let mut files: Vec<(&str, &str)> = many.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    files.push(("tidy.py", "def purge_all():\n    pass\n"));
    let related = related(&Space::with(&files), "tidy.py", 1..=2);
    assert_eq!((related.callers.len(), related.cut), (20, true));
}

#[test]
fn a_class_and_its_constructor_are_called_by_the_name_of_the_class() {
    for lines in [4..=4, 5..=6] {
        let related = related(&space(), "app/store.py", lines);
        assert_eq!(shape(&related.callers), [("app/views.py", 6, "login")]);
        assert_eq!(shape(&related.tests), [("tests/test_store.py", 5, "test_save")]);
    }
}

#[test]
fn rust_modules_and_macros_are_followed() {
    let space = Space::with(&[
        ("src/lib.rs", "mod walk;\nmod tell;\n\npub fn start() {\n    walk::walk(1);\n}\n"),
        ("src/walk.rs", "use crate::tell::tell;\n\npub fn walk(n: u32) {\n    tell(n);\n    note!(n);\n}\n"),
        ("src/tell.rs", "pub fn tell(n: u32) {}\n\nmacro_rules! note {\n    ($n:expr) => {};\n}\n"),
        ("tests/walk.rs", "#[test]\nfn walks() {\n    walk(3);\n}\n"),
    ]);
    let related = related(&space, "src/walk.rs", 4..=4);
    assert_eq!(related.symbol.as_deref(), Some("walk"));
    assert_eq!(shape(&related.callers), [("src/lib.rs", 5, "start")]);
    assert_eq!(shape(&related.tests), [("tests/walk.rs", 3, "walks")]);
    assert_eq!(shape(&related.imports), [("src/tell.rs", 1, "crate::tell::tell")]);
    assert_eq!(shape(&related.callees), [("src/tell.rs", 1, "tell"), ("src/tell.rs", 3, "note")]);
}

/// A name that everybody defines says nothing, unless the file is imported.
#[test]
fn common_names_are_taken_for_this_one_only_by_importers() {
    let space = space();
    for number in 0..6 {
        space.write(&format!("app/part{number}.py"), b"def save(self):\n    pass\n\n\ndef run():\n    save()\n");
    }
    space.write(
        "app/caller.py",
        b"def far(thing):\n    thing.save()\n    thing.check_all()\n    thing.join(thing)\n",
    );
    space.write(
        "app/other.py",
        b"class Other:\n    def join(self):\n        pass\n\n    def check_all(self):\n        pass\n",
    );
    let found = related(&space, "app/store.py", 8..=11);
    assert_eq!(shape(&found.callers), [("app/store.py", 18, "purge"), ("app/views.py", 7, "login")]);
    // A telling name that only one file defines needs no import, in either direction.
    let found = related(&space, "app/caller.py", 1..=1);
    assert_eq!(shape(&found.callees), [("app/other.py", 5, "Other.check_all")]);
    assert_eq!(shape(&related(&space, "app/other.py", 5..=5).callers), [("app/caller.py", 3, "far")]);
    assert_eq!(shape(&related(&space, "app/other.py", 2..=2).callers), []);
}

#[test]
fn places_are_those_of_the_live_files() {
    let space = space();
    let (index, _) = space.indexed();
    space.write(
        "app/views.py",
        b"\n\n\nfrom .store import Store\n\n\ndef enter(request):\n    Store('a').save(request)\n",
    );
    space.remove("tests/test_store.py");
    let found = index.searcher().related("app/store.py", 8..=11, &Overlay::new(), None).unwrap();
    assert_eq!(shape(&found.callers), [("app/store.py", 18, "purge"), ("app/views.py", 8, "enter")]);
    assert_eq!(found.tests, []);
    touch(&index, &["app/views.py", "tests/test_store.py"]);
    assert_eq!(index.searcher().related("app/store.py", 8..=11, &Overlay::new(), None).unwrap(), found);
}

/// What stands in an editor counts instead of what is on disk, also in files that the index does not know.
#[test]
fn unsaved_text_has_its_callers_too() {
    let space = space();
    let (index, _) = space.indexed();
    let mut overlay = Overlay::new();
    overlay.set("app/views.py", "TEXT = 'nothing is called here'\n");
    overlay.set("app/new.py", "from .store import Store\n\n\ndef begin():\n    Store('n').save(1)\n");
    overlay.set("node_modules/dep/new.py", "from .store import Store\nStore('n').save(1)\n");
    let related = index.searcher().related("app/store.py", 8..=11, &overlay, None).unwrap();
    assert_eq!(shape(&related.callers), [("app/store.py", 18, "purge"), ("app/new.py", 5, "begin")]);
    let unsaved = index.searcher().related("app/new.py", 4..=5, &overlay, None).unwrap();
    assert_eq!(unsaved.symbol.as_deref(), Some("begin"));
    assert_eq!(shape(&unsaved.callees), [("app/store.py", 4, "Store")]);
    let refused = index.searcher().related("node_modules/dep/new.py", 1..=2, &overlay, None);
    assert!(matches!(refused, Err(IndexError::Refused { .. })), "{refused:?}");
}

#[test]
fn prose_secrets_and_missing_files() {
    let space = space();
    space.write("notes.md", b"# Notes\n\nText.\n");
    space.write(".env", b"KEY=1\n");
    let (index, _) = space.indexed();
    assert_eq!(index.searcher().related("notes.md", 1..=3, &Overlay::new(), None).unwrap(), Related::default());
    for path in [".env", "none.py", "../outside.py"] {
        let result = index.searcher().related(path, 1..=1, &Overlay::new(), None);
        assert!(matches!(result, Err(IndexError::Refused { .. })), "{path}");
    }
    let nowhere = index.searcher().related("app/store.py", 900..=901, &Overlay::new(), None).unwrap();
    assert_eq!((nowhere.symbol, nowhere.callers.len()), (None, 0));
}

#[test]
fn commits_come_from_the_history_and_search_stays_as_it_is() {
    let space = space();
    let repository = git2::Repository::init(&space.root).unwrap();
    let mut staged = repository.index().unwrap();
    staged.add_path(std::path::Path::new("app/store.py")).unwrap();
    let tree = repository.find_tree(staged.write_tree().unwrap()).unwrap();
    let who = git2::Signature::now("Ada", "ada@example.org").unwrap();
    repository.commit(Some("HEAD"), &who, &who, "keep sessions", &tree, &[]).unwrap();
    let history = History::read(&space.root, &HistoryLimits::default());
    let (index, _) = space.indexed();
    let before = search(&index, "save a session");
    let related = index.searcher().related("app/store.py", 8..=11, &Overlay::new(), Some(&history)).unwrap();
    assert_eq!(related.commits[0].subject, "keep sessions");
    assert_eq!(related.last_change, Some(related.commits[0].clone()));
    assert_eq!(search(&index, "save a session"), before);
    let request = SearchRequest { filter: Filter::default(), ..SearchRequest::new("save a session", 10) };
    assert_eq!(index.searcher().search(&request).unwrap(), before);
}
