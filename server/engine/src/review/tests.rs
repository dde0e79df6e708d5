//! Blocks keep their place while the text goes on, and come back whole.

use text::{Change, Edit, PositionEncoding, Rope, hunks};

use super::*;

const BASE: &str = "a\nb\nc\nd\ne\nf\ng\nh\ni\n";
const MADE: &str = "a\nB\nB2\nc\nd\ne\nf\nh\ni\nj\n";

fn review() -> (Review, Rope) {
    let now = Rope::from_str(MADE);
    (Review::new(Rope::from_str(BASE), &hunks(BASE, MADE), &now), now)
}

/// Types over the text: the first `old` becomes `new`, in one change.
fn typed(now: &Rope, old: &str, new: &str) -> (Edit, Rope) {
    let text = now.to_string();
    let at = text.find(old).expect("the text has it");
    let edit = Edit::replace(at, at + old.len(), new).expect("one part is an edit");
    let after = edit.apply(now).expect("it fits");
    (edit, after)
}

fn standing(review: &Review, now: &Rope) -> Vec<(usize, String)> {
    review.standing().map(|(number, bytes)| (number, now.byte_slice(bytes).to_string())).collect()
}

#[test]
fn blocks_move_with_typing_and_come_back_alone() {
    let (mut review, mut now) = review();
    assert_eq!(review.blocks().len(), 3);
    for (old, new) in [("a\n", "zero\nuno\n"), ("d\n", "d\ndd\n"), ("B2", "B2 and more"), ("i\n", "")] {
        let (edit, after) = typed(&now, old, new);
        assert_eq!(review.follow(&now, &edit, &after), Followed::default(), "{old:?}");
        now = after;
    }
    assert_eq!(standing(&review, &now), [(0, "B\nB2 and more\n".into()), (1, "".into()), (2, "j\n".into())]);
    assert!(review.is_touched(0, &now) && !review.is_touched(2, &now));
    let one = review.revert(|number| number == 0).apply(&now).expect("it fits").to_string();
    assert_eq!(one, "zero\nuno\nb\nc\nd\ndd\ne\nf\nh\nj\n");
    let all = review.revert(|_| true).apply(&now).expect("it fits").to_string();
    assert_eq!(all, "zero\nuno\nb\nc\nd\ndd\ne\nf\ng\nh\n");
    assert!(review.settle(0) && !review.settle(0));
    assert_eq!(standing(&review, &now).len(), 2);
}

#[test]
fn a_part_of_the_blocks_is_followed_alone() {
    let (review, now) = review();
    let mut kept = review.only(|number| number == 0);
    assert_eq!(standing(&kept, &now), [(0, "B\nB2\n".into())]);
    let places = review.standing().map(|(_, place)| Some(place)).take(1).collect();
    let mut placed = Review::placed(Rope::from_str(BASE), review.blocks().to_vec(), places);
    assert_eq!(standing(&placed, &now), standing(&kept, &now));
    let (edit, after) = typed(&now, "B\nB2\n", "b\n");
    for one in [&mut kept, &mut placed] {
        assert!(!one.is_undone(0));
        assert_eq!(one.follow(&now, &edit, &after), Followed { ended: vec![0], again: vec![] });
        assert_eq!([0, 1, 2, 3].map(|number| one.is_undone(number)), [true, false, false, false]);
        let (back, again) = typed(&after, "b\n", "B\nB2\n");
        assert_eq!(one.follow(&after, &back, &again), Followed { ended: vec![], again: vec![0] });
        assert!(!one.is_undone(0));
    }
    assert!(!review.only(|_| false).may_return() && review.only(|_| false).standing().next().is_none());
}

