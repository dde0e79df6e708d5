//! A pasted traceback -> its frames, the innermost first: Python, Rust, JavaScript, Go, Java, and what writes as they do.
//!
//! Refuses: reports that hold a traceback among other words. They mention more than they ask for.

use crate::search::place::with_line;

/// Frames that are read of one traceback.
const FRAMES_MAX: usize = 256;
/// For so many frames one line may say something of its own.
const FRAMES_PER_SAYING: usize = 3;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// As the traceback writes it, with `/`; of Java the folders are those of the package.
    pub(super) path: String,
    /// 1-based.
    pub(super) line: u32,
    /// The plain name of the function, where one is named.
    pub(super) function: Option<String>,
}

/// The frames of a text that is a traceback, the innermost first; none of any other text.
pub(super) fn frames_of(question: &str) -> Vec<Frame> {
    let mut sections: Vec<Vec<Frame>> = vec![Vec::new()];
    let (mut frames, mut sayings) = (0, 0);
    let mut before = "";
    for line in question.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(mut frame) = frame_of(line) {
            if frame.path.ends_with(".go") || frame.path.ends_with(".rs") {
                frame.function = frame.function.or_else(|| called(before));
            }
            if let Some(section) = sections.last_mut() {
                section.push(frame);
            }
            frames += 1;
        } else if line.starts_with(CAUSE) {
            sections.push(Vec::new());
        } else {
            sayings += usize::from(is_saying(line));
        }
        if frames >= FRAMES_MAX {
            break;
        }
        before = line;
    }
    if frames == 0 || question.trim().lines().nth(1).is_none() || sayings > (frames / FRAMES_PER_SAYING).max(1) {
        return Vec::new();
    }
    // What caused the rest is told last.
    let mut found: Vec<Frame> = sections.into_iter().rev().flatten().collect();
    // Python tells the innermost frame last.
    if found.iter().filter(|frame| frame.path.ends_with(".py")).count() * 2 > found.len() {
        found.reverse();
    }
    found
}

/// Whether a traceback came with words of somebody, such as the title of a report.
pub(super) fn has_words(question: &str) -> bool {
    question.lines().any(|line| {
        !line.trim().is_empty() && frame_of(line).is_none() && !line.starts_with(CAUSE) && is_saying(line)
    })
}

/// The line from which on Java tells what caused the exception above.
const CAUSE: &str = "Caused by:";

/// Beginnings of lines around frames.
const AROUND: [&str; 12] = [
    "Traceback (",
    "During handling of",
    "The above exception",
    "Exception in thread",
    "thread '",
    "stack backtrace:",
    "note: ",
    "panic: ",
    "goroutine ",
    "created by ",
    "Uncaught ",
    "exit status ",
];

/// Whether a line says something that no traceback does.
fn is_saying(line: &str) -> bool {
    // Code that is shown stands indented, or behind its number and a stroke.
    let is_shown =
        line.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ' ').starts_with('|');
    let is_indented = line.starts_with([' ', '\t']) || is_shown;
    let names_error = line.split_once(':').is_some_and(|(kind, _)| is_name(kind));
    let is_call = line.ends_with(')') && line.split('(').next().is_some_and(is_name);
    !(is_indented || names_error || is_call || is_name(line) || AROUND.iter().any(|start| line.starts_with(start)))
}

/// Whether a text is one name, maybe with those of modules and types around it.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_alphanumeric() || "_.:$*/<>-".contains(letter))
}

