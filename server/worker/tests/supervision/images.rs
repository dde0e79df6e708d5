//! Image models in real child processes: order, cancels, deaths, slow and absent readers, children that break the rules.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt};
use model::scripted::{ImageReply, Script, gradient};
use model::{ChatModel, ImageEvent, ImageModel, ImageRequest, ImageStream, ModelError};
use tokio::io::AsyncReadExt;
use tokio::net::UnixListener;
use worker::{Supervisor, WorkerImageModel, WorkerModel, WorkerOptions};

use crate::{child, exists, run, spec};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("images_arrive_in_order", images_arrive_in_order),
    ("steps_are_cancelled_at_once", steps_are_cancelled_at_once),
    ("a_child_that_dies_in_mid_step_costs_one_request", a_child_that_dies_in_mid_step),
    ("a_child_that_hangs_in_mid_step_is_found", a_child_that_hangs_in_mid_step),
    ("the_queue_of_images_is_bounded", the_queue_of_images_is_bounded),
    ("a_slow_reader_costs_bounded_memory", a_slow_reader_costs_bounded_memory),
    ("a_reader_that_does_not_read_loses_its_request", a_reader_that_does_not_read),
    ("image_models_are_switched_and_unloaded", image_models_are_switched_and_unloaded),
    ("image_errors_are_no_crashes", image_errors_are_no_crashes),
    ("hostile_images_are_refused", hostile_images_are_refused),
    ("children_of_other_work_are_refused", children_of_other_work_are_refused),
];

struct Fixture {
    model: WorkerImageModel,
    folder: tempfile::TempDir,
}

fn write_script(folder: &std::path::Path, name: &str, images: Vec<ImageReply>) -> std::path::PathBuf {
    let path = folder.join(name);
    let script = Script { images, ..Script::default() };
    std::fs::write(&path, serde_json::to_vec(&script).unwrap()).unwrap();
    path
}

fn fixture(images: impl IntoIterator<Item = ImageReply>, change: impl FnOnce(&mut WorkerOptions)) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = write_script(folder.path(), "script.json", images.into_iter().collect());
    let mut options = WorkerOptions::for_images("test", spec("images", &path), child::BUILD_ID);
    change(&mut options);
    Fixture { model: WorkerImageModel::new(options, Supervisor::start().unwrap()).unwrap(), folder }
}

fn request(side_pixels: u32, count: u32) -> ImageRequest {
    ImageRequest {
        prompt: "a hill".into(),
        negative_prompt: String::new(),
        width_pixels: side_pixels,
        height_pixels: side_pixels,
        steps: 3,
        guidance: 5.0,
        sampler: None,
        spacing: None,
        seed: 7,
        count,
        clip_skip: 0,
        source: None,
        previews: true,
        working_bytes_max: None,
    }
}

/// A request that never gets beyond its first step.
fn stuck() -> ImageReply {
    ImageReply { steps_max: Some(1), hang: true, ..ImageReply::default() }
}

async fn read_all(mut stream: ImageStream) -> (Vec<ImageEvent>, Result<(), ModelError>) {
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(ImageEvent::Finished { .. }) => return (events, Ok(())),
            Ok(event) => events.push(event),
            Err(error) => return (events, Err(error)),
        }
    }
    panic!("a stream ended without saying why");
}

async fn wait_for_step(stream: &mut ImageStream) {
    while let Some(event) = stream.next().await {
        if matches!(event.expect("a step"), ImageEvent::Step { .. }) {
            return;
        }
    }
    panic!("a stream ended without a step");
}

