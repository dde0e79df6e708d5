//! The queue as pages show it: lines of jobs, buttons, the stream, and what a page without scripts is told.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use expect_test::expect_file;
use futures::StreamExt;
use model::ModelError;

use super::painter::Turn;
use super::stage::{Events, Stage};

/// The ids of open jobs, in the order of their turns.
async fn open(stage: &Stage) -> Vec<String> {
    stage.app.image_jobs(None, 1).await.unwrap().open.into_iter().map(|job| job.id).collect()
}

async fn ask(stage: &Stage, prompt: &str) {
    let seen = stage.post("/images", &[("prompt", prompt), ("seed", "1")]).await;
    assert_eq!(seen.header("location"), "/images/queue", "{}", seen.body);
}

async fn follow(stage: &Stage, path: &str) -> Events {
    Events::of(stage.respond(stage.as_browser(Method::GET, path).body(Body::empty()).unwrap()).await)
}

/// How a stream tells what became of a job.
fn news(words: &str) -> String {
    format!("hx-target=\"#news\" hx-swap=\"innerHTML\">{words}")
}

#[tokio::test]
async fn a_job_is_followed_to_its_end() {
    let stage = Stage::with_painter([Turn::Hang]).await;
    ask(&stage, "a fox").await;
    let mut events = follow(&stage, "/images/queue/stream?after=0").await;
    let seen = events.until("Step 1 of 4").await;
    assert!(seen.contains("a fox") && seen.contains("hx-target=\"#queue\""), "{seen}");
    assert!(events.until("data:image/png;base64,").await.contains("<progress max=\"4\" value=\"1\""));
    let page = stage.get("/images/queue").await.body;
    assert!(
        page.contains("<noscript><meta http-equiv=\"refresh\" content=\"3;url=/images/queue?follow=1\">"),
        "{page}"
    );
    expect_file!["snapshots/images_queue.html"].assert_eq(&stage.redact(&page));
    let id = open(&stage).await.remove(0);
    assert_eq!(stage.post(&format!("/images/jobs/{id}/cancel"), &[]).await.header("location"), "/images/queue");
    events.until(&news("A job was cancelled.")).await;
    let page = stage.get("/images/queue").await.body;
    assert!(page.contains("Cancelled") && page.contains("Try again") && !page.contains("http-equiv"), "{page}");
}

#[tokio::test]
async fn new_images_come_to_the_head_of_a_gallery_that_shows_the_newest() {
    for (query, comes) in [("?after=0", true), ("", false)] {
        let stage = Stage::with_painter([Turn::Hang]).await;
        ask(&stage, "a hen").await;
        ask(&stage, "a fox").await;
        let mut events = follow(&stage, &format!("/images/queue/stream{query}")).await;
        events.until("Step 1 of 4").await;
        stage.app.cancel_image_job(&open(&stage).await[0]).await.unwrap();
        let seen = events.until(&news("The images are ready.")).await;
        assert_eq!(seen.contains("hx-target=\"#grid\""), comes, "{seen}");
        assert_eq!(seen.contains("<a href=\"#gallery\">See them</a>"), comes, "{seen}");
    }
}

#[tokio::test]
async fn a_page_that_is_at_rest_hears_of_jobs_that_begin_elsewhere() {
    let stage = Stage::with_painter([]).await;
    for path in ["/images", "/images?words=fox", "/images/queue"] {
        let page = stage.get(path).await.body;
        assert!(page.contains("<div id=\"queue-stream\" hx-sse:connect=\"/images/queue/stream"), "{path}: {page}");
        // A page that nobody looks at holds none of the browser's few connections.
        assert!(page.contains("visibilitychange from:document") && page.contains("data-while-seen"), "{path}");
        let comes = path == "/images";
        assert_eq!(page.contains("stream?after=0"), comes, "{path}: {page}");
    }
    let mut events = follow(&stage, "/images/queue/stream?after=0").await;
    events.until("hx-target=\"#queue\"").await;
    for prompt in ["a fox", "a hen"] {
        stage.make(&[("prompt", prompt)]).await;
        let tile = format!("alt=\"{prompt}\" loading=\"lazy\" decoding=\"async\"");
        let seen = events.until(&tile).await;
        assert!(seen.contains("hx-target=\"#grid\" hx-swap=\"afterbegin\""), "{prompt}: {seen}");
    }
    events.until(&news("The images are ready.")).await;
}

