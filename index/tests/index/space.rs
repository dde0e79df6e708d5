//! A temporary workspace with its own cache folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use index::{CancelFlag, ChunkRef, Hit, Index, IndexDirs, Limits, Report, SearchRequest, SkipReason};

/// Longest wait for something that should take moments.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Space {
    _dir: tempfile::TempDir,
    pub(crate) root: PathBuf,
    pub(crate) dirs: IndexDirs,
}

impl Space {
    /// A workspace with some files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let root = top.join("work");
        std::fs::create_dir(&root).unwrap();
        let space = Self { _dir: dir, root, dirs: IndexDirs { cache: top.join("cache") } };
        for (path, text) in files {
            space.write(path, text.as_bytes());
        }
        space
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let full = self.root.join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(full, bytes).unwrap();
    }

    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.root.join(path)).unwrap();
    }

    pub(crate) fn open(&self) -> Index {
        self.open_with(Limits::default())
    }

    pub(crate) fn open_with(&self, limits: Limits) -> Index {
        Index::open(&self.root, &self.dirs, limits).unwrap()
    }

    /// Opens and refreshes.
    pub(crate) fn indexed(&self) -> (Index, Report) {
        let index = self.open();
        let report = refresh(&index);
        (index, report)
    }

    /// The folder of the stored index.
    pub(crate) fn stored(&self) -> PathBuf {
        let mut folders = std::fs::read_dir(self.dirs.cache.join("index")).unwrap();
        folders.next().unwrap().unwrap().path()
    }

    /// What an index built from nothing holds.
    pub(crate) fn rebuilt(&self) -> Vec<ChunkRef> {
        let other = tempfile::tempdir().unwrap();
        let dirs = IndexDirs { cache: other.path().to_owned() };
        let index = Index::open(&self.root, &dirs, Limits::default()).unwrap();
        refresh(&index);
        index.searcher().chunks().unwrap()
    }
}

pub(crate) fn refresh(index: &Index) -> Report {
    index.refresh(&mut |_| {}, &CancelFlag::new()).unwrap()
}

/// Touches paths and waits until they are searchable.
pub(crate) fn touch(index: &Index, paths: &[&str]) {
    let ticket = index.touch(paths.iter().map(Path::new));
    assert!(index.wait(ticket, PATIENCE), "the touched paths were not taken up in time");
}

pub(crate) fn search(index: &Index, query: &str) -> Vec<Hit> {
    index.searcher().search(&SearchRequest::new(query, 10)).unwrap()
}

/// The paths of the hits for a query, best first.
pub(crate) fn paths(index: &Index, query: &str) -> Vec<String> {
    search(index, query).into_iter().map(|hit| hit.path).collect()
}

/// How many files were skipped for a reason.
pub(crate) fn skipped(report: &Report, reason: SkipReason) -> usize {
    report.skipped.iter().find(|one| one.reason == reason).map_or(0, |one| one.count)
}

/// Every hit must be exactly what stands in the live file at its lines.
pub(crate) fn check_live(root: &Path, hits: &[Hit]) {
    for hit in hits {
        let passage = index::passage(root, &hit.path, hit.start_line, hit.end_line).unwrap();
        assert!(
            passage.text.contains(&hit.text),
            "{}:{}-{} shows other text than the file:\n{}\n---\n{}",
            hit.path,
            hit.start_line,
            hit.end_line,
            hit.text,
            passage.text
        );
    }
}
