//! What clients send: work as editors do it, with every kind of mischief in between.
//!
//! Refuses: mischief whose outcome nobody can tell. Each message goes out with what must come back for it.

use kit::lsp::frame;
use serde_json::{Value, json};

use crate::books::Wanted;
use crate::broken;
use crate::desk::text;
use crate::peer::Peer;
use crate::reviewing;
use crate::stage::{Act, Stage};
use crate::text::{line_count, lsp_range};

const INVALID_PARAMS: i64 = -32602;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const REQUEST_FAILED: i64 = -32803;

/// A text longer than most buffers.
const LONG_BYTES: usize = 200_000;

/// What changes the code it is given. Tests are added to it, so that an answer with the code doubles it.
const FEATURES: [&str; 4] = ["familiar.fix", "familiar.document", "familiar.optimise", "familiar.edit"];

/// Every method the server knows that takes parameters, requests first.
const REQUESTS: [&str; 4] =
    ["textDocument/codeAction", "textDocument/documentSymbol", "workspace/symbol", "workspace/executeCommand"];
const NOTIFICATIONS: [&str; 9] = [
    "textDocument/didOpen",
    "textDocument/didChange",
    "textDocument/didSave",
    "textDocument/didClose",
    "workspace/didChangeWatchedFiles",
    "workspace/didChangeWorkspaceFolders",
    "workspace/didChangeConfiguration",
    "window/workDoneProgress/cancel",
    "$/cancelRequest",
];

/// Sends one thing.
pub(crate) fn step(peer: &mut Peer, stage: &Stage, trees: bool) {
    let at = peer.dice.roll(peer.desk.documents.len());
    match peer.dice.roll(1000) {
        0..425 => type_into(peer, at),
        425..440 => reviewing::judge(peer, at),
        440..480 => open_or_close(peer, at),
        480..490 => misuse(peer, at),
        490..580 => symbols(peer, at, trees),
        580..640 => menu(peer, at),
        640..655 => edit(peer, stage, at),
        655..658 => explain(peer, at),
        658..690 => wrong_command(peer, at),
        690..700 => look(peer),
        700..750 => cancel(peer, at, trees),
        750..800 => unknown(peer),
        800..860 => wrong_types(peer, at),
        860..900 => broken_frame(peer),
        900..915 => long_or_deep(peer),
        915..940 => unasked_answer(peer),
        940..970 => quiet(peer),
        _ => same_id(peer, at, trees),
    }
}

fn type_into(peer: &mut Peer, at: usize) {
    if !peer.desk.documents[at].open && !peer.dice.once_in(10) {
        return open_or_close(peer, at);
    }
    let change = peer.desk.change(at, &mut peer.dice, peer.encoding);
    peer.notify("textDocument/didChange", change);
}

fn open_or_close(peer: &mut Peer, at: usize) {
    let is_open = peer.desk.documents[at].open;
    match peer.dice.roll(4) {
        0 if is_open => {
            let closed = peer.desk.close(at);
            peer.notify("textDocument/didClose", closed);
        }
        // A rename is a closing and an opening, also in the middle of a request.
        1 if is_open => {
            let to = (at + 1) % peer.desk.documents.len();
            let moved = peer.desk.documents[at].text.clone();
            let closed = peer.desk.close(at);
            peer.notify("textDocument/didClose", closed);
            let files = json!({ "files": [{ "oldUri": peer.desk.documents[at].uri, "newUri": peer.desk.documents[to].uri }] });
            peer.notify("workspace/didRenameFiles", files);
            let opened = peer.desk.open(to, moved, &mut peer.dice);
            peer.notify("textDocument/didOpen", opened);
        }
        2 if is_open => {
            let saved = json!({ "textDocument": { "uri": peer.desk.documents[at].uri } });
            peer.notify("textDocument/didSave", saved);
        }
        _ => {
            let text = text(&mut peer.dice);
            let opened = peer.desk.open(at, text, &mut peer.dice);
            peer.notify("textDocument/didOpen", opened);
        }
    }
}

