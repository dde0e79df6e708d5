//! One state of the text index with the tables that scoring needs: which file each chunk is of, and how long things are.
//!
//! Refuses: to change, and to read stored text. Tables of a segment are made once and shared by later snapshots.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use tantivy::fieldnorm::FieldNormReader;
use tantivy::index::SegmentId;
use tantivy::{DocAddress, SegmentReader, Term};

use crate::error::{Doing, IndexError};
use crate::files::role::role_of;
use crate::parse::terms::{BODY, FIELDS, PATH};
use crate::storage::document::{Fields, PATH_AS_IS};

/// A state of the text index.
pub(crate) struct Snapshot {
    /// The text index.
    pub(crate) text: tantivy::Searcher,
    /// Its fields.
    pub(crate) fields: Fields,
    known: HashMap<SegmentId, Arc<Segment>>,
    tables: OnceLock<Tables>,
}

/// What a snapshot knows about its chunks. Chunks are numbered through all segments, dead ones included; so are files.
pub(crate) struct Tables {
    segments: Vec<Arc<Segment>>,
    /// First chunk number of each segment.
    first_chunk: Vec<u32>,
    /// First file number of each segment.
    first_file: Vec<u32>,
    /// Numbers in use.
    pub(crate) chunks: u32,
    /// Numbers in use.
    pub(crate) files: u32,
    /// Living chunks and files, and how long they are.
    pub(crate) totals: Totals,
    /// Words of each file's living chunks.
    pub(crate) file_words: Vec<u32>,
    alive: Vec<bool>,
    /// Of each segment, whether all its documents are alive.
    lost_none: Vec<bool>,
}

/// Sums over chunks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Totals {
    /// Chunks.
    pub(crate) chunks: u64,
    /// Files with at least one chunk.
    pub(crate) files: u64,
    /// Words by field, as the text index rounds them.
    pub(crate) words: [u64; FIELDS],
}

/// The part of the tables that never changes, because segments do not.
struct Segment {
    /// File of each chunk, numbered within the segment.
    file_of: Vec<u32>,
    /// Paths by that number, in order.
    paths: Vec<Box<str>>,
    /// Roles by that number.
    roles: Vec<u64>,
    /// Lengths by field and chunk, as ids of the text index.
    norms: [Vec<u8>; FIELDS],
}

impl Snapshot {
    /// The state that `text` shows. What `before` knows of the same segments is taken over.
    pub(crate) fn new(text: tantivy::Searcher, before: Option<&Self>) -> Self {
        let known = before.and_then(|before| {
            let tables = before.tables.get()?;
            let ids = before.text.segment_readers().iter().map(SegmentReader::segment_id);
            Some(ids.zip(tables.segments.iter().cloned()).collect())
        });
        Self { text, fields: Fields::schema().1, known: known.unwrap_or_default(), tables: OnceLock::new() }
    }

    /// Chunks whose text has a word, deleted ones included.
    ///
    /// # Errors
    /// [`IndexError::Storage`] when the text index cannot be read.
    pub(crate) fn chunks_with(&self, token: &str) -> Result<u64, IndexError> {
        self.text.doc_freq(&Term::from_field_text(self.fields.words[BODY], token)).doing("searching")
    }

    /// The tables; made at the first question.
    ///
    /// # Errors
    /// [`IndexError::Storage`] when the text index cannot be read.
    pub(crate) fn tables(&self) -> Result<&Tables, IndexError> {
        if let Some(tables) = self.tables.get() {
            return Ok(tables);
        }
        let tables = Tables::of(self)?;
        Ok(self.tables.get_or_init(|| tables))
    }
}

