//! Changes of a kept proposal become one edit of the workspace: accepted into the files, or taken back out of them, found
//! by their text wherever it has moved to.
//!
//! Refuses: a part of what was asked. When one of the changes no longer has its place, nothing is sent, and the user
//! reads which one and why.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use app::{ChangeState, Proposal, ProposedChange, ProposedFile};
use engine::{Block, Lost, Review, Side};
use serde_json::{Value, json};
use text::{Document, Edit, PositionEncoding, Rope, TextEdit};

use super::delivery::{Target, same_but_for_its_end};
use super::work::{JobEvent, defect};
use crate::documents::lsp_range_of;
use crate::review::Accepted;
use crate::uris::uri_of;

/// Files larger than this are not changed on behalf of a proposal, in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The name of the annotation that makes a client ask before it applies an edit.
pub(crate) const ANNOTATION: &str = "familiar";

/// What is to become of changes of a proposal.
pub(crate) struct Judging {
    /// The proposal.
    pub(crate) proposal: Proposal,
    /// Its changes, by file and number.
    pub(crate) changes: Vec<(usize, usize)>,
    /// [`Side::Old`] is looked for to accept a change, [`Side::New`] to take it back.
    pub(crate) side: Side,
    /// The open documents by their place: path, or URI of what is no file.
    pub(crate) open: BTreeMap<String, Document>,
    /// The places of open documents whose text is not known for sure.
    pub(crate) lost: BTreeSet<String>,
    /// The client's columns.
    pub(crate) encoding: PositionEncoding,
    /// Whether the client creates, renames and deletes files.
    pub(crate) makes_files: bool,
    /// Whether the client ends a new file with a line break of its own.
    pub(crate) ends_new_files: bool,
    /// Whether the client lets the user choose among the changes before it applies them.
    pub(crate) lets_choose: bool,
}

/// An edit of the workspace that can be sent.
pub(crate) struct Judged {
    /// The proposal.
    pub(crate) proposal: Proposal,
    /// Its changes.
    pub(crate) changes: Vec<(usize, usize)>,
    /// What they become.
    pub(crate) state: ChangeState,
    /// The `documentChanges` of the edit.
    pub(crate) operations: Vec<Value>,
    /// The documents that it changes.
    pub(crate) targets: Vec<Target>,
    /// Files that it makes or takes away.
    pub(crate) files: Vec<(PathBuf, bool)>,
    /// The revisions of open documents that it was made for.
    pub(crate) revisions: Vec<(String, u64)>,
    /// Whether the user may take over a part of it.
    pub(crate) lets_choose: bool,
    /// What is followed of the accepted changes once they are in, by the URI of the document.
    pub(crate) accepted: Vec<(String, Accepted)>,
}

/// Works out the edit. Reads files that are not open.
pub(crate) async fn judge(what: Judging) -> JobEvent {
    match tokio::task::spawn_blocking(move || judged(what)).await {
        Ok(Ok(judged)) => JobEvent::Judged(Box::new(judged)),
        Ok(Err(why)) => JobEvent::Refused(why),
        Err(_) => defect(),
    }
}

