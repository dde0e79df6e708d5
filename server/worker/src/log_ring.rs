//! The last lines a child printed, kept for the report when it dies.
//!
//! Refuses: long lines and long memories. Lines go to the log at debug level as they come.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

const LINES_MAX: usize = 200;
const LINE_BYTES_MAX: usize = 1024;
const READ_BYTES: usize = 8 * 1024;

#[derive(Default)]
struct State {
    lines: VecDeque<String>,
    closed: bool,
}

/// The last lines.
#[derive(Default)]
pub(crate) struct LogRing {
    state: Mutex<State>,
    ended: Condvar,
}

impl LogRing {
    /// Reads `input` to its end; `name` says in the log whose lines these are.
    pub(crate) fn fill_from(&self, mut input: impl Read, name: &str) {
        let mut line = Vec::new();
        let mut buffer = vec![0; READ_BYTES];
        while let Ok(count @ 1..) = input.read(&mut buffer) {
            for byte in &buffer[..count] {
                if *byte == b'\n' {
                    self.push(&line, name);
                    line.clear();
                } else if line.len() < LINE_BYTES_MAX {
                    line.push(*byte);
                }
            }
        }
        self.push(&line, name);
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.ended.notify_all();
    }

    /// The last `count` lines, oldest first. Waits up to `patience` for the child's last words.
    pub(crate) fn last_lines(&self, count: usize, patience: Duration) -> Vec<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, _) = self
            .ended
            .wait_timeout_while(state, patience, |state| !state.closed)
            .unwrap_or_else(PoisonError::into_inner);
        state.lines.iter().skip(state.lines.len().saturating_sub(count)).cloned().collect()
    }

    fn push(&self, line: &[u8], name: &str) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        if text.is_empty() {
            return;
        }
        tracing::debug!(worker = name, "{text}");
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.lines.len() == LINES_MAX {
            state.lines.pop_front();
        }
        state.lines.push_back(text.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_within_bounds() {
        let mut text = "x".repeat(10 * LINE_BYTES_MAX) + "\n\n";
        for number in 0..2 * LINES_MAX {
            text += &format!("line {number}\r\n");
        }
        let ring = LogRing::default();
        ring.fill_from((text + "no newline").as_bytes(), "test");
        assert_eq!(ring.last_lines(2, Duration::ZERO), ["line 399", "no newline"]);
        assert_eq!(ring.last_lines(usize::MAX, Duration::ZERO).len(), LINES_MAX);

        let ring = LogRing::default();
        ring.fill_from("x".repeat(10 * LINE_BYTES_MAX).as_bytes(), "test");
        assert_eq!(ring.last_lines(1, Duration::ZERO)[0].len(), LINE_BYTES_MAX);
    }
}
