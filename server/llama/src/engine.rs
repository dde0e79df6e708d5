//! The engine: loads a model, keeps its cache, reads prompts in pieces and writes answers token by token.
//!
//! One answer at a time. The cache keeps the tokens of the last request, and the next one computes only what differs.
//! Refuses: damaged files, prompts beyond the context, and to go on once the request was cancelled.

mod answer;
mod pace;
mod probe;

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Instant;

use model::{ChatEvent, ChatRequest, Finished, ModelError, ModelInfo, gguf};
use worker::{Backend, CancelFlag, Loaded};

use crate::native::{Context, ContextOptions, Decoded, Model, Token, system_info};
use crate::options::LlamaOptions;
use crate::prompt::Prompter;
use crate::quoting::Vocabulary;
use pace::Pace;

/// Tokens given to native code at once.
const BATCH_TOKENS: u32 = 2048;
/// Tokens computed at once.
const UBATCH_TOKENS: u32 = 512;
/// Tokens of a prompt are computed in cells of this many, and the rest by itself. Kernels differ with the number of
/// tokens, and results with the kernels, in the last digits; with cells a prompt gives the same text whatever the
/// speed. (What the cache already held was computed with other numbers of tokens; there the digits may differ.)
const CELL_TOKENS: usize = 64;
/// The same for models so slow that a cell would look like a hang.
const CELL_TOKENS_SLOW: usize = 16;
const CELL_SECONDS_MAX: f64 = 20.0;
/// Time aimed at between two signs of progress of a prompt, in seconds.
const CHUNK_SECONDS: f64 = 0.5;
/// Share of the loading bar that belongs to the file; the rest is the first computation.
const FILE_SHARE: f32 = 0.95;

/// A model of llama.cpp behind the worker's interface.
pub struct LlamaBackend {
    options: LlamaOptions,
    engine: Option<Engine>,
}

impl LlamaBackend {
    /// A backend that loads its model when told.
    pub fn new(options: LlamaOptions) -> Self {
        Self { options, engine: None }
    }

    /// Forgets the cached tokens, so that the next prompt is computed whole. For tests and benchmarks.
    pub fn forget_cache(&mut self) {
        if let Some(engine) = &mut self.engine {
            engine.forget();
        }
    }
}

impl Backend for LlamaBackend {
    fn load(&mut self, progress: &mut dyn FnMut(f32), cancel: &CancelFlag) -> Result<Loaded, ModelError> {
        // Frees the old one first: there may be no room for two.
        self.engine = None;
        let (engine, info) = Engine::load(&self.options, progress, cancel)?;
        let model = engine.model.clone();
        self.engine = Some(engine);
        let count_tokens =
            Box::new(move |text: &str| Ok(u32::try_from(model.tokenize(text, false)?.len()).unwrap_or(u32::MAX)));
        Ok(Loaded { info, slots: 1, count_tokens })
    }

    fn chat(
        &mut self,
        request: &ChatRequest,
        emit: &mut dyn FnMut(ChatEvent),
        cancel: &CancelFlag,
    ) -> Result<Finished, ModelError> {
        let engine = self.engine.as_mut().ok_or_else(|| ModelError::Bug("no model is loaded".into()))?;
        engine.answer(request, emit, cancel)
    }
}

/// A loaded model with its cache.
struct Engine {
    context: Context,
    prompter: Prompter,
    model: Arc<Model>,
    /// Read when an answer first needs it.
    vocabulary: OnceCell<Vocabulary>,
    pace: Pace,
    /// The tokens in the cache, in order.
    cached: Vec<Token>,
    chunk_tokens: usize,
}

