//! Qualified names in one form, however a language or a person writes them: `Basket::add`, `Basket#add` and `Basket.add`
//! are one name, and so are the ends of a longer one.
//!
//! Refuses: to take a plain name apart; a key or a selector may hold the same signs.

use crate::parse::cut::Name;

/// What stands between the parts of a qualified name.
const SEPARATORS: [char; 4] = ['.', ':', '#', '/'];
/// Parts around a name that count; further ones outside are left out.
const PARTS_MAX: usize = 8;

/// The parts of a qualified name, the outermost first.
pub(crate) fn parts(written: &str) -> Vec<&str> {
    written.split(SEPARATORS).filter(|part| !part.is_empty()).collect()
}

/// A name as it is looked up: its parts with dots between them.
pub(crate) fn normal(written: &str) -> String {
    parts(written).join(".")
}

/// The parts around a name, the outermost first.
pub(crate) fn around(name: &Name) -> Vec<&str> {
    parts(name.qualified.strip_suffix(name.name.as_str()).unwrap_or_default())
}

/// Every end of a qualified name that is more than the plain name: for `shop::Basket::add` it is `Basket.add` and
/// `shop.Basket.add`.
pub(crate) fn ends(name: &Name) -> Vec<String> {
    let mut ends: Vec<String> = Vec::new();
    for part in around(name).into_iter().rev().take(PARTS_MAX) {
        let inner = ends.last().map_or(name.name.as_str(), String::as_str);
        ends.push(format!("{part}.{inner}"));
    }
    ends
}

/// Whether a name is the one that is asked for: the plain one as it stands, or an end of the qualified one.
pub(crate) fn is_asked(name: &Name, asked: &str) -> bool {
    if asked == name.name || asked == name.qualified {
        return true;
    }
    let (asked, own) = (parts(asked), around(name));
    let Some((last, outer)) = asked.split_last() else { return false };
    !outer.is_empty() && outer.len() <= own.len() && *last == name.name && own.ends_with(outer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(qualified: &str, plain: &str) -> Name {
        Name {
            name: plain.to_owned(),
            qualified: qualified.to_owned(),
            kind: "method".to_owned(),
            line: 0,
            more_lines: 0,
        }
    }

    #[test]
    fn ends_of_qualified_names_are_names() {
        let add = name("shop::Basket#add", "add");
        assert_eq!(ends(&add), ["Basket.add", "shop.Basket.add"]);
        assert_eq!(ends(&name("a:hover", "a:hover")), Vec::<String>::new());
        assert_eq!(normal("shop::Basket#add"), "shop.Basket.add");
        for (asked, expected) in [
            ("add", true),
            ("Basket::add", true),
            ("Basket.add", true),
            ("shop/Basket#add", true),
            ("shop.add", false),
            ("Other.add", false),
            ("my.shop.Basket.add", false),
            ("Basket", false),
            ("", false),
        ] {
            assert_eq!(is_asked(&add, asked), expected, "{asked}");
        }
        assert!(is_asked(&name("a:hover", "a:hover"), "a:hover"));
    }
}
