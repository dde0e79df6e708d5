//! Pieces that say where they belong become changes of files.
//!
//! Refuses: places that are not there, or twice; files nobody showed; the file system, which whoever applies a creation
//! must ask.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use index::SyntaxCheck;

use super::answer::Piece;
use super::fit::fit;
use super::indent::{Way, indent_of, style_of};
use super::limits::FILES_MAX;
use super::nearest::nearest;
use super::paths::{checked, resolve};
use super::place::{Finder, Grade, Misplaced};
use super::region::{Base, Change, Source, Watch};
use super::rewrite::echo;
use super::{BaseFile, EditTask, FileChange, Proposal, Reach, Refusal, layout, shown, suspect};

/// One file's part of an answer.
#[derive(Default)]
struct Work {
    blocks: Vec<(Vec<String>, Vec<String>)>,
    renamed: Option<String>,
    deleted: bool,
}

/// All that an answer does, by file.
struct Sorted {
    /// By the number of the file: the document is 0, the others follow.
    work: BTreeMap<usize, Work>,
    created: BTreeMap<String, Vec<String>>,
}

/// The changes that `pieces` make; of the document only those inside `selection_only`, where that is given.
pub(crate) fn apply(task: &EditTask, pieces: Vec<Piece>, selection_only: bool) -> Result<Proposal, Refusal> {
    let document = BaseFile { path: task.path.clone(), document: task.document.clone() };
    let files: Vec<&BaseFile> = std::iter::once(&document).chain(&task.others).collect();
    let sorted = sort(task, &files, pieces)?;
    if sorted.work.len() + sorted.created.len() > FILES_MAX {
        return Err(Refusal::TooLong);
    }
    let mut proposal = Proposal { changes: Vec::new(), grade: Grade::Exact };
    let mut later = Vec::new();
    for (at, work) in sorted.work {
        let Some(file) = files.get(at) else { continue };
        if work.deleted {
            if !work.blocks.is_empty() || work.renamed.is_some() {
                return Err(Refusal::Overlap { path: file.path.clone() });
            }
            later.push(FileChange::Delete { path: file.path.clone() });
            continue;
        }
        if !work.blocks.is_empty() {
            let within = (selection_only && at == 0).then(|| task.target.clone());
            let (change, grade) = edit(file, work.blocks, within, task.is_about_blanks())?;
            proposal.grade = proposal.grade.max(grade);
            proposal.changes.push(change);
        }
        if let Some(to) = work.renamed {
            later.push(FileChange::Rename { from: file.path.clone(), to });
        }
    }
    for (path, lines) in sorted.created {
        proposal.changes.push(create(path, &lines)?);
    }
    proposal.changes.append(&mut later);
    if proposal.changes.is_empty() { Err(Refusal::NoChange) } else { Ok(proposal) }
}

/// Each piece to its file.
fn sort(task: &EditTask, files: &[&BaseFile], pieces: Vec<Piece>) -> Result<Sorted, Refusal> {
    let known: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut sorted = Sorted { work: BTreeMap::new(), created: BTreeMap::new() };
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for piece in &pieces {
        if let Piece::Rename { from, to } = piece {
            let at = shown_file(task, from, &known)?;
            let to = new_path(task, to, &known)?;
            if names.insert(to.clone(), at).is_some() {
                return Err(Refusal::Exists { path: to });
            }
            let renamed = &mut sorted.work.entry(at).or_default().renamed;
            if renamed.replace(to).is_some() {
                return Err(Refusal::Overlap { path: from.clone() });
            }
        }
    }
    let nameless = pieces.iter().any(|piece| matches!(piece, Piece::Replace { path: None, .. }));
    let asked = if nameless && files.len() > 1 { files } else { &[] };
    let texts: Vec<String> = asked.iter().map(|file| file.document.rope().to_string()).collect();
    let held: Vec<HashSet<&str>> = texts.iter().map(|text| text.lines().map(str::trim).collect()).collect();
    for piece in pieces {
        match piece {
            Piece::Rename { .. } => {}
            Piece::Delete { path } => {
                sorted.work.entry(shown_file(task, &path, &known)?).or_default().deleted = true;
            }
            Piece::Create { path, lines } => sorted.create(task, &path, lines, &known)?,
            Piece::Replace { path, search, replace } => {
                let at = match &path {
                    None => Some(holder(&held, &search)?),
                    Some(path) => {
                        let path = checked(path)?;
                        names.get(&path).copied().or_else(|| resolve(&path, &known))
                    }
                };
                let empty = search.iter().all(|line| line.trim().is_empty());
                match (at, path) {
                    (Some(at), _) => sorted.work.entry(at).or_default().push(search, replace),
                    (None, Some(path)) if empty => sorted.create(task, &path, replace, &known)?,
                    (None, path) => return Err(Refusal::OtherFile { path: path.unwrap_or_default() }),
                }
            }
        }
    }
    let all: Vec<&String> = sorted.created.keys().chain(names.keys()).collect();
    let mut different: Vec<String> = all.iter().map(|path| path.to_lowercase()).collect();
    different.sort();
    different.dedup();
    if different.len() < all.len() {
        let path = all.first().map(|path| (*path).clone()).unwrap_or_default();
        return Err(Refusal::Exists { path });
    }
    Ok(sorted)
}

