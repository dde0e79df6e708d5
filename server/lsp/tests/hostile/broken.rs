//! Frames and messages that are wrong, each with the number of errors without id that must come back for it.
//!
//! Refuses: two broken stretches side by side, which the server may take for one. A whole message follows each.

use kit::Dice;
use kit::lsp::{HEADER_BYTES_MAX, frame};
use serde_json::{Value, json};

/// JSON deeper than this is refused by the parser.
const DEPTH_MAX: usize = 128;

/// Broken bytes, and how many errors without id they bring.
pub(crate) fn stretch(dice: &mut Dice) -> (Vec<u8>, usize) {
    let whole = json!({ "jsonrpc": "2.0", "method": "$/nothing", "params": { "é": "🦀" } }).to_string();
    let framed = |body: &[u8]| [format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat();
    let header = |header: &str| header.as_bytes().to_vec();
    match dice.roll(19) {
        0 => (framed(b"{}}"), 1),
        1 => (framed(b"\"\xff\xfe\""), 1),
        2 => (header("Content-Type: text\r\n\r\n"), 1),
        3 => {
            let length = *dice.pick(&["many", "-1", "", "1e3", "0x10", "99999999999999999999"]);
            (header(&format!("Content-Length: {length}\r\n\r\n")), 1)
        }
        4 => (vec![b'z'; 1 + dice.roll(3 * HEADER_BYTES_MAX)], 1),
        5 => ([0, 1, 200, 255, 13].repeat(1 + dice.roll(20)), 1),
        6 => (framed(&whole.as_bytes()[..whole.len() - 1 - dice.roll(whole.len() - 2)]), 1),
        // The length is too small: the rest of the body is in the way of the next header.
        7 => {
            let kept = 1 + dice.roll(whole.len() - 1);
            ([format!("Content-Length: {kept}\r\n\r\n").as_bytes(), whole.as_bytes()].concat(), 2)
        }
        8 => (framed((whole + *dice.pick(&["}", "x", " {}", "\u{0}"])).as_bytes()), 1),
        9 => (framed(b""), 0),
        10 => (header(&format!("X-Long: {}\r\n\r\n", "a".repeat(HEADER_BYTES_MAX + dice.roll(9_000)))), 1),
        11 => (header("Content-Length: 2\r\nContent-Length: 99\r\n\r\n[]"), 1),
        12 => (framed(b"   \r\n"), 1),
        13 => (framed(format!("\u{feff}{whole}").as_bytes()), 1),
        14 => {
            let body = *dice.pick(&["null", "7", "\"text\"", "[]", "[{}]", "{}", "{\"result\":1}"]);
            (framed(body.as_bytes()), 1)
        }
        15 => (framed(br#"{"jsonrpc":"2.0","method":"x","params":"\ud800"}"#), 1),
        16 => (framed(nested(DEPTH_MAX + dice.roll(100_000)).as_bytes()), 1),
        17 => (header("\r\n\r\n"), 1),
        _ => (framed(wrong_message(dice).to_string().as_bytes()), 1),
    }
}

/// A message that the broken bytes before it must not take along.
pub(crate) fn after() -> Vec<u8> {
    frame(&json!({ "jsonrpc": "2.0", "method": "$/afterwards" }))
}

/// JSON that is no message, or one whose id nobody could answer to.
fn wrong_message(dice: &mut Dice) -> Value {
    match dice.roll(6) {
        0 => json!({ "jsonrpc": "1.0", "method": "$/setTrace" }),
        1 => json!({ "method": "$/setTrace" }),
        2 => json!({ "jsonrpc": "2.0", "method": 1 }),
        3 => json!({ "jsonrpc": "2.0", "id": 1.5, "method": "familiar/status" }),
        4 => json!({ "jsonrpc": "2.0", "id": { "a": 1 }, "method": "familiar/status" }),
        _ => json!({ "jsonrpc": "2.0", "id": 18_446_744_073_709_551_615_u64, "method": "familiar/status" }),
    }
}

fn nested(depth: usize) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{}{}}}", "[".repeat(depth), "]".repeat(depth))
}

/// JSON as deep as the parser takes.
pub(crate) fn deep(dice: &mut Dice) -> Value {
    let depth = dice.roll(DEPTH_MAX - 10);
    (0..depth).fold(json!("🦀"), |inner, n| if n % 2 == 0 { json!([inner]) } else { json!({ "a": inner }) })
}

/// Parameters of the wrong form for anything.
pub(crate) fn wrong_params(dice: &mut Dice, uri: &str) -> Value {
    let at =
        |line: Value| json!({ "start": { "line": line, "character": 0 }, "end": { "line": 0, "character": 0 } });
    match dice.roll(14) {
        0 => Value::Null,
        1 => json!([]),
        2 => json!(7),
        3 => json!("text"),
        4 => json!({}),
        5 => json!({ "textDocument": {} }),
        6 => json!({ "textDocument": { "uri": 5 } }),
        7 => json!({ "textDocument": { "uri": uri }, "range": at(json!(-1)), "context": { "diagnostics": [] } }),
        8 => json!({ "textDocument": { "uri": uri }, "range": at(json!(4_294_967_296_u64)), "context": null }),
        9 => json!({ "textDocument": [uri], "position": "here" }),
        10 => json!({ "command": ["familiar.fix"], "arguments": {} }),
        11 => json!({ "query": { "deep": deep(dice) } }),
        12 => json!({ "event": { "added": "all" }, "changes": 1, "token": [] }),
        _ => deep(dice),
    }
}
