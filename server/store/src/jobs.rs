//! Jobs that make images: the table is the queue. Refuses: more waiting jobs than [`IMAGE_JOBS_WAITING_MAX`], ending a
//! job twice, and knowing what a request says.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::error::Fault;
use crate::limits::fits;
use crate::{ImageJobState, JSON_BYTES_MAX, NAME_BYTES_MAX, Store, StoreError};

/// Jobs that wait at the same time.
pub const IMAGE_JOBS_WAITING_MAX: usize = 256;
/// Jobs that are over and still listed; the oldest goes when a further one comes. Its images stay.
pub const IMAGE_JOBS_ENDED_MAX: usize = 2_000;
/// Jobs of one page; a larger limit is cut to this.
pub const IMAGE_JOBS_PAGE_MAX: usize = 200;
/// Times a job is begun before it fails: once, and once more after its process died.
pub const IMAGE_ATTEMPTS_MAX: u32 = 2;
/// Blobs one job begins with.
pub const IMAGE_JOB_BLOBS_MAX: usize = 4;

const COLUMNS: &str = "id, state, priority, model, request, images_all, images_done, attempts, error, created_ms, \
                       started_ms, finished_ms";
/// The order in which waiting jobs are begun.
const QUEUE: &str = "state = 'queued' ORDER BY priority DESC, position, id";

/// A job to store.
#[derive(Clone, Copy, Debug)]
pub struct NewImageJob<'a> {
    /// Higher ones go first.
    pub priority: i64,
    /// The model that draws.
    pub model: &'a str,
    /// What is asked for, as JSON of the caller.
    pub request: &'a str,
    /// Images it makes.
    pub images: u32,
    /// Bytes it begins with, such as the image that is drawn over; see [`Store::image_job_blobs`].
    pub blobs: &'a [&'a [u8]],
}

/// One job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageJob {
    /// Sortable random id.
    pub id: String,
    /// How far it is.
    pub state: ImageJobState,
    /// Higher ones go first.
    pub priority: i64,
    /// The model that draws.
    pub model: String,
    /// What is asked for, as JSON of the caller.
    pub request: String,
    /// Images it makes.
    pub images_all: u32,
    /// Images it saved, also those that were deleted since.
    pub images_done: u32,
    /// Times it was begun since it was last asked for.
    pub attempts: u32,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was stored, in UTC milliseconds.
    pub created_ms: i64,
    /// When it was last begun, in UTC milliseconds.
    pub started_ms: Option<i64>,
    /// When it ended, in UTC milliseconds.
    pub finished_ms: Option<i64>,
}

/// What became of the jobs that ran when the last process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveredImageJobs {
    /// They wait again.
    pub requeued: Vec<String>,
    /// They were begun [`IMAGE_ATTEMPTS_MAX`] times and failed.
    pub failed: Vec<String>,
}

