//! A proposal as a unified diff, and which of its lines belong to which change.
//!
//! Refuses: a diff that other tools could not apply. Context lines of neighbouring changes never overlap.

use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use engine::Block;
use text::split_lines;

use crate::new_file::slug;

use super::{Proposal, ProposedChange, ProposedFile};

const EXTENSION: &str = "diff";

/// A proposal as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalDocument {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Where each change stands in it.
    pub changes: Vec<ShownChange>,
}

/// One change in the document of its proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownChange {
    /// The file, by number.
    pub file: usize,
    /// The change of that file, by number.
    pub number: usize,
    /// Its lines, from zero, the header included.
    pub lines: Range<u32>,
}

/// The document of a proposal in `folder`. It depends on what the proposal says alone, not on what became of it.
pub(super) fn rendered(proposal: &Proposal, folder: &Path) -> ProposalDocument {
    let said = &proposal.said;
    let mut page = Page::default();
    page.line(&format!("# Familiar: {}", one_line(&said.title)));
    if let Some(words) = &said.instruction {
        page.line(&format!("# {}", one_line(words)));
    }
    page.line("# Accept, reject or take back each change, or all, with a code action on its lines, which says how it stands.");
    for (number, file) in said.files.iter().enumerate() {
        page.line("");
        page.file(number, file);
    }
    let path = folder.join(format!("{}-{}.{EXTENSION}", slug(&said.title, "proposal"), proposal.id));
    ProposalDocument { path, text: page.text, changes: page.changes }
}

/// The id in the name of a proposal's document.
pub(super) fn proposal_id<'a>(path: &'a Path, folder: &Path) -> Option<&'a str> {
    let ours = path.parent() == Some(folder) && path.extension().is_some_and(|ext| ext == EXTENSION);
    let stem = path.file_stem().filter(|_| ours)?.to_str()?;
    stem.rsplit('-').next().filter(|id| !id.is_empty())
}

#[derive(Default)]
struct Page {
    text: String,
    lines: u32,
    changes: Vec<ShownChange>,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.lines += 1;
    }

    fn file(&mut self, number: usize, file: &ProposedFile) {
        let name = one_line(&file.name);
        match &file.change {
            ProposedChange::Edit { blocks } => {
                self.line(&format!("--- a/{name}"));
                self.line(&format!("+++ b/{name}"));
                let contexts = contexts(blocks);
                for (block, (one, (before, after))) in blocks.iter().zip(contexts).enumerate() {
                    self.change(number, block, |page| page.block(one, before, after));
                }
            }
            ProposedChange::Create { text } => self.change(number, 0, |page| {
                page.line("--- /dev/null");
                page.line(&format!("+++ b/{name}"));
                page.whole(text, '+');
            }),
            ProposedChange::Rename { to } => self.change(number, 0, |page| {
                page.line(&format!("rename from {name}"));
                // A diff names files as the folder does, on both sides.
                let folder = file.place.strip_suffix(file.name.as_str()).unwrap_or_default();
                page.line(&format!("rename to {}", one_line(to.strip_prefix(folder).unwrap_or(to))));
            }),
            ProposedChange::Delete { text } => self.change(number, 0, |page| {
                page.line(&format!("--- a/{name}"));
                page.line("+++ /dev/null");
                match text {
                    Some(text) => page.whole(text, '-'),
                    None => page.line("# the file is too large to be shown and to be brought back"),
                }
            }),
        }
    }

    fn change(&mut self, file: usize, number: usize, write: impl FnOnce(&mut Self)) {
        let first = self.lines;
        write(self);
        self.changes.push(ShownChange { file, number, lines: first..self.lines });
    }

    fn block(&mut self, block: &Block, before: usize, after: usize) {
        let kept_before: Vec<&str> = split_lines(&block.before).collect();
        let kept_before = &kept_before[kept_before.len() - before..];
        let kept_after: Vec<&str> = split_lines(&block.after).take(after).collect();
        let (old, new) = (split_lines(&block.old_text).count(), split_lines(&block.new_text).count());
        let range = |line: usize, lines: usize| {
            let lines = lines + before + after;
            // An empty range names the line before it.
            let first = line - before + usize::from(lines > 0);
            format!("{first},{lines}")
        };
        self.line(&format!("@@ -{} +{} @@", range(block.old_line, old), range(block.new_line, new)));
        self.lines_of(kept_before.iter().copied(), ' ');
        self.lines_of(split_lines(&block.old_text), '-');
        self.lines_of(split_lines(&block.new_text), '+');
        self.lines_of(kept_after.into_iter(), ' ');
    }

    fn whole(&mut self, text: &str, sign: char) {
        let lines = split_lines(text).count();
        let (old, new) = if sign == '+' { (0, lines) } else { (lines, 0) };
        let range = |lines: usize| format!("{},{lines}", usize::from(lines > 0));
        self.line(&format!("@@ -{} +{} @@", range(old), range(new)));
        self.lines_of(split_lines(text), sign);
    }

    fn lines_of<'a>(&mut self, lines: impl Iterator<Item = &'a str>, sign: char) {
        for line in lines {
            // Lines of a diff end at a line feed alone; a carriage return in front of it belongs to the line.
            let bare = line.strip_suffix('\n').unwrap_or(line);
            let _ = writeln!(self.text, "{sign}{}", bare.replace('\n', " "));
            self.lines += 1;
            if bare.len() == line.len() && !line.ends_with('\r') {
                self.line("\\ No newline at end of file");
            }
        }
    }
}

