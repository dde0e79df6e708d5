//! Every maximum of this room, with its unit in the name, and the small set that a caller may choose.
//!
//! Refuses: to read settings; whoever opens an index passes checked values in.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::build::pace::Pace;

/// Files larger than this are counted as skipped, in bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 20;
/// More files than this are left out, lowest priority first, and said so.
pub const FILES_MAX: usize = 1_000_000;
/// Files of more than this together are left out in the same order, in bytes.
pub const SOURCE_BYTES_MAX: u64 = 16 << 30;
/// Once an index is larger than this no files are added to it, in bytes on disk. Merging may take as much again for moments.
pub const INDEX_BYTES_MAX: u64 = 8 << 30;
/// Most memory of the text index while a build runs, in bytes.
pub const BUILD_BYTES_MAX: usize = 1 << 30;
/// Least memory of the text index while a build runs, in bytes; what the library accepts for its threads.
pub const BUILD_BYTES_MIN: usize = 32 << 20;
/// Parsing threads of one build; more would only starve the editor.
pub const THREADS_MAX: usize = 8;
/// Open files, and files edited lately, that one search looks at.
pub const NEARBY_FILES_MAX: usize = 16;
/// Hits one search may return.
pub const HITS_MAX: usize = 200;
/// Bytes of a query that are looked at; the rest of a pasted log is ignored.
pub const QUERY_BYTES_MAX: usize = 16 << 10;
/// Lines one passage may hold.
pub const PASSAGE_LINES_MAX: u32 = 2_000;

/// How deep folders are followed; deeper ones are noted and left out.
pub(crate) const FOLDER_DEPTH_MAX: usize = 128;
/// Repositories inside a workspace whose own excludes are looked after between walks.
pub(crate) const REPOSITORIES_MAX: usize = 64;
/// The part of a file in which a NUL byte means "binary", in bytes.
pub(crate) const SNIFF_BYTES: usize = 8 << 10;
/// A source file with a longer average line is machine-made, in bytes.
pub(crate) const MEAN_LINE_BYTES_MAX: usize = 300;
/// A file with a longer line is machine-made, in bytes.
pub(crate) const LINE_BYTES_MAX: usize = 50_000;
/// Paths remembered as examples for each reason to skip.
pub(crate) const EXAMPLES_MAX: usize = 5;
/// Notes kept for the status; later ones are only counted.
pub(crate) const NOTES_MAX: usize = 20;

