//! Runs: one question being answered. Refuses: a half-stored question, ending a run twice, and losing partial text.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::error::Fault;
use crate::limits::{fits, fits_option};
use crate::messages::{self, NewMessage};
use crate::{
    JSON_BYTES_MAX, MessageRole, MessageState, NAME_BYTES_MAX, RunOutcome, RunState, RunUsage, Store, StoreError,
    TEXT_BYTES_MAX, chats, usage,
};

const COLUMNS: &str = "id, chat_id, message_id, state, error, created_ms, started_ms, finished_ms";

/// What a new message follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After<'a> {
    /// The newest message of the chat, or nothing in an empty chat.
    Newest,
    /// Nothing: a new start beside the others.
    Start,
    /// This message; a second follower makes a branch.
    Message(&'a str),
}

/// A question to store.
#[derive(Clone, Copy, Debug)]
pub struct NewRun<'a> {
    /// The chat it is asked in.
    pub chat_id: &'a str,
    /// What the question follows.
    pub after: After<'a>,
    /// The user's words, at most [`TEXT_BYTES_MAX`].
    pub text: &'a str,
    /// The model that is asked, when it is known already.
    pub model: Option<&'a str>,
}

/// The ids of a question that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BegunRun {
    /// The run.
    pub run_id: String,
    /// The user's message.
    pub user_message_id: String,
    /// The answer, still empty.
    pub answer_message_id: String,
    /// When it was stored, in UTC milliseconds.
    pub created_ms: i64,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Sortable random id.
    pub id: String,
    /// The chat it belongs to.
    pub chat_id: String,
    /// The answer it writes.
    pub message_id: String,
    /// How far it is.
    pub state: RunState,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was stored, in UTC milliseconds.
    pub created_ms: i64,
    /// When its turn came, in UTC milliseconds.
    pub started_ms: Option<i64>,
    /// When it ended, in UTC milliseconds.
    pub finished_ms: Option<i64>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub struct RunEnd<'a> {
    /// In which way.
    pub outcome: RunOutcome,
    /// The whole text of the answer, at most [`TEXT_BYTES_MAX`]; `None` keeps what was checkpointed last.
    pub text: Option<&'a str>,
    /// Why it failed.
    pub error: Option<&'a str>,
    /// The passages the answer stands on, as JSON of the caller.
    pub citations: Option<&'a str>,
    /// What went into the prompt and why, as JSON of the caller.
    pub manifest: Option<&'a str>,
    /// What it cost; `None` when no model was asked. Its model becomes the answer's.
    pub usage: Option<RunUsage<'a>>,
}

impl Store {
    /// Stores the user's message, the empty answer (`streaming`) and the run (`queued`) in one transaction.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the chat or the message to follow; [`StoreError::Conflict`] for a chat in the
    /// trash or when the message to follow is still streaming; [`StoreError::TooLarge`]; the disk's errors.
    pub fn begin_run(&self, new: &NewRun<'_>) -> Result<BegunRun, StoreError> {
        fits("message", new.text.len(), TEXT_BYTES_MAX)?;
        fits_option("model name", new.model, NAME_BYTES_MAX)?;
        let now_ms = self.now_ms();
        let begun = BegunRun {
            user_message_id: self.ids.next(now_ms)?,
            answer_message_id: self.ids.next(now_ms)?,
            run_id: self.ids.next(now_ms)?,
            created_ms: now_ms,
        };
        self.user.write(|transaction| insert(transaction, new, &begun))?;
        Ok(begun)
    }

    /// Notes that the turn of a queued run has come.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] when it is not queued; the disk's errors.
    pub fn start_run(&self, run_id: &str) -> Result<(), StoreError> {
        let now_ms = self.now_ms();
        self.user.write(|transaction| {
            let changed = transaction.execute(
                "UPDATE runs SET state = 'running', started_ms = ?2 WHERE id = ?1 AND state = 'queued'",
                params![run_id, now_ms],
            )?;
            if changed == 0 { Err(not_in_state(transaction, run_id)) } else { Ok(()) }
        })
    }

    /// Keeps `text` as what the open run has written so far. It replaces the last checkpoint.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] when the run is over; [`StoreError::TooLarge`]; the disk's
    /// errors.
    pub fn checkpoint_run(&self, run_id: &str, text: &str) -> Result<(), StoreError> {
        fits("message", text.len(), TEXT_BYTES_MAX)?;
        self.user.write(|transaction| {
            let changed = transaction
                .prepare_cached("UPDATE messages SET content = ?2 WHERE run_id = ?1 AND state = 'streaming'")?
                .execute(params![run_id, text])?;
            if changed == 0 { Err(not_in_state(transaction, run_id)) } else { Ok(()) }
        })
    }

