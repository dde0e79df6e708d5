//! Whether an edit the editor says it applied is in the text.
//!
//! Refuses: trusting a part of the text. What an edit puts in may stand elsewhere already, and a deletion puts in
//! nothing, so the whole text is compared.

use text::Edit;

/// Whether `now` is what was typed over `after`, the text with the edit, rather than over `before`, the one without it.
///
/// What was typed elsewhere is as far from the one as from the other; the edit itself makes the difference. In doubt the
/// edit is not in.
pub(crate) fn is_in(before: &str, after: &str, now: &str) -> bool {
    bytes_changed(after, now) < bytes_changed(before, now)
}

fn bytes_changed(old: &str, new: &str) -> usize {
    let edit: Edit = text::minimal_edit(old, new);
    edit.parts().iter().map(|part| part.end_byte - part.start_byte + part.new_text.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "one()\ntwo()\nthree()\nfour()\n";

    /// `edit` and `typed` replace one text by another; `typed` is what the user did to the text the editor has.
    fn check(edit: (&str, &str), typed: &[(&str, &str)]) {
        let type_over =
            |text: &str| typed.iter().fold(text.to_owned(), |text, (old, new)| text.replacen(old, new, 1));
        let after = BEFORE.replacen(edit.0, edit.1, 1);
        assert!(is_in(BEFORE, &after, &type_over(&after)), "{edit:?} is in, {typed:?} was typed");
        assert!(!is_in(BEFORE, &after, &type_over(BEFORE)), "{edit:?} is not in, {typed:?} was typed");
    }

    #[test]
    fn typing_elsewhere_neither_hides_nor_fakes_an_edit() {
        let elsewhere: [&[(&str, &str)]; 4] = [
            &[("one", "o")],
            &[("four()\n", "four()\nfive()\n")],
            &[("one()\n", "")],
            &[("one", "uno"), ("four", "a much longer name than there was")],
        ];
        for typed in elsewhere {
            check(("two()\n", ""), typed);
            check(("two()", "2"), typed);
            check(("two()\n", "two()\ntwo()\n"), typed);
            check(("two", "three"), typed);
        }
    }

    #[test]
    fn a_text_that_stands_elsewhere_proves_nothing() {
        check(("two()", "three()"), &[("one", "three")]);
        check(("two()\n", ""), &[("four()\n", "four()\ntwo()\n")]);
    }

    #[test]
    fn an_edit_that_was_undone_is_not_in() {
        let after = BEFORE.replacen("two()\n", "", 1);
        assert!(!is_in(BEFORE, &after, BEFORE));
        assert!(is_in(BEFORE, &after, &after));
    }
}