/// Time one file may take to parse, in milliseconds; after it the file is cut into windows.
pub(crate) const PARSE_MS_MAX: u64 = 2_000;
/// Time that one search may parse, over all the changed files and unsaved texts it cuts, in milliseconds; what is left
/// then is cut into windows.
pub(crate) const SEARCH_PARSE_MS_MAX: u64 = 1_000;
/// Cells of one notebook that are looked at.
pub(crate) const CELLS_MAX: usize = 4_096;
/// Pieces of other languages that are parsed in one file.
pub(crate) const INJECTIONS_MAX: usize = 64;
/// Comments of one text that are told.
pub(crate) const COMMENTS_MAX: usize = 20_000;
/// Parts of a syntax tree that are walked over in search of comments.
pub(crate) const SYNTAX_NODES_MAX: usize = 2_000_000;
/// Definitions read from one file.
pub(crate) const SYMBOLS_MAX: usize = 20_000;
/// Names taken from one file of data, such as JSON; a large one has thousands of keys that nobody looks up by name.
#[cfg(feature = "languages-data")]
pub(crate) const DATA_NAMES_MAX: usize = 200;
/// Names known of one generated file.
pub(crate) const LIGHT_NAMES_MAX: usize = 256;
/// The first part of a file over the limit in which names are looked for, in bytes.
pub(crate) const LARGE_BYTES_MAX: usize = 8 << 20;
/// Names known of such a file.
pub(crate) const LARGE_NAMES_MAX: usize = 1_024;
/// Time that looking for them may take, in milliseconds.
pub(crate) const LARGE_NAMES_MS_MAX: u64 = 5_000;
/// Files known by path only that one question may name.
pub(crate) const LIGHT_HITS_MAX: usize = 8;
/// How deep in a syntax tree definitions are looked for, unless a language says otherwise. Below it lie expressions,
/// and the rare definition among them is found as part of the one around it; looking everywhere takes as long as half
/// of parsing.
pub(crate) const SYMBOL_DEPTH_MAX: u32 = 8;
/// The part of a C header in which lines may tell that it is C++, in bytes.
pub(crate) const HEADER_SNIFF_BYTES: usize = 64 << 10;
/// The part of a first line that may name what runs a script, in bytes.
pub(crate) const FIRST_LINE_BYTES_MAX: usize = 256;
/// Nested declarators and names that are followed down to the name of one C declaration.
pub(crate) const DECLARATORS_MAX: usize = 16;
/// Wrappers of one definition that are looked through for its body.
pub(crate) const BODY_STEPS_MAX: usize = 4;
/// Chunks aim at this size, in bytes.
pub(crate) const CHUNK_BYTES_TARGET: usize = 1_500;
/// A definition up to this size stays whole, in bytes.
pub(crate) const CHUNK_BYTES_MAX: usize = 2_400;
/// What is added to a passage at most so that it shows whole lines, in bytes.
pub(crate) const LINE_BYTES_SHOWN_MAX: usize = 2048;
/// A definition starts a chunk of its own once the chunk before it holds this much, in bytes.
pub(crate) const CHUNK_BYTES_MIN: usize = 350;
/// Names of one chunk that its header and its card carry.
pub(crate) const CHUNK_NAMES_MAX: usize = 64;
/// Bytes of a signature or first doc line kept in a header.
pub(crate) const HEADER_PART_BYTES_MAX: usize = 240;

