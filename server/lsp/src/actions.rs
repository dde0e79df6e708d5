//! The menu of code actions at a place: bare commands, made from the request alone.
//!
//! Refuses: model work, disk and index. The menu is a pure function, so it opens at once while models are busy.

use engine::EditAction;
use serde_json::{Value, json};
use tower_lsp::gen_lsp_types::{
    CodeAction, CodeActionKind, CodeActionParams, CodeActionResponse, CodeActionTag, Command, Diagnostic, Message,
};

use crate::arguments::Feature;
use crate::client::Client;
use crate::documents::range_of;
use crate::review::marks::SOURCE;

/// Diagnostics that get an entry of their own; further ones are left out.
const FIXES_MAX: usize = 8;

/// Longest part of a diagnostic's message shown in a title, in characters.
const TITLE_CHARS_MAX: usize = 60;

/// The kinds the menu can hold, as `initialize` declares them.
pub(crate) fn kinds() -> Vec<CodeActionKind> {
    vec![CodeActionKind::QuickFix, CodeActionKind::Refactor, CodeActionKind::RefactorRewrite]
}

/// What the menu depends on besides the place.
pub(crate) struct Menu<'a> {
    /// Jobs that run; they add an entry that cancels them.
    pub(crate) running: usize,
    /// What can be done about changes at the place: titles, commands, arguments.
    pub(crate) offers: Vec<(String, &'static str, Value)>,
    /// Whether the document is Markdown, which can hold images.
    pub(crate) holds_images: bool,
    /// Whether the document is that of a proposal, where nothing else makes sense.
    pub(crate) is_proposal: bool,
    /// What the client takes.
    pub(crate) client: &'a Client,
}

/// The entries for a place.
pub(crate) fn menu(params: &CodeActionParams, menu: &Menu<'_>) -> Vec<CodeActionResponse> {
    let ours = |diagnostic: &&Diagnostic| diagnostic.source.as_deref() == Some(SOURCE);
    let foreign: Vec<&Diagnostic> = params.context.diagnostics.iter().filter(|one| !ours(one)).collect();
    // What is bound to the marks at the place is listed where editors list what can be done about them: in Helix on top.
    let marks: Vec<Diagnostic> = params.context.diagnostics.iter().filter(ours).cloned().collect();
    let marks = (!marks.is_empty()).then_some(marks);
    let mut entries = Vec::new();
    if menu.running > 0 {
        let running = menu.running;
        let title =
            if running == 1 { "Cancel the running job".into() } else { format!("Cancel {running} running jobs") };
        // A quick fix, because Helix puts those on top and shows ten entries.
        let kind = Some(CodeActionKind::QuickFix);
        let mut entry = action(format!("Familiar: {title}"), kind, "familiar.cancel", Vec::new());
        entry.diagnostics.clone_from(&marks);
        entries.push(entry);
    }
    for (title, command, arguments) in &menu.offers {
        let kind = Some(CodeActionKind::QuickFix);
        let mut entry = action(format!("Familiar: {title}"), kind, command, vec![arguments.clone()]);
        entry.diagnostics.clone_from(&marks);
        entries.push(entry);
    }
    if !menu.is_proposal {
        entries.extend(
            foreign.iter().take(FIXES_MAX).map(|diagnostic| generated(fix(params, diagnostic), menu.client)),
        );
        let place = json!({ "uri": params.text_document.uri.0, "range": params.range });
        let selected = !range_of(&params.range).is_empty();
        for feature in Feature::ALL {
            let fixed_above = feature == Feature::Edit(EditAction::Fix) && !foreign.is_empty() && !selected;
            // What needs words is offered where the client asks for them.
            let needs_words = feature == Feature::Edit(EditAction::Edit) && !menu.client.asks_for_words;
            let unwanted = match feature {
                Feature::Ask => true,
                // Its words are those that are selected.
                Feature::Image => !menu.holds_images || !selected,
                _ => fixed_above || needs_words,
            };
            if !unwanted {
                entries.push(generated(entry(feature, selected, place.clone()), menu.client));
            }
        }
    }
    if let Some(only) = &params.context.only {
        entries.retain(|entry| only.iter().any(|wanted| is_kind(entry.kind.as_ref(), wanted)));
    }
    entries.into_iter().map(|entry| response(entry, menu.client.takes_code_actions)).collect()
}

