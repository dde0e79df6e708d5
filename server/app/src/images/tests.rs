//! Jobs from the request to the gallery, over real files and a real database; only the model is scripted.

mod chat;
mod memory;
mod painter;

use futures::StreamExt;
use model::{ImageEvent, ModelError};
use store::IMAGE_JOBS_WAITING_MAX;

use super::parameters::{ImageParameters, read_text};
use crate::{
    ErrorKind, GalleryFilter, GenerateRequest, ImageJobEventKind, ImageJobState, ImageOrigin, ImageSource,
    ImageView, ParametersForm, SourceOf,
};
use painter::{World, is_end, until};

async fn gallery(world: &World) -> Vec<(String, u64)> {
    let page = world.app.gallery(GalleryFilter::default(), None, 100).await.expect("it can be read");
    page.images.into_iter().rev().map(|image| (image.prompt, image.seed)).collect()
}

/// Lets a job end, and tells how.
async fn end(world: &World, id: &str) -> (ImageJobState, Option<String>) {
    let mut events = world.app.image_events(Some(id));
    match until(&mut events, is_end).await.pop() {
        Some(ImageJobEventKind::Ended { state, error }) => (state, error),
        other => panic!("it ended with {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_becomes_images_with_their_settings_in_the_files() {
    let mut world = World::new();
    let id = world.generate("a fox", 2).await;
    let draw = world.draw().await;
    let request = &draw.request;
    assert_eq!((request.width_pixels, request.steps, request.seed, request.count), (64, 4, 10, 2));
    let mut events = world.app.image_events(Some(&id));
    draw.tell(Ok(ImageEvent::Encoding)).await;
    draw.step(1).await;
    draw.step(2).await;
    let seen = until(&mut events, |kind| matches!(kind, ImageJobEventKind::Step { done: 2, .. })).await;
    let Some(ImageJobEventKind::Step { all: 4, remaining_ms: Some(_), preview: Some(preview), .. }) = seen.last()
    else {
        panic!("{seen:?}");
    };
    assert_eq!((preview.width_pixels, preview.height_pixels), (2, 1));
    draw.all().await;
    let rest = until(&mut events, is_end).await;
    let saved: Vec<(u32, u64)> = rest
        .iter()
        .filter_map(|kind| match kind {
            ImageJobEventKind::Saved { image } => Some((image.index, image.seed)),
            _ => None,
        })
        .collect();
    assert_eq!(saved, [(0, 10), (1, 11)]);
    assert_eq!(rest.last(), Some(&ImageJobEventKind::Ended { state: ImageJobState::Done, error: None }));
    assert!(events.next().await.is_none(), "nothing follows the end");

    let images = world.app.images_of_job(&id).await.expect("they are kept");
    let file = world.app.image_file(&images[1].id, true).await.expect("it is there");
    let said = ImageParameters::of_file(&read_text(&file)).expect("it says how it was made");
    assert_eq!((said.form, said.prompt.as_str(), said.seed), (ParametersForm::Familiar, "a fox", Some(11)));
    let ImageOrigin::Made { settings } = &images[1].origin else { panic!("{:?}", images[1].origin) };
    assert_eq!((settings.guidance, settings.model.as_str()), (5.0, "scripted"));
    let bare = world.app.image_file(&images[1].id, false).await.expect("it is there");
    assert!(read_text(&bare).is_empty() && bare.len() < file.len());
    assert!(world.app.image_thumbnail(&images[1].id).await.expect("it is there").starts_with(b"RIFF"));
    assert_eq!(images[1].alt_text(), "a fox");

    assert_eq!(world.app.delete_images(&[images[0].id.clone(), "none".into()]).await.expect("removed"), 1);
    assert_eq!(gallery(&world).await, [("a fox".to_owned(), 11)]);
    let error = world.app.image_file(&images[0].id, true).await.expect_err("it is gone");
    assert_eq!(error.kind, ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_take_turns_and_one_that_is_taken_back_lets_the_next_one_go() {
    let mut world = World::new();
    let mut all = world.app.image_events(None);
    let first = world.generate("first", 1).await;
    let draw = world.draw().await;
    let second = world.generate("second", 1).await;
    let third = world.generate("third", 1).await;
    world.app.move_image_job(&third, Some(&second)).await.expect("both wait");
    let jobs = world.app.image_jobs(None, 10).await.expect("they are listed");
    let order: Vec<&str> = jobs.open.iter().map(|job| job.id.as_str()).collect();
    assert_eq!(order, [&first, &third, &second]);
    assert_eq!(jobs.open[2].now, Some(ImageJobEventKind::Queued { position: 2 }));
    let error = world.app.retry_image_job(&first).await.expect_err("it runs");
    assert_eq!(error.kind, ErrorKind::Busy);

    world.app.cancel_image_job(&first).await.expect("it is taken back");
    draw.cancelled().await;
    world.draw().await.all().await;
    world.draw().await.all().await;
    assert_eq!(end(&world, &first).await.0, ImageJobState::Cancelled);
    assert_eq!(end(&world, &second).await.0, ImageJobState::Done);
    let prompts: Vec<String> = gallery(&world).await.into_iter().map(|(prompt, _)| prompt).collect();
    assert_eq!(prompts, ["third", "second"]);
    let ended = world.app.image_jobs(None, 10).await.expect("they are listed").ended;
    assert_eq!(ended.len(), 3);
    // Whoever watches everything saw each of them end once.
    let mut ends = 0;
    while ends < 3 {
        until(&mut all, is_end).await;
        ends += 1;
    }

    world.app.retry_image_job(&first).await.expect("it waits again");
    world.draw().await.all().await;
    assert_eq!(end(&world, &first).await.0, ImageJobState::Done);
    let error = world.app.retry_image_job(&first).await.expect_err("it is done");
    assert_eq!(error.kind, ErrorKind::Stale);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_can_be_taken_back_at_once() {
    let mut world = World::new();
    world.generate("runs", 1).await;
    let draw = world.draw().await;
    let waits = world.generate("waits", 1).await;
    let mut events = world.app.image_events(Some(&waits));
    assert_eq!(world.app.cancel_image_jobs().await.expect("taken back"), 2);
    draw.cancelled().await;
    until(&mut events, is_end).await;
    assert!(!world.is_asked(), "a job that was taken back began");
    assert_eq!(gallery(&world).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_model_dies_goes_on_once_and_keeps_what_it_had() {
    let mut world = World::new();
    let id = world.generate("a fox", 3).await;
    let died = || ModelError::Crashed("signal 9".into());
    let draw = world.draw().await;
    draw.image(0).await;
    draw.fail(died()).await;
    let again = world.draw().await;
    assert_eq!((again.request.seed, again.request.count), (11, 2), "what was kept is not drawn again");
    again.fail(died()).await;
    let (state, error) = end(&world, &id).await;
    assert_eq!(state, ImageJobState::Failed);
    assert!(
        error.as_ref().is_some_and(|error| error.contains("signal 9") && error.contains("smaller")),
        "{error:?}"
    );
    world.app.retry_image_job(&id).await.expect("it waits again");
    world.draw().await.all().await;
    assert_eq!(end(&world, &id).await.0, ImageJobState::Done);
    let seeds: Vec<u64> = gallery(&world).await.into_iter().map(|(_, seed)| seed).collect();
    assert_eq!(seeds, [10, 11, 12]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_ends_with_its_last_image_whatever_the_model_does_after() {
    let mut world = World::new();
    let id = world.generate("a fox", 2).await;
    let model = world.draw().await;
    model.image(0).await;
    model.image(1).await;
    // It says nothing more, and is still there.
    assert_eq!(end(&world, &id).await.0, ImageJobState::Done);
    model.cancelled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_wait_for_a_model_that_is_not_started_for_a_while() {
    let mut world = World::new();
    let id = world.generate("a fox", 1).await;
    let mut events = world.app.image_events(Some(&id));
    let resting =
        || ModelError::Resting { reason: "signal 9".into(), retry_after: std::time::Duration::from_millis(10) };
    // More often than a job whose own attempts fail would be tried.
    for _ in 0..4 {
        world.draw().await.fail(resting()).await;
    }
    let held = until(&mut events, |kind| matches!(kind, ImageJobEventKind::Held { .. })).await.pop();
    assert!(matches!(&held, Some(ImageJobEventKind::Held { notice }) if notice.contains("signal 9")), "{held:?}");
    world.draw().await.all().await;
    assert_eq!(end(&world, &id).await.0, ImageJobState::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_the_queue_goes_on_and_nothing_half_is_shown() {
    let mut world = World::new();
    let rows = |bytes| Ok(ImageEvent::Rows { rgb: vec![0; bytes] });
    let whole = |index, width_pixels| ImageEvent::Image { index, seed: 1, width_pixels, height_pixels: 64 };
    let nan = ModelError::Unavailable("the image became NaN at step 3".into());
    for (what, events) in [
        ("too few rows", vec![rows(64 * 3), Ok(whole(0, 64))]),
        ("too many rows", vec![rows(64 * 64 * 3), rows(1)]),
        ("another width", vec![rows(64 * 64 * 3), Ok(whole(0, 32))]),
        ("out of turn", vec![rows(64 * 64 * 3), Ok(whole(1, 64))]),
        ("no image", vec![Ok(ImageEvent::Finished { timings: model::Timings::default() })]),
        ("an error", vec![rows(64 * 3), Err(nan)]),
        ("nothing", Vec::new()),
    ] {
        let id = world.generate(what, 1).await;
        let draw = world.draw().await;
        for event in events {
            draw.tell(event).await;
        }
        drop(draw);
        let (state, error) = end(&world, &id).await;
        assert!(state == ImageJobState::Failed && error.is_some_and(|error| !error.is_empty()), "{what}");
    }
    // A file where a folder should be is a disk that refuses.
    let unfinished = world.blobs().join("unfinished");
    std::fs::remove_dir(&unfinished).expect("it is empty");
    std::fs::write(&unfinished, "").expect("it can be written");
    let id = world.generate("no disk", 1).await;
    world.draw().await.image(0).await;
    let (state, error) = end(&world, &id).await;
    assert!(state == ImageJobState::Failed && error.is_some_and(|error| error.contains("disk")));
    std::fs::remove_file(&unfinished).expect("it is there");
    std::fs::create_dir(&unfinished).expect("it can be made");
    assert_eq!(gallery(&world).await, []);

    let id = world.generate("a fox", 1).await;
    world.draw().await.all().await;
    assert_eq!(end(&world, &id).await.0, ImageJobState::Done);
    assert_eq!(gallery(&world).await.len(), 1);
    let swept = world.app.sweep_images().await.expect("compared");
    assert_eq!((swept.missing, swept.removed_files), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_cut_off_goes_on_after_the_next_start() {
    let mut world = World::new();
    let id = world.generate("a fox", 2).await;
    let draw = world.draw().await;
    let mut events = world.app.image_events(Some(&id));
    draw.image(0).await;
    until(&mut events, |kind| matches!(kind, ImageJobEventKind::Saved { .. })).await;
    draw.step(3).await;
    drop(events);
    let waiting = world.generate("next", 1).await;
    let mut world = world.restarted().await;
    draw.cancelled().await;
    let again = world.draw().await;
    assert_eq!(again.request.prompt, "a fox");
    assert_eq!(again.request.count, 1, "what was kept is not drawn again");
    again.all().await;
    world.draw().await.all().await;
    for job in [&id, &waiting] {
        assert_eq!(end(&world, job).await.0, ImageJobState::Done);
    }
    assert_eq!(gallery(&world).await.len(), 3);
    assert_eq!(world.app.image_job(&id).await.expect("it is listed").images_done, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_watcher_is_told_how_things_stand() {
    let mut world = World::new();
    let id = world.generate("a fox", 1).await;
    let draw = world.draw().await;
    let mut early = world.app.image_events(None);
    draw.step(3).await;
    until(&mut early, |kind| matches!(kind, ImageJobEventKind::Step { .. })).await;
    for wanted in [None, Some(id.as_str())] {
        let mut late = world.app.image_events(wanted);
        let now = until(&mut late, |_| true).await;
        assert!(matches!(&now[..], [ImageJobEventKind::Step { done: 3, preview: Some(_), .. }]), "{now:?}");
    }
    draw.all().await;
    until(&mut early, is_end).await;
    let after: Vec<_> = world.app.image_events(Some(&id)).collect().await;
    assert_eq!(after.len(), 1, "{after:?}");
    let nobody: Vec<_> = world.app.image_events(Some("nothing")).collect().await;
    assert!(matches!(&nobody[..], [Err(error)] if error.kind == ErrorKind::NotFound), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_jobs_wait_than_may() {
    let mut world = World::new();
    world.generate("runs", 1).await;
    let _draw = world.draw().await;
    for _ in 0..IMAGE_JOBS_WAITING_MAX {
        world.generate("waits", 1).await;
    }
    let request = GenerateRequest { prompt: "one more".into(), ..GenerateRequest::default() };
    let error = world.app.generate(request).await.expect_err("there are too many");
    assert_eq!(error.kind, ErrorKind::Busy);
    assert!(error.hint.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_drawn_over_and_brought_back_by_its_file() {
    let mut world = World::new();
    let id = world.generate("a fox", 1).await;
    world.draw().await.all().await;
    assert_eq!(end(&world, &id).await.0, ImageJobState::Done);
    let image = world.app.images_of_job(&id).await.expect("kept").remove(0);
    let file = world.app.image_file(&image.id, true).await.expect("it is there");

    let over = |mask| GenerateRequest {
        prompt: "a hen".into(),
        source: Some(ImageSource { image: SourceOf::Image(image.id.clone()), strength: 0.5, mask }),
        ..GenerateRequest::default()
    };
    let small =
        super::picture::Pixels::new(8, 8, vec![0; 192]).and_then(|pixels| pixels.png(None)).expect("a file");
    let size = (image.width_pixels, image.height_pixels);
    let plain = |value| {
        let pixels = super::picture::Pixels::new(size.0, size.1, vec![value; (size.0 * size.1 * 3) as usize]);
        pixels.and_then(|pixels| pixels.png(None)).expect("a file")
    };
    let (black, white) = (plain(0), plain(255));
    for (mask, expected) in
        [(small, "as large"), (b"no image".to_vec(), "another program"), (black, "paint white")]
    {
        let error = world.app.generate(over(Some(mask))).await.expect_err("it is no mask");
        assert!(error.kind == ErrorKind::User && error.hint.is_some_and(|hint| hint.contains(expected)));
    }
    let id = world.app.generate(over(Some(white.clone()))).await.expect("it is taken").id;
    let draw = world.draw().await;
    let source = draw.request.source.clone().expect("it starts from an image");
    assert_eq!((source.strength, std::fs::read(&source.path).expect("it is there")), (0.5, file.clone()));
    assert!(source.mask.is_some());
    let job = world.app.image_job(&id).await.expect("it is listed");
    let started = world.app.image_job_start(&job).await.expect("it is looked for").expect("from an image");
    assert_eq!((started.image.as_ref(), started.mask.as_ref()), (Some(&image.id), Some(&white)));
    draw.all().await;
    assert_eq!(end(&world, &id).await.0, ImageJobState::Done);
    let made = world.app.images_of_job(&id).await.expect("kept").remove(0);
    let ImageOrigin::Made { settings } = made.origin else { panic!("{:?}", made.origin) };
    assert!(settings.source.is_some() && settings.strength == Some(0.5), "{settings:?}");
    // What it started from can be started from again, for as long as it is there.
    let again = async |made: &ImageView| world.app.image_start(made).await.expect("it is looked for");
    let made = world.app.images_of_job(&id).await.expect("kept").remove(0);
    let started = again(&made).await.expect("from an image");
    assert_eq!((started.image.as_ref(), started.strength, started.has_mask), (Some(&image.id), 0.5, true));
    assert_eq!(world.app.image_job_start(&job).await.expect("it is looked for"), Some(started), "from its image");
    assert_eq!(again(&image).await, None, "from nothing");

    world.app.delete_images(&[image.id]).await.expect("removed");
    let started = again(&made).await.expect("it still says so");
    assert_eq!((started.image, started.strength, started.has_mask), (None, 0.5, true));
    let brought = world.app.import_image(file.clone()).await.expect("it is an image");
    assert!(brought.is_new);
    let brought = brought.image;
    assert_eq!((brought.prompt.as_str(), brought.seed, brought.model.as_str()), ("a fox", 10, "scripted"));
    let ImageOrigin::Brought { parameters: Some(parameters) } = brought.origin else { panic!("it was brought") };
    assert_eq!(world.app.read_parameters(file).await.expect("it is read"), Some(*parameters));
    for wrong in [b"no image".to_vec(), Vec::new()] {
        assert_eq!(world.app.import_image(wrong).await.expect_err("it is none").kind, ErrorKind::User);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_that_was_chosen_draws_when_none_is_named() {
    let mut world = World::new();
    // File systems know times to some milliseconds only.
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let other = world.app.home().models.join("a-second");
    std::fs::create_dir(&other).expect("a folder");
    std::fs::write(other.join("model_index.json"), "{}").expect("written");
    let app = world.app.clone();
    let current = async || {
        let models = app.image_models().await.expect("they are listed");
        models.into_iter().filter(|entry| entry.current).map(|entry| entry.name).collect::<Vec<_>>()
    };
    assert_eq!(current().await, ["scripted"], "the one that was there first, while nobody chose");
    world.app.use_image_model("a-second").await.expect("it is there");
    assert_eq!(current().await, ["a-second"]);
    world.app.use_image_model("scripted").await.expect("it is there");
    assert_eq!(current().await, ["scripted"]);
    let id = world.generate("a fox", 1).await;
    let _draw = world.draw().await;
    assert_eq!(world.app.image_job(&id).await.expect("it is listed").model, "scripted");
    assert_eq!(world.app.use_image_model("none").await.expect_err("there is none").kind, ErrorKind::NotFound);
    assert_eq!(current().await, ["scripted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_gives_its_memory_back_when_it_is_told_to_but_not_while_it_draws() {
    let mut world = World::new();
    let id = world.generate("a fox", 1).await;
    let draw = world.draw().await;
    let error = world.app.unload_models(None).await.expect_err("it draws");
    assert!(error.kind == ErrorKind::Busy && error.hint.is_some(), "{error:?}");
    draw.all().await;
    assert_eq!(end(&world, &id).await.0, ImageJobState::Done);
    // Its end is told a moment before the turn is over.
    while world.app.activity().1 > 0 {
        tokio::task::yield_now().await;
    }
    let error = world.app.unload_models(Some("none")).await.expect_err("there is none");
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert_eq!(world.app.unload_models(Some("scripted")).await.expect("it is idle"), ["scripted"]);
    assert_eq!(world.unloads(), 1);
    assert_eq!(world.app.unload_models(None).await.expect("nothing is loaded"), [""; 0]);
}

#[tokio::test]
async fn whoever_brings_no_model_leaves_the_queue_alone() {
    let home = tempfile::tempdir().expect("a folder");
    let models = home.path().join("models").join("scripted");
    std::fs::create_dir_all(&models).expect("a folder");
    std::fs::write(models.join("model_index.json"), "{}").expect("written");
    let app = crate::App::for_tests(home.path(), None);
    let request = GenerateRequest { prompt: "a fox".into(), ..GenerateRequest::default() };
    let id = app.generate(request).await.expect("it is taken").id;
    for _ in 0..20 {
        let state = app.image_job(&id).await.expect("it is listed").state;
        assert_eq!(state, ImageJobState::Queued, "a command that only looks must not fail it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_brought_once_and_several_of_them_all_or_none() {
    let mut world = World::new();
    let id = world.generate("a fox", 1).await;
    world.draw().await.all().await;
    assert_eq!(end(&world, &id).await.0, ImageJobState::Done);
    let made = world.app.images_of_job(&id).await.expect("kept").remove(0);
    let file = world.app.image_file(&made.id, true).await.expect("it is there");
    let found = world.app.import_image(file.clone()).await.expect("it is an image");
    assert!(!found.is_new && found.image == made, "the gallery has it: {found:?}");
    let bare = world.app.image_file(&made.id, false).await.expect("it is there");
    let brought = world.app.import_images(vec![bare.clone(), file, bare]).await.expect("all are images");
    let places: Vec<bool> = brought.iter().map(|brought| brought.is_new).collect();
    assert_eq!(places, [true, false, false]);
    assert_eq!(brought[0].image.id, brought[2].image.id);
    assert_eq!(gallery(&world).await.len(), 2);
    let other =
        super::picture::Pixels::new(8, 8, vec![9; 192]).and_then(|pixels| pixels.png(None)).expect("a file");
    let error = world.app.import_images(vec![other, b"no image".to_vec()]).await.expect_err("one is none");
    assert!(error.kind == ErrorKind::User && error.message.contains("number 2"), "{error:?}");
    for (names, expected) in [
        (&["words.png"][..], "the file `words.png` is not kept: "),
        (&["`x`.png", "y.png"][..], "none of the files is kept, because of `'x'.png`: "),
    ] {
        let name = |name: &&str| crate::BroughtFile { name: (*name).into(), bytes: b"no image".to_vec() };
        let error = world.app.import_images(names.iter().map(name).collect()).await.expect_err("none is one");
        assert!(error.kind == ErrorKind::User && error.message.starts_with(expected), "{error:?}");
    }
    assert_eq!(gallery(&world).await.len(), 2, "none of them is kept");
}

/// Every file below a folder with its bytes.
fn files(folder: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("it can be read") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push((path.clone(), std::fs::read(&path).expect("it can be read"))),
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_somebody_deleted_is_noticed_when_it_is_asked_for() {
    let mut world = World::new();
    let id = world.generate("a fox", 1).await;
    world.draw().await.all().await;
    assert_eq!(end(&world, &id).await.0, ImageJobState::Done);
    let image = world.app.images_of_job(&id).await.expect("kept").remove(0);
    let thumbnail = world.app.image_thumbnail(&image.id).await.expect("it is there");
    let all = files(&world.blobs());
    let (small, large): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, bytes)| bytes.starts_with(b"RIFF"));
    // A small version is made again, also one that is damaged.
    std::fs::remove_file(&small[0].0).expect("it is there");
    assert_eq!(world.app.image_thumbnail(&image.id).await.expect("it is made again"), thumbnail);
    assert!(small[0].0.is_file());
    std::fs::write(&small[0].0, "damaged").expect("it can be written");
    assert_eq!(world.app.image_thumbnail(&image.id).await.expect("it is made again"), thumbnail);

    std::fs::remove_file(&large[0].0).expect("it is there");
    for with_settings in [true, false] {
        let error = world.app.image_file(&image.id, with_settings).await.expect_err("it is gone");
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(error.message.contains("deleted outside of Familiar"), "{error:?}");
        assert!(error.hint.is_some_and(|hint| hint.contains("settings")));
    }
    assert_eq!(gallery(&world).await, [], "it is no longer shown, without waiting for a sweep");
    assert!(world.app.image(&image.id).await.expect("its settings are known").missing);
    let missing = GalleryFilter { missing: true, ..GalleryFilter::default() };
    let listed = async || world.app.gallery(missing.clone(), None, 9).await.expect("it can be read").images;
    assert_eq!(listed().await.iter().map(|image| image.id.as_str()).collect::<Vec<_>>(), [&image.id]);
    assert!(!world.app.is_image_whole(&image.id).await.expect("it is looked at"));
    std::fs::write(&large[0].0, &large[0].1).expect("it can be written");
    assert!(world.app.image_file(&image.id, true).await.is_ok());
    assert_eq!((gallery(&world).await.len(), listed().await.len()), (1, 0));
    assert!(world.app.is_image_whole(&image.id).await.expect("it is looked at"));
    std::fs::write(&large[0].0, "damaged").expect("it can be written");
    assert!(!world.app.is_image_whole(&image.id).await.expect("it is looked at"));
    let error = world.app.image_file(&image.id, true).await.expect_err("it is damaged");
    assert!(error.message.contains("damaged") && error.hint.is_some_and(|hint| hint.contains("whole copy")));
    world.app.import_image(large[0].1.clone()).await.expect("it is an image");
    assert!(world.app.is_image_whole(&image.id).await.expect("it is looked at"), "a whole copy mends it");
    std::fs::remove_file(&small[0].0).expect("it is there");
    std::fs::remove_file(&large[0].0).expect("it is there");
    let error = world.app.image_thumbnail(&image.id).await.expect_err("nothing is left to make it from");
    assert!(error.message.contains("deleted outside of Familiar"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_gallery_join() {
    let mut world = World::new();
    let id = world.generate("a fox", 5).await;
    world.draw().await.all().await;
    assert_eq!(end(&world, &id).await.0, ImageJobState::Done);
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page =
            world.app.gallery(GalleryFilter::default(), cursor.as_deref(), 2).await.expect("it can be read");
        seen.extend(page.images.iter().map(|image| image.seed));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, [14, 13, 12, 11, 10]);
    let error = world.app.gallery(GalleryFilter::default(), Some("x"), 2).await.expect_err("it is no place");
    assert_eq!(error.kind, ErrorKind::User);
    let totals = world.app.gallery_totals(GalleryFilter::default()).await.expect("they can be read");
    assert_eq!((totals.images, totals.models), (5, vec![("scripted".to_owned(), 5)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_found_by_name_and_chosen() {
    let world = World::new();
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let models = &world.app.home().models;
    // A file alone is no model, and neither is one that is still being brought.
    std::fs::write(models.join("alone.safetensors"), b"weights").expect("it can be written");
    for (folder, file) in
        [("other", "unet.safetensors"), (".coming.part", "unet.safetensors"), ("other", "t.gguf")]
    {
        std::fs::create_dir_all(models.join(folder)).expect("a folder");
        std::fs::write(models.join(folder).join("model_index.json"), b"{}").expect("it can be written");
        std::fs::write(models.join(folder).join(file), b"weights").expect("it can be written");
    }
    let names = async || {
        let models = world.app.image_models().await.expect("they are listed");
        models.into_iter().map(|model| (model.name, model.size_bytes, model.current)).collect::<Vec<_>>()
    };
    assert_eq!(names().await, [("other".to_owned(), 14, false), ("scripted".to_owned(), 0, true)]);
    world.app.use_image_model("other").await.expect("it is there");
    assert!(names().await[0].2);
    let error = world.app.use_image_model("none").await.expect_err("it is not there");
    assert_eq!(error.kind, ErrorKind::NotFound);
    let request = GenerateRequest { prompt: "x".into(), model: Some("none".into()), ..GenerateRequest::default() };
    assert_eq!(world.app.generate(request).await.expect_err("it is not there").kind, ErrorKind::NotFound);
}
