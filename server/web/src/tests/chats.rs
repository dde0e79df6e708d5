//! A chat from the first question to the last source: with scripts and without, through reloads, stops and failures.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use model::ModelError;
use model::scripted::Reply;

use super::stage::{Events, Stage, scripted};

const ANSWER: &str = "It pushes [1].\n\n```rust\npush_back(1);\n```\n\nDone.";

/// A model that says the beginning of an answer and then waits for ever.
fn stuck() -> Reply {
    Reply {
        text: vec!["First block.\n\n".into(), "Second ".into(), "block".into()],
        hang: true,
        ..Reply::default()
    }
}

async fn stream(stage: &Stage, chat: &str) -> Events {
    let path = format!("/chats/{chat}/runs/{}/stream", stage.run_of(chat).await);
    Events::of(stage.respond(stage.as_browser(Method::GET, &path).body(Body::empty()).unwrap()).await)
}

#[tokio::test]
async fn an_answer_streams_and_its_sources_open() {
    let stage = Stage::new(scripted([Reply::text(ANSWER)])).await;
    let chat = stage.begin("How does push_back work?").await;
    let events = stream(&stage, &chat).await.rest().await;
    assert!(events.contains("Answer complete, "), "{events}");
    let page = stage.get(&format!("/chats/{chat}")).await.body;
    assert!(!page.contains("http-equiv=\"refresh\"") && !page.contains("aria-busy"), "{page}");
    let from =
        page.find("<a class=\"cite\" href=\"").expect("the answer cites") + "<a class=\"cite\" href=\"".len();
    let url = page[from..].split('"').next().unwrap().replace("&amp;", "&");
    let (url, fragment) = url.split_once('#').unwrap();
    assert_eq!(fragment, "cited");
    let passage = stage.get(url).await;
    assert_eq!(passage.status, StatusCode::OK, "{}", passage.body);
    assert!(passage.body.contains("id=\"cited\"") && passage.body.contains("push_back"), "{}", passage.body);
    assert!(!passage.body.contains("notice"), "{}", passage.body);
}

#[tokio::test]
async fn a_reload_in_mid_answer_shows_the_same_and_stop_keeps_it() {
    let stage = Stage::new(scripted([stuck()])).await;
    let chat = stage.begin("How does push_back work?").await;
    let mut first = stream(&stage, &chat).await;
    first.until("Second block").await;
    drop(first);
    // The reload: the page comes back with its stream, which begins with all that was said.
    let page = stage.get(&format!("/chats/{chat}")).await.body;
    assert!(page.contains("hx-sse:connect") && page.contains("<noscript><meta http-equiv=\"refresh\""), "{page}");
    let again = |url: &str| format!("content=\"2;url=/chats/{chat}?follow={url}#latest\"");
    assert!(page.contains(&again("1")), "{page}");
    assert!(
        stage.get(&format!("/chats/{chat}?follow=1")).await.body.contains(&again("2")),
        "never the same address"
    );
    let mut second = stream(&stage, &chat).await;
    let seen = second.until("Second block").await;
    assert!(seen.contains("First block."), "{seen}");
    let run = stage.run_of(&chat).await;
    let stopped = stage.post(&format!("/chats/{chat}/runs/{run}/stop"), &[]).await;
    assert_eq!(stopped.header("location"), format!("/chats/{chat}#latest"));
    let rest = second.rest().await;
    assert!(rest.contains("You stopped this answer.") && rest.contains("Answer stopped."), "{rest}");
    let page = stage.get(&format!("/chats/{chat}")).await.body;
    assert!(page.contains("Second block") && page.contains("You stopped this answer."), "{page}");
}

#[tokio::test]
async fn closed_blocks_are_sent_once() {
    let text: Vec<String> = (0..30).map(|n| format!("Paragraph {n}.\n\n")).collect();
    let stage = Stage::new(scripted([Reply { text, hang: true, ..Reply::default() }])).await;
    let chat = stage.begin("How does push_back work?").await;
    let mut events = stream(&stage, &chat).await;
    let seen = events.until("Paragraph 29.").await;
    assert_eq!(seen.matches("Paragraph 3.").count(), 1, "{seen}");
    stage.app.stop_run(&stage.run_of(&chat).await).await.unwrap();
    events.rest().await;
}

#[tokio::test]
async fn a_failed_answer_says_why_and_can_be_tried_again() {
    let failing = Reply {
        text: vec!["half".into()],
        error: Some(ModelError::Crashed("signal 6".into())),
        ..Reply::default()
    };
    let stage = Stage::new(scripted([failing, Reply::text("whole")])).await;
    let chat = stage.begin("How does push_back work?").await;
    let events = stream(&stage, &chat).await.rest().await;
    assert!(events.contains("The answer failed") && events.contains("signal 6"), "{events}");
    let page = stage.get(&format!("/chats/{chat}")).await.body;
    let retry = page.split("action=\"").find(|part| part.contains("/retry\"")).unwrap().split('"').next().unwrap();
    let seen = stage.post(retry, &[]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.body);
    stage.finished(&chat).await;
    let page = stage.get(&format!("/chats/{chat}")).await.body;
    assert!(page.contains("whole") && !page.contains("The answer failed"), "{page}");
}

