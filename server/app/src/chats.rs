//! Conversations as the doors show them: the branch that was written last of an append-only tree. Refuses: changing
//! what was said; a new try is a new branch.

use std::collections::HashMap;
use std::path::PathBuf;

use engine::{Citation, Manifest, Turn};
use serde::{Deserialize, Serialize};
use store::{ChatCursor, MESSAGES_PAGE_MAX, MessageRole, Shelf};

use crate::runs::Record;
use crate::{App, AppError, ErrorKind, Result, Usage};

const TITLE_CHARS_MAX: usize = 120;
/// A title made from the first question is cut here.
const TITLE_FROM_QUESTION_CHARS: usize = 60;

/// A chat in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatSummary {
    /// Its id.
    pub id: String,
    /// What it is called; empty before the first question.
    pub title: String,
    /// The folder its questions are about.
    pub workspace: Option<PathBuf>,
    /// When it was begun, UTC milliseconds.
    pub created_ms: i64,
    /// When something was last said in it, UTC milliseconds.
    pub updated_ms: i64,
    /// Whether an answer is being written.
    pub running: bool,
}

/// One page of chats, the last updated first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatPage {
    /// The chats.
    pub chats: Vec<ChatSummary>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
}

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The user.
    User,
    /// The model.
    Assistant,
}

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// It is whole.
    Complete,
    /// It is being written.
    Streaming,
    /// Familiar ended in the middle of it; what was written is kept.
    Interrupted,
    /// It failed; the error says why.
    Failed,
    /// The user stopped it.
    Stopped,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageView {
    /// Its id.
    pub id: String,
    /// Who wrote it.
    pub role: Role,
    /// Its Markdown.
    pub text: String,
    /// When it was begun, UTC milliseconds.
    pub created_ms: i64,
    /// How far it is.
    pub state: MessageState,
    /// Why it failed.
    pub error: Option<String>,
    /// The passages it cites.
    pub citations: Vec<Citation>,
    /// What went into its prompt.
    pub manifest: Option<Manifest>,
    /// The model that wrote it.
    pub model: Option<String>,
    /// Tokens and time.
    pub usage: Option<Usage>,
    /// The run that writes or wrote it.
    pub run_id: Option<String>,
    /// What the user should know about it.
    pub notice: Option<String>,
    /// The images it made.
    pub images: Vec<crate::ChatImage>,
}

/// A run that is not over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunView {
    /// Its id.
    pub id: String,
    /// The answer it writes.
    pub message_id: String,
    /// The number of its last event so far.
    pub last_seq: u64,
}

/// A chat with its last messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatView {
    /// The chat.
    pub chat: ChatSummary,
    /// Its messages, oldest first.
    pub messages: Vec<MessageView>,
    /// The message before which there are more; `None` at the start.
    pub earlier: Option<String>,
    /// The answer being written.
    pub run: Option<RunView>,
}

impl App {
    /// Begins a chat about `workspace`.
    ///
    /// # Errors
    /// `User` for a folder that is not there, `Unavailable` when it cannot be stored.
    pub async fn create_chat(&self, workspace: Option<PathBuf>) -> Result<ChatSummary> {
        let workspace = workspace.map(|folder| crate::indexing::existing_folder(&folder)).transpose()?;
        let chat = self
            .stored(move |store| {
                let path = workspace.as_ref().map(|folder| folder.to_string_lossy());
                store.create_chat("", path.as_deref())
            })
            .await?;
        Ok(self.summary(chat))
    }

    /// A page of chats, the last updated first.
    ///
    /// # Errors
    /// `User` for a cursor that is none.
    pub async fn chats(&self, cursor: Option<String>, limit: usize) -> Result<ChatPage> {
        let after = cursor.as_deref().map(read_cursor).transpose()?;
        let limit = limit.clamp(1, store::CHATS_PAGE_MAX - 1);
        let mut chats =
            self.stored(move |store| store.list_chats(Shelf::Living, after.as_ref(), limit + 1)).await?;
        let more = chats.len() > limit;
        chats.truncate(limit);
        let next = chats.last().filter(|_| more).map(|chat| write_cursor(&chat.cursor()));
        Ok(ChatPage { chats: chats.into_iter().map(|chat| self.summary(chat)).collect(), next })
    }

