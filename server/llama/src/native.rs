//! Everything that is unsafe about llama.cpp, behind types that cannot be misused from this crate.
//!
//! Native code may abort the process on broken models or lack of memory; nothing here can prevent that. Nor is a C++
//! exception caught here: Rust cannot hold one, so one that leaves a call ends the child (SIGABRT), which its keeper
//! tells as a crash with the last words of standard error. Read in the pinned version: loading a model, making a context
//! and reading logits catch their own and return null. `llama_decode` may throw when no memory is left for its buffers,
//! `llama_tokenize` and `llama_token_to_piece` on a vocabulary that contradicts itself. Grammars and chat templates,
//! which throw most easily, are never called: `prompt` renders templates in Rust. Refuses: null pointers, numbers that
//! do not fit, and results of calls that failed.

#![expect(unsafe_code, reason = "llama.cpp has a C interface")]

mod context;
mod model;
mod sampler;

use std::ffi::{CStr, c_char, c_void};
use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use llama_cpp_sys_2 as sys;

pub(crate) use context::{Context, ContextOptions, Decoded};
pub(crate) use model::Model;
pub(crate) use sampler::{Sampler, SamplerOptions};

/// A token's number.
pub(crate) type Token = sys::llama_token;

/// Prepares native code, once per process.
fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: called once, before any other native call; the callback lives as long as the program.
        unsafe {
            sys::llama_log_set(Some(log), std::ptr::null_mut());
            sys::llama_backend_init();
        }
    });
}

/// Writes warnings and errors of native code to standard error, where the worker's log ring catches them.
unsafe extern "C" fn log(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    static LAST_WAS_SHOWN: AtomicBool = AtomicBool::new(false);
    let shown = if level == sys::GGML_LOG_LEVEL_CONT {
        LAST_WAS_SHOWN.load(Ordering::Relaxed)
    } else {
        level >= sys::GGML_LOG_LEVEL_WARN
    };
    LAST_WAS_SHOWN.store(shown, Ordering::Relaxed);
    // A cancelled computation is reported as failed, which would mislead whoever reads the log after a crash.
    if shown && !context::is_stopping() && !text.is_null() {
        // SAFETY: native code passes a string that ends with zero and lives during the call.
        let text = unsafe { CStr::from_ptr(text) };
        // A log that cannot be written has nowhere to be reported.
        drop(std::io::stderr().write_all(text.to_bytes()));
    }
}

/// What the processor offers and the library uses, for the log.
pub(crate) fn system_info() -> String {
    // SAFETY: returns a string in static memory.
    unsafe { CStr::from_ptr(sys::llama_print_system_info()) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_checks_know_the_same_tensor_types() {
        for type_id in 0..sys::GGML_TYPE_COUNT {
            // SAFETY: both only look up a table by a number within its bounds.
            let (weights, bytes) = unsafe { (sys::ggml_blck_size(type_id), sys::ggml_type_size(type_id)) };
            let native = (weights > 0).then(|| (u64::try_from(weights).unwrap(), bytes as u64));
            assert_eq!(::model::gguf::block_of(type_id), native, "type {type_id}");
        }
        assert!(::model::gguf::block_of(sys::GGML_TYPE_COUNT).is_none());
    }
}
