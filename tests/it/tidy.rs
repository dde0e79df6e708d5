//! The house rules as tests: who may know whom, where protocols end, what a file looks like. Refuses: exceptions
//! that are not written down here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const BLOB_BYTES_MAX: u64 = 500 * 1024;
const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 100;

/// What each room may know of ours. An arrow that is not here is a wall moved by accident.
const ARROWS: &[(&str, &[&str])] = &[
    ("server/text", &[]),
    ("server/model", &[]),
    ("server/store", &[]),
    ("index", &["text"]),
    ("server/engine", &["text", "index", "model"]),
    ("server/app", &["text", "model", "index", "engine", "store"]),
    ("server/worker", &["model"]),
    ("server/llama", &["model", "worker"]),
    ("server/paint", &["model", "worker"]),
    ("server/lsp", &["app", "engine", "text"]),
    ("server/web", &["app", "engine"]),
    (
        "server/familiar",
        &["app", "engine", "index", "llama", "lsp", "model", "paint", "store", "text", "web", "worker"],
    ),
    ("tests/kit", &[]),
    ("tests/tiny", &["paint"]),
];

/// Libraries that may be named in these rooms only: protocols, SQL and native code stop at their door.
const DOORS: &[(&str, &[&str])] = &[
    ("tower-lsp", &["server/lsp"]),
    ("axum", &["server/web"]),
    ("askama", &["server/web"]),
    ("comrak", &["server/web"]),
    ("ammonia", &["server/web"]),
    ("tower", &["server/web", "server/lsp"]),
    // The binary is a client of its own daemon; see `familiar/daemon/client.rs`.
    ("hyper", &["server/web", "server/familiar"]),
    ("hyper-util", &["server/web", "server/familiar"]),
    ("http-body-util", &["server/web", "server/familiar"]),
    ("rusqlite", &["server/store", "index"]),
    ("tantivy", &["index"]),
    ("tree-sitter", &["index"]),
    ("git2", &["index"]),
    ("ignore", &["index"]),
    ("notify", &["index"]),
    ("similar", &["server/text", "index"]),
    ("minijinja", &["server/llama"]),
    ("minijinja-contrib", &["server/llama"]),
    ("ropey", &["server/text"]),
    ("candle-core", &["server/paint", "tests/tiny"]),
    ("candle-nn", &["server/paint"]),
    ("png", &["server/app", "server/paint"]),
    ("image", &["server/app", "server/familiar"]),
    ("webp", &["server/app"]),
    ("viuer", &["server/familiar"]),
    ("llama-cpp-2", &["server/llama", "tests/bench"]),
    ("llama-cpp-sys-2", &["server/llama", "tests/bench"]),
    ("reqwest", &["server/app", "examples"]),
    ("anyhow", &["server/familiar"]),
    ("clap", &["server/familiar"]),
];

/// Rooms whose purpose is to call native code or the operating system.
const UNSAFE_ROOMS: &[&str] =
    &["server/llama", "server/paint/src/cpu", "server/paint/tests/peak.rs", "server/worker"];

