//! The menu of code actions at a place: bare commands, made from the request alone.
//!
//! Refuses: model work, disk and index. The menu is a pure function, so it opens at once while models are busy.

use engine::EditAction;
use serde_json::{Value, json};
use tower_lsp::gen_lsp_types::{
    CodeAction, CodeActionKind, CodeActionParams, CodeActionResponse, Command, Diagnostic, Message,
};

use crate::arguments::Feature;
use crate::documents::range_of;

/// Diagnostics that get an entry of their own; further ones are left out.
const FIXES_MAX: usize = 8;

/// Longest part of a diagnostic's message shown in a title, in characters.
const TITLE_CHARS_MAX: usize = 60;

/// The kinds the menu can hold, as `initialize` declares them.
pub(crate) fn kinds() -> Vec<CodeActionKind> {
    vec![CodeActionKind::QuickFix, CodeActionKind::Refactor, CodeActionKind::RefactorRewrite]
}

/// The entries for a place. `running` jobs add one that cancels them; `literals` says whether the client takes more
/// than commands.
pub(crate) fn menu(params: &CodeActionParams, running: usize, literals: bool) -> Vec<CodeActionResponse> {
    let mut entries = Vec::new();
    for diagnostic in params.context.diagnostics.iter().take(FIXES_MAX) {
        entries.push(fix(params, diagnostic));
    }
    let place = json!({ "uri": params.text_document.uri.0, "range": params.range });
    let selected = !range_of(&params.range).is_empty();
    for feature in Feature::ALL {
        let fixed_above =
            feature == Feature::Edit(EditAction::Fix) && !params.context.diagnostics.is_empty() && !selected;
        if !fixed_above {
            entries.push(entry(feature, selected, place.clone()));
        }
    }
    if running > 0 {
        let title =
            if running == 1 { "Cancel the running job".into() } else { format!("Cancel {running} running jobs") };
        entries.push(action(format!("Familiar: {title}"), None, "familiar.cancel", Vec::new()));
    }
    if let Some(only) = &params.context.only {
        entries.retain(|entry| only.iter().any(|wanted| is_kind(entry.kind.as_ref(), wanted)));
    }
    entries.into_iter().map(|entry| response(entry, literals)).collect()
}

fn fix(params: &CodeActionParams, diagnostic: &Diagnostic) -> CodeAction {
    let message = match &diagnostic.message {
        Message::String(text) => text,
        Message::MarkupContent(content) => &content.value,
    };
    // A diagnostic often marks one word; what was selected says better how much may change.
    let range = if range_of(&params.range).is_empty() { &diagnostic.range } else { &params.range };
    let place = json!({
        "uri": params.text_document.uri.0,
        "range": range,
        "instruction": format!("Fix this: {message}"),
    });
    let title = format!("Familiar: Fix: {}", shortened(message));
    let feature = Feature::Edit(EditAction::Fix);
    let mut fix = action(title, Some(CodeActionKind::QuickFix), feature.command(), vec![place]);
    fix.diagnostics = Some(vec![diagnostic.clone()]);
    fix
}

fn entry(feature: Feature, selected: bool, place: Value) -> CodeAction {
    let what = if selected { "selection" } else { "symbol" };
    let (title, kind) = match feature {
        Feature::Explain => (format!("Explain {what}"), CodeActionKind::Refactor),
        Feature::Edit(EditAction::Fix) => (format!("Fix {what}"), CodeActionKind::RefactorRewrite),
        Feature::Edit(EditAction::Document) => (format!("Document {what}"), CodeActionKind::RefactorRewrite),
        Feature::Edit(EditAction::Tests) => (format!("Write tests for {what}"), CodeActionKind::Refactor),
        Feature::Edit(EditAction::Optimise) => (format!("Optimise {what}"), CodeActionKind::RefactorRewrite),
        Feature::Edit(EditAction::Edit) => {
            (format!("Edit {what} with an instruction"), CodeActionKind::RefactorRewrite)
        }
    };
    action(format!("Familiar: {title}"), Some(kind), feature.command(), vec![place])
}

