//! Qualified names, in every way in which people and languages write them, lead to the definition first.

use index::{SearchKind, SearchRequest};

use crate::space::{Space, touch};

/// Each language with one definition `Basket` / `add`, and others that share the plain name.
fn space() -> Space {
    Space::with(&[
        (
            "shop/src/basket.rs",
            "pub struct Basket;\n\nimpl Basket {\n    pub fn add(&mut self, item: u32) -> u32 {\n        item\n    }\n}\n\npub struct Sum;\n\nimpl Sum {\n    pub fn add(&self) -> u32 {\n        1\n    }\n}\n",
        ),
        ("shop/src/use.rs", "fn fill() {\n    Basket::add(1);\n    Basket::add(2); // Basket::add\n}\n"),
        (
            "py/basket.py",
            "class PyBasket:\n    class Inner:\n        def put(self, item):\n            return item\n\n    def put(self, item):\n        return item\n\n\ndef put(item):\n    return item\n",
        ),
        ("py/use.py", "from py.basket import PyBasket\n\nPyBasket.put(1)\nPyBasket.put(2)\nx = 'PyBasket.put'\n"),
        (
            "cpp/cart.cpp",
            "namespace store {\nclass Cart {\npublic:\n  int push(int item) { return item; }\n};\nint push(int item) { return item; }\n}\n",
        ),
        (
            "rb/crate.rb",
            "module Depot\n  class Crate\n    def pack(item)\n      item\n    end\n  end\n\n  class Box\n    def pack(item)\n      item\n    end\n  end\nend\n",
        ),
        (
            "java/org/acme/Sack.java",
            "package org.acme;\n\nclass Sack {\n    int fill(int item) {\n        return item;\n    }\n}\n\nclass Bag {\n    int fill(int item) {\n        return item;\n    }\n}\n",
        ),
        (
            "js/trolley.js",
            "class Trolley {\n  load(item) {\n    return item;\n  }\n}\n\nclass Truck {\n  load(item) {\n    return item;\n  }\n}\n",
        ),
        (
            "ex/hamper.ex",
            "defmodule Picnic.Hamper do\n  def stow(item, count) do\n    {item, count}\n  end\nend\n\ndefmodule Picnic.Chest do\n  def stow(item), do: item\nend\n",
        ),
        (
            "php/Pouch.php",
            "<?php\nnamespace Gear;\n\nclass Pouch {\n    function tuck($item) {\n        return $item;\n    }\n}\n\nclass Purse {\n    function tuck($item) {\n        return $item;\n    }\n}\n",
        ),
    ])
}

/// The file and the line at which a definition begins for each way of writing its name.
const NAMES: &[(&str, u32, &[&str])] = &[
    (
        "shop/src/basket.rs",
        4,
        &[
            "Basket::add",
            "Basket.add",
            "Basket#add",
            "Basket/add",
            "shop::Basket::add",
            "crate::basket::Basket::add",
        ],
    ),
    ("shop/src/basket.rs", 12, &["Sum::add", "Sum.add", "basket.rs:Sum.add"]),
    ("py/basket.py", 6, &["PyBasket.put", "PyBasket::put", "py/basket.py:PyBasket.put", "py.basket.PyBasket.put"]),
    ("py/basket.py", 3, &["PyBasket.Inner.put", "Inner.put", "Inner#put"]),
    ("cpp/cart.cpp", 4, &["store::Cart::push", "Cart::push", "Cart.push", "store.Cart.push"]),
    ("rb/crate.rb", 3, &["Depot::Crate#pack", "Crate#pack", "Crate.pack", "Depot.Crate.pack"]),
    ("rb/crate.rb", 9, &["Box#pack", "Depot::Box::pack"]),
    ("java/org/acme/Sack.java", 4, &["Sack.fill", "Sack::fill", "Sack#fill", "org.acme.Sack.fill"]),
    ("js/trolley.js", 2, &["Trolley.load", "Trolley#load", "Trolley::load"]),
    ("ex/hamper.ex", 2, &["Picnic.Hamper.stow", "Hamper.stow", "Picnic.Hamper.stow/2"]),
    ("php/Pouch.php", 5, &["Pouch::tuck", "Pouch.tuck", "Pouch#tuck"]),
];

#[test]
fn qualified_names_find_their_definition_first_however_they_are_written() {
    let space = space();
    let (index, _) = space.indexed();
    let mut wrong = Vec::new();
    for kind in [SearchKind::Auto, SearchKind::Symbol] {
        for (path, line, names) in NAMES {
            for name in *names {
                let request = SearchRequest { kind, ..SearchRequest::new(*name, 5) };
                let hits = index.searcher().search(&request).unwrap();
                let first = hits.first();
                let holds =
                    first.is_some_and(|hit| hit.path == *path && hit.start_line <= *line && *line <= hit.end_line);
                // What is shown as the symbol is the one that was asked for.
                let named = first.and_then(|hit| hit.symbol.as_deref()).unwrap_or_default();
                let plain = name.split('/').next_back().filter(|last| last.len() > 1).unwrap_or("stow");
                let plain = plain.rsplit(['.', ':', '#']).next().unwrap_or_default();
                if !holds || !named.ends_with(plain) || named == plain {
                    wrong.push(format!(
                        "{kind:?} {name}: {:?}",
                        first.map(|hit| (&hit.path, hit.start_line, named))
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A question that names it in a sentence means it too.
#[test]
fn a_qualified_name_in_a_sentence_is_meant() {
    let space = space();
    let (index, _) = space.indexed();
    for (question, path, symbol) in [
        ("what does Crate#pack return", "rb/crate.rb", "Depot::Crate#pack"),
        ("why is Basket.add slow?", "shop/src/basket.rs", "Basket::add"),
        ("explain Inner.put", "py/basket.py", "PyBasket.Inner.put"),
    ] {
        let hits = index.searcher().search(&SearchRequest::new(question, 3)).unwrap();
        assert_eq!((hits[0].path.as_str(), hits[0].symbol.as_deref()), (path, Some(symbol)), "{question}");
    }
}

/// A definition that is not indexed yet comes before what is: the files themselves are looked through too.
#[test]
fn a_definition_that_is_not_indexed_yet_comes_first() {
    let space = space();
    let index = space.open();
    // Some files are indexed, and no walk was ever over.
    touch(&index, &["shop/src/use.rs", "py/use.py"]);
    assert!(index.status().files > 0 && !index.searcher().chunks().unwrap().is_empty());
    for (name, path, symbol) in
        [("Basket::add", "shop/src/basket.rs", "Basket::add"), ("PyBasket.put", "py/basket.py", "PyBasket.put")]
    {
        let hits = index.searcher().search(&SearchRequest::new(name, 3)).unwrap();
        assert_eq!((hits[0].path.as_str(), hits[0].symbol.as_deref()), (path, Some(symbol)), "{name}");
    }
}