fn images_arrive_in_order() {
    let fixture = fixture([], |_| {});
    run(async {
        let before = fixture.model.info();
        assert_eq!((before.name.as_str(), before.loaded, before.side_pixels), ("test", false, 0));
        assert_eq!(fixture.model.pid(), None, "nothing is started before it is needed");
        let (events, end) = read_all(fixture.model.draw(request(800, 2))).await;
        assert_eq!(end, Ok(()));
        let mut kinds = Vec::new();
        let (mut pixels, mut images) = (Vec::new(), Vec::new());
        for event in events {
            let kind = match event {
                ImageEvent::Queued { .. } => "queued",
                ImageEvent::Loading { .. } => "loading",
                ImageEvent::Encoding => "encoding",
                ImageEvent::Step { done, all, preview } => {
                    assert!(done <= all && all == 6 && preview.is_some());
                    "step"
                }
                ImageEvent::Decoding => "decoding",
                ImageEvent::Rows { rgb } => {
                    pixels.extend(rgb);
                    "rows"
                }
                ImageEvent::Image { seed, .. } => {
                    images.push((seed, std::mem::take(&mut pixels)));
                    "image"
                }
                ImageEvent::Finished { .. } => "finished",
            };
            if kinds.last() != Some(&kind) {
                kinds.push(kind);
            }
        }
        assert_eq!(kinds, ["loading", "encoding", "step", "decoding", "rows", "image", "rows", "image"]);
        let expected: Vec<_> = [7, 8].map(|seed| (seed, gradient("a hill", seed, 800, 800))).into();
        assert!(images == expected, "other pixels arrived");
        let after = fixture.model.load().await.unwrap();
        assert_eq!((after.name.as_str(), after.loaded, after.side_pixels), ("test", true, 64));
    });
}

fn steps_are_cancelled_at_once() {
    let slow = ImageReply { delay_ms: 60_000, ..ImageReply::default() };
    let fixture = fixture([slow.clone(), slow, ImageReply::default()], |_| {});
    run(async {
        let mut first = fixture.model.draw(request(8, 1));
        while first.next().await.unwrap().unwrap() != ImageEvent::Encoding {}
        let pid = fixture.model.pid();
        let mut second = fixture.model.draw(request(8, 1));
        let third = fixture.model.draw(request(8, 1));
        assert_eq!(second.next().await, Some(Ok(ImageEvent::Queued { position: 1 })));
        // One while it waits, one in the middle of a step, and one before anything else was heard of it.
        drop(third);
        drop(first);
        while second.next().await.unwrap().unwrap() != ImageEvent::Encoding {}
        drop(fixture.model.draw(request(8, 1)));
        drop(second);
        assert_eq!(read_all(fixture.model.draw(request(8, 1))).await.1, Ok(()));
        assert_eq!(fixture.model.pid(), pid, "the same child goes on");
    });
}

fn a_child_that_dies_in_mid_step() {
    let aborts = ImageReply { steps_max: Some(2), abort: true, ..ImageReply::default() };
    for (reply, signal, expected) in [(stuck(), Some("-KILL"), "SIGKILL"), (aborts, None, "SIGABRT")] {
        let fixture = fixture([reply], |_| {});
        run(async {
            let mut stream = fixture.model.draw(request(8, 1));
            wait_for_step(&mut stream).await;
            let first = fixture.model.pid().expect("a child runs");
            let waiting = fixture.model.draw(request(8, 1));
            if let Some(signal) = signal {
                assert!(Command::new("kill").args([signal, &first.to_string()]).status().unwrap().success());
            }
            let at = Instant::now();
            let error = read_all(stream).await.1.unwrap_err();
            assert!(matches!(&error, ModelError::Crashed(why) if why.contains(expected)), "{error}");
            assert!(at.elapsed() < Duration::from_secs(2));
            // The script begins anew with the new child, so this one is stuck or dies as well; it is served.
            let mut waiting = waiting;
            wait_for_step(&mut waiting).await;
            assert_ne!(fixture.model.pid(), Some(first));
        });
    }
}

fn a_child_that_hangs_in_mid_step() {
    let answer = Duration::from_millis(300);
    let fixture = fixture([stuck()], |options| options.deadlines.answer = answer);
    run(async {
        let mut stream = fixture.model.draw(request(8, 1));
        wait_for_step(&mut stream).await;
        let first = fixture.model.pid().expect("a child runs");
        let error = read_all(stream).await.1.unwrap_err();
        assert!(matches!(&error, ModelError::Crashed(why) if why.contains("no progress")), "{error}");
        assert!(!exists(first));
        wait_for_step(&mut fixture.model.draw(request(8, 1))).await;
    });
    let defaults = WorkerOptions::for_images("x", spec("images", "x".as_ref()), "x").deadlines;
    assert_eq!(defaults.answer, Duration::from_secs(600), "a step may take minutes");
}