/// How many lines before and after each block are shown, so that no line is shown twice.
fn contexts(blocks: &[Block]) -> Vec<(usize, usize)> {
    let lines = |text: &str| split_lines(text).count();
    let mut shown: Vec<(usize, usize)> =
        blocks.iter().map(|block| (lines(&block.before), lines(&block.after))).collect();
    for next in 1..blocks.len() {
        let end = blocks[next - 1].new_line + lines(&blocks[next - 1].new_text);
        let between = blocks[next].new_line.saturating_sub(end);
        shown[next - 1].1 = shown[next - 1].1.min(between);
        shown[next].0 = shown[next].0.min(between - shown[next - 1].1);
    }
    shown
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use text::hunks;

    use super::*;
    use crate::proposals::{ChangeState, Proposed};

    fn proposal(files: Vec<(&str, ProposedChange)>) -> Proposal {
        let file = |(name, change): (&str, ProposedChange)| {
            let states = match &change {
                ProposedChange::Edit { blocks } => blocks.len(),
                _ => 1,
            };
            ProposedFile {
                place: format!("/w/{name}"),
                name: name.into(),
                change,
                states: vec![ChangeState::Proposed; states],
            }
        };
        let said = Proposed {
            title: "Edit `a b.py`".into(),
            instruction: Some("make it\nbetter".into()),
            workspace: Some("/w".into()),
            files: files.into_iter().map(file).collect(),
        };
        Proposal { id: "0abc".into(), created_ms: 0, said }
    }

    fn edit(old: &str, new: &str) -> ProposedChange {
        ProposedChange::Edit { blocks: hunks(old, new).iter().map(|hunk| Block::of(hunk, new)).collect() }
    }

    #[test]
    fn a_proposal_is_a_diff_whose_lines_are_known() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let new = "a\nB\nc\nd\nE\nf\ng\nh\ni";
        let shown = rendered(
            &proposal(vec![
                ("a b.py", edit(old, new)),
                ("new.py", ProposedChange::Create { text: "x\n".into() }),
                ("old.py", ProposedChange::Rename { to: "/w/other.py".into() }),
            ]),
            Path::new("/home/documents"),
        );
        assert_eq!(shown.path, Path::new("/home/documents/edit-a-b-py-0abc.diff"));
        expect![[r#"
            # Familiar: Edit `a b.py`
            # make it better
            # Accept, reject or take back each change, or all, with a code action on its lines, which says how it stands.

            --- a/a b.py
            +++ b/a b.py
            @@ -1,4 +1,4 @@
             a
            -b
            +B
             c
             d
            @@ -5,4 +5,4 @@
            -e
            +E
             f
             g
             h
            @@ -8,0 +9,1 @@
            +i
            \ No newline at end of file

            --- /dev/null
            +++ b/new.py
            @@ -0,0 +1,1 @@
            +x

            rename from old.py
            rename to other.py
        "#]]
        .assert_eq(&shown.text);
        let lines: Vec<_> = shown.changes.iter().map(|one| (one.file, one.number, one.lines.clone())).collect();
        assert_eq!(lines, [(0, 0, 6..12), (0, 1, 12..18), (0, 2, 18..21), (1, 0, 22..26), (2, 0, 27..29)]);
        let first = shown.text.lines().nth(6);
        assert_eq!(first, Some("@@ -1,4 +1,4 @@"), "the lines are those of the text");
    }

    #[test]
    fn a_document_names_its_proposal() {
        let folder = Path::new("/home/documents");
        assert_eq!(proposal_id(Path::new("/home/documents/edit-a-py-0abc.diff"), folder), Some("0abc"));
        assert_eq!(proposal_id(Path::new("/home/documents/explain-a.md"), folder), None);
        assert_eq!(proposal_id(Path::new("/elsewhere/edit-a-py-0abc.diff"), folder), None);
    }
}