impl Work {
    /// A block that is there already is meant once.
    fn push(&mut self, search: Vec<String>, replace: Vec<String>) {
        let block = (search, replace);
        if !self.blocks.contains(&block) {
            self.blocks.push(block);
        }
    }
}

/// The file that a block is for which names none: the only one that has all lines it looks for, or else the document.
fn holder(held: &[HashSet<&str>], search: &[String]) -> Result<usize, Refusal> {
    let has_all = |lines: &HashSet<&str>| {
        search.iter().map(|line| line.trim()).all(|line| line.is_empty() || lines.contains(line))
    };
    let mut holders = held.iter().enumerate().filter(|(_, lines)| has_all(lines)).map(|(at, _)| at);
    match (holders.next(), holders.next()) {
        (Some(_), Some(_)) => Err(Refusal::Malformed { what: "a block does not say which file it is for" }),
        (only, _) => Ok(only.unwrap_or(0)),
    }
}

impl Sorted {
    fn create(&mut self, task: &EditTask, path: &str, lines: Vec<String>, known: &[&str]) -> Result<(), Refusal> {
        let path = new_path(task, path, known)?;
        match self.created.insert(path.clone(), lines) {
            Some(_) => Err(Refusal::Exists { path }),
            None => Ok(()),
        }
    }
}

/// The number of a file that was shown.
fn shown_file(task: &EditTask, path: &str, known: &[&str]) -> Result<usize, Refusal> {
    let clean = checked(path)?;
    let at = known.iter().position(|one| *one == clean).filter(|_| task.reach == Reach::Workspace);
    at.ok_or_else(|| Refusal::OtherFile { path: shown(path) })
}

/// A path for a new file. A file that differs from it in capitals alone is the same file on some machines.
fn new_path(task: &EditTask, path: &str, known: &[&str]) -> Result<String, Refusal> {
    let clean = checked(path)?;
    if task.reach != Reach::Workspace {
        return Err(Refusal::OtherFile { path: shown(path) });
    }
    let lower = clean.to_lowercase();
    if known.iter().any(|one| one.to_lowercase() == lower) {
        Err(Refusal::Exists { path: clean })
    } else {
        Ok(clean)
    }
}

fn create(path: String, lines: &[String]) -> Result<FileChange, Refusal> {
    let language = index::language_name(&path).unwrap_or_default();
    suspect::check(lines, &suspect::Known::of("", language))?;
    let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    if text.trim().is_empty() {
        return Err(Refusal::NoCode);
    }
    match index::check_syntax(&path, &text) {
        SyntaxCheck::Errors(errors) if !errors.is_empty() => {
            return Err(Refusal::Syntax { before: 0, after: errors.len() });
        }
        SyntaxCheck::TimedOut => return Err(Refusal::Unchecked),
        SyntaxCheck::Errors(_) | SyntaxCheck::NoGrammar => {}
    }
    Ok(FileChange::Create { path, text })
}

/// One file's blocks as an edit.
fn edit(
    file: &BaseFile,
    blocks: Vec<(Vec<String>, Vec<String>)>,
    selection: Option<Range<usize>>,
    about_blanks: bool,
) -> Result<(FileChange, Grade), Refusal> {
    let source = Source::of(&file.document)?;
    let base = Base::new(&file.path, &file.document, &source);
    let within = selection.map(|bytes| base.lines_of(&bytes));
    let finder = Finder::new(&base.lines.bare);
    let mut changes = Vec::with_capacity(blocks.len());
    let mut worst = Grade::Exact;
    for (search, replace) in blocks {
        if search == replace {
            continue;
        }
        let (change, grade) = place(&base, &finder, within.as_ref(), (search, replace), about_blanks)?;
        worst = worst.max(grade);
        changes.push(change);
    }
    if changes.is_empty() {
        return Err(Refusal::NoChange);
    }
    Ok((FileChange::Edit(base.finish(changes, &Watch::Pieces)?), worst))
}

