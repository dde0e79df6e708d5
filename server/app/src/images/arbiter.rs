//! Who may use the memory of the machine's accelerator: one ledger for language models, image models and embedders.
//!
//! A pure state machine: events in, effects out. It refuses clocks and I/O; `memory.rs` measures, waits and evicts for
//! it. It grants a lease when the memory that the device says is free, less a reserve and what was promised, covers it.
//! It never evicts what is in use. While images are made, a language model that had to leave stays away, so that nothing
//! is loaded twice in one queue; when the queue is drained it comes back once. Image weights stay for a while then,
//! unless somebody waits for their room.

mod ledger;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::BTreeMap;

/// Least memory that is left free, in bytes.
pub(crate) const RESERVE_BYTES_MIN: u64 = 1 << 30;
/// Share of all memory that is left free where that is more, in percent.
pub(crate) const RESERVE_PERCENT: u64 = 8;

/// What a model is for; of two that could make way, the one named first goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ResidentKind {
    /// It makes images.
    Image,
    /// It makes vectors.
    Embed,
    /// It answers.
    Chat,
}

/// Names one use of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LeaseId(pub(crate) u64);

/// A wish to use a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeaseRequest {
    /// Names it; never used twice.
    pub(crate) lease: LeaseId,
    /// The model.
    pub(crate) resident: String,
    /// What the model is for.
    pub(crate) kind: ResidentKind,
    /// Bytes of its weights, which count while they are not loaded.
    pub(crate) weights_bytes: u64,
    /// Bytes it needs besides while it works, at most.
    pub(crate) working_bytes: u64,
    /// Higher ones go first among their kind.
    pub(crate) priority: i64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The device was asked, as [`Effect::Measure`] of this number wanted.
    Measured {
        /// The number.
        number: u64,
        /// Bytes free now.
        free_bytes: u64,
        /// Bytes in all.
        total_bytes: u64,
    },
    /// A model stands in memory.
    Loaded {
        /// The model.
        resident: String,
        /// What it is for.
        kind: ResidentKind,
        /// Bytes of its weights.
        bytes: u64,
    },
    /// A model's memory is free: it was evicted, left by itself, died or could not be loaded.
    Gone {
        /// The model.
        resident: String,
    },
    /// Somebody wants to use a model.
    Ask(LeaseRequest),
    /// A use is over, or the wish for it, whatever state it is in.
    Release(LeaseId),
    /// So many image jobs wait or run.
    ImagesOpen(u32),
    /// The time that [`Effect::StartLinger`] of this number began is over.
    LingerOver(u64),
}

/// Why a lease waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// Images are being made, and there is no room beside them.
    Images,
    /// What would make room is in use.
    Busy,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Ask the device how much memory is free, and say so with this number.
    Measure(u64),
    /// The lease is given; it lasts until it is released.
    Grant(LeaseId),
    /// The lease waits. Told once for each reason.
    Hold(LeaseId, Held),
    /// The lease cannot be given, also when everything else is gone.
    Refuse {
        /// Which.
        lease: LeaseId,
        /// Bytes it needs.
        needed_bytes: u64,
        /// Bytes there are for it.
        available_bytes: u64,
    },
    /// Free the memory of a model that nobody uses, then say that it is gone.
    Evict(String),
    /// Load a model that was evicted, then say that it is loaded, or gone.
    Restore(String),
    /// Wait as long as image weights are kept, then say so with this number.
    StartLinger(u64),
}

/// How far a model is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Being loaded; its bytes are promised.
    Loading,
    /// Loaded; the device's figure knows of it.
    Loaded,
    /// On its way out.
    Evicting,
}

#[derive(Clone, Debug)]
struct Resident {
    kind: ResidentKind,
    bytes: u64,
    phase: Phase,
    /// Leases on it.
    leases: u32,
}

#[derive(Clone, Debug)]
struct Waiting {
    request: LeaseRequest,
    told: Option<Held>,
}

#[derive(Clone, Debug)]
struct Granted {
    resident: String,
    kind: ResidentKind,
    working_bytes: u64,
}

/// What the device said last.
#[derive(Clone, Copy, Debug)]
struct Measured {
    free_bytes: u64,
    total_bytes: u64,
}

/// A language model that left for images.
#[derive(Clone, Debug)]
struct Displaced {
    resident: String,
    bytes: u64,
}

/// The ledger of one device.
#[derive(Debug, Default)]
pub(crate) struct Arbiter {
    residents: BTreeMap<String, Resident>,
    /// In the order they asked.
    waiting: Vec<Waiting>,
    granted: BTreeMap<LeaseId, Granted>,
    /// `None` when something changed since.
    measured: Option<Measured>,
    /// The number of the measurement that is on its way.
    measuring: Option<u64>,
    next_number: u64,
    images_open: u32,
    displaced: Option<Displaced>,
    /// The number of the time that image weights are kept for.
    linger: Option<u64>,
    /// Whether that time is over.
    linger_is_over: bool,
}

impl Arbiter {
    /// Takes one event in and says what is to be done, in this order.
    pub(crate) fn step(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.note(event, &mut effects);
        self.settle(&mut effects);
        effects
    }
}