    /// A chat with the last `limit` messages before the message `before`.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn chat(&self, id: &str, before: Option<String>, limit: usize) -> Result<ChatView> {
        let (chat, branch) = self.branch(id, before).await?;
        let shown = branch.get(branch.len().saturating_sub(limit)..).unwrap_or_default();
        let earlier = shown.first().filter(|first| first.parent_id.is_some()).map(|first| first.id.clone());
        let run = shown.iter().rev().find_map(|message| {
            let run_id = message.run_id.clone().filter(|_| message.state == store::MessageState::Streaming)?;
            let last_seq = self.inner.runs.last_seq(&run_id);
            Some(RunView { id: run_id, message_id: message.id.clone(), last_seq })
        });
        let messages = shown.iter().cloned().filter_map(message_view).collect();
        Ok(ChatView { chat: self.summary(chat), messages, earlier, run })
    }

    /// Gives a chat another title.
    ///
    /// # Errors
    /// `NotFound`, or `User` for an empty or overlong title.
    pub async fn rename_chat(&self, id: &str, title: &str) -> Result<()> {
        let (id, title) = (id.to_owned(), title.trim().to_owned());
        if title.is_empty() || title.chars().count() > TITLE_CHARS_MAX {
            return Err(AppError::new(ErrorKind::User, format!("a title has 1 to {TITLE_CHARS_MAX} characters")));
        }
        self.stored(move |store| store.rename_chat(&id, &title)).await
    }

    /// Moves a chat to the trash, from where it can come back.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn trash_chat(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.stored(move |store| store.trash_chat(&id)).await
    }

    /// Takes a chat out of the trash.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn restore_chat(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.stored(move |store| store.restore_chat(&id)).await
    }

    /// The chat and its last-written branch up to, and without, `before`, oldest first, one page of it.
    pub(crate) async fn branch(
        &self,
        chat_id: &str,
        before: Option<String>,
    ) -> Result<(store::Chat, Vec<store::Message>)> {
        let id = chat_id.to_owned();
        self.stored(move |store| {
            let chat = store.chat(&id)?;
            let tip = before.as_deref().map(|before| store.message(before)).transpose()?;
            let messages = store.messages(&id, before.as_deref(), MESSAGES_PAGE_MAX)?;
            let tip = match tip {
                Some(message) => message.parent_id,
                None => messages.last().map(|message| message.id.clone()),
            };
            Ok((chat, walk_up(messages, tip)))
        })
        .await
    }

    fn summary(&self, chat: store::Chat) -> ChatSummary {
        ChatSummary {
            running: self.inner.runs.is_running(&chat.id),
            id: chat.id,
            title: chat.title,
            workspace: chat.workspace.map(PathBuf::from),
            created_ms: chat.created_ms,
            updated_ms: chat.updated_ms,
        }
    }
}

/// The title of a chat whose first question is `question`.
pub(crate) fn title_of(question: &str) -> String {
    let line = question.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let mut title: String = line.chars().take(TITLE_FROM_QUESTION_CHARS).collect();
    if title.len() < line.len() {
        title.push('…');
    }
    title
}

/// The questions of a branch with their answers, for the next prompt.
pub(crate) fn turns(branch: &[store::Message]) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for message in branch {
        match message.role {
            MessageRole::User => turns.push(Turn { question: message.content.clone(), answer: String::new() }),
            MessageRole::Assistant => {
                if let Some(turn) = turns.last_mut() {
                    turn.answer = message.content.clone();
                }
            }
            MessageRole::System => {}
        }
    }
    turns.retain(|turn| !turn.answer.is_empty());
    turns
}

fn walk_up(messages: Vec<store::Message>, tip: Option<String>) -> Vec<store::Message> {
    let mut by_id: HashMap<String, store::Message> =
        messages.into_iter().map(|message| (message.id.clone(), message)).collect();
    let mut branch = Vec::new();
    let mut next = tip;
    while let Some(message) = next.and_then(|id| by_id.remove(&id)) {
        next = message.parent_id.clone();
        branch.push(message);
    }
    branch.reverse();
    branch
}

fn message_view(message: store::Message) -> Option<MessageView> {
    let role = match message.role {
        MessageRole::User => Role::User,
        MessageRole::Assistant => Role::Assistant,
        MessageRole::System => return None,
    };
    let record: Record = read_json(message.manifest.as_deref());
    Some(MessageView {
        id: message.id,
        role,
        text: message.content,
        created_ms: message.created_ms,
        state: state(message.state),
        error: message.error,
        citations: read_json(message.citations.as_deref()),
        manifest: record.manifest,
        model: message.model,
        usage: record.usage,
        run_id: message.run_id,
        notice: record.notice,
        images: record.images,
    })
}

/// What an older version wrote differently is shown as missing rather than hiding the message.
fn read_json<T: Default + serde::de::DeserializeOwned>(json: Option<&str>) -> T {
    json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

pub(crate) fn state(state: store::MessageState) -> MessageState {
    match state {
        store::MessageState::Complete => MessageState::Complete,
        store::MessageState::Streaming => MessageState::Streaming,
        store::MessageState::Interrupted => MessageState::Interrupted,
        store::MessageState::Failed => MessageState::Failed,
        store::MessageState::Stopped => MessageState::Stopped,
    }
}

fn write_cursor(cursor: &ChatCursor) -> String {
    format!("{}-{}", cursor.updated_ms, cursor.id)
}

fn read_cursor(cursor: &str) -> Result<ChatCursor> {
    let parts = cursor.split_once('-').and_then(|(time, id)| Some((time.parse().ok()?, id.to_owned())));
    let (updated_ms, id) = parts.ok_or_else(|| AppError::new(ErrorKind::User, "this is no place in the list"))?;
    Ok(ChatCursor { updated_ms, id })
}
