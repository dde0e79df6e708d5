//! What a terminal shows. Refuses: control characters, direction marks and invisible tags in text that a model or a
//! workspace wrote; they are shown, never obeyed.

use std::io::{self, IsTerminal, Write};

/// Colours of one stream: used on a terminal, unless `NO_COLOR` is set or the terminal is dumb.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    colour: bool,
}

impl Style {
    /// The style of standard output.
    pub(crate) fn of_output() -> Self {
        Self { colour: io::stdout().is_terminal() && colours_wanted() }
    }

    /// A style without colours.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { colour: false }
    }

    /// Whether colours are used.
    pub(crate) fn has_colour(self) -> bool {
        self.colour
    }

    /// `text` as a heading.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// `text` as less important.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// `text` as good news.
    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// `text` as bad news.
    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Writes `text` to standard output at once.
///
/// # Errors
/// When nobody reads it any more.
pub(crate) fn output(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// Writes a line to standard error. Nobody can be told when that fails.
pub(crate) fn complain(line: &str) {
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// A line on the terminal that is overwritten by the next one, on standard error. Without a terminal it says nothing.
pub(crate) struct ProgressLine {
    terminal: bool,
    shown: bool,
}

impl ProgressLine {
    /// A line that is not shown yet.
    pub(crate) fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), shown: false }
    }

    /// Whether anybody sees it.
    pub(crate) fn is_seen(&self) -> bool {
        self.terminal
    }

    /// Shows `text` in place of what stood there.
    pub(crate) fn show(&mut self, text: &str) {
        if self.terminal {
            self.shown = true;
            let _ = io::stderr().lock().write_all(format!("\r\x1b[2K{}", one_line(text)).as_bytes());
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        if self.shown {
            self.shown = false;
            let _ = io::stderr().lock().write_all(b"\r\x1b[2K");
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}

/// `text` with every character that a terminal might obey written out. Newlines and tabs stay.
pub(crate) fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\n' | '\t' => shown.push(c),
            '\r' if characters.peek() == Some(&'\n') => {}
            c if !is_obeyed(c) => shown.push(c),
            c if u32::from(c) < 0x100 => shown.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => shown.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        }
    }
    shown
}

/// The name of a file, or a path: line breaks and tabs in it are written out as well, and no blank is lost.
pub(crate) fn name(text: &str) -> String {
    let parts = text.split('\r').map(|part| escape(part).replace('\n', "\\x0a").replace('\t', "\\x09"));
    parts.collect::<Vec<_>>().join("\\x0d")
}

/// `text` on one line.
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    escape(&words.join(" "))
}

/// `value` as JSON that is safe to look at: what a terminal might obey is written as `\u....`, which means the same.
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    harmless(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// The same on one line.
pub(crate) fn json_line(value: &impl serde::Serialize) -> String {
    harmless(&serde_json::to_string(value).unwrap_or_default())
}

fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if c != '\n' && is_obeyed(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(c);
        }
    }
    shown.push('\n');
    shown
}

/// A count of bytes in the customary units.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    for (unit, size) in UNITS {
        if count >= size {
            return format!("{:.1} {unit}", count as f64 / size as f64);
        }
    }
    format!("{count} B")
}

fn colours_wanted() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Control characters, direction marks, line and paragraph separators, and the invisible tag characters.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_obeys_gets_through() {
        for (text, shown) in [
            (
                "plain \u{e9}\u{4e2d}\u{1f469}\u{200d}\u{1f4bb}\n\ttext",
                "plain \u{e9}\u{4e2d}\u{1f469}\u{200d}\u{1f4bb}\n\ttext",
            ),
            ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
            ("\u{9b}31m", "\\x9b31m"),
            ("over\rwrite\r\n", "over\\x0dwrite\n"),
            ("a\u{202e}b\u{2066}c\u{e0041}", "a\\u{202e}b\\u{2066}c\\u{e0041}"),
            ("del\x7f nul\0", "del\\x7f nul\\x00"),
        ] {
            assert_eq!(escape(text), shown);
        }
    }

    #[test]
    fn names_are_shown_as_they_are() {
        assert_eq!(name("a  b\nc\td\r\n\x1b.py"), "a  b\\x0ac\\x09d\\x0d\\x0a\\x1b.py");
    }

    #[test]
    fn json_is_safe_to_look_at_and_means_the_same() {
        let value = serde_json::json!({ "text": "\u{9b}31m \u{202e} \u{e0041} \x1b \u{e9}" });
        let shown = json(&value);
        assert!(shown.chars().all(|c| c == '\n' || !is_obeyed(c)), "{shown}");
        let read: serde_json::Value = serde_json::from_str(&shown).expect("it is JSON");
        assert_eq!(read, value);
    }

    #[test]
    fn bytes_are_readable() {
        for (count, text) in [(0, "0 B"), (999, "999 B"), (98_362_432, "98.4 MB"), (2_500_000_000, "2.5 GB")] {
            assert_eq!(bytes(count), text);
        }
    }
}
