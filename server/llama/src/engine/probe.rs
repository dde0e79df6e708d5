//! A short measurement of a model's speeds right after loading. It also touches every weight once.
//!
//! Refuses: to take long; slow models are measured with fewer tokens.

use std::time::Instant;

use model::ModelError;
use worker::CancelFlag;

use super::Engine;
use crate::native::Token;

/// Time aimed at for each of the measurements, in seconds.
const PROMPT_SECONDS: f64 = 0.3;
const ANSWER_SECONDS: f64 = 0.15;
/// Enough for the pace of prompts to be noticed.
const PROMPT_TOKENS_MIN: usize = 8;
const PROMPT_TOKENS_MAX: usize = 64;
const ANSWER_TOKENS_MIN: usize = 2;
const ANSWER_TOKENS_MAX: usize = 8;
/// A prompt is read at least so much faster than an answer is written.
const PROMPT_ADVANTAGE: f64 = 2.0;

/// Measured speeds.
pub(super) struct Speeds {
    pub(super) prompt_tokens_per_s: f64,
    pub(super) answer_tokens_per_s: f64,
}

/// Measures with one thread and with all of them, and leaves the cache empty. The faster ones are reported; what a
/// single thread needs also tells the pace whether all of them are held up by other programs from the start.
/// `alive` is called for as long as it advances.
pub(super) fn measure(
    engine: &mut Engine,
    cancel: &CancelFlag,
    alive: &mut dyn FnMut(),
) -> Result<Speeds, ModelError> {
    // The first computation reads the weights from disk and is no measure.
    seconds(engine, 1, cancel, alive)?;
    let mut best = Speeds { prompt_tokens_per_s: 0.0, answer_tokens_per_s: 0.0 };
    for threads in engine.pace.candidates() {
        engine.forget();
        engine.pace.change(threads);
        engine.context.set_threads(threads);
        let one = seconds(engine, 1, cancel, alive)?;
        let fitting = |seconds: f64, limits: (usize, usize)| ((seconds / one) as usize).clamp(limits.0, limits.1);
        let room = (engine.context.context_tokens() as usize).saturating_sub(2 + ANSWER_TOKENS_MAX).max(1);
        let answers = fitting(ANSWER_SECONDS, (ANSWER_TOKENS_MIN, ANSWER_TOKENS_MAX));
        let prompt = fitting(PROMPT_SECONDS * PROMPT_ADVANTAGE, (PROMPT_TOKENS_MIN, PROMPT_TOKENS_MAX)).min(room);
        let prompt_seconds = seconds(engine, prompt, cancel, alive)?;
        let mut answer_seconds = 0.0;
        for _ in 0..answers {
            answer_seconds += seconds(engine, 1, cancel, alive)?;
        }
        best.prompt_tokens_per_s = best.prompt_tokens_per_s.max(prompt as f64 / prompt_seconds);
        best.answer_tokens_per_s = best.answer_tokens_per_s.max(answers as f64 / answer_seconds);
    }
    engine.forget();
    Ok(best)
}

/// Time to compute `count` ordinary words from all over the vocabulary: any will do.
fn seconds(
    engine: &mut Engine,
    count: usize,
    cancel: &CancelFlag,
    alive: &mut dyn FnMut(),
) -> Result<f64, ModelError> {
    let words = i64::try_from(engine.model.vocab_len()).unwrap_or(i64::MAX).max(1);
    let tokens: Vec<Token> =
        (1..).take(count).map(|number: i64| Token::try_from(number * 7919 % words).unwrap_or_default()).collect();
    let started = Instant::now();
    engine.compute(&tokens, cancel, alive)?;
    Ok(started.elapsed().as_secs_f64().max(1e-6))
}
