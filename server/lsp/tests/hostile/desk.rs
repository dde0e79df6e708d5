//! The client's documents, which are what the server's must be.
//!
//! Refuses: asking the server. What a document holds follows from what was sent, by the rules of the protocol alone.

use kit::{Dice, Encoding, TempWorkspace};
use serde_json::{Value, json};

use crate::books::Symbol;
use crate::text::{Change, columns, line_count, offset};

/// Texts grow to about this many bytes before they are replaced, unless they were opened huge.
const TEXT_BYTES_MAX: usize = 6_000;

/// How often a text is parsed until that ends in time; of some languages none ever is.
const PARSES_MAX: usize = 5;

/// What is typed and what files are made of. Every line that can trip somebody who counts: wide and combined characters,
/// all line breaks and what only looks like one, characters nobody sees.
const PIECES: [&str; 24] = [
    "",
    "x",
    "é",
    "e\u{301}\u{323}",
    "🦀",
    "👩\u{200d}👧\u{200d}👦",
    "漢字かな",
    "\u{202e}abc",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    "\u{2028}",
    "\u{85}",
    "\u{c}",
    "\u{0}",
    "\u{feff}",
    "\t    ",
    "def total(prices):\n    return sum(prices)\n",
    "class 漢字:\n    def é(self): pass\n",
    "s = \"🦀🦀\"; def_ = 1\n",
    "# 🦀 comment\r\n",
    "async def later(): pass\n",
    "fn main() {}\n",
];

/// One document, open or not.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) uri: String,
    /// What the server takes for its path.
    path: String,
    language: &'static str,
    pub(crate) text: String,
    pub(crate) version: i32,
    pub(crate) open: bool,
    /// Whether a version went backwards, so that the server may not trust its text.
    pub(crate) lost: bool,
    /// Whether a version was used twice, so that it does not tell which text is meant.
    repeated: bool,
}

/// All documents of one client.
pub(crate) struct Desk {
    pub(crate) documents: Vec<Document>,
    /// Versions never go back unless that is what is tried, also over closing and opening.
    versions: i32,
}

impl Desk {
    pub(crate) fn new(workspace: &TempWorkspace) -> Self {
        let file = |path: &str, language| {
            let path_text = workspace.path(path).to_string_lossy().into_owned();
            Document::new(workspace.uri(path), path_text, language)
        };
        let documents = vec![
            file("shop.py", "python"),
            file("deep/é 漢.py", "python"),
            file("main.rs", "rust"),
            file("notes.txt", "plaintext"),
            Document::new("untitled:Untitled-1".into(), "untitled:Untitled-1".into(), "python"),
            Document::new("not a uri".into(), "not a uri".into(), "plaintext"),
        ];
        Self { documents, versions: 0 }
    }

    fn version(&mut self, dice: &mut Dice) -> i32 {
        // Gaps are allowed.
        self.versions += 1 + if dice.once_in(5) { dice.roll(1000) as i32 } else { 0 };
        self.versions
    }

    /// Opens a document, anew if it is open already; the parameters of `didOpen`.
    pub(crate) fn open(&mut self, at: usize, text: String, dice: &mut Dice) -> Value {
        let version = self.version(dice);
        let document = &mut self.documents[at];
        (document.text, document.version, document.open) = (text, version, true);
        (document.lost, document.repeated) = (false, false);
        json!({ "textDocument": {
            "uri": document.uri, "languageId": document.language, "version": version, "text": document.text } })
    }

    /// Closes a document, whether it is open or not; the parameters of `didClose`.
    pub(crate) fn close(&mut self, at: usize) -> Value {
        self.documents[at].open = false;
        json!({ "textDocument": { "uri": self.documents[at].uri } })
    }

    /// Types into a document; the parameters of `didChange`. What is typed into a closed one is lost.
    pub(crate) fn change(&mut self, at: usize, dice: &mut Dice, encoding: Encoding) -> Value {
        let version = self.version(dice);
        let document = &self.documents[at];
        let mut preview = document.text.clone();
        let mut changes = Vec::new();
        for _ in 0..*dice.pick(&[1, 1, 1, 1, 2, 4]) {
            let change = if preview.len() > TEXT_BYTES_MAX && !document.is_huge() || dice.once_in(60) {
                Change { range: None, text: text(dice) }
            } else {
                Change { range: Some(range(&preview, dice)), text: typed(dice) }
            };
            change.apply(&mut preview, encoding);
            changes.push(change);
        }
        self.changed(at, version, &changes, encoding)
    }