/// Prepared files waiting for the writer; bounds memory when parsing is faster than writing.
pub(crate) const PREPARED_QUEUE_MAX: usize = 16;
/// Memory of the text index while a build runs unless the caller chooses, in bytes, over all its threads.
pub(crate) const BUILD_BYTES: usize = 64 << 20;
/// What even an empty file takes in the index, about, in bytes.
pub(crate) const INDEXED_FILE_BYTES: u64 = 512;
/// How often, at least, the size of an index is looked at while it is built: each time this part of what it may have is
/// read.
pub(crate) const INDEX_LOOKS: u64 = 8;
/// Memory of the text index for saves, in bytes; the least the library accepts.
pub(crate) const STEADY_BYTES: usize = 16 << 20;
/// Changed files from which a change counts as a build.
pub(crate) const BUILD_FILES_MIN: usize = 64;
/// Touched paths held back; more than this becomes one full walk.
pub(crate) const TOUCHED_MAX: usize = 4_096;
/// How long a build in the background makes way after a key was pressed, in milliseconds.
pub(crate) const YIELD_MS: u64 = 300;
/// A build that makes way waits at most this many times as long as it worked, so that it always ends.
pub(crate) const YIELD_SHARE_MAX: u32 = 4;
/// Longest such wait after one file, in milliseconds.
pub(crate) const YIELD_WAIT_MS_MAX: u64 = 1_000;
/// How often a thread that waits looks up, in milliseconds.
pub(crate) const YIELD_LOOK_MS: u64 = 10;
/// How much nicer than the rest of the program a build in the background is, in steps of the system's scheduler.
#[cfg(target_os = "linux")]
pub(crate) const NICE_STEPS: i32 = 10;
/// Saved files kept in memory before the text index is written.
pub(crate) const SAVED_FILES_MAX: usize = 64;
/// Their texts together, in bytes; each search counts their words one by one.
pub(crate) const SAVED_BYTES_MAX: usize = 2 << 20;
/// How long nothing is saved before the text index is written, in milliseconds.
pub(crate) const FLUSH_IDLE_MS: u64 = 1_500;
/// How long saved files wait for that at most, in milliseconds.
pub(crate) const FLUSH_AGE_MS: u64 = 20_000;
/// How long a search waits for the watcher to tell what happened before it, in milliseconds; it takes a fraction of one.
pub(crate) const BARRIER_MS_MAX: u64 = 100;
/// Changed files that a search takes up itself before the writer has; with more the live files are looked through.
pub(crate) const PENDING_FILES_MAX: usize = 16;
/// How often a lock that looks taken is tried.
pub(crate) const LOCK_TRIES_MAX: u32 = 50;
/// After how long it is tried again.
pub(crate) const LOCK_RETRY_AFTER: Duration = Duration::from_millis(20);
/// How long saves are gathered before they are indexed, in milliseconds.
pub(crate) const COALESCE_MS: u64 = 25;
/// First interval after which a running build publishes what it has, in seconds; it doubles each time.
pub(crate) const PUBLISH_SECONDS_FIRST: u64 = 1;
/// A build that ends sooner than this publishes only then, in milliseconds; the live files are looked through meanwhile.
pub(crate) const PUBLISH_REST_MS: u64 = 8_000;
/// Longest such interval, in seconds.
pub(crate) const PUBLISH_SECONDS_MAX: u64 = 60;
/// A file changed this shortly before it was read is hashed again at the next walk, in nanoseconds: its clock
/// tick may hide a second change.
pub(crate) const RACY_NANOS: i64 = 2_000_000_000;
/// Full walk regardless of events while watching, in seconds.
pub(crate) const SWEEP_SECONDS: u64 = 600;
/// The same when the system cannot watch every folder, in seconds.
pub(crate) const SWEEP_BLIND_SECONDS: u64 = 30;
/// The same while a watched workspace is gone, in seconds.
pub(crate) const SWEEP_ROOT_GONE_SECONDS: u64 = 2;
/// Index files up to this size are checksummed when opened, in bytes.
pub(crate) const CHECKSUM_BYTES_MAX: u64 = 256 << 20;
/// Bytes written to see whether a disk is full, in bytes.
pub(crate) const PROBE_BYTES: usize = 1 << 20;
/// Folders below that of an index, counted downwards, whose files belong to it.
pub(crate) const STORED_DEPTH_MAX: usize = 4;
/// Broken indexes kept aside for a look; older ones are removed.
pub(crate) const QUARANTINE_MAX: usize = 1;

/// Different terms of one query that are scored.
pub(crate) const TERMS_MAX: usize = 48;
/// Exact names looked up for one query.
pub(crate) const IDENTIFIERS_MAX: usize = 32;
/// Names used by the best passages whose definitions one search raises.
pub(crate) const USED_NAMES_MAX: usize = 40;
/// Different names of one passage that are looked at for it.
pub(crate) const USED_NAMES_SEEN_MAX: usize = 512;
/// Languages, and paths, that one search may name.
pub(crate) const FILTERS_MAX: usize = 64;
/// Chunks looked at for the definitions of one name.
pub(crate) const SYMBOL_CANDIDATES_MAX: usize = 4_096;
/// Different words of names that one question may stand for.
pub(crate) const SYMBOL_WORDS_MAX: usize = 256;
/// Words of names compared with a misspelt one.
pub(crate) const SYMBOL_WORDS_SEEN_MAX: usize = 2_000_000;
/// Chunks weighed by their paths for each wanted hit.
pub(crate) const CANDIDATES_PER_HIT: usize = 8;
/// Fewest chunks weighed so.
pub(crate) const CANDIDATES_MIN: usize = 512;
/// Unsaved texts remembered to cut their next version from; with more, only those of the last question are.
pub(crate) const UNSAVED_KNOWN_MAX: usize = 256;
/// Times one search puts its hits in order anew because some turned out to be stale.
pub(crate) const RANKING_ROUNDS_MAX: usize = 8;
/// Changed files one search cuts again; further ones are left out, and it says so, until the index has caught up.
pub(crate) const RECUT_FILES_MAX: usize = 16;