fn frame_of(line: &str) -> Option<Frame> {
    let bare = line.trim();
    if let Some(rest) = bare.strip_prefix("File \"") {
        let (path, rest) = rest.split_once("\", line ")?;
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let function = rest[end..].strip_prefix(", in ").and_then(plain);
        return frame(path, rest[..end].parse().ok()?, function);
    }
    if let Some(rest) = bare.strip_prefix("at ") {
        return at(rest);
    }
    let (place, rest) = match bare.strip_prefix("--> ").or_else(|| bare.strip_prefix("from ")) {
        Some(rest) => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        // The last word of a line of Rust, the first of one of Go, of pytest and of Ruby.
        None if bare.contains(" panicked at ") => (bare.rsplit(char::is_whitespace).next()?, ""),
        None => bare.split_once(char::is_whitespace).unwrap_or((bare, "")),
    };
    let (path, line) = with_line(place.strip_suffix(":in").unwrap_or(place))?;
    let named = rest.strip_prefix("in ").or_else(|| rest.strip_prefix(['`', '\'']));
    frame(path, line, named.and_then(|named| named.split(['\'', '`', ':']).next()).and_then(plain))
}

/// What stands behind `at`: `name (path:1:2)`, `pkg.Type.name(File.java:1)`, `Type.Name() in path:line 1`, or a path alone.
fn at(rest: &str) -> Option<Frame> {
    if let Some((call, place)) = rest.rsplit_once(") in ") {
        let (path, line) = place.rsplit_once(":line ")?;
        return frame(path, line.trim().parse().ok()?, call.split('(').next().and_then(plain));
    }
    let Some((call, place)) = rest.split_once('(') else {
        let (path, line) = with_line(rest.strip_prefix("async ").unwrap_or(rest))?;
        return frame(path, line, None);
    };
    let (path, line) = with_line(place.rsplit_once(')').map_or(place, |(place, _)| place))?;
    let call = call.trim_end();
    let called = call.split_once(" [as ").map_or(call, |(call, _)| call);
    let called = called.rsplit(char::is_whitespace).next().unwrap_or(called);
    let is_java = call.len() + 1 == rest.len() - place.len() && !path.contains(['/', '\\']);
    // The package is what stands before type and name; a module or a loader may stand before that.
    let package = called.rsplit('/').next().and_then(|name| name.rsplitn(3, '.').nth(2)).filter(|_| is_java);
    match package {
        Some(package) => frame(&format!("{}/{path}", package.replace('.', "/")), line, plain(called)),
        None => frame(path, line, plain(called)),
    }
}

/// A frame, unless the path is none of a file.
fn frame(path: &str, line: u32, function: Option<String>) -> Option<Frame> {
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let path = path.split('?').next().unwrap_or(path).replace('\\', "/").replace("/./", "/");
    let path = path.strip_prefix("./").unwrap_or(&path);
    let names_a_file = path.rsplit('/').next().is_some_and(|name| name.trim_matches('.').contains('.'));
    (names_a_file && line > 0).then(|| Frame { path: path.to_owned(), line, function })
}

/// The function on the line above its place, as Go and Rust write it.
fn called(line: &str) -> Option<String> {
    let bare = line.trim();
    let bare =
        bare.split_once(": ").filter(|(number, _)| number.parse::<u32>().is_ok()).map_or(bare, |(_, it)| it);
    let call = bare.strip_suffix(')').and_then(|call| call.rsplit_once('(')).map_or(bare, |(call, _)| call);
    plain(call)
}

