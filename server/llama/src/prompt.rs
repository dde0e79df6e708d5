//! From a conversation to tokens, so that nobody's words can become control tokens.
//!
//! A control token ends a turn or begins another; spelled out in a file or a question it must stay plain text. Parts
//! written by the template are tokenised together with what was said, as the model was trained, unless something
//! said contains or completes the spelling of a control token: then what was said is cut inside each such spelling
//! and tokenised by itself, without control tokens. Refuses: prompts that cannot fit, before the work of tokenising.

mod template;

use std::ops::Range;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use model::{Message, ModelError};

use crate::native::{Model, Token};
use template::{ChatTemplate, Part};

/// A text with more bytes for each token of the context than this cannot fit and is not even tokenised.
const BYTES_PER_TOKEN_MAX: usize = 64;
/// How many bytes a token of ordinary text has; used only to estimate the size of a text that cannot fit.
const BYTES_PER_TOKEN_USUAL: usize = 4;

/// Turns conversations into tokens for one model.
pub(crate) struct Prompter {
    model: Arc<Model>,
    template: ChatTemplate,
    control_texts: AhoCorasick,
}

impl Prompter {
    /// For `model`, whose file has the template `source`.
    pub(crate) fn new(model: Arc<Model>, source: Option<String>) -> Result<Self, ModelError> {
        let template = ChatTemplate::new(source, model.begin_and_end_text());
        let words = Token::try_from(model.vocab_len()).unwrap_or(Token::MAX);
        let texts: Vec<String> = (0..words)
            .filter(|token| model.is_control(*token))
            .filter_map(|token| model.token_text(token))
            .filter(|text| !text.is_empty())
            .collect();
        let control_texts = AhoCorasick::new(texts)
            .map_err(|_| ModelError::BadFile("its control tokens are too many or too long".into()))?;
        Ok(Self { model, template, control_texts })
    }

    /// The tokens of the prompt for the next answer.
    pub(crate) fn tokens(&self, messages: &[Message], context_tokens: u32) -> Result<Vec<Token>, ModelError> {
        let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        if bytes / BYTES_PER_TOKEN_MAX > context_tokens as usize {
            let prompt_tokens = u32::try_from(bytes / BYTES_PER_TOKEN_USUAL).unwrap_or(u32::MAX);
            return Err(ModelError::TooLong { prompt_tokens, context_tokens });
        }
        let mut tokens = self.tokens_of_parts(&self.template.render(messages))?;
        if let Some(begin) = self.model.begin_token()
            && tokens.first() != Some(&begin)
        {
            tokens.insert(0, begin);
        }
        Ok(tokens)
    }

    fn tokens_of_parts(&self, parts: &[Part]) -> Result<Vec<Token>, ModelError> {
        let mut text = String::new();
        let mut said = Vec::new();
        for part in parts {
            match part {
                Part::Template(part) => text += part,
                Part::Said(part) => {
                    said.push(text.len()..text.len() + part.len());
                    text += part;
                }
            }
        }
        let spellings: Vec<Range<usize>> =
            self.control_texts.find_overlapping_iter(&text).map(|found| found.range()).collect();
        // Both lists are in order of their ends, so two fingers suffice.
        let touches = |said: &Range<usize>| {
            let first = spellings.partition_point(|spelling| spelling.end <= said.start);
            spellings[first..].iter().any(|spelling| spelling.start < said.end)
        };
        let mut tokens = Vec::new();
        let mut done = 0;
        for range in said.into_iter().filter(touches) {
            tokens.extend(self.model.tokenize(&text[done..range.start], true)?);
            self.append_neutral(&text[range.clone()], &mut tokens)?;
            done = range.end;
        }
        tokens.extend(self.model.tokenize(&text[done..], true)?);
        Ok(tokens)
    }

    /// Appends the tokens of words in which control tokens are spelled.
    fn append_neutral(&self, text: &str, tokens: &mut Vec<Token>) -> Result<(), ModelError> {
        let mut done = 0;
        for found in self.control_texts.find_overlapping_iter(text) {
            // After the first character: no spelling survives that.
            let cut = found.start() + text[found.start()..].chars().next().map_or(1, char::len_utf8);
            if cut > done {
                tokens.extend(self.model.tokenize(&text[done..cut], false)?);
                done = cut;
            }
        }
        tokens.extend(self.model.tokenize(&text[done..], false)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
