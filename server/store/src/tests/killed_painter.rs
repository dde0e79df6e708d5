//! A process that is killed while it saves images leaves no half of one.

use std::env;
use std::io::Write;
use std::path::Path;

use super::kill::{KILLS, SEED, WRITER_FOLDER, run_and_kill};
use super::{image, job};
use crate::database::damage;
use crate::{GALLERY_PAGE_MAX, GalleryFilter, ImageJobState, NewImage, Store, StoreError};

const NAME: &str = "tests::killed_painter::a_killed_painter_leaves_no_half_image";

#[test]
fn a_killed_painter_leaves_no_half_image() {
    if let Some(folder) = env::var_os(WRITER_FOLDER) {
        paint_until_killed(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut random, mut acknowledged) = (SEED, Vec::new());
    for kill in 1..=KILLS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let lines = 3 + (random >> 33) % 40;
        acknowledged.extend(run_and_kill(NAME, folder.path(), lines as usize));

        let store = Store::open(folder.path()).unwrap();
        let scene = format!("seed {SEED:#x}, kill {kill} after {lines} lines");
        assert_eq!(damage(&store.user.writer()).unwrap(), None, "{scene}");
        let swept = store.sweep_images().unwrap();
        assert_eq!((swept.missing, swept.found), (0, 0), "{scene}: a row without its file");
        let shown = store.gallery(&GalleryFilter::default(), None, GALLERY_PAGE_MAX).unwrap();
        for image in &shown {
            assert_eq!(store.blob(&image.blob).unwrap(), image.prompt.as_bytes(), "{scene}");
            assert_eq!(store.blob(&image.thumbnail).unwrap(), b"small", "{scene}");
        }
        for line in &acknowledged {
            let (what, id) = line.split_once(' ').unwrap();
            let is_shown = shown.iter().any(|image| image.id == id);
            match what {
                // The removal may have begun, and the kill came before it was said.
                "saved" => {}
                "removed" => assert!(!is_shown, "{scene}: {line}"),
                "kept" => assert!(is_shown, "{scene}: {line}"),
                other => panic!("{scene}: the painter said {other}"),
            }
        }
        let open = store.open_image_jobs().unwrap();
        assert!(open.len() <= 1, "{scene}: one painter has one job open");
        for job in open {
            let saved = store.images_of_job(&job.id).unwrap().len() as u32;
            assert!(saved <= job.images_done && job.images_done < job.images_all, "{scene}: {job:?}");
            let ended = store.cancel_image_job(&job.id).unwrap();
            assert!(matches!(ended, ImageJobState::Queued | ImageJobState::Running), "{scene}");
        }
        assert!(!acknowledged.is_empty(), "{scene}");
    }
}

/// Saves three images of each job for ever and removes the second, saying each thing once the store has returned.
fn paint_until_killed(folder: &Path) -> ! {
    let store = Store::open(folder).unwrap();
    let mut output = std::io::stdout();
    let mut say = |what: &str, id: &str| {
        write!(output, "\nack {what} {id} .\n").unwrap();
        output.flush().unwrap();
    };
    loop {
        let job = job(&store, 3).id;
        store.claim_image_job().unwrap().unwrap();
        for place in 0..3 {
            let prompt = format!("{job} {place}");
            let id = store.add_image(&NewImage { job: Some((&job, place)), ..image(&prompt) }).unwrap().id;
            if place == 1 {
                say("saved", &id);
                store.remove_images(&[&id]).unwrap();
                say("removed", &id);
                assert!(matches!(store.image(&id).unwrap_err(), StoreError::NotFound { .. }));
            } else {
                say("kept", &id);
            }
        }
    }
}