impl Engine {
    fn load(
        options: &LlamaOptions,
        progress: &mut dyn FnMut(f32),
        cancel: &CancelFlag,
    ) -> Result<(Self, ModelInfo), ModelError> {
        progress(0.0);
        let summary = gguf::validate(&options.path)?;
        let mut report = |fraction: f32| {
            progress(fraction * FILE_SHARE);
            !cancel.is_set()
        };
        let model = Arc::new(Model::load(&options.path, &mut report)?);
        if cancel.is_set() {
            return Err(ModelError::Cancelled);
        }
        let threads = options.threads();
        let trained = model.context_tokens().max(1);
        let sizes = ContextOptions {
            context_tokens: options.context_tokens_max.clamp(1, trained),
            batch_tokens: BATCH_TOKENS,
            ubatch_tokens: UBATCH_TOKENS,
            threads,
        };
        let context = Context::new(model.clone(), &sizes)?;
        tracing::info!(threads, context = context.context_tokens(), system = %system_info(), "model loaded");
        let mut engine = Self {
            context,
            prompter: Prompter::new(model.clone(), summary.chat_template)?,
            model,
            vocabulary: OnceCell::new(),
            pace: Pace::new(threads, options.threads == 0),
            cached: Vec::new(),
            chunk_tokens: CELL_TOKENS,
        };
        let mut info = ModelInfo {
            name: options.name.clone(),
            context_tokens: Some(engine.context.context_tokens()),
            loaded: true,
            ..ModelInfo::default()
        };
        if options.measure_speeds {
            // The first computation reads the whole file where it was only mapped, which takes minutes from a slow disk:
            // each step of it is a sign that the load advances.
            let speeds = probe::measure(&mut engine, cancel, &mut || progress(FILE_SHARE))?;
            engine.learn_chunk(speeds.prompt_tokens_per_s);
            info.prompt_tokens_per_s = Some(speeds.prompt_tokens_per_s);
            info.answer_tokens_per_s = Some(speeds.answer_tokens_per_s);
        }
        progress(1.0);
        Ok((engine, info))
    }

    /// Empties the cache.
    fn forget(&mut self) {
        self.context.keep(0);
        self.cached.clear();
    }

    /// Reads a prompt, but for what the cache already holds, and returns how much that was. Afterwards the scores of
    /// the next token can be read.
    fn read_prompt(
        &mut self,
        prompt: &[Token],
        emit: &mut dyn FnMut(ChatEvent),
        cancel: &CancelFlag,
    ) -> Result<usize, ModelError> {
        let common = self.cached.iter().zip(prompt).take_while(|(old, new)| old == new).count();
        // At least one token is computed again, because its output is needed.
        let kept = self.context.keep(common.min(prompt.len().saturating_sub(1)));
        self.cached.truncate(kept);
        let total_tokens = to_u32(prompt.len());
        emit(ChatEvent::Prompt { done_tokens: to_u32(kept), total_tokens });
        let mut done = kept;
        while done < prompt.len() {
            let end = self.chunk_end(done, prompt.len());
            let started = Instant::now();
            self.compute(&prompt[done..end], cancel, &mut || {})?;
            let seconds = started.elapsed().as_secs_f64();
            if end - done >= CELL_TOKENS_SLOW && seconds > 0.0 {
                self.learn_chunk((end - done) as f64 / seconds);
            }
            done = end;
            emit(ChatEvent::Prompt { done_tokens: to_u32(done), total_tokens });
        }
        Ok(kept)
    }

    /// Computes tokens and notes what the cache holds then, also when that was cancelled or failed half-way.
    /// `alive` is called for as long as the computation advances.
    fn compute(
        &mut self,
        tokens: &[Token],
        cancel: &CancelFlag,
        alive: &mut dyn FnMut(),
    ) -> Result<(), ModelError> {
        let before = self.cached.len();
        self.cached.extend(tokens);
        let started = Instant::now();
        let decoded = self.context.decode(&mut tokens.to_vec(), cancel, alive);
        if decoded == Ok(Decoded::Done) {
            if let Some(threads) = self.pace.observe(tokens.len(), started.elapsed(), Instant::now()) {
                self.context.set_threads(threads);
            }
            return Ok(());
        }
        let there = self.context.cached_tokens().clamp(before, self.cached.len());
        let kept = self.context.keep(there);
        self.cached.truncate(kept);
        decoded.and(Err(ModelError::Cancelled))
    }

    /// Where the chunk that starts at `start` ends: at a whole cell, or at the end of the prompt.
    fn chunk_end(&self, start: usize, prompt_len: usize) -> usize {
        let end = start + self.chunk_tokens;
        if self.chunk_tokens < CELL_TOKENS {
            return end.min(prompt_len);
        }
        let last_cell = prompt_len - prompt_len % CELL_TOKENS;
        if start >= last_cell { prompt_len } else { (end - end % CELL_TOKENS).min(last_cell) }
    }

    /// Chooses chunks that take about the time between two signs of progress.
    fn learn_chunk(&mut self, tokens_per_s: f64) {
        let cells = (tokens_per_s * CHUNK_SECONDS) as usize / CELL_TOKENS;
        self.chunk_tokens = if tokens_per_s * CELL_SECONDS_MAX < CELL_TOKENS as f64 {
            CELL_TOKENS_SLOW
        } else {
            (cells * CELL_TOKENS).clamp(CELL_TOKENS, UBATCH_TOKENS as usize)
        };
    }
}

fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
