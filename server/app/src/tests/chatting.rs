//! Chats: nothing said is lost, whoever watches, stops, or dies.

use futures::StreamExt;
use model::ModelError;
use model::scripted::Reply;

use super::World;
use crate::{AnswerEvent, App, ErrorKind, MessageState, Role, RunEvent, RunEventKind};

async fn all_events(app: &App, run_id: &str, after: u64) -> Vec<RunEvent> {
    app.run_events(run_id, after).map(|event| event.expect("no error")).collect().await
}

fn ending(events: &[RunEvent]) -> MessageState {
    match events.last().map(|event| &event.kind) {
        Some(RunEventKind::Ended { state, .. }) => *state,
        other => panic!("the last event is {other:?}"),
    }
}

fn text(events: &[RunEvent]) -> String {
    let pieces = events.iter().filter_map(|event| match &event.kind {
        RunEventKind::Answer(AnswerEvent::Text { text }) => Some(text.as_str()),
        _ => None,
    });
    pieces.collect()
}

/// Waits until the run has streamed a first piece of text.
async fn first_text(app: &App, run_id: &str) -> u64 {
    let mut events = app.run_events(run_id, 0);
    while let Some(event) = events.next().await {
        let event = event.expect("no error");
        if matches!(event.kind, RunEventKind::Answer(AnswerEvent::Text { .. })) {
            return event.seq;
        }
    }
    panic!("no text came");
}

