//! Events of runs, for replay after a reload. Refuses: being the only place where a text is kept.

use rusqlite::params;

use crate::limits::fits;
use crate::{EVENT_BYTES_MAX, NAME_BYTES_MAX, Store, StoreError};

/// Events of one batch; reading cuts a larger limit to this, appending refuses more.
pub const EVENTS_BATCH_MAX: usize = 1_000;
/// Runs whose events one call of [`Store::prune_run_events`] deletes.
pub const PRUNE_RUNS_MAX: usize = 200;

/// One event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEvent {
    /// Its number within the run, from 1, given by who appends.
    pub seq: i64,
    /// What it is.
    pub kind: String,
    /// What it says, as text of the caller; at most [`EVENT_BYTES_MAX`].
    pub data: String,
    /// When it happened, in UTC milliseconds.
    pub at_ms: i64,
}

impl Store {
    /// Appends events to a run, all or none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a number is taken; [`StoreError::TooLarge`] for an event; [`StoreError::Bug`]
    /// for more than [`EVENTS_BATCH_MAX`] events; the disk's errors.
    pub fn append_run_events(&self, run_id: &str, events: &[RunEvent]) -> Result<(), StoreError> {
        if events.len() > EVENTS_BATCH_MAX {
            let text = format!("{} events in one batch, at most {EVENTS_BATCH_MAX} are taken", events.len());
            return Err(StoreError::Bug(text));
        }
        for event in events {
            fits("event's kind", event.kind.len(), NAME_BYTES_MAX)?;
            fits("event", event.data.len(), EVENT_BYTES_MAX)?;
        }
        self.events.write(|transaction| {
            let mut statement = transaction.prepare_cached(
                "INSERT INTO run_events (run_id, seq, kind, data, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO NOTHING",
            )?;
            for event in events {
                let values = params![run_id, event.seq, event.kind, event.data, event.at_ms];
                if statement.execute(values)? == 0 {
                    let text = format!("event {} of the run is there already", event.seq);
                    return Err(StoreError::Conflict(text).into());
                }
            }
            Ok(())
        })
    }

    /// The next `limit` events of a run after number `after_seq` (0 for all), in order. A run without events gives
    /// none.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn run_events(&self, run_id: &str, after_seq: i64, limit: usize) -> Result<Vec<RunEvent>, StoreError> {
        self.events.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT seq, kind, data, at_ms FROM run_events WHERE run_id = ?1 AND seq > ?2
                 ORDER BY seq LIMIT ?3",
            )?;
            let values = params![run_id, after_seq, limit.min(EVENTS_BATCH_MAX) as i64];
            let rows = statement.query_map(values, |row| {
                Ok(RunEvent { seq: row.get(0)?, kind: row.get(1)?, data: row.get(2)?, at_ms: row.get(3)? })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Deletes the events of runs whose last event came before `before_ms` (UTC milliseconds) and that are over or
    /// unknown, at most [`PRUNE_RUNS_MAX`] runs; tells how many runs. Call again while it tells the maximum.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn prune_run_events(&self, before_ms: i64) -> Result<usize, StoreError> {
        // Open runs are few and read first: the two databases share no transaction, and a run never opens again.
        let open: Vec<String> = self.open_runs()?.into_iter().map(|run| run.id).collect();
        let old: Vec<String> = self.events.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT run_id FROM run_events GROUP BY run_id HAVING max(at_ms) < ?1 ORDER BY run_id LIMIT ?2",
            )?;
            let limit = (PRUNE_RUNS_MAX + open.len()) as i64;
            let rows = statement.query_map(params![before_ms, limit], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })?;
        let over: Vec<&String> = old.iter().filter(|id| !open.contains(id)).take(PRUNE_RUNS_MAX).collect();
        self.events.write(|transaction| {
            let mut statement = transaction.prepare_cached("DELETE FROM run_events WHERE run_id = ?1")?;
            for run_id in &over {
                statement.execute([run_id])?;
            }
            Ok(())
        })?;
        Ok(over.len())
    }
}