fn judged(what: Judging) -> Result<Judged, String> {
    let Judging { proposal, changes, side, open, lost, encoding, makes_files, ends_new_files, lets_choose } = what;
    let mut made = Judged {
        state: if side == Side::Old { ChangeState::Kept } else { ChangeState::Reverted },
        operations: Vec::new(),
        targets: Vec::new(),
        files: Vec::new(),
        revisions: Vec::new(),
        changes,
        proposal,
        lets_choose,
        accepted: Vec::new(),
    };
    let by_file = |number: usize| -> Vec<usize> {
        made.changes.iter().filter(|(file, _)| *file == number).map(|(_, change)| *change).collect()
    };
    let files: Vec<(ProposedFile, Vec<usize>)> =
        (0..).zip(&made.proposal.said.files).map(|(number, file)| (file.clone(), by_file(number))).collect();
    let numbered: Vec<_> = (0..).zip(&files).collect();
    // What was renamed last has its old name back first.
    let order: Vec<_> = if side == Side::Old { numbered } else { numbered.into_iter().rev().collect() };
    for (number, (file, numbers)) in order.into_iter().filter(|(_, (_, numbers))| !numbers.is_empty()) {
        if !matches!(file.change, ProposedChange::Edit { .. }) && !makes_files {
            return Err(format!("this editor does not create, rename or delete files for us ({})", file.name));
        }
        let places = [file.place.as_str(), place_now(&made.proposal, file)];
        if places.into_iter().any(|place| lost.contains(place)) {
            return Err(format!("the text of {} is not known for sure; close and reopen it", file.name));
        }
        match &file.change {
            ProposedChange::Edit { .. } => {
                let place = place_now(&made.proposal, file).to_owned();
                let now = Now { open: open.get(&place), renamed_back: is_renamed_back(&files, file, side), place };
                edit(&mut made, (number, file), numbers, side, &now, encoding)?;
            }
            ProposedChange::Create { text } if side == Side::Old => {
                create(&mut made, &open, &file.place, text, ends_new_files)?;
            }
            ProposedChange::Create { text } => {
                if !same_but_for_its_end(&text_of(&file.place, open.get(&file.place))?, text) {
                    return Err(format!("{} was changed since it was made; delete it yourself", file.name));
                }
                delete(&mut made, &file.place)?;
            }
            ProposedChange::Rename { to } if side == Side::Old => rename(&mut made, &open, &file.place, to)?,
            ProposedChange::Rename { to } => rename(&mut made, &open, to, &file.place)?,
            ProposedChange::Delete { text } if side == Side::Old => {
                if let Some(text) = text
                    && text_of(&file.place, open.get(&file.place))? != *text
                {
                    return Err(format!("{} was changed since this was proposed; delete it yourself", file.name));
                }
                delete(&mut made, &file.place)?;
            }
            ProposedChange::Delete { text: Some(text) } => {
                create(&mut made, &open, &file.place, text, ends_new_files)?;
            }
            ProposedChange::Delete { text: None } => {
                return Err(format!(
                    "{} was too large to be kept; bring it back from your own history",
                    file.name
                ));
            }
        }
    }
    if made.operations.is_empty() {
        return Err("there is nothing to change".into());
    }
    if made.lets_choose {
        made.operations.iter_mut().for_each(annotate);
    }
    Ok(made)
}

/// Has the client ask before it carries out an operation. All of them say so: one that does not would be carried out
/// before the user ticks anything, and a deletion is the last that should.
fn annotate(operation: &mut Value) {
    match operation.get_mut("edits").and_then(Value::as_array_mut) {
        Some(edits) => edits.iter_mut().for_each(|edit| edit["annotationId"] = ANNOTATION.into()),
        None => operation["annotationId"] = ANNOTATION.into(),
    }
}

/// Where a file that is to be edited is now.
struct Now<'a> {
    /// Its path, or the URI of what is no file.
    place: String,
    /// The document, where it is open.
    open: Option<&'a Document>,
    /// Whether it has its old name back before it is edited.
    renamed_back: bool,
}

/// Where the file of a change lies: a rename of the same proposal that was accepted has put it elsewhere.
fn place_now<'a>(proposal: &'a Proposal, file: &'a ProposedFile) -> &'a str {
    let renamed = proposal.said.files.iter().find_map(|other| match &other.change {
        ProposedChange::Rename { to } if other.place == file.place => {
            other.states.contains(&ChangeState::Kept).then_some(to.as_str())
        }
        _ => None,
    });
    renamed.unwrap_or(&file.place)
}

/// Whether the file of a change gets its old name back together with it.
fn is_renamed_back(files: &[(ProposedFile, Vec<usize>)], file: &ProposedFile, side: Side) -> bool {
    side == Side::New
        && files.iter().any(|(other, numbers)| {
            matches!(other.change, ProposedChange::Rename { .. })
                && other.place == file.place
                && !numbers.is_empty()
        })
}