/// The same entry, marked as one whose work a model does.
fn generated(mut entry: CodeAction, client: &Client) -> CodeAction {
    entry.tags = client.marks_generated.then(|| vec![CodeActionTag::LLMGenerated]);
    entry
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
        Feature::Explain => (format!("Explain {what}"), "refactor.familiar.explain"),
        Feature::Review => (format!("Review {what}"), "refactor.familiar.review"),
        Feature::Ask => (format!("Ask about {what}"), "refactor.familiar.ask"),
        Feature::Image => (format!("Draw an image of {what}"), "refactor.familiar.image"),
        Feature::Edit(EditAction::Fix) => (format!("Fix {what}"), "refactor.rewrite.familiar.fix"),
        Feature::Edit(EditAction::Document) => (format!("Document {what}"), "refactor.rewrite.familiar.document"),
        Feature::Edit(EditAction::Tests) => (format!("Write tests for {what}"), "refactor.familiar.tests"),
        Feature::Edit(EditAction::Refactor) => (format!("Refactor {what}"), "refactor.rewrite.familiar.refactor"),
        Feature::Edit(EditAction::Optimise) => (format!("Optimise {what}"), "refactor.rewrite.familiar.optimise"),
        Feature::Edit(EditAction::Edit) => {
            (format!("Edit {what} with an instruction"), "refactor.rewrite.familiar.edit")
        }
    };
    // A kind of its own for each, so that users can bind keys to one.
    let kind = CodeActionKind::from(kind.to_owned());
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
        let client =
            Client { takes_code_actions: true, marks_generated: true, asks_for_words: true, ..Client::default() };
        let depends =
            Menu { running, offers: Vec::new(), holds_images: false, is_proposal: false, client: &client };
        let menu = serde_json::to_value(menu(&params, &depends)).expect("a menu is JSON");
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
                "Explain selection [refactor.familiar.explain]",
                "Fix selection [refactor.rewrite.familiar.fix]",
                "Document selection [refactor.rewrite.familiar.document]",
                "Write tests for selection [refactor.familiar.tests]",
                "Refactor selection [refactor.rewrite.familiar.refactor]",
                "Optimise selection [refactor.rewrite.familiar.optimise]",
                "Review selection [refactor.familiar.review]",
                "Edit selection with an instruction [refactor.rewrite.familiar.edit]",
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
        check(context, 0, 0, &["Fix: undefined name [quickfix]"]);
    }

    #[test]
    fn the_wanted_kinds_are_honoured() {
        check(json!({ "diagnostics": [], "only": ["source"] }), 1, 0, &[]);
        check(
            json!({ "diagnostics": [], "only": ["refactor.rewrite"] }),
            0,
            1,
            &[
                "Fix symbol [refactor.rewrite.familiar.fix]",
                "Document symbol [refactor.rewrite.familiar.document]",
                "Refactor symbol [refactor.rewrite.familiar.refactor]",
                "Optimise symbol [refactor.rewrite.familiar.optimise]",
                "Edit symbol with an instruction [refactor.rewrite.familiar.edit]",
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
                "Cancel 2 running jobs [quickfix]",
                "Explain symbol [refactor.familiar.explain]",
                "Fix symbol [refactor.rewrite.familiar.fix]",
                "Document symbol [refactor.rewrite.familiar.document]",
                "Write tests for symbol [refactor.familiar.tests]",
                "Refactor symbol [refactor.rewrite.familiar.refactor]",
                "Optimise symbol [refactor.rewrite.familiar.optimise]",
                "Review symbol [refactor.familiar.review]",
                "Edit symbol with an instruction [refactor.rewrite.familiar.edit]",
            ],
        );
    }
}
