//! Links, sessions and tokens.

use std::fs;
use std::sync::Barrier;

use super::Home;
use crate::{LINK_MS, SESSION_AGE_MS_MAX, SESSION_IDLE_MS_MAX, StoreError, TOKEN_PREFIX, TOKENS_MAX};

#[test]
fn a_link_opens_once_and_in_time() {
    for (passed_ms, opens) in [(0, true), (LINK_MS - 1, true), (LINK_MS, false), (-LINK_MS, false)] {
        let home = Home::new();
        let store = home.open();
        let link = store.mint_login_link().unwrap();
        home.pass(passed_ms);
        let first = store.redeem_login_link(link.secret.reveal()).unwrap();
        assert_eq!(first.is_some(), opens, "after {passed_ms} ms");
        let again = store.redeem_login_link(link.secret.reveal()).unwrap();
        assert!(again.is_none(), "a second time after {passed_ms} ms");
        assert_eq!(store.sessions().unwrap().len(), usize::from(opens));
    }
}

#[test]
fn what_is_no_link_opens_nothing() {
    let home = Home::new();
    let store = home.open();
    let link = store.mint_login_link().unwrap();
    let upper = link.secret.reveal().to_uppercase();
    for wrong in ["", "x", &upper, &link.secret.reveal()[1..], &format!("{} ", link.secret.reveal())] {
        assert!(store.redeem_login_link(wrong).unwrap().is_none(), "{wrong}");
    }
    assert!(store.redeem_login_link(link.secret.reveal()).unwrap().is_some(), "wrong guesses used the link up");
}

#[test]
fn of_two_that_open_a_link_at_once_one_gets_in() {
    let home = Home::new();
    let store = home.open();
    for round in 0..20 {
        let link = store.mint_login_link().unwrap();
        let start = Barrier::new(2);
        let sessions: usize = std::thread::scope(|scope| {
            let racers = [0, 1].map(|_| {
                scope.spawn(|| {
                    start.wait();
                    usize::from(store.redeem_login_link(link.secret.reveal()).unwrap().is_some())
                })
            });
            racers.into_iter().map(|racer| racer.join().unwrap()).sum()
        });
        assert_eq!(sessions, 1, "round {round}");
    }
    assert_eq!(store.sessions().unwrap().len(), 20);
}

#[test]
fn a_session_ends_when_idle_or_old_or_revoked() {
    // Steps between requests, and whether the session is good at the end of each.
    let idle = SESSION_IDLE_MS_MAX;
    for steps in [
        vec![(idle - 1, true), (idle - 1, true), (idle, false)],
        vec![(0, true), (idle, false), (0, false)],
        vec![(30_000, true), (idle - 30_000 - 1, true), (idle, false)],
        vec![(-idle, true), (idle, true)],
    ] {
        let home = Home::new();
        let store = home.open();
        let new = store.create_session().unwrap();
        for (step_ms, good) in &steps {
            home.pass(*step_ms);
            let found = store.check_session(new.secret.reveal()).unwrap();
            assert_eq!(found.is_some(), *good, "{steps:?} at {step_ms}");
        }
    }
    let home = Home::new();
    let store = home.open();
    let new = store.create_session().unwrap();
    let mut lived_ms = 0;
    while store.check_session(new.secret.reveal()).unwrap().is_some() {
        home.pass(SESSION_IDLE_MS_MAX / 2);
        lived_ms += SESSION_IDLE_MS_MAX / 2;
    }
    assert_eq!(lived_ms, SESSION_AGE_MS_MAX, "use keeps a session alive, but not for ever");

    let (one, two) = (store.create_session().unwrap(), store.create_session().unwrap());
    store.revoke_session(&one.session.id).unwrap();
    assert!(store.check_session(one.secret.reveal()).unwrap().is_none());
    assert!(store.check_session(two.secret.reveal()).unwrap().is_some());
    assert_eq!(store.sessions().unwrap().len(), 1);
    store.revoke_session(&two.session.id).unwrap();
    assert!(store.check_session(two.secret.reveal()).unwrap().is_none());
}

#[test]
fn the_form_token_belongs_to_its_session_and_is_stored_nowhere() {
    let home = Home::new();
    let store = home.open();
    let (one, two) = (store.create_session().unwrap(), store.create_session().unwrap());
    let checked = store.check_session(one.secret.reveal()).unwrap().unwrap();
    assert_eq!(checked, one.session);
    assert!(checked.form_token.is_some() && checked.form_token != two.session.form_token);
    assert!(store.sessions().unwrap().iter().all(|session| session.form_token.is_none()));
}

#[test]
fn a_token_is_good_until_it_is_revoked() {
    let home = Home::new();
    let store = home.open();
    let new = store.create_token("a program").unwrap();
    assert!(new.secret.reveal().starts_with(TOKEN_PREFIX) && new.secret.reveal().len() == TOKEN_PREFIX.len() + 64);
    assert!(new.secret.reveal().starts_with(&new.token.prefix) && new.token.prefix.len() == 12);
    assert_eq!(store.tokens().unwrap(), std::slice::from_ref(&new.token));
    for (passed_ms, seen_ms) in [(0, 0), (59_999, 0), (1, 60_000)] {
        home.pass(passed_ms);
        let token = store.verify_token(new.secret.reveal()).unwrap().unwrap();
        assert_eq!(token.last_used_ms, Some(super::START_MS + seen_ms), "after {passed_ms} ms");
        assert_eq!(store.tokens().unwrap(), [token]);
    }
    assert!(store.verify_token(&new.token.prefix).unwrap().is_none());
    store.revoke_token(&new.token.id).unwrap();
    assert!(store.verify_token(new.secret.reveal()).unwrap().is_none());
    assert!(matches!(store.revoke_token(&new.token.id).unwrap_err(), StoreError::NotFound { .. }));
    assert!(store.tokens().unwrap()[0].revoked_ms.is_some());
}

#[test]
fn only_so_many_tokens_are_good_at_once() {
    let home = Home::new();
    let store = home.open();
    // The limit is about rows, so they are made without flushing each.
    store.user.writer().pragma_update(None, "synchronous", "OFF").unwrap();
    let tokens: Vec<_> = (0..TOKENS_MAX).map(|_| store.create_token("").unwrap()).collect();
    assert!(matches!(store.create_token("one more").unwrap_err(), StoreError::Conflict(_)));
    store.revoke_token(&tokens[0].token.id).unwrap();
    store.create_token("one more").unwrap();
}

#[test]
fn no_secret_is_written_or_printed() {
    let home = Home::new();
    let store = home.open();
    let link = store.mint_login_link().unwrap();
    let session = store.redeem_login_link(link.secret.reveal()).unwrap().unwrap();
    let token = store.create_token("a program").unwrap();
    let printed = format!("{link:?} {session:?} {token:?} {store:?}");
    let form_token = session.session.form_token.clone().unwrap();
    for secret in [&link.secret, &session.secret, &form_token, &token.secret] {
        assert!(secret.reveal().len() >= 64);
        assert!(!printed.contains(secret.reveal()));
        for file in ["user.db", "user.db-wal", "events.db", "events.db-wal"] {
            let bytes = fs::read(home.dir().join(file)).unwrap();
            let needle = secret.reveal().as_bytes();
            assert!(!bytes.windows(needle.len()).any(|window| window == needle), "a secret stands in {file}");
        }
    }
}
