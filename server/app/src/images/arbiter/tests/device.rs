//! A device of numbers: it carries effects out and fails the test when one of them is forbidden.

use std::collections::BTreeMap;

use super::super::{
    Arbiter, Effect, Event, Held, LeaseId, LeaseRequest, RESERVE_BYTES_MIN, RESERVE_PERCENT, ResidentKind,
};

pub(super) const GIB: u64 = 1 << 30;
/// Bytes of every model's weights.
const WEIGHTS_BYTES: u64 = 6 * GIB;
/// Rounds after which a device that does not come to rest never will.
const ROUNDS_MAX: usize = 2_000;

#[derive(Clone, Debug, PartialEq)]
enum State {
    Waiting(Option<Held>),
    Granted,
    Refused(u64, u64),
    Over,
}

/// What is in memory of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Memory {
    Loading,
    Loaded,
}

pub(super) struct Device {
    arbiter: Arbiter,
    total: u64,
    /// Bytes of programs that are none of ours.
    others: u64,
    memory: BTreeMap<String, (ResidentKind, Memory)>,
    leases: BTreeMap<LeaseId, (LeaseRequest, State)>,
    /// Effects that were not carried out yet.
    pending: Vec<Effect>,
    evicted: Vec<String>,
    pub(super) restores: usize,
    /// Image jobs besides those whose lease stands.
    pub(super) images_open: u32,
    told_open: u32,
}

impl Device {
    pub(super) fn new(total: u64) -> Self {
        Self {
            arbiter: Arbiter::default(),
            total,
            others: 0,
            memory: BTreeMap::new(),
            leases: BTreeMap::new(),
            pending: Vec::new(),
            evicted: Vec::new(),
            restores: 0,
            images_open: 0,
            told_open: 0,
        }
    }

    pub(super) fn step(&mut self, event: Event) -> Vec<Effect> {
        let effects = self.arbiter.step(event);
        for effect in &effects {
            self.check(effect);
            match effect {
                Effect::Grant(lease) => {
                    let (request, state) = self.leases.get_mut(lease).expect("it was asked for");
                    *state = State::Granted;
                    let kind = request.kind;
                    self.memory.entry(request.resident.clone()).or_insert((kind, Memory::Loading));
                }
                Effect::Hold(lease, why) => {
                    let (_, state) = self.leases.get_mut(lease).expect("it was asked for");
                    assert_ne!(*state, State::Waiting(Some(*why)), "told twice");
                    assert!(matches!(state, State::Waiting(_)), "{lease:?} is {state:?}");
                    *state = State::Waiting(Some(*why));
                }
                Effect::Refuse { lease, needed_bytes, available_bytes } => {
                    assert!(needed_bytes > available_bytes);
                    let (_, state) = self.leases.get_mut(lease).expect("it was asked for");
                    assert!(matches!(state, State::Waiting(_)), "{lease:?} is {state:?}");
                    *state = State::Refused(*needed_bytes, *available_bytes);
                }
                other => self.pending.push(other.clone()),
            }
        }
        effects
    }

    /// Fails when an effect is one that must never be.
    fn check(&self, effect: &Effect) {
        match effect {
            Effect::Grant(lease) => {
                let (request, state) = &self.leases[lease];
                assert!(matches!(state, State::Waiting(_)), "{lease:?} is {state:?}");
                let earlier = self.leases.iter().find(|(id, (other, state))| {
                    *id < lease
                        && other.kind == request.kind
                        && other.priority == request.priority
                        && matches!(state, State::Waiting(_))
                });
                assert!(earlier.is_none(), "{lease:?} went before {earlier:?}");
                let others = self.granted().filter(|other| other.resident != request.resident).count();
                let is_alone = self.memory.keys().all(|model| *model == request.resident) && others == 0;
                assert!(self.fits(request) || (request.kind == ResidentKind::Chat && is_alone), "{request:?}");
            }
            Effect::Evict(model) => {
                assert!(self.granted().all(|lease| lease.resident != *model), "{model} is in use");
                assert_eq!(self.memory.get(model).map(|(_, memory)| *memory), Some(Memory::Loaded), "{model}");
            }
            Effect::Restore(model) => {
                assert!(!self.memory.contains_key(model) && self.evicted.contains(model), "{model}");
                assert!(self.committed() + WEIGHTS_BYTES <= self.usable(), "{model} does not fit");
            }
            _ => {}
        }
    }

