//! The queue as pages show it: lines of jobs, buttons, the stream, and what a page without scripts is told.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use expect_test::expect_file;
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

#[tokio::test]
async fn a_job_is_followed_to_its_end() {
    let stage = Stage::with_painter([Turn::Hang]).await;
    ask(&stage, "a fox").await;
    let mut events = follow(&stage, "/images/queue/stream?tiles=1").await;
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
    let rest = events.rest().await;
    assert!(rest.contains("A job was cancelled.") && rest.contains("<div id=\"queue-stream\"></div>"), "{rest}");
    let page = stage.get("/images/queue").await.body;
    assert!(page.contains("Cancelled") && page.contains("Try again") && !page.contains("http-equiv"), "{page}");
}

#[tokio::test]
async fn new_images_come_to_the_head_of_a_gallery_that_shows_the_newest() {
    for (query, comes) in [("?tiles=1", true), ("", false)] {
        let stage = Stage::with_painter([Turn::Hang]).await;
        ask(&stage, "a hen").await;
        ask(&stage, "a fox").await;
        let mut events = follow(&stage, &format!("/images/queue/stream{query}")).await;
        events.until("Step 1 of 4").await;
        stage.app.cancel_image_job(&open(&stage).await[0]).await.unwrap();
        let seen = events.rest().await;
        assert!(seen.contains("The images are ready."), "{seen}");
        assert_eq!(seen.contains("hx-target=\"#grid\""), comes, "{seen}");
    }
}

#[tokio::test]
async fn a_script_gets_the_queue_in_its_place() {
    let stage = Stage::with_painter([Turn::Hang]).await;
    let send = async |path: &str, page: &str, fields: &str| {
        let request = stage
            .as_browser(Method::POST, path)
            .header("origin", super::stage::ORIGIN)
            .header("x-form-token", &stage.session.form_token)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("hx-request", "true")
            .header("hx-current-url", format!("{}{page}", super::stage::ORIGIN));
        stage.send(request.body(Body::from(fields.to_owned())).unwrap()).await.body
    };
    let newest = "hx-sse:connect=\"/images/queue/stream?tiles=1\"";
    for (page, is_newest) in [
        ("/images", true),
        ("/images?use=x&words=#new", true),
        ("/images?words=fox", false),
        ("/images?cursor=1-1", false),
        ("/images/queue", false),
        ("//evil", false),
    ] {
        let seen = send("/images", page, "prompt=a+fox").await;
        assert!(seen.contains("hx-target=\"#queue\"") && !seen.contains("<html"), "{seen}");
        assert!(seen.contains("hx-sse:connect=\"/images/queue/stream"), "{seen}");
        assert_eq!(seen.contains(newest), is_newest, "{page}: {seen}");
    }
    let seen = send("/images/queue/cancel", "/images", "").await;
    assert!(seen.contains("<div id=\"queue-stream\"></div>"), "{seen}");
    assert_eq!(open(&stage).await, [""; 0]);
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
    let events = follow(&stage, "/images/queue/stream").await.rest().await;
    assert!(events.contains("queue-stream"), "{events}");
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
    let stage = Stage::with_painter([Turn::Fail(ModelError::BadFile("it is incomplete".into()))]).await;
    let said = |words: &str| format!("hx-target=\"#announce\" hx-swap=\"textContent\">{words}");
    for words in ["A job failed.", "The images are ready."] {
        stage.make(&[("prompt", "a fox")]).await;
        let events = follow(&stage, "/images/queue/stream").await.rest().await;
        assert!(events.contains(&said(words)), "{words}: {events}");
    }
    let stage = Stage::with_painter([Turn::Hang]).await;
    ask(&stage, "a fox").await;
    let id = open(&stage).await.remove(0);
    let piece = stage.post_by_script(&format!("/images/jobs/{id}/cancel"), &[]).await.body;
    assert!(piece.contains(&said("A job was cancelled.")), "the stream ends with this answer: {piece}");
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
}

#[tokio::test]
async fn a_session_has_only_so_many_streams() {
    let stage = Stage::with_painter([Turn::Hang]).await;
    ask(&stage, "a fox").await;
    let mut held = Vec::new();
    for _ in 0..crate::state::STREAMS_PER_SESSION_MAX {
        held.push(follow(&stage, "/images/queue/stream").await);
    }
    let seen = stage.get("/images/queue/stream?tiles=1").await;
    assert!(
        seen.body.contains("hx-get=\"/images/queue/stream?tiles=1\" hx-trigger=\"load delay:3s\""),
        "{}",
        seen.body
    );
}
