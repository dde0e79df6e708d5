//! The queue of image jobs: turns, ends, second tries.

use super::{Home, image, job};
use crate::{
    IMAGE_ATTEMPTS_MAX, IMAGE_JOBS_ENDED_MAX, IMAGE_JOBS_WAITING_MAX, ImageJobState, NewImage, NewImageJob, Store,
    StoreError,
};

/// Stores one job for each priority; their ids in that order.
fn enqueue(store: &Store, priorities: &[i64]) -> Vec<String> {
    let new = |priority| NewImageJob { priority, model: "tiny", request: "{}", images: 1, blobs: &[] };
    priorities.iter().map(|priority| store.enqueue_image_job(&new(*priority)).unwrap().id).collect()
}

/// Claims everything that waits; places in `ids`.
fn turns(store: &Store, ids: &[String]) -> Vec<usize> {
    let mut turns = Vec::new();
    while let Some(job) = store.claim_image_job().unwrap() {
        turns.push(ids.iter().position(|id| *id == job.id).unwrap());
    }
    turns
}

#[test]
fn the_higher_priority_goes_first_and_then_who_came_first() {
    let home = Home::new();
    let store = home.open();
    assert_eq!(store.claim_image_job().unwrap(), None);
    let ids = enqueue(&store, &[0, 0, 5, -1, 5, 0]);
    let waiting: Vec<String> = store.open_image_jobs().unwrap().into_iter().map(|job| job.id).collect();
    let order = [2, 4, 0, 1, 5, 3];
    assert_eq!(waiting, order.map(|at| ids[at].clone()));
    assert_eq!(turns(&store, &ids), order);
}

#[test]
fn jobs_are_put_before_others_and_behind_their_own() {
    // What is moved, before which one; the order of turns after it. All have priority 0 but the last, which has 1.
    for (moved, before, expected) in [
        (2, Some(0), [3, 2, 0, 1]),
        (0, None, [3, 1, 2, 0]),
        (0, Some(3), [0, 3, 1, 2]),
        (3, Some(1), [0, 3, 1, 2]),
        (3, None, [3, 0, 1, 2]),
        (1, Some(1), [3, 0, 2, 1]),
    ] {
        let home = Home::new();
        let store = home.open();
        let ids = enqueue(&store, &[0, 0, 0, 1]);
        store.move_image_job(&ids[moved], before.map(|at: usize| ids[at].as_str())).unwrap();
        assert_eq!(turns(&store, &ids), expected, "{moved} before {before:?}");
    }
}

#[test]
fn only_what_waits_can_be_moved() {
    let home = Home::new();
    let store = home.open();
    let ids = enqueue(&store, &[0, 0]);
    store.claim_image_job().unwrap().unwrap();
    for (moved, before) in [(0, Some(1)), (1, Some(0)), (0, None)] {
        let error = store.move_image_job(&ids[moved], before.map(|at: usize| ids[at].as_str())).unwrap_err();
        assert!(matches!(error, StoreError::Conflict(_)), "{error:?}");
    }
    let error = store.move_image_job(&ids[1], Some("nothing")).unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
}

#[test]
fn the_queue_is_bounded_and_so_is_what_is_kept_of_ended_jobs() {
    let home = Home::new();
    let store = home.open();
    let ids = enqueue(&store, &vec![0; IMAGE_JOBS_WAITING_MAX]);
    let new = NewImageJob { priority: 9, model: "tiny", request: "{}", images: 1, blobs: &[] };
    let error = store.enqueue_image_job(&new).unwrap_err();
    assert!(matches!(error, StoreError::TooMany { count_max: IMAGE_JOBS_WAITING_MAX, .. }), "{error:?}");
    store.cancel_image_job(&ids[0]).unwrap();
    store.enqueue_image_job(&new).unwrap();
    let error = store.retry_image_job(&ids[0]).unwrap_err();
    assert!(matches!(error, StoreError::TooMany { .. }), "{error:?}");

    // Ended jobs are made in the table directly, because two thousand flushed commits take a while.
    store
        .user
        .write(|transaction| {
            let sql = "UPDATE image_jobs SET state = 'cancelled'";
            transaction.execute(sql, [])?;
            for number in 0..IMAGE_JOBS_ENDED_MAX {
                let sql = "INSERT INTO image_jobs SELECT 'zz' || ?1, 'done', 0, 0, model, request, 1, 1, 1, NULL, 1, 1, 1
                           FROM image_jobs LIMIT 1";
                transaction.execute(sql, [format!("{number:04}")])?;
            }
            Ok(())
        })
        .unwrap();
    store.enqueue_image_job(&new).unwrap();
    assert_eq!(super::count(&store, "SELECT count(*) FROM image_jobs"), IMAGE_JOBS_ENDED_MAX as i64 + 1);
    assert!(matches!(store.image_job(&ids[0]).unwrap_err(), StoreError::NotFound { .. }));
    let newest = store.ended_image_jobs(None, 2).unwrap();
    assert_eq!(newest.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["zz1999", "zz1998"]);
    assert_eq!(store.ended_image_jobs(Some("zz1999"), 1).unwrap()[0].id, "zz1998");
}