    fn granted(&self) -> impl Iterator<Item = &LeaseRequest> {
        let granted = self.leases.values().filter(|(_, state)| *state == State::Granted);
        granted.map(|(request, _)| request)
    }

    fn usable(&self) -> u64 {
        self.total - RESERVE_BYTES_MIN.max(self.total / 100 * RESERVE_PERCENT)
    }

    /// Bytes that models have, will have, and work with. What other programs take is left out: it may have come after
    /// the figure that decided.
    fn committed(&self) -> u64 {
        let working: u64 = self.granted().map(|request| request.working_bytes).sum();
        self.memory.len() as u64 * WEIGHTS_BYTES + working
    }

    fn fits(&self, request: &LeaseRequest) -> bool {
        let weights = if self.memory.contains_key(&request.resident) { 0 } else { WEIGHTS_BYTES };
        self.committed() + weights + request.working_bytes <= self.usable()
    }

    /// Bytes the device calls free: what is loading is not there yet, and half of what is worked with.
    fn free(&self) -> u64 {
        let loaded = self.memory.values().filter(|(_, memory)| *memory == Memory::Loaded).count() as u64;
        let working: u64 = self.granted().map(|request| request.working_bytes / 2).sum();
        self.total.saturating_sub(self.others + loaded * WEIGHTS_BYTES + working)
    }

    pub(super) fn ask(&mut self, model: &str, kind: ResidentKind, working_bytes: u64, priority: i64) -> LeaseId {
        let lease = LeaseId(self.leases.len() as u64);
        let request = LeaseRequest {
            lease,
            resident: model.to_owned(),
            kind,
            weights_bytes: WEIGHTS_BYTES,
            working_bytes,
            priority,
        };
        self.leases.insert(lease, (request.clone(), State::Waiting(None)));
        self.tell_open();
        self.step(Event::Ask(request));
        lease
    }

    fn tell_open(&mut self) {
        let standing = self.leases.values().filter(|(request, state)| {
            request.kind == ResidentKind::Image && matches!(state, State::Waiting(_) | State::Granted)
        });
        let open = self.images_open.max(standing.count() as u32);
        if open != self.told_open {
            self.told_open = open;
            self.step(Event::ImagesOpen(open));
        }
    }

    pub(super) fn release(&mut self, lease: LeaseId) {
        if let Some((_, state)) = self.leases.get_mut(&lease) {
            *state = State::Over;
        }
        self.step(Event::Release(lease));
        self.tell_open();
    }

    pub(super) fn release_any(&mut self, at: usize) {
        if !self.leases.is_empty() {
            self.release(LeaseId((at % self.leases.len()) as u64));
        }
    }

    fn first(&self, is: impl Fn(&State) -> bool) -> Option<LeaseId> {
        self.leases.iter().find(|(_, (_, state))| is(state)).map(|(lease, _)| *lease)
    }

    /// Carries one effect out.
    pub(super) fn carry(&mut self, at: usize) {
        if self.pending.is_empty() {
            return;
        }
        match self.pending.remove(at % self.pending.len()) {
            Effect::Measure(number) => {
                let (free_bytes, total_bytes) = (self.free(), self.total);
                self.step(Event::Measured { number, free_bytes, total_bytes });
            }
            Effect::Evict(model) => {
                self.memory.remove(&model);
                self.evicted.push(model.clone());
                self.step(Event::Gone { resident: model });
            }
            Effect::Restore(model) => {
                self.restores += 1;
                self.memory.entry(model).or_insert((ResidentKind::Chat, Memory::Loading));
            }
            Effect::StartLinger(number) => drop(self.step(Event::LingerOver(number))),
            other => panic!("{other:?} is not for the device"),
        }
        // A job that was refused is over.
        self.tell_open();
    }