fn the_queue_of_images_is_bounded() {
    let fixture = fixture([stuck(), ImageReply::default()], |options| options.queue_len_max = 2);
    run(async {
        let mut running = fixture.model.draw(request(8, 1));
        wait_for_step(&mut running).await;
        let mut waiting = [(); 2].map(|()| fixture.model.draw(request(8, 1)));
        assert_eq!(read_all(fixture.model.draw(request(8, 1))).await.1, Err(ModelError::Busy));
        for (stream, position) in waiting.iter_mut().zip(1..) {
            assert_eq!(stream.next().await, Some(Ok(ImageEvent::Queued { position })));
        }
        drop(running);
        for stream in waiting {
            assert_eq!(read_all(stream).await.1, Ok(()));
        }
    });
}

/// Most memory that this process had since the last call, in bytes.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux tells the peak");
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    std::fs::write("/proc/self/clear_refs", "5").expect("the peak can be forgotten");
    kilobytes * 1024
}

/// Pixels that may be unread, in bytes.
const UNREAD_BYTES_MAX: usize = 8 << 20;

/// More pixels than may be unread.
fn large_request() -> ImageRequest {
    ImageRequest { previews: false, ..request(1_152, 3) }
}

/// How many events of the large request a child can send before anything is read.
fn events_until_held() -> usize {
    let mut left = UNREAD_BYTES_MAX;
    let fits = |event: &ImageEvent| {
        let bytes = 64 + if let ImageEvent::Rows { rgb } = event { rgb.len() } else { 0 };
        let fits = bytes <= left;
        left = left.saturating_sub(bytes);
        fits
    };
    ImageReply::default().events(&large_request()).unwrap().take_while(fits).count()
}

fn a_slow_reader_costs_bounded_memory() {
    let fixture = fixture([], |options| options.spec.args[1] = "counted".into());
    let images = usize::try_from(large_request().count).unwrap();
    let image_bytes = 1_152 * 1_152 * 3;
    assert!(images * image_bytes > UNREAD_BYTES_MAX + 2 * 1024 * 1024);
    run(async {
        let listener =
            UnixListener::bind(child::count_socket(&fixture.folder.path().join("script.json"))).unwrap();
        peak_bytes();
        let base = peak_bytes();
        let stream = fixture.model.draw(large_request());
        let held = events_until_held();
        let (mut count, _) = listener.accept().await.unwrap();
        count.read_exact(&mut vec![0; held]).await.unwrap();
        // A keeper that answers has taken what was sent before.
        assert!(fixture.model.load().await.unwrap().loaded);
        assert!(count.read_u8().now_or_never().is_none(), "the child went on without its reader");
        let more = peak_bytes().saturating_sub(base);
        let (events, end) = read_all(stream).await;
        assert_eq!(end, Ok(()));
        let mut pixels = Vec::new();
        for event in events {
            if let ImageEvent::Rows { rgb } = event {
                pixels.extend(rgb);
            }
        }
        let expected: Vec<_> = (7..).take(images).map(|seed| gradient("a hill", seed, 1_152, 1_152)).collect();
        assert!(pixels == expected.concat(), "other pixels arrived");
        println!("  {held} events and {} MiB of memory until it waited", more >> 20);
        assert!(more < 24 << 20, "{more} bytes more");
    });
}

fn a_reader_that_does_not_read() {
    let fixture = fixture([], |options| options.deadlines.answer = Duration::from_secs(3));
    run(async {
        fixture.model.load().await.unwrap();
        let pid = fixture.model.pid();
        let unread = fixture.model.draw(large_request());
        // This one is served once the other is given up.
        assert_eq!(read_all(fixture.model.draw(request(8, 1))).await.1, Ok(()));
        let (events, end) = read_all(unread).await;
        assert!(matches!(&end, Err(ModelError::Bug(why)) if why.contains("not read")), "{end:?}");
        let pixels: usize =
            events.iter().map(|event| if let ImageEvent::Rows { rgb } = event { rgb.len() } else { 0 }).sum();
        assert!((7 << 20..=UNREAD_BYTES_MAX).contains(&pixels), "{pixels} bytes of pixels");
        assert_eq!(fixture.model.pid(), pid, "it was not the child's fault");
    });
}

