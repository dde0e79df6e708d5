//! What clients send about changes that wait to be judged, rightly and not, and what their texts must be then.
//!
//! Refuses: asking for an edit again. What the model is told then depends on what was typed meanwhile, which nobody here
//! knows.

use serde_json::{Value, json};

use crate::books::Wanted;
use crate::broken;
use crate::peer::Peer;
use crate::stage::Stage;
use crate::traffic;

/// What can be done about changes, and what tells of them.
const COMMANDS: [&str; 8] = [
    "familiar.keep",
    "familiar.revert",
    "familiar.alternative",
    "familiar.accept",
    "familiar.reject",
    "familiar.takeBack",
    "familiar.showProposal",
    "familiar.history",
];

/// Judges something, at any time.
pub(crate) fn judge(peer: &mut Peer, at: usize) {
    let command = *peer.dice.pick(&COMMANDS);
    let uri = peer.desk.documents[at].uri.clone();
    let position = json!({ "line": peer.dice.roll(40), "character": 0 });
    let known = if peer.books.proposals.is_empty() {
        "0000".to_owned()
    } else {
        peer.dice.pick(&peer.books.proposals).clone()
    };
    let argument = match peer.dice.roll(9) {
        0 => json!({}),
        1 => json!({ "uri": "file:///nowhere/x.py" }),
        2 => json!({ "proposal": "\u{0}", "change": u64::MAX }),
        3 => broken::deep(&mut peer.dice),
        4 => json!({ "uri": uri, "position": position }),
        5 | 6 => json!({ "proposal": known, "file": 0, "change": peer.dice.roll(3) }),
        _ => json!({ "uri": uri }),
    };
    let arguments = if peer.dice.once_in(12) { json!([argument, 1]) } else { json!([argument]) };
    let params = json!({ "command": command, "arguments": arguments });
    peer.request("workspace/executeCommand", params, Wanted::Anything);
    // So that there are proposals to name.
    let params = json!({ "command": "familiar.history", "arguments": [{ "uri": uri }] });
    peer.request("workspace/executeCommand", params, Wanted::Result);
}

/// An edit that nobody disturbs is marked where it is, and taking it back gives the very text there was.
pub(crate) async fn edit_and_judge(peer: &mut Peer, stage: &Stage, at: usize) {
    let before = peer.desk.documents[at].text.clone();
    let applied = peer.applied;
    traffic::calm_edit(peer, stage, at);
    peer.settle().await;
    peer.rest().await;
    if peer.applied == applied {
        // There was nothing in it that could be changed.
        return;
    }
    let uri = peer.desk.documents[at].uri.clone();
    if peer.books.may_send("textDocument/publishDiagnostics") {
        let marked = peer.marks_of(at).await;
        assert!(!marked.is_empty(), "an edit is in the text and not marked");
        for lines in marked {
            assert!(lines.contains(" changed "), "the mark of {uri} is at {lines:?}");
        }
    }
    let word = |command: &str| json!({ "command": command, "arguments": [{ "uri": uri }] });
    if peer.dice.once_in(3) {
        peer.request("workspace/executeCommand", word("familiar.keep"), Wanted::Result);
        peer.settle().await;
    } else {
        let applied = peer.applied;
        peer.request("workspace/executeCommand", word("familiar.revert"), Wanted::Result);
        peer.until_applied(applied + 1).await;
        assert_eq!(peer.desk.documents[at].text, before, "what was taken back is another text than before");
    }
    // Nothing waits any more, so nothing may change.
    let now = peer.desk.documents[at].text.clone();
    peer.request("workspace/executeCommand", word("familiar.revert"), Wanted::Result);
    peer.settle().await;
    assert_eq!(peer.desk.documents[at].text, now);
}

/// The ids of proposals in an answer to `familiar.history`.
pub(crate) fn proposals(result: &Value) -> impl Iterator<Item = String> + '_ {
    let entries = result.as_array().into_iter().flatten();
    entries.filter_map(|entry| Some(entry.get("proposal")?.as_str()?.to_owned()))
}
