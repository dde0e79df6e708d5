//! How many tokens of context a question may carry. Refuses: contexts the user would have to wait for.

use model::ModelInfo;
use serde::{Deserialize, Serialize};

/// Assumed until the machine was measured: what two slow cores read with the starter model, tokens per second.
const PROMPT_TOKENS_PER_S_ASSUMED: f64 = 180.0;
/// Assumed until the model file was read.
const CONTEXT_TOKENS_ASSUMED: u32 = 2048;
/// Room for the template's own tokens and rounding.
const TEMPLATE_TOKENS: u32 = 48;
/// Less context than this is worth nothing, so waiting a little longer is right.
const CONTEXT_TOKENS_MIN: u32 = 192;

/// How one request's tokens are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Tokens for the whole prompt, instructions included.
    pub prompt_tokens_max: u32,
    /// Tokens for the answer.
    pub answer_tokens_max: u32,
}

/// Shares out the model's window: the answer first, then as much prompt as is read in `prompt_seconds_max`.
pub fn budget(info: &ModelInfo, answer_tokens_max: u32, prompt_seconds_max: f64) -> Budget {
    let window = info.context_tokens.unwrap_or(CONTEXT_TOKENS_ASSUMED);
    let answer = answer_tokens_max.min(window / 2);
    let room = window.saturating_sub(answer).saturating_sub(TEMPLATE_TOKENS);
    let speed = info.prompt_tokens_per_s.filter(|speed| *speed > 0.0).unwrap_or(PROMPT_TOKENS_PER_S_ASSUMED);
    let quick = (speed * prompt_seconds_max.max(0.0)).min(f64::from(u32::MAX)) as u32;
    Budget { prompt_tokens_max: quick.max(CONTEXT_TOKENS_MIN).min(room), answer_tokens_max: answer }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(context: Option<u32>, speed: Option<f64>) -> ModelInfo {
        ModelInfo { context_tokens: context, prompt_tokens_per_s: speed, ..ModelInfo::default() }
    }

    #[test]
    fn the_smaller_of_window_and_patience_wins() {
        let prompt = |context, speed| budget(&info(context, speed), 400, 3.0).prompt_tokens_max;
        assert_eq!(prompt(Some(8192), Some(200.0)), 600);
        assert_eq!(prompt(Some(1024), Some(5000.0)), 1024 - 400 - TEMPLATE_TOKENS);
        assert_eq!(prompt(Some(8192), Some(1.0)), CONTEXT_TOKENS_MIN);
        assert_eq!(prompt(None, None), 540);
    }

    #[test]
    fn a_tiny_window_still_leaves_room_for_both() {
        let budget = budget(&info(Some(64), Some(100.0)), 400, 3.0);
        assert_eq!(budget, Budget { prompt_tokens_max: 0, answer_tokens_max: 32 });
    }
}
