//! Who the client is and what it can do.
//!
//! Refuses: believing every declaration. What an editor does and does not declare is known by its name here, so that
//! no other module asks for a name.

use text::PositionEncoding;
use tower_lsp::gen_lsp_types::{InitializeParams, PositionEncodingKind};

/// The editors whose habits differ in what matters to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Editor {
    /// VS Code and what is built from it.
    VsCode,
    /// Neovim.
    Neovim,
    /// Helix.
    Helix,
    /// Any other client; the declarations alone count.
    #[default]
    Other,
}

/// Where a client shows words of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// A message, or a question, to the user.
    Message,
    /// How far a job is.
    Progress,
}

/// What the client can do, fixed by `initialize`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    /// Which editor it is.
    pub(crate) editor: Editor,
    /// How it counts columns.
    pub(crate) encoding: PositionEncoding,
    /// Whether we may begin progress of our own.
    pub(crate) shows_progress: bool,
    /// Whether it opens documents for us.
    pub(crate) shows_documents: bool,
    /// Whether it applies edits for us.
    pub(crate) applies_edits: bool,
    /// Whether it takes code actions with a kind, or only bare commands.
    pub(crate) takes_code_actions: bool,
    /// Whether it marks what a model makes.
    pub(crate) marks_generated: bool,
    /// Whether what goes wrong with a command is only in its log.
    pub(crate) hides_errors: bool,
    /// Where it puts the server's name before what the server says, so that we do not.
    pub(crate) names_us: &'static [Surface],
    /// Whether a message is cut at the end of one line.
    pub(crate) cuts_messages: bool,
    /// Whether it asks the user for the words of an edit that comes without.
    pub(crate) asks_for_words: bool,
    /// Whether a text put into an empty file gets a line break behind it.
    pub(crate) ends_new_files: bool,
    /// Whether edits that say nothing of it are asked about first in it; `None` leaves that to the configuration.
    pub(crate) asks_first: Option<bool>,
    /// Whether it draws waiting changes itself, from `familiar/review`.
    pub(crate) draws_reviews: bool,
    /// Whether it draws what is being written, from `familiar/preview`.
    pub(crate) draws_previews: bool,
    /// Whether functions get lenses in it; `None` leaves that to the configuration.
    pub(crate) wants_function_lenses: Option<bool>,
    /// Whether it shows code lenses, and asks for them again when it is told to.
    pub(crate) refreshes_lenses: bool,
    /// Whether it asks the user about each part of an edit that says so. Neovim asks about all at once and then says that
    /// it applied what it did not, and Helix applies without asking.
    pub(crate) lets_choose: bool,
    /// Whether it creates, renames and deletes files for us.
    pub(crate) makes_files: bool,
    /// Whether it takes the symbols of a document as a tree, or only as a list.
    pub(crate) takes_symbol_trees: bool,
}

impl Client {
    /// Reads what the client declares.
    pub(crate) fn new(params: &InitializeParams) -> Self {
        let capabilities = &params.capabilities;
        let window = capabilities.window.as_ref();
        let workspace = capabilities.workspace.as_ref();
        let document = capabilities.text_document.as_ref();
        let symbols = document.and_then(|document| document.document_symbol.as_ref());
        let code_action = document.and_then(|document| document.code_action.as_ref());
        let own = &params.initialization_options.clone().unwrap_or_default()["client"];
        let lenses = workspace.and_then(|workspace| workspace.code_lens.as_ref());
        let edits = workspace.and_then(|workspace| workspace.workspace_edit.as_ref());
        let operations = edits.and_then(|edits| edits.resource_operations.as_ref());
        let editor = editor(params.client_info.as_ref().map_or("", |info| info.name.as_str()));
        let annotates = edits.is_some_and(|edits| edits.change_annotation_support.is_some());
        Self {
            editor,
            lets_choose: annotates && editor == Editor::VsCode,
            encoding: encoding(params),
            shows_progress: window.and_then(|window| window.work_done_progress).unwrap_or(false),
            shows_documents: window
                .and_then(|window| window.show_document.as_ref())
                .is_some_and(|show| show.support),
            applies_edits: workspace.and_then(|workspace| workspace.apply_edit).unwrap_or(false),
            marks_generated: code_action.is_some_and(|action| action.tag_support.is_some()),
            hides_errors: editor == Editor::Helix,
            names_us: match editor {
                Editor::Helix => &[Surface::Message, Surface::Progress],
                Editor::Neovim => &[Surface::Message],
                Editor::VsCode | Editor::Other => &[],
            },
            cuts_messages: editor == Editor::Helix,
            asks_for_words: own["prompt"] == true,
            ends_new_files: editor == Editor::Neovim,
            asks_first: match own["edits"].as_str() {
                Some("ask") => Some(true),
                Some("apply") => Some(false),
                _ => None,
            },
            draws_reviews: own["review"] == true,
            draws_previews: own["preview"] == true,
            wants_function_lenses: own["functionLenses"].as_bool(),
            refreshes_lenses: lenses.and_then(|lenses| lenses.refresh_support).unwrap_or(false),
            makes_files: operations.is_some_and(|operations| operations.len() >= 3),
            takes_symbol_trees: symbols
                .and_then(|symbols| symbols.hierarchical_document_symbol_support)
                .unwrap_or(false),
            takes_code_actions: code_action.is_some_and(|action| action.code_action_literal_support.is_some()),
        }
    }

