//! Windows of tokens: what a text encoder reads at once, with its start, end and padding, and a weight for each token.
//!
//! Refuses: to cut a prompt short in silence; more than [`CHUNKS_MAX`] windows are an error.

use super::{CHUNKS_MAX, Piece};
use crate::error::PaintError;

/// When a window is full in the middle of a phrase, the phrase moves to the next one if its comma is this close.
const COMMA_REACH_TOKENS: usize = 20;

/// The form of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Tokens in a window, its start and end included; 77 for CLIP.
    pub length: usize,
    /// The token that begins a window.
    pub start: u32,
    /// The token that ends the text of a window.
    pub end: u32,
    /// The token that fills a window up.
    pub padding: u32,
    /// The token of a comma that stands alone, where there is one.
    pub comma: Option<u32>,
}

/// One window.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// [`Windows::length`] tokens.
    pub ids: Vec<u32>,
    /// A weight for each of them; 1 for those that are no text.
    pub weights: Vec<f32>,
}

/// Cuts a prompt into windows; an empty prompt is one window without text.
///
/// `tokenize` gives the tokens of a text without start and end.
///
/// # Errors
/// What `tokenize` gives, and `BadRequest` for more than [`CHUNKS_MAX`] windows.
pub fn chunks(
    pieces: &[Piece],
    windows: &Windows,
    mut tokenize: impl FnMut(&str) -> Result<Vec<u32>, PaintError>,
) -> Result<Vec<Chunk>, PaintError> {
    let room = windows.length.saturating_sub(2).max(1);
    let mut done = Vec::new();
    let mut open: Vec<(u32, f32)> = Vec::new();
    for piece in pieces {
        let Piece::Text(text, weight) = piece else {
            done.push(windows.close(&open));
            open.clear();
            continue;
        };
        for token in tokenize(text)? {
            if open.len() == room {
                let kept = windows.last_comma(&open).unwrap_or(room);
                let moved = open.split_off(kept);
                done.push(windows.close(&open));
                open = moved;
                within_bounds(done.len())?;
            }
            open.push((token, *weight as f32));
        }
    }
    if !open.is_empty() || done.is_empty() {
        done.push(windows.close(&open));
    }
    within_bounds(done.len())?;
    Ok(done)
}

fn within_bounds(count: usize) -> Result<(), PaintError> {
    if count <= CHUNKS_MAX {
        return Ok(());
    }
    Err(PaintError::BadRequest(format!("the prompt fills more than {CHUNKS_MAX} windows of tokens; shorten it")))
}

impl Windows {
    /// A window without text, to bring two prompts to the same number of windows.
    #[must_use]
    pub fn empty(&self) -> Chunk {
        self.close(&[])
    }

    /// How many tokens of a full window stay in it when the phrase at its end moves on.
    fn last_comma(&self, open: &[(u32, f32)]) -> Option<usize> {
        let comma = self.comma?;
        let reach = open.len().saturating_sub(COMMA_REACH_TOKENS);
        let at = open.iter().rposition(|(token, _)| *token == comma)?;
        (at >= reach && at + 1 < open.len()).then_some(at + 1)
    }

    fn close(&self, text: &[(u32, f32)]) -> Chunk {
        let mut ids = Vec::with_capacity(self.length);
        ids.push(self.start);
        ids.extend(text.iter().map(|(token, _)| *token));
        ids.push(self.end);
        ids.resize(self.length, self.padding);
        let mut weights = vec![1.0; self.length];
        for (weight, (_, given)) in weights[1..].iter_mut().zip(text) {
            *weight = *given;
        }
        Chunk { ids, weights }
    }
}

#[cfg(test)]
mod tests {
    use super::{Chunk, Windows, chunks};
    use crate::error::PaintError;
    use crate::prompt::{CHUNKS_MAX, parse};

    const WINDOWS: Windows = Windows { length: 30, start: 1, end: 2, padding: 0, comma: Some(44) };

    /// One token for each letter.
    fn cut(prompt: &str) -> Result<Vec<Chunk>, PaintError> {
        chunks(&parse(prompt)?, &WINDOWS, |text| Ok(text.chars().map(u32::from).collect()))
    }

    fn text(chunk: &Chunk) -> String {
        let letters = chunk.ids[1..].iter().take_while(|id| **id != 2);
        letters.map(|id| char::from_u32(*id).unwrap()).collect()
    }

    #[test]
    fn a_window_has_start_end_and_padding() {
        let all = cut("(a:2)b").unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!((&all[0].ids[..5], all[0].ids.len()), (&[1, 97, 98, 2, 0][..], 30));
        assert_eq!((&all[0].weights[..4], all[0].weights.len()), (&[1.0, 2.0, 1.0, 1.0][..], 30));
        assert_eq!(cut("").unwrap(), [WINDOWS.empty()]);
    }

    #[test]
    fn long_prompts_take_more_windows_and_keep_phrases_whole() {
        let all = cut(&"x".repeat(60)).unwrap();
        assert_eq!(all.iter().map(|chunk| text(chunk).len()).collect::<Vec<_>>(), [28, 28, 4]);
        let all = cut("abcdefghijklmnopq,rstuvwxyzabcdef").unwrap();
        assert_eq!(all.iter().map(text).collect::<Vec<_>>(), ["abcdefghijklmnopq,", "rstuvwxyzabcdef"]);
        // A comma further back than the reach stays where it is.
        let all = cut(&format!("a,{}", "b".repeat(40))).unwrap();
        assert_eq!(text(&all[0]).len(), 28);
    }

    #[test]
    fn break_begins_a_window() {
        let all = cut("one BREAK two").unwrap();
        assert_eq!(all.iter().map(text).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(cut("one BREAK").unwrap().len(), 1);
        assert_eq!(cut("BREAK two").unwrap().len(), 2);
    }

    #[test]
    fn too_many_windows_are_an_error() {
        assert!(cut(&"x".repeat(28 * CHUNKS_MAX)).is_ok());
        assert!(cut(&"x".repeat(28 * CHUNKS_MAX + 1)).is_err());
        assert!(cut(&"BREAK ".repeat(CHUNKS_MAX + 1)).is_err());
    }
}
