//! A kind of work that a child does: what is asked of it, what it tells, and how that waits for its reader.
//!
//! Everything else of this room carries any kind: queue, pipe, deadlines, restarts. Refuses: knowledge of pipes,
//! processes and time.

mod chat;
mod images;

use model::{ModelError, Priority};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use chat::Chat;
pub(crate) use images::Images;

/// What an event costs its sender beyond its own bytes, so that empty ones are bounded too.
const EVENT_BYTES: usize = 64;

/// Answers questions on a thread of its own while the work goes on.
pub(crate) type Answerer<W> =
    Box<dyn Fn(&<W as Work>::Question) -> Result<<W as Work>::Answer, ModelError> + Send>;

/// A kind of work.
pub(crate) trait Work: Sized + Send + 'static {
    /// Its name, told by both ends in their first message.
    const NAME: &'static str;
    /// Bytes of events that a child may have sent for one request and its reader has not taken.
    const UNREAD_BYTES_MAX: usize;

    /// What is asked.
    type Request: Serialize + DeserializeOwned + Send;
    /// What happens while it is done.
    type Event: Serialize + DeserializeOwned + Send;
    /// What the last event of good work says.
    type End: Send;
    /// What is known about the model.
    type Info: Serialize + DeserializeOwned + Clone + Default + Send;
    /// What may be asked beside the work.
    type Question: Serialize + DeserializeOwned + Default + Send;
    /// The answer to it.
    type Answer: Serialize + DeserializeOwned + Send;
    /// What is remembered of a child's events to tell whether the next one may follow.
    type Check: Send;

    /// Who goes first.
    fn priority(request: &Self::Request) -> Priority;
    /// The event of a request that waits.
    fn queued(position: u32) -> Self::Event;
    /// The event of a request whose model is being loaded.
    fn loading(fraction: f32) -> Self::Event;
    /// The event at the end of good work.
    fn finished(end: Self::End) -> Self::Event;
    /// The end, when this is the last event.
    fn end_of(event: Self::Event) -> Result<Self::End, Self::Event>;
    /// Time that the request waited, in milliseconds, as its end tells it.
    fn queue_ms(end: &mut Self::End) -> &mut f64;
    /// Bytes of text or pixels in an event.
    fn payload_bytes(event: &Self::Event) -> usize;
    /// Adds an event to one that was not read yet. Gives it back when both have to be read.
    fn melt(unread: &mut Self::Event, event: Self::Event) -> Option<Self::Event>;

    /// The check of the events for a request.
    fn check_for(request: &Self::Request) -> Self::Check;
    /// Whether this event may follow those before it, or what is wrong with it.
    fn check(check: &mut Self::Check, event: &Self::Event) -> Result<(), &'static str>;

    /// What is known about a model that was not loaded yet.
    fn unloaded(name: String) -> Self::Info;
    /// Takes over what a load told, but not its name.
    fn adopt(info: &mut Self::Info, loaded: Self::Info);
    /// Notes whether it stands ready, and the share loaded.
    fn note_state(info: &mut Self::Info, loaded: bool, loading: Option<f32>);
    /// Learns from finished work.
    fn learn(info: &mut Self::Info, end: &Self::End);

    /// What an event costs its sender until it was read. At most half of what may be unread, so that a sender whose
    /// reader keeps up can always go on.
    fn cost_bytes(event: &Self::Event) -> usize {
        (EVENT_BYTES + Self::payload_bytes(event)).min(Self::UNREAD_BYTES_MAX / 2)
    }
}
