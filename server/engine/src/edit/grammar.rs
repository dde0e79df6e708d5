//! The lines of a file as a grammar, so that a local model cannot search for lines that are not there.
//!
//! Refuses: files too long for a sampler; there a model searches unaided, and is told when it fails. Nothing here runs a
//! grammar: it is a text in llama.cpp's form, for whoever samples.

use super::limits::GRAMMAR_LINES_MAX;

/// A grammar for an answer of search and replace blocks whose search part is always a run of lines of `file`; `None` for
/// a file without lines, or with more than [`GRAMMAR_LINES_MAX`].
///
/// Its size is in proportion to the file: each line is a rule that may go on to the next line, and a search may begin at
/// any line that is not blank.
#[must_use]
pub fn search_grammar(file: &str) -> Option<String> {
    let lines: Vec<&str> = file.lines().collect();
    if lines.len() > GRAMMAR_LINES_MAX || lines.iter().all(|line| line.trim().is_empty()) {
        return None;
    }
    let begins = lines.iter().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let search: Vec<String> = begins.map(|(at, _)| format!("l{at}")).collect();
    let mut grammar = String::from(
        "root ::= block+\n\
         block ::= \"<<<<<<< SEARCH\\n\" search \"=======\\n\" line* \">>>>>>> REPLACE\\n\"\n\
         line ::= [^>\\n] [^\\n]* \"\\n\" | \"\\n\"\n",
    );
    grammar.push_str(&format!("search ::= {}\n", search.join(" | ")));
    for (at, line) in lines.iter().enumerate() {
        let next = if at + 1 < lines.len() { format!(" l{}?", at + 1) } else { String::new() };
        grammar.push_str(&format!("l{at} ::= \"{}\\n\"{next}\n", escaped(line)));
    }
    Some(grammar)
}

/// The lines that a search may hold, each once and in order; blank ones are left out.
#[must_use]
pub fn search_lines(file: &str) -> Vec<&str> {
    let mut seen = std::collections::HashSet::new();
    file.lines().filter(|line| !line.trim().is_empty() && seen.insert(*line)).take(GRAMMAR_LINES_MAX).collect()
}

fn escaped(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\x{:02X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_search_is_a_run_of_lines() {
        expect![[r#"
            root ::= block+
            block ::= "<<<<<<< SEARCH\n" search "=======\n" line* ">>>>>>> REPLACE\n"
            line ::= [^>\n] [^\n]* "\n" | "\n"
            search ::= l0 | l2
            l0 ::= "say \"é\\\"\n" l1?
            l1 ::= "\n" l2?
            l2 ::= "\tend\n"
        "#]]
        .assert_eq(&search_grammar("say \"é\\\"\n\n\tend\n").expect("short"));
        assert_eq!(search_grammar("\n \n"), None);
        assert_eq!(search_grammar(&"x\n".repeat(GRAMMAR_LINES_MAX + 1)), None);
        assert_eq!(search_lines("a\n\nb\na\n"), ["a", "b"]);
    }
}
