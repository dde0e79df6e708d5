//! Runs LSP scenarios written as Markdown against any server that a connector can reach: over an in-memory pipe in
//! the crate `lsp`, over the real binary in the integration tests. The language is explained in `README.md` beside it.
//!
//! Refuses: sleeping, and messages no step names. Every wait is for a message; whatever the server sends besides fails
//! the scenario, except reports of progress, whose number depends on speed.

#[path = "reviewing.rs"]
mod reviewing;

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use kit::lsp::{Id, apply_text_edits};
use kit::{Client, Encoding, Fixture, Profile, TempWorkspace};
use serde_json::{Value, json};

/// A scenario.
pub(crate) struct Script {
    /// The name of its file, without the extension.
    pub(crate) name: String,
    /// The editors it is played for.
    pub(crate) clients: Vec<Profile>,
    /// What the scripted model says, as a list of replies; `None` means that there is no model.
    pub(crate) replies: Option<Value>,
    fixture: String,
    blocks: Vec<Block>,
}

/// What a connector needs to know to start a server.
pub(crate) struct Setup<'a> {
    /// The workspace.
    pub(crate) root: &'a Path,
    /// What the scripted model says; `None` means that there is no model.
    pub(crate) replies: Option<&'a Value>,
}

/// A running server.
pub(crate) struct Connection {
    /// The client on its other end.
    pub(crate) client: Client,
    /// What must live as long as the server does.
    pub(crate) keep: Box<dyn Any + Send>,
}

enum Block {
    Steps(Vec<String>),
    Text(String, String),
    Disk(String, String),
    Document(String),
}

struct Open {
    text: String,
    version: i64,
    /// The text before the edit that was applied last.
    before: Option<String>,
}

struct Player {
    client: Client,
    workspace: TempWorkspace,
    encoding: Encoding,
    open: HashMap<String, Open>,
    requests: HashMap<String, Id>,
    tokens: HashMap<String, Value>,
    /// What progress said already when it began, because the work was faster than the client's consent.
    said_at_begin: HashMap<String, Value>,
    asked: Option<Value>,
    shown: String,
    shown_uri: String,
    /// The marks of each document, as the server told last.
    marks: HashMap<String, Vec<Value>>,
    over: bool,
    /// Whether an empty file has a line with its break, as Neovim sees it.
    ends_empty_files: bool,
    /// Whether the server's name stands before progress already, as in Helix.
    names_progress: bool,
}

