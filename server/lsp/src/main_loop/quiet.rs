//! What comes up in front of the user by itself waits until they pause: a document that takes the focus, or a question,
//! would take the next keys as well.
//!
//! Refuses: waiting for ever.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use app::Proposal;

use super::{Event, MainLoop};

/// Without a change of any text for so long, nobody types.
const PAUSE: Duration = Duration::from_millis(800);
/// Pauses that are waited for before it comes up anyway.
const PAUSES_MAX: u32 = 60;

/// Something that comes up.
#[derive(Debug)]
pub(crate) enum Front {
    /// An answer.
    Document(PathBuf),
    /// A question about a proposal, which lies in a document.
    Question(Box<Proposal>, PathBuf),
}

/// When a text was last changed.
#[derive(Default)]
pub(super) struct Typing(Option<Instant>);

impl Typing {
    /// A text was changed.
    pub(super) fn note(&mut self) {
        self.0 = Some(Instant::now());
    }

    fn goes_on(&self) -> bool {
        self.0.is_some_and(|at| at.elapsed() < PAUSE)
    }
}

impl MainLoop {
    /// Brings something up once nobody types; `waited` pauses were waited for so far.
    pub(super) fn bring_up(&mut self, what: Front, waited: u32) {
        if self.typing.goes_on() && waited < PAUSES_MAX {
            let events = self.events.clone();
            self.tasks.spawn(async move {
                tokio::time::sleep(PAUSE).await;
                // A session that ended shows nothing.
                let _ = events.send(Event::Front(what, waited + 1)).await;
            });
            return;
        }
        match what {
            Front::Document(path) => self.show_document(path),
            Front::Question(proposal, document) => self.ask_about(*proposal, document),
        }
    }
}