#[tokio::test]
async fn a_page_that_comes_back_is_told_what_it_missed_and_nothing_twice() {
    let stage = Stage::with_painter([]).await;
    stage.make(&[("prompt", "a fox")]).await;
    let page = stage.get("/images").await.body;
    let address = page.split("hx-sse:connect=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let told = |seen: &str| seen.lines().rev().find_map(|line| line.strip_prefix("id: ")).map(str::to_owned);
    let mut events = follow(&stage, &address).await;
    let seen = events.until("id: ").await;
    assert!(!seen.contains("hx-target=\"#grid\"") && !seen.contains("hx-target=\"#news\""), "{seen}");
    drop(events);
    stage.make(&[("prompt", "a hen")]).await;
    let mut events = follow(&stage, &address).await;
    let seen = events.until("\n\n").await;
    assert!(seen.contains("alt=\"a hen\"") && !seen.contains("alt=\"a fox\""), "{seen}");
    assert!(seen.contains(&news("The images are ready.")), "{seen}");
    let last = told(seen).unwrap();
    drop(events);
    let again = stage.as_browser(Method::GET, &address).header("last-event-id", last);
    let mut events = Events::of(stage.respond(again.body(Body::empty()).unwrap()).await);
    let seen = events.until("\n\n").await;
    assert!(!seen.contains("hx-target=\"#grid\""), "{seen}");
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let stage = Stage::with_painter([]).await;
    let mut events = follow(&stage, "/images/queue/stream").await;
    events.until("hx-target=\"#queue\"").await;
    assert_eq!(stage.post("/sign-out", &[]).await.status, StatusCode::SEE_OTHER);
    let rest = events.rest().await;
    assert!(rest.contains("hx-swap=\"outerHTML\"><div id=\"queue-stream\"></div>"), "{rest}");
    // One that asks again is led to where it learns that there is none any more.
    let again = |path: &str| stage.as_browser(Method::GET, path).header("hx-request", "true").body(Body::empty());
    let seen = stage.send(again("/images/queue/stream").unwrap()).await;
    assert_eq!(seen.header("location"), "/sign-in");
    let seen = stage.send(again("/sign-in").unwrap()).await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{}", seen.body);
}

#[tokio::test]
async fn a_script_gets_the_queue_in_its_place_and_a_word_beside_the_button() {
    let stage = Stage::with_painter([Turn::Hang]).await;
    let page = stage.get("/images").await.body;
    let form = page.split("id=\"new\"").nth(1).unwrap().split("</form>").next().unwrap();
    let after_make = form.split(">Make</button>").nth(1).unwrap().trim_start();
    assert!(after_make.starts_with("<p id=\"news\" role=\"status\""), "{after_make}");
    let seen = stage.post_by_script("/images", &[("prompt", "a fox")]).await.body;
    assert!(seen.contains("hx-target=\"#queue\"") && !seen.contains("<html"), "{seen}");
    assert!(seen.contains(&news("Queued. <a href=\"#queue\">See how far it is</a>")), "{seen}");
    // The stream that the page has goes on.
    assert!(!seen.contains("#queue-stream"), "{seen}");
}

#[tokio::test]
async fn taking_everything_back_is_told_apart_from_what_the_stream_tells() {
    let stage = Stage::with_painter([Turn::Hang]).await;
    let mut events = follow(&stage, "/images/queue/stream").await;
    for prompt in ["a fox", "a hen"] {
        ask(&stage, prompt).await;
    }
    let said = |words: &str| format!("hx-target=\"#announce\" hx-swap=\"textContent\">{words}");
    let seen = stage.post_by_script("/images/queue/cancel", &[]).await.body;
    assert!(seen.contains(&said("All jobs were cancelled.")), "{seen}");
    assert_eq!(open(&stage).await, [""; 0]);
    let seen = events.until(&news("A job was cancelled.")).await;
    assert!(!seen.contains("hx-target=\"#announce\""), "it would silence the answer: {seen}");
    let seen = stage.post_by_script("/images/queue/cancel", &[]).await.body;
    assert!(seen.contains(&said("There was no job to cancel.")), "{seen}");
    for path in ["/images", "/images?words=fox", "/images/queue"] {
        let page = stage.get(path).await.body;
        for id in ["announce", "news"] {
            assert_eq!(page.matches(&format!("<p id=\"{id}\" role=\"status\"")).count(), 1, "{path}: {page}");
        }
    }
}

#[tokio::test]
async fn a_failure_says_what_to_do_and_can_be_tried_again() {
    let stage = Stage::with_painter([Turn::Fail(ModelError::BadFile("it is incomplete".into()))]).await;
    stage.make(&[("prompt", "a fox"), ("seed", "5")]).await;
    for path in ["/images", "/images/queue"] {
        let page = stage.get(path).await.body;
        assert!(page.contains("notice-bad") && page.contains("Try again"), "{path}: {page}");
    }
    let job = stage.app.image_jobs(None, 1).await.unwrap().ended.remove(0);
    let page = stage.get(&format!("/images?job={}", job.id)).await.body;
    assert!(page.contains(">a fox</textarea>"), "{page}");
    stage.post(&format!("/images/jobs/{}/retry", job.id), &[]).await;
    let events: Vec<_> = stage.app.image_events(Some(&job.id)).collect().await;
    assert!(events.last().unwrap().is_ok());
    assert_eq!(stage.app.images_of_job(&job.id).await.unwrap().len(), 1);
    let again = stage.post(&format!("/images/jobs/{}/retry", job.id), &[]).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.body);
}

