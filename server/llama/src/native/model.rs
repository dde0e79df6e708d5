//! A loaded model and its vocabulary. May be used from several threads; native code documents that.

use std::ffi::{CStr, CString, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use llama_cpp_sys_2 as sys;
use model::ModelError;

use super::{Token, init};

/// Bytes tried first for the text of a token.
const PIECE_BYTES: usize = 64;

/// A loaded model.
pub(crate) struct Model {
    pointer: *mut sys::llama_model,
    vocab: *const sys::llama_vocab,
    vocab_len: usize,
}

// SAFETY: after loading, a model and its vocabulary are only read; native code documents tokenising and several
// contexts on several threads as safe. Contexts are created on one thread only, by the engine.
unsafe impl Send for Model {}
// SAFETY: as above.
unsafe impl Sync for Model {}

/// Passes the share loaded on; the closure says whether to go on.
unsafe extern "C" fn progress(fraction: f32, data: *mut c_void) -> bool {
    // SAFETY: `load` passes a pointer to this very type, which outlives the native call.
    let report = unsafe { &mut *data.cast::<&mut dyn FnMut(f32) -> bool>() };
    report(fraction)
}

impl Model {
    /// Loads the file at `path`, which must have been checked. `report` gets the share loaded and may stop the load.
    pub(crate) fn load(path: &Path, mut report: &mut dyn FnMut(f32) -> bool) -> Result<Self, ModelError> {
        init();
        let bad = |why: &str| ModelError::BadFile(why.to_owned());
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| bad("its path contains a zero byte"))?;
        // SAFETY: returns a plain structure.
        let mut params = unsafe { sys::llama_model_default_params() };
        params.progress_callback = Some(progress);
        params.progress_callback_user_data = (&raw mut report).cast();
        // SAFETY: the path and the closure outlive the call.
        let pointer = unsafe { sys::llama_model_load_from_file(path.as_ptr(), params) };
        if pointer.is_null() {
            return Err(bad("llama.cpp does not load it; the log of the worker says why"));
        }
        // SAFETY: the model was loaded; its vocabulary lives as long as the model.
        let vocab = unsafe { sys::llama_model_get_vocab(pointer) };
        // SAFETY: as above.
        let vocab_len = usize::try_from(unsafe { sys::llama_vocab_n_tokens(vocab) }).unwrap_or_default();
        Ok(Self { pointer, vocab, vocab_len })
    }

    pub(super) fn pointer(&self) -> *mut sys::llama_model {
        self.pointer
    }

    /// Number of tokens in the vocabulary.
    pub(crate) fn vocab_len(&self) -> usize {
        self.vocab_len
    }

    /// Tokens the model was trained to read.
    pub(crate) fn context_tokens(&self) -> u32 {
        // SAFETY: the model is loaded.
        u32::try_from(unsafe { sys::llama_model_n_ctx_train(self.pointer) }).unwrap_or_default()
    }

    /// Width of the attention window of models that have one; 0 otherwise.
    pub(crate) fn window_tokens(&self) -> usize {
        // SAFETY: the model is loaded.
        usize::try_from(unsafe { sys::llama_model_n_swa(self.pointer) }).unwrap_or_default()
    }

    /// The tokens of `text`. Control tokens are recognised in it only when `with_control` is set.
    pub(crate) fn tokenize(&self, text: &str, with_control: bool) -> Result<Vec<Token>, ModelError> {
        let too_long = |_| ModelError::Bug("a text is too long to be tokenised".into());
        let text_len = i32::try_from(text.len()).map_err(too_long)?;
        let mut tokens = vec![0; text.len() + 16];
        for _ in 0..2 {
            let room = i32::try_from(tokens.len()).map_err(too_long)?;
            // SAFETY: both buffers are valid for the lengths given.
            let count = unsafe {
                let text = text.as_ptr().cast();
                sys::llama_tokenize(self.vocab, text, text_len, tokens.as_mut_ptr(), room, false, with_control)
            };
            if let Ok(count) = usize::try_from(count) {
                tokens.truncate(count);
                return Ok(tokens);
            }
            tokens.resize(usize::try_from(count.unsigned_abs()).unwrap_or_default(), 0);
        }
        Err(ModelError::Bug("a text cannot be tokenised".into()))
    }

    /// Appends the bytes a token stands for; control tokens stand for none.
    pub(crate) fn append_piece(&self, token: Token, out: &mut Vec<u8>) {
        let mut buffer = vec![0_u8; PIECE_BYTES];
        for _ in 0..2 {
            let room = i32::try_from(buffer.len()).unwrap_or_default();
            // SAFETY: the buffer is valid for the length given; native code checks the token's number.
            let count = unsafe {
                sys::llama_token_to_piece(self.vocab, token, buffer.as_mut_ptr().cast(), room, 0, false)
            };
            if let Ok(count) = usize::try_from(count) {
                out.extend(buffer.iter().take(count));
                return;
            }
            buffer.resize(usize::try_from(count.unsigned_abs()).unwrap_or_default(), 0);
        }
    }

    /// Whether the token ends an answer.
    pub(crate) fn ends_answer(&self, token: Token) -> bool {
        // SAFETY: the vocabulary lives; native code checks the token's number.
        unsafe { sys::llama_vocab_is_eog(self.vocab, token) }
    }

    /// Whether the token steers the model rather than standing for text.
    pub(crate) fn is_control(&self, token: Token) -> bool {
        if !self.contains(token) {
            return false;
        }
        let kinds = sys::LLAMA_TOKEN_ATTR_CONTROL | sys::LLAMA_TOKEN_ATTR_UNKNOWN;
        // SAFETY: the token's number was checked.
        let kind = unsafe { sys::llama_vocab_get_attr(self.vocab, token) };
        kind & kinds != 0 || self.ends_answer(token)
    }

    /// The text of a token as the vocabulary spells it.
    pub(crate) fn token_text(&self, token: Token) -> Option<String> {
        if !self.contains(token) {
            return None;
        }
        // SAFETY: the token's number was checked; the text lives as long as the vocabulary.
        let text = unsafe { sys::llama_vocab_get_text(self.vocab, token) };
        // SAFETY: as above; native strings end with zero.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
    }

    /// The token every text begins with, when this model wants one.
    pub(crate) fn begin_token(&self) -> Option<Token> {
        // SAFETY: the vocabulary lives.
        let (wanted, token) =
            unsafe { (sys::llama_vocab_get_add_bos(self.vocab), sys::llama_vocab_bos(self.vocab)) };
        (wanted && self.contains(token)).then_some(token)
    }

    /// The texts of the tokens that begin and end a text, empty when there are none.
    pub(crate) fn begin_and_end_text(&self) -> (String, String) {
        // SAFETY: the vocabulary lives.
        let (begin, end) = unsafe { (sys::llama_vocab_bos(self.vocab), sys::llama_vocab_eos(self.vocab)) };
        (self.token_text(begin).unwrap_or_default(), self.token_text(end).unwrap_or_default())
    }

    fn contains(&self, token: Token) -> bool {
        usize::try_from(token).is_ok_and(|token| token < self.vocab_len)
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: loaded by us and freed once; contexts hold an `Arc` to the model, so none is left.
        unsafe { sys::llama_model_free(self.pointer) };
    }
}
