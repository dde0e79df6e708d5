//! Requests in comments, as data: a text, and what is found in it.

use text::Document;

use super::*;

fn found(language: &str, text: &str) -> Vec<Trigger> {
    let document = Document::new("file:///w/untitled", language, 1, text);
    triggers(&document, None)
}

/// One text with one request: its words behind `:` or `?`, the text without it, and what it is about.
fn check(language: &str, text: &str, request: &str, rest: &str, target: &str) {
    let all = found(language, text);
    let [one] = all.as_slice() else { panic!("{language}: {} requests in {text:?}: {all:?}", all.len()) };
    let sign = if one.kind == TriggerKind::Edit { ":" } else { "?" };
    assert_eq!(format!("{sign} {}", one.instruction), request, "{language}: {text:?}");
    let mut without = text.to_owned();
    without.replace_range(one.removal.clone(), "");
    assert_eq!(without, rest, "{language}: the rest of {text:?}");
    assert_eq!(&text[one.target.clone()], target, "{language}: the target in {text:?}");
    assert!(head(&text[one.place.clone()]).is_some(), "{language}: the place in {text:?}");
    let next = found(language, &without);
    assert!(next.is_empty(), "{language}: {next:?} is left of {text:?}");
}

/// The sample of a language's folder.
fn sample(folder: &std::path::Path) -> Option<String> {
    let mut files = std::fs::read_dir(folder).ok()?.map(|file| file.expect("readable").path());
    let sample = files.find(|file| file.file_stem().is_some_and(|stem| stem == "sample"))?;
    Some(std::fs::read_to_string(sample).expect("it is text"))
}

fn none(language: &str, text: &str) {
    assert_eq!(found(language, text), [], "{language}: {text:?}");
}

#[test]
fn alone_on_its_line_it_is_about_what_follows() {
    for (language, text, request, rest, target) in [
        (
            "python",
            "# familiar: make it async\ndef f():\n    pass\n\nx = 1\n",
            ": make it async",
            "def f():\n    pass\n\nx = 1\n",
            "def f():\n    pass\n",
        ),
        (
            "typescriptreact",
            "const a = (\n  <ul>\n    {/* familiar: sort them */}\n    {all.map(row)}\n  </ul>\n);\n",
            ": sort them",
            "const a = (\n  <ul>\n    {all.map(row)}\n  </ul>\n);\n",
            "    {all.map(row)}\n",
        ),
        (
            "python",
            "def f(x):\n    # familiar: handle zero\n    y = 1 / x\n    return y\n",
            ": handle zero",
            "def f(x):\n    y = 1 / x\n    return y\n",
            "    y = 1 / x\n",
        ),
        (
            "python",
            "def f(x):\n    a(x)\n    # familiar? is this a copy\n    if x:\n        b()\n    else:\n        c()\n    d()\n",
            "? is this a copy",
            "def f(x):\n    a(x)\n    if x:\n        b()\n    else:\n        c()\n    d()\n",
            "    if x:\n        b()\n    else:\n        c()\n",
        ),
        (
            "python",
            "# familiar: cache it\n# Adds.\n@wraps(g)\ndef f():\n    pass\n",
            ": cache it",
            "# Adds.\n@wraps(g)\ndef f():\n    pass\n",
            "# Adds.\n@wraps(g)\ndef f():\n    pass\n",
        ),
        (
            "rust",
            "/// Counts.\n// familiar: return an Option\n#[must_use]\npub fn f() -> u8 {\n    1\n}\n\nfn g() {}\n",
            ": return an Option",
            "/// Counts.\n#[must_use]\npub fn f() -> u8 {\n    1\n}\n\nfn g() {}\n",
            "#[must_use]\npub fn f() -> u8 {\n    1\n}\n",
        ),
        (
            "rust",
            "fn f() {\n    /* Familiar: log it */\n    a()\n        .b();\n    c();\n}\n",
            ": log it",
            "fn f() {\n    a()\n        .b();\n    c();\n}\n",
            "    a()\n        .b();\n",
        ),
        (
            "go",
            "package a\n\n// familiar: return an error\nfunc f() int {\n\treturn 1\n}\n",
            ": return an error",
            "package a\n\nfunc f() int {\n\treturn 1\n}\n",
            "func f() int {\n\treturn 1\n}\n",
        ),
        (
            "html",
            "<ul>\n  <!-- familiar: add a third -->\n  <li>one</li>\n</ul>\n",
            ": add a third",
            "<ul>\n  <li>one</li>\n</ul>\n",
            "  <li>one</li>\n",
        ),
        (
            "javascript",
            "/**\n * Adds.\n * familiar: use const\n * @param {number} a\n */\nfunction f(a) {\n  var b = a;\n}\n",
            ": use const",
            "/**\n * Adds.\n * @param {number} a\n */\nfunction f(a) {\n  var b = a;\n}\n",
            "function f(a) {\n  var b = a;\n}\n",
        ),
        (
            "sql",
            "-- familiar: only the open ones\nSELECT *\nFROM orders;\n\nSELECT 1;\n",
            ": only the open ones",
            "SELECT *\nFROM orders;\n\nSELECT 1;\n",
            "SELECT *\nFROM orders;\n",
        ),
        (
            "c",
            "/**\n * familiar: shorter,\n * faster\n */\nint x;\nint y;\n",
            ": shorter, faster",
            "int x;\nint y;\n",
            "int x;\n",
        ),
        ("ruby", "=begin\nfamiliar: shorter\n=end\nx = 1\ny = 2\n", ": shorter", "x = 1\ny = 2\n", "x = 1\n"),
        ("lua", "--[[ familiar: shorter ]]\nlocal x = 1\n", ": shorter", "local x = 1\n", "local x = 1\n"),
        ("css", "/* familiar: blue */\na { color: red }\n", ": blue", "a { color: red }\n", "a { color: red }\n"),
        ("bash", "#!/bin/sh\n# familiar: quote it\nrm $x\n", ": quote it", "#!/bin/sh\nrm $x\n", "rm $x\n"),
    ] {
        check(language, text, request, rest, target);
    }
}