#[test]
fn a_line_opened_below_a_block_is_no_part_of_it() {
    let (mut review, now) = review();
    let at = MADE.find("B2\n").expect("it is there") + "B2".len();
    // With the break first, as VS Code and Helix report it.
    let edit = Edit::replace(at, at, "\nmine").expect("one part is an edit");
    let after = edit.apply(&now).expect("it fits");
    assert_eq!(review.follow(&now, &edit, &after), Followed::default());
    assert_eq!(standing(&review, &after)[0], (0, "B\nB2\n".into()));
    assert!(!review.is_touched(0, &after));
    let one = review.revert(|number| number == 0).apply(&after).expect("it fits").to_string();
    assert!(one.starts_with("a\nb\nmine\nc\n"), "{one}");
}

#[test]
fn undoing_ends_blocks_however_an_editor_reports_it() {
    let whole = |now: &Rope| Edit::replace(0, now.len_bytes(), BASE).expect("one part is an edit");
    let from_changes = |now: &Rope| {
        let change = Change { range: None, text: BASE.into() };
        Edit::from_changes(now, &[change], PositionEncoding::Utf8).expect("one change is an edit")
    };
    let smallest = |_: &Rope| text::minimal_edit(MADE, BASE);
    // From the first character that differs to the last one, as editors without a change log do.
    let spanning = |_: &Rope| {
        let (start, end) = (2, MADE.len());
        Edit::replace(start, end, &BASE[2..]).expect("one part is an edit")
    };
    let ways: [&dyn Fn(&Rope) -> Edit; 4] = [&whole, &from_changes, &smallest, &spanning];
    for way in ways {
        let (mut review, now) = review();
        let edit = way(&now);
        let after = edit.apply(&now).expect("it fits");
        assert_eq!(after.to_string(), BASE);
        assert_eq!(review.follow(&now, &edit, &after).ended, [0, 1, 2]);
    }
}

#[test]
fn undoing_is_seen_beside_other_typing() {
    for block in 0..3 {
        let (mut review, now) = review();
        let (edit, after) = typed(&now, "a\n", "A\n");
        review.follow(&now, &edit, &after);
        let back = review.revert(|number| number == block);
        let then = back.apply(&after).expect("it fits");
        assert_eq!(review.follow(&after, &back, &then).ended, [block]);
        assert_eq!(review.standing().count(), 2);
    }
}

#[test]
fn what_is_undone_and_done_again_waits_again() {
    for block in 0..3 {
        let (mut review, now) = review();
        let (typing, touched) = typed(&now, "B2", "B2 and more");
        review.follow(&now, &typing, &touched);
        let back = review.revert(|number| number == block);
        let without = back.apply(&touched).expect("it fits");
        assert_eq!(review.follow(&touched, &back, &without).ended, [block]);
        assert!(review.may_return());
        // The user goes on elsewhere, and then undoes the undoing.
        let (typing, moved) = typed(&without, "a\n", "zero\na\n");
        assert_eq!(review.follow(&without, &typing, &moved), Followed::default());
        let wanted = Rope::from_str(&touched.to_string().replace("a\n", "zero\na\n"));
        let redo = text::minimal_edit(&moved.to_string(), &wanted.to_string());
        let again = Followed { ended: Vec::new(), again: vec![block] };
        assert_eq!(review.follow(&moved, &redo, &wanted), again);
        let texts = [(0, "B\nB2 and more\n".into()), (1, "".into()), (2, "j\n".into())];
        assert_eq!(standing(&review, &wanted), texts);
        assert!(!review.may_return());
    }
}

/// As editors report an edit of several places, and its undoing: each place with the text after it.
#[test]
fn what_is_undone_in_several_steps_waits_again() {
    let (mut review, now) = review();
    let step = |before: &Rope, old: &str, new: &str| typed(before, old, new);
    let first = step(&now, "B\nB2", "B\nb");
    let second = step(&first.1, "B\nb", "b");
    assert_eq!(second.1.to_string(), now.to_string().replace("B\nB2", "b"));
    let steps = [first, second];
    assert_eq!(review.follow_all(&now, &steps).ended, [0]);
    let without = steps[1].1.clone();
    let back = [step(&without, "a\nb", "a\nB\nb"), step(&steps[0].1, "B\nb", "B\nB2")];
    assert_eq!(review.follow_all(&without, &back).again, [0]);
    assert_eq!(standing(&review, &now)[0], (0, "B\nB2\n".into()));
}