impl Script {
    /// All scenarios of a folder, by name.
    ///
    /// # Panics
    /// When there is none or one cannot be read.
    pub(crate) fn all(folder: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
        paths.retain(|path| path.extension().is_some_and(|ext| ext == "md"));
        paths.retain(|path| path.file_stem().is_some_and(|stem| stem != "README"));
        paths.sort();
        assert!(!paths.is_empty(), "no scenario in {}", folder.display());
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Self {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let markdown = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self::parse(&name, &markdown)
    }

    /// Reads a scenario.
    ///
    /// # Panics
    /// When it is not one.
    pub(crate) fn parse(name: &str, markdown: &str) -> Self {
        let mut script = Self {
            name: name.to_owned(),
            clients: vec![Profile::neovim()],
            replies: None,
            fixture: String::new(),
            blocks: Vec::new(),
        };
        let mut lines = markdown.lines();
        while let Some(line) = lines.next() {
            if let Some(clients) = line.strip_prefix("Clients: ") {
                script.clients = clients.split(", ").map(|client| profile(client.trim_end_matches('.'))).collect();
            }
            let Some(info) = line.strip_prefix("```") else {
                continue;
            };
            let mut body = String::new();
            for line in lines.by_ref().take_while(|line| *line != "```") {
                body.push_str(line);
                body.push('\n');
            }
            match info.split_once(' ').unwrap_or((info, "")) {
                ("fixture", "crlf") => script.fixture = body.replace('\n', "\r\n").replace("\r\n//-", "\n//-"),
                ("fixture", "") => script.fixture = body,
                ("model", "") => {
                    let replies = serde_json::from_str(&body);
                    script.replies = Some(replies.unwrap_or_else(|e| panic!("{name}: the model's replies: {e}")));
                }
                ("steps", "") => script.blocks.push(Block::Steps(steps(&body))),
                ("disk", path) => script.blocks.push(Block::Disk(path.to_owned(), body)),
                ("text", path) => script.blocks.push(Block::Text(path.to_owned(), body)),
                ("document", "") => script.blocks.push(Block::Document(body)),
                _ => panic!("{name}: a block {info:?} has no meaning"),
            }
        }
        assert!(!script.blocks.is_empty(), "{name}: the scenario has no steps");
        script
    }

    /// Plays the scenario as the editor `profile` against the server that `connect` starts.
    ///
    /// # Panics
    /// When anything differs from what the scenario says.
    pub(crate) async fn play(&self, profile: &Profile, connect: impl AsyncFnOnce(Setup<'_>) -> Connection) {
        let workspace = TempWorkspace::new(&self.fixture);
        let setup = Setup { root: workspace.root(), replies: self.replies.as_ref() };
        let Connection { mut client, keep } = connect(setup).await;
        client.ignore("window/logMessage").await;
        // It says only that lenses should be asked for again, which a scenario does where it matters.
        client.ignore("workspace/codeLens/refresh").await;
        let capabilities = client.initialize_as(profile, &workspace.root_uri()).await;
        let mut player = Player {
            client,
            encoding: Encoding::chosen(&capabilities),
            workspace,
            open: HashMap::new(),
            requests: HashMap::new(),
            tokens: HashMap::new(),
            said_at_begin: HashMap::new(),
            asked: None,
            shown: String::new(),
            shown_uri: String::new(),
            marks: HashMap::new(),
            over: false,
            ends_empty_files: profile.name == "Neovim",
            names_progress: profile.name == "helix",
        };
        for block in &self.blocks {
            match block {
                Block::Steps(steps) => {
                    for step in steps {
                        player.step(step, &capabilities).await;
                    }
                }
                Block::Text(path, expected) => player.check_text(path, expected),
                Block::Disk(path, expected) => {
                    let path = player.workspace.path(path);
                    let text =
                        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                    assert_eq!(text, *expected, "the file {}", path.display());
                }
                Block::Document(expected) => check_lines(&player.shown, expected),
            }
        }
        // Marks are told again with every change; scenarios name those that matter.
        player.client.ignore("textDocument/publishDiagnostics").await;
        if player.over {
            player.client.finish().await;
        } else {
            player.client.shutdown().await;
        }
        drop(keep);
    }
}

impl Player {
    async fn step(&mut self, step: &str, capabilities: &Value) {
        let step = self.fill_in(step);
        let (label, words) = match step.split_once(": ") {
            Some((label, rest)) if label.chars().all(char::is_alphanumeric) => (label, rest),
            _ => ("", step.as_str()),
        };
        let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
        match verb {
            "open" | "save" | "close" | "replace" | "rewrite" => self.document_step(verb, rest).await,
            "undo" => self.undo(rest).await,
            "open-shown" => self.open_shown().await,
            "marks" => self.marks(&step, rest).await,
            "choose" => self.choose(&step, rest).await,
            "offers" => self.offers(&step, rest).await,
            "command" => {
                let (name, arguments) = word_and_values(rest);
                let params = json!({ "command": name, "arguments": arguments });
                self.request(label, "workspace/executeCommand", params).await;
            }
            "request" => {
                let (method, mut params) = word_and_values(rest);
                let params = params.pop().unwrap_or(Value::Null);
                self.request(label, &method, params).await;
            }
            "notify" => {
                let (method, mut params) = word_and_values(rest);
                self.client.notify(&method, params.pop().unwrap_or(Value::Null)).await;
            }
            "cancel" => self.client.cancel(self.requests[rest]).await,
            "answer" => {
                let result = self.client.response(self.requests[label]).await;
                let result = result.unwrap_or_else(|error| panic!("{step}: the answer is an error: {error}"));
                check_value(&step, &value(rest), &result);
            }
            "fail" => {
                let (code, message) = word_and_values(rest);
                let error = self.client.response(self.requests[label]).await;
                let error = error.expect_err("the request fails");
                check_value(&step, &json!({ "code": value(&code), "message": message[0] }), &error);
            }
            "capabilities" => check_value(&step, &value(rest), &capabilities["capabilities"]),
            "hangup" => {
                self.client.close().await;
                self.client.expect_closed().await;
                self.over = true;
            }
            "exit" => {
                self.client.notify("exit", Value::Null).await;
                self.client.expect_closed().await;
                self.over = true;
            }
            _ => self.server_step(&step, label, verb, rest).await,
        }
    }

    /// What the server does.
    async fn server_step(&mut self, step: &str, label: &str, verb: &str, rest: &str) {
        match verb {
            "expect" => {
                let (method, pattern) = word_and_values(rest);
                let params = self.client.expect_notification(&method).await;
                check_value(step, pattern.first().unwrap_or(&json!({})), &params);
            }
            "message" => {
                let (kind, text) = word_and_values(rest);
                let kind = ["", "error", "warning", "info"].iter().position(|name| *name == kind);
                let params = self.client.expect_notification("window/showMessage").await;
                check_value(step, &json!({ "type": kind, "message": text[0] }), &params);
            }
            "ask" => {
                let (method, pattern) = word_and_values(rest);
                let (id, params) = self.client.expect_request(&method).await;
                check_value(step, pattern.first().unwrap_or(&json!({})), &params);
                self.asked = Some(id);
            }
            "reply" => {
                let id = self.asked.take().expect("`ask` comes before `reply`");
                self.client.respond(id, value(rest)).await;
            }
            "reject" => {
                let (code, message) = word_and_values(rest);
                let id = self.asked.take().expect("`ask` comes before `reject`");
                let code = code.parse().expect("a code is a number");
                self.client.respond_error(id, code, message[0].as_str().unwrap_or_default()).await;
            }
            "progress" => self.progress_begins(step, label, rest).await,
            "reports" => self.progress_goes_on(label, rest).await,
            "done" => self.progress_ends(step, label, rest).await,
            "show" => {
                let (id, params) = self.client.expect_request("window/showDocument").await;
                check_value(step, &json!({ "external": false, "takeFocus": true }), &params);
                let uri = params["uri"].as_str().expect("a document has a uri");
                self.shown = std::fs::read_to_string(uri_path(uri)).expect("the document can be read");
                self.shown_uri = uri.to_owned();
                self.client.respond(id, json!({ "success": true })).await;
            }
            "apply" | "apply-first" | "apply-typing" | "decline-typing" | "lie" | "decline" => {
                self.edit_step(step, verb, rest).await;
            }
            _ => panic!("{step}: the step has no meaning"),
        }
    }

    async fn document_step(&mut self, verb: &str, rest: &str) {
        let (path, values) = word_and_values(rest);
        let uri = self.uri(&path);
        match verb {
            "open" => {
                let text = self.workspace.fixture().file(&path).text.clone();
                let language = match path.rsplit('.').next() {
                    Some("rs") => "rust",
                    Some("py") => "python",
                    _ => "plaintext",
                };
                let document = json!({ "uri": uri, "languageId": language, "version": 1, "text": text });
                self.client.notify("textDocument/didOpen", json!({ "textDocument": document })).await;
                self.open.insert(path, Open { text, version: 1, before: None });
            }
            "save" => {
                self.workspace.write(&path, &self.open[&path].text);
                self.client.notify("textDocument/didSave", json!({ "textDocument": { "uri": uri } })).await;
            }
            "close" => {
                self.open.remove(&path);
                self.client.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri } })).await;
            }
            "replace" => {
                let typed = self.typed(&path, &values);
                self.change(&path, json!([typed])).await;
            }
            _ => {
                let open = self.open.get_mut(&path).expect("the document is open");
                *open = Open { text: text_of(&values[0]).to_owned(), version: open.version + 1, before: None };
                let document = json!({ "uri": uri, "version": open.version });
                let changes = json!([{ "text": open.text }]);
                let params = json!({ "textDocument": document, "contentChanges": changes });
                self.client.notify("textDocument/didChange", params).await;
            }
        }
    }

    /// The edit that puts the second text in the place of the first.
    fn typed(&self, path: &str, values: &[Value]) -> Value {
        let (old, new) = (text_of(&values[0]), text_of(&values[1]));
        let marked = self.open[path].text.replacen(old, &format!("$0{old}$0"), 1);
        let range = Fixture::parse(&format!("//- /f\n{marked}")).mark().range(self.encoding);
        json!({ "range": range, "newText": new })
    }

    /// Changes a document as an editor does that applies `edits`, whose positions all count in the text before.
    async fn change(&mut self, path: &str, edits: Value) {
        let open = self.open.get_mut(path).expect("the document is open");
        open.text = apply_text_edits(&open.text, &edits, self.encoding);
        open.version += 1;
        // From the back, so that each position is right for the text its predecessor left.
        let mut changes: Vec<Value> = edits
            .as_array()
            .expect("edits are a list")
            .iter()
            .map(|edit| json!({ "range": edit["range"], "text": edit["newText"] }))
            .collect();
        let place = |change: &Value| {
            let start = &change["range"]["start"];
            (start["line"].as_u64(), start["character"].as_u64())
        };
        changes.sort_by_key(|change| std::cmp::Reverse(place(change)));
        let document = json!({ "uri": self.workspace.uri(path), "version": open.version });
        let params = json!({ "textDocument": document, "contentChanges": changes });
        self.client.notify("textDocument/didChange", params).await;
    }

    /// The URI of a file of the fixture, or of the document that was shown last.
    fn uri(&self, path: &str) -> String {
        if path == "shown" { self.shown_uri.clone() } else { self.workspace.uri(path) }
    }

    async fn edit_step(&mut self, step: &str, verb: &str, rest: &str) {
        let (id, mut params) = self.client.expect_request("workspace/applyEdit").await;
        match verb {
            "apply-first" => {
                let edit = &mut params["edit"];
                let asks = edit["changeAnnotations"]
                    .as_object()
                    .is_some_and(|all| all.values().all(|annotation| annotation["needsConfirmation"] == true));
                assert!(asks, "{step}: the editor is to ask: {edit}");
                edit["documentChanges"][0]["edits"].as_array_mut().expect("edits are a list").truncate(1);
                self.apply_all(step, &params["edit"]).await;
                self.client.respond(id, json!({ "applied": true })).await;
            }
            "apply-typing" => {
                let (path, values) = word_and_values(rest);
                let typed = self.typed(&path, &values);
                let mut edits = params["edit"]["documentChanges"][0]["edits"].take();
                edits.as_array_mut().expect("edits are a list").push(typed);
                self.change(&path, edits).await;
                self.client.respond(id, json!({ "applied": true })).await;
            }
            "decline-typing" => {
                let (path, values) = word_and_values(rest);
                let typed = self.typed(&path, &values);
                self.change(&path, json!([typed])).await;
                let why = "the document has changed";
                self.client.respond(id, json!({ "applied": false, "failureReason": why })).await;
            }
            "apply" => {
                self.apply_all(step, &params["edit"]).await;
                self.client.respond(id, json!({ "applied": true })).await;
            }
            "lie" => self.client.respond(id, json!({ "applied": true })).await,
            _ => {
                let answer = json!({ "applied": false, "failureReason": value(rest) });
                self.client.respond(id, answer).await;
            }
        }
    }

    async fn progress_begins(&mut self, step: &str, label: &str, rest: &str) {
        let (id, params) = self.client.expect_request("window/workDoneProgress/create").await;
        self.client.respond(id, Value::Null).await;
        let token = params["token"].clone();
        let begin = self.client.expect_notification_where("$/progress", |params| params["token"] == token).await;
        let title = value(rest);
        let own = text_of(&title).strip_prefix("Familiar: ").filter(|_| self.names_progress);
        let expected = json!({ "kind": "begin", "title": own.unwrap_or(text_of(&title)), "cancellable": true });
        check_value(step, &expected, &begin["value"]);
        self.said_at_begin.insert(label.to_owned(), begin["value"]["message"].clone());
        self.tokens.insert(label.to_owned(), token);
    }

    /// Waits for a report that fits; those before it are let go.
    async fn progress_goes_on(&mut self, label: &str, rest: &str) {
        let (token, wanted) = (self.tokens[label].clone(), value(rest));
        if self.said_at_begin.remove(label).is_some_and(|said| compare(&wanted, &said).is_ok()) {
            return;
        }
        loop {
            let params =
                self.client.expect_notification_where("$/progress", |params| params["token"] == token).await;
            assert_eq!(params["value"]["kind"], "report", "{wanted} is reported before the end: {params}");
            if compare(&wanted, &params["value"]["message"]).is_ok() {
                return;
            }
        }
    }

    async fn progress_ends(&mut self, step: &str, label: &str, rest: &str) {
        let token = self.tokens[label].clone();
        loop {
            let params =
                self.client.expect_notification_where("$/progress", |params| params["token"] == token).await;
            if params["value"]["kind"] != "report" {
                let expected = json!({ "kind": "end", "message": value(rest) });
                return check_value(step, &expected, &params["value"]);
            }
        }
    }

    async fn request(&mut self, label: &str, method: &str, params: Value) {
        let id = self.client.send_request(method, params).await;
        self.requests.insert(label.to_owned(), id);
    }

    fn check_text(&self, path: &str, expected: &str) {
        let text = &self.open.get(path).unwrap_or_else(|| panic!("{path} is not open")).text;
        assert_eq!(text.replace("\r\n", "\n"), expected, "the text of {path}");
        let breaks = text.matches('\n').count();
        let crlf = text.matches("\r\n").count();
        assert!(crlf == 0 || crlf == breaks, "{path} has line breaks of two kinds: {text:?}");
    }

    /// Replaces `${...}`; see the README for the names.
    fn fill_in(&self, step: &str) -> String {
        let mut filled = String::new();
        let mut rest = step;
        while let Some((before, name)) = rest.split_once("${") {
            let (name, after) = name.split_once('}').unwrap_or_else(|| panic!("{step}: a name has no end"));
            filled.push_str(before);
            filled.push_str(&match name.split_once(' ').unwrap_or((name, "")) {
                ("uri", path) => self.workspace.uri(path),
                ("path", path) => self.workspace.path(path).display().to_string(),
                ("root", "") => self.workspace.root().display().to_string(),
                ("range", "") => self.workspace.fixture().mark().range(self.encoding).to_string(),
                ("cursor", "") => {
                    let range = self.workspace.fixture().mark().range(self.encoding);
                    json!({ "start": range["start"], "end": range["start"] }).to_string()
                }
                ("token", label) => self.tokens[label].to_string(),
                _ => panic!("{step}: ${{{name}}} has no meaning"),
            });
            rest = after;
        }
        filled + rest
    }
}