#[test]
fn at_the_end_of_a_block_it_is_about_the_definition_around_it() {
    for (language, text, target) in [
        (
            "rust",
            "fn f() {\n    a();\n    // familiar: log it\n}\n\nfn g() {}\n",
            "fn f() {\n    a();\n    // familiar: log it\n}\n",
        ),
        ("python", "def f():\n    a()\n    # familiar: log it\n\ndef g():\n    pass\n", ""),
        ("ruby", "def f\n  a\n  # familiar: log it\nend\n", "def f\n  a\n  # familiar: log it\nend\n"),
        // Nothing is there yet.
        ("python", "# familiar: log it\n", "# familiar: log it\n"),
        ("python", "\n# familiar: log it", "# familiar: log it"),
        ("python", "x = 1\n\n# familiar: log it\n", "# familiar: log it\n"),
    ] {
        let all = found(language, text);
        assert_eq!(all.len(), 1, "{language}: {text:?}");
        // Where a grammar ends a function before the comments at its end, the comment's own place is meant.
        let target = if target.is_empty() { "    # familiar: log it\n" } else { target };
        assert_eq!(&text[all[0].target.clone()], target, "{language}: {text:?}");
    }
}

#[test]
fn behind_code_it_is_about_the_definition_around_it() {
    for (language, text, request, rest, target) in [
        (
            "python",
            "def f(x):\n    return 1 / x  # familiar: handle zero\n",
            ": handle zero",
            "def f(x):\n    return 1 / x\n",
            "def f(x):\n    return 1 / x  # familiar: handle zero\n",
        ),
        ("python", "x = '#'\t# familiar? why\ny = 2\n", "? why", "x = '#'\ny = 2\n", "x = '#'\t# familiar? why\n"),
        ("python", "x = 1 # familiar: two", ": two", "x = 1", "x = 1 # familiar: two"),
        (
            "c",
            "int f(int a /* familiar: make it long */, int b) {\n  return a;\n}\n",
            ": make it long",
            "int f(int a, int b) {\n  return a;\n}\n",
            "int f(int a /* familiar: make it long */, int b) {\n  return a;\n}\n",
        ),
        (
            "typescript",
            "class A {\n  f() {\n    /* familiar: await it */ g();\n  }\n}\n",
            ": await it",
            "class A {\n  f() {\n    g();\n  }\n}\n",
            "  f() {\n    /* familiar: await it */ g();\n  }\n",
        ),
        (
            "java",
            "class A {\n  int f() {\n    return 1; // familiar: return two\n              // of them\n  }\n}\n",
            ": return two of them",
            "class A {\n  int f() {\n    return 1;\n  }\n}\n",
            "  int f() {\n    return 1; // familiar: return two\n              // of them\n  }\n",
        ),
    ] {
        check(language, text, request, rest, target);
    }
    none("c", "int/* familiar: long */a;\n");
}

