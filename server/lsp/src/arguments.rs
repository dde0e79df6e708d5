//! The commands and their arguments, in the two forms clients can send.
//!
//! Refuses: half-understood arguments. Whatever does not fit is an error that says what would.

use std::path::PathBuf;

use engine::EditAction;
use serde::Deserialize;
use serde_json::Value;
use text::Range;
use tower_lsp::gen_lsp_types::Range as LspRange;

use crate::documents::range_of;
use tower_lsp::gen_lsp_types::Position as LspPosition;

/// Longest instruction accepted, in bytes.
const INSTRUCTION_BYTES_MAX: usize = 16 * 1024;

/// The two forms, for error messages.
const FORMS: &str = "Send one object {\"uri\", \"range\", \"instruction\"?}, or start_line end_line path \
                     instruction? reach? with lines counted from 1";

/// What a user can ask for at a place in the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    /// Tell what the code does.
    Explain,
    /// Tell what is wrong with it.
    Review,
    /// Answer the user's own question about it.
    Ask,
    /// Draw an image and name it in the document.
    Image,
    /// Change the code.
    Edit(EditAction),
}

/// A command of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandName {
    /// Work at a place.
    Feature(Feature),
    /// Something about changes that were made.
    Changes(ChangesCommand),
    /// End running work.
    Cancel,
    /// Say how things stand.
    Status,
}

/// What can be done about changes of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangesCommand {
    /// Keep them for good.
    Keep,
    /// Take out of the text what waits in it.
    Revert,
    /// Ask for another version of the edit.
    Retry,
    /// Show another version that there is.
    Alternative,
    /// Go on from the edit.
    FollowUp,
    /// Tell what was edited in a file.
    History,
    /// Open the document of a proposal.
    ShowProposal,
    /// Take changes of a proposal over.
    Accept,
    /// Say that they are not wanted.
    Reject,
    /// Take out of the files what was accepted.
    TakeBack,
    /// Do what a comment asks for.
    Comment,
}

/// Which changes a command is about, and the user's own words.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReviewArguments {
    /// The document.
    pub(crate) uri: Option<String>,
    /// A place in it: its line counts.
    pub(crate) position: Option<LspPosition>,
    /// The proposal.
    pub(crate) proposal: Option<String>,
    /// The file of the proposal.
    pub(crate) file: Option<usize>,
    /// The change of that file.
    pub(crate) change: Option<usize>,
    /// How many versions further.
    pub(crate) step: Option<i64>,
    /// What the user wrote.
    pub(crate) instruction: Option<String>,
}

/// Where work is wanted, and the user's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The file or document.
    pub(crate) place: Place,
    /// The part of it.
    pub(crate) part: Part,
    /// What the user wrote.
    pub(crate) instruction: Option<String>,
    /// Whether the edit is asked about before it is sent, when the command says so.
    pub(crate) asks_first: Option<bool>,
    /// Whether it may change other files.
    pub(crate) several_files: bool,
}

/// How a document is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// By the editor's URI.
    Uri(String),
    /// By an absolute path.
    Path(PathBuf),
}

/// A part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// From position to position in the client's columns; an empty one means the symbol around it.
    Range(Range),
    /// Whole lines, from 1 and inclusive.
    Lines(u32, u32),
}

impl Feature {
    /// All features, in the order of the menu.
    pub(crate) const ALL: [Self; 10] = [
        Self::Explain,
        Self::Edit(EditAction::Fix),
        Self::Edit(EditAction::Document),
        Self::Edit(EditAction::Tests),
        Self::Edit(EditAction::Refactor),
        Self::Edit(EditAction::Optimise),
        Self::Review,
        Self::Edit(EditAction::Edit),
        Self::Image,
        Self::Ask,
    ];

    /// The command that starts it.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::Explain => "familiar.explain",
            Self::Review => "familiar.review",
            Self::Ask => "familiar.ask",
            Self::Image => "familiar.image",
            Self::Edit(EditAction::Fix) => "familiar.fix",
            Self::Edit(EditAction::Document) => "familiar.document",
            Self::Edit(EditAction::Tests) => "familiar.tests",
            Self::Edit(EditAction::Refactor) => "familiar.refactor",
            Self::Edit(EditAction::Optimise) => "familiar.optimise",
            Self::Edit(EditAction::Edit) => "familiar.edit",
        }
    }

    /// What it does, for progress and messages.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Explain => "Explain",
            Self::Review => "Review",
            Self::Ask => "Ask about",
            Self::Image => "Draw into",
            Self::Edit(EditAction::Fix) => "Fix",
            Self::Edit(EditAction::Document) => "Document",
            Self::Edit(EditAction::Tests) => "Write tests for",
            Self::Edit(EditAction::Refactor) => "Refactor",
            Self::Edit(EditAction::Optimise) => "Optimise",
            Self::Edit(EditAction::Edit) => "Edit",
        }
    }
}

