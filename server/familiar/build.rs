//! Embeds the Neovim client: every file of `editors/neovim` but its README, by its path there. Refuses: links, and a
//! folder that cannot be read.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// How deep folders may lie.
const DEPTH_MAX: usize = 8;

fn main() {
    let room = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let client = room.join("../../editors/neovim").canonicalize().expect("the client lies beside the server");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", client.display());
    // Another checkout has another client; see `.cargo/config.toml`.
    println!("cargo::rerun-if-env-changed=FAMILIAR_CHECKOUT");
    let mut files = Vec::new();
    collect(&client, DEPTH_MAX, &mut files);
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(&client).expect("below the client").to_str().expect("a UTF-8 name");
        writeln!(table, "    ({name:?}, include_str!({file:?})),").expect("a string takes all text");
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("neovim.rs"), table).expect("cargo's own folder is writable");
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    assert!(depth > 0, "{} lies too deep", folder.display());
    for entry in fs::read_dir(folder).expect("the client's folders can be read") {
        let entry = entry.expect("the client's folders can be read");
        let (path, kind) = (entry.path(), entry.file_type().expect("its kind is known"));
        let name = entry.file_name();
        let name = name.to_str().expect("a UTF-8 name");
        // What editors and `:helptags` leave there is no part of it.
        if name.starts_with('.') || name == "README.md" || name == "tags" {
            continue;
        }
        if kind.is_dir() {
            collect(&path, depth - 1, files);
        } else if kind.is_file() {
            files.push(path);
        }
    }
}
