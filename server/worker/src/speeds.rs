//! Measured speeds of a model, smoothed over its answers.
//!
//! Refuses: answers too short to say anything.

use model::{Finished, ModelInfo};

/// Fewer new prompt tokens than this are not a measurement.
const PROMPT_TOKENS_MIN: u32 = 32;
/// Fewer answer tokens than this are not a measurement.
const ANSWER_TOKENS_MIN: u32 = 8;
/// Weight of the newest answer.
const NEWEST_WEIGHT: f64 = 0.3;

/// Updates the speeds in `info` with a finished answer.
pub(crate) fn learn(info: &mut ModelInfo, finished: &Finished) {
    let (usage, timings) = (finished.usage, finished.timings);
    let prompt_tokens = usage.prompt_tokens.saturating_sub(usage.cached_tokens);
    if prompt_tokens >= PROMPT_TOKENS_MIN {
        smooth(&mut info.prompt_tokens_per_s, prompt_tokens, timings.prompt_ms);
    }
    if usage.answer_tokens >= ANSWER_TOKENS_MIN {
        smooth(&mut info.answer_tokens_per_s, usage.answer_tokens, timings.answer_ms);
    }
}

fn smooth(speed: &mut Option<f64>, tokens: u32, ms: f64) {
    if ms > 0.0 {
        let newest = f64::from(tokens) * 1000.0 / ms;
        *speed = Some(speed.map_or(newest, |old| old + (newest - old) * NEWEST_WEIGHT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{FinishReason, Timings, Usage};

    #[test]
    fn speeds_follow_long_answers_and_ignore_short_ones() {
        let mut info = ModelInfo::default();
        let finished = |prompt_tokens, cached_tokens, answer_tokens, ms| Finished {
            reason: FinishReason::Stop,
            usage: Usage { prompt_tokens, cached_tokens, answer_tokens },
            timings: Timings { queue_ms: 0.0, prompt_ms: ms, answer_ms: ms },
        };
        learn(&mut info, &finished(100, 90, 7, 10.0));
        assert_eq!((info.prompt_tokens_per_s, info.answer_tokens_per_s), (None, None));
        learn(&mut info, &finished(100, 0, 10, 1000.0));
        assert_eq!((info.prompt_tokens_per_s, info.answer_tokens_per_s), (Some(100.0), Some(10.0)));
        learn(&mut info, &finished(200, 0, 20, 1000.0));
        assert_eq!((info.prompt_tokens_per_s, info.answer_tokens_per_s), (Some(130.0), Some(13.0)));
    }
}
