//! Reads the cases and holds the engine to them. Refuses: a case whose expectation cannot fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use engine::{BaseFile, EditAction, EditTask, FileChange, Format, Reply, read_edit};
use text::{Document, Hunk};

/// Cases there must be at least.
const CASES_MIN: usize = 200;

/// A file as a case finds it.
#[derive(Clone, Debug, Default)]
struct Base {
    path: String,
    text: String,
    flags: BTreeSet<String>,
}

impl Base {
    /// `text` in the form of this file: its line endings, its end, its mark.
    fn formed(&self, text: &str) -> String {
        let mut formed = text.to_owned();
        if self.flags.contains("no-eol") {
            formed = formed.strip_suffix('\n').unwrap_or(&formed).to_owned();
        }
        if self.flags.contains("crlf") {
            formed = formed.replace('\n', "\r\n");
        }
        if self.flags.contains("bom") { format!("\u{feff}{formed}") } else { formed }
    }

    fn document(&self) -> Document {
        let extension = self.path.rsplit('.').next().unwrap_or_default();
        let language = match extension {
            "py" => "python",
            "rs" => "rust",
            "ts" => "typescript",
            "rb" => "ruby",
            "md" => "markdown",
            "yml" => "yaml",
            other => other,
        };
        Document::new(&format!("file:///shop/{}", self.path), language, 7, &self.formed(&self.text))
    }
}

/// One answer and what must become of it.
#[derive(Debug, Default)]
struct Case {
    title: String,
    base: String,
    lines: Option<(usize, usize)>,
    with: Option<Vec<String>>,
    form: String,
    say: Option<String>,
    cut: bool,
    escapes: bool,
    answer: String,
    expected: Vec<(String, String)>,
}

/// A directive with its words and the text below it.
type Section = (String, String, String);

fn sections(source: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in source.lines() {
        if let Some(directive) = line.strip_prefix("%% ") {
            let (name, words) = directive.split_once(' ').unwrap_or((directive, ""));
            sections.push((name.to_owned(), words.trim().to_owned(), String::new()));
        } else if let Some((_, _, text)) = sections.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    sections
}

/// Without the blank lines that part it from the next directive.
fn body(text: &str) -> String {
    let text = text.trim_end_matches('\n');
    if text.is_empty() { String::new() } else { format!("{text}\n") }
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest[at + 1..].chars().next().expect("something after a backslash");
        rest = &rest[at + 2..];
        match code {
            't' => out.push('\t'),
            'r' => out.push('\r'),
            's' => out.push(' '),
            '\\' => out.push('\\'),
            'u' => {
                let (number, tail) = rest[1..].split_once('}').expect("\\u{...}");
                out.push(u32::from_str_radix(number, 16).ok().and_then(char::from_u32).expect("a character"));
                rest = tail;
            }
            other => panic!("unknown escape {other:?}"),
        }
    }
    out + rest
}

fn parse(source: &str) -> (BTreeMap<String, Base>, Vec<Case>) {
    let mut bases = BTreeMap::new();
    let mut cases: Vec<Case> = Vec::new();
    for (name, words, text) in sections(source) {
        if name == "base" {
            let mut words = words.split(' ').map(str::to_owned);
            let own = words.next().expect("a name");
            let path = words.next().expect("a path");
            let flags: BTreeSet<String> = words.collect();
            let text = if flags.contains("escapes") { unescaped(&body(&text)) } else { body(&text) };
            bases.insert(own, Base { path, text, flags });
            continue;
        }
        if name == "case" {
            cases.push(Case { title: words, form: "rewrite".into(), ..Case::default() });
            continue;
        }
        let case = cases.last_mut().expect("a case before its parts");
        let read = |text: &str| if case.escapes { unescaped(text) } else { text.to_owned() };
        match name.as_str() {
            "on" => {
                let (base, lines) = words.split_once(' ').unwrap_or((&words, ""));
                case.base = base.to_owned();
                case.lines = range(lines);
            }
            "with" => case.with = Some(words.split_whitespace().map(str::to_owned).collect()),
            "as" => case.form = words,
            "say" => case.say = Some(words),
            "cut" => case.cut = true,
            "escapes" => case.escapes = true,
            "answer" => case.answer = read(&text),
            "gives" | "creates" | "deletes" | "renames" | "refuses" => {
                let text = read(&body(&text));
                case.expected.push((format!("{name} {words}"), text));
            }
            other => panic!("{}: what is {other:?}?", case.title),
        }
    }
    (bases, cases)
}

fn range(words: &str) -> Option<(usize, usize)> {
    let (first, last) = words.split_once('-')?;
    Some((first.parse().expect("a line"), last.parse().expect("a line")))
}

/// The text of a base with some lines replaced, or another text altogether.
fn expected_text(base: &Base, lines: Option<(usize, usize)>, text: &str) -> String {
    let Some((first, last)) = lines else { return base.formed(text) };
    let whole: Vec<&str> = base.text.split_inclusive('\n').collect();
    base.formed(&format!("{}{text}{}", whole[..first - 1].concat(), whole[last..].concat()))
}