/// Versions that go back or repeat, and documents that nobody opened.
fn misuse(peer: &mut Peer, at: usize) {
    match peer.dice.roll(4) {
        3 => {
            let change = peer.desk.change_unreadably(at, &mut peer.dice);
            peer.notify("textDocument/didChange", change);
        }
        0 => {
            let change = peer.desk.change_badly(at, &mut peer.dice, peer.encoding);
            peer.notify("textDocument/didChange", change);
        }
        1 => {
            let document = json!({ "uri": "file:///nowhere/x.py", "version": 7 });
            let change = json!({ "textDocument": document, "contentChanges": [{ "text": "x" }] });
            peer.notify("textDocument/didChange", change);
        }
        _ => {
            let method = *peer.dice.pick(&["textDocument/didSave", "textDocument/didClose"]);
            let uri = *peer.dice.pick(&["file:///nowhere/x.py", "", "%", "file://", "\u{0}", "file:///%ff%00"]);
            peer.notify(method, json!({ "textDocument": { "uri": uri } }));
        }
    }
}

/// The definitions tell what text the server has.
fn symbols(peer: &mut Peer, at: usize, trees: bool) {
    let (params, wanted) = asked_symbols(peer, at, trees);
    peer.request("textDocument/documentSymbol", params, wanted);
    if peer.dice.once_in(4) {
        // The answer is about the text as it was.
        open_or_close(peer, at);
    }
}

fn asked_symbols(peer: &Peer, at: usize, trees: bool) -> (Value, Wanted) {
    let document = &peer.desk.documents[at];
    let wanted = if document.is_known() {
        Wanted::Symbols(document.symbols(trees, peer.encoding))
    } else {
        Wanted::Code(REQUEST_FAILED)
    };
    (json!({ "textDocument": { "uri": document.uri } }), wanted)
}

fn menu(peer: &mut Peer, at: usize) {
    let range = lsp_range([peer.dice.roll(50) as u32, 0, peer.dice.roll(50) as u32, u32::MAX]);
    let message = *peer.dice.pick(&["", "no such name\nat all", "🦀", "\u{0}"]);
    let diagnostics: Vec<Value> =
        (0..peer.dice.roll(12)).map(|_| json!({ "range": range, "message": message })).collect();
    let only = [json!(null), json!([]), json!(["quickfix"]), json!(["refactor", ""]), json!(["é.漢"])];
    let mut context = json!({ "diagnostics": diagnostics });
    let only = peer.dice.pick(&only).clone();
    if !only.is_null() {
        context["only"] = only;
    }
    let uri = &peer.desk.documents[at].uri;
    let params = json!({ "textDocument": { "uri": uri }, "range": range, "context": context });
    peer.request("textDocument/codeAction", params, Wanted::Result);
}