/// One block as a change of lines.
fn place(
    base: &Base<'_>,
    finder: &Finder<'_>,
    within: Option<&Range<usize>>,
    (search, mut replace): (Vec<String>, Vec<String>),
    about_blanks: bool,
) -> Result<(Change, Grade), Refusal> {
    let all = 0..base.lines.whole.len();
    if search.iter().all(|line| line.trim().is_empty()) {
        if !base.text.trim().is_empty() {
            return Err(Refusal::EmptySearch { path: base.path.to_owned() });
        }
        suspect::check(&replace, &base.known)?;
        return Ok((Change { lines: all, new: fit(&[], &replace, base.ending, true) }, Grade::Exact));
    }
    let found = match finder.place(&search, within.unwrap_or(&all)) {
        Ok(found) => found,
        Err(Misplaced::Twice(lines)) => return Err(ambiguous(base, &lines)),
        Err(Misplaced::Nowhere) if within.is_some() && finder.place(&search, &all) != Err(Misplaced::Nowhere) => {
            return Err(Refusal::OutsideSelection);
        }
        Err(Misplaced::Nowhere) => return Err(not_found(base, &search)),
    };
    let (front, back) = found.blank;
    let core = search.get(front..search.len() - back).unwrap_or_default();
    let blank_start = replace.iter().take(front).take_while(|line| line.trim().is_empty()).count();
    replace.drain(..blank_start);
    let blank_end = replace.iter().rev().take(back).take_while(|line| line.trim().is_empty()).count();
    replace.truncate(replace.len() - blank_end);
    let there = base.lines.bare.get(found.lines.clone()).unwrap_or_default();
    if found.grade == Grade::Indentation {
        replace = reindented(base, core, there, &replace)?;
    }
    if layout::is_meaning(base.language()) && !about_blanks && begins_deeper(&replace, there) {
        return Err(Refusal::Indentation { path: base.path.to_owned() });
    }
    suspect::check(&replace, &base.known)?;
    let after = base.lines.bare.get(found.lines.end..).unwrap_or_default();
    let before = base.lines.bare.get(..found.lines.start).unwrap_or_default();
    if let Some(line) = echo(&replace, there, before, after).line {
        return Err(Refusal::Echo { line: shown(line.trim()) });
    }
    let old = base.lines.whole.get(found.lines.clone()).unwrap_or_default();
    let new = fit(old, &replace, base.ending, !about_blanks);
    Ok((Change { lines: found.lines, new }, found.grade))
}

/// Whether lines begin deeper than those they replace, which then would belong to something else.
fn begins_deeper(replace: &[String], there: &[&str]) -> bool {
    let first = |mut lines: &mut dyn Iterator<Item = &str>| {
        (&mut lines).find(|line| !line.trim().is_empty()).map(|line| indent_of(line).len())
    };
    first(&mut replace.iter().map(String::as_str)) > first(&mut there.iter().copied())
}

fn reindented(
    base: &Base<'_>,
    search: &[String],
    there: &[&str],
    replace: &[String],
) -> Result<Vec<String>, Refusal> {
    let searched: Vec<&str> = search.iter().map(String::as_str).collect();
    let all: Vec<&str> = search.iter().chain(replace).map(String::as_str).collect();
    let style = style_of(there.iter().copied(), false).or_else(|| style_of(base.lines.bare.iter().copied(), true));
    let way = Way::learn(&searched, there, &all, style);
    let lines = way.and_then(|way| replace.iter().map(|line| way.apply(line)).collect::<Option<Vec<String>>>());
    lines.ok_or_else(|| Refusal::Indentation { path: base.path.to_owned() })
}

fn ambiguous(base: &Base<'_>, lines: &[usize]) -> Refusal {
    let lines = lines.iter().map(|line| u32::try_from(line + 1).unwrap_or(u32::MAX)).collect();
    Refusal::Ambiguous { path: base.path.to_owned(), lines }
}

fn not_found(base: &Base<'_>, search: &[String]) -> Refusal {
    let language = index::language_name(&base.grammar).unwrap_or_default();
    let before = |at: usize| at.checked_sub(1).and_then(|at| search.get(at)).map(String::as_str);
    let elided = search.iter().enumerate().find(|(at, line)| {
        suspect::is_elision(line, before(*at), language)
            && !base.lines.bare.iter().any(|own| own.trim() == line.trim())
    });
    if let Some((_, line)) = elided {
        return Refusal::Elided { line: shown(line.trim()) };
    }
    Refusal::NotFound {
        path: base.path.to_owned(),
        wanted: shown(&search.join("\n")),
        nearest: nearest(search, &base.lines.bare),
    }
}
