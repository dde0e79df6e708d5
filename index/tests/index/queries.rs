//! The queries of each language against its sample.

use std::fmt::Write;
use std::path::Path;

use expect_test::expect_file;
use index::{outline, syntax_errors};

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
    assert_eq!(syntax_errors(sample, &text), Some(vec![]));
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

#[test]
fn syntax_errors_are_located() {
    assert_eq!(syntax_errors("a.txt", "anything"), None);
    assert_eq!(syntax_errors("a.rs", "fn a() {}\n"), Some(vec![]));
    let errors = syntax_errors("a.rs", "fn a() {}\nfn (\n").unwrap();
    assert!(errors.iter().all(|range| range.start >= 10) && !errors.is_empty(), "{errors:?}");
    let deep = "(".repeat(200_000);
    assert!(!syntax_errors("a.py", &deep).is_some_and(|errors| errors.is_empty()));
}
