//! A short measurement of a model's speeds right after loading. It also touches every weight once.
//!
//! Refuses: to take long; slow models are measured with fewer tokens.

use std::time::Instant;

use model::ModelError;
use worker::CancelFlag;

use crate::native::{Context, Decoded, Model, Token};

/// Time aimed at for each of the two measurements, in seconds.
const PROMPT_SECONDS: f64 = 0.3;
const ANSWER_SECONDS: f64 = 0.15;
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

/// Measures with the cache empty; leaves tokens in it.
pub(super) fn measure(context: &mut Context, model: &Model, cancel: &CancelFlag) -> Result<Speeds, ModelError> {
    let words = Token::try_from(model.vocab_len()).unwrap_or(Token::MAX).max(1);
    // Ordinary words from all over the vocabulary: any will do.
    let mut tokens = (1_i64..).map(|number| Token::try_from(number * 7919 % i64::from(words)).unwrap_or_default());
    let room = (context.context_tokens() as usize).saturating_sub(2 + ANSWER_TOKENS_MAX);

    // The first computation reads the weights from disk and is no measure; the second one is.
    let mut compute = |count: usize| -> Result<f64, ModelError> {
        let mut batch: Vec<Token> = tokens.by_ref().take(count).collect();
        let started = Instant::now();
        match context.decode(&mut batch, cancel)? {
            Decoded::Done => Ok(started.elapsed().as_secs_f64().max(1e-6)),
            Decoded::Cancelled => Err(ModelError::Cancelled),
        }
    };
    compute(1)?;
    let one = compute(1)?;
    let fitting = |seconds: f64, limits: (usize, usize)| ((seconds / one) as usize).clamp(limits.0, limits.1);
    let answer_tokens = fitting(ANSWER_SECONDS, (ANSWER_TOKENS_MIN, ANSWER_TOKENS_MAX));
    let prompt_tokens =
        fitting(PROMPT_SECONDS * PROMPT_ADVANTAGE, (PROMPT_TOKENS_MIN, PROMPT_TOKENS_MAX)).min(room.max(1));
    let prompt_seconds = compute(prompt_tokens)?;
    let mut answer_seconds = 0.0;
    for _ in 0..answer_tokens {
        answer_seconds += compute(1)?;
    }
    Ok(Speeds {
        prompt_tokens_per_s: prompt_tokens as f64 / prompt_seconds,
        answer_tokens_per_s: answer_tokens as f64 / answer_seconds,
    })
}
