//! Finds the code in a model's answer. Refuses: chatter around it.

/// `text` as a fenced block. The fence is longer than any run of backticks inside, so that the text cannot end it.
pub fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}", text.trim_end_matches(['\n', '\r']))
}

/// The code of an answer: its longest fenced block, an unclosed one included, else the whole answer when it has no
/// fence at all. `None` when nothing is left.
pub fn code_block(answer: &str) -> Option<String> {
    let mut best: Option<String> = None;
    let mut open: Option<(usize, String)> = None;
    let mut fences = 0;
    for line in answer.split_inclusive('\n') {
        let ticks = line.trim_start().bytes().take_while(|byte| *byte == b'`').count();
        match &mut open {
            None if ticks >= 3 => {
                fences += 1;
                open = Some((ticks, String::new()));
            }
            Some((opened, code)) if ticks >= *opened && line.trim().bytes().all(|byte| byte == b'`') => {
                let code = std::mem::take(code);
                open = None;
                keep_longer(&mut best, code);
            }
            Some((_, code)) => code.push_str(line),
            None => {}
        }
    }
    if let Some((_, code)) = open {
        keep_longer(&mut best, code);
    }
    if fences == 0 {
        best = Some(answer.trim_matches('\n').to_owned());
    }
    best.filter(|code| !code.trim().is_empty())
}

fn keep_longer(best: &mut Option<String>, code: String) {
    if best.as_ref().is_none_or(|kept| kept.len() < code.len()) {
        *best = Some(code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_found_among_chatter() {
        for (answer, expected) in [
            ("Sure!\n```python\nx = 1\n```\nDone.", Some("x = 1\n")),
            ("```\na\n```\n```rs\nlonger()\n```", Some("longer()\n")),
            ("```py\nnever closed\n", Some("never closed\n")),
            ("````md\n```\ninner\n```\n````", Some("```\ninner\n```\n")),
            ("x = 1\n", Some("x = 1")),
            ("```\n\n```", None),
            ("  \n", None),
        ] {
            assert_eq!(code_block(answer).as_deref(), expected, "{answer:?}");
        }
    }
}
