//! Chats, messages, settings and documents.

use std::collections::HashSet;

use rusqlite::params;

use super::{Home, ask, end};
use crate::chats::page_sql;
use crate::{
    After, CHATS_PAGE_MAX, DocumentKind, MessageRole, MessageState, NAME_BYTES_MAX, NewMessage, NewRun,
    RunOutcome, Shelf, Store, StoreError,
};

#[test]
fn a_chat_is_renamed_trashed_and_restored() {
    let home = Home::new();
    let store = home.open();
    let chat = store.create_chat("first", Some("/code")).unwrap();
    assert_eq!(store.chat(&chat.id).unwrap(), chat);
    home.pass(5);
    store.rename_chat(&chat.id, "second").unwrap();
    let renamed = store.chat(&chat.id).unwrap();
    assert_eq!((renamed.title.as_str(), renamed.updated_ms), ("second", chat.updated_ms + 5));
    assert_eq!(on(&store, Shelf::Living), ["second"]);
    store.trash_chat(&chat.id).unwrap();
    assert_eq!((on(&store, Shelf::Living), on(&store, Shelf::Trash)), (vec![], vec!["second".to_owned()]));
    let asked = store.begin_run(&NewRun { chat_id: &chat.id, after: After::Newest, text: "?", model: None });
    assert!(matches!(asked.unwrap_err(), StoreError::Conflict(_)));
    store.restore_chat(&chat.id).unwrap();
    assert_eq!((on(&store, Shelf::Living), on(&store, Shelf::Trash)), (vec!["second".to_owned()], vec![]));
}

#[test]
fn a_workspace_with_a_chat_is_known_also_from_the_trash() {
    let home = Home::new();
    let store = home.open();
    let chat = store.create_chat("", Some("/code")).unwrap();
    store.create_chat("", None).unwrap();
    let known = |path: &str| store.has_chat_about(path).unwrap();
    assert!(known("/code"));
    store.trash_chat(&chat.id).unwrap();
    assert_eq!(["/code", "/code/", "/", ""].map(known), [true, false, false, false]);
}

#[test]
fn what_is_not_there_is_not_found() {
    let home = Home::new();
    let store = home.open();
    let living = store.create_chat("living", None).unwrap().id;
    let other = store.create_chat("other", None).unwrap().id;
    let elsewhere = ask(&store, &other, "?").user_message_id;
    let message = NewMessage {
        chat_id: "nothing",
        after: After::Newest,
        role: MessageRole::User,
        content: "",
        citations: None,
        manifest: None,
        model: None,
    };
    let attempts: Vec<(&str, Result<(), StoreError>)> = vec![
        ("chat", store.chat("nothing").map(drop)),
        ("chat", store.rename_chat("nothing", "x")),
        ("chat", store.trash_chat("nothing")),
        ("chat", store.restore_chat(&living)),
        ("chat", store.messages("nothing", None, 1).map(drop)),
        ("chat", store.add_message(&message).map(drop)),
        ("chat", store.add_document(DocumentKind::Answer, "/a", Some("nothing")).map(drop)),
        ("message", store.message("nothing").map(drop)),
        ("message", store.thread("nothing", 5).map(drop)),
        ("message", store.messages(&living, Some(&elsewhere), 1).map(drop)),
        (
            "message",
            store
                .add_message(&NewMessage { chat_id: &living, after: After::Message(&elsewhere), ..message })
                .map(drop),
        ),
        ("run", store.run("nothing").map(drop)),
        ("run", store.start_run("nothing")),
        ("run", store.checkpoint_run("nothing", "x")),
        ("run", store.finish_run("nothing", &end(RunOutcome::Done, "x"))),
        ("document", store.document("nothing").map(drop)),
        ("document", store.remove_document("nothing")),
        ("session", store.revoke_session("nothing")),
        ("token", store.revoke_token("nothing")),
        ("blob", store.blob("../../user.db").map(drop)),
        ("blob", store.blob(&"0".repeat(64)).map(drop)),
    ];
    for (at, (expected, attempt)) in attempts.into_iter().enumerate() {
        let error = attempt.expect_err(expected);
        assert!(matches!(&error, StoreError::NotFound { what, .. } if *what == expected), "{at}: {error:?}");
    }
    assert_eq!(super::count(&store, "SELECT COUNT(*) FROM messages"), 2, "a refused message left something");
}

#[test]
fn ten_thousand_chats_are_paged_by_index_each_once() {
    let home = Home::new();
    let store = home.open();
    store
        .user
        .write(|transaction| {
            let mut statement = transaction.prepare(
                "INSERT INTO chats (id, title, created_ms, updated_ms, deleted_ms) VALUES (?1, '', 0, ?2, ?3)",
            )?;
            for number in 0..10_000_i64 {
                // Ids follow another order than times; many share a time, so that the id has to decide; every tenth lies in the trash.
                let deleted_ms = (number % 10 == 0).then_some(1);
                statement.execute(params![format!("{:05}", number * 7_919 % 10_000), number / 7, deleted_ms])?;
            }
            Ok(())
        })
        .unwrap();
    for (shelf, expected, index) in
        [(Shelf::Living, 9_000, "chats_living"), (Shelf::Trash, 1_000, "chats_trashed")]
    {
        let (mut seen, mut place, mut last) = (HashSet::new(), None, (i64::MAX, String::new()));
        loop {
            let page = store.list_chats(shelf, place.as_ref(), usize::MAX).unwrap();
            assert!(page.len() <= CHATS_PAGE_MAX);
            for chat in &page {
                let here = (chat.updated_ms, chat.id.clone());
                assert!(here < last, "{here:?} comes after {last:?}");
                last = here;
                assert!(seen.insert(chat.id.clone()), "{} twice", chat.id);
            }
            match page.last() {
                Some(chat) => place = Some(chat.cursor()),
                None => break,
            }
        }
        assert_eq!(seen.len(), expected);
        let plan: Vec<String> = store
            .user
            .read(|connection| {
                let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", page_sql(shelf)))?;
                let rows = statement.query_map(params![5, "x", 10], |row| row.get(3))?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            })
            .unwrap();
        assert_eq!(plan.len(), 1, "one range scan without sorting: {plan:?}");
        assert!(plan[0].starts_with("SEARCH chats") && plan[0].contains(index), "{plan:?}");
    }
}

