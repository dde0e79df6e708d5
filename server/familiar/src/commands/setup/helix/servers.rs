//! The servers that Helix has for a language by itself, asked of the very Helix that is installed: a list of one's own
//! replaces them. Refuses: a table of them, which would be that of another version.

use std::ffi::OsStr;
use std::path::Path;

use futures::{StreamExt, TryStreamExt, stream};

use super::languages::Known;
use crate::commands::setup::programs::Command;
use crate::failure::Failure;

/// Languages by Helix's names, in its order: of two that claim a kind of file the later one gets it, so a language is
/// followed by those that it must not take files from.
pub(super) const LANGUAGES: &[&str] = &[
    "rust",
    "toml",
    "awk",
    "protobuf",
    "elixir",
    "fish",
    "json",
    "jsonc",
    "json5",
    "c",
    "cpp",
    "crystal",
    "c-sharp",
    "go",
    "javascript",
    "jsx",
    "typescript",
    "tsx",
    "css",
    "scss",
    "html",
    "python",
    "nix",
    "ruby",
    "bash",
    "php",
    "latex",
    "julia",
    "java",
    "ocaml",
    "ocaml-interface",
    "lua",
    "svelte",
    "vue",
    "yaml",
    "haskell",
    "purescript",
    "zig",
    "cmake",
    "make",
    "glsl",
    "perl",
    "racket",
    "wgsl",
    "markdown",
    "dart",
    "scala",
    "dockerfile",
    "docker-compose",
    "git-commit",
    "graphql",
    "elm",
    "kotlin",
    "hcl",
    "solidity",
    "gleam",
    "r",
    "swift",
    "erb",
    "sql",
    "nu",
    "vala",
    "odin",
    "scheme",
    "verilog",
    "clojure",
    "fortran",
    "pascal",
    "ada",
    "astro",
    "d",
    "xml",
    "ini",
    "matlab",
    "rst",
    "vhdl",
    "nim",
    "just",
    "fsharp",
    "typst",
    "groovy",
    "powershell",
    "tcl",
    "supercollider",
    "nginx",
    "sourcepawn",
    "properties",
    // What an edit is shown in before it is accepted.
    "diff",
];
/// Languages that are asked about at the same time.
const ASKED_AT_ONCE: usize = 4;
/// Languages of the user's own file that are asked about as well.
const OWN_MAX: usize = 200;
const HEADING: &str = "Configured language servers:";

/// The servers of each language that this Helix knows: of [`LANGUAGES`], then of those in the user's file.
pub(super) async fn built_in(helix: &Path, known: &Known) -> Result<Vec<(String, Vec<String>)>, Failure> {
    let empty = tempfile::tempdir()
        .map_err(|error| Failure::new(format!("the temporary folder cannot be written: {error}")))?;
    let own = known.names().filter(|name| !LANGUAGES.contains(name) && is_name(name)).take(OWN_MAX);
    let names: Vec<String> = LANGUAGES.iter().copied().chain(own).map(str::to_owned).collect();
    let ask = |name: String| {
        let command = Command::new(helix, &[OsStr::new("--health"), OsStr::new(&name)]).apart(empty.path());
        async move { command.run().await.map(|said| (name, servers(&said))) }
    };
    let answers: Vec<_> = stream::iter(names).map(ask).buffered(ASKED_AT_ONCE).try_collect().await?;
    let found: Vec<_> = answers.into_iter().filter_map(|(name, servers)| Some((name, servers?))).collect();
    if found.is_empty() {
        return Err(
            Failure::new("Helix does not say which servers its languages have").hint("try `hx --health rust`")
        );
    }
    Ok(found)
}

/// What can be asked about without meaning another page of Helix.
fn is_name(name: &str) -> bool {
    let special = ["all", "all-languages", "clipboard", "languages"];
    !special.contains(&name)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+#".contains(c))
}

/// The servers that `hx --health LANGUAGE` names; `None` for a language that it does not know.
fn servers(said: &str) -> Option<Vec<String>> {
    let said = without_colours(said);
    let mut lines = said.lines().skip_while(|line| !line.starts_with(HEADING));
    let heading = lines.next()?;
    if heading.trim_end().ends_with("None") {
        return Some(Vec::new());
    }
    let rows = lines.take_while(|line| line.starts_with("  "));
    // A sign, the name, and where its program is.
    let name = |row: &str| Some(row.trim_start().split_once(' ')?.1.split_once(": ")?.0.trim().to_owned());
    rows.map(name).collect()
}

fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if c == '\u{1b}' {
            // From the bracket to the letter that ends it.
            let _ = characters.by_ref().skip(1).find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_helix_shows_them() {
        let two = "Configured language servers:\n  \u{1b}[0;31m✘\u{1b}[m ty: \u{1b}[0;31m'ty' not found in $PATH\u{1b}[m\n  \
                   ✓ ruff: /usr/bin/ruff\nConfigured debug adapter: None\n";
        assert_eq!(servers(two), Some(vec!["ty".to_owned(), "ruff".to_owned()]));
        assert_eq!(
            servers("Configured language servers:\u{1b}[0;33m None\u{1b}[m\nConfigured formatter: None\n"),
            Some(vec![])
        );
        assert_eq!(servers("Language 'x' not found\n"), None);
        // An older form without names is not taken for one with them.
        assert_eq!(servers("Configured language servers:\n  ✓ /usr/bin/ruff\n"), None);
        assert!(is_name("c-sharp") && !is_name("all") && !is_name("--help") && !is_name("a b"));
    }
}
