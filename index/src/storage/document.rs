//! The text index's fields, and a chunk as one of its documents.
//!
//! Refuses: to store the text of a chunk. Search reads it from the live file, so it can never be stale.

use serde::{Deserialize, Serialize};
use tantivy::TantivyDocument;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, Schema, SchemaBuilder, TextFieldIndexing, TextOptions, Value,
};

use crate::files::skip::SkipReason;
use crate::parse::cut::{Chunk, Name, short_hash};
use crate::parse::language::DOCUMENT_VERSION;
use crate::parse::large::LARGE;
use crate::parse::light::is_light;
use crate::parse::qualified::ends;
use crate::parse::terms::{FIELDS, FieldTexts};
use crate::parse::tokenize::TOKENIZER;

/// Name of the field with a file's number.
pub(crate) const FILE: &str = "file";
/// Name of the field with a file's path as it is.
pub(crate) const PATH_AS_IS: &str = "path_as_is";

/// The fields of the text index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    /// Number of the file's indexed state; unique for ever, so that one term deletes exactly one state.
    pub(crate) file: Field,
    /// The path as it is, by which chunks of one file are told together.
    pub(crate) path_as_is: Field,
    /// Plain names as they are written, and the ends of qualified ones; see [`ends`].
    pub(crate) exact: Field,
    /// Words of names, path, context, documentation and text, in the order of [`FieldTexts`].
    pub(crate) words: [Field; FIELDS],
    /// Words of the names of generated definitions, which only a search for names looks at.
    pub(crate) light_names: Field,
    /// File names, in lower case, of files of which the path is known.
    pub(crate) light_paths: Field,
    /// What a hit shows; see [`Card`].
    pub(crate) card: Field,
}

impl Fields {
    /// The schema and its fields.
    pub(crate) fn schema() -> (Schema, Self) {
        let mut builder = SchemaBuilder::new();
        let words = |norms: bool, tokenizer: &str, option: IndexRecordOption| {
            let indexing = TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(option);
            TextOptions::default().set_indexing_options(indexing.set_fieldnorms(norms))
        };
        let code = || words(true, TOKENIZER, IndexRecordOption::WithFreqs);
        let fields = Self {
            file: builder.add_u64_field(FILE, FAST | INDEXED),
            path_as_is: builder.add_text_field(PATH_AS_IS, TextOptions::default().set_fast("raw")),
            exact: builder.add_text_field("exact", words(false, "raw", IndexRecordOption::Basic)),
            words: ["names", "path", "context", "doc", "body"].map(|name| builder.add_text_field(name, code())),
            light_names: builder.add_text_field("light_names", words(false, TOKENIZER, IndexRecordOption::Basic)),
            light_paths: builder.add_text_field("light_paths", words(false, "raw", IndexRecordOption::Basic)),
            card: builder.add_bytes_field("card", STORED),
        };
        (builder.build(), fields)
    }

    /// A chunk as a document. `text` is the whole decoded file.
    pub(crate) fn document(&self, file: &FileFacts<'_>, chunk: &Chunk, text: &str) -> TantivyDocument {
        let mut document = TantivyDocument::new();
        document.add_u64(self.file, file.id);
        document.add_text(self.path_as_is, file.path);
        for name in &chunk.names {
            document.add_text(self.exact, &name.name);
            for end in ends(name) {
                document.add_text(self.exact, end);
            }
            if chunk.is_light() {
                document.add_text(self.light_names, &name.name);
            }
        }
        let texts = FieldTexts::of(file.path, chunk, text);
        for (index, field) in self.words.into_iter().enumerate() {
            for part in texts.field(index) {
                document.add_text(field, part);
            }
        }
        let card = Card::of(file, chunk);
        document.add_bytes(self.card, &serde_json::to_vec(&card).unwrap_or_default());
        document
    }

    /// A file by its path alone. It has no words, so no statistics count it.
    pub(crate) fn path_document(&self, file: &FileFacts<'_>, reason: SkipReason) -> TantivyDocument {
        let mut document = TantivyDocument::new();
        document.add_u64(self.file, file.id);
        document.add_text(self.path_as_is, file.path);
        document.add_text(self.light_paths, light_name(file.path));
        let card = Card {
            path: file.path.to_owned(),
            lines: (1, 1),
            bytes: (0, 0),
            symbol: None,
            kind: reason.words().to_owned(),
            names: Vec::new(),
            file_hash: u128::from_le_bytes(file.hash),
            hash: 0,
        };
        document.add_bytes(self.card, &serde_json::to_vec(&card).unwrap_or_default());
        document
    }