/// The plain name at the end of a qualified one; none of a closure or a module.
fn plain(name: &str) -> Option<String> {
    let name = name.trim_end_matches(['\'', '`', ':']);
    let is_hash = |part: &&str| part.len() == 17 && part.starts_with('h');
    let mut parts = name.split(['.', ':', '#', '/']).filter(|part| !part.is_empty() && !is_hash(part));
    let name = parts.rfind(|part| !part.starts_with('{'))?;
    let is_plain = name.chars().all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '$');
    is_plain.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(traceback: &str, expected: &[&str]) {
        let shown = |one: &Frame| format!("{}:{} {}", one.path, one.line, one.function.as_deref().unwrap_or("-"));
        assert_eq!(frames_of(traceback).iter().map(shown).collect::<Vec<_>>(), expected, "{traceback}");
    }

    #[test]
    fn python_tells_the_innermost_frame_last() {
        check(
            "Traceback (most recent call last):\n  File \"/srv/app/run.py\", line 3, in <module>\n    main()\n    ~~~~^^\n  \
             File \"/srv/app/shop/tank.py\", line 12, in fill\n    raise Empty(x)\nshop.Empty: no water",
            &["/srv/app/shop/tank.py:12 fill", "/srv/app/run.py:3 -"],
        );
        check(
            "shop/tank.py:12: in fill\n    raise Empty\nE   Empty\n\nshop/tap.py:3: Empty",
            &["shop/tap.py:3 -", "shop/tank.py:12 fill"],
        );
    }

    #[test]
    fn rust_tells_the_place_of_the_panic() {
        check(
            "thread 'main' (77) panicked at src/tank.rs:12:5:\nno water\nstack backtrace:\n   0: rust_begin_unwind\n             \
             at /rustc/abc/library/std/src/panicking.rs:645:5\n   1: shop::tank::Tank::fill::{{closure}}\n             at \
             ./src/tank.rs:14:9\nnote: Some details are omitted",
            &[
                "src/tank.rs:12 -",
                "/rustc/abc/library/std/src/panicking.rs:645 rust_begin_unwind",
                "src/tank.rs:14 fill",
            ],
        );
        check("error[E0308]: mismatched types\n  --> src/tank.rs:4:5\n   |\n4  |     1", &["src/tank.rs:4 -"]);
    }

    #[test]
    fn javascript_has_places_in_parentheses_or_alone() {
        check(
            "TypeError: x is not a function\n    at Tank.fill (/srv/app/src/tank.js:12:5)\n    at new Shop \
             (file:///srv/app/src/shop.mjs:3:7)\n    at async Promise.all (index 0)\n    at /srv/app/run.js:1:1\n    at \
             eval (webpack://app/./src/x.ts?1a2b:7:1)\n    at node:internal/main:1:1",
            &[
                "/srv/app/src/tank.js:12 fill",
                "/srv/app/src/shop.mjs:3 Shop",
                "/srv/app/run.js:1 -",
                "app/src/x.ts:7 eval",
            ],
        );
    }

    #[test]
    fn go_tells_functions_above_places() {
        check(
            "panic: no water\n\ngoroutine 1 [running]:\nmain.(*Tank).Fill(0xc000, {0x1, 0x2})\n\t/srv/app/tank.go:12 +0x1d\n\
             main.main()\n\t/srv/app/main.go:5 +0x65\nexit status 2",
            &["/srv/app/tank.go:12 Fill", "/srv/app/main.go:5 main"],
        );
    }

    #[test]
    fn java_names_packages_and_causes() {
        check(
            "Exception in thread \"main\" java.lang.IllegalStateException: empty\n\tat com.shop.Shop.open(Shop.java:20)\n\tat \
             java.base/java.lang.Thread.run(Thread.java:833)\nCaused by: com.shop.Empty: no water\n\tat \
             com.shop.Tank.fill(Tank.java:12)\n\tat com.shop.Tank$1.run(Native Method)\n\t... 3 more",
            &["com/shop/Tank.java:12 fill", "com/shop/Shop.java:20 open", "java/lang/Thread.java:833 run"],
        );
        check(
            "System.Empty: no\n   at Shop.Tank.Fill(Int32 x) in C:\\app\\Tank.cs:line 12",
            &["C:/app/Tank.cs:12 Fill"],
        );
    }

    #[test]
    fn a_report_with_a_traceback_is_none() {
        let traceback =
            "Traceback (most recent call last):\n  File \"a.py\", line 3, in f\n    g()\nValueError: x";
        check(&format!("Why does this fail?\n{traceback}"), &["a.py:3 f"]);
        check(&format!("Login fails\nIt worked before.\nNow this comes:\n{traceback}"), &[]);
        check("a.py:3", &[]);
        check("one line\nand another", &[]);
        check("def f():\n    return a.b\n", &[]);
        check("", &[]);
    }
}
