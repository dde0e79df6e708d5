//! The index on disk: the text index and the manifest as one thing with one generation. Opening it checks it, brings
//! both sides into step after a crash, and moves a broken one aside.
//!
//! Refuses: two writers; the caller holds the workspace's lock. And repair by guesswork: in doubt it is rebuilt.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tantivy::directory::MmapDirectory;
use tantivy::directory::error::LockError;
use tantivy::index::IndexSettings;
use tantivy::indexer::{LogMergePolicy, UserOperation};
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, TantivyError, Term};

use crate::error::{Doing, IndexError};
use crate::limits::{CHECKSUM_BYTES_MAX, LOCK_RETRY_AFTER, LOCK_TRIES_MAX, QUARANTINE_MAX, STEADY_BYTES};
use crate::parse::tokenize::{CodeTokenizer, TOKENIZER};
use crate::storage::document::{FILE, Fields};
use crate::storage::manifest::{Changes, FileRow, Loaded, Manifest};

/// Bytes of stored documents that are packed, and unpacked, together.
const STORED_BLOCK_BYTES: usize = 4 << 10;
/// Deleted documents still count in statistics, so segments with more than this share of them are merged away.
const DELETED_SHARE_MAX: f32 = 0.2;
/// Segments of one size that are merged into one.
const MERGE_SEGMENTS_MIN: usize = 6;
/// The same while a build runs.
const BUILD_SEGMENTS_MAX: usize = 32;
/// Threads that write the text index during a build, so that the last segments are not written by one core alone.
const BUILD_WRITERS: usize = 2;

/// The index on disk, open for writing.
pub(crate) struct Base {
    /// The text index.
    pub(crate) text: tantivy::Index,
    /// Hands out snapshots.
    pub(crate) reader: IndexReader,
    /// Its fields.
    pub(crate) fields: Fields,
    /// What is indexed, including changes that are not published yet.
    pub(crate) rows: BTreeMap<String, FileRow>,
    /// Numbers for new states of files; never one that was used before.
    pub(crate) next_id: Arc<AtomicU64>,
    /// Raised by one with each publication that changes what can be found.
    pub(crate) generation: u64,
    /// A sentence about a broken predecessor, if there was one.
    pub(crate) note: Option<String>,
    /// Where both sides lie.
    folder: PathBuf,
    manifest: Manifest,
    pending: Changes,
    writer: Option<(IndexWriter, bool)>,
    text_changed: bool,
    /// Files and chunks at the last publication.
    published: (usize, usize),
}

impl Base {
    /// Opens the index in `folder`, or starts an empty one there. A broken one is moved aside.
    ///
    /// # Errors
    /// [`IndexError::Storage`] when not even an empty one can be made.
    pub(crate) fn open(folder: &Path) -> Result<Self, IndexError> {
        let base = folder.join("base");
        if !base.exists() {
            return Self::create(&base);
        }
        match Self::load(&base) {
            Ok(opened) => Ok(opened),
            // A disk without room says nothing about what is stored on it.
            Err(error) => match error.if_full(folder) {
                full @ IndexError::DiskFull { .. } => Err(full),
                error => {
                    tracing::warn!(folder = %folder.display(), %error, "index is broken or of another version; starting anew");
                    quarantine(folder, &base)?;
                    let mut fresh = Self::create(&base)?;
                    fresh.note =
                        Some(format!("the stored index could not be used and is being made anew ({error})"));
                    Ok(fresh)
                }
            },
        }
    }

    fn create(base: &Path) -> Result<Self, IndexError> {
        let doing = "creating the index";
        let folder = base.join("text");
        fs::create_dir_all(&folder).doing(doing)?;
        let directory = MmapDirectory::open(&folder).doing(doing)?;
        let text = tantivy::Index::create(directory, Fields::schema().0, settings()).doing(doing)?;
        let manifest = Manifest::create(&base.join("manifest.db"))?;
        Self::assemble(base, text, Loaded { manifest, rows: BTreeMap::new(), generation: 0 })
    }

