//! Carries out what the arbiter decides: measures, loads, evicts, and tells those who wait. Refuses: deciding anything.
//!
//! The device is asked through the backend. Without one that can tell, everything is taken to fit.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::arbiter::{Arbiter, Effect, Event, Held, LeaseId, LeaseRequest, ResidentKind};
use crate::{AppError, Backend, ErrorKind, Result};

/// How long image weights stay after the last image, unless somebody waits for their room.
const WEIGHTS_KEPT: Duration = Duration::from_secs(60);
/// How often somebody who waits looks whether a model left by itself.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A model that takes memory, as far as it can be told to.
pub(crate) trait Holder: Send + Sync {
    /// What it is for.
    fn kind(&self) -> ResidentKind;
    /// Bytes of its weights, as well as they are known.
    fn weight_bytes(&self) -> u64;
    /// Whether it stands in memory.
    fn is_loaded(&self) -> bool;
    /// Whether it is on its way there.
    fn is_loading(&self) -> bool;
    /// Gives its memory back.
    fn unload(&self) -> BoxFuture<'static, ()>;
    /// Loads it; tells whether it stands in memory then.
    fn load(&self) -> BoxFuture<'static, bool>;
}

/// The memory that all models share.
#[derive(Clone)]
pub(crate) struct Memory(Arc<Keeper>);

struct Keeper {
    backend: Option<Arc<dyn Backend>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    arbiter: Arbiter,
    models: HashMap<String, Known>,
    told: HashMap<LeaseId, (String, watch::Sender<Told>)>,
    last_lease: u64,
    /// Whether a task looks for models that nobody uses and that are not loaded yet.
    is_looking: bool,
    /// Where work that waits is done; known from the first lease on.
    runtime: Option<Handle>,
}

struct Known {
    holder: Arc<dyn Holder>,
    /// Whether the arbiter was told that it is loaded.
    is_told: bool,
    /// Whether the arbiter waits to be told that it is loaded, or not going to be.
    is_expected: bool,
    /// Leases and work on it.
    uses: u32,
}

/// How a lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Asked,
    Held(Held),
    Granted,
    Refused { needed_bytes: u64, available_bytes: u64 },
}

/// A granted use of a model; it ends when this is dropped.
pub(crate) struct Lease {
    keeper: Arc<Keeper>,
    id: LeaseId,
}

/// A wish to use a model.
pub(crate) struct Wish {
    /// Names the model.
    pub(crate) resident: String,
    /// The model.
    pub(crate) holder: Arc<dyn Holder>,
    /// Bytes it needs besides its weights, at most.
    pub(crate) working_bytes: u64,
    /// Higher ones go first among their kind.
    pub(crate) priority: i64,
}

impl Memory {
    pub(crate) fn new(backend: Option<Arc<dyn Backend>>) -> Self {
        Self(Arc::new(Keeper { backend, state: Mutex::default() }))
    }

    /// Says how many image jobs wait or run.
    pub(crate) fn images_open(&self, jobs: u32) {
        self.0.step(Event::ImagesOpen(jobs));
    }

    /// Notes models that were loaded, or gave their memory back, without being told to.
    pub(crate) fn look(&self) {
        self.0.look();
    }

    /// Waits until a model may be used; `tell` hears why that takes a while. Dropping the future takes the wish back.
    ///
    /// # Errors
    /// `Unavailable` with numbers when the model can never have that much.
    pub(crate) async fn lease(&self, wish: Wish, mut tell: impl FnMut(Held)) -> Result<Lease> {
        let (lease, mut told) = self.0.ask(wish);
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            let now = *told.borrow_and_update();
            match now {
                Told::Granted => return Ok(lease),
                Told::Refused { needed_bytes, available_bytes } => {
                    return Err(refused(needed_bytes, available_bytes));
                }
                Told::Held(why) => tell(why),
                Told::Asked => {}
            }
            loop {
                tokio::select! {
                    biased;
                    // The sender lives as long as the lease.
                    _ = told.changed() => break,
                    _ = look.tick() => self.0.look(),
                }
            }
        }
    }
}