    /// Names a version that went backwards, or was used already.
    pub(crate) fn change_badly(&mut self, at: usize, dice: &mut Dice, encoding: Encoding) -> Value {
        let now = self.documents[at].version;
        let version = now - *dice.pick(&[0, 1, 1_000]);
        let mut changes = vec![Change { range: Some(range(&self.documents[at].text, dice)), text: typed(dice) }];
        if dice.once_in(3) {
            changes.insert(dice.roll(2), Change { range: None, text: text(dice) });
        } else if dice.once_in(8) {
            changes.clear();
        }
        self.changed(at, version, &changes, encoding)
    }

    /// A change that nobody can read: the server must not go on as if nothing had been typed.
    pub(crate) fn change_unreadably(&mut self, at: usize, dice: &mut Dice) -> Value {
        let document = &mut self.documents[at];
        document.lost |= document.open;
        let far = json!({ "line": 4_294_967_296_u64, "character": 0 });
        let contents = [
            json!("all"),
            json!([{ "range": { "start": far, "end": far }, "text": "x" }]),
            json!([{ "text": 7 }]),
            json!([[]]),
            json!({}),
        ];
        let version = json!(self.versions);
        json!({
            "textDocument": { "uri": document.uri, "version": version },
            "contentChanges": dice.pick(&contents),
        })
    }

    /// Marks of a text that is still the client's lie within it.
    pub(crate) fn check_marks(&self, message: &Value, encoding: Encoding) {
        if message["method"] != "textDocument/publishDiagnostics" {
            return;
        }
        let params = &message["params"];
        let Some(document) = self.documents.iter().find(|document| params["uri"] == document.uri.as_str()) else {
            return;
        };
        if !document.is_known() || document.repeated || params["version"] != document.version {
            return;
        }
        for mark in params["diagnostics"].as_array().into_iter().flatten() {
            for place in [&mark["range"]["start"], &mark["range"]["end"]] {
                let line = place["line"].as_u64().and_then(|line| u32::try_from(line).ok()).expect("a line");
                let column = place["character"].as_u64().expect("a column");
                let text = document.lines(line, line + 1).trim_end_matches(['\n', '\r']);
                let within =
                    (line as usize) < line_count(&document.text) && column <= columns(text, encoding) as u64;
                assert!(within, "{place} is no place of {:?}", document.text);
            }
        }
    }

    fn changed(&mut self, at: usize, version: i32, changes: &[Change], encoding: Encoding) -> Value {
        let document = &mut self.documents[at];
        if document.open {
            document.take(version, changes, encoding);
        }
        let content: Vec<Value> = changes.iter().map(Change::json).collect();
        json!({ "textDocument": { "uri": document.uri, "version": version }, "contentChanges": content })
    }

    /// Applies an edit of the server and returns the change that tells it; `None` when it was made for another text.
    pub(crate) fn apply(&mut self, edit: &Value, encoding: Encoding) -> Option<Value> {
        let changes = edit["documentChanges"].as_array()?;
        let [change] = changes.as_slice() else { return None };
        let uri = change["textDocument"]["uri"].as_str()?;
        let at = self.documents.iter().position(|document| document.uri == uri);
        let at = at.unwrap_or_else(|| panic!("an edit of a document that nobody opened: {edit}"));
        let document = &self.documents[at];
        let version = change["textDocument"]["version"].as_i64();
        if !document.open || document.lost || document.repeated || version != Some(document.version.into()) {
            return None;
        }
        // The kit refuses positions that do not exist, so this is the proof that both sides have one text.
        let after = kit::lsp::apply_edit(&document.text, uri, version, edit, encoding);
        let edits = change["edits"].as_array()?;
        if edits.iter().all(|edit| edit["newText"].as_str().is_some_and(|text| text.contains(" changed "))) {
            assert_eq!(
                without_orders(&after),
                without_orders(&document.text),
                "more was changed than asked for: {edit}"
            );
        }
        let mut sequence: Vec<&Value> = edits.iter().collect();
        // All positions count in the text before the edit, so the last one goes first.
        sequence.sort_by_key(|edit| {
            std::cmp::Reverse((
                edit["range"]["start"]["line"].as_u64(),
                edit["range"]["start"]["character"].as_u64(),
            ))
        });
        let content: Vec<Value> =
            sequence.iter().map(|edit| json!({ "range": edit["range"], "text": edit["newText"] })).collect();
        self.versions += 1;
        let version = self.versions;
        let document = &mut self.documents[at];
        (document.text, document.version) = (after, version);
        Some(json!({ "textDocument": { "uri": document.uri, "version": version }, "contentChanges": content }))
    }
}

