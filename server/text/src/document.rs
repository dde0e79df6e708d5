//! An open document: its name, version, language and text.
//!
//! Refuses: reading files. Text comes from the editor and leaves through [`Document::rope`].

use std::sync::Arc;

use ropey::Rope;

use crate::error::TextError;
use crate::line_ending::TextShape;
use crate::position::{PositionEncoding, Range, char_of};

/// One change an editor reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The replaced text, counted in the document as the changes before this one left it; `None` replaces everything.
    pub range: Option<Range>,
    /// What stands there afterwards.
    pub text: String,
}

/// A document at one version. A clone shares the text and costs a few reference counts, whatever the size: it is the
/// snapshot that work in the background keeps while the original moves on.
#[derive(Clone, Debug)]
pub struct Document {
    uri: Arc<str>,
    language_id: Arc<str>,
    version: i32,
    revision: u64,
    rope: Rope,
}

impl Document {
    /// A document as it was opened.
    #[must_use]
    pub fn new(uri: &str, language_id: &str, version: i32, text: &str) -> Self {
        Self { uri: uri.into(), language_id: language_id.into(), version, revision: 0, rope: Rope::from_str(text) }
    }

    /// The same with revisions that count on from `revision`, so that none of another opening is taken for one of this.
    #[must_use]
    pub fn starting_at(self, revision: u64) -> Self {
        Self { revision, ..self }
    }

    /// The name the editor gave it, as a URI.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The editor's name for its language, such as `rust`.
    #[must_use]
    pub fn language_id(&self) -> &str {
        &self.language_id
    }

    /// The editor's version of the text.
    #[must_use]
    pub fn version(&self) -> i32 {
        self.version
    }

    /// Counts calls of [`Document::apply`] since the document was opened. Two snapshots of one opening with the same
    /// revision hold the same text, also when a client repeats version numbers.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The text.
    #[must_use]
    pub fn rope(&self) -> &Rope {
        &self.rope
    }

    /// How the text ends its lines and itself.
    #[must_use]
    pub fn shape(&self) -> TextShape {
        TextShape::of(&self.rope)
    }

    /// Applies `changes` one after the other, each to the text its predecessor left, and takes `version`.
    ///
    /// Positions outside the text are clamped. A repeated version is taken, because refusing it would lose what the
    /// user typed; see [`Document::revision`].
    ///
    /// # Errors
    ///
    /// [`TextError::VersionWentBack`] when `version` is lower than the present one; nothing is changed then.
    pub fn apply(
        &mut self,
        changes: &[Change],
        version: i32,
        encoding: PositionEncoding,
    ) -> Result<(), TextError> {
        if version < self.version {
            return Err(TextError::VersionWentBack { current: self.version, given: version });
        }
        for change in changes {
            self.apply_one(change, encoding);
        }
        self.version = version;
        self.revision += 1;
        Ok(())
    }

    fn apply_one(&mut self, change: &Change, encoding: PositionEncoding) {
        let Some(range) = change.range else {
            self.rope = Rope::from_str(&change.text);
            return;
        };
        let a = char_of(&self.rope, range.start, encoding);
        let b = char_of(&self.rope, range.end, encoding);
        let (start, end) = (a.min(b), a.max(b));
        self.rope.remove(start..end);
        self.rope.insert(start, &change.text);
    }
}

#[cfg(test)]
mod tests;
