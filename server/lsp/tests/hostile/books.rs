//! What the server owes the client, and what it may send unasked.
//!
//! Refuses: a second answer, an answer nobody is waiting for, one that admits a defect, and anything the client neither
//! asked for nor said it takes.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use crate::reviewing;

/// JSON-RPC's code for a defect of the server.
const INTERNAL_ERROR: i64 = -32603;
/// LSP's code for a request that was taken back.
const REQUEST_CANCELLED: i64 = -32800;

/// Proposals kept to be named.
const PROPOSALS_MAX: usize = 16;

/// A definition: its name, its line, and its columns where the client takes trees.
pub(crate) type Symbol = (String, u64, Option<(u64, u64)>);

/// What the answer to a request must be.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// A result or any error but a defect.
    Anything,
    /// A result.
    Result,
    /// An error with this code.
    Code(i64),
    /// These definitions.
    Symbols(Vec<Symbol>),
}

#[derive(Debug)]
struct Owed {
    wanted: Wanted,
    what: String,
    cancelled: bool,
}

/// The books of one session.
pub(crate) struct Books {
    capabilities: Value,
    owed: HashMap<String, VecDeque<Owed>>,
    /// Errors without an id that must still come, one for each message that could not be read.
    unaddressed: usize,
    /// Progress by token: whether it was begun and not ended.
    progress: HashMap<String, bool>,
    /// The last marks of each document: the version that they are for, and the ranges.
    pub(crate) marks: HashMap<String, (Value, Vec<Value>)>,
    /// Proposals that were told of.
    pub(crate) proposals: Vec<String>,
    /// Answers compared in full.
    pub(crate) compared: usize,
    /// Answers of which one side has no definitions: its time for parsing ran out on a busy machine.
    pub(crate) unparsed: usize,
}

impl Books {
    pub(crate) fn new(capabilities: Value) -> Self {
        Self {
            capabilities,
            owed: HashMap::new(),
            unaddressed: 0,
            progress: HashMap::new(),
            marks: HashMap::new(),
            proposals: Vec::new(),
            compared: 0,
            unparsed: 0,
        }
    }

    /// A request goes out.
    pub(crate) fn owe(&mut self, id: &Value, what: &str, wanted: Wanted) {
        if id.is_null() {
            self.unaddressed += 1;
            return;
        }
        let owed = self.owed.entry(id.to_string()).or_default();
        owed.push_back(Owed { wanted, what: what.to_owned(), cancelled: false });
        // Which of two answers with one id belongs to which request is nobody's promise.
        if owed.len() > 1 {
            owed.iter_mut().for_each(|one| one.wanted = Wanted::Anything);
        }
    }

    /// Messages go out that cannot be read, each to be answered by an error without id.
    pub(crate) fn owe_unaddressed(&mut self, count: usize) {
        self.unaddressed += count;
    }

    /// The client takes a request back.
    pub(crate) fn cancelled(&mut self, id: &Value) {
        for owed in self.owed.get_mut(&id.to_string()).into_iter().flatten() {
            owed.cancelled = true;
        }
    }

    /// The client leaves with requests open, which is to take them all back.
    pub(crate) fn leaving(&mut self) {
        self.owed.values_mut().flatten().for_each(|owed| owed.cancelled = true);
    }

    /// The client agreed to a token, or gave one.
    pub(crate) fn token(&mut self, token: &Value) {
        self.progress.entry(token.to_string()).or_insert(false);
    }

    /// Whether everything that is owed has come.
    pub(crate) fn is_settled(&self) -> bool {
        self.owed.is_empty() && self.unaddressed == 0
    }

    /// What is still owed, for a failure.
    pub(crate) fn state(&self) -> String {
        format!("{} errors without id and {:?}", self.unaddressed, self.owed)
    }

    /// Progress that was begun and not ended.
    pub(crate) fn running_progress(&self) -> Vec<&String> {
        self.progress.iter().filter(|(_, running)| **running).map(|(token, _)| token).collect()
    }

    /// Books one message. Returns a request of the server: id, method, parameters.
    pub(crate) fn receive(&mut self, mut message: Value) -> Option<(Value, String, Value)> {
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        let Some(method) = message["method"].as_str().map(str::to_owned) else {
            self.answered(&message);
            return None;
        };
        assert!(self.may_send(&method), "nobody asked for this: {message}");
        let id = message.get("id").cloned();
        let params = message["params"].take();
        match method.as_str() {
            "$/progress" => self.progressed(&params),
            "textDocument/publishDiagnostics" => self.marked(&params),
            "window/showMessage" | "window/logMessage" => {
                assert!(!params["message"].as_str().unwrap_or_default().contains("defect"), "{params}");
            }
            _ => {}
        }
        id.map(|id| (id, method, params))
    }