impl Document {
    fn new(uri: String, path: String, language: &'static str) -> Self {
        let (text, version) = (String::new(), 0);
        Self { uri, path, language, text, version, open: false, lost: false, repeated: false }
    }

    pub(crate) fn is_huge(&self) -> bool {
        self.text.len() > 1_000_000
    }

    /// Whether the server knows this text.
    pub(crate) fn is_known(&self) -> bool {
        self.open && !self.lost
    }

    fn take(&mut self, version: i32, changes: &[Change], encoding: Encoding) {
        let back = version < self.version;
        self.repeated |= version == self.version;
        if self.lost || back {
            let Some(full) = changes.iter().rposition(|change| change.range.is_none()) else {
                self.lost = true;
                return;
            };
            self.lost = false;
            self.repeated = true;
            changes[full..].iter().for_each(|change| change.apply(&mut self.text, encoding));
        } else {
            changes.iter().for_each(|change| change.apply(&mut self.text, encoding));
        }
        self.version = version;
    }

    /// The definitions of the text.
    pub(crate) fn symbols(&self, trees: bool, encoding: Encoding) -> Vec<Symbol> {
        // On a busy machine the time for parsing may run out.
        let parsed = (0..PARSES_MAX).find_map(|_| app::outline(&self.path, &self.text));
        let symbols = parsed.unwrap_or_default();
        let one = |symbol: app::OutlinedSymbol| {
            if !trees {
                return (symbol.name, u64::from(symbol.start_line) - 1, None);
            }
            let column = |byte: usize| columns(&symbol.line[..byte], encoding) as u64;
            let places = (column(symbol.name_bytes.0), column(symbol.name_bytes.1));
            (symbol.name, u64::from(symbol.name_line) - 1, Some(places))
        };
        symbols.into_iter().map(one).collect()
    }

    /// The lines from `first` up to `end`, from zero.
    pub(crate) fn lines(&self, first: u32, end: u32) -> &str {
        let at = |line| offset(&self.text, line, 0, Encoding::Utf8);
        &self.text[at(first)..at(end)]
    }
}

/// The text without the lines that the model put in, and without what nobody sees around lines: blanks at the ends, and
/// marks of the byte order, which answers do not keep.
fn without_orders(text: &str) -> Vec<&str> {
    let lines = text.split(['\n', '\r']).map(|line| line.trim_end().trim_start_matches('\u{feff}'));
    lines.filter(|line| !line.is_empty() && !line.contains(" changed ")).collect()
}

/// A small file.
pub(crate) fn text(dice: &mut Dice) -> String {
    let count = *dice.pick(&[0, 1, 5, 40]);
    let mut text: String = (0..count).map(|_| *dice.pick(&PIECES)).collect();
    for n in 0..dice.roll(4) {
        let ending = *dice.pick(&["\n", "\r\n", "\r"]);
        text.push_str(&format!("{ending}def f{n}(🦀, é): return \"漢\"{ending}"));
    }
    text
}

/// A file of ten megabytes.
pub(crate) fn huge_text(dice: &mut Dice) -> String {
    let lines = 200_000 + dice.roll(1_000);
    (0..lines).map(|n| format!("def function_{n}(é, value): return \"🦀\" + {n}\n")).collect()
}

fn typed(dice: &mut Dice) -> String {
    match dice.roll(40) {
        0 => "long ".repeat(200),
        1 => format!("def f{}(a): return a\n", dice.roll(1000)),
        _ => (*dice.pick(&PIECES)).to_owned(),
    }
}

/// A range in a text or outside of it, in any order.
fn range(text: &str, dice: &mut Dice) -> [u32; 4] {
    let lines = if text.len() > 1_000_000 { 200_000 } else { line_count(text) };
    let mut place = || {
        let line = match dice.roll(20) {
            0 => 2_147_483_647,
            1 => u32::MAX,
            _ => dice.roll(lines + 1) as u32,
        };
        let column = match dice.roll(20) {
            0 => u32::MAX,
            1..6 => 0,
            _ => dice.roll(40) as u32,
        };
        (line, column)
    };
    let (line, column) = place();
    let (end_line, end_column) = match place() {
        // Most typing happens at one place.
        (end_line, _) if end_line % 2 == 0 || lines > 100_000 => (line, column.saturating_add(end_line % 5)),
        other => other,
    };
    [line, column, end_line, end_column]
}