#[tokio::test]
async fn a_job_that_is_over_can_be_dismissed() {
    let fails = || Turn::Fail(ModelError::BadFile("it is incomplete".into()));
    let stage = Stage::with_painter([fails(), fails(), Turn::Hang]).await;
    stage.make(&[("prompt", "a fox")]).await;
    stage.make(&[("prompt", "a hen")]).await;
    ask(&stage, "runs").await;
    let ended = stage.app.image_jobs(None, 9).await.unwrap().ended;
    let path = |id: &str| format!("/images/jobs/{id}/dismiss");
    let page = stage.get("/images").await.body;
    assert!(page.contains(&path(&ended[0].id)) && page.contains(">Dismiss</button>"), "{page}");
    let seen = stage.post(&path(&ended[0].id), &[]).await;
    assert_eq!((seen.status, seen.header("location")), (StatusCode::SEE_OTHER, "/images/queue"));
    let piece = stage.post_by_script(&path(&ended[1].id), &[]).await.body;
    assert!(piece.contains(&format!("hx-target=\"#job-{}\" hx-swap=\"delete\"", ended[1].id)), "{piece}");
    assert!(piece.contains("The job was dismissed."), "{piece}");
    assert_eq!(stage.app.image_jobs(None, 9).await.unwrap().ended, []);
    let open = open(&stage).await.remove(0);
    assert_eq!(stage.post(&path(&open), &[]).await.status, StatusCode::CONFLICT, "it runs");
    assert_eq!(stage.post(&path("none"), &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_became_of_a_job_is_said_also_when_it_ended_before_the_page_listened() {
    let stage = Stage::with_painter([]).await;
    stage.make(&[("prompt", "a fox")]).await;
    follow(&stage, "/images/queue/stream?after=0").await.until(&news("The images are ready.")).await;
    let stage = Stage::with_painter([Turn::Hang]).await;
    ask(&stage, "a fox").await;
    let id = open(&stage).await.remove(0);
    let piece = stage.post_by_script(&format!("/images/jobs/{id}/cancel"), &[]).await.body;
    let said = "hx-target=\"#announce\" hx-swap=\"textContent\">A job was cancelled.";
    assert!(piece.contains(said), "a page may have no stream: {piece}");
}

#[tokio::test]
async fn jobs_move_up_one_place() {
    let stage = Stage::with_painter([Turn::Hang]).await;
    ask(&stage, "runs").await;
    follow(&stage, "/images/queue/stream").await.until("Step 1 of 4").await;
    for prompt in ["one", "two", "three"] {
        ask(&stage, prompt).await;
    }
    let before = open(&stage).await;
    let up = async |id: &str| stage.post(&format!("/images/jobs/{id}/up"), &[]).await.status;
    assert_eq!(up(&before[3]).await, StatusCode::SEE_OTHER);
    let order = [0, 1, 3, 2].map(|place| before[place].clone());
    assert_eq!(open(&stage).await, order);
    // The first that waits, one that runs and one that is not there stay where they are.
    for id in [&before[1], &before[0], &"none".to_owned()] {
        up(id).await;
        assert_eq!(open(&stage).await, order);
    }
    let page = stage.get("/images").await.body;
    assert_eq!(page.matches("/up\"").count(), 4, "two forms name it twice each: {page}");
    assert!(page.contains("Waiting, place 3") && page.contains("Cancel all"), "{page}");
    // The stream may take a button away before it is answered; the answer goes to what stays.
    let queue = page.split("<div id=\"queue\">").nth(1).unwrap().split("<div id=\"queue-stream\"").next().unwrap();
    let forms: Vec<&str> = queue.split("<form ").skip(1).map(|form| form.split('>').next().unwrap()).collect();
    assert!(forms.len() > 4 && forms.iter().all(|form| form.contains("hx-target=\"#queue\"")), "{forms:?}");
}

#[tokio::test]
async fn a_session_has_only_so_many_streams() {
    let stage = Stage::with_painter([Turn::Hang]).await;
    ask(&stage, "a fox").await;
    let mut held = Vec::new();
    for _ in 0..crate::state::STREAMS_PER_SESSION_MAX {
        held.push(follow(&stage, "/images/queue/stream").await);
    }
    // Also where a page lost its stream and takes nothing but a stream in its place.
    let seen = follow(&stage, "/images/queue/stream?after=7").await.rest().await;
    let again = "hx-sse:connect=\"/images/queue/stream?after=7\" hx-trigger=\"load delay:3s, visibilitychange";
    assert!(seen.contains(again), "{seen}");
    held.pop();
    follow(&stage, "/images/queue/stream?after=7").await.until("hx-target=\"#queue\"").await;
}
