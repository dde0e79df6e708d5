//! What was read anew or is gone since an earlier generation, for whoever follows an index. In memory, and bounded.
//!
//! Refuses: to be complete. Of many files at once some are named and the others counted.

use std::collections::VecDeque;

/// Files that are remembered.
const FILES_MAX: usize = 1_000;

/// Files that differ between two generations of an index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Files that were read anew, in that order, each once; relative paths with `/`.
    pub read: Vec<String>,
    /// Files that are no longer found, in the same way.
    pub gone: Vec<String>,
    /// Further files of either kind.
    pub more: usize,
}

/// One file that changed.
#[derive(Debug, Clone)]
struct Change {
    path: String,
    is_gone: bool,
}

/// The last changes.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// Not shown to anybody yet, and how many more there are.
    waiting: Vec<Change>,
    unnamed: usize,
    /// Each with the generation that shows it, oldest first; and how many more came with it.
    shown: VecDeque<(u64, Vec<Change>, usize)>,
    /// The generation that is shown.
    generation: u64,
}

impl Recent {
    /// Nothing changed since a generation.
    pub(crate) fn from(generation: u64) -> Self {
        Self { generation, ..Self::default() }
    }

    /// Notes a file that the next generation shows otherwise.
    pub(crate) fn note(&mut self, path: &str, is_gone: bool) {
        if self.waiting.len() < FILES_MAX {
            self.waiting.push(Change { path: path.to_owned(), is_gone });
        } else {
            self.unnamed += 1;
        }
    }

    /// What was noted is shown from this generation on, if it is a new one.
    pub(crate) fn show(&mut self, generation: u64) {
        if self.waiting.is_empty() || generation <= self.generation {
            return;
        }
        self.generation = generation;
        let (changes, unnamed) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.unnamed));
        self.shown.push_back((generation, changes, unnamed));
        while self.shown.len() > 1
            && self.shown.iter().map(|(_, changes, _)| changes.len()).sum::<usize>() > FILES_MAX
        {
            self.shown.pop_front();
        }
    }

    /// What changed after a generation.
    pub(crate) fn since(&self, generation: u64) -> Difference {
        let mut difference = Difference::default();
        for (_, changes, unnamed) in self.shown.iter().filter(|(shown, ..)| *shown > generation) {
            difference.more += unnamed;
            for Change { path, is_gone } in changes {
                // The last word counts.
                difference.read.retain(|known| known != path);
                difference.gone.retain(|known| known != path);
                let list = if *is_gone { &mut difference.gone } else { &mut difference.read };
                list.push(path.clone());
            }
        }
        difference
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_a_file_counts() {
        let mut recent = Recent::from(1);
        recent.note("a.py", false);
        recent.show(1);
        assert_eq!(recent.since(0), Difference::default(), "what is found is as it was");
        recent.note("b.py", false);
        recent.show(2);
        recent.note("a.py", true);
        recent.show(3);
        let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
        let all = Difference { read: owned(&["b.py"]), gone: owned(&["a.py"]), more: 0 };
        assert_eq!(recent.since(1), all);
        assert_eq!(recent.since(2), Difference { gone: owned(&["a.py"]), ..Difference::default() });
        assert_eq!(recent.since(3), Difference::default());
    }

    #[test]
    fn many_files_are_counted() {
        let mut recent = Recent::default();
        (0..FILES_MAX + 7).for_each(|n| recent.note(&format!("{n}.py"), false));
        recent.show(1);
        let difference = recent.since(0);
        assert_eq!((difference.read.len(), difference.more), (FILES_MAX, 7));
        recent.note("last.py", false);
        recent.show(2);
        assert_eq!(recent.since(0).read, ["last.py"], "what is older is forgotten");
    }
}