#[tokio::test]
async fn a_script_gets_pieces_and_the_box_keeps_what_was_refused() {
    let stage = Stage::new(scripted([stuck()])).await;
    let chat = stage.begin("How does push_back work?").await;
    let path = format!("/chats/{chat}/messages");
    let refused = stage.post_by_script(&path, &[("text", "too early")]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.body.contains("hx-target=\"#composer-problem\"") && !refused.body.contains("<html"));
    assert_eq!(refused.header("hx-trigger"), "", "the box keeps its text");
    // Without scripts the words come back in the page.
    let refused = stage.post(&path, &[("text", "too early")]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.body.contains(">too early</textarea>"), "{}", refused.body);
    stage.app.stop_run(&stage.run_of(&chat).await).await.unwrap();
    stage.finished(&chat).await;
    let taken = stage.post_by_script(&path, &[("text", "and now?")]).await;
    assert_eq!((taken.status, taken.header("hx-trigger")), (StatusCode::OK, "sent"), "{}", taken.body);
    assert!(taken.body.contains("and now?") && taken.body.contains("hx-sse:connect"), "{}", taken.body);
    assert!(!taken.body.contains("<html"), "{}", taken.body);
    stage.app.stop_run(&stage.run_of(&chat).await).await.unwrap();
    stage.finished(&chat).await;
}

#[tokio::test]
async fn a_script_is_told_in_its_own_page_what_went_wrong() {
    let stage = Stage::new(scripted([Reply::text("yes")])).await;
    let chat = stage.begin("How does push_back work?").await;
    stage.finished(&chat).await;
    let gone = stage.post_by_script("/chats/none/messages", &[("text", "hello")]).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    let signed_out = super::stage::request(Method::GET, "/sign-in").header("hx-request", "true");
    let signed_out = stage.send(signed_out.body(Body::empty()).unwrap()).await;
    let forged = stage.as_browser(Method::POST, "/chats/x/messages").header("hx-request", "true");
    let forged = stage.send(forged.body(Body::empty()).unwrap()).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    for seen in [gone, signed_out, forged] {
        assert!(
            seen.body.contains("hx-target=\"#composer-problem\"") && !seen.body.contains("<html"),
            "{}",
            seen.body
        );
    }
}

#[tokio::test]
async fn a_first_question_that_is_refused_leaves_no_chat_and_loses_no_word() {
    let stage = Stage::new(None).await;
    let cases = [
        (vec![("folder", ""), ("question", "  \n ")], StatusCode::BAD_REQUEST, "The question is empty"),
        (vec![("other_folder", "relative"), ("question", "why?")], StatusCode::BAD_REQUEST, "absolute path"),
        (
            vec![("other_folder", "/no/such/folder"), ("question", "why?")],
            StatusCode::BAD_REQUEST,
            "/no/such/folder",
        ),
    ];
    for (fields, status, words) in cases {
        let seen = stage.post("/chats", &fields).await;
        assert_eq!(seen.status, status, "{fields:?}");
        assert!(seen.body.contains(words), "{}", seen.body);
        for (_, value) in fields {
            assert!(seen.body.contains(value), "{value} in {}", seen.body);
        }
    }
    assert_eq!(stage.app.chats(None, 10).await.unwrap().chats, []);
}

#[tokio::test]
async fn a_chat_is_renamed_thrown_away_and_taken_back() {
    let stage = Stage::new(scripted([Reply::text("yes")])).await;
    let chat = stage.begin("How does push_back work?").await;
    stage.finished(&chat).await;
    let seen = stage.post(&format!("/chats/{chat}/rename"), &[("title", "Queues & <b>more</b>")]).await;
    assert_eq!(seen.header("location"), format!("/chats/{chat}"));
    assert!(stage.get("/chats").await.body.contains("Queues &#38; &#60;b&#62;more&#60;/b&#62;"));
    let seen = stage.post(&format!("/chats/{chat}/trash"), &[]).await;
    let after = stage.get(seen.header("location")).await.body;
    assert!(!after.contains("Queues") && after.contains("The chat is in the trash."), "{after}");
    let undo =
        after.split("action=\"").find(|part| part.contains("/restore\"")).unwrap().split('"').next().unwrap();
    let seen = stage.post(undo, &[]).await;
    assert_eq!(stage.get(seen.header("location")).await.status, StatusCode::OK);
    // A made-up id cannot turn the button into another one.
    let lured = stage.get("/chats?trashed=../sign-out?").await.body;
    assert!(
        lured.contains("/chats/%2E%2E%2Fsign%2Dout%3F/restore")
            || lured.contains("/chats/%2E%2E%2Fsign-out%3F/restore"),
        "{lured}"
    );
}

