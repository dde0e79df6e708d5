//! Finds the passages a question may be answered from, and checks them against the files at the end. Refuses:
//! sources that changed while the answer was written without saying so.

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::{Citation, Origin, Passage};

use crate::answer::{AnswerEvent, Ask, CANDIDATES_MAX, Focus, absolute};
use crate::indexing::{Progress, slashed};
use crate::streaming::Events;
use crate::{App, AppError, Editing, ErrorKind, Hit, Result};

/// How long a question waits for a folder that was never indexed.
const FIRST_INDEX_WAIT_MAX: Duration = Duration::from_secs(20);
/// How long an answer waits until an index is compared with its files.
const COMPARE_WAIT_MAX: Duration = Duration::from_millis(800);
/// Lines of a focus that are searched for; a long one is told by its beginning.
const FOCUS_LINES_SEARCHED_MAX: usize = 60;
/// What attached text is called among the sources.
const ATTACHMENT_NAME: &str = "attachment";
/// Lines taken from a file that was named without lines.
const FOCUS_LINES_MAX: u32 = 400;

/// What was found for one question.
pub(crate) struct Found {
    /// Best first.
    pub(crate) passages: Vec<Passage>,
    /// Where they are checked again.
    pub(crate) places: Places,
    /// What the user should know about the search.
    pub(crate) notice: Option<String>,
}

/// Where passages come from.
#[derive(Default)]
pub(crate) struct Places {
    root: Option<PathBuf>,
    /// Unsaved texts by path relative to the workspace: these are live, whatever the disk holds.
    unsaved: Vec<(String, String)>,
}

/// Finds passages: the selection or named file first, then what the index finds.
pub(crate) async fn find(app: &App, ask: &Ask, events: &Events<AnswerEvent>) -> Result<Found> {
    let mut found = Found { passages: Vec::new(), places: Places::default(), notice: None };
    if let Some(written) = &ask.workspace {
        let root = crate::indexing::existing_folder(written)?;
        found.places.unsaved = unsaved(ask, written, &root);
        found.places.root = Some(root);
    }
    let mut query = query(ask);
    if let Some(focus) = &ask.focus {
        let mut focus = focus.clone();
        if let (Some(written), Some(root)) = (&ask.workspace, &found.places.root) {
            focus.path = canonical(written, root, &focus.path);
        }
        let passage = focus_passage(app, &focus, found.places.root.as_deref()).await?;
        if ask.search_by_focus {
            query = passage.text.lines().take(FOCUS_LINES_SEARCHED_MAX).collect::<Vec<_>>().join("\n");
        }
        found.passages.push(passage);
    }
    if let Some(text) = ask.attachment.as_ref().filter(|text| !text.trim().is_empty()) {
        found.places.unsaved.push((ATTACHMENT_NAME.into(), text.clone()));
        found.passages.push(attached(text));
    }
    if let (Some(written), Some(root)) = (&ask.workspace, found.places.root.clone()) {
        if app.inner.workspaces.is_too_much(&root) {
            let folder = root.display();
            found.notice = Some(format!(
                "{folder} was not searched: it is too much to index unless you name it with `familiar index`."
            ));
            return Ok(found);
        }
        // As it is written, so that files which are named that way are known.
        wait_for_first_index(app, written, events).await?;
        events.send(AnswerEvent::Searching).await?;
        // Blank lines are in no index; the question may be answered all the same.
        if query.trim().is_empty() {
            return Ok(found);
        }
        let editing = Editing { buffers: &ask.open_buffers, open: &ask.open_files };
        let result = app.search_with(&root, &query, CANDIDATES_MAX, editing).await?;
        found.notice = result.notice;
        // A picture that the question names is found by its path and has nothing to read.
        let readable = result.hits.into_iter().filter(|hit| !hit.text.is_empty());
        found.passages.extend(readable.map(from_hit));
    }
    Ok(found)
}

