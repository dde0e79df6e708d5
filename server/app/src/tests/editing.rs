//! Edits: usable answers become edits, others are asked for again and then refused with the reason.

use engine::EditAction;
use futures::StreamExt;
use model::scripted::Reply;
use text::Document;

use super::World;
use crate::{EditEvent, EditOutcome, EditRequest, ErrorKind, Result};

const CODE: &str = "def f(x):\n    return x\n";

async fn edit(world: &World, instruction: Option<&str>) -> Result<EditOutcome> {
    let request = EditRequest {
        workspace: Some(world.workspace.root().to_owned()),
        path: None,
        document: Document::new("file:///a.py", "python", 1, CODE),
        selection: 0..CODE.len(),
        action: EditAction::Edit,
        instruction: instruction.map(str::to_owned),
        open_buffers: Vec::new(),
        open_files: Vec::new(),
    };
    let mut events = world.app.edit(request);
    while let Some(event) = events.next().await {
        if let EditEvent::Finished(outcome) = event? {
            return Ok(outcome);
        }
    }
    panic!("the stream ended without saying why");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_answer_is_asked_for_again() {
    let world = World::new([
        Reply::text("I would rather not."),
        Reply::text("```python\ndef f(x:\n    return ((\n```"),
        Reply::text("```python\ndef f(x):\n    return 2 * x\n```"),
    ]);
    let outcome = edit(&world, Some("double it")).await.expect("an outcome");
    let EditOutcome::Edit { edit, .. } = outcome else { panic!("refused: {outcome:?}") };
    let document = Document::new("file:///a.py", "python", 1, CODE);
    assert_eq!(edit.apply(document.rope()).expect("in bounds").to_string(), "def f(x):\n    return 2 * x\n");
    let requests = world.model.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests[2].messages[1].content.contains("does not parse"), "the reason is told to the model");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_bad_answers_are_a_stated_refusal() {
    let world = World::new([Reply::text("```python\ndef f(x):\n    return x\n```")]);
    let outcome = edit(&world, Some("double it")).await.expect("an outcome");
    assert_eq!(outcome, EditOutcome::Refused { reason: "the model proposed no change".into() });
    assert_eq!(world.model.requests().len(), 3);
    assert_eq!(edit(&world, None).await.expect_err("no instruction").kind, ErrorKind::User);
}

#[tokio::test(flavor = "multi_thread")]
async fn related_passages_of_other_files_are_shown_to_the_model() {
    let world = World::new([Reply::text("```python\ndef f(x):\n    return 2 * x\n```")]);
    let root = world.workspace.root().to_owned();
    let mut indexed = world.app.index(&root);
    while indexed.next().await.is_some() {}
    edit(&world, Some("call get_session_auth_hash with x")).await.expect("an outcome");
    let prompt = &world.model.requests()[0].messages[1].content;
    assert!(prompt.contains("For reference, shop/sessions.py:"), "{prompt}");
}
