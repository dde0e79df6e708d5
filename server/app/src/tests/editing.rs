//! Edits: usable answers become edits, others are asked for again and then refused with the reason; what became of
//! them decides what is asked for next, also after a restart.

use std::time::Duration;

use engine::{EditAction, Format, OutcomeRow, Outcomes, Standing};
use futures::StreamExt;
use model::scripted::Reply;
use text::Document;

use super::World;
use crate::proposals::DOCUMENTS_KEPT;
use crate::{
    ChangeState, EditEvent, EditOutcome, EditRequest, ErrorKind, Proposed, ProposedChange, ProposedFile, Result,
};

/// Longest wait for something that should take moments.
const PATIENCE: Duration = Duration::from_secs(30);

const CODE: &str = "def f(x):\n    return x\n";

const GOOD: &str = "```python\ndef f(x):\n    return 2 * x\n```";

fn request(world: &World, instruction: Option<&str>) -> EditRequest {
    EditRequest {
        workspace: Some(world.workspace.root().to_owned()),
        path: None,
        document: Document::new("file:///a.py", "python", 1, CODE),
        selection: 0..CODE.len(),
        action: EditAction::Edit,
        instruction: instruction.map(str::to_owned),
        open_buffers: Vec::new(),
        open_files: Vec::new(),
        earlier: None,
        variation: 0,
        several_files: false,
        form: None,
    }
}

async fn edit_with(world: &World, request: EditRequest) -> Result<EditOutcome> {
    let mut events = world.app.edit(request);
    while let Some(event) = events.next().await {
        if let EditEvent::Finished(outcome) = event? {
            return Ok(outcome);
        }
    }
    panic!("the stream ended without saying why");
}

async fn edit(world: &World, instruction: Option<&str>) -> Result<EditOutcome> {
    edit_with(world, request(world, instruction)).await
}

/// The text after the edit.
#[track_caller]
fn text_after(outcome: EditOutcome) -> String {
    let EditOutcome::Edit { edit, .. } = outcome else { panic!("refused: {outcome:?}") };
    let document = Document::new("file:///a.py", "python", 1, CODE);
    edit.apply(document.rope()).expect("in bounds").to_string()
}

/// Form, landed, tried and standing of what is known.
fn known(world: &World) -> Vec<(Format, usize, usize, Standing)> {
    let fields = |row: OutcomeRow| {
        assert_eq!(row.model, "scripted");
        (row.format, row.landed, row.tried, row.standing)
    };
    world.app.status().edits.into_iter().map(fields).collect()
}

