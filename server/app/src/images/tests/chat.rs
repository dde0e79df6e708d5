//! Images that a chat asks for.

use std::time::Duration;

use futures::StreamExt;

use super::painter::World;
use crate::{AnswerEvent, MessageState, MessageView, RunEventKind};

/// Longer than a run takes to end.
const LONG: Duration = Duration::from_secs(60);

/// The events of a run to its end, and the answer that is kept.
async fn run_to_end(world: &World, chat: &str, run: &str) -> (Vec<RunEventKind>, MessageView) {
    let mut events = world.app.run_events(run, 0);
    let mut seen = Vec::new();
    while let Some(event) = tokio::time::timeout(LONG, events.next()).await.expect("the run goes on") {
        seen.push(event.expect("no error").kind);
    }
    let mut messages = world.app.chat(chat, None, 10).await.expect("it is there").messages;
    (seen, messages.pop().expect("an answer"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_draws_what_it_is_asked_for_and_shows_it() {
    let mut world = World::new();
    let chat = world.app.create_chat(None).await.expect("it is begun").id;
    let sent = world.app.send(&chat, "/image a fox\nin snow").await.expect("it is taken");
    let draw = world.draw().await;
    assert_eq!((draw.request.prompt.as_str(), draw.request.count), ("a fox\nin snow", 1));
    draw.step(1).await;
    draw.all().await;
    let (seen, answer) = run_to_end(&world, &chat, &sent.run_id).await;
    let is_drawing =
        |kind: &RunEventKind| matches!(kind, RunEventKind::Answer(AnswerEvent::Drawing { done: 1, all: 4, .. }));
    assert!(seen.iter().any(is_drawing), "{seen:?}");
    assert_eq!((answer.state, answer.text.as_str()), (MessageState::Complete, "Made 1 image."));
    let [image] = answer.images.as_slice() else { panic!("{:?}", answer.images) };
    assert_eq!((image.width_pixels, image.alt.as_str()), (64, "a fox in snow"));
    world.app.image(&image.id).await.expect("it is in the gallery too");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_an_answer_takes_its_images_back() {
    let mut world = World::new();
    let chat = world.app.create_chat(None).await.expect("it is begun").id;
    let sent = world.app.send(&chat, "/image a fox").await.expect("it is taken");
    let draw = world.draw().await;
    world.app.stop_run(&sent.run_id).await.expect("it runs");
    draw.cancelled().await;
    let (_, answer) = run_to_end(&world, &chat, &sent.run_id).await;
    assert_eq!((answer.state, answer.images.len()), (MessageState::Stopped, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_without_words_says_what_to_write() {
    let world = World::new();
    let chat = world.app.create_chat(None).await.expect("it is begun").id;
    let sent = world.app.send(&chat, "/image").await.expect("it is taken");
    let (_, answer) = run_to_end(&world, &chat, &sent.run_id).await;
    assert_eq!(answer.state, MessageState::Failed);
    assert!(answer.error.expect("a reason").contains("/image a lighthouse"));
}