#[test]
fn a_sentence_goes_on_over_lines() {
    let after = "def f():\n    pass\n";
    for (comment, request, left) in [
        ("# familiar: make it\n# async and typed\n", ": make it async and typed", ""),
        ("# familiar:\n# Make it async.\n", ": Make it async.", ""),
        ("# familiar: rewrite it with\n# NumPy\n", ": rewrite it with NumPy", ""),
        ("# familiar: do this,\n# Bob wants it\n", ": do this, Bob wants it", ""),
        ("# familiar: 改成异步\n# 并加上类型\n", ": 改成异步 并加上类型", ""),
        ("# familiar：改成异步\n", ": 改成异步", ""),
        // The user's own comments stay.
        ("# familiar: make it async\n# Computes.\n", ": make it async", "# Computes.\n"),
        ("# familiar: make it async.\n# computes\n", ": make it async.", "# computes\n"),
        ("# familiar: make it async\n#: computes\n", ": make it async", "#: computes\n"),
        ("# familiar: make it async\n# noqa\n", ": make it async", "# noqa\n"),
        ("# familiar: make it async\n# @param x\n", ": make it async", "# @param x\n"),
        ("# familiar? why async\n#\n# computes\n", "? why async", "#\n# computes\n"),
        ("# familiar: make it async\n  # computes\n", ": make it async", "  # computes\n"),
        ("# familiar: make it async\n\n# computes\n", ": make it async", "\n# computes\n"),
    ] {
        let text = format!("{comment}{after}");
        let all = found("python", &text);
        assert_eq!(all.len(), 1, "{text:?}: {all:?}");
        let sign = if all[0].kind == TriggerKind::Edit { ":" } else { "?" };
        assert_eq!(format!("{sign} {}", all[0].instruction), request);
        let mut without = text.clone();
        without.replace_range(all[0].removal.clone(), "");
        assert_eq!(without, format!("{left}{after}"), "{text:?}");
    }
    let two = "# familiar: one\n# familiar? two\nx = 1\n";
    let both: Vec<String> = found("python", two).into_iter().map(|one| one.instruction).collect();
    assert_eq!(both, ["one", "two"]);
    check(
        "c",
        "/* familiar: make it\n   faster */\nint f(void) { return 1; }\n",
        ": make it faster",
        "int f(void) { return 1; }\n",
        "int f(void) { return 1; }\n",
    );
    check(
        "c",
        "/* familiar: faster\n *\n * Counts. */\nint f(void) { return 1; }\n",
        ": faster",
        "/*\n *\n * Counts. */\nint f(void) { return 1; }\n",
        "int f(void) { return 1; }\n",
    );
}

#[test]
fn line_endings_tabs_and_letters_of_any_width_stay() {
    check(
        "python",
        "# é𝒳\r\n\r\n# familiar: größer 𝒳\r\nx = 'é'\r\n",
        ": größer 𝒳",
        "# é𝒳\r\n\r\nx = 'é'\r\n",
        "x = 'é'\r\n",
    );
    check(
        "python",
        "x = '𝒳é'\t # familiar: größer\r\ny = 1\r\n",
        ": größer",
        "x = '𝒳é'\r\ny = 1\r\n",
        "x = '𝒳é'\t # familiar: größer\r\n",
    );
    check(
        "go",
        "package a\r\n\r\nfunc f() {\r\n\t// familiar: log it\r\n\tg()\r\n\th()\r\n}\r\n",
        ": log it",
        "package a\r\n\r\nfunc f() {\r\n\tg()\r\n\th()\r\n}\r\n",
        "\tg()\r\n",
    );
    check("c", "\u{feff}// familiar: two\nint x;\n", ": two", "\u{feff}int x;\n", "int x;\n");
}

