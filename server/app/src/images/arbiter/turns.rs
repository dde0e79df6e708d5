//! Whose turn it is. Refuses: passing over who came first among equals, and evicting what is in use.

use super::{Arbiter, Effect, Held, Measured, Phase, Resident, ResidentKind};

/// What became of the lease that was looked at.
enum Decision {
    /// It was given or refused: look at the next one.
    Decided,
    /// It waits, and so do those behind it.
    Waits,
    /// A model makes way; everything waits for that.
    Evicting,
}

impl Arbiter {
    /// Gives everything that can be given now.
    pub(super) fn settle(&mut self, effects: &mut Vec<Effect>) {
        while let Some(measured) = self.measured
            && !self.is_evicting()
        {
            // Images go first: a language model that could come in between their jobs would have to leave again.
            let decision = match self.next_of(&[ResidentKind::Image]).filter(|_| !self.is_drawing()) {
                Some(at) => self.decide(at, measured, effects),
                None => match self.next_of(&[ResidentKind::Chat, ResidentKind::Embed]) {
                    Some(at) => self.decide(at, measured, effects),
                    None => break,
                },
            };
            match decision {
                Decision::Decided => {}
                Decision::Waits => {
                    self.hold_the_others(effects);
                    break;
                }
                Decision::Evicting => break,
            }
        }
        if self.is_drained() && !self.is_evicting() {
            self.settle_drained(effects);
        }
        self.measure_if_useful(effects);
    }

    /// Images are drawn one job at a time.
    fn is_drawing(&self) -> bool {
        self.granted.values().any(|granted| granted.kind == ResidentKind::Image)
    }

    /// The place of the lease of these kinds whose turn it is.
    fn next_of(&self, kinds: &[ResidentKind]) -> Option<usize> {
        let of_kind = self.waiting.iter().enumerate().filter(|(_, waiting)| kinds.contains(&waiting.request.kind));
        // The first of the highest: `min_by_key` keeps the first among equals.
        of_kind.min_by_key(|(_, waiting)| std::cmp::Reverse(waiting.request.priority)).map(|(at, _)| at)
    }

    fn decide(&mut self, at: usize, measured: Measured, effects: &mut Vec<Effect>) -> Decision {
        let request = self.waiting[at].request.clone();
        let is_image = request.kind == ResidentKind::Image;
        let (needed_bytes, available_bytes) = (self.needed_bytes(&request), self.available_bytes(measured));
        // Who left for images stays away until they are done, also where there is room between two jobs.
        let stays_away = !self.is_drained()
            && self.displaced.as_ref().is_some_and(|displaced| displaced.resident == request.resident);
        if needed_bytes <= available_bytes && !stays_away {
            self.grant(at, effects);
            return Decision::Decided;
        }
        if !is_image && !self.is_drained() {
            self.hold(at, Held::Images, effects);
            return Decision::Waits;
        }
        if let Some(idle) = self.first_to_go(&request.resident) {
            self.evict(&idle, is_image, effects);
            return Decision::Evicting;
        }
        let is_loading = self.residents.values().any(|resident| resident.phase == Phase::Loading);
        if !self.granted.is_empty() || is_loading {
            self.hold(at, Held::Busy, effects);
            return Decision::Waits;
        }
        if request.kind == ResidentKind::Chat {
            // Alone on the machine: it maps its file, so the system can make do with less than its size.
            self.grant(at, effects);
            return Decision::Decided;
        }
        self.waiting.remove(at);
        effects.push(Effect::Refuse { lease: request.lease, needed_bytes, available_bytes });
        Decision::Decided
    }

    fn hold(&mut self, at: usize, why: Held, effects: &mut Vec<Effect>) {
        let waiting = &mut self.waiting[at];
        if waiting.told != Some(why) {
            waiting.told = Some(why);
            effects.push(Effect::Hold(waiting.request.lease, why));
        }
    }

    /// Tells everybody who waits for a language model behind others why that is.
    fn hold_the_others(&mut self, effects: &mut Vec<Effect>) {
        let why = if self.is_drained() { Held::Busy } else { Held::Images };
        for at in 0..self.waiting.len() {
            if self.waiting[at].request.kind != ResidentKind::Image {
                self.hold(at, why, effects);
            }
        }
    }

    /// After the last image: brings the language model back when there is room, and lets image weights go in time.
    fn settle_drained(&mut self, effects: &mut Vec<Effect>) {
        if !self.waiting.is_empty() {
            return;
        }
        if let (Some(displaced), Some(measured)) = (self.displaced.clone(), self.measured) {
            if displaced.bytes <= self.available_bytes(measured) {
                self.restore(effects);
            } else if !self.residents.values().any(|resident| resident.kind == ResidentKind::Image) {
                // Something else took its room; it is loaded when it is next asked.
                self.displaced = None;
            }
        }
        let Some(images) = self.idle_images() else { return };
        if self.linger_is_over {
            self.evict(&images, false, effects);
        } else if self.linger.is_none() {
            self.next_number += 1;
            self.linger = Some(self.next_number);
            effects.push(Effect::StartLinger(self.next_number));
        }
    }

    fn restore(&mut self, effects: &mut Vec<Effect>) {
        let Some(displaced) = self.displaced.take() else { return };
        let (kind, phase) = (ResidentKind::Chat, Phase::Loading);
        let resident = Resident { kind, bytes: displaced.bytes, phase, leases: 0 };
        self.residents.insert(displaced.resident.clone(), resident);
        effects.push(Effect::Restore(displaced.resident));
    }

    /// An image model that stands in memory and is not used.
    fn idle_images(&self) -> Option<String> {
        let idle = self.residents.iter().find(|(_, resident)| {
            resident.kind == ResidentKind::Image && resident.phase == Phase::Loaded && resident.leases == 0
        });
        idle.map(|(name, _)| name.clone())
    }
}
