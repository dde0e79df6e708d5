//! Cleans a model's raw answer. Refuses: reasoning text in what the user or a file gets.

const REASONING_TAGS: [(&str, &str); 3] =
    [("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<reasoning>", "</reasoning>")];

/// The answer without the model's reasoning blocks; an unclosed block reaches to the end.
pub fn strip_reasoning(answer: &str) -> String {
    let mut rest = answer.to_owned();
    for (open, close) in REASONING_TAGS {
        while let Some(start) = rest.find(open) {
            let end = rest[start..].find(close).map_or(rest.len(), |at| start + at + close.len());
            rest.replace_range(start..end, "");
        }
        // Some templates open the block in the prompt, so that only its end is seen.
        if let Some(at) = rest.find(close) {
            rest.replace_range(..at + close.len(), "");
        }
    }
    rest.trim_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_is_removed_wherever_it_stands() {
        for (raw, clean) in [
            ("plain", "plain"),
            ("<think>a\nb</think>\n\nanswer", "answer"),
            ("before <think>x</think>after", "before after"),
            ("hidden</think>\nshown", "shown"),
            ("<think>never closed", ""),
            ("<thinking>é</thinking>ok<think>2</think>", "ok"),
        ] {
            assert_eq!(strip_reasoning(raw), clean, "{raw:?}");
        }
    }
}
