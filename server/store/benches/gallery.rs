//! How long a page of the gallery takes with 50,000 images, by what it is filtered by. With a folder as its argument it
//! writes `gallery.md` there.
//!
//! Refuses: measuring how images are stored. The rows are written straight into the database, in one go.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

#[expect(dead_code, reason = "this bench needs no median")]
#[path = "../../../tests/bench/table.rs"]
mod table;

use std::path::{Path, PathBuf};
use std::time::Instant;

use rusqlite::{Connection, params};
use store::{GalleryFilter, Store};
use table::{Row, percentile};

const IMAGES: i64 = 50_000;
const PAGE: usize = 60;
const RUNS: usize = 40;
const BAR_MS: f64 = 100.0;
const START_MS: i64 = 1_700_000_000_000;
const MINUTE_MS: i64 = 60_000;
const WORDS: [&str; 16] = [
    "a",
    "red",
    "fox",
    "in",
    "deep",
    "snow",
    "portrait",
    "of",
    "an",
    "old",
    "lighthouse",
    "at",
    "night",
    "oil",
    "painting",
    "detailed",
];

fn main() {
    // `cargo test --benches` asks for the list of tests; a benchmark is none.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        return;
    }
    let results = arguments.iter().find(|argument| !argument.starts_with("--")).map(PathBuf::from);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    drop(Store::open(folder.path()).expect("a new store opens"));
    fill(folder.path()).expect("rows can be written");
    let store = Store::open(folder.path()).expect("it opens again");
    let rows: Vec<Row> = filters().into_iter().map(|(what, filter)| measure(&store, what, &filter)).collect();
    let method = format!(
        "`cargo bench -p store --bench gallery`: {IMAGES} images with prompts of 30 words and 1.5 KB of settings, {PAGE} on \
         a page, {RUNS} runs of each; the figure is the 95th percentile in milliseconds."
    );
    match results {
        Some(results) => table::write(&results, "gallery", &method, &rows).expect("the table can be written"),
        None => rows.iter().for_each(|row| println!("{}: {} ({})", row.what, row.figure, row.bar)),
    }
}

/// Words that look like prompts, the same in every run.
fn prompt(number: i64) -> String {
    let word = |place: i64| WORDS[((number * 7 + place * place * 3 + number / 13 * place) % 16) as usize];
    let mut words: Vec<&str> = (0..30).map(word).collect();
    let rare = format!("motif{}", number % 5_000);
    words.push(&rare);
    words.join(" ")
}

fn fill(folder: &Path) -> rusqlite::Result<()> {
    let mut connection = Connection::open(folder.join("user.db"))?;
    let transaction = connection.transaction()?;
    let settings = format!("{{\"type\":\"brought\",\"parameters\":null,\"more\":\"{}\"}}", "x".repeat(1_500));
    for number in 1..=IMAGES {
        let prompt = prompt(number);
        transaction
            .prepare_cached(
                "INSERT INTO images (seq, id, job_id, place, blob, thumbnail, width_pixels, height_pixels, seed, model,
                 prompt, negative_prompt, settings, created_ms, favourite, bytes)
                 VALUES (?1, ?2, NULL, 0, ?3, ?4, ?5, 512, ?6, ?7, ?8, '', ?9, ?10, ?11, 400000)",
            )?
            .execute(params![
                number,
                format!("{number:026}"),
                format!("{number:064x}"),
                format!("f{number:063x}"),
                if number % 3 == 0 { 768 } else { 512 },
                number % 1_000,
                format!("model {}", number % 7),
                prompt,
                settings,
                START_MS + number * MINUTE_MS,
                number % 500 == 0,
            ])?;
        transaction
            .prepare_cached("INSERT INTO images_words (rowid, prompt) VALUES (?1, ?2)")?
            .execute(params![number, prompt])?;
    }
    transaction.commit()
}

fn filters() -> Vec<(&'static str, GalleryFilter)> {
    let all = GalleryFilter::default();
    let words = |words: &str| GalleryFilter { words: words.to_owned(), ..GalleryFilter::default() };
    let middle = START_MS + IMAGES / 2 * MINUTE_MS;
    vec![
        ("everything", all.clone()),
        ("a word of every prompt", words("fox")),
        ("the beginning of most words", words("o")),
        ("two words and a rare one", words("fox snow motif4321")),
        ("a word that is nowhere", words("zebra")),
        ("a model", GalleryFilter { model: Some("model 3".into()), ..all.clone() }),
        ("a model that drew nothing", GalleryFilter { model: Some("none".into()), ..all.clone() }),
        (
            "an hour in the middle",
            GalleryFilter { from_ms: Some(middle), before_ms: Some(middle + 60 * MINUTE_MS), ..all.clone() },
        ),
        ("favourites", GalleryFilter { favourites: true, ..all.clone() }),
        ("a size that is nowhere", GalleryFilter { size_pixels: Some((64, 64)), ..all.clone() }),
        ("those without their files", GalleryFilter { missing: true, ..all.clone() }),
        ("a seed", GalleryFilter { seed: Some(777), ..all }),
        (
            "all of it",
            GalleryFilter {
                model: Some("model 3".into()),
                from_ms: Some(START_MS),
                favourites: true,
                size_pixels: Some((512, 512)),
                ..words("fox night")
            },
        ),
    ]
}

fn measure(store: &Store, what: &'static str, filter: &GalleryFilter) -> Row {
    let time = |work: &dyn Fn()| {
        let times: Vec<f64> = (0..RUNS)
            .map(|_| {
                let began = Instant::now();
                work();
                began.elapsed().as_secs_f64() * 1_000.0
            })
            .collect();
        percentile(&times, 95.0)
    };
    let page = time(&|| drop(store.gallery(filter, None, PAGE).expect("it can be read")));
    let totals = time(&|| drop(store.gallery_totals(filter).expect("it can be read")));
    let figure = format!("page {page:.1} ms, totals {totals:.1} ms");
    Row { what, figure, bar: "each <= 100 ms", met: page <= BAR_MS && totals <= BAR_MS }
}
