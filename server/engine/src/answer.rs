//! Cleans a model's raw answer. Refuses: reasoning text in what the user or a file gets.

/// How models mark what they only think.
pub(crate) const REASONING_TAGS: [(&str, &str); 7] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("<thought>", "</thought>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|channel|>analysis", "<|channel|>final<|message|>"),
];
/// Reasoning blocks looked for before the code of one answer.
const BLOCKS_MAX: usize = 16;

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

/// The same for an answer whose code may hold such tags as text: only blocks that begin a line before the first fence
/// are removed, and what stands before an end whose beginning was in the prompt.
pub(crate) fn strip_leading_reasoning(answer: &str) -> String {
    let mut rest = answer.to_owned();
    for _ in 0..BLOCKS_MAX {
        let Some((start, open, close)) = first_block(&rest) else { break };
        let from = start + open.len();
        let end = rest.get(from..).and_then(|inner| inner.find(close)).map(|at| from + at + close.len());
        rest.replace_range(start..end.unwrap_or(rest.len()), "");
    }
    for (open, close) in REASONING_TAGS {
        if let Some(end) = orphan_end(&rest, close).filter(|end| !rest[..*end].contains(open)) {
            rest.replace_range(..end, "");
        }
    }
    rest.trim_matches('\n').to_owned()
}

/// The first block that begins a line outside code.
fn first_block(text: &str) -> Option<(usize, &'static str, &'static str)> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        if trimmed.starts_with("```") || trimmed.starts_with("<<<<<<<") {
            return None;
        }
        let start = at + line.len() - trimmed.len();
        if let Some((open, close)) = REASONING_TAGS.iter().find(|(open, _)| trimmed.starts_with(open)) {
            return Some((start, open, close));
        }
        at += line.len();
    }
    None
}

/// Where the last line that consists of an end, or of words and an end, stops being reasoning.
fn orphan_end(text: &str, close: &str) -> Option<usize> {
    let mut at = 0;
    let mut found = None;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let own = trimmed.starts_with(close)
            || trimmed.strip_suffix(close).is_some_and(|words| !words.ends_with(['"', '\'', '`', '(', '/']));
        if let Some(from) = line.find(close).filter(|_| own) {
            found = Some(at + from + close.len());
        }
        at += line.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_in_code_are_code() {
        for (raw, clean) in [
            ("<think>a ```b``` c</think>\n```\nx\n```", "```\nx\n```"),
            ("Now:\n<think>a</think>\n```\nx\n```", "Now:\n\n```\nx\n```"),
            ("hm ```\nbad\n```\n</think>\n```\nx\n```", "```\nx\n```"),
            ("```\nlet end = \"</think>\";\n```", "```\nlet end = \"</think>\";\n```"),
            ("```\n<think>\nx\n```", "```\n<think>\nx\n```"),
            ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>ok", "ok"),
            ("<think>never closed ```\nx\n```", ""),
        ] {
            assert_eq!(strip_leading_reasoning(raw), clean, "{raw:?}");
        }
    }

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
