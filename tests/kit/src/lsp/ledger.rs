//! The books of one conversation: what came, what was claimed, what is still owed, and the transcript.
//!
//! Refuses: input and output. The client feeds it messages and asks it questions.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use serde_json::Value;

/// Most unclaimed messages kept before the conversation counts as broken.
pub const BACKLOG_LEN_MAX: usize = 10_000;
/// Most lines of the transcript kept; older ones are dropped.
pub const TRANSCRIPT_LEN_MAX: usize = 400;

const LINE_CHARS_MAX: usize = 600;

/// Everything known about one conversation.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Notifications and requests of the server nobody claimed yet, in order.
    pub(super) inbox: VecDeque<Value>,
    /// Responses nobody claimed yet.
    pub(super) responses: BTreeMap<i64, Result<Value, Value>>,
    /// Our requests without a response.
    pub(super) open: BTreeMap<i64, String>,
    /// Our requests whose response may come or not.
    pub(super) abandoned: BTreeSet<i64>,
    /// Our requests that were answered.
    answered: BTreeSet<i64>,
    /// Requests of the server we have not answered, by the text of their id.
    pub(super) owed: HashSet<String>,
    /// Methods nobody cares about.
    pub(super) ignored: HashSet<String>,
    /// What the server did wrong.
    pub(super) faults: Vec<String>,
    /// Whether the server closed its side.
    pub(super) closed: bool,
    transcript: VecDeque<String>,
    dropped_lines: usize,
}

impl Ledger {
    /// Books one message of the server. Returns the id of an ignored request, which is to be answered `null`.
    pub(super) fn receive(&mut self, message: Value) -> Option<Value> {
        self.note("<-- ", &message.to_string());
        if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            self.fault(format!("a message that is not JSON-RPC 2.0: {message}"));
        }
        let method = message.get("method").and_then(Value::as_str).map(str::to_owned);
        match (method, message.get("id").cloned()) {
            (Some(method), id) => self.receive_call(message, &method, id),
            (None, Some(id)) => {
                self.receive_response(&message, &id);
                None
            }
            (None, None) => {
                self.fault(format!("a message with neither method nor id: {message}"));
                None
            }
        }
    }

    fn receive_call(&mut self, message: Value, method: &str, id: Option<Value>) -> Option<Value> {
        if let Some(id) = &id
            && !self.owed.insert(id.to_string())
        {
            self.fault(format!("two open requests of the server with the id {id}"));
        }
        if self.ignored.contains(method) {
            return id;
        }
        if self.inbox.len() >= BACKLOG_LEN_MAX {
            self.fault(format!("more than {BACKLOG_LEN_MAX} unclaimed messages"));
        } else {
            self.inbox.push_back(message);
        }
        None
    }

    fn receive_response(&mut self, message: &Value, id: &Value) {
        let result = match (message.get("result"), message.get("error")) {
            (Some(result), None) => Ok(result.clone()),
            (None, Some(error)) => Err(error.clone()),
            _ => {
                self.fault(format!("a response needs either a result or an error: {message}"));
                return;
            }
        };
        let known = id.as_i64();
        if let Some(id) = known.filter(|id| self.open.remove(id).is_some()) {
            self.answered.insert(id);
            if !self.abandoned.remove(&id) {
                self.responses.insert(id, result);
            }
        } else if known.is_some_and(|id| self.answered.contains(&id)) {
            self.fault(format!("request {id} was answered twice"));
        } else if id.is_null() && result.is_err() {
            // The answer to a message whose id could not be read; a test that sends one must claim it.
            self.inbox.push_back(message.clone());
        } else {
            self.fault(format!("an answer to a request never sent: {message}"));
        }
    }

    /// Books a message of ours.
    pub(super) fn sent(&mut self, text: &str) {
        self.note("--> ", text);
    }

    /// Books something the server did wrong.
    pub(super) fn fault(&mut self, fault: String) {
        self.note("!!! ", &fault);
        self.faults.push(fault);
    }

    /// Takes the first unclaimed message for which `wanted` holds.
    pub(super) fn claim(&mut self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        let at = self.inbox.iter().position(wanted)?;
        self.inbox.remove(at)
    }

    /// Everything that must not be there when a conversation ends.
    pub(super) fn leftovers(&self) -> Vec<String> {
        let unclaimed =
            self.inbox.iter().map(|message| format!("unclaimed message: {}", shorten(&message.to_string())));
        let responses =
            self.responses.iter().map(|(id, result)| format!("unclaimed response to {id}: {result:?}"));
        let open = self.open.iter().filter(|(id, _)| !self.abandoned.contains(id));
        let never = open.map(|(id, method)| format!("request {id} ({method}) was never answered"));
        self.faults.iter().cloned().chain(unclaimed).chain(responses).chain(never).collect()
    }

    /// The conversation so far, one message a line.
    pub(super) fn transcript(&self) -> String {
        let mut text = String::new();
        if self.dropped_lines > 0 {
            text.push_str(&format!("({} earlier lines dropped)\n", self.dropped_lines));
        }
        for line in &self.transcript {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    fn note(&mut self, prefix: &str, text: &str) {
        if self.transcript.len() == TRANSCRIPT_LEN_MAX {
            self.transcript.pop_front();
            self.dropped_lines += 1;
        }
        self.transcript.push_back(format!("{prefix}{}", shorten(text)));
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(LINE_CHARS_MAX) {
        Some((at, _)) => format!("{}... ({} bytes)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_flood_of_messages_is_a_fault() {
        let mut ledger = Ledger::default();
        for n in 0..BACKLOG_LEN_MAX {
            ledger.receive(json!({ "jsonrpc": "2.0", "method": "n", "params": n }));
        }
        assert!(ledger.faults.is_empty());
        ledger.receive(json!({ "jsonrpc": "2.0", "method": "n" }));
        assert_eq!((ledger.inbox.len(), ledger.faults.len()), (BACKLOG_LEN_MAX, 1));
    }
}