fn keep(world: &World, value: &str) {
    world.app.inner.store.set_learned(crate::edit::NAME, value).expect("it can be kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pausing_model_wrote_last_is_told() {
    let text = ["```python\ndef f(x):\n", "    return 2 * x\n"].map(str::to_owned).to_vec();
    let world = World::new([Reply { text, delay_ms: 20, hang: true, ..Reply::default() }]);
    let mut events = world.app.edit(request(&world, Some("double it")));
    let told = async {
        while let Some(event) = events.next().await {
            if let EditEvent::Writing { answer_tokens: 2, code } = event.expect("no error") {
                return code;
            }
        }
        panic!("it ended");
    };
    let code = tokio::time::timeout(PATIENCE, told).await.expect("it is told while the model pauses");
    assert_eq!(code.as_deref(), Some("def f(x):\n    return 2 * x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_answer_is_asked_for_again() {
    let world = World::new([
        Reply::text("I would rather not."),
        Reply::text("```python\ndef f(x:\n    return ((\n```"),
        Reply::text(GOOD),
    ]);
    let mut events = world.app.edit(request(&world, Some("double it")));
    let (mut again, mut ended) = (Vec::new(), None);
    while let Some(event) = events.next().await {
        match event.expect("no error") {
            EditEvent::TryingAgain { reason } => again.push(reason),
            EditEvent::Finished(outcome) => ended = Some(outcome),
            _ => {}
        }
    }
    let syntax = "the proposed code does not parse (0 errors before, 1 after)";
    assert_eq!(again, ["the model's answer holds no code", syntax]);
    assert_eq!(text_after(ended.expect("it ends")), "def f(x):\n    return 2 * x\n");
    let requests = world.model.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests[2].messages[1].content.contains("does not parse"), "the reason is told to the model");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_bad_answers_are_a_stated_refusal() {
    let world = World::new([Reply::text("```python\ndef f(x):\n    return x\n```")]);
    let outcome = edit(&world, Some("double it")).await.expect("an outcome");
    let reason = "the model proposed no change; none of 3 answers could be used".into();
    assert_eq!(outcome, EditOutcome::Refused { reason, hint: "say more exactly what is to change".into() });
    assert_eq!(world.model.requests().len(), 3);
    assert_eq!(edit(&world, None).await.expect_err("no instruction").kind, ErrorKind::User);
}

#[tokio::test(flavor = "multi_thread")]
async fn related_passages_of_other_files_are_shown_to_the_model() {
    let world = World::new([Reply::text(GOOD)]);
    let root = world.workspace.root().to_owned();
    let mut indexed = world.app.index(&root);
    while indexed.next().await.is_some() {}
    edit(&world, Some("call get_session_auth_hash with x")).await.expect("an outcome");
    let prompt = &world.model.requests()[0].messages[1].content;
    assert!(prompt.contains("For reference, shop/sessions.py:"), "{prompt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_first_answer_of_an_edit_counts_and_it_counts_after_a_restart() {
    let world = World::new([Reply::text("No."), Reply::text(GOOD)]);
    assert_eq!(known(&world), []);
    text_after(edit(&world, Some("double it")).await.expect("an outcome"));
    assert_eq!(known(&world), [(Format::Rewrite, 0, 1, Standing::Untried)]);
    text_after(edit(&world, Some("double it")).await.expect("an outcome"));
    let expected = [(Format::Rewrite, 1, 2, Standing::Untried)];
    assert_eq!(known(&world), expected);
    let world = world.restarted().await;
    assert_eq!(known(&world), expected);
    text_after(edit(&world, Some("double it")).await.expect("an outcome"));
    assert_eq!(known(&world.restarted().await), [(Format::Rewrite, 2, 3, Standing::Untried)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_say_nothing_about_how_code_is_rewritten() {
    let world =
        World::new([Reply::text("No."), Reply::text("```python\ndef test_f():\n    assert f(1) == 1\n```")]);
    let outcome = edit_with(&world, EditRequest { action: EditAction::Tests, ..request(&world, None) }).await;
    let added = "def f(x):\n    return x\n\ndef test_f():\n    assert f(1) == 1\n";
    assert_eq!(text_after(outcome.expect("an outcome")), added);
    assert_eq!(known(&world), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_refused_counts_though_the_edit_is_cancelled_then() {
    let world = World::new([Reply::text("No."), Reply { hang: true, ..Reply::text("```python\n") }]);
    let mut events = world.app.edit(request(&world, Some("double it")));
    while let Some(event) = events.next().await {
        if matches!(event.expect("no error"), EditEvent::TryingAgain { .. }) {
            break;
        }
    }
    drop(events);
    assert_eq!(known(&world), [(Format::Rewrite, 0, 1, Standing::Untried)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_history_is_an_empty_one() {
    let given_up = |waited: u64| {
        format!("{{\"models\":[[\"scripted\",{{\"blocks\":{{\"standing\":\"given_up\",\"waited\":{waited}}}}}]]}}")
    };
    for (damaged, rows) in [
        ("{\"models\":[[\"scripted\",{\"rewr".to_owned(), 1),
        ("[]".to_owned(), 1),
        ("\u{0}".to_owned(), 1),
        (given_up(u64::MAX), 1),
        // This one can be read, however unlikely it is.
        (given_up(u32::MAX.into()), 2),
    ] {
        let world = World::new([Reply::text(GOOD)]);
        keep(&world, &damaged);
        text_after(edit(&world, Some("double it")).await.expect("an outcome"));
        let known = known(&world);
        assert_eq!((known.len(), known[0]), (rows, (Format::Rewrite, 1, 1, Standing::Untried)), "{damaged}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_that_is_asked_for_follows_the_history() {
    let mut history = Outcomes::default();
    for _ in 0..50 {
        history.record("scripted", Format::Blocks, true);
        history.record("scripted", Format::Rewrite, false);
    }
    let block = "a.py\n<<<<<<< SEARCH\n    return x\n=======\n    return 2 * x\n>>>>>>> REPLACE\n";
    // The second model writes code all the same, which is no block, and then does as it is told.
    for replies in [vec![Reply::text(block)], vec![Reply::text(GOOD), Reply::text(block)]] {
        let (first, tries) = (usize::from(replies.len() == 1), replies.len());
        let world = World::new(replies);
        keep(&world, &serde_json::to_string(&history).expect("plain data"));
        let outcome = edit(&world, Some("double it")).await.expect("an outcome");
        assert_eq!(text_after(outcome), "def f(x):\n    return 2 * x\n");
        let requests = world.model.requests();
        assert_eq!(requests.len(), tries);
        assert!(requests.iter().all(|request| request.messages[0].content.contains("<<<<<<< SEARCH")));
        assert!(known(&world).contains(&(Format::Blocks, 50 + first, 51, Standing::Trusted)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_named_is_asked_for_and_every_answer_is_told() {
    let block = "a.py\n<<<<<<< SEARCH\n    return x\n=======\n    return 2 * x\n>>>>>>> REPLACE\n";
    let world = World::new([Reply::text(GOOD), Reply::text(block)]);
    let request = EditRequest { form: Some(Format::Blocks), ..request(&world, Some("double it")) };
    let mut events = world.app.edit(request);
    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        if let EditEvent::Answered { answer, refused } = event.expect("no error") {
            told.push((answer, refused.map(|refusal| (refusal.kind(), refusal.is_about_the_form()))));
        }
    }
    assert_eq!(told, [(GOOD.to_owned(), Some(("malformed", true))), (block.to_owned(), None)]);
    assert_eq!(known(&world), [(Format::Blocks, 0, 1, Standing::Untried)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_do_not_fit_the_window_are_not_asked_for() {
    let mut history = Outcomes::default();
    for _ in 0..50 {
        history.record("scripted", Format::Rewrite, false);
    }
    let world = World::new([Reply::text(GOOD)]);
    keep(&world, &serde_json::to_string(&history).expect("plain data"));
    // The rest of the file fills the window of the scripted model, which counts words.
    let long = format!("{CODE}\n\nx = [\n{}]\n", "    0 ,\n".repeat(1000));
    let document = Document::new("file:///a.py", "python", 1, &long);
    let outcome = edit_with(&world, EditRequest { document, ..request(&world, Some("double it")) }).await;
    assert!(matches!(outcome, Ok(EditOutcome::Edit { .. })), "{outcome:?}");
    assert!(!world.model.requests()[0].messages[0].content.contains("SEARCH"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_edited_is_refused_before_the_model_is_asked() {
    let world = World::new([Reply::text(GOOD)]);
    let document = Document::new("file:///a.py", "python", 1, &CODE.repeat(200_000));
    let outcome = edit_with(&world, EditRequest { document, ..request(&world, Some("double it")) }).await;
    let Ok(EditOutcome::Refused { reason, hint }) = outcome else { panic!("it was not refused: {outcome:?}") };
    assert!(reason.starts_with("the file is 4600000 bytes"), "{reason}");
    assert_eq!(hint, "move the code into a smaller file");
    assert_eq!((world.model.requests().len(), known(&world)), (0, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_knows_the_file_by_its_path_in_the_workspace() {
    let other = "shop/sessions.py\n<<<<<<< SEARCH\nimport hmac\n=======\nimport hashlib\n>>>>>>> REPLACE\n";
    let own = "shop/a.py\n<<<<<<< SEARCH\n    return x\n=======\n    return 2 * x\n>>>>>>> REPLACE\n";
    let world = World::new([Reply::text(other), Reply::text(own)]);
    let path = Some(world.workspace.root().join("shop/a.py"));
    let outcome = edit_with(&world, EditRequest { path, ..request(&world, Some("double it")) }).await;
    assert_eq!(text_after(outcome.expect("an outcome")), "def f(x):\n    return 2 * x\n");
    let told = &world.model.requests()[1].messages[1].content;
    assert!(told.contains("shop/sessions.py, which is not part of this edit"), "{told}");
}

/// Documents of proposals are written again when they are to be seen, so that old ones need not stay.
#[tokio::test(flavor = "multi_thread")]
async fn documents_of_old_proposals_go_and_come_back() {
    let world = World::new([]);
    let said = |number: usize| Proposed {
        title: format!("Make {number}"),
        instruction: None,
        workspace: None,
        files: vec![ProposedFile {
            place: "/w/a.py".into(),
            name: "a.py".into(),
            change: ProposedChange::Create { text: "x\n".into() },
            states: vec![ChangeState::Proposed],
        }],
    };
    let mut written = Vec::new();
    for number in 0..=DOCUMENTS_KEPT {
        let proposal = world.app.propose(said(number)).await.expect("it is kept");
        let path = world.app.write_proposal_document(&proposal).await.expect("it is written").path;
        written.push((proposal, path));
    }
    let there = written.iter().filter(|(_, path)| path.is_file()).count();
    assert_eq!((there, written[0].1.is_file()), (DOCUMENTS_KEPT, false));
    let again = world.app.write_proposal_document(&written[0].0).await.expect("it is written");
    assert!(again.path == written[0].1 && again.path.is_file());
}