fn text_of(place: &str, open: Option<&Document>) -> Result<String, String> {
    open.map_or_else(|| read(place), |document| Ok(document.rope().to_string()))
}

fn edit(
    made: &mut Judged,
    (file_number, file): (usize, &ProposedFile),
    numbers: &[usize],
    side: Side,
    now: &Now<'_>,
    encoding: PositionEncoding,
) -> Result<(), String> {
    let open = now.open;
    let text = text_of(&now.place, open)?;
    let rope = open.map_or_else(|| Rope::from_str(&text), |document| document.rope().clone());
    let other = if side == Side::Old { Side::New } else { Side::Old };
    let blocks = file.blocks();
    let mut parts = Vec::with_capacity(numbers.len());
    let mut found = Vec::with_capacity(numbers.len());
    for number in numbers {
        let Some(block) = blocks.get(*number) else { continue };
        let why = |lost| {
            let what = match lost {
                Lost::Gone => "its lines are no longer there",
                Lost::Ambiguous => "its lines are there more than once",
            };
            format!("change {} of {}: {what}", number + 1, file.name)
        };
        let bytes = block.find(&text, side).map_err(why)?;
        parts.push(TextEdit::new(bytes.start, bytes.end, block.text(other)));
        found.push((*number, bytes));
    }
    let misfit = |_| format!("the changes of {} no longer fit", file.name);
    let edit = Edit::new(parts).map_err(misfit)?;
    let expected = edit.apply(&rope).map_err(misfit)?;
    let changes = edit.to_changes(&rope, encoding).map_err(misfit)?;
    // The name that it has when its turn comes.
    let named = open.filter(|_| !now.renamed_back).map(|document| document.uri().to_owned());
    let place = if now.renamed_back { &file.place } else { &now.place };
    let uri = named.or_else(|| uri_of(Path::new(place)));
    let uri = uri.ok_or_else(|| format!("{} is not open; open it in the editor first", file.name))?;
    let version = open.filter(|_| !now.renamed_back).map_or(Value::Null, |document| document.version().into());
    let edits = edits_of(&changes);
    made.operations.push(json!({ "textDocument": { "uri": uri, "version": version }, "edits": edits }));
    if let Some(document) = open {
        made.revisions.push((document.uri().to_owned(), document.revision()));
    }
    let before = open.filter(|_| !now.renamed_back).cloned();
    if side == Side::Old {
        let review = accepted_in(&rope, blocks, found);
        let accepted = Accepted { proposal: made.proposal.id.clone(), file: file_number, review };
        made.accepted.push((uri.clone(), accepted));
    }
    made.targets.push(Target { uri, before, expected, creates: false, landed: false });
    Ok(())
}

/// The changes of a file in the text with them; `found` are the bytes of their lines in `base`, the one without.
fn accepted_in(base: &Rope, blocks: &[Block], mut found: Vec<(usize, Range<usize>)>) -> Review {
    found.sort_by_key(|(_, bytes)| (bytes.start, bytes.end));
    let (mut blocks, mut places) = (blocks.to_vec(), vec![None; blocks.len()]);
    let (mut removed, mut added) = (0, 0);
    for (number, bytes) in found {
        let block = &mut blocks[number];
        // The lines may have moved since they were proposed.
        block.old_line = base.byte_to_line(bytes.start);
        let start = bytes.start - removed + added;
        places[number] = Some(start..start + block.new_text.len());
        removed += bytes.len();
        added += block.new_text.len();
    }
    Review::placed(base.clone(), blocks, places)
}

