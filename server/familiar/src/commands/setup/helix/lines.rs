//! Text put into a TOML file and taken out again, with every byte around it kept. Refuses: writing TOML anew; the layout
//! and the comments of a configuration are its user's.

use toml::de::{DeTable, DeValue};

/// What our block of lines begins with.
const BEGIN: &str = "# >>> familiar setup: these lines go with `familiar setup helix --undo` >>>";
/// What it ends with.
const END: &str = "# <<< familiar setup <<<";
/// Said in the block of a file whose last line was not ended.
const UNENDED: &str = "# The line above was not ended.";

/// A parsed file, for its places.
pub(super) fn parse(text: &str) -> Result<DeTable<'_>, String> {
    DeTable::parse(text).map(|table| table.into_inner()).map_err(|error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        format!("{line}{}", error.message())
    })
}

/// A key of a table.
pub(super) fn get<'t, 'i>(table: &'t DeTable<'i>, key: &str) -> Option<&'t toml::Spanned<DeValue<'i>>> {
    table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
}

/// `text` with a block of `body` in front of the byte at `at`, or at its end.
pub(super) fn with_block(text: &str, at: Option<usize>, body: &str) -> String {
    let ending = line_ending(text);
    let block = |unended: &str| format!("{BEGIN}\n{unended}{}\n{END}\n", body.trim_end()).replace('\n', ending);
    match at {
        Some(at) => format!("{}{}{ending}{}", &text[..at], block(""), &text[at..]),
        None if text.is_empty() || text.ends_with('\n') => format!("{text}{}", block("")),
        None => format!("{text}{ending}{}", block(&format!("{UNENDED}\n"))),
    }
}

/// `text` without our blocks, and what stood in them.
pub(super) fn without_block(text: &str) -> (String, String) {
    let (mut rest, mut ours) = (String::with_capacity(text.len()), String::new());
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        if line.trim_end() != BEGIN {
            rest.push_str(line);
            continue;
        }
        let mut body = String::new();
        let mut closed = false;
        for line in lines.by_ref() {
            if line.trim_end() == END {
                closed = true;
                break;
            }
            body.push_str(line);
        }
        if !closed {
            // Somebody took the end away: nobody knows what is ours.
            rest.push_str(line);
            rest.push_str(&body);
            continue;
        }
        if lines.peek().is_some_and(|line| line.trim().is_empty()) {
            lines.next();
        }
        if body.lines().next().is_some_and(|line| line.trim_end() == UNENDED) {
            let broken = if rest.ends_with("\r\n") { 2 } else { 1 };
            rest.truncate(rest.len().saturating_sub(broken));
        }
        ours.push_str(&body);
    }
    (rest, ours)
}

/// What ends the lines of a text.
pub(super) fn line_ending(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// `text` with pieces put in at places of it.
pub(super) fn spliced(text: &str, mut pieces: Vec<(usize, String)>) -> String {
    pieces.sort_by_key(|(at, _)| *at);
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, piece) in pieces {
        out.push_str(&text[from..at]);
        out.push_str(&piece);
        from = at;
    }
    out.push_str(&text[from..]);
    out
}

/// A basic string, which JSON quotes in the same way.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
