//! Images: rows and files that come and go together.

use std::fs;

use super::{Home, count, image, job};
use crate::database::damage;
use crate::{IMAGES_REMOVED_MAX, NewImage, Store, StoreError, Swept};

fn files(store: &Store) -> usize {
    let fans = fs::read_dir(store.blobs_folder()).unwrap();
    fans.map(|fan| fs::read_dir(fan.unwrap().path()).unwrap().count()).sum()
}

/// What finds words agrees with the texts.
fn words_are_sound(store: &Store) {
    let sql = "INSERT INTO images_words (images_words, rank) VALUES ('integrity-check', 1)";
    store.user.writer().execute(sql, []).unwrap();
}

#[test]
fn an_image_is_kept_with_its_files() {
    let home = Home::new();
    let store = home.open();
    let new = NewImage { seed: u64::MAX, negative_prompt: "blurry", ..image("ein Fuchs, être, 狐") };
    let kept = store.add_image(&new).unwrap();
    assert_eq!(store.image(&kept.id).unwrap(), kept);
    assert_eq!(store.blob(&kept.blob).unwrap(), new.file);
    assert_eq!(store.blob(&kept.thumbnail).unwrap(), new.thumbnail);
    assert_eq!((kept.seed, kept.prompt.as_str(), kept.favourite), (u64::MAX, new.prompt, false));
    assert_eq!(kept.bytes as usize, new.file.len() + new.thumbnail.len());
    store.set_favourite(&kept.id, true).unwrap();
    assert!(store.image(&kept.id).unwrap().favourite);
    for error in [store.set_favourite("nothing", true).unwrap_err(), store.image("nothing").unwrap_err()] {
        assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
    }
}

#[test]
fn an_image_that_is_brought_again_is_found() {
    let home = Home::new();
    let store = home.open();
    let kept = store.add_image(&image("a fox")).unwrap();
    assert_eq!(store.image_of_file(b"a fox").unwrap().as_ref(), Some(&kept));
    assert_eq!(store.image_of_file(b"a hen").unwrap(), None);
    // What it says of itself does not matter: the gallery knows how the image was made.
    let again = NewImage { prompt: "", seed: 9, ..image("a fox") };
    assert_eq!(store.bring_image(&again).unwrap(), (kept.clone(), false));
    let (hen, is_new) = store.bring_image(&image("a hen")).unwrap();
    assert!(is_new && hen.id != kept.id);
    let shown = || store.gallery(&crate::GalleryFilter::default(), None, 10).unwrap().len();
    assert_eq!(shown(), 2);
    fs::remove_file(store.blob_path(&kept.blob).unwrap()).unwrap();
    store.sweep_images().unwrap();
    assert_eq!(shown(), 1);
    let (back, is_new) = store.bring_image(&image("a fox")).unwrap();
    assert_eq!((back.missing_ms, is_new, shown()), (None, false, 2), "its file is back, and so is the image");
    words_are_sound(&store);
}

#[test]
fn removing_an_image_removes_what_nothing_else_needs() {
    let home = Home::new();
    let store = home.open();
    let kept: Vec<_> = ["a fox", "a fox", "a hen"].map(|prompt| store.add_image(&image(prompt)).unwrap()).into();
    assert_eq!(kept[0].blob, kept[1].blob);
    // Two files and one small version for all; after each removal what is left.
    for (removed, left) in [(0, 3), (1, 2), (2, 0)] {
        assert_eq!(store.remove_images(&[&kept[removed].id, "nothing"]).unwrap(), 1);
        assert_eq!(files(&store), left, "after {removed}");
        assert!(matches!(store.image(&kept[removed].id).unwrap_err(), StoreError::NotFound { .. }));
        words_are_sound(&store);
    }
    assert_eq!(store.remove_images(&[&kept[0].id]).unwrap(), 0);
    let error = store.remove_images(&vec!["x"; IMAGES_REMOVED_MAX + 1]).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error:?}");
    // A later image may have the very same bytes.
    let again = store.add_image(&image("a fox")).unwrap();
    assert_eq!(store.blob(&again.blob).unwrap(), b"a fox");
}

