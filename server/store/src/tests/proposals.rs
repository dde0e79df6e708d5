//! Proposals are kept whole, found by place, changed by one at a time, and bounded.

use super::{Home, count};
use crate::{PROPOSALS_MAX, StoreError};

#[test]
fn a_proposal_is_found_by_its_files_and_changes_in_one_piece() {
    let home = Home::new();
    let store = home.open();
    let first = store.add_proposal(&["/w/a.py".into(), "/w/b.py".into()], "one").expect("it is kept");
    let second = store.add_proposal(&["/w/b.py".into()], "two").expect("it is kept");
    let at = |place: &str| -> Vec<String> {
        let found = store.proposals_at(place, 10).expect("they are read");
        found.into_iter().map(|one| one.body).collect()
    };
    assert_eq!(at("/w/a.py"), ["one"]);
    assert_eq!(at("/w/b.py"), ["two", "one"]);
    assert_eq!(at("/w/c.py"), Vec::<String>::new());
    let changed = store.change_proposal(&first.id, |body| Some(format!("{body}, judged"))).expect("it changes");
    assert_eq!(changed.body, "one, judged");
    assert_eq!(store.change_proposal(&second.id, |_| None).expect("it stays").body, "two");
    assert_eq!(store.proposal(&first.id).expect("it is there").body, "one, judged");
    assert!(matches!(store.change_proposal("nobody", |_| None), Err(StoreError::NotFound { .. })));
    let large = "x".repeat(crate::JSON_BYTES_MAX + 1);
    assert!(matches!(store.add_proposal(&[], &large), Err(StoreError::TooLarge { .. })));
}

#[test]
fn the_oldest_go_first() {
    let home = Home::new();
    let store = home.open();
    for number in 0..PROPOSALS_MAX + 3 {
        store.add_proposal(&["/w/a.py".into()], &number.to_string()).expect("it is kept");
    }
    let rows =
        ["proposals", "proposal_places"].map(|table| count(&store, &format!("SELECT count(*) FROM {table}")));
    assert_eq!(rows, [PROPOSALS_MAX as i64; 2]);
    let oldest = store.proposals_at("/w/a.py", 1).expect("they are read");
    assert_eq!(oldest[0].body, (PROPOSALS_MAX + 2).to_string());
}