fn refused(needed_bytes: u64, available_bytes: u64) -> AppError {
    let [needed, available] = [needed_bytes, available_bytes].map(|bytes| bytes.div_ceil(1 << 20));
    let message = format!("the model needs {needed} MiB of memory, and {available} MiB can be had");
    AppError::new(ErrorKind::Unavailable, message)
        .hint("take a smaller size, fewer images or a smaller model, or end other programs")
}

impl Keeper {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(self: &Arc<Self>, wish: Wish) -> (Lease, watch::Receiver<Told>) {
        let (sender, told) = watch::channel(Told::Asked);
        let mut state = self.state();
        state.runtime.get_or_insert_with(Handle::current);
        state.last_lease += 1;
        let id = LeaseId(state.last_lease);
        let (kind, weights_bytes) = (wish.holder.kind(), wish.holder.weight_bytes());
        state.told.insert(id, (wish.resident.clone(), sender));
        let known = state.models.entry(wish.resident.clone()).or_insert_with(|| Known {
            holder: Arc::clone(&wish.holder),
            is_told: false,
            is_expected: false,
            uses: 0,
        });
        known.holder = wish.holder;
        known.uses += 1;
        let request = LeaseRequest {
            lease: id,
            resident: wish.resident,
            kind,
            weights_bytes,
            working_bytes: wish.working_bytes,
            priority: wish.priority,
        };
        // The model may have been loaded before anybody asked.
        let mut events = state.changes();
        events.push_back(Event::Ask(request));
        self.run(&mut state, events);
        drop(state);
        (Lease { keeper: Arc::clone(self), id }, told)
    }

    fn step(self: &Arc<Self>, event: Event) {
        self.run(&mut self.state(), VecDeque::from([event]));
    }

    /// Tells the arbiter of models that came or left by themselves.
    fn look(self: &Arc<Self>) {
        let mut state = self.state();
        let events = state.changes();
        self.run(&mut state, events);
    }

    fn run(self: &Arc<Self>, state: &mut State, mut events: VecDeque<Event>) {
        while let Some(event) = events.pop_front() {
            for effect in state.arbiter.step(event) {
                self.carry_out(state, effect, &mut events);
            }
        }
        self.look_for_strays(state);
    }