#[test]
fn an_image_that_a_job_draws_over_stays_for_it() {
    let home = Home::new();
    let store = home.open();
    let kept = store.add_image(&image("a fox")).unwrap();
    let new =
        crate::NewImageJob { priority: 0, model: "tiny", request: "{}", images: 1, blobs: &[b"a fox".as_slice()] };
    let job = store.enqueue_image_job(&new).unwrap().id;
    store.remove_images(&[&kept.id]).unwrap();
    let hash = store.image_job_blobs(&job).unwrap().remove(0);
    assert_eq!(store.blob(&hash).unwrap(), b"a fox");
    store.claim_image_job().unwrap();
    store.finish_image_job(&job).unwrap();
    store.sweep_images().unwrap();
    assert!(store.blob(&hash).is_err(), "the job that needed it is done");
}

#[test]
fn a_job_that_is_over_does_not_keep_what_is_to_be_gone() {
    let home = Home::new();
    let store = home.open();
    let kept = store.add_image(&image("a fox")).unwrap();
    let new =
        crate::NewImageJob { priority: 0, model: "tiny", request: "{}", images: 1, blobs: &[b"a fox".as_slice()] };
    let job = store.enqueue_image_job(&new).unwrap().id;
    store.cancel_image_job(&job).unwrap();
    let hash = store.image_job_blobs(&job).unwrap().remove(0);
    store.remove_images(&[&kept.id]).unwrap();
    assert!(store.blob(&hash).is_err());
    assert_eq!(store.image_job_blobs(&job).unwrap(), [""; 0]);
}

#[test]
fn a_job_that_is_over_can_be_forgotten_with_what_it_began_with() {
    let home = Home::new();
    let store = home.open();
    let new = crate::NewImageJob { priority: 0, model: "tiny", request: "{}", images: 2, blobs: &[b"a hen"] };
    let id = store.enqueue_image_job(&new).unwrap().id;
    let hash = store.image_job_blobs(&id).unwrap().remove(0);
    assert!(matches!(store.forget_image_job(&id).unwrap_err(), StoreError::Conflict(_)), "it waits");
    store.claim_image_job().unwrap();
    assert!(matches!(store.forget_image_job(&id).unwrap_err(), StoreError::Conflict(_)), "it runs");
    let kept = store.add_image(&NewImage { job: Some((&id, 0)), ..image("a fox") }).unwrap();
    store.fail_image_job(&id, "it failed").unwrap();
    assert!(store.blob(&hash).is_ok(), "it may be tried again");
    store.forget_image_job(&id).unwrap();
    assert!(matches!(store.forget_image_job(&id).unwrap_err(), StoreError::NotFound { .. }));
    assert!(store.blob(&hash).is_err() && store.ended_image_jobs(None, 9).unwrap().is_empty());
    assert_eq!(store.image(&kept.id).unwrap().job_id, None, "its image stays");
}

#[test]
fn a_file_that_somebody_else_removed_takes_its_image_out_of_the_gallery_until_it_is_back() {
    let home = Home::new();
    let store = home.open();
    let kept: Vec<_> = ["a fox", "a hen"].map(|prompt| store.add_image(&image(prompt)).unwrap()).into();
    assert_eq!(store.sweep_images().unwrap(), Swept::default());
    let path = store.blob_path(&kept[0].blob).unwrap();
    fs::remove_file(&path).unwrap();
    let shown = || store.gallery(&crate::GalleryFilter::default(), None, 10).unwrap().len();
    for _ in 0..2 {
        let missing = store.sweep_images().unwrap().missing;
        assert!(missing <= 1);
        assert_eq!(shown(), 1);
        assert!(store.image(&kept[0].id).unwrap().missing_ms.is_some());
    }
    fs::write(&path, "a fox").unwrap();
    assert_eq!(store.sweep_images().unwrap(), Swept { found: 1, ..Swept::default() });
    assert_eq!(shown(), 2);
    fs::remove_file(&path).unwrap();
    assert_eq!(store.sweep_images().unwrap().missing, 1);
    assert_eq!(store.remove_images(&[&kept[0].id]).unwrap(), 1, "what is gone can be forgotten");
}

