//! The jobs of a session while they run: begun when there is room, cancelled, ended.
//!
//! Refuses: knowing what a job does. Its task ends in an event, which says what follows.

use tower_lsp::gen_lsp_types::ProgressToken;
use tower_lsp::jsonrpc::Result;

use super::{Asked, LATE_MAX, MainLoop};
use crate::client::Surface;
use crate::jobs::progress::Progress;
use crate::jobs::work;
use crate::jobs::{DELIVERIES_MAX, Full, JOBS_MAX, Job};
use crate::messages::request_failed;
use crate::uris::name_of;

impl MainLoop {
    /// Refuses a further job where as many as may run do.
    pub(super) fn room_for_a_job(&self) -> Result<()> {
        match self.jobs.full() {
            None => Ok(()),
            Some(Full::Running) => Err(request_failed(format!(
                "{JOBS_MAX} jobs are running already; wait for one or cancel one with familiar.cancel"
            ))),
            Some(Full::Delivering) => Err(request_failed(format!(
                "{DELIVERIES_MAX} edits wait for you in the editor; answer it, or cancel them with familiar.cancel"
            ))),
        }
    }

    /// A job whose progress the client shows, if it shows any.
    pub(super) fn add_job(&mut self, verb: &str, uri: String, token: Option<ProgressToken>) -> u64 {
        let number = self.jobs.next_number();
        let title = format!("{verb} {}", name_of(&uri));
        let shown = self.client.signed(Surface::Progress, &title);
        let (progress, asked) = Progress::start(&self.outbox, &self.client, token, number, &shown);
        if let Some(id) = asked {
            self.asked.insert(id, Asked::Progress(number));
        }
        self.jobs.insert(number, Job::new(uri, title, progress));
        number
    }

    /// A job that is over too soon to be shown.
    pub(super) fn add_silent_job(&mut self, uri: String, title: String) -> Result<u64> {
        self.room_for_a_job()?;
        let number = self.jobs.next_number();
        self.jobs.insert(number, Job::new(uri, title, Progress::silent(number)));
        Ok(number)
    }

    /// Runs a task for a job until it ends or the job is cancelled.
    pub(super) fn start<W>(&mut self, number: u64, work: impl FnOnce(&Self) -> W)
    where
        W: Future<Output = work::JobEvent> + Send + 'static,
    {
        let Some(cancel) = self.jobs.get_mut(number).map(|job| job.cancel.clone()) else {
            return;
        };
        let work = work(self);
        self.teller(number).spawn(&mut self.tasks, cancel, work);
    }

    /// Ends the jobs for which `wanted` holds, and says why where their progress is shown. Returns how many.
    pub(super) fn cancel_jobs(&mut self, wanted: impl Fn(&Job) -> bool, why: &str) -> usize {
        let numbers = self.jobs.numbers(wanted);
        for number in &numbers {
            self.keep_late_edit(*number);
            self.finish(*number, why);
        }
        numbers.len()
    }

    /// Ends a job, which says `last` where its progress is shown.
    pub(super) fn finish(&mut self, number: u64, last: &str) {
        self.preview(number, "", true);
        if let Some(mut job) = self.jobs.remove(number) {
            job.cancel.cancel();
            if job.progress.end(&self.outbox, last) && self.late.len() < LATE_MAX {
                self.late.insert(number, job.progress);
            }
        }
    }
}
