//! The gallery: filters, pages, totals, and by which index they are read.

use rusqlite::params_from_iter;

use super::{Home, image};
use crate::gallery::Query;
use crate::{Beside, GALLERY_WORDS_BYTES_MAX, GalleryCursor, GalleryFilter, Image, NewImage, Store, StoreError};

/// Prompt, model, sides, seed and whether it is a favourite.
type Row = (&'static str, &'static str, (u32, u32), u64, bool);

/// Each is stored 10 ms after the one before.
const IMAGES: [Row; 6] = [
    ("A red fox, snow", "tiny", (64, 64), 1, false),
    ("a Fox in \"quotes\"", "tiny", (64, 32), 2, true),
    ("ein Füchslein: être", "large", (64, 64), u64::MAX, false),
    ("hen AND fox NOT cow", "large", (32, 64), 2, true),
    ("狐 in snow", "tiny", (64, 64), 5, false),
    ("", "large", (64, 64), 6, false),
];

fn filled(home: &Home) -> Store {
    let store = home.open();
    for (prompt, model, (width_pixels, height_pixels), seed, favourite) in IMAGES {
        let new = NewImage { model, width_pixels, height_pixels, seed, ..image(prompt) };
        let id = store.add_image(&new).unwrap().id;
        store.set_favourite(&id, favourite).unwrap();
        home.pass(10);
    }
    store
}

/// Places in [`IMAGES`] that a filter shows, oldest first.
fn shown(store: &Store, filter: &GalleryFilter) -> Vec<usize> {
    let images = store.gallery(filter, None, 100).unwrap();
    let place = |prompt: &str| IMAGES.iter().position(|(of, ..)| *of == prompt).unwrap();
    images.iter().rev().map(|image| place(&image.prompt)).collect()
}

#[test]
fn each_filter_shows_what_it_names() {
    let home = Home::new();
    let store = filled(&home);
    let all = GalleryFilter::default();
    let words = |words: &str| GalleryFilter { words: words.to_owned(), ..GalleryFilter::default() };
    let at = |number: i64| Some(super::START_MS + 10 * number);
    for (filter, expected) in [
        (all.clone(), vec![0, 1, 2, 3, 4, 5]),
        (words("fox"), vec![0, 1, 3]),
        (words("FOX sno"), vec![0]),
        (words("füchs"), vec![2]),
        (words("fuchslein etre"), vec![2]),
        (words("\"quotes\""), vec![1]),
        (words("AND NOT"), vec![3]),
        (words("fox OR hen"), vec![]),
        (words("狐"), vec![4]),
        (words("prompt:fox"), vec![]),
        (words("fox* ( - \" ' ; \0"), vec![0, 1, 3]),
        (words("  ,. "), vec![0, 1, 2, 3, 4, 5]),
        (GalleryFilter { model: Some("tiny".into()), ..all.clone() }, vec![0, 1, 4]),
        (GalleryFilter { favourites: true, ..all.clone() }, vec![1, 3]),
        (GalleryFilter { size_pixels: Some((64, 32)), ..all.clone() }, vec![1]),
        (GalleryFilter { seed: Some(u64::MAX), ..all.clone() }, vec![2]),
        (GalleryFilter { from_ms: at(1), before_ms: at(3), ..all.clone() }, vec![1, 2]),
        (GalleryFilter { model: Some("large".into()), favourites: true, seed: Some(2), ..words("cow") }, vec![3]),
        (GalleryFilter { model: Some("none".into()), ..all }, vec![]),
    ] {
        assert_eq!(shown(&store, &filter), expected, "{filter:?}");
        let totals = store.gallery_totals(&filter).unwrap();
        assert_eq!(totals.images as usize, expected.len(), "{filter:?}");
    }
    let error = store.gallery(&words(&"x".repeat(GALLERY_WORDS_BYTES_MAX + 1)), None, 1).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error:?}");
    let totals = store.gallery_totals(&GalleryFilter::default()).unwrap();
    assert_eq!(totals.models, [("large".to_owned(), 3), ("tiny".to_owned(), 3)]);
    let bytes: usize = IMAGES.iter().map(|(prompt, ..)| prompt.len() + "small".len()).sum();
    assert_eq!(totals.bytes as usize, bytes);
}

#[test]
fn pages_join_without_a_gap_also_when_a_time_repeats_and_images_come_and_go() {
    let home = Home::new();
    let store = home.open();
    let ids: Vec<String> = (0..10)
        .map(|number| {
            home.pass(i64::from(number % 3 == 0));
            store.add_image(&image(&format!("number {number}"))).unwrap().id
        })
        .collect();
    let (mut seen, mut after): (Vec<String>, Option<GalleryCursor>) = (Vec::new(), None);
    loop {
        let page = store.gallery(&GalleryFilter::default(), after, 3).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.cursor());
        seen.extend(page.iter().map(|image| image.id.clone()));
        if seen.len() == 3 {
            store.add_image(&image("newer")).unwrap();
            store.remove_images(&[&seen[2]]).unwrap();
        }
    }
    assert_eq!(seen, ids.into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn neighbours_are_those_of_the_filter() {
    let home = Home::new();
    let store = filled(&home);
    let all = store.gallery(&GalleryFilter::default(), None, 100).unwrap();
    let words = |words: &str| GalleryFilter { words: words.to_owned(), ..GalleryFilter::default() };
    for filter in [words(""), words("fox"), words("none"), GalleryFilter { favourites: true, ..words("") }] {
        let shown = store.gallery(&filter, None, 100).unwrap();
        for (place, image) in all.iter().enumerate() {
            // Whether or not the filter shows the image itself, the nearest that it shows are beside it.
            let is_shown = |other: &&Image| shown.iter().any(|one| one.id == other.id);
            let newer = all[..place].iter().rev().find(is_shown).map(|image| image.id.clone());
            let older = all[place + 1..].iter().find(is_shown).map(|image| image.id.clone());
            assert_eq!(store.images_beside(&image.id, &filter).unwrap(), Beside { newer, older }, "{filter:?}");
        }
    }
    let error = store.images_beside("none", &GalleryFilter::default()).unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
}

#[test]
fn every_filter_is_decided_by_the_narrow_index() {
    let home = Home::new();
    let store = filled(&home);
    let filter = GalleryFilter {
        words: "fox".into(),
        model: Some("tiny".into()),
        from_ms: Some(0),
        before_ms: Some(i64::MAX),
        favourites: true,
        size_pixels: Some((64, 64)),
        seed: Some(1),
        missing: false,
    };
    let after = Some(GalleryCursor { created_ms: i64::MAX, seq: i64::MAX });
    for filter in [GalleryFilter::default(), filter] {
        for query in [Query::page(&filter, after, 10), Query::totals(&filter)] {
            let writer = store.user.writer();
            let mut statement = writer.prepare(&format!("EXPLAIN QUERY PLAN {}", query.sql)).unwrap();
            let rows = statement.query_map(params_from_iter(query.values), |row| row.get::<_, String>(3)).unwrap();
            let plan = rows.map(Result::unwrap).collect::<Vec<_>>().join("\n");
            assert!(plan.contains("USING COVERING INDEX images_shown"), "{plan}");
            let is_page = query.sql.contains("LIMIT");
            let walk = plan.lines().find(|line| line.contains("images_shown")).unwrap();
            assert!(!is_page || walk.starts_with("SEARCH"), "a page does not begin at its place: {plan}");
            let looked_up = plan.lines().filter(|line| line.contains("INTEGER PRIMARY KEY")).count();
            assert_eq!(looked_up, usize::from(is_page), "{plan}");
        }
    }
}
