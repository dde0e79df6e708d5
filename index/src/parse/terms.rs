//! The words of one chunk, counted by field: what search needs to score a chunk that is in no text index.
//!
//! Refuses: other words or fields than the text index has; both are made from [`FieldTexts`].

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use tantivy::fieldnorm::FieldNormReader;

use crate::parse::cut::Chunk;
use crate::parse::tokenize::for_each_token;

/// Searched fields.
pub(crate) const FIELDS: usize = 5;
/// Position of the names a chunk defines.
pub(crate) const NAMES: usize = 0;
/// Position of the path.
pub(crate) const PATH: usize = 1;
/// Position of enclosing symbols and signature.
pub(crate) const CONTEXT: usize = 2;
/// Position of documentation.
pub(crate) const DOC: usize = 3;
/// Position of the text.
pub(crate) const BODY: usize = 4;

/// The texts of one chunk by field.
pub(crate) struct FieldTexts<'a>([Vec<&'a str>; FIELDS]);

impl<'a> FieldTexts<'a> {
    /// Those of a chunk of `text`, the whole decoded file at `path`.
    pub(crate) fn of(path: &'a str, chunk: &'a Chunk, text: &'a str) -> Self {
        let mut texts: [Vec<&str>; FIELDS] = Default::default();
        if chunk.is_light() {
            // It is found by its exact name or not at all, and changes no statistics.
            return Self(texts);
        }
        texts[NAMES] = chunk.names.iter().map(|name| name.name.as_str()).collect();
        texts[PATH] = vec![path];
        texts[CONTEXT] = vec![&chunk.context];
        texts[DOC] = vec![&chunk.doc];
        texts[BODY] = vec![&text[chunk.span.clone()]];
        Self(texts)
    }

    /// The texts of one field.
    pub(crate) fn field(&self, field: usize) -> &[&'a str] {
        &self.0[field]
    }
}

/// Counted words. They are known by their hashes, so this takes little more room than the text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    /// By hash, with the number of times in each field.
    counts: Vec<(u64, [u16; FIELDS])>,
    /// Words of each field, in the coarse steps in which the text index keeps them.
    pub(crate) norms: [u8; FIELDS],
}

impl Terms {
    /// Counts the words of a chunk.
    pub(crate) fn of(path: &str, chunk: &Chunk, text: &str) -> Self {
        let texts = FieldTexts::of(path, chunk, text);
        let mut counts: HashMap<u64, [u16; FIELDS]> = HashMap::new();
        let mut norms = [0; FIELDS];
        for (field, norm) in norms.iter_mut().enumerate() {
            let mut words = 0u32;
            for part in texts.field(field) {
                for_each_token(part, |token| {
                    words += 1;
                    let count = &mut counts.entry(word_hash(token)).or_default()[field];
                    *count = count.saturating_add(1);
                });
            }
            *norm = FieldNormReader::fieldnorm_to_id(words);
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_unstable_by_key(|(hash, _)| *hash);
        Self { counts, norms }
    }

    /// How often a word stands in each field.
    pub(crate) fn count(&self, hash: u64) -> Option<&[u16; FIELDS]> {
        let at = self.counts.binary_search_by_key(&hash, |(hash, _)| *hash).ok()?;
        Some(&self.counts[at].1)
    }
}

/// The hash by which [`Terms`] knows a token.
pub(crate) fn word_hash(token: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    hasher.finish()
}
