//! Questions: sources before words, citations that are true, and what happens without a model.

use std::sync::Arc;

use futures::StreamExt;
use model::ModelError;
use model::scripted::{Reply, ScriptedModel};

use super::World;
use crate::{Answer, AnswerEvent, App, Ask, Buffer, ErrorKind, Focus, Result};

async fn finish(app: &App, ask: Ask) -> Result<(Answer, Vec<AnswerEvent>)> {
    let mut stream = app.ask(ask);
    let mut seen = Vec::new();
    while let Some(event) = stream.next().await {
        match event? {
            AnswerEvent::Finished { answer } => return Ok((*answer, seen)),
            event => seen.push(event),
        }
    }
    panic!("the stream ended without saying why: {seen:?}");
}

fn ask(world: &World, question: &str) -> Ask {
    Ask { workspace: Some(world.workspace.root().to_owned()), question: question.into(), ..Ask::default() }
}

fn places(answer: &Answer, used: bool) -> Vec<String> {
    answer
        .citations
        .iter()
        .filter(|citation| citation.used == used)
        .map(|citation| citation.path.clone())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_cites_what_was_sent_and_nothing_else() {
    let reply = Reply { text: vec!["It is keyed [".into(), "1] and salted [77].".into()], ..Reply::default() };
    let world = World::new([reply]);
    let (answer, seen) =
        finish(&world.app, ask(&world, "How is the session auth hash made?")).await.expect("answers");
    assert_eq!(answer.text, "It is keyed [1] and salted.");
    assert_eq!(places(&answer, true), ["shop/sessions.py"]);
    assert!(answer.citations.iter().all(|citation| citation.live));
    assert_eq!(answer.manifest.sent.len(), answer.citations.len());
    assert_eq!(answer.model.as_deref(), Some("scripted"));
    let sources =
        seen.iter().position(|event| matches!(event, AnswerEvent::Sources { .. })).expect("sources are told");
    let text = seen.iter().position(|event| matches!(event, AnswerEvent::Text { .. })).expect("text is streamed");
    assert!(sources < text, "sources come first: {seen:?}");
    let prompt = &world.model.requests()[0].messages[1].content;
    assert!(prompt.starts_with("[1] shop/sessions.py:"), "{prompt}");
    assert!(prompt.ends_with("How is the session auth hash made?"), "{prompt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_selection_goes_first_and_unsaved_text_is_what_counts() {
    let world = World::new([Reply::text("ok")]);
    let path = world.workspace.path("shop/basket.py");
    let unsaved = "class Basket:\n    def empty_everything(self):\n        self.items = []\n";
    let focus = Focus { path: path.clone(), lines: Some((2, 3)), text: Some(unsaved.into()) };
    let buffers = vec![Buffer { path, text: unsaved.into() }];
    let request = Ask { focus: Some(focus), open_buffers: buffers, ..ask(&world, "explain empty_everything") };
    let (answer, _) = finish(&world.app, request).await.expect("answers");
    let first = &answer.citations[0];
    assert_eq!((first.path.as_str(), first.start_line, first.end_line), ("shop/basket.py", 2, 3));
    assert!(first.live, "the unsaved text holds these lines");
    let prompt = &world.model.requests()[0].messages[1].content;
    assert!(prompt.contains("empty_everything") && !prompt.contains("def add"), "{prompt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_meanwhile_is_said_to_have_changed() {
    let reply = Reply { text: vec!["a [1]".into(), " b".into()], delay_ms: 300, ..Reply::default() };
    let world = World::new([reply]);
    let mut stream = world.app.ask(ask(&world, "get_session_auth_hash"));
    let mut answer = None;
    while let Some(event) = stream.next().await {
        match event.expect("no error") {
            AnswerEvent::Sources { .. } => world.workspace.write("shop/sessions.py", "# all new\n"),
            AnswerEvent::Finished { answer: finished } => answer = Some(finished),
            _ => {}
        }
    }
    let answer = answer.expect("it finished");
    let sessions = answer.citations.iter().find(|citation| citation.path == "shop/sessions.py").expect("cited");
    assert!(!sessions.live);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_model_the_passages_are_the_answer() {
    let home = tempfile::tempdir().expect("a folder");
    let app = App::for_tests(home.path(), None);
    let world = World::new([]);
    let (answer, _) = finish(&app, ask(&world, "get_session_auth_hash")).await.expect("answers all the same");
    assert!(answer.model.is_none());
    assert!(answer.notice.expect("it says so").contains("familiar models pull starter"));
    assert!(answer.text.contains("def get_session_auth_hash"), "{}", answer.text);
    assert_eq!(answer.citations[0].path, "shop/sessions.py");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_model_cannot_be_loaded_the_passages_are_shown_with_the_reason() {
    let broken = ScriptedModel::with_replies([]).failing_to_load(ModelError::BadFile("it is incomplete".into()));
    let home = tempfile::tempdir().expect("a folder");
    let app = App::for_tests(home.path(), Some(Arc::new(broken)));
    let world = World::new([]);
    let (answer, _) = finish(&app, ask(&world, "get_session_auth_hash")).await.expect("answers all the same");
    let problem = answer.problem.expect("it says why");
    assert_eq!(problem.message, "the model file cannot be used: it is incomplete");
    assert!(problem.hint.expect("it says what to do").contains("models pull SOURCE --name scripted"));
    assert!(answer.model.is_none() && answer.text.contains("def get_session_auth_hash"), "{}", answer.text);
    assert_eq!(answer.citations[0].path, "shop/sessions.py");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_told_with_their_kind() {
    let crash = ModelError::Crashed("signal 6".into());
    let world = World::new([Reply { text: vec!["half".into()], error: Some(crash), ..Reply::default() }]);
    let error = finish(&world.app, ask(&world, "anything")).await.expect_err("the model crashed");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    let error = finish(&world.app, ask(&world, "  ")).await.expect_err("an empty question");
    assert_eq!(error.kind, ErrorKind::User);
    let missing = Ask { workspace: Some("/no/such/folder".into()), ..ask(&world, "x") };
    assert_eq!(finish(&world.app, missing).await.expect_err("no folder").kind, ErrorKind::User);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_attached_is_packed_however_long_it_is() {
    let world = World::new([Reply::text("It ran out of fuel [1].")]);
    let mut log: String = (0..4000).map(|line| format!("line {line} is fine\n")).collect();
    log.push_str("ValueError: not enough fuel\n");
    let request = Ask { attachment: Some(log), ..ask(&world, "What went wrong?") };
    let (answer, _) = finish(&world.app, request).await.expect("answers");
    let first = &answer.citations[0];
    assert_eq!(
        (first.path.as_str(), first.end_line, first.live),
        ("attachment", 4001, true),
        "the end of a log counts"
    );
    let prompt = &world.model.requests()[0].messages[1].content;
    assert!(prompt.contains("not enough fuel") && prompt.ends_with("What went wrong?"), "{prompt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_outside_the_workspace_is_read_where_it_lies() {
    let world = World::new([Reply::text("ok")]);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let path = elsewhere.path().canonicalize().expect("it exists").join("out.py");
    std::fs::write(&path, "x = 1\ny = 2\n").expect("written");
    let focus = Focus { path: path.clone(), lines: Some((2, 2)), text: None };
    let (answer, _) =
        finish(&world.app, Ask { focus: Some(focus), ..ask(&world, "why?") }).await.expect("answers");
    let first = &answer.citations[0];
    assert_eq!(first.path, path.to_string_lossy());
    assert!(first.live, "it did not change");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_too_much_is_not_indexed_by_asking() {
    let world = World::new([Reply::text("I have no source.")]);
    let request = Ask { workspace: Some("/".into()), ..ask(&world, "where is it?") };
    let (answer, _) = finish(&world.app, request).await.expect("answers all the same");
    assert!(answer.citations.is_empty());
    assert!(answer.notice.expect("it says so").contains("too much to index"));
    assert!(world.app.workspaces().is_empty());
}