#[test]
fn strings_paths_and_prose_ask_for_nothing() {
    none("python", "x = '# familiar: no'\n");
    none("python", "\"\"\"\n# familiar: no\n\"\"\"\n");
    none("python", "familiar: int = 1\n");
    none("rust", "let x = r#\"// familiar: no\"#;\n");
    none("rust", "// familiar::engine does it\n// familiar:8080 too\n// see familiar: no\n// familiar:\n");
    none("javascript", "let a = `\n// familiar: no\n`;\n");
    none("javascript", "// \"familiar: no\"\n// // familiar: no\n");
    none("bash", "cat <<END\n# familiar: no\nEND\n");
    none("json", "{\"a\": \"// familiar: no\"}\n");
    none("plaintext", "# familiar: no\n");
}

#[test]
fn languages_without_a_grammar_have_marks() {
    check("yaml", "a:\n  # familiar: two\n  b: 1\n  c: 2\n", ": two", "a:\n  b: 1\n  c: 2\n", "  b: 1\n");
    check("yaml", "a: '#' # familiar: two\n", ": two", "a: '#'\n", "a: '#' # familiar: two\n");
    check(
        "makefile",
        "# familiar: clean first\nall: x\n\tcc x\n\tld x\nx:\n",
        ": clean first",
        "all: x\n\tcc x\n\tld x\nx:\n",
        "all: x\n\tcc x\n\tld x\n",
    );
    check(
        "perl",
        "# familiar: use strict\nsub f {\n  1\n}\nf();\n",
        ": use strict",
        "sub f {\n  1\n}\nf();\n",
        "sub f {\n  1\n}\n",
    );
    check("vim", "\" familiar: two\nlet x = 1\n", ": two", "let x = 1\n", "let x = 1\n");
    check("markdown", "# A\n\n<!-- familiar: shorter -->\nText.\n", ": shorter", "# A\n\nText.\n", "Text.\n");
    check("clojure", ";; familiar: two\n(def x 1)\n", ": two", "(def x 1)\n", "(def x 1)\n");
    none("yaml", "a: |\n  text\n  # familiar: no\nb: 1\n");
    none("yaml", "a: 'x # familiar: no'\n");
    none("yaml", "a: x# familiar: no\n");
    none("julia", "\"\"\"\n# familiar: no\n\"\"\"\nf() = 1\n");
    none("markdown", "```\n<!-- familiar: no -->\n```\n");
}

#[test]
fn a_selection_says_what_it_is_about() {
    let text = "# familiar: two\nx = 1\ny = 1\nz = 1\n";
    let document = Document::new("file:///a.py", "python", 1, text);
    let target = |selection: Range<usize>| {
        let all = triggers(&document, Some(selection));
        text[all[0].target.clone()].to_owned()
    };
    let (y, z) = (text.find('y').expect("there"), text.find('z').expect("there"));
    assert_eq!(target(y..z), "y = 1\n");
    assert_eq!(target(y + 2..z + 1), "y = 1\nz = 1\n");
    // Nothing selected, and no more than the comment.
    assert_eq!(target(y..y), "x = 1\n");
    assert_eq!(target(0..16), "x = 1\n");
}

#[test]
fn numbers_and_sizes_are_bounded() {
    let many = "# familiar: two\nx = 1\n".repeat(TRIGGERS_MAX + 1);
    assert_eq!(found("python", &many).len(), TRIGGERS_MAX);
    none("python", &format!("# familiar: {}\nx = 1\n", "x".repeat(TRIGGER_WORDS_BYTES_MAX + 1)));
    let long = format!("# familiar: a,\n{}x = 1\n", "# b,\n".repeat(TRIGGER_LINES_MAX * 2));
    assert_eq!(found("python", &long)[0].instruction.matches(',').count(), TRIGGER_LINES_MAX);
    none("python", &format!("# familiar: two\n{}", "x = 1\n".repeat(TRIGGER_SOURCE_BYTES_MAX / 6)));
}

