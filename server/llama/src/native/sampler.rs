//! Draws the next token.
//!
//! The native `sample` call can throw through Rust and end the process, so candidates are made here and only the
//! filters are native. Refuses: settings that make no sense, by taking the nearest one that does.

use std::collections::BTreeSet;

use llama_cpp_sys_2 as sys;
use model::ModelError;

use super::Token;

/// Tokens that the repeat penalty looks back on.
const PENALTY_TOKENS: i32 = 64;
const CANDIDATES_MIN: usize = 1;

/// Checked settings of a draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SamplerOptions {
    pub(crate) temperature: f32,
    pub(crate) top_p: f32,
    pub(crate) top_k: i32,
    pub(crate) min_p: f32,
    pub(crate) repeat_penalty: f32,
    pub(crate) seed: u32,
}

/// Filters and the draw at their end.
pub(crate) struct Sampler {
    chain: *mut sys::llama_sampler,
    candidates: Vec<sys::llama_token_data>,
    /// Nothing but the best candidate counts.
    is_plain_greedy: bool,
}

impl Sampler {
    /// A sampler for a vocabulary of `vocab_len` words.
    pub(crate) fn new(options: SamplerOptions, vocab_len: usize) -> Self {
        let greedy = options.temperature <= 0.0;
        let penalises = options.repeat_penalty != 1.0;
        let words = i32::try_from(vocab_len).unwrap_or(i32::MAX);
        // SAFETY: every sampler is made here and given to the chain, which owns it.
        let chain = unsafe {
            let chain = sys::llama_sampler_chain_init(sys::llama_sampler_chain_default_params());
            let add = |sampler| sys::llama_sampler_chain_add(chain, sampler);
            if penalises {
                add(sys::llama_sampler_init_penalties(words, PENALTY_TOKENS, options.repeat_penalty, 0.0, 0.0));
            }
            if greedy {
                add(sys::llama_sampler_init_greedy());
            } else {
                add(sys::llama_sampler_init_top_k(options.top_k));
                add(sys::llama_sampler_init_top_p(options.top_p, CANDIDATES_MIN));
                add(sys::llama_sampler_init_min_p(options.min_p, CANDIDATES_MIN));
                add(sys::llama_sampler_init_temp(options.temperature));
                add(sys::llama_sampler_init_dist(options.seed));
            }
            chain
        };
        Self { chain, candidates: Vec::with_capacity(vocab_len), is_plain_greedy: greedy && !penalises }
    }

    /// Draws a token by the scores of all words, or only of those that are `allowed`, of which there must be one.
    pub(crate) fn draw(&mut self, logits: &[f32], allowed: Option<&BTreeSet<Token>>) -> Result<Token, ModelError> {
        let broken = || ModelError::Bug("the model's output makes no sense; its file may be damaged".into());
        let scored = |id: Token| Some((id, *logits.get(usize::try_from(id).ok()?)?));
        if self.is_plain_greedy {
            let best = match allowed {
                None => best((0..).zip(logits.iter().copied())),
                Some(allowed) => best(allowed.iter().filter_map(|id| scored(*id))),
            };
            return best.ok_or_else(broken);
        }
        self.candidates.clear();
        let data = |(id, logit)| sys::llama_token_data { id, logit, p: 0.0 };
        match allowed {
            None => self.candidates.extend((0..).zip(logits.iter().copied()).map(data)),
            Some(allowed) => self.candidates.extend(allowed.iter().filter_map(|id| scored(*id)).map(data)),
        }
        let mut array = sys::llama_token_data_array {
            data: self.candidates.as_mut_ptr(),
            size: self.candidates.len(),
            selected: -1,
            sorted: false,
        };
        // SAFETY: the array describes the vector, which outlives the call; filters only shrink and reorder it.
        unsafe { sys::llama_sampler_apply(self.chain, &raw mut array) };
        let selected = usize::try_from(array.selected).ok().filter(|at| *at < array.size).ok_or_else(broken)?;
        // SAFETY: the filters may have moved the array's pointer, but it holds `size` candidates still.
        let chosen = unsafe { *array.data.add(selected) };
        if !chosen.logit.is_finite() {
            return Err(broken());
        }
        // SAFETY: the chain lives and the token comes from it.
        unsafe { sys::llama_sampler_accept(self.chain, chosen.id) };
        Ok(chosen.id)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        // SAFETY: made by us and freed once; it frees the samplers it owns.
        unsafe { sys::llama_sampler_free(self.chain) };
    }
}

/// The token with the highest score; the first of equals, as the native greedy draw has it.
fn best(scored: impl Iterator<Item = (Token, f32)>) -> Option<Token> {
    let mut best: Option<(Token, f32)> = None;
    for (token, logit) in scored {
        if best.is_none_or(|(_, highest)| logit > highest) && !logit.is_nan() {
            best = Some((token, logit));
        }
    }
    best.filter(|(_, highest)| highest.is_finite()).map(|(token, _)| token)
}