/// Which of these changes of a proposal are in the texts and the folders now. Reads files that are not open.
pub(crate) fn changes_in(
    proposal: &Proposal,
    changes: &[(usize, usize)],
    open: &BTreeMap<String, Document>,
) -> Vec<(usize, usize)> {
    let is_in = |(file, number): &&(usize, usize)| {
        let Some(file) = proposal.said.files.get(*file) else { return false };
        let text = |place: &str| text_of(place, open.get(place)).unwrap_or_default();
        match &file.change {
            ProposedChange::Edit { blocks } => {
                // The user may have chosen to rename the file as well.
                let renamed = proposal.said.files.iter().find_map(|other| match &other.change {
                    ProposedChange::Rename { to } if other.place == file.place => Some(to),
                    _ => None,
                });
                let text = text(renamed.filter(|to| is_renamed(&file.place, to)).unwrap_or(&file.place));
                blocks.get(*number).is_some_and(|block| {
                    block.find(&text, Side::New).is_ok() && block.find(&text, Side::Old).is_err()
                })
            }
            ProposedChange::Create { text: made } => {
                is_there(&file.place) && same_but_for_its_end(&text(&file.place), made)
            }
            ProposedChange::Rename { to } => is_renamed(&file.place, to),
            ProposedChange::Delete { .. } => !is_there(&file.place),
        }
    };
    changes.iter().filter(is_in).copied().collect()
}

fn is_there(place: &str) -> bool {
    // `symlink_metadata` also sees a link that leads nowhere.
    std::fs::symlink_metadata(place).is_ok()
}

fn is_renamed(from: &str, to: &str) -> bool {
    !is_there(from) && is_there(to)
}

/// Changes in the protocol's form.
pub(crate) fn edits_of(changes: &[text::Change]) -> Vec<Value> {
    let one =
        |change: &text::Change| Some(json!({ "range": lsp_range_of(change.range?), "newText": change.text }));
    changes.iter().filter_map(one).collect()
}

/// Refuses a place where something is already: a file, or a text that was never saved.
fn is_free(open: &BTreeMap<String, Document>, place: &str) -> Result<(), String> {
    if is_there(place) {
        return Err(format!("{place} exists already; nothing was overwritten"));
    }
    if open.contains_key(place) {
        return Err(format!(
            "{place} is open with a text that no file holds; close it first, nothing was overwritten"
        ));
    }
    Ok(())
}

fn create(
    made: &mut Judged,
    open: &BTreeMap<String, Document>,
    place: &str,
    text: &str,
    ends_itself: bool,
) -> Result<(), String> {
    let uri = uri(place)?;
    is_free(open, place)?;
    let start = json!({ "line": 0, "character": 0 });
    let put_in = if ends_itself { text.strip_suffix('\n').unwrap_or(text) } else { text };
    made.operations.push(json!({ "kind": "create", "uri": uri, "options": { "overwrite": false } }));
    made.operations.push(json!({
        "textDocument": { "uri": uri, "version": null },
        "edits": [{ "range": { "start": start, "end": start }, "newText": put_in }],
    }));
    let expected = Rope::from_str(text);
    made.targets.push(Target { uri, before: None, expected, creates: true, landed: false });
    Ok(())
}

fn rename(made: &mut Judged, open: &BTreeMap<String, Document>, from: &str, to: &str) -> Result<(), String> {
    let (old, new) = (uri(from)?, uri(to)?);
    is_free(open, to)?;
    made.operations
        .push(json!({ "kind": "rename", "oldUri": old, "newUri": new, "options": { "overwrite": false } }));
    made.files.extend([(from.into(), false), (to.into(), true)]);
    Ok(())
}

fn delete(made: &mut Judged, place: &str) -> Result<(), String> {
    made.operations.push(json!({ "kind": "delete", "uri": uri(place)? }));
    made.files.push((place.into(), false));
    Ok(())
}

fn uri(place: &str) -> Result<String, String> {
    uri_of(Path::new(place)).ok_or_else(|| format!("{place} names no file"))
}

fn read(place: &str) -> Result<String, String> {
    let path = Path::new(place);
    let meta = std::fs::metadata(path).map_err(|error| format!("{place} cannot be read: {error}"))?;
    if !meta.is_file() || meta.len() > FILE_BYTES_MAX {
        return Err(format!("{place} is no file that can be changed"));
    }
    std::fs::read_to_string(path).map_err(|error| format!("{place} cannot be read: {error}"))
}
