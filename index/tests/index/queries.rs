//! The queries of each language against its sample.

use std::fmt::Write;
use std::path::Path;

use expect_test::expect_file;
use index::{SyntaxCheck, check_syntax, outline};

fn check(language: &str, sample: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../queries").join(language);
    let text = std::fs::read_to_string(folder.join(sample)).unwrap();
    let found = outline(sample, &text).unwrap();
    let mut shown = String::from("definitions\n");
    for symbol in &found.symbols {
        let doc = symbol.doc.replace('\n', " / ");
        let lines = format!("{}-{}", symbol.start_line, symbol.end_line);
        writeln!(shown, "  {lines:7} {} {} | {} | {doc}", symbol.kind, symbol.qualified, symbol.signature)
            .unwrap();
    }
    for (title, mentions) in [("references", &found.references), ("imports", &found.imports)] {
        writeln!(shown, "{title}").unwrap();
        for mention in mentions {
            writeln!(shown, "  {:7} {} {}", mention.line, mention.kind, mention.name).unwrap();
        }
    }
    let shown: Vec<&str> = shown.lines().map(str::trim_end).collect();
    expect_file![folder.join("expected.txt")].assert_eq(&(shown.join("\n") + "\n"));
    assert_eq!(check_syntax(sample, &text), SyntaxCheck::Errors(vec![]));
}

#[test]
fn samples_give_what_is_expected() {
    check("rust", "sample.rs");
    check("python", "sample.py");
    #[cfg(feature = "languages-web")]
    {
        check("javascript", "sample.js");
        check("typescript", "sample.ts");
        check("tsx", "sample.tsx");
        check("php", "sample.php");
    }
    #[cfg(feature = "languages-systems")]
    {
        check("c", "sample.c");
        check("cpp", "sample.cpp");
        check("go", "sample.go");
    }
    #[cfg(feature = "languages-jvm")]
    check("java", "sample.java");
    #[cfg(feature = "languages-jvm")]
    {
        check("kotlin", "sample.kt");
        check("scala", "sample.scala");
    }
    #[cfg(feature = "languages-systems")]
    {
        check("swift", "sample.swift");
        check("zig", "sample.zig");
    }
    #[cfg(feature = "languages-scripting")]
    {
        check("bash", "sample.sh");
        check("lua", "sample.lua");
    }
    #[cfg(feature = "languages-functional")]
    {
        check("elixir", "sample.ex");
        check("haskell", "sample.hs");
    }
    #[cfg(feature = "languages-web")]
    {
        check("css", "sample.css");
        check("html", "sample.html");
    }
    #[cfg(feature = "languages-data")]
    {
        check("json", "sample.json");
        check("sql", "sample.sql");
        check("toml", "sample.toml");
    }
    #[cfg(feature = "languages-dotnet")]
    check("csharp", "sample.cs");
    #[cfg(feature = "languages-scripting")]
    check("ruby", "sample.rb");
}

#[test]
fn every_language_folder_has_a_sample_and_is_registered() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../queries");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let names: Vec<String> = std::fs::read_dir(&path)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        let sample = names.iter().find(|name| name.starts_with("sample.")).expect("a sample");
        assert!(outline(sample, "").is_some(), "{sample} is of no registered language");
        // A dialect shares the queries of another language and says only what it adds.
        let dialect = !names.iter().any(|name| name == "definitions.scm");
        let needed = ["references.scm", "expected.txt", "definitions.scm", "docs.scm", "imports.scm"];
        for file in &needed[..if dialect { 2 } else { needed.len() }] {
            assert!(names.iter().any(|name| name == file), "{} lacks {file}", path.display());
        }
    }
}

#[cfg(feature = "languages-data")]
#[test]
fn a_large_file_of_data_gives_few_names_and_the_largest_first() {
    let mut text = String::from("{\n");
    for key in 0..10_000 {
        writeln!(text, "  \"key{key}\": {key},").unwrap();
    }
    text.push_str("  \"section\": {\n    \"inside\": [1, 2, 3]\n  }\n}\n");
    let symbols = outline("a.json", &text).unwrap().symbols;
    assert!(symbols.len() <= 200, "{}", symbols.len());
    assert_eq!(symbols.last().map(|symbol| symbol.qualified.as_str()), Some("section.inside"));
}

#[cfg(feature = "languages-web")]
#[test]
fn pieces_of_other_languages_are_part_of_their_file() {
    let page = "<template>\n  <p id=\"total\">1</p>\n</template>\n\n<script setup lang=\"ts\">\nimport Shelf from \
                './Shelf.vue'\n\n/** Pays. */\nexport function checkout(basket: Basket): number {\n  return \
                pay(basket)\n}\n</script>\n<script type=\"application/json\">{\"function\": 1}</script>\n<style>\n\
                .basket { color: red }\n</style>\n";
    let found = outline("shop/Basket.vue", page).unwrap();
    let checkout = found.symbols.iter().find(|symbol| symbol.name == "checkout").unwrap();
    assert_eq!((checkout.start_line, checkout.end_line), (8, 11));
    assert_eq!((checkout.kind, checkout.doc.as_str()), ("function", "Pays."));
    assert_eq!(checkout.signature, "export function checkout(basket: Basket): number");
    let uses: Vec<_> = found.references.iter().map(|one| (one.name.as_str(), one.kind, one.line)).collect();
    assert!(uses.contains(&("Basket", "type", 9)) && uses.contains(&("pay", "call", 10)), "{uses:?}");
    assert_eq!(
        found.imports.iter().map(|one| (one.name.as_str(), one.line)).collect::<Vec<_>>(),
        [("./Shelf.vue", 6)]
    );
    assert!(found.symbols.iter().any(|symbol| symbol.name.contains("basket") && symbol.start_line == 15), "style");
    // The same script in a page without `lang` is JavaScript, and its lines stay those of the page.
    let page = "<html>\n<script>\nfunction total() {\n  return 1\n}\n</script>\n</html>\n";
    let found = outline("a.html", page).unwrap();
    let total = found.symbols.iter().find(|symbol| symbol.name == "total").unwrap();
    assert_eq!((total.start_line, total.end_line), (3, 5));
}

#[test]
fn syntax_errors_are_located() {
    assert_eq!(check_syntax("a.txt", "anything"), SyntaxCheck::NoGrammar);
    assert_eq!(check_syntax("a.rs", "fn a() {}\n"), SyntaxCheck::Errors(vec![]));
    let SyntaxCheck::Errors(errors) = check_syntax("a.rs", "fn a() {}\nfn (\n") else { panic!("it is parsed") };
    assert!(errors.iter().all(|range| range.start >= 10) && !errors.is_empty(), "{errors:?}");
    let deep = "(".repeat(200_000);
    assert_ne!(check_syntax("a.py", &deep), SyntaxCheck::Errors(vec![]));
}
