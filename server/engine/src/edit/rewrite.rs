//! Code that is to stand in the place of lines: the surroundings that a model repeats are taken off, the rest is set in
//! as the lines were.
//!
//! Refuses: code that has nothing to do with the lines, that leaves some of them out, or that comes without a fence
//! and could be chatter.

use std::ops::Range;

use super::answer::nests;
use super::blocks::path_in_info;
use super::fences::Fenced;
use super::fit::fit;
use super::indent::{Style, restyled, set_in, style_of};
use super::limits::ECHO_LINES_MAX;
use super::paths::{path_in_line, resolve};
use super::region::{Base, Change, words};
use super::{EditAction, EditTask, Refusal, json, shown, suspect, verify};

/// Lines with fewer letters and digits are equal by chance, such as closing brackets and `end`.
const TELLING_CHARS_MIN: usize = 12;
/// A file of fewer lines may lose most of them.
const SHRINKING_LINES_MIN: usize = 8;
/// What a block of commands is called, and what editors call a file of them.
const SHELLS: [&str; 6] = ["sh", "bash", "shell", "console", "zsh", "shellscript"];
/// What a block of output is called.
const OUTPUT: [&str; 3] = ["output", "log", "stdout"];
/// Words of a user who may want what stands before a definition to change or to go.
const ABOUT_HEADS: [&str; 14] = [
    "comment",
    "doc",
    "attribute",
    "decorator",
    "annotation",
    "derive",
    "header",
    "remove",
    "drop",
    "delete",
    "without",
    "instead",
    "replace",
    "no longer",
];

/// The one block of an answer that is the new code for `old`.
pub(crate) fn choose(blocks: &[Fenced], task: &EditTask, base: &Base<'_>, old: &str) -> Result<String, Refusal> {
    let language = task.document.language_id();
    let parsed = index::language_name(&base.grammar).is_some();
    // Fences inside a text that no parser checks make it unclear where it ends.
    if (!parsed || nests(language)) && (blocks.len() > 1 || blocks.iter().any(|block| !block.closed)) {
        return Err(Refusal::Several { count: blocks.len() });
    }
    let mut left: Vec<&Fenced> = blocks
        .iter()
        .filter(|block| !block.text.trim().is_empty() && is_own(block, language, parsed, old))
        .collect();
    left.dedup_by(|a, b| a.text.trim() == b.text.trim());
    let before = left.len();
    left.retain(|block| before == 1 || plain(&block.text) != plain(old));
    let [block] = left.as_slice() else {
        return Err(if left.is_empty() { Refusal::NoCode } else { Refusal::Several { count: left.len() } });
    };
    if let Some(path) = block.info.as_deref().and_then(path_in_info)
        && resolve(&path, &[&task.path]).is_none()
    {
        return Err(Refusal::OtherFile { path });
    }
    if block.info.is_none() && !(parsed && is_code_without_fence(&block.text, old)) {
        return Err(Refusal::NoCode);
    }
    Ok(block.text.clone())
}

/// Whether the word on a fence may stand for the file's language. Commands and output never do, and a text that is not
/// parsed is not one that would be. A wrong name on code is the parser's to judge.
fn is_own(block: &Fenced, language: &str, parsed: bool, old: &str) -> bool {
    let info = block.info.as_deref().unwrap_or_default();
    let word = info.split([' ', ':', '{']).next().unwrap_or_default().to_lowercase();
    let is_shell = SHELLS.contains(&language) && SHELLS.contains(&word.as_str());
    // Lines of JSON are a text that no parser checks, and yet JSON.
    let is_json = word == "json" && json::is_in(old);
    let is_other = !parsed && !is_json && index::language_name(&format!("x.{word}")).is_some();
    word == language
        || is_shell
        || !(is_other || SHELLS.contains(&word.as_str()) || OUTPUT.contains(&word.as_str()))
}