#[test]
fn messages_are_paged_backwards_and_branches_are_followed() {
    let home = Home::new();
    let store = home.open();
    let chat = store.create_chat("", None).unwrap().id;
    let add = |after, role, content| {
        // A clock that is set back must not change the order.
        home.pass(-1_000);
        let (citations, manifest, model) = (None, None, None);
        store
            .add_message(&NewMessage { chat_id: &chat, after, role, content, citations, manifest, model })
            .unwrap()
    };
    let one = add(After::Newest, MessageRole::System, "one");
    let two = add(After::Newest, MessageRole::User, "two");
    let three = add(After::Newest, MessageRole::Assistant, "three");
    let fork = add(After::Message(&one), MessageRole::User, "fork");
    let fresh = add(After::Start, MessageRole::User, "fresh");
    let texts = |messages: Vec<crate::Message>| messages.into_iter().map(|m| m.content).collect::<Vec<_>>();
    for (before, limit, expected) in [
        (None, 10, vec!["one", "two", "three", "fork", "fresh"]),
        (None, 2, vec!["fork", "fresh"]),
        (Some(&fork), 2, vec!["two", "three"]),
        (Some(&two), 10, vec!["one"]),
        (Some(&one), 10, vec![]),
    ] {
        assert_eq!(texts(store.messages(&chat, before.map(String::as_str), limit).unwrap()), expected);
    }
    for (last, limit, expected) in [
        (&three, 10, vec!["one", "two", "three"]),
        (&three, 2, vec!["two", "three"]),
        (&fork, 10, vec!["one", "fork"]),
        (&fresh, 10, vec!["fresh"]),
    ] {
        assert_eq!(texts(store.thread(last, limit).unwrap()), expected);
    }
    let stored = store.message(&three).unwrap();
    assert_eq!((stored.parent_id, stored.state), (Some(two), MessageState::Complete));
}

#[test]
fn settings_keep_the_last_value() {
    let home = Home::new();
    let store = home.open();
    assert_eq!(store.setting("theme").unwrap(), None);
    store.set_setting("theme", "dark").unwrap();
    store.set_setting("theme", "light").unwrap();
    store.set_setting("accent", "").unwrap();
    let expected = [("accent", ""), ("theme", "light")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(store.settings().unwrap(), expected);
    store.remove_setting("theme").unwrap();
    store.remove_setting("theme").unwrap();
    assert_eq!(store.setting("theme").unwrap(), None);
}

#[test]
fn documents_are_found_by_id_and_by_file() {
    let home = Home::new();
    let store = home.open();
    let chat = store.create_chat("", None).unwrap().id;
    let mut added = Vec::new();
    for kind in DocumentKind::ALL {
        added.push(store.add_document(*kind, &format!("/documents/{}.md", kind.as_str()), Some(&chat)).unwrap());
    }
    for document in &added {
        assert_eq!(store.document(&document.id).unwrap(), *document);
        assert_eq!(store.document_at(&document.path).unwrap().as_ref(), Some(document));
        let again = store.add_document(DocumentKind::Chat, &document.path, None).unwrap_err();
        assert!(matches!(again, StoreError::Conflict(_)));
    }
    let newest = store.documents(None, 2).unwrap();
    assert_eq!(newest, [added[2].clone(), added[1].clone()]);
    assert_eq!(store.documents(Some(&newest[1].id), 2).unwrap(), [added[0].clone()]);
    assert_eq!(store.documents_beyond(added[0].kind, 0).unwrap(), [added[0].clone()]);
    assert_eq!(store.documents_beyond(added[0].kind, 1).unwrap(), []);
    store.remove_document(&added[0].id).unwrap();
    assert_eq!(store.document_at(&added[0].path).unwrap(), None);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_stored() {
    let home = Home::new();
    let store = home.open();
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    for attempt in [
        store.create_chat(&long, None).map(drop),
        store.create_chat("", Some(&long)).map(drop),
        store.set_setting(&long, "x"),
        store.create_token(&long).map(drop),
        store.add_document(DocumentKind::Chat, &long, None).map(drop),
    ] {
        let error = attempt.unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { bytes_max: 16_384, bytes: 16_385, .. }), "{error:?}");
    }
    store.create_chat(&long[1..], None).unwrap();
}

fn on(store: &Store, shelf: Shelf) -> Vec<String> {
    store.list_chats(shelf, None, 10).unwrap().into_iter().map(|chat| chat.title).collect()
}