impl CommandName {
    /// The command called `name`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "familiar.cancel" => Some(Self::Cancel),
            "familiar.status" => Some(Self::Status),
            _ => {
                let changes = ChangesCommand::ALL.into_iter().find(|(known, _)| *known == name);
                let feature = || Feature::ALL.into_iter().find(|feature| feature.command() == name);
                changes.map(|(_, command)| Self::Changes(command)).or_else(|| feature().map(Self::Feature))
            }
        }
    }

    /// The names of all commands.
    pub(crate) fn all() -> Vec<String> {
        let features = Feature::ALL.into_iter().map(Feature::command);
        let changes = ChangesCommand::ALL.into_iter().map(|(name, _)| name);
        features.chain(changes).chain(["familiar.cancel", "familiar.status"]).map(str::to_owned).collect()
    }
}

impl ChangesCommand {
    /// All of them by name.
    const ALL: [(&'static str, Self); 11] = [
        ("familiar.keep", Self::Keep),
        ("familiar.revert", Self::Revert),
        ("familiar.retry", Self::Retry),
        ("familiar.alternative", Self::Alternative),
        ("familiar.followUp", Self::FollowUp),
        ("familiar.history", Self::History),
        ("familiar.showProposal", Self::ShowProposal),
        ("familiar.accept", Self::Accept),
        ("familiar.reject", Self::Reject),
        ("familiar.takeBack", Self::TakeBack),
        ("familiar.comment", Self::Comment),
    ];
}

impl ReviewArguments {
    /// Reads the arguments of a command about changes: one object, or nothing for all that waits.
    ///
    /// # Errors
    /// A sentence for the user.
    pub(crate) fn parse(arguments: &[Value]) -> Result<Self, String> {
        const FORM: &str = "Send one object {\"uri\"?, \"position\"?, \"proposal\"?, \"file\"?, \"change\"?}";
        let read = match arguments {
            [] | [Value::Null] => return Ok(Self::default()),
            [object @ Value::Object(_)] => Self::deserialize(object),
            _ => return Err(format!("{} arguments make no sense here. {FORM}.", arguments.len())),
        };
        let read = read.map_err(|error| format!("The argument is wrong: {error}. {FORM}."))?;
        checked(&read.instruction)?;
        Ok(Self { instruction: words(read.instruction), ..read })
    }
}

impl Target {
    /// Reads the arguments of a feature's command.
    ///
    /// # Errors
    /// A sentence for the user when they have neither form.
    pub(crate) fn parse(arguments: &[Value]) -> Result<Self, String> {
        let target = match arguments {
            [] => return Err(format!("The command needs arguments. {FORMS}.")),
            [object @ Value::Object(_)] => from_object(object)?,
            positional => from_lines(positional)?,
        };
        checked(&target.instruction)?;
        Ok(target)
    }
}

fn checked(instruction: &Option<String>) -> Result<(), String> {
    match instruction {
        Some(words) if words.len() > INSTRUCTION_BYTES_MAX => {
            Err(format!("The instruction has {} bytes; at most {INSTRUCTION_BYTES_MAX} are read.", words.len()))
        }
        _ => Ok(()),
    }
}

/// Which job `familiar.cancel` means: the one with this progress token, or all when there is none.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn cancel_target(arguments: &[Value]) -> Result<Option<String>, String> {
    match arguments {
        [] | [Value::Null] => Ok(None),
        [Value::String(token)] => Ok(Some(token.clone())),
        [Value::Number(token)] => Ok(Some(token.to_string())),
        _ => Err("familiar.cancel takes no argument, or one progress token.".to_owned()),
    }
}

fn from_object(object: &Value) -> Result<Target, String> {
    #[derive(Deserialize)]
    struct Fields {
        uri: String,
        range: LspRange,
        instruction: Option<String>,
        review: Option<String>,
        reach: Option<String>,
    }
    let fields =
        Fields::deserialize(object).map_err(|error| format!("The argument is wrong: {error}. {FORMS}."))?;
    if fields.uri.trim().is_empty() {
        return Err(format!("The uri is empty. {FORMS}."));
    }
    let asks_first = match fields.review.as_deref() {
        None => None,
        Some("ask") => Some(true),
        Some("apply") => Some(false),
        Some(other) => return Err(format!("review is \"ask\" or \"apply\", not {other:?}. {FORMS}.")),
    };
    let several_files = reaches_further(fields.reach.as_deref())?;
    Ok(Target {
        place: Place::Uri(fields.uri),
        part: Part::Range(range_of(&fields.range)),
        instruction: words(fields.instruction),
        asks_first,
        several_files,
    })
}