#[test]
fn a_whole_edit_that_is_done_again_waits_again() {
    let (mut review, now) = review();
    let base = Rope::from_str(BASE);
    let undo = Edit::replace(0, now.len_bytes(), BASE).expect("one part is an edit");
    assert_eq!(review.follow(&now, &undo, &base).ended, [0, 1, 2]);
    let redo = Edit::replace(0, base.len_bytes(), MADE).expect("one part is an edit");
    assert_eq!(review.follow(&base, &redo, &now).again, [0, 1, 2]);
    assert_eq!(standing(&review, &now).len(), 3);
}

#[test]
fn a_block_that_is_replaced_with_its_surroundings_is_gone() {
    let (mut review, now) = review();
    let (edit, after) = typed(&now, "a\nB\nB2\nc\n", "quite another text\n");
    assert_eq!(review.follow(&now, &edit, &after).ended, [0]);
}

#[test]
fn blocks_are_found_again_in_a_text_that_went_on() {
    let (review, _) = review();
    let later = MADE.replace("a\n", "first\n").replace("d\n", "d\nd2\n");
    let again = Review::found_again(review.blocks().to_vec(), |_| true, &later);
    let now = Rope::from_str(&later);
    assert_eq!(standing(&again, &now), [(0, "B\nB2\n".into()), (1, "".into()), (2, "j\n".into())]);
    let back = again.revert(|_| true).apply(&now).expect("it fits").to_string();
    assert_eq!(back, BASE.replace("a\n", "first\n").replace("d\n", "d\nd2\n"));
}

#[test]
fn a_text_in_two_places_or_none_is_not_guessed() {
    let block = |old: &str, new: &str, before: &str, after: &str| Block {
        old_text: old.into(),
        new_text: new.into(),
        before: before.into(),
        after: after.into(),
        old_line: 1,
        new_line: 1,
    };
    let found = |block: &Block, now: &str| block.find(now, Side::New);
    let one = block("x\n", "y\n", "a\n", "b\n");
    assert_eq!(found(&one, "a\ny\nb\n"), Ok(2..4));
    assert_eq!(found(&one, "y\nq\na\ny\nz\n"), Ok(6..8), "the lines before it tell");
    assert_eq!(found(&one, "q\ny\nr\n"), Err(Lost::Gone), "one line may stand anywhere");
    assert_eq!(found(&one, "a\ny\na\ny\n"), Err(Lost::Ambiguous));
    let first = block("x\n", "y\n", "", "b\n");
    assert_eq!(found(&first, "q\ny\n"), Err(Lost::Gone), "nor does it where nothing stood before it");
    let all = block("x\n", "y\n", "", "");
    assert_eq!(found(&all, "q\ny\n"), Ok(2..4), "all there was");
    let some = block("x\n", "if y:\n    y += 1\n\n    return y\n", "a\n", "b\n");
    assert_eq!(found(&some, "q\nif y:\n    y += 1\n\n    return y\n"), Ok(2..33), "several lines tell");
    assert_eq!(found(&one, "a\nb\n"), Err(Lost::Gone));
    assert_eq!(found(&one, "a\nmy\nb\n"), Err(Lost::Gone), "part of a line is not a line");
    let removed = block("x\n", "", "a\n", "b\n");
    assert_eq!(found(&removed, "a\nb\n"), Ok(2..2));
    assert_eq!(found(&removed, "a\nc\nb\n"), Err(Lost::Gone));
    let at_end = block("", "y", "a\n", "");
    assert_eq!(found(&at_end, "a\ny"), Ok(2..3));
    let crlf = block("x\r\n", "y\r\n", "", "b\r\n");
    assert_eq!(found(&crlf, "y\r\nb\r\n"), Ok(0..3));
}