#[test]
fn a_job_ends_with_its_last_image_and_only_once() {
    let home = Home::new();
    let store = home.open();
    let id = job(&store, 2).id;
    let new = |place| NewImage { job: Some((&id, place)), ..image("a fox") };
    let error = store.add_image(&new(0)).unwrap_err();
    assert!(matches!(error, StoreError::Conflict(_)), "it does not run yet: {error:?}");
    store.claim_image_job().unwrap().unwrap();
    home.pass(5);
    store.add_image(&new(0)).unwrap();
    let error = store.add_image(&new(0)).unwrap_err();
    assert!(matches!(error, StoreError::Conflict(_)), "the place is taken: {error:?}");
    let running = store.image_job(&id).unwrap();
    assert_eq!((running.state, running.images_done), (ImageJobState::Running, 1), "a refused image was counted");
    store.add_image(&new(1)).unwrap();
    let done = store.image_job(&id).unwrap();
    assert_eq!((done.state, done.images_done), (ImageJobState::Done, 2));
    assert_eq!(done.finished_ms, Some(done.created_ms + 5));
    assert_eq!(store.images_of_job(&id).unwrap().iter().map(|image| image.place).collect::<Vec<_>>(), [0, 1]);
    for attempt in [
        store.add_image(&new(2)).map(drop),
        store.finish_image_job(&id),
        store.fail_image_job(&id, "late"),
        store.requeue_image_job(&id, true, "late").map(drop),
        store.retry_image_job(&id).map(drop),
    ] {
        let error = attempt.unwrap_err();
        assert!(matches!(error, StoreError::Conflict(_)), "{error:?}");
    }
    assert_eq!(store.cancel_image_job(&id).unwrap(), ImageJobState::Done);
    assert_eq!(store.image_job(&id).unwrap(), done);
}

#[test]
fn a_job_that_was_taken_back_makes_the_rest_when_it_is_tried_again() {
    let home = Home::new();
    let store = home.open();
    let id = job(&store, 2).id;
    store.claim_image_job().unwrap().unwrap();
    store.add_image(&NewImage { job: Some((&id, 0)), ..image("a fox") }).unwrap();
    assert_eq!(store.cancel_image_job(&id).unwrap(), ImageJobState::Running);
    let error = store.add_image(&NewImage { job: Some((&id, 1)), ..image("a fox") }).unwrap_err();
    assert!(matches!(error, StoreError::Conflict(_)), "{error:?}");
    let again = store.retry_image_job(&id).unwrap();
    assert_eq!((again.state, again.images_done, again.attempts), (ImageJobState::Queued, 1, 0));
    assert_eq!(store.claim_image_job().unwrap().unwrap().id, id);
    store.add_image(&NewImage { job: Some((&id, 1)), ..image("a fox") }).unwrap();
    assert_eq!(store.image_job(&id).unwrap().state, ImageJobState::Done);
}

#[test]
fn a_job_whose_process_died_goes_first_once_more_and_then_fails() {
    let home = Home::new();
    let store = home.open();
    let ids = enqueue(&store, &[0, 0]);
    for attempt in 1..=IMAGE_ATTEMPTS_MAX {
        let claimed = store.claim_image_job().unwrap().unwrap();
        assert_eq!((&claimed.id, claimed.attempts), (&ids[0], attempt), "the other one went first");
        // Familiar ending in order counts for nothing.
        assert_eq!(store.requeue_image_job(&ids[0], false, "").unwrap(), ImageJobState::Queued);
        assert_eq!(store.claim_image_job().unwrap().unwrap().attempts, attempt);
        let recovered = store.recover_image_jobs("it died").unwrap();
        let expected = if attempt < IMAGE_ATTEMPTS_MAX { (1, 0) } else { (0, 1) };
        assert_eq!((recovered.requeued.len(), recovered.failed.len()), expected);
    }
    let failed = store.image_job(&ids[0]).unwrap();
    assert_eq!((failed.state, failed.error.as_deref()), (ImageJobState::Failed, Some("it died")));
    assert_eq!(store.claim_image_job().unwrap().unwrap().id, ids[1]);
}

#[test]
fn bytes_a_job_begins_with_are_kept_in_order() {
    let home = Home::new();
    let store = home.open();
    let blobs: &[&[u8]] = &[b"the image", b"the mask"];
    let new = NewImageJob { priority: 0, model: "tiny", request: "{}", images: 1, blobs };
    let id = store.enqueue_image_job(&new).unwrap().id;
    let kept = store.image_job_blobs(&id).unwrap();
    let bytes: Vec<Vec<u8>> = kept.iter().map(|hash| store.blob(hash).unwrap()).collect();
    assert_eq!(bytes, blobs);
    assert_eq!(store.sweep_images().unwrap().removed_files, 0, "the job still needs them");
}