fn hanging(text: &str) -> Reply {
    Reply { hang: true, ..Reply::text(text) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_keeps_questions_answers_and_sources() {
    let world = World::new([Reply::text("Keyed [1]."), Reply::text("Twice.")]);
    let chat = world.app.create_chat(Some(world.workspace.root().to_owned())).await.expect("a chat");
    let sent = world.app.send(&chat.id, "How is get_session_auth_hash made?").await.expect("taken");
    let events = all_events(&world.app, &sent.run_id, 0).await;
    assert_eq!((ending(&events), text(&events).as_str()), (MessageState::Complete, "Keyed [1]."));
    assert_eq!(
        events.iter().map(|event| event.seq).collect::<Vec<_>>(),
        (1..=events.len() as u64).collect::<Vec<_>>()
    );
    let replayed = all_events(&world.app, &sent.run_id, 2).await;
    assert_eq!(replayed, events[2..], "what is over is replayed from the store");

    let second = world.app.send(&chat.id, "And then?").await.expect("taken");
    all_events(&world.app, &second.run_id, 0).await;
    let view = world.app.chat(&chat.id, None, 50).await.expect("the chat");
    assert_eq!(view.chat.title, "How is get_session_auth_hash made?");
    assert!(view.run.is_none() && view.earlier.is_none());
    let shown: Vec<(Role, &str)> =
        view.messages.iter().map(|message| (message.role, message.text.as_str())).collect();
    assert_eq!(
        shown,
        [
            (Role::User, "How is get_session_auth_hash made?"),
            (Role::Assistant, "Keyed [1]."),
            (Role::User, "And then?"),
            (Role::Assistant, "Twice."),
        ]
    );
    assert_eq!(view.messages[1].citations[0].path, "shop/sessions.py");
    assert!(view.messages[1].manifest.is_some() && view.messages[1].usage.is_some());
    let follow_up = &world.model.requests()[1].messages;
    assert_eq!(follow_up[1].content, "How is get_session_auth_hash made?", "earlier turns are sent along");
    let page = world.app.chat(&chat.id, None, 2).await.expect("the chat");
    let earlier = world.app.chat(&chat.id, page.earlier, 2).await.expect("the part before");
    assert_eq!(earlier.messages[1].text, "Keyed [1].");
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_keeps_what_was_written_and_try_again_makes_a_branch() {
    let world = World::new([hanging("so far"), Reply::text("whole")]);
    let chat = world.app.create_chat(None).await.expect("a chat");
    let sent = world.app.send(&chat.id, "tell me").await.expect("taken");
    let seq = first_text(&world.app, &sent.run_id).await;
    let busy = world.app.send(&chat.id, "and this").await.expect_err("one answer at a time");
    assert_eq!(busy.kind, ErrorKind::Stale);
    world.app.stop_run(&sent.run_id).await.expect("stopped");
    assert_eq!(ending(&all_events(&world.app, &sent.run_id, seq).await), MessageState::Stopped);
    let view = world.app.chat(&chat.id, None, 50).await.expect("the chat");
    assert_eq!((view.messages[1].text.as_str(), view.messages[1].state), ("so far", MessageState::Stopped));

    let again = world.app.regenerate(&chat.id, &sent.answer_message_id).await.expect("taken");
    all_events(&world.app, &again.run_id, 0).await;
    let view = world.app.chat(&chat.id, None, 50).await.expect("the chat");
    let shown: Vec<&str> = view.messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(shown, ["tell me", "whole"], "the last-written branch is shown");
    world.app.stop_run(&sent.run_id).await.expect("stopping what is over is no error");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_the_model_is_an_error_with_the_text_so_far() {
    let error = Some(ModelError::Crashed("signal 6".into()));
    let world = World::new([Reply { error, ..Reply::text("half an ans") }]);
    let chat = world.app.create_chat(Some(world.workspace.root().to_owned())).await.expect("a chat");
    let sent = world.app.send(&chat.id, "get_session_auth_hash").await.expect("taken");
    let events = all_events(&world.app, &sent.run_id, 0).await;
    assert_eq!(ending(&events), MessageState::Failed);
    let view = world.app.chat(&chat.id, None, 50).await.expect("the chat");
    let answer = &view.messages[1];
    assert_eq!(answer.text, "half an ans");
    assert_eq!(answer.citations[0].path, "shop/sessions.py", "what was sent is known all the same");
    assert!(!view.chat.running);
    assert!(answer.error.as_deref().is_some_and(|error| error.contains("signal 6")), "{:?}", answer.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_process_interrupts_and_loses_nothing() {
    let world = World::new([hanging("written before the end")]);
    let chat = world.app.create_chat(None).await.expect("a chat");
    let sent = world.app.send(&chat.id, "tell me").await.expect("taken");
    first_text(&world.app, &sent.run_id).await;
    world.app.shutdown().await;
    let world = world.restarted().await;
    let view = world.app.chat(&chat.id, None, 50).await.expect("the chat");
    let answer = &view.messages[1];
    assert_eq!((answer.text.as_str(), answer.state), ("written before the end", MessageState::Interrupted));
    let events = all_events(&world.app, &sent.run_id, 0).await;
    assert_eq!(ending(&events), MessageState::Interrupted);
}

#[tokio::test(flavor = "multi_thread")]
async fn chats_are_listed_renamed_trashed_and_restored() {
    let world = World::new([]);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.app.create_chat(None).await.expect("a chat").id);
    }
    let page = world.app.chats(None, 2).await.expect("a page");
    let rest = world.app.chats(page.next.clone(), 2).await.expect("the rest");
    assert_eq!((page.chats.len(), rest.chats.len(), rest.next), (2, 1, None));
    world.app.rename_chat(&ids[0], " A name ").await.expect("renamed");
    assert_eq!(world.app.chat(&ids[0], None, 1).await.expect("it").chat.title, "A name");
    world.app.trash_chat(&ids[0]).await.expect("trashed");
    assert_eq!(world.app.chats(None, 10).await.expect("a page").chats.len(), 2);
    world.app.restore_chat(&ids[0]).await.expect("restored");
    assert_eq!(world.app.chats(None, 10).await.expect("a page").chats.len(), 3);
    assert_eq!(world.app.chats(Some("x".into()), 2).await.expect_err("no cursor").kind, ErrorKind::User);
    assert_eq!(world.app.chat("nope", None, 1).await.expect_err("no chat").kind, ErrorKind::NotFound);
}