/// Asks for an edit whose prompt must hold the text to the byte.
pub(crate) fn edit(peer: &mut Peer, stage: &Stage, at: usize) {
    let document = peer.desk.documents[at].clone();
    let lines = if document.is_huge() { 200_000 } else { line_count(&document.text) as u32 };
    let (first, count) = if document.is_huge() {
        (peer.dice.roll(lines as usize) as u32, 20)
    } else if peer.dice.once_in(3) {
        (peer.dice.roll(lines as usize) as u32, 1 + peer.dice.roll(9) as u32)
    } else {
        // To past the end.
        (0, lines + 3)
    };
    let code = document.lines(first, first + count).trim_end_matches(['\n', '\r']).to_owned();
    let act = match *peer.dice.pick(&Act::ALL) {
        Act::Change { .. } if document.uri.ends_with(".rs") => Act::Change { comment: "//" },
        act => act,
    };
    // Half of all edits are right ones. Without code the server takes the definition around, which nobody here knows.
    let act = match act {
        _ if code.is_empty() => Act::Nonsense,
        _ if peer.dice.once_in(2) => Act::Change { comment: "#" },
        act => act,
    };
    let instruction = stage.order(code, act);
    let by_lines = document.uri.starts_with("file:") && first < lines && peer.dice.once_in(3);
    let arguments = if by_lines {
        let path = path_in(&document.uri);
        let end = (first + count).min(lines);
        json!([first + 1, end.to_string(), path, instruction])
    } else {
        let range = lsp_range([first, 0, first + count, 0]);
        json!([{ "uri": document.uri, "range": range, "instruction": instruction }])
    };
    let doubles = !matches!(act, Act::Change { .. } | Act::Same) && peer.dice.once_in(5);
    let command = if doubles { "familiar.tests" } else { *peer.dice.pick(&FEATURES) };
    let mut params = json!({ "command": command, "arguments": arguments });
    if peer.dice.once_in(3) {
        let token = json!(format!("mine-{}", peer.sent));
        peer.books.token(&token);
        params["workDoneToken"] = token;
    }
    let id = peer.request("workspace/executeCommand", params, Wanted::Anything);
    match peer.dice.roll(12) {
        0 => take_back(peer, id),
        1 => open_or_close(peer, at),
        2..5 => type_into(peer, at),
        _ => {}
    }
}

/// Asks for an edit of a whole document that the model makes well.
pub(crate) fn calm_edit(peer: &mut Peer, stage: &Stage, at: usize) {
    let document = &peer.desk.documents[at];
    let lines = line_count(&document.text) as u32;
    let code = document.text.trim_end_matches(['\n', '\r']).to_owned();
    let instruction = stage.order(code, Act::Change { comment: "#" });
    let target = json!({ "uri": document.uri, "range": lsp_range([0, 0, lines, 0]), "instruction": instruction });
    let token = json!(format!("calm-{}", peer.sent));
    peer.books.token(&token);
    let params = json!({ "command": "familiar.edit", "arguments": [target], "workDoneToken": token });
    peer.request("workspace/executeCommand", params, Wanted::Result);
}

/// The path of a `file:` URI of these tests.
fn path_in(uri: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = uri.trim_start_matches("file://").bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let hex: String = rest.by_ref().take(2).map(char::from).collect();
        bytes.push(u8::from_str_radix(&hex, 16).expect("the kit encodes in hexadecimal"));
    }
    String::from_utf8(bytes).expect("paths of these tests are UTF-8")
}

fn explain(peer: &mut Peer, at: usize) {
    let uri = &peer.desk.documents[at].uri;
    let arguments = json!([{ "uri": uri, "range": lsp_range([0, 0, 3, 0]), "instruction": "why" }]);
    let params = json!({ "command": "familiar.explain", "arguments": arguments });
    peer.request("workspace/executeCommand", params, Wanted::Anything);
}

fn wrong_command(peer: &mut Peer, at: usize) {
    let uri = peer.desk.documents[at].uri.clone();
    let range = lsp_range([0, 0, u32::MAX, u32::MAX]);
    let (command, arguments, wanted) = match peer.dice.roll(8) {
        0 => ("familiar.paint", json!([]), Wanted::Code(INVALID_PARAMS)),
        1 => ("", json!([broken::deep(&mut peer.dice)]), Wanted::Code(INVALID_PARAMS)),
        2 => ("familiar.fix", json!([broken::deep(&mut peer.dice), null]), Wanted::Code(INVALID_PARAMS)),
        3 => ("familiar.edit", json!([{ "uri": uri, "range": range }]), Wanted::Code(INVALID_PARAMS)),
        4 => ("familiar.tests", json!([0, -1, "relative.py"]), Wanted::Code(INVALID_PARAMS)),
        5 => ("familiar.explain", json!([{ "uri": "", "range": range }]), Wanted::Code(INVALID_PARAMS)),
        6 => ("familiar.cancel", json!([broken::deep(&mut peer.dice), 1]), Wanted::Code(INVALID_PARAMS)),
        _ => ("familiar.cancel", json!(["familiar/999999"]), Wanted::Result),
    };
    peer.request("workspace/executeCommand", json!({ "command": command, "arguments": arguments }), wanted);
}

