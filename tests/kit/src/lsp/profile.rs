//! What real editors say of themselves in `initialize`.
//!
//! Refuses: completeness. Each profile declares what matters to a server of ours, as the editor does or does not.

use serde_json::{Value, json};

/// An editor as a server sees it. Start from one of the constructors and change it with [`Profile::with`].
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// `clientInfo.name`.
    pub name: &'static str,
    /// `clientInfo.version`.
    pub version: &'static str,
    /// Whether its user can cancel a request, so that it ever sends `$/cancelRequest`.
    pub cancels: bool,
    /// `capabilities`.
    pub capabilities: Value,
}

impl Profile {
    /// Visual Studio Code: UTF-16 only; everything declared.
    #[must_use]
    pub fn vscode() -> Self {
        let mut profile = Self {
            name: "Visual Studio Code",
            version: "1.139.1",
            cancels: true,
            capabilities: base(&["utf-16"]),
        };
        let changes = json!({ "documentChanges": true, "failureHandling": "textOnlyTransactional",
            "resourceOperations": ["create", "rename", "delete"], "normalizesLineEndings": true,
            "changeAnnotationSupport": { "groupsOnLabel": true }, "snippetEditSupport": true, "metadataSupport": true });
        profile.set("/workspace/workspaceEdit", changes);
        profile.set("/workspace/didChangeWatchedFiles", json!({ "dynamicRegistration": true }));
        profile.set("/workspace/codeLens", json!({ "refreshSupport": true }));
        profile.set("/workspace/textDocumentContent", json!({ "dynamicRegistration": true }));
        profile.set("/textDocument/codeLens", json!({ "dynamicRegistration": true }));
        profile.set("/textDocument/inlineCompletion", json!({ "dynamicRegistration": true }));
        profile.set("/textDocument/semanticTokens", semantic_tokens());
        profile.set("/textDocument/codeAction/disabledSupport", json!(true));
        profile.set("/textDocument/diagnostic", json!({ "dynamicRegistration": true }));
        profile.set(
            "/general/staleRequestSupport",
            json!({ "cancel": true, "retryOnContentModified": ["textDocument/semanticTokens/full"] }),
        );
        profile
    }

    /// Neovim 0.12: all three encodings; no `documentChanges` declared (it takes them nevertheless), no file watching.
    #[must_use]
    pub fn neovim() -> Self {
        let mut profile = Self {
            name: "Neovim",
            version: "0.12.4",
            cancels: true,
            capabilities: base(&["utf-8", "utf-16", "utf-32"]),
        };
        let changes = json!({ "resourceOperations": ["rename", "create", "delete"],
            "changeAnnotationSupport": { "groupsOnLabel": false } });
        profile.set("/workspace/workspaceEdit", changes);
        profile.set("/workspace/didChangeWatchedFiles", json!({ "dynamicRegistration": false }));
        profile.set("/workspace/codeLens", json!({ "refreshSupport": true }));
        profile.set("/textDocument/codeLens", json!({ "dynamicRegistration": false }));
        profile.set("/textDocument/inlineCompletion", json!({ "dynamicRegistration": false }));
        profile.set("/textDocument/semanticTokens", semantic_tokens());
        profile.set("/textDocument/codeAction/disabledSupport", json!(true));
        profile.set("/textDocument/diagnostic", json!({ "dynamicRegistration": false }));
        profile
    }

    /// Helix of 2026: UTF-8, UTF-32, UTF-16 in this order; no lenses, no ghost text, no cancelling.
    #[must_use]
    pub fn helix() -> Self {
        let mut profile = Self {
            name: "helix",
            version: "25.07.1",
            cancels: false,
            capabilities: base(&["utf-8", "utf-32", "utf-16"]),
        };
        let changes = json!({ "documentChanges": true, "failureHandling": "abort",
            "resourceOperations": ["create", "rename", "delete"] });
        profile.set("/workspace/workspaceEdit", changes);
        profile.set("/workspace/didChangeWatchedFiles", json!({ "dynamicRegistration": true }));
        profile.set("/textDocument/diagnostic", json!({ "dynamicRegistration": false }));
        profile
    }

    /// All profiles, for tests that must hold in every editor.
    #[must_use]
    pub fn all() -> [Self; 3] {
        [Self::vscode(), Self::neovim(), Self::helix()]
    }