    fn load(base: &Path) -> Result<Self, IndexError> {
        let folder = base.join("text");
        let text = open_text(&folder)?;
        remove_unpublished(&text, &folder);
        if bytes_in(&folder) <= CHECKSUM_BYTES_MAX {
            let broken = text.validate_checksum().doing("checking the text index")?;
            if !broken.is_empty() {
                return Err(IndexError::storage("checking the text index")("a checksum does not match".into()));
            }
        }
        let payload = text.load_metas().doing("opening the text index")?.payload;
        let text_generation: u64 = payload.and_then(|payload| payload.parse().ok()).unwrap_or(0);
        let loaded = Manifest::load(&base.join("manifest.db"))?;
        let manifest_generation = loaded.generation;
        let mut opened = Self::assemble(base, text, loaded)?;
        let documents: u64 = opened.rows.values().map(|row| u64::from(row.chunks)).sum();
        if text_generation != manifest_generation || opened.reader.searcher().num_docs() != documents {
            opened.generation = text_generation.max(manifest_generation);
            opened.match_sides()?;
        }
        Ok(opened)
    }

    fn assemble(folder: &Path, text: tantivy::Index, loaded: Loaded) -> Result<Self, IndexError> {
        text.tokenizers().register(TOKENIZER, TextAnalyzer::from(CodeTokenizer::default()));
        let reader = text
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()
            .doing("opening the text index")?;
        let highest = loaded.rows.values().map(|row| row.id).max().unwrap_or(0);
        let mut base = Self {
            text,
            reader,
            fields: Fields::schema().1,
            rows: loaded.rows,
            next_id: Arc::new(AtomicU64::new(highest + 1)),
            generation: loaded.generation,
            note: None,
            folder: folder.to_owned(),
            manifest: loaded.manifest,
            pending: Changes::new(),
            writer: None,
            text_changed: false,
            published: (0, 0),
        };
        base.published = base.counts();
        Ok(base)
    }

    /// After a crash between the two commits: forgets every file whose documents are not exactly those of its row, on
    /// both sides. The next walk finds those files as new.
    fn match_sides(&mut self) -> Result<(), IndexError> {
        let mut counts: HashMap<u64, u32> = HashMap::new();
        for segment in self.reader.searcher().segment_readers() {
            let ids =
                segment.fast_fields().u64(FILE).doing("matching index and manifest")?.first_or_default_col(0);
            for document in segment.doc_ids_alive() {
                *counts.entry(ids.get_val(document)).or_default() += 1;
            }
        }
        let highest = counts.keys().copied().max().unwrap_or(0);
        self.next_id.fetch_max(highest + 1, Ordering::Relaxed);
        let unsound = |row: &FileRow| counts.get(&row.id).copied().unwrap_or(0) != row.chunks;
        let lost: Vec<String> = self.rows.iter().filter(|(_, row)| unsound(row)).map(|(p, _)| p.clone()).collect();
        for path in lost {
            self.remove(&path)?;
        }
        let known: HashSet<u64> = self.rows.values().map(|row| row.id).collect();
        let orphans: Vec<u64> = counts.into_keys().filter(|id| !known.contains(id)).collect();
        let fields = self.fields;
        let writer = self.writer()?;
        for id in orphans {
            writer.delete_term(Term::from_field_u64(fields.file, id));
        }
        self.text_changed = true;
        self.publish(&[])?;
        Ok(())
    }