#[test]
fn a_file_that_is_gone_or_back_is_noticed_when_its_image_is_looked_at() {
    let home = Home::new();
    let store = home.open();
    let kept: Vec<_> = ["a fox", "a fox", "a hen"].map(|prompt| store.add_image(&image(prompt)).unwrap()).into();
    assert_eq!(store.look_at_image(&kept[0].id).unwrap(), kept[0]);
    let path = store.blob_path(&kept[0].blob).unwrap();
    let shown = || store.gallery(&crate::GalleryFilter::default(), None, 10).unwrap().len();
    fs::remove_file(&path).unwrap();
    assert!(store.look_at_image(&kept[0].id).unwrap().missing_ms.is_some());
    assert_eq!(shown(), 1, "the other image with this file is marked as well");
    fs::write(&path, "a fox").unwrap();
    assert_eq!(store.look_at_image(&kept[1].id).unwrap().missing_ms, None);
    assert_eq!((shown(), store.sweep_images().unwrap()), (3, Swept::default()));
    assert!(matches!(store.look_at_image("nothing").unwrap_err(), StoreError::NotFound { .. }));
}

#[test]
fn a_small_version_is_replaced() {
    let home = Home::new();
    let store = home.open();
    let kept = store.add_image(&image("a fox")).unwrap();
    store.replace_thumbnail(&kept.id, b"smaller").unwrap();
    let thumbnail = store.image(&kept.id).unwrap().thumbnail;
    assert_eq!(store.blob(&thumbnail).unwrap(), b"smaller");
    assert_eq!(store.sweep_images().unwrap().removed_files, 1, "the former one");
    assert!(matches!(store.replace_thumbnail("nothing", b"x").unwrap_err(), StoreError::NotFound { .. }));
}

#[test]
fn a_file_without_a_row_is_removed_by_the_sweep() {
    let home = Home::new();
    let store = home.open();
    store.add_image(&image("a fox")).unwrap();
    store.put_blob(b"left by an end in the middle").unwrap();
    let swept = store.sweep_images().unwrap();
    assert_eq!((swept.removed_files, swept.removed_bytes, files(&store)), (1, 28, 2));
}

#[test]
fn a_removal_that_was_cut_short_is_done_by_the_sweep() {
    let home = Home::new();
    let store = home.open();
    let kept = store.add_image(&image("a fox")).unwrap();
    // A folder in place of the file cannot be removed as one.
    let path = store.blob_path(&kept.blob).unwrap();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(store.remove_images(&[&kept.id]).unwrap_err(), StoreError::Io { .. }));
    assert!(matches!(store.image(&kept.id).unwrap_err(), StoreError::NotFound { .. }));
    fs::remove_dir(&path).unwrap();
    store.sweep_images().unwrap();
    assert_eq!((files(&store), count(&store, "SELECT count(*) FROM blobs_to_remove")), (0, 0));
}

#[test]
fn a_full_disk_leaves_no_half_image() {
    let home = Home::new();
    let store = home.open();
    let id = job(&store, 1).id;
    store.claim_image_job().unwrap().unwrap();
    let pages = count(&store, "PRAGMA page_count");
    store.user.writer().pragma_update(None, "max_page_count", pages).unwrap();
    let long = "a very long prompt ".repeat(20_000);
    let new = NewImage { job: Some((&id, 0)), ..image(&long) };
    let error = store.add_image(&new).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert_eq!(store.gallery(&crate::GalleryFilter::default(), None, 10).unwrap(), []);
    assert_eq!(store.image_job(&id).unwrap().images_done, 0);
    assert_eq!(damage(&store.user.writer()).unwrap(), None);
    assert!(store.sweep_images().unwrap().removed_files >= 1, "the file of no image is removed");
    store.user.writer().pragma_update(None, "max_page_count", pages + 1_000).unwrap();
    store.add_image(&new).unwrap();
    assert_eq!(store.image_job(&id).unwrap().images_done, 1);
    words_are_sound(&store);
}

#[test]
fn a_forgotten_job_leaves_its_images() {
    let home = Home::new();
    let store = home.open();
    let id = job(&store, 1).id;
    store.claim_image_job().unwrap().unwrap();
    let kept = store.add_image(&NewImage { job: Some((&id, 0)), ..image("a fox") }).unwrap();
    assert_eq!(kept.job_id.as_deref(), Some(id.as_str()));
    store.user.write(|transaction| Ok(transaction.execute("DELETE FROM image_jobs", [])?)).unwrap();
    assert_eq!(store.image(&kept.id).unwrap().job_id, None);
}
