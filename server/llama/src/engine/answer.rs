//! One answer: the prompt, then token by token until the model, a stop text or a limit ends it.

use std::collections::BTreeSet;
use std::time::Instant;

use model::{ChatEvent, ChatRequest, FinishReason, Finished, ModelError, Timings, Usage};
use worker::CancelFlag;

use super::{Engine, to_u32};
use crate::native::{Sampler, Token};
use crate::output::{Output, Step};
use crate::quoting::{Quoting, Vocabulary};
use crate::sampling::checked;

/// Stop texts of one request.
const STOPS_MAX: usize = 16;
const STOP_BYTES_MAX: usize = 1024;

/// How the writing ended.
struct Written {
    reason: FinishReason,
    answer_tokens: usize,
}

impl Engine {
    /// Makes one answer.
    pub(super) fn answer(
        &mut self,
        request: &ChatRequest,
        emit: &mut dyn FnMut(ChatEvent),
        cancel: &CancelFlag,
    ) -> Result<Finished, ModelError> {
        let started = Instant::now();
        check_stops(&request.stop)?;
        let context_tokens = self.context.context_tokens();
        let prompt = self.prompter.tokens(&request.messages, context_tokens)?;
        let prompt_tokens = to_u32(prompt.len());
        if prompt.is_empty() {
            return Err(ModelError::Bug("the prompt is empty".into()));
        }
        // One place must be left for an answer.
        if prompt_tokens >= context_tokens {
            return Err(ModelError::TooLong { prompt_tokens, context_tokens });
        }
        let kept = self.read_prompt(&prompt, emit, cancel)?;
        let prompt_ms = ms_since(started);

        let writing = Instant::now();
        let limit = request.answer_tokens_max.min(context_tokens - prompt_tokens) as usize;
        let written = self.write(request, limit, emit, cancel)?;
        Ok(Finished {
            reason: written.reason,
            usage: Usage {
                prompt_tokens,
                cached_tokens: to_u32(kept),
                answer_tokens: to_u32(written.answer_tokens),
            },
            timings: Timings { queue_ms: 0.0, prompt_ms, answer_ms: ms_since(writing) },
        })
    }

    fn write(
        &mut self,
        request: &ChatRequest,
        limit: usize,
        emit: &mut dyn FnMut(ChatEvent),
        cancel: &CancelFlag,
    ) -> Result<Written, ModelError> {
        let mut sampler = Sampler::new(checked(&request.sampling), self.model.vocab_len());
        let mut output = Output::new(&request.stop);
        let mut quoting = request.quotation.as_ref().map(Quoting::new);
        let mut bytes = Vec::new();
        let mut reason = FinishReason::Length;
        let mut answer_tokens = 0;
        let mut send = |text: String| {
            if !text.is_empty() {
                emit(ChatEvent::Text(text));
            }
        };
        while answer_tokens < limit {
            if cancel.is_set() {
                return Err(ModelError::Cancelled);
            }
            let allowed = self.allowed(quoting.as_mut());
            let token: Token = sampler.draw(self.context.logits()?, allowed.as_ref())?;
            if self.model.ends_answer(token) {
                reason = FinishReason::Stop;
                break;
            }
            answer_tokens += 1;
            bytes.clear();
            self.model.append_piece(token, &mut bytes);
            if let Some(quoting) = &mut quoting {
                quoting.accept(&bytes);
            }
            match output.push(&bytes) {
                Step::Text(text) => send(text),
                Step::Stopped(text) => {
                    send(text);
                    return Ok(Written { reason: FinishReason::Stop, answer_tokens });
                }
            }
            if answer_tokens < limit {
                self.compute(&[token], cancel, &mut || {})?;
            }
        }
        send(output.finish());
        Ok(Written { reason, answer_tokens })
    }

    /// The tokens that a quotation leaves; `None` where all may follow.
    fn allowed(&self, quoting: Option<&mut Quoting>) -> Option<BTreeSet<Token>> {
        let quoting = quoting?;
        let allowed = quoting.allowed(|| self.vocabulary.get_or_init(|| Vocabulary::of(&self.model)))?;
        if allowed.is_empty() {
            tracing::warn!("no token can go on with a quotation, which is given up");
            quoting.give_up();
            return None;
        }
        Some(allowed)
    }
}

fn check_stops(stops: &[String]) -> Result<(), ModelError> {
    if stops.len() > STOPS_MAX || stops.iter().any(|stop| stop.len() > STOP_BYTES_MAX) {
        return Err(ModelError::Bug(format!(
            "more than {STOPS_MAX} stop texts, or one over {STOP_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

fn ms_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}