    /// Indexed files and their chunks, without those of which only path and names are known.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let indexed = self.rows.values().filter(|row| row.skip.is_none());
        indexed.fold((0, 0), |(files, chunks), row| (files + 1, chunks + row.chunks as usize))
    }

    /// The same of what can be found: a build finds nothing before it is published, while saves are shown at once.
    pub(crate) fn shown_counts(&self) -> (usize, usize) {
        match &self.writer {
            Some((_, true)) if self.has_pending() => self.published,
            _ => self.counts(),
        }
    }

    /// What is published takes so many bytes on disk; what merging takes besides, for moments, is not counted.
    pub(crate) fn bytes_on_disk(&self) -> u64 {
        let live = live_segments(&self.text).unwrap_or_default();
        let is_live = |name: &str| segment_of(name).is_some_and(|id| live.contains(id));
        bytes_of(&self.folder.join("text"), is_live)
            + bytes_of(&self.folder, |name| name.starts_with("manifest.db"))
    }

    /// A fact stored beside the files.
    pub(crate) fn fact(&self, key: &str) -> Result<Option<String>, IndexError> {
        self.manifest.fact(key)
    }

    /// Announces that many files follow: `bytes` of memory until [`Self::end_build`].
    pub(crate) fn begin_build(&mut self, bytes: usize) -> Result<(), IndexError> {
        if self.text_changed {
            return Ok(());
        }
        // There is one writer at a time, so the small one goes first.
        self.writer = None;
        let writer = self.new_writer(BUILD_WRITERS, bytes)?;
        // What is merged meanwhile is merged again at the end, and takes its time from the build.
        writer.set_merge_policy(merging(BUILD_SEGMENTS_MAX));
        self.writer = Some((writer, true));
        Ok(())
    }

    /// Lets the next publication merge what a build left apart.
    pub(crate) fn merge_next(&mut self) {
        if let Some((writer, true)) = &self.writer {
            writer.set_merge_policy(merging(MERGE_SEGMENTS_MIN));
        }
    }

    /// Replaces what is indexed of a file.
    pub(crate) fn put(
        &mut self,
        path: &str,
        row: FileRow,
        documents: Vec<TantivyDocument>,
    ) -> Result<(), IndexError> {
        let old = self.rows.get(path).filter(|old| old.chunks > 0 && old.id != row.id).map(|old| old.id);
        if old.is_some() || !documents.is_empty() {
            let file = self.fields.file;
            let writer = self.writer()?;
            if let Some(old) = old {
                writer.delete_term(Term::from_field_u64(file, old));
            }
            let adds: Vec<_> = documents.into_iter().map(UserOperation::Add).collect();
            if !adds.is_empty() {
                // One batch lands in one segment, and a commit happens between batches only.
                writer.run(adds).doing("writing the text index")?;
            }
            self.text_changed = true;
        }
        self.rows.insert(path.to_owned(), row);
        self.pending.insert(path.to_owned(), Some(row));
        Ok(())
    }

    /// Forgets a file.
    pub(crate) fn remove(&mut self, path: &str) -> Result<(), IndexError> {
        let Some(row) = self.rows.remove(path) else { return Ok(()) };
        if row.chunks > 0 {
            let file = self.fields.file;
            self.writer()?.delete_term(Term::from_field_u64(file, row.id));
            self.text_changed = true;
        }
        self.pending.insert(path.to_owned(), None);
        Ok(())
    }

    /// Whether anything waits to be published.
    pub(crate) fn has_pending(&self) -> bool {
        self.text_changed || !self.pending.is_empty()
    }

    /// Makes all changes since the last call durable and searchable. After an error this value must be dropped and
    /// opened again.
    pub(crate) fn publish(&mut self, facts: &[(&str, String)]) -> Result<(), IndexError> {
        if self.text_changed {
            self.generation += 1;
            let generation = self.generation.to_string();
            let writer = self.writer()?;
            let mut commit = writer.prepare_commit().doing("writing the text index")?;
            commit.set_payload(&generation);
            commit.commit().doing("writing the text index")?;
        }
        if self.has_pending() || !facts.is_empty() {
            self.manifest.commit(&self.pending, self.generation, facts)?;
        }
        if self.text_changed {
            self.reader.reload().doing("reading the text index")?;
        }
        self.pending.clear();
        self.text_changed = false;
        self.published = self.counts();
        Ok(())
    }

    /// Ends a build: lets merges finish and gives its memory back.
    pub(crate) fn end_build(&mut self) -> Result<(), IndexError> {
        if let Some((writer, true)) = self.writer.take_if(|(_, build)| *build) {
            writer.wait_merging_threads().doing("merging the text index")?;
            self.reader.reload().doing("reading the text index")?;
        }
        Ok(())
    }

    /// The writer there is, else one for a few files.
    fn writer(&mut self) -> Result<&mut IndexWriter, IndexError> {
        if self.writer.is_none() {
            self.writer = Some((self.new_writer(1, STEADY_BYTES)?, false));
        }
        let writer = self.writer.as_mut().expect("a writer was made above");
        Ok(&mut writer.0)
    }

    fn new_writer(&self, threads: usize, bytes: usize) -> Result<IndexWriter, IndexError> {
        let doing = "opening the text index for writing";
        let mut tries_left = LOCK_TRIES_MAX;
        let writer: IndexWriter = loop {
            tries_left -= 1;
            match self.text.writer_with_num_threads(threads, bytes) {
                // The last writer was dropped, but a program that is being started may hold a copy of its lock.
                Err(TantivyError::LockFailure(LockError::LockBusy, _)) if tries_left > 0 => {
                    std::thread::sleep(LOCK_RETRY_AFTER);
                }
                opened => break opened.doing(doing)?,
            }
        };
        writer.set_merge_policy(merging(MERGE_SEGMENTS_MIN));
        // The library numbers the first operation of a writer like the last commit. A merge takes a segment that has
        // deletions of that commit for one that has this deletion too, and so may bring a document back. An empty batch
        // uses that number up.
        writer.run(std::iter::empty()).doing(doing)?;
        Ok(writer)
    }
}

