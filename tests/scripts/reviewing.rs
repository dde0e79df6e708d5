//! The steps of a scenario that are about judging changes: marks, menus, undoing, edits of several files.
//!
//! Refuses: believing what the server says of a text; each text is what an editor would have by now.

use kit::lsp::{apply_edit, apply_text_edits};
use serde_json::{Value, json};

use super::{Open, Player, check_value, compare, text_of, uri_path, word_and_values};

impl Player {
    /// Waits until the server marks so many changes of a document. Values after the number are their messages.
    pub(super) async fn marks(&mut self, step: &str, rest: &str) {
        let (path, values) = word_and_values(rest);
        let uri = self.uri(&path);
        let wanted = values[0].as_u64().expect("a number of marks");
        loop {
            let params = self
                .client
                .expect_notification_where("textDocument/publishDiagnostics", |params| params["uri"] == uri)
                .await;
            let marks = params["diagnostics"].as_array().expect("diagnostics are a list").clone();
            assert!(
                marks.iter().all(|mark| mark["severity"] == 3 && mark["source"] == "familiar"),
                "{step}: {params}"
            );
            let fits = |(mark, message): (&Value, &Value)| compare(message, &mark["message"]).is_ok();
            if marks.len() as u64 == wanted && marks.iter().zip(&values[1..]).all(fits) {
                self.marks.insert(uri, marks);
                return;
            }
        }
    }

    /// Chooses an entry of the menu at the first place of a text: the line it stands on.
    pub(super) async fn choose(&mut self, step: &str, rest: &str) {
        let menu = self.menu(rest).await;
        let title = word_and_values(rest).1[1].clone();
        let entry = menu.iter().find(|entry| compare(&title, &entry["title"]).is_ok());
        let titles = || menu.iter().map(|entry| entry["title"].as_str().unwrap_or_default()).collect::<Vec<_>>();
        let entry = entry.unwrap_or_else(|| panic!("{step}: the menu has only {:#?}", titles()));
        let params = json!({ "command": entry["command"]["command"], "arguments": entry["command"]["arguments"] });
        let answer = self.client.request("workspace/executeCommand", params).await;
        assert_eq!(answer, Ok(Value::Null), "{step}");
    }

    /// The titles of the menu at a text begin with these, in this order.
    pub(super) async fn offers(&mut self, step: &str, rest: &str) {
        let menu = self.menu(rest).await;
        let titles: Vec<Value> = menu.iter().map(|entry| entry["title"].clone()).collect();
        let wanted = &word_and_values(rest).1[1..];
        assert!(titles.len() >= wanted.len(), "{step}: {titles:#?}");
        wanted.iter().zip(&titles).for_each(|(wanted, title)| check_value(step, wanted, title));
    }

    async fn menu(&mut self, rest: &str) -> Vec<Value> {
        let (path, values) = word_and_values(rest);
        let uri = self.uri(&path);
        let text = &self.open[&path].text;
        let at = text.find(text_of(&values[0])).unwrap_or_else(|| panic!("{path} holds no {}", values[0]));
        let line = text[..at].matches('\n').count() as u64;
        let place = json!({ "line": line, "character": 0 });
        let here = |mark: &&Value| {
            let line_of = |edge: &str| mark["range"][edge]["line"].as_u64();
            line_of("start") <= Some(line) && Some(line) <= line_of("end")
        };
        let diagnostics: Vec<&Value> = self.marks.get(&uri).into_iter().flatten().filter(here).collect();
        let params = json!({
            "textDocument": { "uri": uri },
            "range": { "start": place, "end": place },
            "context": { "diagnostics": diagnostics },
        });
        let menu = self.client.request("textDocument/codeAction", params).await.expect("the menu opens");
        menu.as_array().expect("a menu is a list").clone()
    }

    /// The editor takes its last applied edit back, in one step, and reports it as one change from the first to the last
    /// character that differs.
    pub(super) async fn undo(&mut self, path: &str) {
        let open = &self.open[path];
        let before = open.before.clone().expect("an edit was applied");
        let text = &open.text;
        let same = |a: char, b: char| a == b;
        let start: usize =
            text.chars().zip(before.chars()).take_while(|(a, b)| same(*a, *b)).map(|(a, _)| a.len_utf8()).sum();
        let back = text[start..].chars().rev().zip(before[start..].chars().rev());
        let end: usize = back.take_while(|(a, b)| same(*a, *b)).map(|(a, _)| a.len_utf8()).sum();
        let (old, new) = (text[start..text.len() - end].to_owned(), before[start..before.len() - end].to_owned());
        let marked = format!("{}$0{old}$0{}", &text[..start], &text[text.len() - end..]);
        let range = kit::Fixture::parse(&format!("//- /f\n{marked}")).mark().range(self.encoding);
        self.change(path, json!([{ "range": range, "newText": new }])).await;
        assert_eq!(self.open[path].text, before);
    }

    /// Opens the document that was shown last, as an editor does.
    pub(super) async fn open_shown(&mut self) {
        let (uri, text) = (self.shown_uri.clone(), self.shown.clone());
        let document = json!({ "uri": uri, "languageId": "diff", "version": 1, "text": text });
        self.client.notify("textDocument/didOpen", json!({ "textDocument": document })).await;
        self.open.insert("shown".into(), Open { text, version: 1, before: None });
    }

    /// Applies the operations of an edit in order, opening files that are not open.
    pub(super) async fn apply_all(&mut self, step: &str, edit: &Value) {
        for operation in edit["documentChanges"].as_array().expect("an edit has documentChanges") {
            let path_of = |key: &str| uri_path(operation[key].as_str().expect("an operation names a file"));
            match operation["kind"].as_str() {
                None => self.apply_one(step, operation, edit).await,
                Some("create") => {
                    let path = path_of("uri");
                    assert!(!path.exists(), "{step}: nothing is overwritten");
                    std::fs::write(path, "").expect("the file can be made");
                }
                Some("rename") => {
                    std::fs::rename(path_of("oldUri"), path_of("newUri")).expect("it can be renamed")
                }
                Some("delete") => std::fs::remove_file(path_of("uri")).expect("it can be deleted"),
                Some(other) => panic!("{step}: {other} is no operation"),
            }
        }
    }

    async fn apply_one(&mut self, step: &str, operation: &Value, edit: &Value) {
        let uri = operation["textDocument"]["uri"].as_str().expect("an edit names its document").to_owned();
        let known = self.open.keys().find(|path| self.uri(path) == uri).cloned();
        let path = match known {
            Some(path) => path,
            None => {
                let file = uri_path(&uri);
                let mut text = std::fs::read_to_string(&file).expect("the file can be read");
                if text.is_empty() && self.ends_empty_files {
                    text.push('\n');
                }
                let path = file.strip_prefix(self.workspace.root()).expect("it lies in the folder");
                let path = path.to_string_lossy().into_owned();
                let document = json!({ "uri": uri, "languageId": "python", "version": 1, "text": text });
                self.client.notify("textDocument/didOpen", json!({ "textDocument": document })).await;
                self.open.insert(path.clone(), Open { text, version: 1, before: None });
                path
            }
        };
        let open = self.open.get_mut(&path).expect("it is open");
        let alone = json!({ "documentChanges": [operation] });
        let after = apply_edit(&open.text, &uri, Some(open.version), &alone, self.encoding);
        assert_eq!(after, apply_text_edits(&open.text, &operation["edits"], self.encoding), "{step}: {edit}");
        assert_ne!(after, open.text, "{step}: the edit changes something");
        open.before = Some(open.text.clone());
        self.change(&path, operation["edits"].clone()).await;
    }
}
