//! Reads a recording. Refuses: directives it does not know, lines that are not there, and more than its bounds.

use std::collections::BTreeSet;

use super::{BadRecord, Base, Case, Expected, Form, Lines, Recorded};
use crate::edit::limits::{RECORDED_BYTES_MAX, RECORDED_CASES_MAX};

/// What may be said of a base.
const FLAGS: [&str; 4] = ["crlf", "no-eol", "bom", "escapes"];

/// A directive with its words and the text below it.
struct Section<'a> {
    line: usize,
    name: &'a str,
    words: &'a str,
    text: String,
}

impl Section<'_> {
    fn bad(&self, reason: impl Into<String>) -> BadRecord {
        BadRecord { line: self.line, reason: reason.into() }
    }

    /// Its text without the blank lines that part it from the next directive.
    fn body(&self) -> String {
        let text = self.text.trim_end_matches('\n');
        if text.is_empty() { String::new() } else { format!("{text}\n") }
    }
}

impl Recorded {
    /// Reads what a file records.
    ///
    /// # Errors
    /// [`BadRecord`] for the first line that means nothing.
    pub fn parse(source: &str) -> Result<Self, BadRecord> {
        if source.len() > RECORDED_BYTES_MAX {
            return Err(BadRecord { line: 1, reason: format!("more than {RECORDED_BYTES_MAX} bytes of it") });
        }
        let mut recorded = Self::default();
        for section in sections(source)? {
            match (section.name, recorded.cases.last_mut()) {
                ("base", _) => recorded.add_base(&section)?,
                ("case", _) => {
                    let (title, line) = (section.words.to_owned(), section.line);
                    recorded.cases.push(Case { title, line, ..Case::default() });
                }
                (_, Some(case)) => case.read(&section)?,
                (_, None) => return Err(section.bad("a case has to begin before its parts")),
            }
            if recorded.cases.len() > RECORDED_CASES_MAX {
                return Err(section.bad(format!("more than {RECORDED_CASES_MAX} cases")));
            }
        }
        recorded.check()?;
        Ok(recorded)
    }

    fn add_base(&mut self, section: &Section<'_>) -> Result<(), BadRecord> {
        let mut words = section.words.split_whitespace().map(str::to_owned);
        let (Some(name), Some(path)) = (words.next(), words.next()) else {
            return Err(section.bad("a base needs a name and a path"));
        };
        let flags: BTreeSet<String> = words.collect();
        if let Some(unknown) = flags.iter().find(|flag| !FLAGS.contains(&flag.as_str())) {
            return Err(section.bad(format!("a base cannot be `{unknown}`")));
        }
        let escapes = flags.contains("escapes");
        let text = if escapes { unescaped(&section.body()) } else { Ok(section.body()) };
        let text = text.map_err(|reason| section.bad(reason))?;
        match self.bases.insert(name, Base { path, text, flags }) {
            None => Ok(()),
            Some(_) => Err(section.bad("this base is there already")),
        }
    }

    /// What can only be told when all is read: names and lines.
    fn check(&self) -> Result<(), BadRecord> {
        for case in &self.cases {
            let bad = |reason: String| BadRecord { line: case.line, reason };
            let base = self.bases.get(&case.base).ok_or_else(|| bad("the case is on no base".to_owned()))?;
            if case.expected.is_empty() {
                return Err(bad("the case expects nothing".to_owned()));
            }
            if case.lines.is_some_and(|lines| !base.has(lines)) {
                return Err(bad(format!("{} has no such lines", base.path)));
            }
            if let Some(name) = case.with.iter().flatten().find(|name| !self.bases.contains_key(*name)) {
                return Err(bad(format!("there is no base `{name}`")));
            }
            for expected in &case.expected {
                let Expected::Gives { path, lines, .. } = expected else { continue };
                let named = path.as_ref().map(|path| self.bases.values().find(|base| base.path == *path));
                let base =
                    named.unwrap_or(Some(base)).ok_or_else(|| bad("it gives no file of a base".to_owned()))?;
                if lines.is_some_and(|lines| !base.has(lines)) {
                    return Err(bad(format!("{} has no such lines", base.path)));
                }
            }
        }
        Ok(())
    }
}

impl Case {
    fn read(&mut self, section: &Section<'_>) -> Result<(), BadRecord> {
        let words = section.words;
        match section.name {
            "on" => {
                let (base, lines) = words.split_once(' ').unwrap_or((words, ""));
                self.base = base.to_owned();
                self.lines = lines_of(lines);
                if self.lines.is_none() && !lines.is_empty() {
                    return Err(section.bad("lines are written FIRST-LAST"));
                }
            }
            "with" => {
                let names = words.split_whitespace().filter(|name| *name != "-");
                self.with = Some(names.map(str::to_owned).collect());
            }
            "as" => {
                let named = Form::ALL.into_iter().find(|(_, name)| *name == words);
                self.form = named.ok_or_else(|| section.bad(format!("there is no form `{words}`")))?.0;
            }
            "say" => self.say = Some(words.to_owned()),
            "cut" => self.cut = true,
            "escapes" => self.escapes = true,
            "answer" => self.answer = self.meant(section, section.text.clone())?,
            "gives" => {
                let (mut path, mut lines) = (None, None);
                for word in words.split_whitespace() {
                    match lines_of(word) {
                        Some(found) => lines = Some(found),
                        None => path = Some(word.to_owned()),
                    }
                }
                let text = self.meant(section, section.body())?;
                self.expected.push(Expected::Gives { path, lines, text });
            }
            "creates" => {
                let text = self.meant(section, section.body())?;
                self.expected.push(Expected::Creates { path: words.to_owned(), text });
            }
            "deletes" | "renames" | "refuses" => {
                self.expected.push(Expected::Head(format!("{} {words}", section.name)));
            }
            other => return Err(section.bad(format!("there is no directive `{other}`"))),
        }
        Ok(())
    }

    fn meant(&self, section: &Section<'_>, text: String) -> Result<String, BadRecord> {
        if self.escapes { unescaped(&text).map_err(|reason| section.bad(reason)) } else { Ok(text) }
    }
}

fn sections(source: &str) -> Result<Vec<Section<'_>>, BadRecord> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for (at, line) in source.lines().enumerate() {
        if let Some(directive) = line.strip_prefix("%% ") {
            let (name, words) = directive.split_once(' ').unwrap_or((directive, ""));
            sections.push(Section { line: at + 1, name, words: words.trim(), text: String::new() });
        } else if let Some(last) = sections.last_mut() {
            last.text.push_str(line);
            last.text.push('\n');
        } else if !line.trim().is_empty() {
            return Err(BadRecord { line: at + 1, reason: "it begins with no directive".to_owned() });
        }
    }
    Ok(sections)
}

fn lines_of(words: &str) -> Option<Lines> {
    let (first, last) = words.split_once('-')?;
    let number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten();
    Some((number(first)?, number(last)?))
}

fn unescaped(text: &str) -> Result<String, &'static str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let code = after.chars().next().ok_or("a backslash stands at the end")?;
        rest = after.get(code.len_utf8()..).unwrap_or_default();
        match code {
            't' => out.push('\t'),
            'r' => out.push('\r'),
            's' => out.push(' '),
            '\\' => out.push('\\'),
            'u' => {
                let number = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
                let (number, tail) = number.ok_or("a number is written \\u{...}")?;
                let character = u32::from_str_radix(number, 16).ok().and_then(char::from_u32);
                out.push(character.ok_or("no character has this number")?);
                rest = tail;
            }
            _ => return Err("there is no such escape"),
        }
    }
    Ok(out + rest)
}