    fn answered(&mut self, message: &Value) {
        let id = &message["id"];
        assert!(message.get("error").is_some() != message.get("result").is_some(), "{message}");
        let code = message.get("error").map(|error| error["code"].as_i64().expect("an error has a code"));
        assert_ne!(code, Some(INTERNAL_ERROR), "{message}");
        if id.is_null() {
            assert!(self.unaddressed > 0 && code.is_some(), "nothing unreadable was sent: {message}");
            self.unaddressed -= 1;
            return;
        }
        let key = id.to_string();
        let Some(owed) = self.owed.get_mut(&key) else {
            panic!("nobody waits for this answer: {message}");
        };
        let one = owed.pop_front().expect("empty ones are removed");
        if owed.is_empty() {
            self.owed.remove(&key);
        }
        if one.cancelled && code == Some(REQUEST_CANCELLED) {
            return;
        }
        let told = reviewing::proposals(&message["result"]).find(|id| !self.proposals.contains(id));
        if let Some(id) = told {
            if self.proposals.len() >= PROPOSALS_MAX {
                self.proposals.remove(0);
            }
            self.proposals.push(id);
        }
        match one.wanted {
            Wanted::Anything => {}
            Wanted::Result => assert_eq!(code, None, "{} was answered {message}", one.what),
            Wanted::Code(wanted) => assert_eq!(code, Some(wanted), "{} was answered {message}", one.what),
            Wanted::Symbols(wanted) => {
                assert_eq!(code, None, "{} was answered {message}", one.what);
                let mut seen = Vec::new();
                collect(&message["result"], &mut seen);
                if seen.is_empty() != wanted.is_empty() {
                    self.unparsed += 1;
                    return;
                }
                assert_eq!(seen, wanted, "the text is another one: {}", one.what);
                self.compared += 1;
            }
        }
    }

    fn marked(&mut self, params: &Value) {
        let uri = params["uri"].as_str().expect("marks are of a document").to_owned();
        let all = params["diagnostics"].as_array().expect("marks are a list");
        let ranges = all.iter().map(|mark| mark["range"].clone()).collect();
        self.marks.insert(uri, (params["version"].clone(), ranges));
    }

    /// Begin, reports, end, in this order, and only for tokens that both sides know.
    fn progressed(&mut self, params: &Value) {
        let Some(running) = self.progress.get_mut(&params["token"].to_string()) else {
            panic!("progress of an unknown token: {params}");
        };
        let kind = params["value"]["kind"].as_str().unwrap_or_default();
        assert_eq!(*running, kind != "begin", "{params}");
        *running = kind != "end";
    }

    /// Whether the client takes such a message without having asked.
    pub(crate) fn may_send(&self, method: &str) -> bool {
        let has =
            |pointer: &str| self.capabilities.pointer(pointer).is_some_and(|value| *value != Value::Bool(false));
        match method {
            "$/progress" | "window/showMessage" | "window/logMessage" => true,
            "window/workDoneProgress/create" => has("/window/workDoneProgress"),
            "window/showDocument" => has("/window/showDocument/support"),
            "window/showMessageRequest" => has("/window/showMessage"),
            "workspace/applyEdit" => has("/workspace/applyEdit"),
            "workspace/codeLens/refresh" => has("/workspace/codeLens/refreshSupport"),
            "textDocument/publishDiagnostics" => has("/textDocument/publishDiagnostics"),
            _ => false,
        }
    }
}

/// The definitions of an answer in order, from a tree or from a list.
fn collect(symbols: &Value, seen: &mut Vec<Symbol>) {
    for symbol in symbols.as_array().expect("symbols are a list") {
        let name = symbol["name"].as_str().expect("a symbol has a name").to_owned();
        let number = |value: &Value| value.as_u64().expect("a position is a number");
        if let Some(place) = symbol.get("selectionRange") {
            let columns = (number(&place["start"]["character"]), number(&place["end"]["character"]));
            seen.push((name, number(&place["start"]["line"]), Some(columns)));
            collect(&symbol["children"], seen);
        } else {
            seen.push((name, number(&symbol["location"]["range"]["start"]["line"]), None));
        }
    }
}