    /// The card of a stored document; `None` when it cannot be read.
    pub(crate) fn card(&self, document: &TantivyDocument) -> Option<Card> {
        serde_json::from_slice(document.get_first(self.card)?.as_bytes()?).ok()
    }
}

/// The name by which a file that is known by path only is looked up.
pub(crate) fn light_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_lowercase()
}

/// A hash of the chunks of a file and of how they are stored: two of the same bytes with the same one are stored alike.
pub(crate) fn chunks_hash(chunks: &[Chunk]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    let mut add = |part: &[u8]| {
        // Where a part ends is a part of it.
        hasher.update(&part.len().to_le_bytes()).update(part);
    };
    add(&DOCUMENT_VERSION.to_le_bytes());
    for chunk in chunks {
        // Of header and text.
        add(&chunk.hash);
        for number in [chunk.span.start, chunk.span.end, chunk.start_line as usize, chunk.end_line as usize] {
            add(&number.to_le_bytes());
        }
        for part in [chunk.symbol.as_deref().unwrap_or_default(), &chunk.kind, &chunk.context, &chunk.doc] {
            add(part.as_bytes());
        }
        add(&chunk.names.len().to_le_bytes());
        for name in &chunk.names {
            [&name.name, &name.qualified, &name.kind].into_iter().for_each(|part| add(part.as_bytes()));
            [name.line, name.more_lines].into_iter().for_each(|number| add(&number.to_le_bytes()));
        }
    }
    short_hash(&hasher.finalize())
}

/// What all chunks of one file share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileFacts<'a> {
    /// See [`Fields::file`].
    pub(crate) id: u64,
    /// Relative path.
    pub(crate) path: &'a str,
    /// Hash of the bytes on disk.
    pub(crate) hash: [u8; 16],
}

/// What is stored of a chunk: enough to find it in the live file and to notice that the file changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Card {
    /// Relative path.
    #[serde(rename = "p")]
    pub(crate) path: String,
    /// First and last line, 1-based and inclusive.
    #[serde(rename = "l")]
    pub(crate) lines: (u32, u32),
    /// Bytes in the decoded text.
    #[serde(rename = "b")]
    pub(crate) bytes: (u32, u32),
    /// The definition it begins with or stands in.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(crate) symbol: Option<String>,
    /// Its kind.
    #[serde(rename = "k")]
    pub(crate) kind: String,
    /// Names it defines.
    #[serde(rename = "n", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) names: Vec<Name>,
    /// Hash of the file's bytes.
    #[serde(rename = "f")]
    pub(crate) file_hash: u128,
    /// Hash of header and text.
    #[serde(rename = "h")]
    pub(crate) hash: u128,
}

impl Card {
    fn of(file: &FileFacts<'_>, chunk: &Chunk) -> Self {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            path: file.path.to_owned(),
            lines: (chunk.start_line, chunk.end_line),
            bytes: (offset(chunk.span.start), offset(chunk.span.end)),
            symbol: chunk.symbol.clone(),
            kind: chunk.kind.clone(),
            names: chunk.names.clone(),
            file_hash: u128::from_le_bytes(file.hash),
            hash: u128::from_le_bytes(chunk.hash),
        }
    }

    /// Whether only a path or a name is known; no passage is empty.
    pub(crate) fn is_light(&self) -> bool {
        is_light(&self.kind) || self.bytes == (0, 0)
    }

    /// Whether it is a name in a file over the limit; its `file_hash` is what the file system said of that file.
    pub(crate) fn is_of_large(&self) -> bool {
        self.kind == LARGE
    }

    /// Why nothing but names is known of its file, if so.
    pub(crate) fn only_names(&self) -> Option<&str> {
        is_light(&self.kind).then_some(self.kind.as_str())
    }

    /// The card of a chunk that is in no index.
    pub(crate) fn unstored(path: &str, chunk: &Chunk) -> Self {
        Self::of(&FileFacts { id: 0, path, hash: [0; 16] }, chunk)
    }
}