/// A text as it is compared: without blanks at the ends of lines.
fn plain(text: &str) -> String {
    text.trim().lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

/// Whether an answer without a fence is code: half of its words stand there already, and so do those of its first and
/// its last line, where chatter would be.
fn is_code_without_fence(text: &str, old: &str) -> bool {
    let words = |text: &str| -> std::collections::BTreeSet<String> {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let there = words(old);
    let known = |text: &str| {
        let new = words(text);
        new.intersection(&there).count() * 2 >= new.len()
    };
    let mut filled = text.lines().filter(|line| !line.trim().is_empty());
    let first = filled.next().unwrap_or_default();
    let last = filled.next_back().unwrap_or(first);
    words(text).intersection(&there).next().is_some() && [text, first, last].into_iter().all(known)
}

/// `code` in the place of `lines`.
pub(crate) fn rewrite(
    code: &str,
    task: &EditTask,
    base: &Base<'_>,
    lines: Range<usize>,
) -> Result<Change, Refusal> {
    let language = task.document.language_id();
    let lines = filled(base, lines);
    let old = base.lines.bare.get(lines.clone()).unwrap_or_default();
    let mut code = without_name(code_lines(code), task, base)?;
    suspect::check(&code, &base.known)?;
    let after = base.lines.bare.get(lines.end..).unwrap_or_default();
    let before = base.lines.bare.get(..lines.start).unwrap_or_default();
    let echoed = echo(&code, old, before, after);
    if let Some(line) = echoed.line.filter(|_| echoed.front + echoed.back >= code.len()) {
        return Err(Refusal::Echo { line: shown(line.trim()) });
    }
    let repeated = echoed.front + echoed.back > 0;
    code = trimmed(code.drain(echoed.front..code.len() - echoed.back).collect());
    if code.is_empty() {
        return Err(Refusal::NoCode);
    }
    code = in_style(code, old, &base.lines.bare);
    let (lines, old) = below_head(task, &code, old, lines);
    if !repeated {
        code = set_in(&code, old, (last_filled(before), first_filled(after)))
            .ok_or_else(|| Refusal::Indentation { path: base.path.to_owned() })?;
        let before = base.lines.bare.get(..lines.start).unwrap_or_default();
        let echoed = echo(&code, old, before, after);
        if echoed.front + echoed.back < code.len() {
            code = trimmed(code.drain(echoed.front..code.len() - echoed.back).collect());
        }
    }
    let (old_text, new_text) = (old.join("\n"), code.join("\n"));
    if !nests(language) && !verify::related(&old_text, &format!("{new_text} {}", words(task))) {
        return Err(Refusal::Unrelated);
    }
    let old = base.lines.whole.get(lines.clone()).unwrap_or_default();
    let new = fit(old, &code, base.ending, !task.is_about_blanks());
    Ok(Change { lines, new })
}

/// `code` after the end of the file, one blank line between.
pub(crate) fn append(code: &str, task: &EditTask, base: &Base<'_>) -> Result<Change, Refusal> {
    let code = without_name(code_lines(code), task, base)?;
    suspect::check(&code, &base.known)?;
    let code = in_style(code, &[], &base.lines.bare);
    if !verify::related(base.text, &code.join("\n")) {
        return Err(Refusal::Unrelated);
    }
    let at = base.lines.whole.len();
    let ended = base.text.is_empty() || base.text.ends_with(['\n', '\r']);
    let gap = base.ending.repeat(usize::from(!base.text.is_empty()) + usize::from(!ended));
    let new = code.join(base.ending);
    let end = if ended { base.ending } else { "" };
    Ok(Change { lines: at..at, new: format!("{gap}{new}{end}") })
}

/// Refuses a whole file that lost most of its lines.
pub(crate) fn shrinkage(base: &Base<'_>, new_text: &str) -> Result<(), Refusal> {
    let filled = |text: &str| text.lines().filter(|line| !line.trim().is_empty()).count();
    let (before, after) = (filled(base.text), filled(new_text));
    let shrinks = before >= SHRINKING_LINES_MIN && after * 2 < before;
    if shrinks { Err(Refusal::Shrunk { before, after }) } else { Ok(()) }
}

fn code_lines(code: &str) -> Vec<String> {
    trimmed(code.trim_start_matches('\u{feff}').lines().map(str::to_owned).collect())
}

/// Without blank lines at both ends.
fn trimmed(mut lines: Vec<String>) -> Vec<String> {
    let filled = |line: &String| !line.trim().is_empty();
    lines.truncate(lines.iter().rposition(filled).map_or(0, |at| at + 1));
    let front = lines.iter().position(filled).unwrap_or(0);
    lines.drain(..front);
    lines
}

/// `lines` without blank ones at both ends, unless all are.
fn filled(base: &Base<'_>, lines: Range<usize>) -> Range<usize> {
    let is_filled = |at: &usize| base.lines.bare.get(*at).is_some_and(|line| !line.trim().is_empty());
    let first = lines.clone().find(is_filled);
    let last = lines.clone().rfind(is_filled);
    first.zip(last).map_or(lines, |(first, last)| first..last + 1)
}

/// The place without the comments and attributes at its beginning, where the code begins with the line below them: a
/// model that leaves them out does not mean that they should go.
fn below_head<'a, 'b>(
    task: &EditTask,
    code: &[String],
    old: &'a [&'b str],
    lines: Range<usize>,
) -> (Range<usize>, &'a [&'b str]) {
    let said = words(task).to_lowercase();
    let is_head = |line: &&str| {
        let line = line.trim_start();
        line.is_empty() || ["#", "//", "/*", "*", "@", "--", "<!--"].iter().any(|mark| line.starts_with(mark))
    };
    let head = old.iter().take_while(|line| is_head(line)).count();
    let next = old.get(head).map(|line| line.trim());
    let meant = ABOUT_HEADS.iter().any(|word| said.contains(word)) || task.action == EditAction::Document;
    match code.first() {
        Some(first) if head > 0 && !meant && next == Some(first.trim()) => {
            (lines.start + head..lines.end, old.get(head..).unwrap_or_default())
        }
        _ => (lines, old),
    }
}

fn first_filled<'a>(lines: &[&'a str]) -> Option<&'a str> {
    lines.iter().find(|line| !line.trim().is_empty()).copied()
}

