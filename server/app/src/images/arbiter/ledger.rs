//! What is in memory and what was promised. Refuses: deciding whose turn it is.

use super::{
    Arbiter, Displaced, Effect, Event, LeaseRequest, Measured, Phase, RESERVE_BYTES_MIN, RESERVE_PERCENT,
    Resident, ResidentKind, Waiting,
};

impl Arbiter {
    /// Writes an event down.
    pub(super) fn note(&mut self, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Measured { number, free_bytes, total_bytes } => {
                // An older figure may not know of what happened since.
                if self.measuring == Some(number) {
                    self.measuring = None;
                    self.measured = Some(Measured { free_bytes, total_bytes });
                }
            }
            Event::Loaded { resident, kind, bytes } => {
                let leases = self.residents.get(&resident).map_or(0, |known| known.leases);
                let is_leaving = self.residents.get(&resident).is_some_and(|known| known.phase == Phase::Evicting);
                let phase = if is_leaving { Phase::Evicting } else { Phase::Loaded };
                self.residents.insert(resident, Resident { kind, bytes, phase, leases });
                self.forget_measurement();
            }
            Event::Gone { resident } => {
                self.gone(&resident);
                self.forget_measurement();
            }
            Event::Ask(request) => self.waiting.push(Waiting { request, told: None }),
            Event::Release(lease) => {
                self.waiting.retain(|waiting| waiting.request.lease != lease);
                if let Some(granted) = self.granted.remove(&lease)
                    && let Some(resident) = self.residents.get_mut(&granted.resident)
                {
                    resident.leases = resident.leases.saturating_sub(1);
                    self.forget_measurement();
                }
            }
            Event::ImagesOpen(jobs) => {
                self.images_open = jobs;
                if jobs > 0 {
                    self.linger = None;
                    self.linger_is_over = false;
                }
            }
            Event::LingerOver(number) => self.linger_is_over |= self.linger == Some(number),
        }
        self.measure_if_useful(effects);
    }

    /// A model that leaves while it is in use died; whoever uses it finds out, and its next use loads it again.
    fn gone(&mut self, resident: &str) {
        let Some(known) = self.residents.get_mut(resident) else { return };
        if known.leases > 0 {
            known.phase = Phase::Loading;
            return;
        }
        self.residents.remove(resident);
    }

    pub(super) fn forget_measurement(&mut self) {
        self.measured = None;
        self.measuring = None;
    }

    /// Asks the device when a decision waits for its figure.
    pub(super) fn measure_if_useful(&mut self, effects: &mut Vec<Effect>) {
        let is_useful = !self.waiting.is_empty() || (self.displaced.is_some() && self.is_drained());
        if is_useful && self.measured.is_none() && self.measuring.is_none() && !self.is_evicting() {
            self.next_number += 1;
            self.measuring = Some(self.next_number);
            effects.push(Effect::Measure(self.next_number));
        }
    }

    pub(super) fn is_evicting(&self) -> bool {
        self.residents.values().any(|resident| resident.phase == Phase::Evicting)
    }

    /// Whether no image is made or wanted.
    pub(super) fn is_drained(&self) -> bool {
        self.images_open == 0
            && !self.granted.values().any(|granted| granted.kind == ResidentKind::Image)
            && !self.waiting.iter().any(|waiting| waiting.request.kind == ResidentKind::Image)
    }

    /// Bytes a lease would take that are not taken yet.
    pub(super) fn needed_bytes(&self, request: &LeaseRequest) -> u64 {
        let weights = if self.residents.contains_key(&request.resident) { 0 } else { request.weights_bytes };
        weights.saturating_add(request.working_bytes)
    }

    /// Bytes that can be given away by what the device said. What works now is counted in full, also where the device
    /// counts a part of it already: a peak may still come.
    pub(super) fn available_bytes(&self, measured: Measured) -> u64 {
        let reserve = RESERVE_BYTES_MIN.max(measured.total_bytes / 100 * RESERVE_PERCENT);
        let loading = self.residents.values().filter(|resident| resident.phase == Phase::Loading);
        let working = self.granted.values().map(|granted| granted.working_bytes);
        let promised = loading.map(|resident| resident.bytes).chain(working).fold(0, u64::saturating_add);
        measured.free_bytes.saturating_sub(reserve).saturating_sub(promised)
    }

    /// Gives a lease.
    pub(super) fn grant(&mut self, at: usize, effects: &mut Vec<Effect>) {
        let LeaseRequest { lease, resident, kind, weights_bytes, working_bytes, .. } =
            self.waiting.remove(at).request;
        if self.displaced.as_ref().is_some_and(|displaced| displaced.resident == resident) {
            self.displaced = None;
        }
        let used = self.residents.entry(resident.clone()).or_insert(Resident {
            kind,
            bytes: weights_bytes,
            phase: Phase::Loading,
            leases: 0,
        });
        used.leases += 1;
        self.granted.insert(lease, super::Granted { resident, kind, working_bytes });
        effects.push(Effect::Grant(lease));
    }

    /// The model that makes way first for a use of `resident`, among those that nobody uses.
    pub(super) fn first_to_go(&self, resident: &str) -> Option<String> {
        let idle = self.residents.iter().filter(|(name, known)| {
            known.phase == Phase::Loaded && known.leases == 0 && name.as_str() != resident
        });
        idle.min_by_key(|(_, known)| (known.kind, known.bytes)).map(|(name, _)| name.clone())
    }

    /// Sends a model away; a language model that leaves for images is remembered.
    pub(super) fn evict(&mut self, name: &str, for_images: bool, effects: &mut Vec<Effect>) {
        let Some(resident) = self.residents.get_mut(name) else { return };
        resident.phase = Phase::Evicting;
        if for_images && resident.kind == ResidentKind::Chat {
            self.displaced = Some(Displaced { resident: name.to_owned(), bytes: resident.bytes });
        }
        self.forget_measurement();
        effects.push(Effect::Evict(name.to_owned()));
    }
}