impl Store {
    /// Stores a job at the end of its priority, with the bytes it begins with.
    ///
    /// # Errors
    /// [`StoreError::TooMany`] when [`IMAGE_JOBS_WAITING_MAX`] wait; [`StoreError::TooLarge`]; the disk's errors.
    pub fn enqueue_image_job(&self, new: &NewImageJob<'_>) -> Result<ImageJob, StoreError> {
        fits("request", new.request.len(), JSON_BYTES_MAX)?;
        fits("model name", new.model.len(), NAME_BYTES_MAX)?;
        fits("number of blobs of a job", new.blobs.len(), IMAGE_JOB_BLOBS_MAX)?;
        // Held until the rows name the blobs; see `sweep.rs`.
        let _kept = self.keep_blobs();
        let hashes = new.blobs.iter().map(|bytes| self.put_blob(bytes)).collect::<Result<Vec<_>, _>>()?;
        let now_ms = self.now_ms();
        let id = self.ids.next(now_ms)?;
        self.user.write(|transaction| {
            let waiting = waiting(transaction)?;
            if waiting >= IMAGE_JOBS_WAITING_MAX {
                let what = "jobs that wait for their images";
                return Err(StoreError::TooMany { what, count_max: IMAGE_JOBS_WAITING_MAX }.into());
            }
            transaction.execute(
                "INSERT INTO image_jobs (id, state, priority, position, model, request, images_all, images_done,
                 attempts, created_ms) VALUES (?1, 'queued', ?2, ?3, ?4, ?5, ?6, 0, 0, ?7)",
                params![id, new.priority, last_position(transaction)?, new.model, new.request, new.images, now_ms],
            )?;
            for (place, blob) in hashes.iter().enumerate() {
                transaction.execute(
                    "INSERT INTO image_job_blobs (job_id, place, blob) VALUES (?1, ?2, ?3)",
                    params![id, place as i64, blob],
                )?;
            }
            forget_old(transaction)?;
            job(transaction, &id)
        })
    }

    /// Begins the job whose turn it is; `None` when none waits.
    ///
    /// # Errors
    /// The disk's errors, after which it still waits.
    pub fn claim_image_job(&self) -> Result<Option<ImageJob>, StoreError> {
        // An empty queue is seen without a commit, which would wait for the disk.
        if self.user.read(waiting)? == 0 {
            return Ok(None);
        }
        let now_ms = self.now_ms();
        self.user.write(|transaction| {
            let sql = format!("SELECT id FROM image_jobs WHERE {QUEUE} LIMIT 1");
            let next: Option<String> = transaction.query_row(&sql, [], |row| row.get(0)).optional()?;
            let Some(id) = next else { return Ok(None) };
            transaction.execute(
                "UPDATE image_jobs SET state = 'running', started_ms = ?2, attempts = attempts + 1 WHERE id = ?1",
                params![id, now_ms],
            )?;
            job(transaction, &id).map(Some)
        })
    }

    /// Ends a running job that made all it could. The last image of a job ends it too; see [`Store::add_image`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] when it does not run; the disk's errors.
    pub fn finish_image_job(&self, id: &str) -> Result<(), StoreError> {
        self.end_image_job(id, ImageJobState::Done, None)
    }

    /// Ends a running job that failed; its images stay.
    ///
    /// # Errors
    /// As [`Store::finish_image_job`]; [`StoreError::TooLarge`].
    pub fn fail_image_job(&self, id: &str, error: &str) -> Result<(), StoreError> {
        fits("error", error.len(), NAME_BYTES_MAX)?;
        self.end_image_job(id, ImageJobState::Failed, Some(error))
    }

    /// Takes back a job that waits or runs, and tells its state before; one that is over stays as it is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's errors.
    pub fn cancel_image_job(&self, id: &str) -> Result<ImageJobState, StoreError> {
        let now_ms = self.now_ms();
        self.user.write(|transaction| {
            let before = job(transaction, id)?.state;
            if matches!(before, ImageJobState::Queued | ImageJobState::Running) {
                end(transaction, id, ImageJobState::Cancelled, None, now_ms)?;
            }
            Ok(before)
        })
    }

    /// Lets a job that failed or was taken back wait again, behind the others; it makes what it had not saved.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] in another state; [`StoreError::TooMany`]; the disk's errors.
    pub fn retry_image_job(&self, id: &str) -> Result<ImageJob, StoreError> {
        self.user.write(|transaction| {
            let state = job(transaction, id)?.state;
            if !matches!(state, ImageJobState::Failed | ImageJobState::Cancelled) {
                return Err(not_in_state(state));
            }
            if waiting(transaction)? >= IMAGE_JOBS_WAITING_MAX {
                let what = "jobs that wait for their images";
                return Err(StoreError::TooMany { what, count_max: IMAGE_JOBS_WAITING_MAX }.into());
            }
            transaction.execute(
                "UPDATE image_jobs SET state = 'queued', position = ?2, attempts = 0, error = NULL,
                 finished_ms = NULL WHERE id = ?1",
                params![id, last_position(transaction)?],
            )?;
            job(transaction, id)
        })
    }

    /// Takes a job that is over out of the list; its images stay.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] while it is open; the disk's errors.
    pub fn forget_image_job(&self, id: &str) -> Result<(), StoreError> {
        self.user.write(|transaction| {
            let state = job(transaction, id)?.state;
            if matches!(state, ImageJobState::Queued | ImageJobState::Running) {
                return Err(not_in_state(state));
            }
            release_blobs(transaction, id)?;
            transaction.execute("DELETE FROM image_jobs WHERE id = ?1", [id])?;
            Ok(())
        })?;
        self.remove_blobs()
    }

    /// Puts a running job back to the head of its priority. With `counts`, because its process died: then it fails when
    /// that was its last attempt. Tells its state afterwards.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] when it does not run; the disk's errors.
    pub fn requeue_image_job(&self, id: &str, counts: bool, error: &str) -> Result<ImageJobState, StoreError> {
        fits("error", error.len(), NAME_BYTES_MAX)?;
        let now_ms = self.now_ms();
        self.user.write(|transaction| {
            let state = job(transaction, id)?.state;
            if state != ImageJobState::Running {
                return Err(not_in_state(state));
            }
            requeue(transaction, id, counts, error, now_ms)
        })
    }

    /// Puts back every job that ran, or fails it, as [`Store::requeue_image_job`] does. To be called once after opening,
    /// before any job is claimed.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn recover_image_jobs(&self, error: &str) -> Result<RecoveredImageJobs, StoreError> {
        fits("error", error.len(), NAME_BYTES_MAX)?;
        let now_ms = self.now_ms();
        self.user.write(|transaction| {
            let mut statement = transaction.prepare("SELECT id FROM image_jobs WHERE state = 'running'")?;
            let ids = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
            let mut recovered = RecoveredImageJobs::default();
            for id in ids {
                match requeue(transaction, &id, true, error, now_ms)? {
                    ImageJobState::Queued => recovered.requeued.push(id),
                    _ => recovered.failed.push(id),
                }
            }
            Ok(recovered)
        })
    }

    /// Puts a waiting job right before another waiting one, whose priority it takes on, or behind all of its own.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] when one of them does not wait; the disk's errors.
    pub fn move_image_job(&self, id: &str, before: Option<&str>) -> Result<(), StoreError> {
        self.user.write(|transaction| {
            let priority = match before {
                Some(other) => must_wait(transaction, other)?.priority,
                None => must_wait(transaction, id)?.priority,
            };
            must_wait(transaction, id)?;
            let mut ids: Vec<String> = queue(transaction)?.into_iter().map(|job| job.id).collect();
            ids.retain(|waiting| waiting != id);
            let place = ids.iter().position(|waiting| Some(waiting.as_str()) == before);
            ids.insert(place.unwrap_or(ids.len()), id.to_owned());
            transaction.execute("UPDATE image_jobs SET priority = ?2 WHERE id = ?1", params![id, priority])?;
            let mut statement = transaction.prepare("UPDATE image_jobs SET position = ?2 WHERE id = ?1")?;
            for (position, id) in ids.iter().enumerate() {
                statement.execute(params![id, position as i64])?;
            }
            Ok(())
        })
    }

    /// The job `id`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's errors.
    pub fn image_job(&self, id: &str) -> Result<ImageJob, StoreError> {
        self.user.read(|connection| job(connection, id))
    }

    /// The hashes of the bytes the job `id` begins with, in order.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn image_job_blobs(&self, id: &str) -> Result<Vec<String>, StoreError> {
        self.user.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT blob FROM image_job_blobs WHERE job_id = ?1 ORDER BY place")?;
            let rows = statement.query_map([id], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Running jobs, then those that wait, in the order of their turns.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn open_image_jobs(&self) -> Result<Vec<ImageJob>, StoreError> {
        self.user.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM image_jobs WHERE state = 'running' ORDER BY id");
            let mut statement = connection.prepare_cached(&sql)?;
            let mut jobs = statement.query_map([], from_row)?.collect::<rusqlite::Result<Vec<_>>>()?;
            jobs.extend(queue(connection)?);
            Ok(jobs)
        })
    }

    /// The next `limit` jobs that are over, stored before the job `before` where one is named, newest first.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn ended_image_jobs(&self, before: Option<&str>, limit: usize) -> Result<Vec<ImageJob>, StoreError> {
        self.user.read(|connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM image_jobs WHERE id < ?1 AND state NOT IN ('queued', 'running')
                 ORDER BY id DESC LIMIT ?2"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let values = params![before.unwrap_or("~"), limit.min(IMAGE_JOBS_PAGE_MAX) as i64];
            Ok(statement.query_map(values, from_row)?.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn end_image_job(&self, id: &str, state: ImageJobState, error: Option<&str>) -> Result<(), StoreError> {
        let now_ms = self.now_ms();
        self.user.write(|transaction| {
            let found = job(transaction, id)?.state;
            if found != ImageJobState::Running {
                return Err(not_in_state(found));
            }
            end(transaction, id, state, error, now_ms)
        })
    }
}

/// Counts one saved image of a running job, and ends the job with its last one.
pub(crate) fn count_image(transaction: &Transaction<'_>, id: &str, now_ms: i64) -> Result<(), Fault> {
    let found = job(transaction, id)?;
    if found.state != ImageJobState::Running {
        return Err(not_in_state(found.state));
    }
    transaction.execute("UPDATE image_jobs SET images_done = images_done + 1 WHERE id = ?1", [id])?;
    if found.images_done + 1 >= found.images_all {
        end(transaction, id, ImageJobState::Done, None, now_ms)?;
    }
    Ok(())
}

fn end(
    transaction: &Transaction<'_>,
    id: &str,
    state: ImageJobState,
    error: Option<&str>,
    now_ms: i64,
) -> Result<(), Fault> {
    transaction.execute(
        "UPDATE image_jobs SET state = ?2, error = ?3, finished_ms = ?4 WHERE id = ?1",
        params![id, state, error, now_ms],
    )?;
    if state == ImageJobState::Done {
        release_blobs(transaction, id)?;
    }
    Ok(())
}

/// Nobody can try the job again, and what it began with may be removed for good.
fn release_blobs(transaction: &Transaction<'_>, id: &str) -> Result<(), Fault> {
    transaction.execute(
        "INSERT OR IGNORE INTO blobs_to_remove (blob) SELECT blob FROM image_job_blobs WHERE job_id = ?1",
        [id],
    )?;
    transaction.execute("DELETE FROM image_job_blobs WHERE job_id = ?1", [id])?;
    Ok(())
}

fn requeue(
    transaction: &Transaction<'_>,
    id: &str,
    counts: bool,
    error: &str,
    now_ms: i64,
) -> Result<ImageJobState, Fault> {
    if counts && job(transaction, id)?.attempts >= IMAGE_ATTEMPTS_MAX {
        end(transaction, id, ImageJobState::Failed, Some(error), now_ms)?;
        return Ok(ImageJobState::Failed);
    }
    transaction.execute(
        "UPDATE image_jobs SET state = 'queued', attempts = attempts - ?2,
         position = (SELECT ifnull(min(position), 0) - 1 FROM image_jobs) WHERE id = ?1",
        params![id, i64::from(!counts)],
    )?;
    Ok(ImageJobState::Queued)
}

fn job(connection: &Connection, id: &str) -> Result<ImageJob, Fault> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM image_jobs WHERE id = ?1"))?
        .query_row([id], from_row)
        .optional()?
        .ok_or_else(|| StoreError::not_found("image job", id).into())
}

