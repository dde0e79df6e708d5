//! `config.toml`: Space i e explains the selected lines, Space i i opens the command line for an instruction. Refuses: a
//! key that has a meaning already.

use toml::de::{DeTable, DeValue};

use super::lines::{get, parse, quoted, spliced, with_block, without_block};

/// The keys behind Space i, and what they type. The README shows the same.
const KEYS: [(&str, &str); 2] = [
    (
        "e",
        "@:lsp-workspace-command familiar.explain %{selection_line_start} %{selection_line_end} \"%{file_path_absolute}\"<ret>",
    ),
    (
        "i",
        "@:lsp-workspace-command familiar.edit %{selection_line_start} %{selection_line_end} \"%{file_path_absolute}\" \"\"<left>",
    ),
];
const MODES: [&str; 2] = ["normal", "select"];

/// Where the keys of a mode can stand.
enum Place {
    /// As a table of their own.
    Table,
    /// Inside of a table in braces: where, whether it is the first there, and under which name.
    Inside { at: usize, is_empty: bool, name: String },
    /// Nowhere: the key is taken.
    Taken,
}

/// The file with our keys, and the modes in which the key is taken.
pub(super) fn with(bare: &str) -> Result<(String, Vec<&'static str>), String> {
    let (mut text, mut body, mut taken) = (bare.to_owned(), String::new(), Vec::new());
    for mode in MODES {
        match place(&text, &parse(&text)?, mode) {
            Place::Table => body.push_str(&format!("\n[keys.{mode}.space.i]\n{}\n", lines())),
            Place::Inside { at, is_empty, name } => {
                let keys = inline(&name);
                let piece = if is_empty { format!(" {keys} ") } else { format!(", {keys}") };
                text = spliced(&text, vec![(at, piece)]);
            }
            Place::Taken => taken.push(mode),
        }
    }
    if !body.is_empty() {
        text = with_block(&text, None, body.trim_start());
    }
    parse(&text).map_err(|why| format!("its tables are written in a form that takes no more ({why})"))?;
    if without(&text) != bare {
        return Err("it could not be taken back to what it was".to_owned());
    }
    Ok((text, taken))
}

fn place(text: &str, root: &DeTable<'_>, mode: &'static str) -> Place {
    let path = ["keys", mode, "space", "i"];
    let mut table = root;
    // The innermost table in braces: what it holds can only stand there, if need be with dots in its name.
    let mut braces: Option<(usize, &DeTable<'_>, usize)> = None;
    for (depth, key) in path.into_iter().enumerate() {
        let Some(value) = get(table, key) else {
            let Some((start, table, from)) = braces else { return Place::Table };
            let end = table.iter().map(|(_, value)| end_of(value)).max();
            let (at, is_empty) = (end.unwrap_or(start + 1), end.is_none());
            return Place::Inside { at, is_empty, name: path[from..].join(".") };
        };
        let DeValue::Table(next) = value.get_ref() else { return Place::Taken };
        let start = value.span().start;
        if text.as_bytes().get(start) == Some(&b'{') {
            braces = Some((start, next, depth + 1));
        }
        table = next;
    }
    Place::Taken
}

/// The last byte of a value; tables made by dotted keys end where their last value does.
fn end_of(value: &toml::Spanned<DeValue<'_>>) -> usize {
    let own = value.span().end;
    match value.get_ref() {
        DeValue::Table(table) => table.iter().map(|(_, value)| end_of(value)).max().unwrap_or(own).max(own),
        _ => own,
    }
}

/// The file without our keys.
pub(super) fn without(text: &str) -> String {
    let (mut rest, _) = without_block(text);
    for name in ["normal.space.i", "select.space.i", "space.i", "i"] {
        let keys = inline(name);
        rest = rest.replace(&format!(", {keys}"), "").replace(&format!(" {keys} "), "");
    }
    rest
}

fn lines() -> String {
    KEYS.map(|(key, types)| format!("{key} = {}", quoted(types))).join("\n")
}

fn inline(name: &str) -> String {
    let keys = KEYS.map(|(key, types)| format!("{key} = {}", quoted(types))).join(", ");
    format!("{name} = {{ {keys} }}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str, mode: &str) -> Option<toml::Value> {
        let file: toml::Table = text.parse().expect("it is TOML");
        file.get("keys")?.get(mode)?.get("space")?.get("i").cloned()
    }

    fn ours() -> toml::Value {
        let keys = KEYS.map(|(key, types)| (key.to_owned(), toml::Value::from(types)));
        toml::Value::Table(keys.into_iter().collect())
    }

    #[test]
    fn every_form_of_a_file_takes_the_keys_and_gives_them_back() {
        for bare in [
            "",
            "theme = \"base16\"\n",
            "theme = \"base16\"\r\n\r\n[editor]\r\nmouse = false",
            "[keys.normal]\nC-s = \":w\"\n",
            "[keys.normal]\nspace.w = \":w\"\nspace.g.a = \":x\" # here\n\n[keys.select]\nq = \":q\"\n",
            "[keys.normal.space]\nw = \":w\"\n",
            "[keys.normal.space.f]\nw = \":w\"\n",
            "[keys.normal]\nspace = { w = \":w\", f = { a = \":x\" } } # here\n",
            "[keys]\nnormal = { g = { a = \"code_action\" }, C-s = \":w\" }\nselect = { space.w = \":w\" }\n",
            "[keys.normal]\nspace = {}\n",
            "keys = { normal = { q = \":q\" } }\n",
        ] {
            let (text, taken) = with(bare).expect(bare);
            assert_eq!(taken, [""; 0], "{bare}");
            for mode in MODES {
                assert_eq!(bound(&text, mode), Some(ours()), "{mode} in {text}");
            }
            assert_eq!(without(&text), bare, "undone");
            assert_eq!(with(&without(&text)).expect("again").0, text);
            let mut file: toml::Table = bare.parse().expect("it is TOML");
            let mut all: toml::Table = text.parse().expect("it is TOML");
            file.remove("keys");
            all.remove("keys");
            assert_eq!(file, all, "nothing else changes");
        }
    }

    #[test]
    fn a_key_with_a_meaning_keeps_it() {
        for (bare, modes) in [
            ("[keys.normal.space]\ni = \":w\"\n", &["normal"][..]),
            ("[keys.normal]\nspace = \":w\"\n[keys.select.space]\ni = { a = \":w\" }\n", &["normal", "select"]),
            ("keys.normal.space.i.i = \":w\"\n", &["normal"]),
        ] {
            let (text, taken) = with(bare).expect(bare);
            assert_eq!(taken, modes, "{bare}");
            assert!(text.starts_with(bare), "{text}");
            assert_eq!(without(&text), bare);
        }
        assert!(with("theme = \n").expect_err("broken").starts_with("line 1: "));
    }

    /// The README tells people without this command the same keys.
    #[test]
    fn the_readme_shows_these_keys() {
        let readme = include_str!("../../../../../../editors/helix/README.md");
        let blocks = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
        let keys = blocks.filter(|block| block.contains("[keys.")).collect::<String>();
        for mode in MODES {
            assert_eq!(bound(&keys, mode), Some(ours()), "{mode}");
        }
    }
}
