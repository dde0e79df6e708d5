//! The name that people read beside a passage. Refuses: the name of a definition whose lines are not among those shown.

use std::ops::RangeInclusive;

use crate::Passage;

/// Kinds that name a value, not the code around it.
const VALUES: [&str; 4] = ["variable", "constant", "attribute", "field"];

/// The symbol of `part`, which is some of the lines of `whole`: that of the whole where it reaches into these lines, else
/// the first definition that begins in them, else the innermost one around them.
///
/// What is not parsed keeps its name, and so does the middle of one long definition, which shows no other.
pub(crate) fn symbol_of_part(whole: &Passage, part: &Passage) -> Option<String> {
    let Some(outline) = index::outline(&whole.path, &whole.text) else { return whole.symbol.clone() };
    // Lines of the outline count from the first line of the whole.
    let line = |number: u32| number.saturating_sub(whole.start_line).saturating_add(1);
    let shown: RangeInclusive<u32> = line(part.start_line)..=line(part.end_line);
    let reaching: Vec<_> = outline
        .symbols
        .iter()
        .filter(|symbol| symbol.start_line <= *shown.end() && symbol.end_line >= *shown.start())
        .collect();
    if outline.symbols.iter().all(|symbol| VALUES.contains(&symbol.kind)) {
        return whole.symbol.clone();
    }
    let own = whole.symbol.as_deref().and_then(|symbol| symbol.rsplit(['.', ':']).next());
    if own.is_some_and(|own| reaching.iter().any(|symbol| symbol.name == own)) {
        return whole.symbol.clone();
    }
    // Cut out of its function, a body's variable looks like one of the module.
    let code = || reaching.iter().filter(|symbol| !VALUES.contains(&symbol.kind));
    let begins = code().find(|symbol| shown.contains(&symbol.start_line));
    let around = code().max_by_key(|symbol| symbol.start_line);
    begins.or(around).map(|symbol| symbol.qualified.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Origin;

    fn lines(of: &Passage, start_line: u32, end_line: u32) -> Passage {
        let from = (start_line - of.start_line) as usize;
        let count = (end_line - start_line + 1) as usize;
        let text = of.text.split_inclusive('\n').skip(from).take(count).collect();
        Passage { start_line, end_line, text, ..of.clone() }
    }

    #[test]
    fn the_label_belongs_to_the_lines() {
        let text = "def first():\n    a = 1\n    b = 2\n    return a + b\n\n\ndef last():\n    return 3\n";
        let whole = Passage {
            path: "a.py".into(),
            start_line: 11,
            end_line: 18,
            symbol: Some("shop.last".into()),
            text: text.into(),
            reason: String::new(),
            origin: Origin::Search,
        };
        for (start, end, expected) in [
            (11, 18, Some("shop.last")),
            (17, 18, Some("shop.last")),
            (11, 14, Some("first")),
            (12, 13, Some("first")),
            (15, 16, None),
        ] {
            let part = lines(&whole, start, end);
            assert_eq!(symbol_of_part(&whole, &part).as_deref(), expected, "{start}-{end}: {}", part.text);
        }
        let prose = Passage { path: "a.md".into(), symbol: Some("Title".into()), ..whole.clone() };
        assert_eq!(symbol_of_part(&prose, &lines(&prose, 12, 13)).as_deref(), Some("Title"));
        let middle = Passage { text: "    a = 1\n    b = 2\n    c = 3\n".into(), end_line: 13, ..whole };
        assert_eq!(symbol_of_part(&middle, &lines(&middle, 12, 13)).as_deref(), Some("shop.last"));
    }
}