/// Most bytes of a set file or result file.
pub(crate) const EVAL_SET_BYTES_MAX: u64 = 64 << 20;
/// Most questions of one evaluation.
pub(crate) const EVAL_TASKS_MAX: usize = 20_000;
/// Most documents that a set carries.
pub(crate) const EVAL_DOCUMENTS_MAX: usize = 100_000;
/// Most bytes of one tree that is laid out.
pub(crate) const EVAL_TREE_BYTES_MAX: u64 = 4 << 30;
/// Hits asked of each search of an evaluation.
pub(crate) const EVAL_HITS: usize = 40;
/// Trees that are laid out, indexed and searched at the same time, at most.
pub(crate) const EVAL_JOBS_MAX: usize = 8;
/// Resamples of one confidence interval.
pub(crate) const BOOTSTRAP_ROUNDS: usize = 2_000;
/// Where chance begins, so that two runs over the same answers print the same intervals.
pub(crate) const EVAL_SEED: u64 = 0x0066_616d_696c_6961;

/// Commits of a user's history that are looked at for questions, newest first.
pub(crate) const OWN_COMMITS_MAX: usize = 5_000;
/// Files of a user's repository that are read for questions.
pub(crate) const OWN_FILES_MAX: usize = 20_000;
/// Documented functions of a user's repository that are considered.
pub(crate) const OWN_CANDIDATES_MAX: usize = 50_000;
/// Bytes of a question that is made from documentation or a commit.
pub(crate) const OWN_QUERY_BYTES_MAX: usize = 4_000;

/// What a caller may choose about an index. The defaults suit a laptop.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest file that is indexed, in bytes; at most [`FILE_BYTES_MAX`].
    pub file_bytes_max: u64,
    /// Most files that are indexed; at most [`FILES_MAX`].
    pub files_max: usize,
    /// Most bytes of all indexed files together; at most [`SOURCE_BYTES_MAX`].
    pub source_bytes_max: u64,
    /// Most bytes of the index on disk; at most [`INDEX_BYTES_MAX`].
    pub index_bytes_max: u64,
    /// Memory of the text index during a build, in bytes; [`BUILD_BYTES_MIN`] to [`BUILD_BYTES_MAX`].
    pub build_bytes: usize,
    /// Threads that parse during a build; at most [`THREADS_MAX`].
    pub threads: usize,
    /// What builds in the background make way for. Indexes of one program share it.
    pub pace: Pace,
}

impl Default for Limits {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            file_bytes_max: FILE_BYTES_MAX,
            files_max: FILES_MAX,
            source_bytes_max: SOURCE_BYTES_MAX,
            index_bytes_max: INDEX_BYTES_MAX,
            build_bytes: BUILD_BYTES,
            threads: threads.min(THREADS_MAX),
            pace: Pace::default(),
        }
    }
}

impl Limits {
    /// The same limits, brought inside what this room allows.
    pub(crate) fn bounded(mut self) -> Self {
        self.file_bytes_max = self.file_bytes_max.min(FILE_BYTES_MAX);
        self.files_max = self.files_max.min(FILES_MAX);
        self.source_bytes_max = self.source_bytes_max.min(SOURCE_BYTES_MAX);
        self.index_bytes_max = self.index_bytes_max.min(INDEX_BYTES_MAX);
        self.build_bytes = self.build_bytes.clamp(BUILD_BYTES_MIN, BUILD_BYTES_MAX);
        self.threads = self.threads.clamp(1, THREADS_MAX);
        self
    }
}

/// Where indexes are kept. Everything below it can be deleted at any time without loss.
#[derive(Debug, Clone)]
pub struct IndexDirs {
    /// The cache folder; each workspace gets a folder of its own under `index/` in it.
    pub cache: PathBuf,
}

/// Asks a running build to stop; clones share one flag.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// A flag that nobody has raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag. What was indexed until then stays.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the flag is raised.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