    pub(super) fn finish_loading(&mut self, at: usize) {
        let loading: Vec<String> = self
            .memory
            .iter()
            .filter(|(_, (_, memory))| *memory == Memory::Loading)
            .map(|(model, _)| model.clone())
            .collect();
        if loading.is_empty() {
            return;
        }
        let model = loading[at % loading.len()].clone();
        let kind = self.memory[&model].0;
        self.memory.insert(model.clone(), (kind, Memory::Loaded));
        self.step(Event::Loaded { resident: model, kind, bytes: WEIGHTS_BYTES });
    }

    /// A model dies, and those who use it give up.
    pub(super) fn die(&mut self, at: usize) {
        let models: Vec<String> = self.memory.keys().cloned().collect();
        if models.is_empty() {
            return;
        }
        let model = models[at % models.len()].clone();
        let users: Vec<LeaseId> =
            self.granted().filter(|lease| lease.resident == model).map(|lease| lease.lease).collect();
        users.into_iter().for_each(|lease| self.release(lease));
        self.memory.remove(&model);
        // One that dies on its way out may be brought back like any that was evicted.
        if self.pending.contains(&Effect::Evict(model.clone())) {
            self.evicted.push(model.clone());
        }
        self.pending
            .retain(|effect| ![Effect::Evict(model.clone()), Effect::Restore(model.clone())].contains(effect));
        self.step(Event::Gone { resident: model.clone() });
        // Whoever came in meanwhile loads it again.
        let kind = self.granted().find(|lease| lease.resident == model).map(|lease| lease.kind);
        if let Some(kind) = kind {
            self.memory.insert(model, (kind, Memory::Loading));
        }
    }

    pub(super) fn others(&mut self, bytes: u64) {
        self.others = bytes.min(self.total);
    }

    /// Carries everything out and loads what is to be loaded.
    pub(super) fn work(&mut self) {
        self.work_on(true);
    }

    /// The same, but the time that image weights are kept goes on.
    pub(super) fn work_without_lingering(&mut self) {
        self.work_on(false);
    }

    fn work_on(&mut self, linger: bool) {
        for _ in 0..ROUNDS_MAX {
            let next = self.pending.iter().position(|effect| linger || !matches!(effect, Effect::StartLinger(_)));
            match next {
                Some(at) => self.carry(at),
                None if self.memory.values().any(|(_, memory)| *memory == Memory::Loading) => {
                    self.finish_loading(0);
                }
                None => return,
            }
        }
        panic!("effects never end");
    }

    /// Lets everything end, and fails when somebody waits for ever.
    pub(super) fn come_to_rest(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.work();
            match self.first(|state| *state == State::Granted) {
                Some(lease) => self.release(lease),
                None => break,
            }
        }
        let waiting = self.first(|state| matches!(state, State::Waiting(_)));
        assert_eq!(waiting, None, "waits for ever: {:?}", self.leases);
        let images = self.memory.values().filter(|(kind, _)| *kind == ResidentKind::Image).count();
        assert_eq!(images, 0, "image weights stay for ever");
    }

    pub(super) fn is_granted(&self, lease: LeaseId) -> bool {
        self.leases[&lease].1 == State::Granted
    }

    pub(super) fn held(&self, lease: LeaseId) -> Option<Held> {
        match self.leases[&lease].1 {
            State::Waiting(why) => why,
            _ => None,
        }
    }

    pub(super) fn refused(&self, lease: LeaseId) -> Option<(u64, u64)> {
        match self.leases[&lease].1 {
            State::Refused(needed, available) => Some((needed, available)),
            _ => None,
        }
    }

    pub(super) fn evictions(&self, model: &str) -> usize {
        self.evicted.iter().filter(|evicted| *evicted == model).count()
    }
}