    /// A model whose user went away while it was loading comes or goes unseen: nobody waits for it any more.
    fn look_for_strays(self: &Arc<Self>, state: &mut State) {
        if state.is_looking || !state.has_strays() {
            return;
        }
        state.is_looking = true;
        let keeper: Weak<Self> = Arc::downgrade(self);
        state.spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let Some(keeper) = keeper.upgrade() else { return };
                keeper.look();
                let mut state = keeper.state();
                if !state.has_strays() {
                    state.is_looking = false;
                    return;
                }
            }
        });
    }

    fn carry_out(self: &Arc<Self>, state: &mut State, effect: Effect, events: &mut VecDeque<Event>) {
        match effect {
            Effect::Grant(lease) => state.granted(lease),
            Effect::Hold(lease, why) => state.tell(lease, Told::Held(why)),
            Effect::Refuse { lease, needed_bytes, available_bytes } => {
                state.tell(lease, Told::Refused { needed_bytes, available_bytes });
            }
            Effect::Measure(number) => match &self.backend {
                Some(backend) => {
                    let (backend, keeper) = (Arc::clone(backend), Arc::clone(self));
                    state.spawn(async move {
                        let told = tokio::task::spawn_blocking(move || backend.memory()).await.ok().flatten();
                        keeper.measured(number, told);
                    });
                }
                None => events.push_back(measurement(number, None)),
            },
            Effect::Evict(resident) => self.work_on(state, resident, |holder| {
                Box::pin(async move {
                    holder.unload().await;
                    false
                })
            }),
            Effect::Restore(resident) => {
                self.work_on(state, resident, |holder| Box::pin(async move { holder.load().await }));
            }
            Effect::StartLinger(number) => {
                let keeper: Weak<Self> = Arc::downgrade(self);
                state.spawn(async move {
                    tokio::time::sleep(WEIGHTS_KEPT).await;
                    if let Some(keeper) = keeper.upgrade() {
                        keeper.step(Event::LingerOver(number));
                    }
                });
            }
        }
    }

    /// Does `work` on a model, which tells whether it is loaded then, and passes that on.
    fn work_on(
        self: &Arc<Self>,
        state: &mut State,
        resident: String,
        work: impl FnOnce(Arc<dyn Holder>) -> BoxFuture<'static, bool>,
    ) {
        let Some(known) = state.models.get_mut(&resident) else { return };
        known.uses += 1;
        let (keeper, work, holder) =
            (Arc::clone(self), work(Arc::clone(&known.holder)), Arc::clone(&known.holder));
        state.spawn(async move {
            let is_loaded = work.await;
            let mut state = keeper.state();
            if let Some(known) = state.models.get_mut(&resident) {
                known.uses = known.uses.saturating_sub(1);
                (known.is_told, known.is_expected) = (is_loaded, false);
            }
            let event = if is_loaded {
                Event::Loaded { resident, kind: holder.kind(), bytes: holder.weight_bytes() }
            } else {
                Event::Gone { resident }
            };
            keeper.run(&mut state, VecDeque::from([event]));
        });
    }

    /// A model that came or left since is told first: then the arbiter asks for another figure than this.
    fn measured(self: &Arc<Self>, number: u64, told: Option<super::DeviceMemory>) {
        let mut state = self.state();
        let mut events = state.changes();
        events.push_back(measurement(number, told));
        self.run(&mut state, events);
    }
}

fn measurement(number: u64, told: Option<super::DeviceMemory>) -> Event {
    let (free_bytes, total_bytes) = told.map_or((u64::MAX, 0), |told| (told.free_bytes, told.total_bytes));
    Event::Measured { number, free_bytes, total_bytes }
}

impl State {
    fn tell(&self, lease: LeaseId, told: Told) {
        if let Some((_, sender)) = self.told.get(&lease) {
            sender.send_replace(told);
        }
    }

    fn granted(&mut self, lease: LeaseId) {
        if let Some((resident, _)) = self.told.get(&lease)
            && let Some(known) = self.models.get_mut(resident)
        {
            known.is_expected = !known.is_told;
        }
        self.tell(lease, Told::Granted);
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(work);
        }
    }

    fn has_strays(&self) -> bool {
        self.models.values().any(|known| known.is_expected && known.uses == 0)
    }

    /// What changed by itself since it was last looked at.
    fn changes(&mut self) -> VecDeque<Event> {
        let mut events = VecDeque::new();
        for (resident, known) in &mut self.models {
            let is_loaded = known.holder.is_loaded();
            // Whoever wanted it loaded gave up before it was.
            let is_given_up = known.is_expected && known.uses == 0 && !known.holder.is_loading();
            if is_loaded && !known.is_told {
                let (kind, bytes) = (known.holder.kind(), known.holder.weight_bytes());
                events.push_back(Event::Loaded { resident: resident.clone(), kind, bytes });
            } else if !is_loaded && (known.is_told || is_given_up) {
                events.push_back(Event::Gone { resident: resident.clone() });
            }
            // The arbiter takes one that died while it was used for one that is loaded again.
            let is_again = known.is_told && known.uses > 0;
            known.is_expected = (known.is_expected || is_again) && !is_loaded && !is_given_up;
            known.is_told = is_loaded;
        }
        events
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.keeper.state();
        if let Some((resident, _)) = state.told.remove(&self.id)
            && let Some(known) = state.models.get_mut(&resident)
        {
            known.uses = known.uses.saturating_sub(1);
        }
        let mut events = VecDeque::from([Event::Release(self.id)]);
        events.extend(state.changes());
        self.keeper.run(&mut state, events);
    }
}
