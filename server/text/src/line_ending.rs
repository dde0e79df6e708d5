//! How a text ends its lines and itself, and giving other text the same form.
//!
//! Refuses: changing a document on its own. It only converts text that is about to be put into one.

use std::borrow::Cow;

use ropey::Rope;

/// How much of a text is read to find its line ending, in bytes.
pub const DETECT_BYTES_MAX: usize = 1 << 20;

/// The characters that end a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LineEnding {
    /// `\n`, also assumed for a text of one line.
    #[default]
    Lf,
    /// `\r\n`.
    CrLf,
    /// `\r` alone.
    Cr,
}

impl LineEnding {
    /// The characters themselves.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
            Self::Cr => "\r",
        }
    }

    /// The ending most lines of `rope` have, judged by its first [`DETECT_BYTES_MAX`] bytes. On a tie the earlier of
    /// LF, CRLF, CR wins.
    #[must_use]
    pub fn detect(rope: &Rope) -> Self {
        let (mut lf, mut crlf, mut cr) = (0_usize, 0_usize, 0_usize);
        let mut after_cr = false;
        for byte in rope.bytes().take(DETECT_BYTES_MAX) {
            match (after_cr, byte) {
                (true, b'\n') => crlf += 1,
                (true, _) => cr += 1,
                (false, b'\n') => lf += 1,
                (false, _) => {}
            }
            after_cr = byte == b'\r';
        }
        cr += usize::from(after_cr);
        if lf >= crlf && lf >= cr {
            Self::Lf
        } else if crlf >= cr {
            Self::CrLf
        } else {
            Self::Cr
        }
    }

    /// `text` with each of its line breaks, of whatever kind, replaced by this one.
    #[must_use]
    pub fn convert(self, text: &str) -> Cow<'_, str> {
        let wanted = self.as_str();
        if split_lines(text).all(|line| matches!(line_break(line), "" | "\n") && self == Self::Lf) {
            return Cow::Borrowed(text);
        }
        let mut converted = String::with_capacity(text.len());
        for line in split_lines(text) {
            let found = line_break(line);
            converted.push_str(&line[..line.len() - found.len()]);
            if !found.is_empty() {
                converted.push_str(wanted);
            }
        }
        Cow::Owned(converted)
    }
}

/// How a text ends its lines, and whether it ends with a line break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TextShape {
    /// What ends a line.
    pub line_ending: LineEnding,
    /// Whether the last line is ended too. An empty text counts as ended, so that what is put into it gets the usual
    /// final line break.
    pub final_line_break: bool,
}

impl TextShape {
    /// The shape of `rope`.
    #[must_use]
    pub fn of(rope: &Rope) -> Self {
        let last = rope.len_chars().checked_sub(1).map(|at| rope.char(at));
        Self { line_ending: LineEnding::detect(rope), final_line_break: matches!(last, None | Some('\n' | '\r')) }
    }

    /// `text`, meant to replace a whole document of this shape, in that document's shape: its line endings, and one
    /// final line break exactly when the document had one. Blank lines at the end stay when the document had a final
    /// line break. An empty `text` stays empty.
    #[must_use]
    pub fn conform(self, text: &str) -> String {
        let mut conformed = self.line_ending.convert(text).into_owned();
        if conformed.is_empty() {
            return conformed;
        }
        let ended = conformed.ends_with(['\n', '\r']);
        if self.final_line_break && !ended {
            conformed.push_str(self.line_ending.as_str());
        } else if !self.final_line_break && ended {
            let kept = conformed.trim_end_matches(['\n', '\r']).len();
            conformed.truncate(kept);
        }
        conformed
    }
}

/// The lines of `text`, each with its line break, without an empty one after a final line break.
pub fn split_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = match rest.find(['\n', '\r']) {
            None => rest.len(),
            Some(at) if rest[at..].starts_with("\r\n") => at + 2,
            Some(at) => at + 1,
        };
        let (line, tail) = rest.split_at(end);
        rest = tail;
        Some(line)
    })
}

/// The line break at the end of `line`, or the empty string.
#[must_use]
pub fn line_break(line: &str) -> &str {
    let len = if line.ends_with("\r\n") { 2 } else { usize::from(line.ends_with(['\n', '\r'])) };
    &line[line.len() - len..]
}

#[cfg(test)]
mod tests;