#[tokio::test]
async fn earlier_messages_are_a_link_away() {
    let stage = Stage::new(scripted([Reply::text("yes")])).await;
    let chat = stage.begin("question number 0").await;
    stage.finished(&chat).await;
    for n in 1..30 {
        stage.app.send(&chat, &format!("question number {n}")).await.unwrap();
        stage.finished(&chat).await;
    }
    let page = stage.get(&format!("/chats/{chat}")).await.body;
    assert!(page.contains("question number 29<") && !page.contains("question number 4<"), "{page}");
    let url = page.split("href=\"").find(|part| part.contains("?before=")).unwrap().split('"').next().unwrap();
    let earlier = stage.get(url).await.body;
    assert!(earlier.contains("question number 0<") && earlier.contains("Newest messages"), "{earlier}");
    let request = stage.as_browser(Method::GET, url).header("hx-request", "true").body(Body::empty()).unwrap();
    let piece = stage.send(request).await.body;
    assert!(piece.contains("question number 0<") && !piece.contains("<html"), "{piece}");
}

#[tokio::test]
async fn a_changed_file_is_said_to_be_changed() {
    let stage = Stage::new(None).await;
    stage.app.create_chat(Some(stage.workspace.clone())).await.unwrap();
    let workspace: String =
        url::form_urlencoded::byte_serialize(stage.workspace.to_str().unwrap().as_bytes()).collect();
    let passage = |more: &str| format!("/passages?workspace={workspace}&path=queue.rs{more}");
    let future = i64::from(u32::MAX) * 1000;
    for (query, words) in [
        (format!("&start=1&end=2&cited={future}"), None),
        ("&start=1&end=2&cited=1".to_owned(), Some("was changed after this passage was cited")),
        ("&start=1&end=2&changed=1".to_owned(), Some("had already changed")),
        ("&start=1&end=40".to_owned(), Some("shorter now")),
    ] {
        let seen = stage.get(&passage(&query)).await;
        assert_eq!(seen.status, StatusCode::OK, "{query}: {}", seen.body);
        let said = words.map_or(!seen.body.contains("notice"), |words| seen.body.contains(words));
        assert!(said, "{query}: {}", seen.body);
    }
    for query in ["&start=0&end=1", "&start=2&end=1", "&start=1&end=99999", "&start=x&end=1", ""] {
        assert_eq!(stage.get(&passage(query)).await.status, StatusCode::BAD_REQUEST, "{query}");
    }
    let outside = format!("/passages?workspace={workspace}&path=..%2Fhome&start=1&end=1");
    assert_eq!(stage.get(&outside).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_fifth_stream_of_one_session_waits_its_turn() {
    let stage = Stage::new(scripted([stuck()])).await;
    let chat = stage.begin("How does push_back work?").await;
    let mut open = Vec::new();
    for _ in 0..crate::state::STREAMS_PER_SESSION_MAX {
        open.push(stream(&stage, &chat).await);
    }
    let path = format!("/chats/{chat}/runs/{}/stream", stage.run_of(&chat).await);
    let seen = stage.get(&path).await;
    assert_eq!(seen.header("content-type"), "text/html; charset=utf-8");
    assert!(seen.body.contains("hx-trigger=\"load delay:3s\""), "{}", seen.body);
    open.pop();
    stream(&stage, &chat).await;
    stage.app.stop_run(&stage.run_of(&chat).await).await.unwrap();
    stage.finished(&chat).await;
}

/// Without scripts a page is all that is ever seen, so it says itself what an answer is at.
#[tokio::test]
async fn a_page_says_what_an_answer_without_words_is_at() {
    let stage = Stage::new(scripted([Reply { hang: true, ..Reply::default() }])).await;
    let chat = stage.begin("How does push_back work?").await;
    let told = async {
        loop {
            let page = stage.get(&format!("/chats/{chat}")).await.body;
            assert!(page.contains("<noscript><meta http-equiv=\"refresh\""), "{page}");
            if !page.contains("Starting …") {
                break page;
            }
            tokio::task::yield_now().await;
        }
    };
    let page = tokio::time::timeout(std::time::Duration::from_secs(30), told).await.expect("it goes on");
    let phases = ["Searching the workspace", "Indexing the workspace", "Found 1 passages", "Reading: "];
    assert!(phases.iter().any(|phase| page.contains(phase)), "{page}");
}
