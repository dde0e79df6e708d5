//! Times as people and machines read them, from milliseconds since 1970. Refuses: time zones; the machine-readable
//! form is UTC and the readable one is relative.

use std::time::{SystemTime, UNIX_EPOCH};

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 60 * MINUTE_S;
const DAY_S: i64 = 24 * HOUR_S;
/// Older than this, a date says more than a number of days.
const RELATIVE_DAYS_MAX: i64 = 14;

/// A moment, ready for a `<time>` element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// RFC 3339, UTC.
    pub(crate) machine: String,
    /// How long ago, or the date.
    pub(crate) text: String,
}

/// The moment `ms` as seen now.
pub(crate) fn moment(ms: i64) -> Moment {
    moment_at(ms, now_ms())
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    i64::try_from(now).unwrap_or(i64::MAX)
}

/// When a day of UTC begins and when it is over; `None` for what is no day of the form `YYYY-MM-DD`.
pub(crate) fn day_ms(text: &str) -> Option<(i64, i64)> {
    let mut parts = text.split('-');
    let mut part = |len: usize| {
        let part = parts.next().filter(|part| part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit()));
        part?.parse::<i64>().ok()
    };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) {
        return None;
    }
    // The inverse of `civil`.
    let year = year - i64::from(month <= 2);
    let month_from_march = (month + 9) % 12;
    let of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    let begin_s = (era * 146_097 + of_era - 719_468) * DAY_S;
    // The 30th of February would be a day of March.
    let is_day = civil(begin_s).0 == text;
    is_day.then_some((begin_s * 1000, (begin_s + DAY_S) * 1000))
}

fn moment_at(ms: i64, now_ms: i64) -> Moment {
    let (date, clock) = civil(ms.div_euclid(1000));
    let ago_s = (now_ms - ms).div_euclid(1000);
    let text = match ago_s {
        _ if ago_s < MINUTE_S => "just now".into(),
        _ if ago_s < HOUR_S => format!("{} min ago", ago_s / MINUTE_S),
        _ if ago_s < DAY_S => format!("{} h ago", ago_s / HOUR_S),
        _ if ago_s < 2 * DAY_S => "yesterday".into(),
        _ if ago_s < RELATIVE_DAYS_MAX * DAY_S => format!("{} days ago", ago_s / DAY_S),
        _ => date.clone(),
    };
    Moment { machine: format!("{date}T{clock}Z"), text }
}

/// Date and time of day of `seconds` since 1970, in the proleptic Gregorian calendar.
fn civil(seconds: i64) -> (String, String) {
    let (days, of_day) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S));
    // Years are counted from 1 March, so that the leap day is the last of its year; 400 years have 146,097 days.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / HOUR_S, of_day % HOUR_S / MINUTE_S, of_day % MINUTE_S);
    (format!("{year:04}-{month:02}-{day:02}"), format!("{hour:02}:{minute:02}:{second:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates_of_the_calendar() {
        for (ms, machine) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_709_251_199_000, "2024-02-29T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(moment_at(ms, ms).machine, machine);
        }
    }

    #[test]
    fn days_are_read_as_they_are_written() {
        const DAY_MS: i64 = DAY_S * 1000;
        for day in [-719_528, -1, 0, 59, 60, 11_016, 19_782, 47_540, 1_000_000] {
            let (text, _) = civil(day * DAY_S);
            assert_eq!(day_ms(&text), Some((day * DAY_MS, (day + 1) * DAY_MS)), "{text}");
        }
        for text in [
            "",
            "2025",
            "2025-02-29",
            "2025-13-01",
            "2025-00-01",
            "2025-01-00",
            "2025-1-01",
            "2025-01-01-01",
            "+025-01-01",
        ] {
            assert_eq!(day_ms(text), None, "{text}");
        }
    }

    #[test]
    fn moments_read_as_people_say_them() {
        let now = 1_700_000_000_000;
        for (ago_s, text) in [
            (-5, "just now"),
            (59, "just now"),
            (60, "1 min ago"),
            (7_199, "1 h ago"),
            (90_000, "yesterday"),
            (3 * 86_400, "3 days ago"),
            (30 * 86_400, "2023-10-15"),
        ] {
            assert_eq!(moment_at(now - ago_s * 1000, now).text, text, "{ago_s}");
        }
    }
}
