//! What is said about an index: how complete it is, why a file is left out and what can be done about it. Refuses:
//! reasons without a next step where there is one.

use index::{SkipReason, Skipped};

use super::{IndexProgress, Progress};

/// What to say about results while the index is not complete.
pub(crate) fn incomplete(progress: &Progress) -> Option<String> {
    match progress {
        Progress::Ready => None,
        Progress::Building(IndexProgress { total: 0, .. }) => {
            Some("The index is still being compared with the files: answers may lack some.".into())
        }
        Progress::Building(progress) => Some(format!(
            "The index is being built ({} %): answers may lack files that are not in it yet.",
            percent(*progress)
        )),
        Progress::Paused(IndexProgress { total: 0, .. }) => {
            Some("The index is not complete: answers may lack files; `familiar index` completes it.".into())
        }
        Progress::Paused(progress) => Some(format!(
            "The index is not complete ({} %): answers may lack files; `familiar index` completes it.",
            percent(*progress)
        )),
        Progress::Failed(why, _) => Some(format!("Indexing failed, so answers may lack files: {why}.")),
    }
}

/// What to say when not all that should be was looked at, and why.
pub(super) fn partly(many_changed: bool, more: Option<&str>) -> String {
    let said = if many_changed {
        "Many files changed this moment and not all of them were looked at again: answers may lack some; ask again in a \
         moment."
    } else {
        "Only a part of the files was looked through, because there was no more time or there were too many matches: \
         narrow the search to a folder, or say more."
    };
    more.map_or_else(|| said.to_owned(), |more| format!("{said} {more}"))
}

/// What to say when nothing was found though there is text that was not looked at.
pub(super) fn left_out(skipped: &[Skipped]) -> Option<String> {
    let holds_text = |one: &&Skipped| {
        !matches!(
            one.reason,
            SkipReason::Binary
                | SkipReason::Dependencies
                | SkipReason::LockFile
                | SkipReason::SlowToParse
                | SkipReason::Special
                | SkipReason::Symlink
        )
    };
    let reasons: Vec<String> =
        skipped.iter().filter(holds_text).map(|one| format!("{} {}", one.count, one.reason.words())).collect();
    (!reasons.is_empty())
        .then(|| format!("Not searched: {}; `familiar index --status` lists them.", reasons.join(", ")))
}

/// Whole percents, 100 only when all is done.
fn percent(progress: IndexProgress) -> u64 {
    (progress.done.min(progress.total) * 100).checked_div(progress.total).unwrap_or(0)
}

/// What a person can do about files that are left out for a reason; empty where it is as it should be.
pub(super) fn advice(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::Ignored => {
            "also where git tracks them; an exception in `.familiarignore`, such as `!name`, brings them back"
        }
        SkipReason::Hidden | SkipReason::Dependencies => {
            "`!name` in `.familiarignore` brings a folder or file in that you want to search"
        }
        SkipReason::TooLarge => {
            "found by path only; split them, or ask about one with `familiar ask --file` and its lines"
        }
        SkipReason::Unreadable => "make them readable for this user",
        SkipReason::NameNotUtf8 => "rename them",
        SkipReason::TooDeep => "open a folder further down as a workspace of its own",
        SkipReason::OverDisk => {
            "raise `index_disk_mb_max` in config.toml, or leave parts out in `.familiarignore` and `familiar index --rebuild`"
        }
        SkipReason::OverLimit | SkipReason::OverSize => {
            "open a part of the folder as a workspace, or leave parts out in `.familiarignore`"
        }
        SkipReason::Generated => {
            "found by path and by the names they define; without the mark in the first lines all is searched"
        }
        SkipReason::Binary | SkipReason::LockFile | SkipReason::Minified | SkipReason::Translations => {
            "found by path only"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_answer_names_its_reason() {
        assert!(partly(true, None).starts_with("Many files changed"));
        let said = partly(false, Some("The index is being built."));
        assert!(said.contains("too many matches") && said.ends_with("more. The index is being built."), "{said}");
    }

    #[test]
    fn what_is_left_out_is_counted_by_reason() {
        let of = |reason, count| Skipped { reason, count, examples: Vec::new() };
        let said = left_out(&[of(SkipReason::Ignored, 2), of(SkipReason::Binary, 9), of(SkipReason::Minified, 1)]);
        let expected =
            "Not searched: 2 ignored by an ignore file, 1 minified; `familiar index --status` lists them.";
        assert_eq!(said.as_deref(), Some(expected));
        assert_eq!(left_out(&[of(SkipReason::Binary, 9)]), None);
    }

    #[test]
    fn what_is_missing_is_said_in_percent() {
        let at = |done, total| IndexProgress { done, total };
        for (progress, words) in [
            (Progress::Building(at(40, 100)), Some("being built (40 %)")),
            (Progress::Building(at(0, 0)), Some("being compared")),
            (Progress::Building(at(999, 1000)), Some("(99 %)")),
            (Progress::Paused(at(1, 3)), Some("not complete (33 %)")),
            (Progress::Failed("the disk is full".into(), None), Some("the disk is full")),
            (Progress::Ready, None),
        ] {
            let told = incomplete(&progress);
            match words {
                Some(words) => assert!(told.as_ref().is_some_and(|told| told.contains(words)), "{told:?}"),
                None => assert_eq!(told, None),
            }
        }
    }
}