    /// Ends an open run: its state, the whole answer and what it cost, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] when the run is over already; [`StoreError::TooLarge`]; the
    /// disk's errors, after which the run is still open.
    pub fn finish_run(&self, run_id: &str, end: &RunEnd<'_>) -> Result<(), StoreError> {
        fits_option("message", end.text, TEXT_BYTES_MAX)?;
        fits_option("error", end.error, NAME_BYTES_MAX)?;
        fits_option("citations", end.citations, JSON_BYTES_MAX)?;
        fits_option("manifest", end.manifest, JSON_BYTES_MAX)?;
        fits_option("model name", end.usage.map(|usage| usage.model), NAME_BYTES_MAX)?;
        let now_ms = self.now_ms();
        self.user.write(|transaction| {
            finish(transaction, run_id, end, now_ms)?;
            chats::touch(transaction, &run(transaction, run_id)?.chat_id, now_ms)
        })
    }

    /// The run `id`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's errors.
    pub fn run(&self, id: &str) -> Result<Run, StoreError> {
        self.user.read(|connection| run(connection, id))
    }

    /// Every run that is not over, oldest first.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn open_runs(&self) -> Result<Vec<Run>, StoreError> {
        self.user.read(open_runs)
    }

    /// Marks every open run and its answer as interrupted, keeping the text so far, and tells their ids. To be called
    /// once after opening, before any run begins.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn interrupt_open_runs(&self) -> Result<Vec<String>, StoreError> {
        let now_ms = self.now_ms();
        let end = RunEnd {
            outcome: RunOutcome::Interrupted,
            text: None,
            error: None,
            citations: None,
            manifest: None,
            usage: None,
        };
        self.user.write(|transaction| {
            let ids: Vec<String> = open_runs(transaction)?.into_iter().map(|run| run.id).collect();
            for id in &ids {
                finish(transaction, id, &end, now_ms)?;
            }
            Ok(ids)
        })
    }
}

fn insert(transaction: &Transaction<'_>, new: &NewRun<'_>, begun: &BegunRun) -> Result<(), Fault> {
    let now_ms = begun.created_ms;
    chats::must_live(transaction, new.chat_id)?;
    let parent_id = messages::resolve(transaction, new.chat_id, new.after)?;
    let question = NewMessage {
        chat_id: new.chat_id,
        after: new.after,
        role: MessageRole::User,
        content: new.text,
        citations: None,
        manifest: None,
        model: None,
    };
    let complete = MessageState::Complete;
    messages::insert(transaction, &begun.user_message_id, &question, parent_id.as_deref(), complete, now_ms)?;
    let answer = NewMessage { role: MessageRole::Assistant, content: "", model: new.model, ..question };
    let (answer_id, parent_id) = (&begun.answer_message_id, Some(begun.user_message_id.as_str()));
    messages::insert(transaction, answer_id, &answer, parent_id, MessageState::Streaming, now_ms)?;
    transaction.execute(
        "INSERT INTO runs (id, chat_id, message_id, state, created_ms) VALUES (?1, ?2, ?3, 'queued', ?4)",
        params![begun.run_id, new.chat_id, begun.answer_message_id, now_ms],
    )?;
    transaction
        .execute("UPDATE messages SET run_id = ?2 WHERE id = ?1", [&begun.answer_message_id, &begun.run_id])?;
    chats::touch(transaction, new.chat_id, now_ms)
}

fn finish(transaction: &Transaction<'_>, run_id: &str, end: &RunEnd<'_>, now_ms: i64) -> Result<(), Fault> {
    let changed = transaction.execute(
        "UPDATE runs SET state = ?2, error = ?3, finished_ms = ?4
         WHERE id = ?1 AND state IN ('queued', 'running')",
        params![run_id, end.outcome, end.error, now_ms],
    )?;
    if changed == 0 {
        return Err(not_in_state(transaction, run_id));
    }
    transaction.execute(
        "UPDATE messages SET state = ?2, content = COALESCE(?3, content), error = ?4, citations = ?5, manifest = ?6,
         model = COALESCE(?7, model) WHERE run_id = ?1",
        params![
            run_id,
            end.outcome.message_state(),
            end.text,
            end.error,
            end.citations,
            end.manifest,
            end.usage.map(|usage| usage.model)
        ],
    )?;
    if let Some(used) = &end.usage {
        usage::insert(transaction, run_id, used, now_ms)?;
    }
    Ok(())
}

/// Why a statement that expected an open or queued run changed nothing.
fn not_in_state(connection: &Connection, run_id: &str) -> Fault {
    match run(connection, run_id) {
        Err(fault) => fault,
        Ok(run) => StoreError::Conflict(format!("the run is {} already", run.state.as_str())).into(),
    }
}

fn run(connection: &Connection, id: &str) -> Result<Run, Fault> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM runs WHERE id = ?1"))?
        .query_row([id], from_row)
        .optional()?
        .ok_or_else(|| StoreError::not_found("run", id).into())
}

fn open_runs(connection: &Connection) -> Result<Vec<Run>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE state IN ('queued', 'running') ORDER BY created_ms, id");
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        id: row.get(0)?,
        chat_id: row.get(1)?,
        message_id: row.get(2)?,
        state: row.get(3)?,
        error: row.get(4)?,
        created_ms: row.get(5)?,
        started_ms: row.get(6)?,
        finished_ms: row.get(7)?,
    })
}