impl Tables {
    fn of(snapshot: &Snapshot) -> Result<Self, IndexError> {
        let mut tables = Self {
            segments: Vec::new(),
            first_chunk: Vec::new(),
            first_file: Vec::new(),
            chunks: 0,
            files: 0,
            totals: Totals::default(),
            file_words: Vec::new(),
            alive: Vec::new(),
            lost_none: Vec::new(),
        };
        for reader in snapshot.text.segment_readers() {
            let segment = match snapshot.known.get(&reader.segment_id()) {
                Some(known) => known.clone(),
                None => Arc::new(Segment::of(reader, &snapshot.fields)?),
            };
            tables.push(reader, segment);
        }
        Ok(tables)
    }

    fn push(&mut self, reader: &SegmentReader, segment: Arc<Segment>) {
        let lengths = norm_lengths();
        let first_file = self.files as usize;
        self.first_chunk.push(self.chunks);
        self.first_file.push(self.files);
        self.lost_none.push(!reader.has_deletes());
        self.file_words.resize(first_file + segment.paths.len(), 0);
        let mut seen = vec![false; segment.paths.len()];
        for (chunk, &file) in segment.file_of.iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "documents of a segment are numbered by u32")]
            let alive = !reader.is_deleted(chunk as u32);
            self.alive.push(alive);
            // What has no words, not even of its path, is no passage; see `parse::light`.
            if !alive || segment.norms[PATH][chunk] == 0 {
                continue;
            }
            self.totals.chunks += 1;
            for (field, norms) in segment.norms.iter().enumerate() {
                self.totals.words[field] += u64::from(lengths[norms[chunk] as usize]);
            }
            self.file_words[first_file + file as usize] += lengths[segment.norms[BODY][chunk] as usize];
            if !std::mem::replace(&mut seen[file as usize], true) {
                self.totals.files += 1;
            }
        }
        self.chunks = u32::try_from(self.alive.len()).unwrap_or(u32::MAX);
        self.files = u32::try_from(self.file_words.len()).unwrap_or(u32::MAX);
        self.segments.push(segment);
    }

    /// Segments, with the numbers of their first chunk and file.
    pub(crate) fn segments(&self) -> impl Iterator<Item = SegmentTable<'_>> {
        let firsts = self.first_chunk.iter().zip(&self.first_file).zip(&self.lost_none);
        self.segments.iter().zip(firsts).map(|(segment, ((&first_chunk, &first_file), &lost_none))| SegmentTable {
            segment,
            first_chunk,
            first_file,
            alive: &self.alive[first_chunk as usize..first_chunk as usize + segment.file_of.len()],
            lost_none,
        })
    }

    /// All files in order of their numbers, dead ones included: path and role.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        self.segments.iter().flat_map(|segment| {
            segment.paths.iter().zip(&segment.roles).map(|(path, &role)| (path.as_ref(), role))
        })
    }

    /// Calls `each` with the role of every file, in order of their numbers, dead ones included.
    pub(crate) fn each_role(&self, each: &mut impl FnMut(u64)) {
        self.segments.iter().flat_map(|segment| &segment.roles).for_each(|&role| each(role));
    }

    /// The order of two files by their paths, where their numbers tell it: those of one segment are numbered so.
    pub(crate) fn order_of_paths(&self, one: u32, other: u32) -> Option<Ordering> {
        let segment = |file: u32| self.first_file.partition_point(|&first| first <= file);
        (one.max(other) < self.files && segment(one) == segment(other)).then(|| one.cmp(&other))
    }

    /// A file by its number: path and role.
    pub(crate) fn file(&self, file: u32) -> (&str, u64) {
        let at = self.first_file.partition_point(|&first| first <= file).saturating_sub(1);
        let (segment, number) = (&self.segments[at], (file - self.first_file[at]) as usize);
        (segment.paths[number].as_ref(), segment.roles[number])
    }

    /// The numbers of a file, one in each segment that has chunks of it.
    pub(crate) fn files_named(&self, path: &str) -> impl Iterator<Item = u32> {
        self.segments.iter().zip(&self.first_file).filter_map(move |(segment, first_file)| {
            let at = segment.paths.binary_search_by(|known| known.as_ref().cmp(path)).ok()?;
            Some(first_file + u32::try_from(at).ok()?)
        })
    }

    /// The file that a chunk is of.
    pub(crate) fn file_of(&self, chunk: u32) -> u32 {
        let at = self.segment_of(chunk);
        self.first_file[at] + self.segments[at].file_of[(chunk - self.first_chunk[at]) as usize]
    }

    /// The coarse length of a chunk's field.
    pub(crate) fn norm(&self, field: usize, chunk: u32) -> u8 {
        let at = self.segment_of(chunk);
        self.segments[at].norms[field][(chunk - self.first_chunk[at]) as usize]
    }

    /// Where a chunk is stored.
    pub(crate) fn address(&self, chunk: u32) -> DocAddress {
        let segment = self.segment_of(chunk);
        DocAddress::new(u32::try_from(segment).unwrap_or(u32::MAX), chunk - self.first_chunk[segment])
    }

    fn segment_of(&self, chunk: u32) -> usize {
        self.first_chunk.partition_point(|&first| first <= chunk).saturating_sub(1)
    }
}

