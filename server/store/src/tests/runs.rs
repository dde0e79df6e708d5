//! Runs from the question to the end, and after an end nobody planned.

use super::{Home, ask, count, end};
use crate::{After, MessageRole, MessageState, NewRun, RunEnd, RunOutcome, RunState, StoreError, UsageEntry};

#[test]
fn a_question_its_answer_and_its_run_are_stored_together() {
    let home = Home::new();
    let store = home.open();
    let chat = store.create_chat("", None).unwrap().id;
    home.pass(10);
    let first = ask(&store, &chat, "why?");
    let question = store.message(&first.user_message_id).unwrap();
    assert_eq!((question.role, question.state), (MessageRole::User, MessageState::Complete));
    assert_eq!((question.content.as_str(), question.run_id, question.parent_id), ("why?", None, None));
    let answer = store.message(&first.answer_message_id).unwrap();
    assert_eq!((answer.role, answer.state), (MessageRole::Assistant, MessageState::Streaming));
    assert_eq!((answer.content.as_str(), answer.parent_id), ("", Some(first.user_message_id.clone())));
    assert_eq!(answer.run_id.as_ref(), Some(&first.run_id));
    assert_eq!(store.run(&first.run_id).unwrap().state, RunState::Queued);
    assert_eq!(store.chat(&chat).unwrap().updated_ms, first.created_ms);

    // Nothing follows an answer that is not there yet; another branch may begin.
    let next = NewRun { chat_id: &chat, after: After::Newest, text: "and?", model: Some("starter") };
    assert!(matches!(store.begin_run(&next).unwrap_err(), StoreError::Conflict(_)));
    let branch = store.begin_run(&NewRun { after: After::Message(&first.user_message_id), ..next }).unwrap();
    assert_eq!(store.message(&branch.user_message_id).unwrap().parent_id, Some(first.user_message_id));
    assert_eq!(store.message(&branch.answer_message_id).unwrap().model.as_deref(), Some("starter"));
    let open: Vec<String> = store.open_runs().unwrap().into_iter().map(|run| run.id).collect();
    assert_eq!(open, [first.run_id, branch.run_id]);
    assert_eq!(count(&store, "SELECT COUNT(*) FROM messages"), 4, "the refused question left nothing");
}

#[test]
fn every_way_to_end_is_kept_and_is_final() {
    let home = Home::new();
    let store = home.open();
    let chat = store.create_chat("", None).unwrap().id;
    for outcome in RunOutcome::ALL {
        let begun = ask(&store, &chat, "why?");
        store.start_run(&begun.run_id).unwrap();
        assert!(matches!(store.start_run(&begun.run_id).unwrap_err(), StoreError::Conflict(_)));
        store.checkpoint_run(&begun.run_id, "bec").unwrap();
        store.checkpoint_run(&begun.run_id, "because").unwrap();
        home.pass(20);
        let why = (*outcome == RunOutcome::Failed).then_some("the model process stopped");
        store.finish_run(&begun.run_id, &RunEnd { error: why, ..end(*outcome, "because so") }).unwrap();

        let run = store.run(&begun.run_id).unwrap();
        assert_eq!(run.state.as_str(), outcome.as_str());
        assert!(!run.state.is_open());
        assert_eq!((run.error.as_deref(), run.finished_ms), (why, Some(begun.created_ms + 20)));
        assert_eq!(run.started_ms, Some(begun.created_ms));
        assert_eq!(store.chat(&chat).unwrap().updated_ms, begun.created_ms + 20);
        let answer = store.message(&begun.answer_message_id).unwrap();
        assert_eq!(answer.state, outcome.message_state());
        assert_eq!((answer.content.as_str(), answer.error.as_deref()), ("because so", why));
        assert_eq!((answer.citations.as_deref(), answer.manifest.as_deref()), (Some("[1]"), Some("{}")));
        assert_eq!(answer.model.as_deref(), Some("starter"));

        for late in [
            store.finish_run(&begun.run_id, &end(RunOutcome::Done, "other words")),
            store.checkpoint_run(&begun.run_id, "other words"),
            store.start_run(&begun.run_id),
        ] {
            let error = late.unwrap_err();
            assert!(matches!(&error, StoreError::Conflict(text) if text.contains(outcome.as_str())), "{error:?}");
        }
        assert_eq!(store.message(&begun.answer_message_id).unwrap(), answer);
    }
    assert!(store.open_runs().unwrap().is_empty());
}

#[test]
fn usage_is_noted_once_per_run_and_adds_up() {
    let home = Home::new();
    let store = home.open();
    let chat = store.create_chat("", None).unwrap().id;
    let mut last = String::new();
    for outcome in [RunOutcome::Done, RunOutcome::Stopped] {
        let begun = ask(&store, &chat, "why?");
        assert_eq!(store.usage_of_run(&begun.run_id).unwrap(), None);
        store.finish_run(&begun.run_id, &end(outcome, "")).unwrap();
        last = begun.run_id;
        home.pass(100);
    }
    let free = ask(&store, &chat, "without a model?");
    store.finish_run(&free.run_id, &RunEnd { usage: None, ..end(RunOutcome::Done, "") }).unwrap();
    let expected = UsageEntry {
        run_id: last.clone(),
        model: "starter".to_owned(),
        prompt_tokens: 100,
        cached_tokens: 40,
        answer_tokens: 7,
        prompt_ms: 500,
        answer_ms: 70,
        at_ms: super::START_MS + 100,
    };
    assert_eq!(store.usage_of_run(&last).unwrap(), Some(expected));
}

#[test]
fn open_runs_of_an_earlier_process_are_interrupted_and_keep_their_text() {
    let home = Home::new();
    let store = home.open();
    let mut runs = Vec::new();
    for name in ["waiting", "writing", "over"] {
        let chat = store.create_chat(name, None).unwrap().id;
        runs.push(ask(&store, &chat, name));
    }
    store.start_run(&runs[1].run_id).unwrap();
    store.checkpoint_run(&runs[1].run_id, "half an ans").unwrap();
    store.finish_run(&runs[2].run_id, &end(RunOutcome::Done, "whole")).unwrap();
    drop(store);
    home.pass(1_000);

    let store = home.open();
    let interrupted = store.interrupt_open_runs().unwrap();
    assert_eq!(interrupted, [runs[0].run_id.clone(), runs[1].run_id.clone()]);
    let expected = [
        (RunState::Interrupted, MessageState::Interrupted, ""),
        (RunState::Interrupted, MessageState::Interrupted, "half an ans"),
        (RunState::Done, MessageState::Complete, "whole"),
    ];
    for (begun, (run_state, message_state, text)) in runs.iter().zip(expected) {
        let message = store.message(&begun.answer_message_id).unwrap();
        assert_eq!(store.run(&begun.run_id).unwrap().state, run_state);
        assert_eq!((message.state, message.content.as_str()), (message_state, text));
        // To be interrupted is not news: the order of chats stays.
        assert_eq!(store.chat(&message.chat_id).unwrap().updated_ms, super::START_MS);
    }
    assert!(store.interrupt_open_runs().unwrap().is_empty());
    ask(&store, &store.run(&interrupted[1]).unwrap().chat_id, "go on");
}
