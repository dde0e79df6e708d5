//! What the layout of a text means in languages where grammars forgive it: blocks by indentation, keys by depth.
//!
//! Refuses: more than telling whether a text was in order and no longer is. It reads Python and YAML as far as that.

use std::collections::HashSet;

use super::Refusal;

/// Whether how deep a line is set in says what it belongs to.
pub(crate) fn is_meaning(language: &str) -> bool {
    matches!(language, "python" | "yaml" | "haskell")
}

/// Refuses a text in `language` whose layout is out of order where that of `base` was not.
pub(crate) fn check(language: &str, base: &str, new: &str) -> Result<(), Refusal> {
    match language {
        "python" if !is_laid_out(new) && is_laid_out(base) => Err(Refusal::Syntax { before: 0, after: 1 }),
        "yaml" => match repeated_key(new).filter(|_| repeated_key(base).is_none()) {
            Some(name) => Err(Refusal::Duplicate { name }),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Whether each line of Python is set in as Python wants it: deeper after a colon, else as deep as a block around it.
fn is_laid_out(text: &str) -> bool {
    let mut reader = Reader::default();
    let mut blocks = vec![0_usize];
    let mut opened = false;
    for line in text.lines() {
        let starts = reader.is_at_start();
        let ends_with_colon = reader.read(line);
        let code = line.trim();
        if !starts || code.is_empty() || code.starts_with('#') {
            // A statement over several lines ends where its last one does.
            opened = if starts { opened } else { ends_with_colon };
            continue;
        }
        // As Python does: a tab goes to the next column that is a multiple of eight.
        let blanks = line.bytes().take_while(|byte| matches!(byte, b' ' | b'\t'));
        let depth = blanks.fold(0, |at, byte| if byte == b'\t' { at / 8 * 8 + 8 } else { at + 1 });
        let around = blocks.last().copied().unwrap_or(0);
        if opened != (depth > around) {
            return false;
        }
        if opened {
            blocks.push(depth);
        } else {
            while blocks.last().is_some_and(|block| *block > depth) {
                blocks.pop();
            }
            if blocks.last() != Some(&depth) {
                return false;
            }
        }
        opened = ends_with_colon;
    }
    !opened
}

/// Where in a Python text the next line begins.
#[derive(Default)]
struct Reader {
    brackets: usize,
    quote: Option<&'static str>,
    continued: bool,
}

impl Reader {
    /// Whether the next line begins a statement.
    fn is_at_start(&self) -> bool {
        self.brackets == 0 && self.quote.is_none() && !self.continued
    }

    /// Reads a line, and says whether a statement ends with it in a colon.
    fn read(&mut self, line: &str) -> bool {
        let mut rest = line;
        let mut last = ' ';
        self.continued = false;
        while let Some(c) = rest.chars().next() {
            let mut step = c.len_utf8();
            if c == '\\' {
                self.continued = rest.len() == 1 && self.quote.is_none();
                step += rest[1..].chars().next().map_or(0, char::len_utf8);
            } else if let Some(quote) = self.quote {
                if rest.starts_with(quote) {
                    self.quote = None;
                    step = quote.len();
                }
            } else if let Some(quote) =
                ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| rest.starts_with(quote))
            {
                self.quote = Some(quote);
                step = quote.len();
            } else {
                match c {
                    '#' => break,
                    '(' | '[' | '{' => self.brackets += 1,
                    ')' | ']' | '}' => self.brackets = self.brackets.saturating_sub(1),
                    _ => {}
                }
            }
            if !c.is_whitespace() {
                last = if self.quote.is_some() { '"' } else { c };
            }
            rest = &rest[step..];
        }
        // A short string does not go on over the end of its line.
        if self.quote.is_some_and(|quote| quote.len() == 1) && !line.ends_with('\\') {
            self.quote = None;
        }
        last == ':' && self.is_at_start()
    }
}

/// A key that stands twice in one mapping, told by indentation. Texts in block form are read over.
fn repeated_key(text: &str) -> Option<String> {
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut seen: HashSet<String> = HashSet::new();
    let mut text_deeper_than: Option<usize> = None;
    for (at, line) in text.lines().enumerate() {
        let depth = line.len() - line.trim_start_matches(' ').len();
        let code = line.trim();
        if code.is_empty() || code.starts_with('#') || text_deeper_than.is_some_and(|limit| depth > limit) {
            continue;
        }
        text_deeper_than = None;
        if code == "---" {
            path.clear();
            seen.clear();
            continue;
        }
        // An item of a list begins a mapping of its own, set in by its dash.
        let inner = code.trim_start_matches("- ");
        let own_depth = depth + code.len() - inner.len();
        let is_item = own_depth > depth || code == "-";
        path.retain(|(other, _)| *other < depth || (!is_item && *other < own_depth));
        if is_item {
            path.push((depth, format!("item {at}")));
        }
        let Some((key, value)) = inner.split_once(':') else { continue };
        let plain =
            !key.contains(['"', '\'', '{', '[', '#', '&', '*']) && (value.is_empty() || value.starts_with(' '));
        if !plain || key == "<<" {
            continue;
        }
        path.retain(|(other, name)| *other < own_depth || name.starts_with("item "));
        path.push((own_depth, key.to_owned()));
        let whole: Vec<&str> = path.iter().map(|(_, name)| name.as_str()).collect();
        if !seen.insert(whole.join("\n")) {
            return Some(key.to_owned());
        }
        if value.trim().starts_with(['|', '>']) {
            text_deeper_than = Some(own_depth);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_is_set_in_or_not() {
        for (text, expected) in [
            ("def f():\n    return 1\n\n\nx = 2\n", true),
            ("def f():\nreturn 1\n", false),
            ("a = 1\n    b = 2\n", false),
            ("if a:\n    b\n  c\n", false),
            ("if a:\n    b\n", true),
            ("if a:  # why: because\n    b\nelse: c\nd\n", true),
            ("def f(\n    a,\n):\n    '''x:\ny\n'''\n    return {\n1: 2}\n", true),
            ("x = 'a:'\ny = \"it's:\"\n", true),
            ("x = 1 + \\\n        2\ny\n", true),
            ("while (a and\n       b):\n\tc\n", true),
            ("class A:\n    # only this\n", false),
            ("s = f\"{a:\"\nb\n", true),
            ("x: int\nlambda: 0\n", true),
        ] {
            assert_eq!(is_laid_out(text), expected, "{text:?}");
        }
    }

    #[test]
    fn keys_are_counted_where_they_stand() {
        for (text, expected) in [
            ("a:\n  b: 1\nc:\n  b: 2\n", None),
            ("a:\n  b: 1\n  b: 2\n", Some("b")),
            ("a: 1\nb: 2\na: 3\n", Some("a")),
            ("- a: 1\n  b: 1\n- a: 2\n  b: 2\n", None),
            ("- a: 1\n  a: 2\n", Some("a")),
            ("l:\n- a: 1\n- a: 2\nm: 1\n", None),
            ("l:\n  - a\n  - b\nm:\n  - a\n", None),
            ("t: |\n  a: 1\n  a: 2\nu: 1\n", None),
            ("a: 1\n---\na: 2\n", None),
            ("u: http://x\nv: http://x\n", None),
            ("l:\n  - a: 1\n    x:\n      y: 1\n  - a: 1\n    x:\n      y: 1\n", None),
        ] {
            assert_eq!(repeated_key(text).as_deref(), expected, "{text:?}");
        }
    }
}