/// Requests that look at the whole.
fn look(peer: &mut Peer) {
    let query = (*peer.dice.pick(&["total", "f1", "", "漢", "a.b.c", "\u{0}"])).to_owned();
    match peer.dice.roll(4) {
        0 => peer.request("familiar/status", json!({ "any": [1] }), Wanted::Result),
        1 => peer.request("workspace/executeCommand", json!({ "command": "familiar.status" }), Wanted::Result),
        _ => peer.request("workspace/symbol", json!({ "query": query }), Wanted::Result),
    };
}

/// Takes back what runs, what ended, and what never was.
fn cancel(peer: &mut Peer, at: usize, trees: bool) {
    match peer.dice.roll(5) {
        0 => {
            let (params, wanted) = asked_symbols(peer, at, trees);
            let id = peer.request("textDocument/documentSymbol", params, wanted);
            take_back(peer, id);
        }
        1 => {
            let id = peer.request("workspace/symbol", json!({ "query": "f" }), Wanted::Result);
            take_back(peer, id);
        }
        2 if !peer.used.is_empty() => {
            let id = peer.dice.pick(&peer.used).clone();
            take_back(peer, id);
        }
        3 => {
            let params = json!({ "command": "familiar.cancel", "arguments": [] });
            peer.request("workspace/executeCommand", params, Wanted::Result);
        }
        _ => {
            let ids = [json!(987_654), json!("never"), json!(null), json!({}), json!(-1)];
            let id = peer.dice.pick(&ids).clone();
            peer.notify("$/cancelRequest", json!({ "id": id }));
        }
    }
}

fn take_back(peer: &mut Peer, id: Value) {
    peer.books.cancelled(&id);
    peer.notify("$/cancelRequest", json!({ "id": id }));
}

fn unknown(peer: &mut Peer) {
    let methods = ["textDocument/moniker", "no/such/method", "$/unknown", "", "🦀", "telemetry/event"];
    let method = *peer.dice.pick(&methods);
    let params = broken::deep(&mut peer.dice);
    if peer.dice.once_in(2) {
        peer.notify(method, params);
    } else {
        peer.request(method, params, Wanted::Code(METHOD_NOT_FOUND));
    }
}

fn wrong_types(peer: &mut Peer, at: usize) {
    // Never a document's own name: what is not understood about it would be lost.
    let uri = format!("{}.other", peer.desk.documents[at].uri);
    let params = broken::wrong_params(&mut peer.dice, &uri);
    match peer.dice.roll(4) {
        0 => {
            let method = *peer.dice.pick(&NOTIFICATIONS);
            peer.notify(method, params);
        }
        1 => {
            // A notification that asks for an answer.
            let method = *peer.dice.pick(&NOTIFICATIONS);
            peer.request(method, params, Wanted::Anything);
        }
        2 => {
            // A request that asks for none.
            let method = *peer.dice.pick(&REQUESTS);
            peer.notify(method, params);
        }
        _ => {
            let method = *peer.dice.pick(&REQUESTS);
            peer.request(method, params, Wanted::Anything);
        }
    }
}

fn broken_frame(peer: &mut Peer) {
    let (bytes, errors) = broken::stretch(&mut peer.dice);
    peer.books.owe_unaddressed(errors);
    peer.put_raw(&bytes);
    peer.put_raw(&broken::after());
    if peer.dice.once_in(3) {
        let id = json!(format!("wrong-{}", peer.sent));
        peer.books.owe(&id, "a method that is a number", Wanted::Code(INVALID_REQUEST));
        peer.put(&json!({ "jsonrpc": "2.0", "id": id, "method": 1 }));
    }
}