    /// This profile with the capability at the JSON pointer `pointer` (such as `/window/showDocument`) set to
    /// `value`. `null` takes the capability away.
    ///
    /// # Panics
    ///
    /// When `pointer` does not begin with `/`.
    #[must_use]
    #[track_caller]
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        self.set(pointer, value);
        self
    }

    /// The parameters of `initialize` for the one workspace folder `root_uri`.
    #[must_use]
    pub fn initialize_params(&self, root_uri: &str) -> Value {
        let name = root_uri.rsplit('/').next().unwrap_or(root_uri);
        json!({
            "processId": std::process::id(),
            "clientInfo": { "name": self.name, "version": self.version },
            "locale": "en",
            "rootUri": root_uri,
            "workspaceFolders": [{ "uri": root_uri, "name": name }],
            "capabilities": self.capabilities,
        })
    }

    #[track_caller]
    fn set(&mut self, pointer: &str, value: Value) {
        let path = pointer.strip_prefix('/').expect("a JSON pointer begins with a slash");
        let mut at = &mut self.capabilities;
        let (folders, last) = path.rsplit_once('/').map_or(("", path), |(folders, last)| (folders, last));
        for key in folders.split('/').filter(|key| !key.is_empty()) {
            at = &mut at[key];
        }
        if !value.is_null() {
            at[last] = value;
        } else if let Some(object) = at.as_object_mut() {
            object.remove(last);
        }
    }
}

/// What all three declare.
fn base(encodings: &[&str]) -> Value {
    let kinds = ["", "quickfix", "refactor", "refactor.extract", "refactor.inline", "refactor.rewrite", "source"];
    json!({
        "general": { "positionEncodings": encodings },
        "workspace": {
            "applyEdit": true,
            "configuration": true,
            "didChangeConfiguration": { "dynamicRegistration": true },
            "executeCommand": { "dynamicRegistration": true },
            "workspaceFolders": true,
        },
        "textDocument": {
            "synchronization": { "didSave": true, "dynamicRegistration": false },
            "codeAction": {
                "codeActionLiteralSupport": { "codeActionKind": { "valueSet": kinds } },
                "dataSupport": true,
                "isPreferredSupport": true,
                "resolveSupport": { "properties": ["edit", "command"] },
            },
            "completion": { "completionItem": { "snippetSupport": true, "documentationFormat": ["markdown"] } },
            "hover": { "contentFormat": ["markdown", "plaintext"] },
            "inlayHint": { "dynamicRegistration": true },
            "publishDiagnostics": { "versionSupport": true, "relatedInformation": true },
        },
        "window": {
            "showDocument": { "support": true },
            "showMessage": { "messageActionItem": { "additionalPropertiesSupport": true } },
            "workDoneProgress": true,
        },
    })
}

fn semantic_tokens() -> Value {
    json!({ "formats": ["relative"], "requests": { "full": true, "range": true }, "tokenModifiers": [], "tokenTypes": [] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_declare_what_the_editors_do() {
        let encodings = Profile::all().map(|p| p.capabilities["general"]["positionEncodings"].clone());
        assert_eq!(
            encodings,
            [json!(["utf-16"]), json!(["utf-8", "utf-16", "utf-32"]), json!(["utf-8", "utf-32", "utf-16"])]
        );
        let lenses = Profile::all().map(|p| p.capabilities.pointer("/textDocument/codeLens").is_some());
        assert_eq!(lenses, [true, true, false]);
        let changes = "/workspace/workspaceEdit/documentChanges";
        let declared = Profile::all().map(|p| p.capabilities.pointer(changes).is_some());
        assert_eq!(declared, [true, false, true]);
    }

    #[test]
    fn a_profile_can_be_changed() {
        let profile = Profile::helix().with("/window/showDocument", Value::Null).with("/new/deep/one", json!(1));
        assert!(profile.capabilities.pointer("/window/showDocument").is_none());
        assert_eq!(profile.capabilities.pointer("/new/deep/one"), Some(&json!(1)));
        let params = profile.initialize_params("file:///a/b");
        assert_eq!(
            (&params["clientInfo"]["name"], &params["workspaceFolders"][0]["name"]),
            (&json!("helix"), &json!("b"))
        );
    }
}