fn last_filled<'a>(lines: &[&'a str]) -> Option<&'a str> {
    lines.iter().rfind(|line| !line.trim().is_empty()).copied()
}

/// Takes off a first line that only names the file.
fn without_name(mut code: Vec<String>, task: &EditTask, base: &Base<'_>) -> Result<Vec<String>, Refusal> {
    let Some(first) = code.first() else { return Ok(code) };
    let Some(path) = path_in_line(first).filter(|_| !base.text.contains(first.as_str())) else { return Ok(code) };
    if resolve(&path, &[&task.path]).is_some() || task.path.ends_with(&format!("/{path}")) {
        code.remove(0);
        return Ok(trimmed(code));
    }
    let comment = first.trim_start().starts_with(['#', '/']) && path.contains('/') && path.contains('.');
    if comment { Err(Refusal::OtherFile { path }) } else { Ok(code) }
}

/// `code` with tabs where the file has tabs, and spaces where it has spaces. Where it has both, nothing is known.
fn in_style(code: Vec<String>, old: &[&str], file: &[&str]) -> Vec<String> {
    let own = style_of(code.iter().map(String::as_str), true);
    let is_indented = |line: &&&str| line.starts_with([' ', '\t']) && !line.trim().is_empty();
    let lines = if old.iter().any(|line| is_indented(&line)) { old } else { file };
    let mut indented = lines.iter().filter(is_indented);
    let first = indented.next().and_then(|line| line.chars().next());
    let pure = indented.all(|line| line.chars().next() == first);
    let there = style_of(lines.iter().copied(), true).filter(|_| pure);
    match (own, there) {
        (Some(own @ Style::Spaces(_)), Some(Style::Tabs)) => {
            code.iter().map(|line| restyled(line, own, Style::Tabs)).collect()
        }
        (Some(Style::Tabs), Some(there @ Style::Spaces(_))) => {
            code.iter().map(|line| restyled(line, Style::Tabs, there)).collect()
        }
        _ => code,
    }
}

/// Lines at both ends of new code that repeat the file's lines beside it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Echo {
    /// How many at its beginning.
    pub(crate) front: usize,
    /// How many at its end.
    pub(crate) back: usize,
    /// One of them.
    pub(crate) line: Option<String>,
}

/// The lines of `new` that repeat what stands before and after `old`, without doing so in `old` already.
pub(crate) fn echo(new: &[String], old: &[&str], before: &[&str], after: &[&str]) -> Echo {
    let same = |a: &String, b: &&str| a.trim_end() == b.trim_end();
    let is_blank = |line: &&&str| line.trim().is_empty();
    // New code has no blank lines at its ends.
    let before = &before[..before.len() - before.iter().rev().take_while(is_blank).count()];
    let after = &after[after.iter().take_while(is_blank).count()..];
    let most = |side: &[&str]| side.len().min(new.len()).min(ECHO_LINES_MAX);
    // Few words are enough where the lines that are replaced follow them, or come before them, as they do in the file.
    let says = |here: &[String]| here.iter().any(|line| line.contains(char::is_alphanumeric));
    let leads = |here: &[String], line: Option<&String>, old: Option<&&str>| {
        says(here)
            && line.zip(old).is_some_and(|(line, old)| !old.trim().is_empty() && line.trim_end() == old.trim_end())
    };
    let front = (1..=most(before)).rev().find(|count| {
        let (Some(here), Some(there)) = (new.get(..*count), before.get(before.len() - count..)) else {
            return false;
        };
        let was =
            old.get(..*count).is_some_and(|old| old.iter().zip(there).all(|(a, b)| a.trim_end() == b.trim_end()));
        here.iter().zip(there).all(|(a, b)| same(a, b))
            && (is_telling(here) || leads(here, new.get(*count), old.first()))
            && !was
    });
    let back = (1..=most(after)).rev().find(|count| {
        let (Some(here), Some(there)) = (new.get(new.len() - count..), after.get(..*count)) else { return false };
        let before_it = new.len().checked_sub(count + 1).and_then(|at| new.get(at));
        let tail = old.len().checked_sub(*count).and_then(|at| old.get(at..));
        let was = tail.is_some_and(|old| old.iter().zip(there).all(|(a, b)| a.trim_end() == b.trim_end()));
        here.iter().zip(there).all(|(a, b)| same(a, b))
            && (is_telling(here) || leads(here, before_it, old.last()))
            && !was
    });
    let (front, back) = (front.unwrap_or(0), back.unwrap_or(0));
    let line = if front > 0 {
        new.first()
    } else if back > 0 {
        new.get(new.len() - back)
    } else {
        None
    };
    // Both ends may claim the same lines when code repeats itself; then nothing is certain but that it repeats.
    let back = if front + back > new.len() { new.len() - front } else { back };
    Echo { front, back, line: line.cloned() }
}

/// Whether lines say enough not to be equal by chance.
fn is_telling(lines: &[String]) -> bool {
    let chars = lines.iter().flat_map(|line| line.chars()).filter(|c| c.is_alphanumeric());
    chars.take(TELLING_CHARS_MIN).count() == TELLING_CHARS_MIN
}
