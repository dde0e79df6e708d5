//! What a job does, in one line of a terminal. Refuses: steps of a part that nobody can compare.

use app::ImageJobEventKind;

/// Characters of the bar.
const BAR_CHARS: u32 = 24;

/// What to say about an event; nothing for what is printed in another way. `bar` says whether a bar is wanted.
pub(super) fn words(kind: &ImageJobEventKind, bar: bool) -> Option<String> {
    let words = kind.in_words()?;
    match kind {
        ImageJobEventKind::Step { done, all, .. } if bar => {
            let filled =
                (u64::from(BAR_CHARS) * u64::from(*done.min(all))).checked_div(u64::from(*all)).unwrap_or(0);
            Some(format!("[{:<width$}] {words}", "#".repeat(filled as usize), width = BAR_CHARS as usize))
        }
        _ => Some(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_a_bar_where_it_is_seen() {
        let step =
            |done, all| ImageJobEventKind::Step { done, all, place: None, remaining_ms: None, preview: None };
        for (kind, bar, expected) in [
            (step(5, 20), false, "step 5 of 20"),
            (step(10, 20), true, "[############            ] step 10 of 20"),
            (step(3, 0), true, "[                        ] step 3 of 0"),
            (ImageJobEventKind::Running, true, "beginning"),
        ] {
            assert_eq!(words(&kind, bar).as_deref(), Some(expected));
        }
    }
}
