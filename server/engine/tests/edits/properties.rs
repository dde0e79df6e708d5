//! Random files, random edits and random damage: an edit that is expressed rightly is made exactly, one that is damaged
//! is made or refused, and nothing takes long.
//!
//! Refuses: chance without a seed; a failure names the seed that repeats it.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::{Duration, Instant};

use engine::{EditAction, EditTask, FileChange, Format, Refusal, Reply, read_edit};
use kit::Dice;
use text::Document;

/// Runs of each property, unless the variable says otherwise.
const RUNS: u64 = 400;
/// How many runs, instead of a sample.
const RUNS_VARIABLE: &str = "FAMILIAR_SOAK_ANSWERS";
/// Far above what any answer may take on a slow machine without optimisation; it is there to tell linear from quadratic.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lines that trip naive code: equal ones, deep ones, marks, wide characters, blanks at the end.
const LINES: [&str; 22] = [
    "alpha = beta(gamma)",
    "    alpha = beta(gamma)",
    "\talpha = beta(gamma)",
    "        return delta",
    "\t\treturn delta",
    "}",
    "    }",
    "",
    "",
    "  ",
    "end",
    "- item one",
    "  - item two  ",
    "key: \"caf\u{e9} 👩\u{200d}👧 e\u{301}\"",
    "漢字 = \u{201c}yes\u{201d}",
    "======",
    "> quoted",
    "if (x < y && y > z) { go(); }",
    "# heading",
    "1. first",
    "let s = \"```\";",
    "x\u{2028}y",
];

/// How many runs were asked for.
fn asked() -> Option<u64> {
    std::env::var(RUNS_VARIABLE).ok().map(|runs| runs.parse().expect("a number of runs"))
}

fn runs() -> u64 {
    asked().unwrap_or(RUNS)
}

/// Records a run that was asked for, and found nothing wrong since `started`. Seeds begin at 0.
fn record(what: &str, started: Instant, figures: &str) {
    if asked().is_some() {
        kit::soak::record(what, 0, figures, started.elapsed().as_secs_f64());
    }
}

/// A file and an edit of some of its lines.
#[derive(Debug)]
struct Scene {
    lines: Vec<String>,
    ending: &'static str,
    ended: bool,
    place: Range<usize>,
    new: Vec<String>,
}

impl Scene {
    fn new(dice: &mut Dice) -> Self {
        let count = 3 + dice.roll(40);
        let mut lines: Vec<String> = (0..count).map(|_| (*dice.pick(&LINES)).to_owned()).collect();
        // Some lines are like no other, as in real files.
        for (at, line) in lines.iter_mut().enumerate() {
            if dice.roll(3) == 0 {
                let deep = "    ".repeat(dice.roll(3));
                *line = format!("{deep}name_{at} = value_{at}");
            }
        }
        let anchor = dice.roll(count);
        lines[anchor] = format!("    place_{anchor} = here");
        let end = (anchor + 1 + dice.roll(4)).min(count);
        let place = anchor..end;
        let last = place.end - 1;
        if lines[last].trim().is_empty() {
            lines[last] = "    last = line".to_owned();
        }
        let depth = common(&lines[place.clone()]);
        // What begins less deep than the lines before did is refused, because it hides how deep it is meant.
        let mut new = vec![format!("    place_{anchor} = there")];
        for at in 0..dice.roll(5) {
            let deep = "    ".repeat(dice.roll(3));
            new.push(if dice.roll(6) == 0 {
                String::new()
            } else {
                format!("{depth}{deep}fresh_{at}({})", dice.roll(99))
            });
        }
        new.push(format!("{depth}done_{} = 1", dice.roll(99)));
        let ending = *dice.pick(&["\n", "\n", "\r\n"]);
        Self { lines, ending, ended: dice.roll(4) > 0, place, new }
    }

    fn text(&self, lines: &[String]) -> String {
        let text = lines.join(self.ending);
        if self.ended { text + self.ending } else { text }
    }

    fn before(&self) -> String {
        self.text(&self.lines)
    }

    fn after(&self) -> String {
        let mut lines = self.lines.clone();
        lines.splice(self.place.clone(), self.new.iter().cloned());
        self.text(&lines)
    }

    fn task(&self) -> EditTask {
        let document = Document::new("file:///notes.txt", "plaintext", 3, &self.before());
        let rope = document.rope();
        let selection =
            rope.line_to_byte(self.place.start)..rope.line_to_byte(self.place.end.min(rope.len_lines()));
        EditTask::new(document, selection, EditAction::Edit, None).expect("small")
    }