    /// The encoding as `initialize` answers it.
    pub(crate) fn encoding_kind(&self) -> PositionEncodingKind {
        match self.encoding {
            PositionEncoding::Utf8 => PositionEncodingKind::UTF8,
            PositionEncoding::Utf16 => PositionEncodingKind::UTF16,
            PositionEncoding::Utf32 => PositionEncodingKind::UTF32,
        }
    }

    /// Words with our name in front, unless the client itself says whose they are where it shows them.
    pub(crate) fn signed(&self, surface: Surface, words: &str) -> String {
        if self.names_us.contains(&surface) { words.to_owned() } else { format!("Familiar: {words}") }
    }

    /// How the user gives an instruction in this editor.
    pub(crate) fn how_to_instruct(&self) -> &'static str {
        match self.editor {
            Editor::VsCode => "Run \"Familiar: Edit\" from the command palette, which asks for the instruction.",
            Editor::Neovim => {
                "Send the command with one, for example: client:exec_cmd({ command = \"familiar.edit\", arguments = \
                 {{ uri = vim.uri_from_bufnr(0), range = range, instruction = \"make it async\" }} })."
            }
            Editor::Helix => {
                "Type :lsp-workspace-command familiar.edit 10 20 \"/absolute/path\" \"make it async\" with the first \
                 and the last line."
            }
            Editor::Other => "Send {\"uri\", \"range\", \"instruction\"} as the argument of familiar.edit.",
        }
    }
}

fn editor(name: &str) -> Editor {
    let name = name.to_lowercase();
    if name.contains("visual studio code") || name.contains("vscode") || name.contains("code-server") {
        Editor::VsCode
    } else if name.contains("neovim") {
        Editor::Neovim
    } else if name.contains("helix") {
        Editor::Helix
    } else {
        Editor::Other
    }
}

/// The first of UTF-8 and UTF-32 the client lists, both cheaper for us, else the UTF-16 everybody speaks.
fn encoding(params: &InitializeParams) -> PositionEncoding {
    let listed = params.capabilities.general.as_ref().and_then(|general| general.position_encodings.as_deref());
    let cheap = |kind: &PositionEncodingKind| match kind {
        PositionEncodingKind::UTF8 => Some(PositionEncoding::Utf8),
        PositionEncodingKind::UTF32 => Some(PositionEncoding::Utf32),
        PositionEncodingKind::UTF16 | PositionEncodingKind::Custom(_) => None,
    };
    listed.unwrap_or_default().iter().find_map(cheap).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_encoding_is_negotiated() {
        let check = |listed: &[&str], expected: PositionEncoding| {
            let params = json!({ "capabilities": { "general": { "positionEncodings": listed } } });
            let params = serde_json::from_value(params).expect("the parameters are complete");
            assert_eq!(Client::new(&params).encoding, expected, "{listed:?}");
        };
        check(&[], PositionEncoding::Utf16);
        check(&["utf-16"], PositionEncoding::Utf16);
        check(&["utf-8", "utf-16", "utf-32"], PositionEncoding::Utf8);
        check(&["utf-32", "utf-8"], PositionEncoding::Utf32);
        check(&["utf-16", "utf-8"], PositionEncoding::Utf8);
        check(&["utf-7"], PositionEncoding::Utf16);
    }

    #[test]
    fn our_name_is_said_once() {
        let check = |name: &str, message: &str, progress: &str| {
            let params = json!({ "clientInfo": { "name": name }, "capabilities": {} });
            let client = Client::new(&serde_json::from_value(params).expect("the parameters are complete"));
            let signed = [Surface::Message, Surface::Progress].map(|surface| client.signed(surface, "Edit a.py"));
            assert_eq!(signed, [message, progress], "{name}");
        };
        check("helix", "Edit a.py", "Edit a.py");
        check("Neovim", "Edit a.py", "Familiar: Edit a.py");
        check("Visual Studio Code", "Familiar: Edit a.py", "Familiar: Edit a.py");
        check("emacs", "Familiar: Edit a.py", "Familiar: Edit a.py");
    }

    #[test]
    fn editors_are_known_by_name() {
        for (name, expected) in [
            ("Visual Studio Code", Editor::VsCode),
            ("code-server", Editor::VsCode),
            ("Neovim", Editor::Neovim),
            ("helix", Editor::Helix),
            ("emacs", Editor::Other),
        ] {
            assert_eq!(editor(name), expected, "{name}");
        }
    }
}