fn must_wait(connection: &Connection, id: &str) -> Result<ImageJob, Fault> {
    let found = job(connection, id)?;
    if found.state == ImageJobState::Queued { Ok(found) } else { Err(not_in_state(found.state)) }
}

fn queue(connection: &Connection) -> Result<Vec<ImageJob>, Fault> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM image_jobs WHERE {QUEUE}"))?;
    Ok(statement.query_map([], from_row)?.collect::<rusqlite::Result<_>>()?)
}

fn waiting(connection: &Connection) -> Result<usize, Fault> {
    let sql = "SELECT count(*) FROM image_jobs WHERE state = 'queued'";
    let count: i64 = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// A position behind every job that waits or may wait again.
fn last_position(connection: &Connection) -> Result<i64, Fault> {
    let sql = "SELECT ifnull(max(position), -1) + 1 FROM image_jobs";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

fn forget_old(transaction: &Transaction<'_>) -> Result<(), Fault> {
    transaction.execute(
        "DELETE FROM image_jobs WHERE id IN
         (SELECT id FROM image_jobs WHERE state NOT IN ('queued', 'running') ORDER BY id DESC LIMIT -1 OFFSET ?1)",
        [IMAGE_JOBS_ENDED_MAX as i64],
    )?;
    Ok(())
}

fn not_in_state(state: ImageJobState) -> Fault {
    StoreError::Conflict(format!("the job is {}", state.as_str())).into()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<ImageJob> {
    Ok(ImageJob {
        id: row.get(0)?,
        state: row.get(1)?,
        priority: row.get(2)?,
        model: row.get(3)?,
        request: row.get(4)?,
        images_all: row.get(5)?,
        images_done: row.get(6)?,
        attempts: row.get(7)?,
        error: row.get(8)?,
        created_ms: row.get(9)?,
        started_ms: row.get(10)?,
        finished_ms: row.get(11)?,
    })
}
