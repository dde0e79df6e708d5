//! VS Code and its relatives: the extension is installed with their own command. Refuses: their settings; those are
//! JSON with the user's comments, so the one line that may be needed is shown.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::programs::{self, Command};
use super::{Plan, shown};
use crate::failure::Failure;

/// The programs that install extensions, the usual one first.
const PROGRAMS: [&str; 4] = ["code", "codium", "code-server", "cursor"];
/// The extension, as VS Code names it.
const EXTENSION: &str = "familiar.familiar";

/// Which of them are here.
pub(super) async fn found() -> Result<String, Failure> {
    let here = editors()?;
    Ok(here.iter().map(|editor| shown(editor)).collect::<Vec<_>>().join(", "))
}

/// Installs the extension in each of them.
pub(super) async fn plan(program: &str, vsix: Option<&Path>) -> Result<Plan, Failure> {
    let editors = editors()?;
    let vsix = package(vsix)?;
    let install = |editor: &PathBuf| {
        Command::new(editor, &[OsStr::new("--install-extension"), vsix.as_os_str(), OsStr::new("--force")])
    };
    let mut plan = Plan {
        heading: format!("VS Code: {}", names(&editors)),
        commands: editors.iter().map(install).collect(),
        next: "reload the window, select code and press Ctrl+I (Cmd+I on a Mac); F1 and \"Familiar\" list the commands"
            .to_owned(),
        ..Plan::default()
    };
    if programs::find(&["familiar"]).is_none_or(|found| found.as_os_str() != program) {
        let quoted = serde_json::Value::from(program);
        plan.notes.push(format!(
            "`familiar` is not on the PATH, so put this into the user settings: \"familiar.path\": {quoted}"
        ));
    }
    Ok(plan)
}

/// Uninstalls the extension where it is installed.
pub(super) async fn undo() -> Result<Plan, Failure> {
    let editors = editors()?;
    let mut commands = Vec::new();
    for editor in &editors {
        let installed = Command::new(editor, &[OsStr::new("--list-extensions")]).run().await?;
        if installed.lines().any(|line| line.trim().eq_ignore_ascii_case(EXTENSION)) {
            commands.push(Command::new(editor, &[OsStr::new("--uninstall-extension"), OsStr::new(EXTENSION)]));
        }
    }
    Ok(Plan { heading: format!("VS Code: {}", names(&editors)), commands, ..Plan::default() })
}

fn editors() -> Result<Vec<PathBuf>, Failure> {
    let here: Vec<PathBuf> = PROGRAMS.iter().filter_map(|name| programs::find(&[name])).collect();
    if here.is_empty() {
        return Err(Failure::new(format!("VS Code is not here: none of {} is on the PATH", PROGRAMS.join(", ")))
            .hint("in VS Code, the command \"Shell Command: Install 'code' command in PATH\" puts it there"));
    }
    Ok(here)
}

fn names(editors: &[PathBuf]) -> String {
    editors.iter().map(|editor| shown(editor)).collect::<Vec<_>>().join(", ")
}

/// The packaged extension: the one that is named, else the one in the clone that this program was built in.
fn package(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        let path = std::path::absolute(named).unwrap_or_else(|_| named.to_owned());
        if !path.is_file() {
            return Err(Failure::new(format!("there is no file {}", path.display()))
                .hint("name a packaged extension, a .vsix file"));
        }
        return Ok(path);
    }
    let file = format!("familiar-{}.vsix", env!("CARGO_PKG_VERSION"));
    let own = std::env::current_exe().ok();
    // The clone's root is the folder above `target/release`.
    let built =
        own.as_deref().and_then(|own| own.ancestors().nth(3)).map(|root| root.join("editors/vscode").join(&file));
    built.filter(|built| built.is_file()).ok_or_else(|| {
        Failure::new("the extension is not packaged yet").hint(format!(
            "in a clone: `cd editors/vscode && npm ci --ignore-scripts && npm run package`, then `familiar setup vscode --vsix {file}` there"
        ))
    })
}
