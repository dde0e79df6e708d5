//! The end of the daemon in two stages, events that grow old, and which folders are known.

use std::time::{Duration, SystemTime};

use futures::StreamExt;
use model::scripted::Reply;

use super::World;
use crate::{AnswerEvent, App, ErrorKind, MessageState, RunEventKind, Sent};

/// Longer than any answer of these tests takes.
const LONG: Duration = Duration::from_secs(60);

/// Asks and waits until the answer has begun.
async fn begun(app: &App) -> (String, Sent) {
    let chat = app.create_chat(None).await.expect("a chat").id;
    let sent = app.send(&chat, "tell me").await.expect("taken");
    let mut events = app.run_events(&sent.run_id, 0);
    while let Some(event) = events.next().await {
        if matches!(event.expect("no error").kind, RunEventKind::Answer(AnswerEvent::Text { .. })) {
            return (chat, sent);
        }
    }
    panic!("no text came");
}

async fn answer(app: &App, chat: &str) -> (String, MessageState) {
    let view = app.chat(chat, None, 10).await.expect("the chat");
    let last = view.messages.last().expect("an answer");
    (last.text.clone(), last.state)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_ends_in_time_is_whole() {
    let text = ["one ", "two ", "three"].map(String::from).to_vec();
    let world = World::new([Reply { text, delay_ms: 100, ..Reply::default() }]);
    let (chat, sent) = begun(&world.app).await;
    world.app.drain();
    let refused = world.app.send(&chat, "and this").await.expect_err("nothing new is taken");
    assert_eq!(refused.kind, ErrorKind::Unavailable);
    let refused = world.app.regenerate(&chat, &sent.answer_message_id).await.expect_err("nor again");
    assert_eq!(refused.kind, ErrorKind::Unavailable);
    world.app.finish(LONG).await;
    assert_eq!(world.app.activity().1, 0);
    assert!(!world.app.shutdown_token().is_cancelled(), "nothing was cut off");
    world.app.shutdown().await;
    assert_eq!(answer(&world.app, &chat).await, ("one two three".into(), MessageState::Complete));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_end_is_cut_off_and_kept() {
    let world = World::new([Reply { hang: true, ..Reply::text("so far") }]);
    let (chat, _) = begun(&world.app).await;
    world.app.finish(Duration::from_millis(1)).await;
    assert_eq!(answer(&world.app, &chat).await.1, MessageState::Streaming);
    world.app.shutdown().await;
    assert_eq!(answer(&world.app, &chat).await, ("so far".into(), MessageState::Interrupted));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cuts_off_does_not_wait_for_the_bound() {
    let world = World::new([Reply { hang: true, ..Reply::text("so far") }]);
    let (chat, _) = begun(&world.app).await;
    let began = std::time::Instant::now();
    let finishing = world.app.finish(LONG);
    let cutting = async {
        world.app.drain_token().cancelled().await;
        world.app.shutdown().await;
    };
    tokio::join!(finishing, cutting);
    assert!(began.elapsed() < LONG);
    assert_eq!(answer(&world.app, &chat).await.1, MessageState::Interrupted);
}

#[tokio::test(flavor = "multi_thread")]
async fn trying_again_far_back_sends_what_was_said_there() {
    let world = World::new([Reply::text("an answer")]);
    let chat = world.app.create_chat(None).await.expect("a chat").id;
    let mut second = None;
    // More messages than one page of the store holds.
    for number in 0..260 {
        let sent = world.app.send(&chat, &format!("question {number}")).await.expect("taken");
        let _all: Vec<_> = world.app.run_events(&sent.run_id, 0).collect().await;
        if number == 1 {
            second = Some(sent);
        }
    }
    let second = second.expect("asked");
    let again = world.app.regenerate(&chat, &second.answer_message_id).await.expect("taken");
    let _all: Vec<_> = world.app.run_events(&again.run_id, 0).collect().await;
    let requests = world.model.requests();
    let sent: Vec<&str> = requests.last().expect("asked").messages.iter().map(|m| m.content.as_str()).collect();
    assert_eq!(sent[1..3], ["question 0", "an answer"], "what came before is sent along");
    assert!(sent[3].ends_with("question 1") && sent.len() == 4, "{sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_can_be_stopped_as_soon_as_it_is_stored() {
    let world = World::new([Reply { hang: true, ..Reply::text("so far") }]);
    let chat = world.app.create_chat(None).await.expect("a chat").id;
    // Whoever finds the run in the store, as a page does, can stop it at once.
    let watching = async {
        loop {
            let view = world.app.chat(&chat, None, 10).await.expect("the chat");
            if let Some(run) = view.run {
                world.app.stop_run(&run.id).await.expect("stopped");
                return run.id;
            }
            tokio::task::yield_now().await;
        }
    };
    let (sent, stopped) = tokio::join!(world.app.send(&chat, "tell me"), watching);
    assert_eq!(sent.expect("taken").run_id, stopped);
    let events: Vec<_> = world.app.run_events(&stopped, 0).collect().await;
    let end = events.into_iter().next_back().expect("an end").expect("no error").kind;
    assert_eq!(end, RunEventKind::Ended { state: MessageState::Stopped, error: None });
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_old_runs_go_and_their_text_stays() {
    let world = World::new([Reply::text("an answer")]);
    let (chat, sent) = begun(&world.app).await;
    let seen: Vec<_> = world.app.run_events(&sent.run_id, 0).collect().await;
    let tomorrow = SystemTime::now() + Duration::from_secs(25 * 60 * 60);
    assert_eq!(world.app.prune_events(SystemTime::now()).await.expect("done"), 0);
    assert_eq!(world.app.prune_events(tomorrow).await.expect("done"), 1);
    let left: Vec<_> = world.app.run_events(&sent.run_id, 0).collect().await;
    assert!(left.len() == 1 && seen.len() > 1, "only the end is told: {left:?}");
    assert_eq!(answer(&world.app, &chat).await, ("an answer".into(), MessageState::Complete));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_known_once_it_is_open_or_a_chat_is_about_it() {
    let world = World::new([]);
    let root = world.workspace.root();
    let inside = root.join("shop");
    let knows = async |folder| world.app.knows_workspace(folder).await.expect("a folder");
    assert!(!knows(root).await);
    world.app.create_chat(Some(root.to_owned())).await.expect("a chat");
    assert!(knows(root).await && !knows(&inside).await);
    let _open = world.app.open_workspace(&inside).expect("opens");
    assert!(knows(&inside).await);
    let etc = std::path::Path::new("/etc");
    assert!(!knows(etc).await);
    assert_eq!(world.app.nameable_workspace(etc).await.expect_err("the system's").kind, ErrorKind::User);
    assert_eq!(
        world.app.nameable_workspace(root).await.expect("a project"),
        root.canonicalize().expect("it is there")
    );
}