/// A workspace that was indexed before answers as soon as it was compared with the files, or is known to take longer; a
/// new one is worth waiting for a little.
async fn wait_for_first_index(app: &App, root: &Path, events: &Events<AnswerEvent>) -> Result<()> {
    let (opened, folder) = (app.clone(), root.to_owned());
    let workspace = tokio::task::spawn_blocking(move || opened.inner.workspaces.open(&folder, false));
    let workspace = workspace.await.map_err(AppError::task_died)??;
    let mut progress = workspace.progress.subscribe();
    if workspace.index.status().files > 0 {
        let compared = progress.wait_for(|now| !matches!(now, Progress::Building(now) if now.total == 0));
        // Whatever came of it, what is indexed answers.
        let _ = tokio::time::timeout(COMPARE_WAIT_MAX, compared).await;
        return Ok(());
    }
    let wait = async {
        loop {
            let now = progress.borrow_and_update().clone();
            let Progress::Building(now) = now else { return Ok(()) };
            events.send(AnswerEvent::Indexing { done: now.done, total: now.total }).await?;
            if progress.changed().await.is_err() {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(FIRST_INDEX_WAIT_MAX, wait).await.unwrap_or(Ok(()))
}

/// A follow-up rarely repeats what it is about, so the question before it is searched too.
fn query(ask: &Ask) -> String {
    match ask.turns.last() {
        Some(turn) => format!("{}\n{}", ask.question, turn.question),
        None => ask.question.clone(),
    }
}

pub(crate) fn from_hit(hit: Hit) -> Passage {
    Passage {
        path: hit.path,
        start_line: hit.start_line,
        end_line: hit.end_line,
        symbol: hit.symbol,
        text: hit.text,
        reason: hit.why,
        origin: Origin::Search,
    }
}

fn attached(text: &str) -> Passage {
    Passage {
        path: ATTACHMENT_NAME.into(),
        start_line: 1,
        end_line: u32::try_from(text.lines().count()).unwrap_or(u32::MAX).max(1),
        symbol: None,
        text: text.to_owned(),
        reason: "you attached it".into(),
        origin: Origin::Attachment,
    }
}

/// The passage the user points at: from the editor's unsaved text where there is one, else from the file.
async fn focus_passage(app: &App, focus: &Focus, root: Option<&Path>) -> Result<Passage> {
    let (start, end) = focus.lines.unwrap_or((1, FOCUS_LINES_MAX));
    if start == 0 || end < start {
        return Err(AppError::new(ErrorKind::User, format!("lines {start}-{end} are no range"))
            .hint("lines count from 1, the first one first"));
    }
    let (origin, reason) = match focus.lines {
        Some(_) => (Origin::Selection, "you asked about it"),
        None => (Origin::File, "you named this file"),
    };
    let path = absolute(root, &focus.path);
    let relative = root.and_then(|root| path.strip_prefix(root).ok());
    let shown = relative.map_or_else(|| path.to_string_lossy().into_owned(), slashed);
    let (text, end_line) = match &focus.text {
        Some(text) => lines_of(text, start, end),
        None => {
            let (folder, inside) = folder_of(root, &path);
            let passage = app.passage(&folder, &inside, start, end).await?;
            if passage.start_line != start {
                let message = format!("{shown} has {} lines, not {start}", passage.total_lines);
                return Err(AppError::new(ErrorKind::User, message).hint("name lines that are there"));
            }
            (passage.text, passage.end_line)
        }
    };
    Ok(Passage { path: shown, start_line: start, end_line, symbol: None, text, reason: reason.into(), origin })
}

/// The folder a file is read below, and its path in there: the workspace, or for a file elsewhere its own folder.
fn folder_of(root: Option<&Path>, path: &Path) -> (PathBuf, String) {
    let folder = root.filter(|root| path.starts_with(root)).or_else(|| path.parent()).unwrap_or(Path::new("/"));
    (folder.to_owned(), path.strip_prefix(folder).map(slashed).unwrap_or_default())
}

fn lines_of(text: &str, start: u32, end: u32) -> (String, u32) {
    let first = start as usize - 1;
    let wanted: Vec<&str> = text.split_inclusive('\n').skip(first).take((end - start + 1) as usize).collect();
    let last = start + u32::try_from(wanted.len()).unwrap_or(u32::MAX).saturating_sub(1);
    (wanted.concat(), last)
}

/// A path of an editor, absolute: below the folder as it was written, it is below the canonical one.
fn canonical(written: &Path, root: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(written).map_or_else(|_| absolute(Some(root), path), |below| root.join(below))
}

fn unsaved(ask: &Ask, written: &Path, root: &Path) -> Vec<(String, String)> {
    let focus = ask.focus.iter().filter_map(|focus| Some((focus.path.as_path(), focus.text.clone()?)));
    let buffers = ask.open_buffers.iter().map(|buffer| (buffer.path.as_path(), buffer.text.clone()));
    let absolute = |path: &Path| canonical(written, root, path);
    let relative = |path: &Path| absolute(path).strip_prefix(root).ok().map(slashed);
    focus.chain(buffers).filter_map(|(path, text)| Some((relative(path)?, text))).collect()
}

/// Marks citations whose lines are not in the file, or in the editor's unsaved text, any more.
pub(crate) async fn check_live(places: &Places, passages: &[Passage], citations: &mut [Citation]) {
    for (passage, citation) in passages.iter().zip(citations) {
        let unsaved = places.unsaved.iter().find(|(path, _)| *path == passage.path);
        let now = match (unsaved, &places.root) {
            (Some((_, text)), _) => Some(lines_of(text, passage.start_line, passage.end_line).0),
            (None, root) => {
                let path = absolute(root.as_deref(), Path::new(&passage.path));
                let (root, inside) = folder_of(root.as_deref(), &path);
                let (start, end) = (passage.start_line, passage.end_line);
                let read = tokio::task::spawn_blocking(move || index::passage(&root, &inside, start, end));
                read.await.ok().and_then(std::result::Result::ok).map(|passage| passage.text)
            }
        };
        citation.live = now.is_some_and(|now| now.trim_end() == passage.text.trim_end());
    }
}
