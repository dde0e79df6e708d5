//! Which images are shown, as it stands in the address: read once, and written back into every link that keeps it.
//! Refuses: a value nobody understands; a filter that is quietly ignored shows what was not asked for.

use app::{AppError, ErrorKind, GalleryFilter};
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use crate::clock;

/// Characters of a wrong value that are repeated.
const VALUE_CHARS_MAX: usize = 40;

/// A filter as it was typed. What is empty does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Filter {
    /// Words of the prompt.
    pub(crate) words: String,
    /// The model that drew.
    pub(crate) model: String,
    /// `1` shows only those the user marked.
    pub(crate) favourite: String,
    /// Width and height, such as `512x768`.
    pub(crate) size: String,
    /// The first day, `YYYY-MM-DD`.
    pub(crate) from: String,
    /// The last day, likewise.
    pub(crate) to: String,
    /// What the noise was made from.
    pub(crate) seed: String,
    /// `1` shows those whose file somebody removed.
    pub(crate) missing: String,
}

impl Filter {
    /// The filter as it is asked of the gallery. Days are those of UTC.
    ///
    /// # Errors
    /// `User` with the value that says nothing.
    pub(crate) fn checked(&self) -> Result<GalleryFilter, AppError> {
        let from_ms = given(&self.from).map(|day| day_ms(day).map(|(begin, _)| begin)).transpose()?;
        let before_ms = given(&self.to).map(|day| day_ms(day).map(|(_, end)| end)).transpose()?;
        Ok(GalleryFilter {
            words: self.words.trim().to_owned(),
            model: given(&self.model).map(str::to_owned),
            from_ms,
            before_ms,
            favourites: given(&self.favourite)
                .map_or(Ok(false), |text| truth(text, "favourite=true shows only what you marked"))?,
            size_pixels: given(&self.size).map(size).transpose()?,
            seed: given(&self.seed).map(seed).transpose()?,
            missing: given(&self.missing)
                .map_or(Ok(false), |text| truth(text, "missing=true shows what has no file any more"))?,
        })
    }

    /// Whether images without their files are shown.
    pub(crate) fn is_missing(&self) -> bool {
        given(&self.missing).is_some_and(|text| truth(text, "").unwrap_or(false))
    }

    /// Whether all images are shown.
    pub(crate) fn is_empty(&self) -> bool {
        self.pairs().next().is_none()
    }

    /// Whether more than words is asked for.
    pub(crate) fn is_detailed(&self) -> bool {
        self.pairs().any(|(name, _)| name != "words")
    }

    /// The part of an address that says the same, with further parameters behind it; empty when there is nothing to say.
    pub(crate) fn query(&self, more: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(self.pairs()).extend_pairs(more);
        let query = query.finish();
        if query.is_empty() { query } else { format!("?{query}") }
    }

    /// What is asked for, by the names of the address.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("words", &self.words),
            ("model", &self.model),
            ("favourite", &self.favourite),
            ("size", &self.size),
            ("from", &self.from),
            ("to", &self.to),
            ("seed", &self.seed),
            ("missing", &self.missing),
        ];
        all.into_iter().map(|(name, value)| (name, value.trim())).filter(|(_, value)| !value.is_empty())
    }
}

/// Width and height, as `512x768` or `512 × 768`.
///
/// # Errors
/// `User` for anything else.
pub(crate) fn size(text: &str) -> Result<(u32, u32), AppError> {
    let sides = text.split_once(['x', 'X', '×']);
    let sides = sides.and_then(|(width, height)| Some((width.trim().parse().ok()?, height.trim().parse().ok()?)));
    sides.ok_or_else(|| wrong(text, "is no size", "write it as 512x768, width first"))
}

/// A seed.
///
/// # Errors
/// `User` for what is no whole number.
pub(crate) fn seed(text: &str) -> Result<u64, AppError> {
    text.trim().parse().map_err(|_| wrong(text, "is no seed", "a seed is a whole number, such as 1234"))
}

fn truth(text: &str, hint: &str) -> Result<bool, AppError> {
    match text {
        "1" | "true" | "on" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(wrong(text, "is neither true nor false", hint)),
    }
}

fn day_ms(text: &str) -> Result<(i64, i64), AppError> {
    clock::day_ms(text).ok_or_else(|| wrong(text, "is no day", "write it as 2025-12-31"))
}

/// What was typed, if anything was.
pub(crate) fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// An error about a value that was typed.
pub(crate) fn wrong(value: &str, is: &str, hint: &str) -> AppError {
    let shown: String = value.trim().chars().take(VALUE_CHARS_MAX).collect();
    AppError::new(ErrorKind::User, format!("`{shown}` {is}")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Filter {
        let mut filter = Filter::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let field = match &*name {
                "words" => &mut filter.words,
                "model" => &mut filter.model,
                "favourite" => &mut filter.favourite,
                "size" => &mut filter.size,
                "from" => &mut filter.from,
                "to" => &mut filter.to,
                "seed" => &mut filter.seed,
                "missing" => &mut filter.missing,
                other => panic!("{other}"),
            };
            *field = value.into_owned();
        }
        filter
    }

    #[test]
    fn a_filter_is_read_and_written_back() {
        let day = 24 * 60 * 60 * 1000;
        let query = "?words=a+%22fox%22+%26+hen&model=tiny&favourite=1&size=64x32&from=1970-01-02&to=1970-01-03&seed=7&missing=1";
        let filter = read(&query[1..]);
        let expected = GalleryFilter {
            words: "a \"fox\" & hen".into(),
            model: Some("tiny".into()),
            from_ms: Some(day),
            before_ms: Some(3 * day),
            favourites: true,
            size_pixels: Some((64, 32)),
            seed: Some(7),
            missing: true,
        };
        assert_eq!(filter.checked().expect("it is one"), expected);
        assert_eq!(filter.query(&[]), query);
        assert_eq!(filter.query(&[("cursor", "1-2")]), format!("{query}&cursor=1-2"));
        assert!(filter.is_detailed() && !filter.is_empty() && filter.is_missing());
        let blank = read("words=+&model=&favourite=&size=&from=&to=&seed=");
        assert_eq!(blank.checked().expect("it is none"), GalleryFilter::default());
        assert!(blank.is_empty() && blank.query(&[]).is_empty());
        assert!(!read("words=fox").is_detailed());
    }

    #[test]
    fn what_says_nothing_is_refused() {
        for query in [
            "size=big",
            "size=1x",
            "size=1x2x3",
            "size=-1x2",
            "size=1x4294967296",
            "seed=-1",
            "seed=1.5",
            "seed=18446744073709551616",
            "from=yesterday",
            "to=2025-02-30",
            "from=2025-1-1",
            "favourite=maybe",
            "missing=maybe",
        ] {
            assert_eq!(read(query).checked().expect_err(query).kind, ErrorKind::User, "{query}");
        }
        assert_eq!(size("512 × 768").expect("people write it so"), (512, 768));
        assert_eq!(seed(" 18446744073709551615 ").expect("it is the largest"), u64::MAX);
    }
}
