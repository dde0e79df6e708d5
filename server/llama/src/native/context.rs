//! The state of one sequence: its cache, its last output, and the way to stop it.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use llama_cpp_sys_2 as sys;
use model::ModelError;
use worker::CancelFlag;

use super::{Model, Token};

/// The only sequence we use.
const SEQUENCE: sys::llama_seq_id = 0;

/// Sizes of a context.
pub(crate) struct ContextOptions {
    /// Tokens that fit.
    pub(crate) context_tokens: u32,
    /// Tokens given at once.
    pub(crate) batch_tokens: u32,
    /// Tokens computed at once.
    pub(crate) ubatch_tokens: u32,
    /// Threads that compute.
    pub(crate) threads: u32,
}

/// How a decode ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// All tokens are in the cache.
    Done,
    /// The flag was set; some of the tokens may be in the cache.
    Cancelled,
}

/// The state of one sequence of one model.
pub(crate) struct Context {
    pointer: *mut sys::llama_context,
    model: Arc<Model>,
}

/// Set from the moment a computation is told to stop until it returned.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// Whether a computation is being stopped on our own wish.
pub(super) fn is_stopping() -> bool {
    STOPPING.load(Ordering::Relaxed)
}

/// Who looks on while native code computes. Called between two steps of a computation, on the thread that decodes.
struct Onlooker<'a> {
    cancel: &'a CancelFlag,
    alive: &'a mut dyn FnMut(),
}

/// Says that the computation advances, and whether to stop it.
unsafe extern "C" fn is_cancelled(data: *mut c_void) -> bool {
    // SAFETY: `decode` passes an onlooker that outlives the native call and removes the callback afterwards; native code
    // calls back from the calling thread only, and never while a call runs.
    let onlooker = unsafe { &mut *data.cast::<Onlooker<'_>>() };
    (onlooker.alive)();
    let stop = onlooker.cancel.is_set();
    if stop {
        STOPPING.store(true, Ordering::Relaxed);
    }
    stop
}

impl Context {
    /// A context of `model`.
    pub(crate) fn new(model: Arc<Model>, options: &ContextOptions) -> Result<Self, ModelError> {
        // SAFETY: returns a plain structure.
        let mut params = unsafe { sys::llama_context_default_params() };
        let threads = i32::try_from(options.threads).unwrap_or(1);
        params.n_ctx = options.context_tokens;
        params.n_batch = options.batch_tokens;
        params.n_ubatch = options.ubatch_tokens;
        params.n_threads = threads;
        params.n_threads_batch = threads;
        params.n_seq_max = 1;
        // We read the output of the last token only; the default reserves memory for a whole batch of outputs.
        params.n_outputs_max = 1;
        // SAFETY: the model is loaded and outlives the context, which holds an `Arc` to it.
        let pointer = unsafe { sys::llama_init_from_model(model.pointer(), params) };
        if pointer.is_null() {
            let why = "there is not enough memory for its context; choose a smaller context or model";
            return Err(ModelError::Unavailable(why.into()));
        }
        Ok(Self { pointer, model })
    }

    /// Chooses the number of threads for the next computations.
    pub(crate) fn set_threads(&mut self, threads: u32) {
        let threads = i32::try_from(threads).unwrap_or(1).max(1);
        // SAFETY: the context lives; the call only stores the numbers.
        unsafe { sys::llama_set_n_threads(self.pointer, threads, threads) };
    }

    /// Tokens that fit.
    pub(crate) fn context_tokens(&self) -> u32 {
        // SAFETY: the context lives.
        unsafe { sys::llama_n_ctx(self.pointer) }
    }

    /// Computes `tokens` after what is in the cache; the output of the last one can be read afterwards. `alive` is called
    /// many times meanwhile, for as long as the computation advances.
    pub(crate) fn decode(
        &mut self,
        tokens: &mut [Token],
        cancel: &CancelFlag,
        alive: &mut dyn FnMut(),
    ) -> Result<Decoded, ModelError> {
        let count = i32::try_from(tokens.len()).map_err(|_| ModelError::Bug("too many tokens at once".into()))?;
        if count == 0 {
            return Ok(Decoded::Done);
        }
        let mut onlooker = Onlooker { cancel, alive };
        let data = (&raw mut onlooker).cast();
        // SAFETY: the onlooker outlives the calls; the tokens are only read; the callback is removed at the end.
        let status = unsafe {
            sys::llama_set_abort_callback(self.pointer, Some(is_cancelled), data);
            let status = sys::llama_decode(self.pointer, sys::llama_batch_get_one(tokens.as_mut_ptr(), count));
            sys::llama_synchronize(self.pointer);
            sys::llama_set_abort_callback(self.pointer, None, std::ptr::null_mut());
            status
        };
        STOPPING.store(false, Ordering::Relaxed);
        match status {
            0 => Ok(Decoded::Done),
            2 => Ok(Decoded::Cancelled),
            1 => Err(ModelError::Bug("the context is full".into())),
            other => Err(ModelError::Bug(format!("llama.cpp failed to compute (status {other})"))),
        }
    }

    /// The scores of the next token, after a decode that was done.
    pub(crate) fn logits(&mut self) -> Result<&[f32], ModelError> {
        // SAFETY: the context lives; -1 is the last output.
        let logits = unsafe { sys::llama_get_logits_ith(self.pointer, -1) };
        if logits.is_null() {
            return Err(ModelError::Bug("llama.cpp gave no output".into()));
        }
        // SAFETY: native code documents one score per word of the vocabulary, valid until the next decode, which
        // needs `&mut self`.
        Ok(unsafe { std::slice::from_raw_parts(logits, self.model.vocab_len()) })
    }

    /// Keeps the first `count` tokens of the cache and returns how many are there then: `count`, or 0 when this kind
    /// of model cannot be cut back.
    pub(crate) fn keep(&mut self, count: usize) -> usize {
        let kept = i32::try_from(count).unwrap_or_default();
        // SAFETY: the context lives; both calls take positions and refuse what they cannot do.
        unsafe {
            let memory = sys::llama_get_memory(self.pointer);
            let first = sys::llama_memory_seq_pos_min(memory, SEQUENCE);
            // Models with an attention window forget old tokens; going back needs the window before the cut.
            let window_start = count.saturating_sub(self.model.window_tokens());
            let is_whole =
                kept > 0 && usize::try_from(first).is_ok_and(|first| first == 0 || first < window_start);
            if is_whole && sys::llama_memory_seq_rm(memory, SEQUENCE, kept, -1) {
                return count;
            }
            sys::llama_memory_clear(memory, false);
        }
        0
    }

    /// Tokens in the cache.
    pub(crate) fn cached_tokens(&self) -> usize {
        // SAFETY: the context lives.
        let last = unsafe { sys::llama_memory_seq_pos_max(sys::llama_get_memory(self.pointer), SEQUENCE) };
        usize::try_from(last).map_or(0, |last| last + 1)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made by us and freed once, before the model.
        unsafe { sys::llama_free(self.pointer) };
    }
}