    /// A block with as many lines of context as the dice say. The anchor makes it the only place.
    fn block(&self, dice: &mut Dice) -> (Vec<String>, Vec<String>) {
        let front = dice.roll(3).min(self.place.start);
        let back = dice.roll(3).min(self.lines.len() - self.place.end);
        let before = &self.lines[self.place.start - front..self.place.start];
        let after = &self.lines[self.place.end..self.place.end + back];
        let around = |middle: &[String]| [before, middle, after].concat();
        (around(&self.lines[self.place.clone()]), around(&self.new))
    }
}

fn common(lines: &[String]) -> String {
    let filled = lines.iter().filter(|line| !line.trim().is_empty());
    let indents = filled.map(|line| line.len() - line.trim_start_matches([' ', '\t']).len());
    let least = indents.min().unwrap_or(0);
    let first = lines[0].chars().take(least).collect::<String>();
    let shared = lines.iter().filter(|line| !line.trim().is_empty()).all(|line| line.starts_with(&first));
    if shared { first } else { String::new() }
}

fn written(search: &[String], replace: &[String]) -> String {
    let mut answer = String::from("<<<<<<< SEARCH\n");
    for line in search {
        let _ = writeln!(answer, "{line}");
    }
    answer.push_str("=======\n");
    for line in replace {
        let _ = writeln!(answer, "{line}");
    }
    answer.push_str(">>>>>>> REPLACE\n");
    answer
}

fn fenced(lines: &[String]) -> String {
    format!("`````\n{}\n`````\n", lines.join("\n"))
}

fn made(task: &EditTask, reply: Reply<'_>, format: Format) -> Result<String, Refusal> {
    let proposal = read_edit(reply, task, format)?;
    let [FileChange::Edit(edit)] = proposal.changes.as_slice() else { panic!("one file was shown: {proposal:?}") };
    Ok(edit.edit.apply(task.document.rope()).expect("it fits").to_string())
}

#[test]
fn an_edit_rightly_expressed_is_made_exactly() {
    let (mut by_form, started) = ([0; 4], Instant::now());
    for seed in 0..runs() {
        let mut dice = Dice::new(seed);
        let scene = Scene::new(&mut dice);
        let (search, replace) = scene.block(&mut dice);
        let task = scene.task();
        let mut diff = String::from("```diff\n@@ -1 +1 @@\n");
        for (mark, lines) in [("-", &search), ("+", &replace)] {
            for line in lines {
                let _ = writeln!(diff, "{mark}{line}");
            }
        }
        diff.push_str("```\n");
        let mut after = scene.lines.clone();
        after.splice(scene.place.clone(), scene.new.iter().cloned());
        let mut forms = vec![(0, written(&search, &replace), Format::Blocks), (1, diff, Format::Blocks)];
        // Where tabs and spaces are mixed, what code is set in by is a matter of taste.
        let tabs = scene.lines.iter().any(|line| line.starts_with('\t'));
        if !tabs {
            forms.push((2, fenced(&scene.new), Format::Rewrite));
        }
        // A whole file has no blank lines at its ends as far as anybody can tell from an answer.
        let plain_ends =
            [after.first(), after.last()].iter().all(|line| line.is_some_and(|line| !line.trim().is_empty()));
        if plain_ends && !tabs && common(&scene.lines).is_empty() && common(&after).is_empty() {
            forms.push((3, fenced(&after), Format::Whole));
        }
        for (form, answer, format) in forms {
            match made(&task, Reply::complete(&answer), format) {
                Ok(text) => {
                    assert_eq!(plain(&text), plain(&scene.after()), "seed {seed}, form {form}\n{answer}");
                    assert_eq!(text.matches("\r\n").count(), scene.after().matches("\r\n").count(), "seed {seed}");
                    assert_eq!(text.ends_with('\n'), scene.after().ends_with('\n'), "seed {seed}");
                    by_form[form] += 1;
                }
                // Lines of `=` in the file are markers to a reader of blocks, and may be refused.
                Err(refusal) => assert_eq!((form, refusal.kind()), (0, "malformed"), "seed {seed}\n{answer}"),
            }
        }
    }
    assert!(by_form.iter().all(|count| *count > runs() as usize / 8), "{by_form:?}");
    let [blocks, diffs, rewrites, wholes] = by_form;
    let figures =
        format!("{blocks} blocks, {diffs} diffs, {rewrites} rewrites, {wholes} whole files made exactly");
    record("answers rightly expressed", started, &figures);
}