fn long_or_deep(peer: &mut Peer) {
    let long = (*peer.dice.pick(&["x", "é", "🦀", "\u{0}", "{", "\\"])).repeat(LONG_BYTES / 4);
    match peer.dice.roll(5) {
        0 => peer.notify("$/long", json!({ "long": long })),
        1 => {
            peer.request(&long, Value::Null, Wanted::Code(METHOD_NOT_FOUND));
        }
        2 => {
            let params = json!({ "command": long });
            peer.request("workspace/executeCommand", params, Wanted::Code(INVALID_PARAMS));
        }
        3 => {
            let params = json!({ "command": "familiar.fix", "arguments": [{ "uri": long, "range": long }] });
            peer.request("workspace/executeCommand", params, Wanted::Code(INVALID_PARAMS));
        }
        _ => {
            let arguments = json!([1, 2, format!("/{long}"), "why"]);
            let params = json!({ "command": "familiar.fix", "arguments": arguments });
            peer.request("workspace/executeCommand", params, Wanted::Code(REQUEST_FAILED));
        }
    }
}

/// Answers to what the server never asked.
fn unasked_answer(peer: &mut Peer) {
    let ids = [json!(0), json!(999_999), json!(-5), json!("one"), json!(null), json!(1.5), json!([])];
    let mut message = json!({ "jsonrpc": "2.0", "id": peer.dice.pick(&ids) });
    let values = [json!(null), json!({ "applied": true }), json!({ "code": 1, "message": "no" }), json!("x")];
    let field = *peer.dice.pick(&["result", "error"]);
    message[field] = peer.dice.pick(&values).clone();
    peer.put(&message);
}

/// Notifications that bring nothing back.
fn quiet(peer: &mut Peer) {
    match peer.dice.roll(5) {
        0 => {
            let settings = broken::deep(&mut peer.dice);
            peer.notify("workspace/didChangeConfiguration", json!({ "settings": settings }));
        }
        1 => peer.notify("$/setTrace", json!({ "value": "verbose" })),
        2 => {
            let tokens = [json!("familiar/1"), json!(3), json!("mine-7"), json!("")];
            let token = peer.dice.pick(&tokens).clone();
            peer.notify("window/workDoneProgress/cancel", json!({ "token": token }));
        }
        3 => {
            let uris = ["file:///nowhere", "", "untitled:x", "file:///%", "http://localhost/x"];
            let count = peer.dice.roll(50);
            let changes: Vec<Value> =
                (0..count).map(|_| json!({ "uri": peer.dice.pick(&uris), "type": 2 })).collect();
            peer.notify("workspace/didChangeWatchedFiles", json!({ "changes": changes }));
        }
        _ => {
            let folder = json!([{ "uri": "file:///nowhere/at/all", "name": "" }]);
            let event = json!({ "event": { "added": [], "removed": folder } });
            peer.notify("workspace/didChangeWorkspaceFolders", event);
        }
    }
}

/// Requests under an id that is in use, or was.
fn same_id(peer: &mut Peer, at: usize, trees: bool) {
    let (params, wanted) = asked_symbols(peer, at, trees);
    if peer.used.is_empty() || peer.dice.once_in(2) {
        let id = peer.request("textDocument/documentSymbol", params, wanted);
        peer.request_as(id.clone(), "familiar/status", Value::Null, Wanted::Anything);
        peer.request_as(id, "initialize", json!({ "capabilities": {} }), Wanted::Anything);
    } else {
        let id = peer.dice.pick(&peer.used).clone();
        peer.request_as(id, "textDocument/documentSymbol", params, wanted);
    }
}

/// A frame that ends in the middle.
pub(crate) fn half_a_frame(peer: &mut Peer) {
    let whole = frame(&json!({ "jsonrpc": "2.0", "id": 1, "method": "familiar/status", "params": {} }));
    let end = 1 + peer.dice.roll(whole.len() - 1);
    peer.put_raw(&whole[..end]);
}