/// One segment's part of the tables.
#[derive(Clone, Copy)]
pub(crate) struct SegmentTable<'a> {
    segment: &'a Segment,
    /// Number of its first chunk.
    pub(crate) first_chunk: u32,
    first_file: u32,
    alive: &'a [bool],
    lost_none: bool,
}

impl SegmentTable<'_> {
    /// Chunks, dead ones included.
    pub(crate) fn len(&self) -> usize {
        self.alive.len()
    }

    /// The numbers of its chunks' files, in order.
    pub(crate) fn files(&self) -> impl Iterator<Item = u32> {
        self.segment.file_of.iter().map(move |file| self.first_file + file)
    }

    /// Whether all its documents are still part of the index.
    pub(crate) fn lost_none(&self) -> bool {
        self.lost_none
    }

    /// Whether a document is still part of the index.
    pub(crate) fn is_alive(&self, document: u32) -> bool {
        self.alive[document as usize]
    }

    /// The number of a document's file.
    pub(crate) fn file(&self, document: u32) -> u32 {
        self.first_file + self.segment.file_of[document as usize]
    }

    /// The coarse length of a document's field.
    pub(crate) fn norm(&self, field: usize, document: u32) -> u8 {
        self.segment.norms[field][document as usize]
    }
}

impl Segment {
    fn of(reader: &SegmentReader, fields: &Fields) -> Result<Self, IndexError> {
        let doing = "reading the text index";
        let mut norms: [Vec<u8>; FIELDS] = Default::default();
        for (field, norms) in fields.words.into_iter().zip(&mut norms) {
            let lengths = reader.get_fieldnorms_reader(field).doing(doing)?;
            norms.extend((0..reader.max_doc()).map(|document| lengths.fieldnorm_id(document)));
        }
        let mut paths: Vec<Box<str>> = Vec::new();
        let mut file_of = vec![0; reader.max_doc() as usize];
        if let Some(column) = reader.fast_fields().str(PATH_AS_IS).doing(doing)? {
            let mut stream = column.dictionary().stream().doing(doing)?;
            while stream.advance() {
                paths.push(String::from_utf8_lossy(stream.key()).into());
            }
            let ordinals = column.ords().clone().first_or_default_col(0);
            for (document, file) in (0..).zip(&mut file_of) {
                *file = u32::try_from(ordinals.get_val(document)).unwrap_or(0);
            }
        }
        if paths.is_empty() {
            paths.push("".into());
        }
        let roles = paths.iter().map(|path| role_of(path)).collect();
        Ok(Self { file_of, paths, roles, norms })
    }
}

/// The number of words behind each coarse length.
pub(crate) fn norm_lengths() -> [u32; 256] {
    let mut lengths = [0; 256];
    for (id, length) in (0..=u8::MAX).zip(&mut lengths) {
        *length = FieldNormReader::id_to_fieldnorm(id);
    }
    lengths
}