/// Damage that leaves no doubt about what was meant, or makes it no edit at all.
fn damaged(dice: &mut Dice, search: &mut [String], replace: &mut [String]) -> String {
    let at = dice.roll(search.len());
    match dice.roll(8) {
        0 => search[at].push_str("  \t"),
        1 => search[at] = search[at].to_uppercase(),
        2 => search[at] = search[at].replacen('e', "3", 1),
        3 => search[at] = search[at].replace(' ', "\u{a0}"),
        4 => search[at] = format!("{at} | {}", search[at]),
        5 => {
            for line in search.iter_mut().chain(replace.iter_mut()).filter(|line| !line.trim().is_empty()) {
                line.insert_str(0, "    ");
            }
        }
        6 => search[at] = "...".to_owned(),
        _ => search[at] = search[at].replace('"', "\u{201d}"),
    }
    let answer = written(search, replace);
    match dice.roll(8) {
        0 => answer.replacen("<<<<<<< SEARCH\n", "", 1),
        1 => answer.replacen(">>>>>>> REPLACE\n", "", 1),
        2 => answer.replacen("=======\n", "", 1),
        3 => format!("Here you go:\n```\n{answer}```\nDone."),
        4 => format!("<think>\n{answer}</think>\n{answer}"),
        5 => format!("{answer}{answer}"),
        6 => answer.replace('\n', "\r\n"),
        _ => answer,
    }
}

#[test]
fn a_damaged_answer_is_the_right_edit_or_refused() {
    let (mut edits, mut refusals, started) = (0, 0, Instant::now());
    for seed in 0..runs() * 2 {
        let mut dice = Dice::new(seed ^ 0xDA_3A6E);
        let scene = Scene::new(&mut dice);
        let (mut search, mut replace) = scene.block(&mut dice);
        let answer = damaged(&mut dice, &mut search, &mut replace);
        match made(&scene.task(), Reply::complete(&answer), Format::Blocks) {
            Ok(text) => {
                assert_eq!(plain(&text), plain(&scene.after()), "seed {seed}\n{answer}\nfor\n{}", scene.before());
                edits += 1;
            }
            Err(_) => refusals += 1,
        }
    }
    assert!(edits > runs() / 4 && refusals > runs() / 4, "{edits} edits, {refusals} refusals");
    record("damaged answers", started, &format!("{edits} right edits, {refusals} refusals"));
}