fn from_lines(arguments: &[Value]) -> Result<Target, String> {
    let (first, last, path, instruction, reach) = match arguments {
        [first, last, path] => (first, last, path, None, None),
        [first, last, path, instruction] => (first, last, path, Some(instruction), None),
        [first, last, path, instruction, reach] => (first, last, path, Some(instruction), reach.as_str()),
        _ => return Err(format!("{} arguments make no sense here. {FORMS}.", arguments.len())),
    };
    let (first, last) = (line(first, "start_line")?, line(last, "end_line")?);
    let path = path.as_str().ok_or_else(|| format!("path is not a text. {FORMS}."))?;
    let path = PathBuf::from(path);
    if !path.is_absolute() {
        return Err(format!("The path {} is not absolute. {FORMS}.", path.display()));
    }
    let instruction = match instruction {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => words(Some(text.clone())),
        Some(_) => return Err(format!("instruction is not a text. {FORMS}.")),
    };
    let part = Part::Lines(first.min(last), first.max(last));
    let several_files = reaches_further(reach)?;
    Ok(Target { place: Place::Path(path), part, instruction, asks_first: None, several_files })
}

/// Whether an edit may change other files than its own.
fn reaches_further(reach: Option<&str>) -> Result<bool, String> {
    match reach {
        None | Some("document") => Ok(false),
        Some("workspace") => Ok(true),
        Some(other) => Err(format!("reach is \"document\" or \"workspace\", not {other:?}. {FORMS}.")),
    }
}

/// A line number; some clients send numbers as text.
fn line(value: &Value, name: &str) -> Result<u32, String> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_u64().and_then(|number| u32::try_from(number).ok()),
    };
    number.filter(|number| *number > 0).ok_or_else(|| format!("{name} is not a line number from 1. {FORMS}."))
}

fn words(instruction: Option<String>) -> Option<String> {
    instruction.map(|words| words.trim().to_owned()).filter(|words| !words.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use text::Position;

    use super::*;

    fn parse(arguments: Value) -> Result<Target, String> {
        Target::parse(arguments.as_array().expect("arguments are a list"))
    }

    #[test]
    fn both_forms_are_read() {
        let range = json!({ "start": { "line": 1, "character": 2 }, "end": { "line": 3, "character": 4 } });
        let object = parse(json!([{ "uri": "file:///a.py", "range": range, "instruction": " faster " }]));
        let expected = Target {
            place: Place::Uri("file:///a.py".into()),
            part: Part::Range(Range::new(Position::new(1, 2), Position::new(3, 4))),
            instruction: Some("faster".into()),
            asks_first: None,
            several_files: false,
        };
        assert_eq!(object, Ok(expected));
        let lines = Target {
            place: Place::Path("/a.py".into()),
            part: Part::Lines(1, 2),
            instruction: Some("make it async".into()),
            asks_first: None,
            several_files: false,
        };
        assert_eq!(parse(json!([1, 2, "/a.py", "make it async"])), Ok(lines.clone()));
        assert_eq!(parse(json!(["2", "1", "/a.py", "make it async"])), Ok(lines.clone()));
        assert_eq!(parse(json!([2, 1, "/a.py"])), Ok(Target { instruction: None, ..lines.clone() }));
        let further = parse(json!([1, 2, "/a.py", "make it async", "workspace"]));
        assert_eq!(further, Ok(Target { several_files: true, ..lines }));
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (arguments, expected) in [
            (json!([]), "needs arguments"),
            (json!([{ "uri": "file:///a.py" }]), "missing field `range`"),
            (json!([{ "uri": 1, "range": null }]), "The argument is wrong"),
            (json!([0, 2, "/a.py"]), "start_line"),
            (json!([1, -2, "/a.py"]), "end_line"),
            (json!([1, 2, "a.py"]), "not absolute"),
            (json!([1, 2, 3]), "path is not a text"),
            (json!([1, 2, "/a.py", 4]), "instruction is not a text"),
            (json!([1, 2]), "2 arguments"),
            (json!([1, 2, "/a.py", "x", "world"]), "reach is"),
            (json!([1, 2, "/a.py", "x".repeat(INSTRUCTION_BYTES_MAX + 1)]), "at most"),
        ] {
            let error = parse(arguments).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn every_command_is_found_by_its_name() {
        for name in CommandName::all() {
            assert!(CommandName::parse(&name).is_some(), "{name}");
        }
        assert_eq!(CommandName::parse("familiar.unknown"), None);
    }
}
