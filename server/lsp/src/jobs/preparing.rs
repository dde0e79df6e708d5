//! An edit of the model becomes what is sent: moved over what was typed meanwhile, put in the place of an earlier version,
//! and kept as a proposal before the editor hears of it, so that a crash right after it loses nothing.
//!
//! Refuses: an edit of lines that the user changed meanwhile.

use std::ops::Range;
use std::path::PathBuf;

use app::{App, AppError, ChangeState, Proposal, Proposed, ProposedChange, ProposedFile};
use engine::Block;
use text::{Document, Edit, Hunk, Rope, TextEdit};

use super::Over;
use super::conflict::meets;
use super::delivery::Begun;
use super::work::{JobEvent, defect, failed};
use crate::review::{CANDIDATES_MAX, Candidate, Standing, Wish, moved};

/// An edit as the model made it.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// The text it was made for.
    pub(crate) base: Rope,
    /// The edit.
    pub(crate) edit: Edit,
    /// What it does.
    pub(crate) summary: String,
    /// What was kept of it, once it was.
    pub(crate) proposal: Option<Proposal>,
    /// Which of the versions there are already it is; `None` for a new one.
    pub(crate) candidate: Option<usize>,
}

/// Where an edit belongs.
#[derive(Clone, Debug)]
pub(crate) struct Belonging {
    /// What was done, for people.
    pub(crate) title: String,
    /// The folder.
    pub(crate) workspace: Option<PathBuf>,
    /// The file's path, or the document's URI.
    pub(crate) place: String,
    /// The file's name for people.
    pub(crate) name: String,
}

/// What is needed to send an edit.
pub(crate) struct Preparation {
    /// The edit.
    pub(crate) made: Made,
    /// The document as it is.
    pub(crate) now: Document,
    /// The version it replaces, if that still waits.
    pub(crate) over: Option<(Over, Option<Standing>)>,
    /// The edits that wait in the document.
    pub(crate) waiting: Vec<Standing>,
    /// How it was asked for; the selection counts in the text it was made for.
    pub(crate) wish: Option<Wish>,
    /// Where it belongs.
    pub(crate) belongs: Belonging,
}

/// An edit that can be sent, for one revision of its document.
pub(crate) struct Prepared {
    /// The edit as it was made, kept by now.
    pub(crate) made: Made,
    /// The revision it fits.
    pub(crate) revision: u64,
    /// What is sent.
    pub(crate) send: Edit,
    /// The text then.
    pub(crate) expected: Rope,
    /// What begins to wait then.
    pub(crate) begun: Begun,
}

/// An edit on the text as it is.
struct Placed {
    base: Rope,
    edit: Edit,
    send: Edit,
    expected: Rope,
    hunks: Vec<Hunk>,
    target: Option<Range<usize>>,
}

/// Works out what is to be sent, and keeps it.
pub(crate) async fn prepare(app: App, what: Preparation) -> JobEvent {
    let Preparation { mut made, now, over, waiting, wish, belongs } = what;
    let revision = now.revision();
    let (edit, base) = (made.edit.clone(), made.base.clone());
    let target = wish.as_ref().map(|wish| wish.target.clone());
    let placed = tokio::task::spawn_blocking(move || {
        let (goes_on, standing) = match over {
            Some((over, standing)) => (over.goes_on, standing),
            // What changes a waiting change goes on from it, so that reverting it brings back what was there before both.
            None => {
                let under = changed_by(&edit, &base, now.rope(), waiting);
                (under.is_some(), under)
            }
        };
        place(&edit, &base, now.rope(), standing.as_ref(), goes_on, target)
            .map(|placed| (blocks(&placed.hunks, &placed.expected), placed, standing))
    });
    let (blocks, placed, standing) = match placed.await {
        Ok(Ok(placed)) => placed,
        Ok(Err(why)) => {
            // It was kept in an earlier round, and does not come into the text now.
            if let Some(kept) = &made.proposal
                && let Err(error) = app.settle(&kept.id, kept.said.every_change(), ChangeState::Reverted).await
            {
                tracing::warn!(error = %error.message, "what became of a change was not written down");
            }
            return JobEvent::Refused(why.to_owned());
        }
        Err(_) => return defect(),
    };
    let proposal = match made.proposal.take() {
        Some(proposal) => proposal,
        None => {
            let said = proposed(&belongs, wish.as_ref(), blocks, ChangeState::Standing);
            match app.propose(said).await {
                Ok(proposal) => proposal,
                Err(error) => return failed(error),
            }
        }
    };
    made.proposal = Some(proposal.clone());
    let (candidates, shown) = candidates(&placed, standing.as_ref(), made.candidate);
    let wish = wish.zip(placed.target).map(|(wish, target)| Wish { target, ..wish });
    let over = standing.map(|standing| standing.proposal);
    let begun = Begun { proposal, over, base: placed.base, hunks: placed.hunks, wish, candidates, shown };
    JobEvent::Prepared(Box::new(Prepared { made, revision, send: placed.send, expected: placed.expected, begun }))
}