/// A request between any two lines of each language's sample, and behind each line: wherever it is one, taking it out
/// gives back every byte, and it is about whole lines of the text.
#[test]
fn taking_a_request_out_gives_back_every_byte() {
    const MARKS: [(&[&str], &str, &str); 5] = [
        (&["python", "ruby", "bash", "elixir", "toml"], "#", ""),
        (
            &["rust", "go", "c", "cpp", "java", "javascript", "kotlin", "scala", "swift", "zig", "php", "csharp"],
            "//",
            "",
        ),
        (&["lua", "haskell", "sql"], "--", ""),
        (&["css"], "/*", " */"),
        (&["html"], "<!--", " -->"),
    ];
    let queries = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../queries");
    for (languages, open, close) in MARKS {
        for language in languages {
            let sample = sample(&queries.join(language)).expect("each has a sample");
            let (mut tried, mut seen) = (0, 0);
            for ending in ["\n", "\r\n"] {
                let text = sample.replace('\n', ending);
                for line in (0..Lines::of(&text).count()).step_by(if ending == "\n" { 1 } else { 3 }) {
                    let lines = Lines::of(&text);
                    let indent = lines.begin(line) - lines.bytes(line).start;
                    let alone = format!("{}{open} familiar: two{close}{ending}", &lines.line(line)[..indent]);
                    let behind = format!(" {open} familiar: two{close}");
                    // Behind nothing it stands alone again, and behind an opened comment it is a line of that.
                    let before = lines.line(line).trim_end();
                    let behind = if before.is_empty() || before.ends_with(['*', '-']) { "" } else { &behind };
                    for (at, put) in [(lines.bytes(line).start, alone.as_str()), (lines.bare(line).end, behind)] {
                        let with = format!("{}{put}{}", &text[..at], &text[at..]);
                        tried += usize::from(!put.is_empty());
                        for one in found(language, &with) {
                            seen += 1;
                            let without = format!("{}{}", &with[..one.removal.start], &with[one.removal.end..]);
                            // Blanks at the end of a line go with a comment behind them.
                            let bare = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
                            assert_eq!(bare(&without), bare(&text), "{language}: {with:?}");
                            assert_eq!(one.instruction, "two");
                            let lines = Lines::of(&with);
                            assert_eq!(lines.whole(&one.target), one.target, "{language}: {with:?}");
                        }
                    }
                }
            }
            assert!(seen * 10 > tried * 8, "{language}: only {seen} of {tried} were seen");
        }
    }
}

/// Marks, quotes and line ends at any place of each sample, from a fixed seed: what is found lies in the text, between
/// characters, and the words go with their comment.
#[test]
fn pieces_at_any_place_find_no_way_out_of_the_text() {
    const TEXTS_EACH: usize = 12;
    const PIECES: [&str; 22] = [
        "# familiar: a",
        "// familiar? b,\n// c",
        "/* familiar: é𝒳 */",
        "/*familiar: a\n * b\n */",
        "-- familiar: x",
        "<!-- familiar: y -->",
        "\" familiar: z",
        "\r",
        "\r\n",
        "\u{feff}",
        "/*",
        "*/",
        "'",
        "\"\"\"",
        "{-",
        "-}",
        "=begin\nfamiliar: r\n=end\n",
        "familiar： 改",
        "\t",
        "\u{2028}",
        "|",
        "}",
    ];
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below.max(1) as u64).expect("it is below")
    };
    let queries = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../queries");
    let mut seen = 0;
    for folder in std::fs::read_dir(queries).expect("queries is a room").map(|folder| folder.expect("readable")) {
        let Some(sample) = sample(&folder.path()) else { continue };
        for _ in 0..TEXTS_EACH {
            let mut text = sample.clone();
            for _ in 0..=next(8) {
                let at = text.floor_char_boundary(next(text.len() + 1));
                text.insert_str(at, PIECES[next(PIECES.len())]);
            }
            if next(3) == 0 {
                text.truncate(text.floor_char_boundary(next(text.len() + 1)));
            }
            let own = folder.file_name().to_str().expect("a name").to_owned();
            let language = [own.as_str(), own.as_str(), "yaml", "vim", "markdown"][next(5)];
            for one in found(language, &text) {
                seen += 1;
                for bytes in [&one.place, &one.removal, &one.target] {
                    assert!(text.get(bytes.clone()).is_some_and(|part| !part.is_empty()), "{language}: {text:?}");
                }
                let inside = one.removal.start <= one.place.start && one.place.end <= one.removal.end;
                assert!(inside, "{language}: {one:?} in {text:?}");
            }
        }
    }
    assert!(seen > 30, "only {seen} were found");
}
