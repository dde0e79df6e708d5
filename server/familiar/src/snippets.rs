//! What a user puts into an editor's configuration, short enough to be read when a daemon starts. Refuses: a path
//! that would end its own quotes.

/// The three snippets, each with the editor's name, for a program called `program`.
pub(crate) fn snippets(program: &str) -> [(&'static str, Vec<String>); 3] {
    // JSON's quoting is also that of TOML's basic strings.
    let quoted = serde_json::Value::from(program).to_string();
    let lua = lua_quoted(program);
    let vscode = if program == "familiar" {
        vec!["install the client in editors/vscode; it finds `familiar` on the PATH".to_owned()]
    } else {
        vec![
            "install the client in editors/vscode, and in settings.json:".to_owned(),
            format!("\"familiar.path\": {quoted}"),
        ]
    };
    let neovim = vec![
        format!("vim.lsp.config('familiar', {{ cmd = {{ {lua}, 'lsp' }}, root_markers = {{ '.git' }} }})"),
        "vim.lsp.enable('familiar')".to_owned(),
    ];
    let helix = vec![
        format!("language-server.familiar = {{ command = {quoted}, args = [\"lsp\"] }}"),
        "[[language]]".to_owned(),
        "name = \"rust\"".to_owned(),
        "language-servers = [\"rust-analyzer\", \"familiar\"]".to_owned(),
    ];
    [("VS Code", vscode), ("Neovim", neovim), ("Helix", helix)]
}

fn lua_quoted(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        match c {
            '\\' | '\'' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(program: &str) -> String {
        snippets(program)
            .iter()
            .flat_map(|(editor, lines)| [(*editor).to_owned(), lines.join("\n")])
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn every_editor_gets_its_snippet() {
        let expected = "VS Code\ninstall the client in editors/vscode, and in settings.json:\n\"familiar.path\": \"/opt/familiar\"\n\
            Neovim\nvim.lsp.config('familiar', { cmd = { '/opt/familiar', 'lsp' }, root_markers = { '.git' } })\nvim.lsp.enable('familiar')\n\
            Helix\nlanguage-server.familiar = { command = \"/opt/familiar\", args = [\"lsp\"] }\n[[language]]\nname = \"rust\"\n\
            language-servers = [\"rust-analyzer\", \"familiar\"]";
        assert_eq!(all("/opt/familiar"), expected);
    }

    #[test]
    fn odd_paths_stay_inside_their_quotes() {
        let shown = all("/o'dd \"path\\x");
        assert!(shown.contains("{ '/o\\'dd \"path\\\\x', 'lsp' }"), "{shown}");
        assert!(shown.contains("command = \"/o'dd \\\"path\\\\x\""), "{shown}");
    }
}
