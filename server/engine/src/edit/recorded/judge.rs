//! A recorded answer is read by the engine, and what comes of it is held against the recording. Refuses: an edit that,
//! applied, is not what its hunks say.

use text::{Document, Hunk};

use super::{Case, Expected, Judged, Recorded, Told, VERSION, Verdict};
use crate::{BaseFile, EditTask, FileChange, FileEdit, Refusal, Reply, read_edit};

/// What begins the words of a refusal.
const REFUSES: &str = "refuses ";

impl Recorded {
    /// The answers, in their order.
    pub fn cases(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter()
    }

    /// What becomes of a case of this recording beside what had to.
    #[must_use]
    pub fn judge(&self, case: &Case) -> Judged {
        let (mut wanted, (mut found, refusal)) = (self.wanted(case), self.found(case));
        wanted.sort();
        found.sort();
        let usable = !wanted.iter().all(|told| told.head.starts_with(REFUSES));
        let verdict = match (usable, &refusal) {
            (false, Some(_)) => Verdict::Refused,
            (true, Some(_)) => Verdict::Missed,
            (true, None) if wanted == found => Verdict::Right,
            _ => Verdict::Wrong,
        };
        Judged { verdict, usable, refusal, wanted, found }
    }

    fn found(&self, case: &Case) -> (Vec<Told>, Option<Refusal>) {
        let refused = |refusal: Refusal| {
            let head = format!("{REFUSES}{}", refusal.kind());
            (vec![Told { head, text: refusal.to_string() }], Some(refusal))
        };
        let (format, _) = case.form.asks_for();
        let task = match self.task(case) {
            Ok(task) => task,
            Err(refusal) => return refused(refusal),
        };
        let reply = Reply { text: &case.answer, complete: !case.cut };
        match read_edit(reply, &task, format) {
            Ok(proposal) => (proposal.changes.iter().map(|change| told(change, &task)).collect(), None),
            Err(refusal) => refused(refusal),
        }
    }

    fn task(&self, case: &Case) -> Result<EditTask, Refusal> {
        // The reader made sure of the name.
        let base = self.bases.get(&case.base).cloned().unwrap_or_default();
        let document = base.document();
        let rope = document.rope();
        let selection = case.lines.map_or(0..rope.len_bytes(), |(first, last)| {
            rope.line_to_byte(first - 1)..rope.line_to_byte(last.min(rope.len_lines()))
        });
        let (_, action) = case.form.asks_for();
        let task = EditTask::new(document, selection, action, case.say.clone())?.at_path(base.path.clone());
        let Some(with) = &case.with else { return Ok(task) };
        let others = with.iter().filter_map(|name| self.bases.get(name));
        let others = others.map(|base| BaseFile { path: base.path.clone(), document: base.document() });
        Ok(task.with_files(others.collect()))
    }

    /// The expectation with its texts as files would have them.
    fn wanted(&self, case: &Case) -> Vec<Told> {
        let own = self.bases.get(&case.base).cloned().unwrap_or_default();
        let told = |expected: &Expected| match expected {
            Expected::Gives { path, lines, text } => {
                let named = path.as_ref().and_then(|path| self.bases.values().find(|base| base.path == *path));
                let base = named.unwrap_or(&own);
                Told { head: format!("gives {}", base.path), text: base.with(*lines, text) }
            }
            Expected::Creates { path, text } => Told { head: format!("creates {path}"), text: text.clone() },
            Expected::Head(head) => Told { head: head.clone(), text: String::new() },
        };
        case.expected.iter().map(told).collect()
    }
}

fn told(change: &FileChange, task: &EditTask) -> Told {
    match change {
        FileChange::Edit(edit) => {
            let other = task.others.iter().find(|other| other.path == edit.path);
            let text = applied(edit, other.map_or(&task.document, |other| &other.document));
            let head = if text.is_some() { "gives" } else { "breaks" };
            Told { head: format!("{head} {}", edit.path), text: text.unwrap_or_default() }
        }
        FileChange::Create { path, text } => Told { head: format!("creates {path}"), text: text.clone() },
        FileChange::Rename { from, to } => Told { head: format!("renames {from} {to}"), text: String::new() },
        FileChange::Delete { path } => Told { head: format!("deletes {path}"), text: String::new() },
    }
}

/// The text that an edit makes of its document, if its smallest form and its hunks make the same one.
fn applied(edit: &FileEdit, document: &Document) -> Option<String> {
    let after = edit.edit.apply(document.rope()).ok()?;
    let by_hunks = Hunk::apply_all(&edit.hunks).ok()?.apply(document.rope()).ok()?;
    (after == by_hunks && edit.version == VERSION).then(|| after.to_string())
}
