//! Comments of languages that are not parsed, by the marks that they begin with.
//!
//! Refuses: certainty. Where a mark might stand inside a string, it does.

use std::ops::Range;

use super::Lines;

/// Marks up to the end of the line, by the names that editors give languages.
const LINE_MARKS: &[(&str, &[&str])] = &[
    (
        "#",
        &[
            "awk",
            "cmake",
            "coffeescript",
            "conf",
            "crystal",
            "cython",
            "dockerfile",
            "editorconfig",
            "elvish",
            "fish",
            "gdscript",
            "git-commit",
            "gitcommit",
            "gitignore",
            "gnuplot",
            "graphql",
            "hcl",
            "hocon",
            "ignore",
            "jq",
            "julia",
            "just",
            "make",
            "makefile",
            "meson",
            "mojo",
            "nginx",
            "nim",
            "nix",
            "nu",
            "nushell",
            "perl",
            "po",
            "powershell",
            "properties",
            "puppet",
            "r",
            "raku",
            "rego",
            "robot",
            "robotframework",
            "snakemake",
            "sshconfig",
            "starlark",
            "systemd",
            "tcl",
            "terraform",
            "terraform-vars",
            "tfvars",
            "yaml",
            "yml",
        ],
    ),
    (
        "//",
        &[
            "cairo",
            "cuda",
            "cuda-cpp",
            "d",
            "dart",
            "fsharp",
            "gleam",
            "glsl",
            "groovy",
            "hare",
            "haxe",
            "hlsl",
            "jenkinsfile",
            "json5",
            "jsonnet",
            "less",
            "move",
            "objective-c",
            "objective-cpp",
            "objc",
            "objcpp",
            "odin",
            "opencl",
            "pascal",
            "prisma",
            "proto",
            "protobuf",
            "qml",
            "scss",
            "slint",
            "solidity",
            "systemverilog",
            "thrift",
            "typst",
            "typespec",
            "v",
            "verilog",
            "vala",
            "wgsl",
        ],
    ),
    ("--", &["ada", "agda", "elm", "idris", "lean", "purescript", "teal", "vhdl"]),
    (
        ";",
        &[
            "asm",
            "clojure",
            "common-lisp",
            "commonlisp",
            "dosini",
            "elisp",
            "emacs-lisp",
            "fennel",
            "ini",
            "lisp",
            "llvm",
            "nasm",
            "racket",
            "scheme",
        ],
    ),
    ("%", &["bibtex", "erlang", "latex", "matlab", "octave", "postscript", "prolog", "tex"]),
    ("!", &["fortran", "fortran-modern", "xdefaults"]),
    ("\"", &["vim", "viml"]),
    ("'", &["basic", "freebasic", "vb", "visualbasic"]),
];
/// Marks of comments that are closed.
const BLOCK_MARKS: &[(&str, &str, &[&str])] = &[
    ("<!--", "-->", &["markdown", "markdown.rmd", "mdx", "rmarkdown", "svg", "xml", "xsl"]),
    ("(*", "*)", &["coq", "fsharp", "ocaml", "ocaml-interface", "reason", "sml"]),
];
/// Signs that open and close strings over several lines, and code in prose.
const FENCES: [&str; 3] = ["\"\"\"", "'''", "```"];

/// The bytes of the comments of a text whose language an editor calls `language`.
pub(super) fn comments(lines: &Lines<'_>, language: &str) -> Vec<Range<usize>> {
    if let Some((open, close, _)) = BLOCK_MARKS.iter().find(|(_, _, names)| names.contains(&language)) {
        return closed(lines, open, close);
    }
    let Some((mark, _)) = LINE_MARKS.iter().find(|(_, names)| names.contains(&language)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut fences = [false; FENCES.len()];
    // How far in the line is that a block of plain text hangs on.
    let mut scalar: Option<usize> = None;
    for line in 0..lines.count() {
        let text = lines.line(line);
        let depth = text.len() - text.trim_start().len();
        if scalar.is_some_and(|around| depth <= around && !text.trim().is_empty()) {
            scalar = None;
        }
        let inside = fences.contains(&true) || scalar.is_some();
        let at = if inside { None } else { mark_in(text, mark) };
        let code = &text[..at.unwrap_or(text.len())];
        if let Some(at) = at {
            let start = lines.bytes(line).start + at;
            found.push(start..lines.bare(line).end);
        }
        for (open, fence) in fences.iter_mut().zip(FENCES) {
            *open ^= code.matches(fence).count() % 2 == 1;
        }
        if scalar.is_none() && matches!(language, "yaml" | "yml") && opens_scalar(code) {
            scalar = Some(depth);
        }
    }
    found
}

/// Where a comment begins on a line: at a mark with a blank or nothing before it, outside of quotes.
fn mark_in(text: &str, mark: &str) -> Option<usize> {
    text.match_indices(mark).map(|(at, _)| at).find(|&at| {
        let before = &text[..at];
        // A quote that is a mark itself cannot be counted.
        let alone = before.trim().is_empty();
        let quoted = ['"', '\'', '`'].iter().any(|quote| before.matches(*quote).count() % 2 == 1);
        alone || (before.ends_with([' ', '\t']) && !quoted && !matches!(mark, "\"" | "'"))
    })
}

/// Whether a line of YAML ends in the sign of a block of plain text.
fn opens_scalar(code: &str) -> bool {
    let code = code.trim_end().trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'));
    code.ends_with(['|', '>']) && code[..code.len() - 1].ends_with([' ', '\t', ':', '-'])
}

fn closed(lines: &Lines<'_>, open: &str, close: &str) -> Vec<Range<usize>> {
    let text = lines.text;
    let mut found = Vec::new();
    let (mut at, mut fenced) = (0, 0);
    while let Some(start) = text[at..].find(open).map(|found| at + found) {
        fenced += text[at..start].matches("```").count();
        let Some(end) = text[start..].find(close).map(|found| start + found + close.len()) else { break };
        if fenced % 2 == 0 {
            found.push(start..end);
        }
        at = end;
    }
    found
}
