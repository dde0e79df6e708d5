//! Language model and images on a device that holds one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use futures::future::BoxFuture;
use model::scripted::{Reply, ScriptedModel};
use model::{ChatModel, ChatRequest, ChatStream, ModelError, ModelInfo};

use super::painter::{WEIGHTS_BYTES, World, is_end, until};
use crate::{AnswerEvent, Ask, ImageJobEventKind, ImageJobState};

/// What is always left free, and more than what the images of these tests work in.
const RESERVE_AND_SOME_BYTES: u64 = (1 << 30) + (80 << 20);

/// A language model that is not loaded before it is asked to be.
struct Chatter {
    model: ScriptedModel,
    loaded: AtomicBool,
}

impl ChatModel for Chatter {
    fn info(&self) -> ModelInfo {
        ModelInfo { loaded: self.loaded.load(Ordering::SeqCst), ..self.model.info() }
    }

    fn load(&self) -> BoxFuture<'_, Result<ModelInfo, ModelError>> {
        self.loaded.store(true, Ordering::SeqCst);
        self.model.load()
    }

    fn chat(&self, request: ChatRequest) -> ChatStream {
        self.model.chat(request)
    }

    fn count_tokens(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Vec<u32>, ModelError>> {
        self.model.count_tokens(texts)
    }
}

fn chatting() -> Option<Arc<dyn ChatModel>> {
    let model = ScriptedModel::with_replies([Reply::text("an answer")]);
    Some(Arc::new(Chatter { model, loaded: AtomicBool::default() }))
}

fn ask() -> Ask {
    Ask { question: "why?".into(), ..Ask::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_waits_with_a_notice_while_images_are_made() {
    let mut world = World::with(chatting(), Some(RESERVE_AND_SOME_BYTES + WEIGHTS_BYTES));
    let id = world.generate("a fox", 1).await;
    let draw = world.draw().await;
    let mut answer = world.app.ask(ask());
    let notice = loop {
        match answer.next().await.expect("it goes on").expect("no error") {
            AnswerEvent::Held { notice } => break notice,
            AnswerEvent::Text { text } => panic!("it was answered: {text}"),
            _ => {}
        }
    };
    assert!(notice.contains("images"), "{notice}");
    draw.all().await;
    let rest: Vec<_> = answer.collect().await;
    assert!(matches!(rest.last(), Some(Ok(AnswerEvent::Finished { .. }))), "{rest:?}");
    assert_eq!(world.unloads(), 1, "the images made way at once");
    let mut events = world.app.image_events(Some(&id));
    until(&mut events, is_end).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_died_in_use_holds_nobody_up() {
    let mut world = World::with(chatting(), Some(RESERVE_AND_SOME_BYTES + WEIGHTS_BYTES));
    let id = world.generate("a fox", 1).await;
    let draw = world.draw().await;
    world.die();
    // Whoever waits looks whether models came or went.
    let mut answer = world.app.ask(ask());
    while !matches!(answer.next().await.expect("it goes on").expect("no error"), AnswerEvent::Held { .. }) {}
    draw.fail(ModelError::BadRequest("it is over".into())).await;
    let mut events = world.app.image_events(Some(&id));
    until(&mut events, is_end).await;
    let rest: Vec<_> = answer.collect().await;
    assert!(matches!(rest.last(), Some(Ok(AnswerEvent::Finished { .. }))), "{rest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_room_for_both_nobody_waits() {
    let mut world = World::with(chatting(), Some(64 << 30));
    world.generate("a fox", 1).await;
    let _draw = world.draw().await;
    let events: Vec<_> = world.app.ask(ask()).collect().await;
    assert!(matches!(events.last(), Some(Ok(AnswerEvent::Finished { .. }))));
    assert!(!events.iter().any(|event| matches!(event, Ok(AnswerEvent::Held { .. }))), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_fit_in_tiles_alone_are_drawn_in_the_memory_there_is() {
    let (side, pixels) = (1_024, 1_024 * 1_024);
    for (bytes, expected) in [(8_u64 << 30, pixels * 4_096), (5 << 30, (1 << 30) + pixels * 1_024)] {
        let mut world = World::with(None, Some(bytes));
        let sides = (Some(side), Some(side));
        let id = world.generate_in(sides, "a fox", 1).await;
        let draw = world.draw().await;
        assert_eq!(draw.request.working_bytes_max, Some(expected), "{bytes}");
        draw.all().await;
        let mut events = world.app.image_events(Some(&id));
        until(&mut events, is_end).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_never_fit_are_refused_with_numbers() {
    let world = World::with(None, Some(WEIGHTS_BYTES));
    let id = world.generate("a fox", 1).await;
    let mut events = world.app.image_events(Some(&id));
    let end = until(&mut events, is_end).await.pop();
    let Some(ImageJobEventKind::Ended { state: ImageJobState::Failed, error: Some(error) }) = end else {
        panic!("{end:?}");
    };
    assert!(error.contains("MiB") && error.contains("smaller"), "{error}");
}