fn image_models_are_switched_and_unloaded() {
    let fixture = fixture([], |options| options.idle_unload = Some(Duration::from_millis(300)));
    let stuck_script = write_script(fixture.folder.path(), "stuck.json", vec![stuck()]);
    run(async {
        assert_eq!(read_all(fixture.model.draw(request(8, 1))).await.1, Ok(()));
        let pid = fixture.model.pid().expect("a child runs");
        fixture.model.switch(spec("images", &stuck_script), "other").await;
        assert!(!exists(pid), "its memory is given back");
        assert_eq!((fixture.model.info().name.as_str(), fixture.model.info().family.as_str()), ("other", ""));
        let mut stream = fixture.model.draw(request(8, 1));
        wait_for_step(&mut stream).await;
        assert!(stream.next().now_or_never().is_none(), "the other model is stuck");
        drop(stream);
        while fixture.model.pid().is_some() {
            tokio::task::yield_now().await;
        }
        assert!(!fixture.model.info().loaded, "nobody used it");

        let mut stream = fixture.model.draw(request(8, 1));
        wait_for_step(&mut stream).await;
        let pid = fixture.model.pid().expect("a new child");
        drop(stream);
        fixture.model.unload().await;
        assert!(!exists(pid) && fixture.model.pid().is_none());
    });
}

fn image_errors_are_no_crashes() {
    let error = ModelError::Unavailable("no memory left".into());
    let fixture =
        fixture([ImageReply { error: Some(error.clone()), steps_max: Some(1), ..ImageReply::default() }], |_| {});
    run(async {
        let (events, end) = read_all(fixture.model.draw(request(8, 1))).await;
        assert!(matches!(events.last(), Some(ImageEvent::Step { done: 1, .. })), "{events:?}");
        assert_eq!(end, Err(error));
        let end = read_all(fixture.model.draw(request(5_000, 1))).await.1;
        assert!(matches!(end, Err(ModelError::BadRequest(_))), "{end:?}");
        assert!(fixture.model.pid().is_some());
        fixture.model.switch(spec("images", "/nowhere/script.json".as_ref()), "other").await;
        assert!(matches!(fixture.model.load().await, Err(ModelError::BadFile(_))));
        assert_eq!(fixture.model.pid(), None);
    });
}

fn hostile_images_are_refused() {
    let cases = [
        ("long-rows", "rows beyond their bound"),
        ("empty-rows", "rows beyond their bound"),
        ("no-base64", "a message we do not know"),
        ("half-image", "rows that are no whole image"),
        ("wide-image", "rows that are no whole image"),
        ("other-index", "an image that was not asked for"),
        ("third-image", "an image that was not asked for"),
        ("early-end", "an end before the last image"),
        ("rows-at-end", "an end before the last image"),
        ("many-steps", "more steps than there are"),
        ("wrong-preview", "a preview that is no small image"),
        ("large-preview", "a preview that is no small image"),
        ("no-event", "a message we do not know"),
    ];
    for (case, expected) in cases {
        let mut options = WorkerOptions::for_images("test", spec("hostile", case.as_ref()), child::BUILD_ID);
        // It answers no heartbeats, but that is not what it is refused for.
        options.deadlines.heartbeat = crate::PATIENCE;
        let model = WorkerImageModel::new(options, Supervisor::start().unwrap()).unwrap();
        run(async {
            let stream = model.draw(request(4, 2));
            let error = read_all(stream).await.1.unwrap_err();
            assert!(matches!(&error, ModelError::Crashed(why) if why.contains(expected)), "{case}: {error}");
            assert_eq!(model.pid(), None, "{case}");
        });
    }
}

fn children_of_other_work_are_refused() {
    let supervisor = Supervisor::start().unwrap();
    run(async {
        let options = WorkerOptions::new("test", spec("images", "x".as_ref()), child::BUILD_ID);
        let chat = WorkerModel::new(options, Arc::clone(&supervisor)).unwrap();
        let options = WorkerOptions::for_images("test", spec("good", "x".as_ref()), child::BUILD_ID);
        let images = WorkerImageModel::new(options, Arc::clone(&supervisor)).unwrap();
        let expected = |done, asked| ModelError::Unavailable(format!("the worker does {done}, not {asked}"));
        assert_eq!(chat.load().await.map(drop), Err(expected("images", "chat")));
        assert_eq!(images.load().await.map(drop), Err(expected("chat", "images")));
        assert_eq!(read_all(images.draw(request(8, 1))).await.1, Err(expected("chat", "images")));
        assert_eq!((chat.pid(), images.pid()), (None, None));
    });
}