fn action(title: String, kind: Option<CodeActionKind>, command: &str, arguments: Vec<Value>) -> CodeAction {
    let command = Command {
        title: title.clone(),
        command: command.to_owned(),
        arguments: Some(arguments),
        ..Command::default()
    };
    CodeAction { title, kind, command: Some(command), ..CodeAction::default() }
}

fn response(entry: CodeAction, literals: bool) -> CodeActionResponse {
    match entry.command {
        Some(command) if !literals => CodeActionResponse::Command(command),
        _ => CodeActionResponse::CodeAction(entry),
    }
}

/// Whether `kind` is `wanted` or below it: `refactor` asks for `refactor.rewrite` too.
fn is_kind(kind: Option<&CodeActionKind>, wanted: &CodeActionKind) -> bool {
    let name =
        |kind: &CodeActionKind| serde_json::to_value(kind).ok().and_then(|name| name.as_str().map(str::to_owned));
    let Some(wanted) = name(wanted) else {
        return false;
    };
    let kind = kind.and_then(name).unwrap_or_default();
    wanted.is_empty() || kind == wanted || kind.strip_prefix(&wanted).is_some_and(|rest| rest.starts_with('.'))
}

fn shortened(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default().trim();
    match line.char_indices().nth(TITLE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Titles of the menu, with the kind where there is one.
    fn check(context: Value, end: u32, running: usize, expected: &[&str]) {
        let params = json!({
            "textDocument": { "uri": "file:///a.py" },
            "range": { "start": { "line": 0, "character": 0 }, "end": { "line": end, "character": 0 } },
            "context": context,
        });
        let params = serde_json::from_value(params).expect("the parameters are complete");
        let menu = serde_json::to_value(menu(&params, running, true)).expect("a menu is JSON");
        let entries: Vec<String> = menu
            .as_array()
            .expect("a menu is a list")
            .iter()
            .map(|entry| {
                assert!(entry["command"]["command"].as_str().is_some_and(|name| name.starts_with("familiar.")));
                assert_eq!(entry["edit"], Value::Null);
                let title = entry["title"].as_str().expect("an entry has a title");
                format!("{} [{}]", title.trim_start_matches("Familiar: "), entry["kind"].as_str().unwrap_or(""))
            })
            .collect();
        assert_eq!(entries, expected);
    }

    #[test]
    fn a_selection_gets_every_feature() {
        check(
            json!({ "diagnostics": [] }),
            1,
            0,
            &[
                "Explain selection [refactor]",
                "Fix selection [refactor.rewrite]",
                "Document selection [refactor.rewrite]",
                "Write tests for selection [refactor]",
                "Optimise selection [refactor.rewrite]",
                "Edit selection with an instruction [refactor.rewrite]",
            ],
        );
    }

    #[test]
    fn a_diagnostic_gets_a_quick_fix() {
        let diagnostic = json!({
            "range": { "start": { "line": 0, "character": 1 }, "end": { "line": 0, "character": 2 } },
            "message": "undefined name\nmore about it",
        });
        let context = json!({ "diagnostics": [diagnostic], "only": ["quickfix"] });
        check(context, 0, 2, &["Fix: undefined name [quickfix]"]);
    }

    #[test]
    fn the_wanted_kinds_are_honoured() {
        check(json!({ "diagnostics": [], "only": ["source"] }), 1, 0, &[]);
        check(
            json!({ "diagnostics": [], "only": ["refactor.rewrite"] }),
            0,
            1,
            &[
                "Fix symbol [refactor.rewrite]",
                "Document symbol [refactor.rewrite]",
                "Optimise symbol [refactor.rewrite]",
                "Edit symbol with an instruction [refactor.rewrite]",
            ],
        );
    }

    #[test]
    fn running_jobs_can_be_cancelled_from_the_menu() {
        check(
            json!({ "diagnostics": [], "only": [""] }),
            0,
            2,
            &[
                "Explain symbol [refactor]",
                "Fix symbol [refactor.rewrite]",
                "Document symbol [refactor.rewrite]",
                "Write tests for symbol [refactor]",
                "Optimise symbol [refactor.rewrite]",
                "Edit symbol with an instruction [refactor.rewrite]",
                "Cancel 2 running jobs []",
            ],
        );
    }
}