/// Keeps an edit that is to be judged before it is sent.
pub(crate) async fn propose(app: App, made: Made, wish: Option<Wish>, belongs: Belonging) -> JobEvent {
    let base = made.base;
    let worked = tokio::task::spawn_blocking(move || {
        let after = made.edit.apply(&base).ok()?;
        let (old, new) = (base.to_string(), after.to_string());
        Some(text::hunks(&old, &new).iter().map(|hunk| Block::of(hunk, &new)).collect())
    });
    let Ok(Some(blocks)) = worked.await else { return defect() };
    keep(app, proposed(&belongs, wish.as_ref(), blocks, ChangeState::Proposed)).await
}

/// Keeps a proposal that is to be judged before it is sent.
pub(crate) async fn keep(app: App, said: Proposed) -> JobEvent {
    let kept: Result<_, AppError> = async {
        let proposal = app.propose(said).await?;
        let document = app.write_proposal_document(&proposal).await?;
        Ok(JobEvent::Proposed { proposal: Box::new(proposal), document: document.path })
    }
    .await;
    kept.unwrap_or_else(failed)
}

/// The edit of these whose waiting changes are changed by an edit that was made for an earlier text.
fn changed_by(edit: &Edit, made_for: &Rope, now: &Rope, waiting: Vec<Standing>) -> Option<Standing> {
    let edit = edit.rebase(&typed_since(made_for, now)).ok()?;
    // What is put in at an edge of a change stands beside it.
    let meets = |bytes: &Range<usize>, part: &TextEdit| {
        let inside = part.start_byte == part.end_byte && bytes.start < part.start_byte;
        part.start_byte < bytes.end && (bytes.start < part.end_byte || inside)
    };
    let is_changed = |bytes: Range<usize>| edit.parts().iter().any(|part| meets(&bytes, part));
    waiting.into_iter().find(|one| one.review.standing().any(|(_, bytes)| is_changed(bytes)))
}

/// What leads from the text an edit was made for to the one there is.
fn typed_since(made_for: &Rope, now: &Rope) -> Edit {
    if made_for.len_bytes() == now.len_bytes() && made_for == now {
        return Edit::default();
    }
    text::minimal_edit(&made_for.to_string(), &now.to_string())
}

fn place(
    edit: &Edit,
    made_for: &Rope,
    now: &Rope,
    over: Option<&Standing>,
    goes_on: bool,
    target: Option<Range<usize>>,
) -> Result<Placed, &'static str> {
    const MISFIT: &str = "the edit does not fit the text";
    // Another version stands in the place of the whole edit, and would take what was typed in it along.
    if !goes_on && over.is_some_and(|standing| standing.is_touched(now)) {
        return Err("you changed lines of it meanwhile; keep or revert those first");
    }
    let base = over.map_or_else(|| now.clone(), |standing| standing.base(now));
    let ground = if goes_on { now } else { &base };
    let typed = typed_since(made_for, ground);
    if meets(made_for, edit, &typed) {
        return Err("you changed the same text meanwhile; nothing was overwritten");
    }
    let moved_edit =
        edit.rebase(&typed).map_err(|_| "you changed the same text meanwhile; nothing was overwritten")?;
    let expected = moved_edit.apply(ground).map_err(|_| MISFIT)?;
    let target = target.map(|target| moved(&moved(&target, &typed), &moved_edit));
    let (old, new) = (base.to_string(), expected.to_string());
    let hunks = text::hunks(&old, &new);
    let (send, edit) = match over {
        Some(_) => (text::minimal_edit(&now.to_string(), &new), text::minimal_edit(&old, &new)),
        None => (moved_edit.clone(), moved_edit),
    };
    if send.is_empty() {
        return Err(if over.is_some() {
            "the new version is the one that is there"
        } else {
            "there is nothing to change"
        });
    }
    Ok(Placed { base, edit, send, expected, hunks, target })
}

fn blocks(hunks: &[Hunk], expected: &Rope) -> Vec<Block> {
    let text = expected.to_string();
    hunks.iter().map(|hunk| Block::of(hunk, &text)).collect()
}

/// The versions there are with this one, and which one it is.
fn candidates(placed: &Placed, over: Option<&Standing>, known: Option<usize>) -> (Vec<Candidate>, usize) {
    let mut all = over.map(|standing| standing.candidates.clone()).unwrap_or_default();
    let this = Candidate { base: placed.base.clone(), edit: placed.edit.clone() };
    match known.filter(|known| *known < all.len()) {
        Some(known) => {
            all[known] = this;
            (all, known)
        }
        None => {
            if all.len() >= CANDIDATES_MAX {
                all.remove(0);
            }
            all.push(this);
            let last = all.len() - 1;
            (all, last)
        }
    }
}

fn proposed(belongs: &Belonging, wish: Option<&Wish>, blocks: Vec<Block>, state: ChangeState) -> Proposed {
    let Belonging { title, workspace, place, name } = belongs.clone();
    let states = vec![state; blocks.len()];
    Proposed {
        title,
        instruction: wish.and_then(|wish| wish.instruction.clone()),
        workspace,
        files: vec![ProposedFile { place, name, change: ProposedChange::Edit { blocks }, states }],
    }
}