/// How documents are stored: a search reads a few from all over, and unpacks the whole block of each.
fn settings() -> IndexSettings {
    IndexSettings { docstore_blocksize: STORED_BLOCK_BYTES, ..IndexSettings::default() }
}

/// Merges so many segments of about one size at a time, and those of which much is deleted.
fn merging(segments: usize) -> Box<LogMergePolicy> {
    let mut policy = LogMergePolicy::default();
    policy.set_min_num_segments(segments);
    policy.set_del_docs_ratio_before_merge(DELETED_SHARE_MAX);
    Box::new(policy)
}

/// Opens the text index for reading, and refuses one with other fields.
pub(crate) fn open_text(folder: &Path) -> Result<tantivy::Index, IndexError> {
    let text = tantivy::Index::open_in_dir(folder).doing("opening the text index")?;
    if text.schema() != Fields::schema().0 {
        return Err(IndexError::storage("opening the text index")("it has other fields".into()));
    }
    text.tokenizers().register(TOKENIZER, TextAnalyzer::from(CodeTokenizer::default()));
    Ok(text)
}

/// The names under which what is published lies; `None` when that cannot be told.
fn live_segments(text: &tantivy::Index) -> Option<HashSet<String>> {
    let segments = text.load_metas().ok()?.segments;
    Some(segments.iter().map(|segment| segment.id().uuid_string()).collect())
}

/// The segment that a file of the text index belongs to: such names begin with 32 hexadecimal digits.
fn segment_of(name: &str) -> Option<&str> {
    let id = name.split('.').next()?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// Removes what a writer left behind that came to no publication. The library does so when it commits, which it cannot on
/// a disk that these very files have filled.
fn remove_unpublished(text: &tantivy::Index, folder: &Path) {
    let (Some(live), Ok(entries)) = (live_segments(text), fs::read_dir(folder)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_str().and_then(segment_of).is_some_and(|id| !live.contains(id)) {
            // One that stays is only in the way until the next commit.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Moves a broken index aside and removes older ones.
fn quarantine(folder: &Path, base: &Path) -> Result<(), IndexError> {
    let doing = "moving a broken index aside";
    let mut broken: Vec<PathBuf> = fs::read_dir(folder)
        .doing(doing)?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("broken-"))
        .map(|entry| entry.path())
        .collect();
    broken.sort();
    while broken.len() >= QUARANTINE_MAX {
        fs::remove_dir_all(broken.remove(0)).doing(doing)?;
    }
    let stamp =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    fs::rename(base, folder.join(format!("broken-{stamp:020}"))).doing(doing)
}

fn bytes_in(folder: &Path) -> u64 {
    bytes_of(folder, |_| true)
}

/// The bytes of those files of a folder whose names are wanted.
fn bytes_of(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let wanted = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(&is_wanted));
    wanted.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}