fn profile(name: &str) -> Profile {
    match name {
        "vscode" => Profile::vscode(),
        "neovim" => Profile::neovim(),
        "helix" => Profile::helix(),
        other => panic!("no client is called {other}"),
    }
}

/// One step a line; a line that begins with a space belongs to the step before.
fn steps(body: &str) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for line in body.lines().filter(|line| !line.trim().is_empty()) {
        match steps.last_mut() {
            Some(last) if line.starts_with(' ') => {
                last.push(' ');
                last.push_str(line.trim());
            }
            _ => steps.push(line.to_owned()),
        }
    }
    steps
}

/// A word, then any number of JSON values.
fn word_and_values(text: &str) -> (String, Vec<Value>) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let values = serde_json::Deserializer::from_str(rest).into_iter();
    (word.to_owned(), values.map(|value| value.unwrap_or_else(|e| panic!("{text}: {e}"))).collect())
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{text:?} is not JSON: {e}"))
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text is wanted, not {value}"))
}

fn uri_path(uri: &str) -> PathBuf {
    let path = uri.strip_prefix("file://").unwrap_or_else(|| panic!("{uri} is no file"));
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(String::from_utf8(bytes).expect("the path is UTF-8"))
}

/// Panics unless `actual` is what `expected` describes.
#[track_caller]
fn check_value(step: &str, expected: &Value, actual: &Value) {
    if let Err(difference) = compare(expected, actual) {
        panic!("{step}\n  {difference}\n  in {actual}");
    }
}

/// Objects may hold more than expected; `...` in a text stands for any text.
fn compare(expected: &Value, actual: &Value) -> Result<(), String> {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            let actual: BTreeMap<&String, &Value> = actual.iter().collect();
            expected.iter().try_for_each(|(key, value)| {
                let found = actual.get(key).copied().unwrap_or(&Value::Null);
                compare(value, found).map_err(|difference| format!("{key}: {difference}"))
            })
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            expected.iter().zip(actual).try_for_each(|(expected, actual)| compare(expected, actual))
        }
        (Value::String(pattern), Value::String(text)) if fits(pattern, text) => Ok(()),
        _ if expected == actual => Ok(()),
        _ => Err(format!("expected {expected}, found {actual}")),
    }
}

/// Each line of `expected` must stand in `text`, in this order, with anything between lines that are `...`.
#[track_caller]
fn check_lines(text: &str, expected: &str) {
    let pattern = expected.trim_end().lines().collect::<Vec<_>>().join("\n");
    assert!(fits(&pattern, text.trim_end()), "expected\n{expected}\nfound\n{text}");
}

fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split("...");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(part) = last.replace(part) {
            match rest.split_once(part) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
    }
    last.map_or(rest.is_empty(), |last: &str| rest.ends_with(last))
}
