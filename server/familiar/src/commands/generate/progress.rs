//! What a job does, in words for one line. Refuses: steps of a part that nobody can compare.

use std::time::Duration;

use app::ImageJobEventKind;

/// Characters of the bar.
const BAR_CHARS: u32 = 24;

/// What to say about an event; nothing for what is printed in another way. `bar` says whether a bar is wanted.
pub(super) fn words(kind: &ImageJobEventKind, bar: bool) -> Option<String> {
    Some(match kind {
        ImageJobEventKind::Queued { position: 0 | 1 } => "next in the queue".to_owned(),
        ImageJobEventKind::Queued { position } => {
            format!("{} first", app::counted(u64::from(position - 1), "other job"))
        }
        ImageJobEventKind::Running => "beginning".to_owned(),
        ImageJobEventKind::Held { notice } => notice.clone(),
        ImageJobEventKind::Loading { fraction } => {
            format!("loading the model, {:.0} %", f64::from(fraction.clamp(0.0, 1.0)) * 100.0)
        }
        ImageJobEventKind::Encoding => "reading the prompt".to_owned(),
        ImageJobEventKind::Step { done, all, remaining_ms, .. } => {
            let filled =
                (u64::from(BAR_CHARS) * u64::from(*done.min(all))).checked_div(u64::from(*all)).unwrap_or(0);
            let bar = if bar {
                format!("[{:<width$}] ", "#".repeat(filled as usize), width = BAR_CHARS as usize)
            } else {
                String::new()
            };
            let left = remaining_ms.map_or_else(String::new, |ms| format!(", {} left", span(ms)));
            format!("{bar}step {done} of {all}{left}")
        }
        ImageJobEventKind::Decoding => "making pixels".to_owned(),
        ImageJobEventKind::Saved { .. } | ImageJobEventKind::Ended { .. } => return None,
    })
}

/// A time of milliseconds as people say it.
fn span(ms: u64) -> String {
    let seconds = Duration::from_millis(ms.saturating_add(500)).as_secs();
    match seconds {
        0..=89 => format!("{seconds} s"),
        90..=5_399 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h", (seconds + 1_800) / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_says_how_far_and_how_long() {
        let step = |done, all, remaining_ms| ImageJobEventKind::Step { done, all, remaining_ms, preview: None };
        for (kind, bar, expected) in [
            (step(5, 20, None), false, "step 5 of 20"),
            (step(5, 20, Some(89_400)), false, "step 5 of 20, 89 s left"),
            (step(5, 20, Some(90_000)), false, "step 5 of 20, 2 min left"),
            (step(10, 20, Some(7_200_000)), true, "[############            ] step 10 of 20, 2 h left"),
            (step(3, 0, None), true, "[                        ] step 3 of 0"),
            (ImageJobEventKind::Queued { position: 1 }, true, "next in the queue"),
            (ImageJobEventKind::Queued { position: 2 }, true, "1 other job first"),
            (ImageJobEventKind::Queued { position: 4 }, true, "3 other jobs first"),
            (ImageJobEventKind::Loading { fraction: 0.5 }, true, "loading the model, 50 %"),
        ] {
            assert_eq!(words(&kind, bar).as_deref(), Some(expected));
        }
    }
}