/// Without blanks at the ends of lines: a line that stays keeps those of the file.
fn plain(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_answer_cut_anywhere_is_the_right_edit_or_refused() {
    let (mut edits, mut refusals, started) = (0, 0, Instant::now());
    for seed in 0..runs() {
        let mut dice = Dice::new(seed ^ 0xC07);
        let scene = Scene::new(&mut dice);
        let (search, replace) = scene.block(&mut dice);
        let whole = format!("Sure:\n{}Done.", written(&search, &replace));
        let mut end = dice.roll(whole.len());
        while !whole.is_char_boundary(end) {
            end -= 1;
        }
        let cut = &whole[..end];
        assert!(made(&scene.task(), Reply { text: cut, complete: false }, Format::Blocks).is_err(), "seed {seed}");
        match made(&scene.task(), Reply::complete(cut), Format::Blocks) {
            Ok(text) => {
                assert_eq!(plain(&text), plain(&scene.after()), "seed {seed}\n{cut}");
                edits += 1;
            }
            Err(_) => refusals += 1,
        }
    }
    record("cut answers", started, &format!("{edits} right edits, {refusals} refusals"));
}

#[test]
fn no_answer_makes_it_panic() {
    const WORDS: [&str; 34] = [
        "<<<<<<< SEARCH",
        "=======",
        ">>>>>>> REPLACE",
        "```",
        "```python",
        "~~~",
        "'''py",
        "--- a/notes.txt",
        "+++ b/notes.txt",
        "@@",
        "@@ -1,2 +1,2 @@",
        "*** Begin Patch",
        "*** Update File: notes.txt",
        "*** Add File: x.py",
        "DELETE FILE: notes.txt",
        "RENAME FILE: a -> b",
        "RENAME FILE: ->",
        "<think>",
        "</think>",
        "[THINK]",
        "{\"code\": \"x\"}",
        "{\"search\": \"\", \"replace\": \"y\"}",
        "notes.txt",
        "../../x",
        "/dev/null",
        "\u{feff}",
        "\u{0}",
        "\\ No newline",
        "+",
        "-",
        " ",
        "👩\u{200d}👧",
        "e\u{301}",
        "12 | x",
    ];
    let (mut proposals, mut refusals, started) = (0, 0, Instant::now());
    for seed in 0..runs() * 4 {
        let mut dice = Dice::new(seed ^ 0x9A41C);
        let scene = Scene::new(&mut dice);
        let mut answer = String::new();
        for _ in 0..dice.roll(30) {
            let piece = match dice.roll(3) {
                0 => (*dice.pick(&LINES)).to_owned(),
                1 => scene.lines[dice.roll(scene.lines.len())].clone(),
                _ => (*dice.pick(&WORDS)).to_owned(),
            };
            answer.push_str(&piece);
            let ending: &&str = dice.pick(&["\n", "\n", "\n", "", "\r\n", "\r"]);
            answer.push_str(ending);
        }
        let task = if dice.roll(2) == 0 { scene.task() } else { scene.task().with_files(Vec::new()) };
        let reply = Reply { text: &answer, complete: dice.roll(4) > 0 };
        for format in [Format::Rewrite, Format::Blocks, Format::Whole] {
            // What comes out was read back by the engine; here it is only that something comes out.
            match read_edit(reply, &task, format) {
                Ok(proposal) => {
                    assert!(!proposal.changes.is_empty(), "seed {seed}");
                    proposals += 1;
                }
                Err(refusal) => {
                    assert_ne!(refusal.kind(), "not-read-back", "seed {seed}\n{answer}");
                    refusals += 1;
                }
            }
        }
    }
    record("answers of any kind", started, &format!("{proposals} proposals, {refusals} refusals"));
}

#[test]
fn the_largest_texts_take_bounded_time() {
    let of = |text: &str, selection: Range<usize>| {
        let document = Document::new("file:///notes.txt", "plaintext", 3, text);
        EditTask::new(document, selection, EditAction::Edit, None).expect("small")
    };
    let check = |name: &str, task: &EditTask, answer: &str, format: Format| {
        let start = Instant::now();
        let outcome = read_edit(Reply::complete(answer), task, format);
        let took = start.elapsed();
        println!("{name}: {} in {took:?}", outcome.err().map_or("edit", |refusal| refusal.kind()));
        assert!(took < PATIENCE, "{name} took {took:?}");
    };
    let same = "x\n".repeat(500_000);
    let searched: Vec<String> = vec!["x".into(); 50_000];
    check("one line for ever", &of(&same, 0..2), &written(&searched, &["y".into()]), Format::Blocks);
    let almost = [searched.clone(), vec!["z".into()]].concat();
    check("almost there, everywhere", &of(&same, 0..2), &written(&almost, &["y".into()]), Format::Blocks);
    let different: String = (0..20_000).map(|at| format!("line {at} of many\n")).collect();
    let blocks: String =
        (0..199).map(|at| written(&[format!("line {} of many", at * 100)], &[format!("other {at}")])).collect();
    check("many blocks", &of(&different, 0..10), &blocks, Format::Blocks);
    let old: String = (0..6_000).map(|at| format!("old{at}\n")).collect();
    let new: Vec<String> = (0..24_000).map(|at| format!("new{at}")).collect();
    check("nothing in common", &of(&old, 0..old.len()), &fenced(&new), Format::Rewrite);
    let ones = "a\n".repeat(8_000);
    let twos: Vec<String> = (0..16_000).map(|at| if at % 2 == 0 { "a" } else { "b" }.to_owned()).collect();
    check("every other line", &of(&ones, 0..ones.len()), &fenced(&twos), Format::Rewrite);
    check("nested fences", &of("a\n", 0..2), &"```a\n```b\n".repeat(12_000), Format::Rewrite);
    check("nested reasoning", &of("a\n", 0..2), &"<think>\n".repeat(30_000), Format::Rewrite);
    check("closed reasoning", &of("a\n", 0..2), &"<think></think>\n".repeat(15_000), Format::Rewrite);
    check("json", &of("a\n", 0..2), &"[".repeat(200_000), Format::Rewrite);
    check(
        "one long line",
        &of(&format!("t\n{}", "a b ".repeat(900_000)), 0..1),
        &written(&["a b".repeat(80_000)], &[]),
        Format::Blocks,
    );
}
