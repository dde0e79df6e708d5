//! Code as it is shown in prompts and documents. Refuses: a fence that the code inside could end.

/// `text` as a fenced block. The fence is longer than any run of backticks inside, so that the text cannot end it.
pub fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}", text.trim_end_matches(['\n', '\r']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_cannot_end_its_fence() {
        for (text, expected) in [("a\n", "```x\na\n```"), ("````\nb\n````", "`````x\n````\nb\n````\n`````")] {
            assert_eq!(fenced("x", text), expected);
        }
    }
}