/// What became of the answer, in the words of an expectation.
fn outcome(case: &Case, bases: &BTreeMap<String, Base>) -> Vec<(String, String)> {
    let base = &bases[&case.base];
    let document = base.document();
    let rope = document.rope();
    let selection = case.lines.map_or(0..rope.len_bytes(), |(first, last)| {
        rope.line_to_byte(first - 1)..rope.line_to_byte(last.min(rope.len_lines()))
    });
    let (format, action) = match case.form.as_str() {
        "rewrite" => (Format::Rewrite, EditAction::Edit),
        "blocks" => (Format::Blocks, EditAction::Edit),
        "whole" => (Format::Whole, EditAction::Edit),
        "tests" => (Format::Rewrite, EditAction::Tests),
        other => panic!("{}: no form {other:?}", case.title),
    };
    let task = EditTask::new(document.clone(), selection, action, case.say.clone()).expect("small");
    let mut task = task.at_path(base.path.clone());
    if let Some(with) = &case.with {
        let file = |name: &String| BaseFile { path: bases[name].path.clone(), document: bases[name].document() };
        task = task.with_files(with.iter().filter(|name| *name != "-").map(file).collect());
    }
    let reply = Reply { text: &case.answer, complete: !case.cut };
    let proposal = match read_edit(reply, &task, format) {
        Ok(proposal) => proposal,
        Err(refusal) => {
            assert!(!refusal.to_string().is_empty() && !refusal.advice().is_empty());
            return vec![(format!("refuses {}", refusal.kind()), refusal.to_string())];
        }
    };
    let change = |change: &FileChange| match change {
        FileChange::Edit(edit) => {
            let other = task.others.iter().find(|other| other.path == edit.path);
            let before = other.map_or(rope, |other| other.document.rope());
            let after = edit.edit.apply(before).expect("it fits");
            let by_hunks = Hunk::apply_all(&edit.hunks).expect("apart").apply(before).expect("they fit");
            assert_eq!(after, by_hunks, "{}: hunks and edit differ", case.title);
            assert_eq!(edit.version, 7);
            (format!("gives {}", edit.path), after.to_string())
        }
        FileChange::Create { path, text } => (format!("creates {path}"), text.clone()),
        FileChange::Rename { from, to } => (format!("renames {from} {to}"), String::new()),
        FileChange::Delete { path } => (format!("deletes {path}"), String::new()),
    };
    proposal.changes.iter().map(change).collect()
}

/// The expectation in the same words.
fn wanted(case: &Case, bases: &BTreeMap<String, Base>) -> Vec<(String, String)> {
    let own = &bases[&case.base];
    let form = |(directive, text): &(String, String)| {
        let Some(words) = directive.strip_prefix("gives") else { return (directive.clone(), text.clone()) };
        let mut base = own;
        let mut lines = None;
        for word in words.split_whitespace() {
            match range(word).filter(|_| word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')) {
                Some(found) => lines = Some(found),
                None => base = bases.values().find(|base| base.path == word).expect("a known file"),
            }
        }
        (format!("gives {}", base.path), expected_text(base, lines, text))
    };
    case.expected.iter().map(form).collect()
}

fn differs(case: &Case, bases: &BTreeMap<String, Base>) -> Option<String> {
    let (mut wanted, mut found) = (wanted(case, bases), outcome(case, bases));
    wanted.sort();
    found.sort();
    let refused = wanted.len() == 1 && found.len() == 1 && wanted[0].0.starts_with("refuses ");
    // The words of a refusal are not part of the case, its kind is.
    if wanted == found || (refused && wanted[0].0 == found[0].0) {
        return None;
    }
    let mut report = format!("== {}\n", case.title);
    for (what, list) in [("wanted", &wanted), ("found", &found)] {
        for (head, text) in list {
            let _ = writeln!(report, "-- {what} {head}\n{}", text.escape_debug().to_string().replace("\\n", "\n"));
        }
    }
    Some(report)
}

#[test]
fn every_answer_is_the_right_edit_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/edits/corpus");
    let entries =
        std::fs::read_dir(folder).expect("the corpus is there").map(|entry| entry.expect("readable").path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    files.sort();
    let (mut count, mut wrong, mut titles) = (0, Vec::new(), BTreeSet::new());
    for file in files {
        let (bases, cases) = parse(&std::fs::read_to_string(&file).expect("it is UTF-8"));
        for case in &cases {
            assert!(!case.expected.is_empty(), "{} expects nothing", case.title);
            assert!(titles.insert(case.title.clone()), "{} is there twice", case.title);
            count += 1;
            wrong.extend(differs(case, &bases).map(|report| format!("{}: {report}", file.display())));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= CASES_MIN, "{count} cases are too few");
}