const TOP_LEVEL: &[&str] = &[
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "editors",
    "examples",
    "index",
    "queries",
    "server",
    "target",
    "tests",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

/// Every file that is not ignored, relative to the root.
fn files() -> Vec<PathBuf> {
    let root = root();
    let walk = ignore::WalkBuilder::new(&root).hidden(false).require_git(false).build();
    let files = walk.map(|entry| entry.expect("the tree can be read"));
    files
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .map(|entry| entry.path().strip_prefix(&root).expect("below the root").to_owned())
        .filter(|path| !path.starts_with(".git") && !path.starts_with("target"))
        .collect()
}

fn rust_files() -> Vec<(PathBuf, String)> {
    let rust = files().into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    rust.map(|path| (path.clone(), fs::read_to_string(root().join(path)).expect("it is UTF-8"))).collect()
}

/// Dependencies of a room by manifest table, under the names the workspace gives them.
fn dependencies(room: &str, table: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join(room).join("Cargo.toml")).expect("a room has a manifest");
    let manifest: toml::Table = manifest.parse().expect("it is TOML");
    let table = manifest.get(table).and_then(toml::Value::as_table);
    table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

fn rooms() -> Vec<String> {
    let manifests = files().into_iter().filter(|path| path.file_name().is_some_and(|name| name == "Cargo.toml"));
    let rooms = manifests.filter_map(|path| Some(path.parent()?.to_str()?.replace('\\', "/")));
    rooms.filter(|room| !room.is_empty()).collect()
}

fn nothing(wrong: Vec<String>, rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

#[test]
fn rooms_know_only_whom_they_may() {
    let ours: BTreeSet<&str> = ARROWS.iter().filter_map(|(room, _)| room.rsplit('/').next()).collect();
    let mut wrong = Vec::new();
    for (room, allowed) in ARROWS {
        for table in ["dependencies", "build-dependencies"] {
            let known = dependencies(room, table);
            let known = known.iter().filter(|name| ours.contains(name.as_str()));
            wrong.extend(
                known.filter(|name| !allowed.contains(&name.as_str())).map(|name| format!("{room} -> {name}")),
            );
        }
    }
    nothing(wrong, "these arrows are not in the plan");
    let planned: BTreeSet<String> = ARROWS.iter().map(|(room, _)| (*room).to_owned()).collect();
    let server = rooms().into_iter().filter(|room| room.starts_with("server/") || room == "index");
    nothing(server.filter(|room| !planned.contains(room)).collect(), "these rooms are not in the plan");
}

#[test]
fn protocols_and_native_code_stop_at_their_door() {
    let doors: BTreeMap<&str, &[&str]> = DOORS.iter().copied().collect();
    let mut wrong = Vec::new();
    for room in rooms() {
        for library in dependencies(&room, "dependencies") {
            if let Some(allowed) = doors.get(library.as_str())
                && !allowed.contains(&room.as_str())
            {
                wrong.push(format!("{room} names {library}"));
            }
        }
    }
    nothing(wrong, "these libraries belong to other rooms");
}

#[test]
fn every_file_says_what_it_is() {
    let headless = rust_files().into_iter().filter(|(_, text)| !text.starts_with("//!"));
    nothing(headless.map(|(path, _)| path.display().to_string()).collect(), "these files have no `//!` header");
}

#[test]
fn unsafe_stays_in_its_rooms() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files() {
        let may = UNSAFE_ROOMS.iter().any(|room| path.starts_with(room)) || path == Path::new("tests/it/tidy.rs");
        let uses = text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|form| code.contains(form))
        });
        if uses && !may {
            wrong.push(path.display().to_string());
        }
    }
    nothing(wrong, "`unsafe` outside the rooms that may have it");
}

#[test]
fn no_file_hides_two_things() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files() {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            wrong.push(format!("{} has {lines} lines", path.display()));
        }
        for (line, length) in functions(&text) {
            if length > FUNCTION_LINES_MAX {
                wrong.push(format!("{}:{line} is a function of {length} lines", path.display()));
            }
        }
    }
    nothing(wrong, "too large to read in one go");
}

/// First line and length of each function, told by indentation.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let start = ["fn ", "pub fn ", "async fn ", "pub async fn ", "pub(crate) fn ", "pub(crate) async fn "];
        if !start.iter().any(|form| code.starts_with(form)) {
            continue;
        }
        let close = format!("{}}}", &line[..line.len() - code.len()]);
        if let Some(end) = lines.iter().skip(at).position(|line| *line == close) {
            found.push((at + 1, end + 1));
        }
    }
    found
}

#[test]
fn nothing_is_left_for_later() {
    // Spelled in two halves, so that this file is no leftover itself.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("#[ig", "nore")];
    let mut wrong = Vec::new();
    for (path, text) in rust_files() {
        for (at, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                wrong.push(format!("{}:{}", path.display(), at + 1));
            }
        }
    }
    nothing(wrong, "leftovers");
}

#[test]
fn the_binary_alone_ends_the_process() {
    let wrong = rust_files().into_iter().filter(|(path, text)| {
        let own = path.starts_with("server/familiar") || path.starts_with("tests") || path.starts_with("examples");
        // A worker's child has nothing but its exit code to say why it ends.
        !own && !path.starts_with("server/worker") && text.contains("process::exit")
    });
    nothing(wrong.map(|(path, _)| path.display().to_string()).collect(), "`process::exit` outside the binary");
}

#[test]
fn the_top_level_is_the_plan() {
    let entries = fs::read_dir(root()).expect("the root can be read");
    let names = entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned());
    let extra = names.filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(&name.as_str()));
    nothing(extra.collect(), "not in the plan of the top level");
}

#[test]
fn no_large_blob_is_kept() {
    let large = files().into_iter().filter_map(|path| {
        let bytes = fs::metadata(root().join(&path)).ok()?.len();
        (bytes > BLOB_BYTES_MAX).then(|| format!("{} has {bytes} bytes", path.display()))
    });
    nothing(large.collect(), "fetch or generate these instead");
}

#[test]
fn every_language_has_a_sample() {
    let folders =
        fs::read_dir(root().join("queries")).expect("queries is a room").map(|entry| entry.expect("readable"));
    let mut wrong = Vec::new();
    for folder in folders.filter(|entry| entry.path().is_dir()) {
        let names: Vec<String> = fs::read_dir(folder.path())
            .expect("readable")
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        if !names.iter().any(|name| name.starts_with("sample."))
            || !names.iter().any(|name| name.ends_with(".scm"))
        {
            wrong.push(folder.path().display().to_string());
        }
    }
    nothing(wrong, "languages without a sample or queries");
}
