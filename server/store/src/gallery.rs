//! Pages of the gallery: filters, places in the list and totals. Refuses: reading whole rows that are not shown; every
//! filter is decided from the narrow index `images_shown` and the words' own. Of images whose file is gone there are few.

mod beside;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::error::Fault;
use crate::limits::fits;
use crate::{Image, Store, StoreError, images};

pub use beside::Beside;

/// Images of one page; a larger limit is cut to this.
pub const GALLERY_PAGE_MAX: usize = 500;
/// Words that are looked for together; further ones are not looked at.
pub const GALLERY_WORDS_MAX: usize = 32;
/// Largest text of words, in bytes.
pub const GALLERY_WORDS_BYTES_MAX: usize = 4_096;
/// Models that [`Totals`] lists.
const MODELS_MAX: i64 = 500;

/// Which images are shown. An empty filter shows all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GalleryFilter {
    /// Words of the prompt, all of which must be there; each may be the beginning of one.
    pub words: String,
    /// The model that drew it.
    pub model: Option<String>,
    /// Stored at this time or later, in UTC milliseconds.
    pub from_ms: Option<i64>,
    /// Stored before this time, in UTC milliseconds.
    pub before_ms: Option<i64>,
    /// Only those that the user marked.
    pub favourites: bool,
    /// Width and height in pixels.
    pub size_pixels: Option<(u32, u32)>,
    /// What its noise was made from.
    pub seed: Option<u64>,
    /// Those whose file is gone, which are not shown otherwise.
    pub missing: bool,
}

/// A place in the gallery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GalleryCursor {
    /// Time of the last image seen, in UTC milliseconds.
    pub created_ms: i64,
    /// Its place by arrival.
    pub seq: i64,
}

/// What there is of the images that a filter shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Images.
    pub images: u64,
    /// Bytes of their files.
    pub bytes: u64,
    /// Models that drew them with the number of images, the most used first.
    pub models: Vec<(String, u64)>,
}

impl Image {
    /// The place after this image in the gallery.
    #[must_use]
    pub fn cursor(&self) -> GalleryCursor {
        GalleryCursor { created_ms: self.created_ms, seq: self.seq }
    }
}

impl Store {
    /// The next `limit` images that `filter` shows after the place `after`, newest first.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] for words over [`GALLERY_WORDS_BYTES_MAX`]; the disk's errors.
    pub fn gallery(
        &self,
        filter: &GalleryFilter,
        after: Option<GalleryCursor>,
        limit: usize,
    ) -> Result<Vec<Image>, StoreError> {
        fits("words to look for", filter.words.len(), GALLERY_WORDS_BYTES_MAX)?;
        self.user.read(|connection| {
            let page = Query::page(filter, after, limit);
            let mut statement = connection.prepare_cached(&page.sql)?;
            let rows = statement.query_map(params_from_iter(page.values), images::from_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// What there is of the images that `filter` shows.
    ///
    /// # Errors
    /// As [`Store::gallery`].
    pub fn gallery_totals(&self, filter: &GalleryFilter) -> Result<Totals, StoreError> {
        fits("words to look for", filter.words.len(), GALLERY_WORDS_BYTES_MAX)?;
        self.user.read(|connection| totals(connection, filter))
    }
}

fn totals(connection: &Connection, filter: &GalleryFilter) -> Result<Totals, Fault> {
    let query = Query::totals(filter);
    let mut statement = connection.prepare_cached(&query.sql)?;
    let mut rows = statement.query(params_from_iter(query.values))?;
    let mut totals = Totals::default();
    while let Some(row) = rows.next()? {
        let (model, images, bytes): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        totals.images += images.cast_unsigned();
        totals.bytes += bytes.cast_unsigned();
        if (totals.models.len() as i64) < MODELS_MAX && !model.is_empty() {
            totals.models.push((model, images.cast_unsigned()));
        }
    }
    Ok(totals)
}

/// A statement and its values.
pub(crate) struct Query {
    pub(crate) sql: String,
    pub(crate) values: Vec<Value>,
}

impl Query {
    /// The statement that reads one page. The inner part walks `images_shown` alone, in its order, until there are
    /// enough; only those rows are then read.
    pub(crate) fn page(filter: &GalleryFilter, after: Option<GalleryCursor>, limit: usize) -> Self {
        let mut query = Self::shown("seq AS shown_seq", filter);
        if let Some(place) = after {
            query.and("(created_ms, seq) < (?, ?)", [place.created_ms.into(), place.seq.into()]);
        }
        query.sql.push_str(" ORDER BY created_ms DESC, seq DESC LIMIT ?");
        query.values.push((limit.min(GALLERY_PAGE_MAX) as i64).into());
        query.sql = format!(
            "SELECT {} FROM ({}) JOIN images ON images.seq = shown_seq
             ORDER BY images.created_ms DESC, images.seq DESC",
            images::COLUMNS,
            query.sql
        );
        query
    }

    /// The statement that counts.
    pub(crate) fn totals(filter: &GalleryFilter) -> Self {
        let mut query = Self::shown("model, count(*) AS number, sum(bytes)", filter);
        query.sql.push_str(" GROUP BY model ORDER BY number DESC, model");
        query
    }

    fn shown(columns: &str, filter: &GalleryFilter) -> Self {
        let (index, is_gone) =
            if filter.missing { ("images_missing", "NOT NULL") } else { ("images_shown", "NULL") };
        let sql = format!("SELECT {columns} FROM images INDEXED BY {index} WHERE missing_ms IS {is_gone}");
        let mut query = Self { sql, values: Vec::new() };
        if let Some(words) = words_query(&filter.words) {
            query.and("seq IN (SELECT rowid FROM images_words WHERE images_words MATCH ?)", [words.into()]);
        }
        if let Some(model) = &filter.model {
            query.and("model = ?", [model.clone().into()]);
        }
        if let Some(from_ms) = filter.from_ms {
            query.and("created_ms >= ?", [from_ms.into()]);
        }
        if let Some(before_ms) = filter.before_ms {
            query.and("created_ms < ?", [before_ms.into()]);
        }
        if filter.favourites {
            query.and("favourite = 1", []);
        }
        if let Some((width, height)) = filter.size_pixels {
            query.and(
                "width_pixels = ? AND height_pixels = ?",
                [i64::from(width).into(), i64::from(height).into()],
            );
        }
        if let Some(seed) = filter.seed {
            query.and("seed = ?", [seed.cast_signed().into()]);
        }
        query
    }

    fn and<const VALUES: usize>(&mut self, condition: &str, values: [Value; VALUES]) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.extend(values);
    }
}

/// What the index of words is asked: every word, each as a beginning. Quoted, so that nothing in it is an operator;
/// what has no letter or digit is no word. `None` when there is nothing to look for.
fn words_query(text: &str) -> Option<String> {
    let words = text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric));
    let quoted: Vec<String> =
        words.take(GALLERY_WORDS_MAX).map(|word| format!("\"{}\"*", word.replace(['"', '\0'], " "))).collect();
    if quoted.is_empty() { None } else { Some(quoted.join(" ")) }
}
