//! `familiar setup`: an editor's first steps, done once and taken back as cleanly.
//!
//! An editor's file says what it would change (`Plan`); nothing is written before the whole plan is known. Refuses:
//! touching what it did not write, and writing half of a plan it can see failing.

mod files;
mod helix;
mod neovim;
mod programs;
mod vscode;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::failure::Failure;
use crate::render::{self, Style};
use files::Change;

/// Unchanged lines shown around each change.
const CONTEXT_LINES: usize = 2;

/// Set up an editor, or take that back.
///
/// It does the steps of the editor's README: Neovim gets a package of its own, Helix lines in its own files, VS Code its
/// extension. What was there is kept, a second time changes nothing, and --undo takes back what was written and no more.
///
/// Without an editor it says which ones are here.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  familiar setup\n  familiar setup helix --dry-run\n  familiar setup neovim\n  familiar setup vscode --vsix familiar-0.1.0.vsix\n  familiar setup helix --undo"
)]
pub(crate) struct Setup {
    /// The editor.
    editor: Option<Editor>,
    /// Take back what an earlier setup wrote.
    #[arg(long, requires = "editor")]
    undo: bool,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// The packaged extension [default: the one that was built beside this program].
    #[arg(long, value_name = "FILE", requires = "editor")]
    vsix: Option<PathBuf>,
}

/// The editors that can be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Editor {
    /// VS Code, VSCodium, code-server or Cursor.
    #[value(name = "vscode")]
    VsCode,
    /// Neovim 0.11 or newer.
    Neovim,
    /// Helix 25.07 or newer.
    Helix,
}

/// What is to be done for one editor.
#[derive(Debug, Default)]
struct Plan {
    /// What stands before everything else: which editor, which version.
    heading: String,
    /// The files that change.
    changes: Vec<Change>,
    /// Commands of the editor's own that are run, in order.
    commands: Vec<programs::Command>,
    /// What the user should know.
    notes: Vec<String>,
    /// What to do next, once it is done.
    next: String,
}

impl Setup {
    /// Does it, shows it, or says what could be done.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        let style = Style::of_output();
        let Some(editor) = self.editor else {
            render::output(&overview(style).await)?;
            return Ok(0);
        };
        if self.vsix.is_some() && editor != Editor::VsCode {
            return Err(Failure::new("--vsix belongs to VS Code").code(crate::failure::USAGE).into());
        }
        let program = programs::own()?;
        let mut plan = match (editor, self.undo) {
            (Editor::VsCode, false) => vscode::plan(&program, self.vsix.as_deref()).await?,
            (Editor::VsCode, true) => vscode::undo().await?,
            (Editor::Neovim, false) => neovim::plan(&program).await?,
            (Editor::Neovim, true) => neovim::undo()?,
            (Editor::Helix, false) => helix::plan(&program).await?,
            (Editor::Helix, true) => helix::undo()?,
        };
        if !self.undo && std::env::var_os("FAMILIAR_HOME").is_some() {
            plan.notes.push("FAMILIAR_HOME is set here; editors need it set to the same folder".to_owned());
        }
        if self.dry_run {
            render::output(&plan.preview(style))?;
            return Ok(0);
        }
        let done = plan.carry_out().await?;
        render::output(&plan.report(&done, style))?;
        Ok(0)
    }
}

impl Plan {
    /// Does all of it; returns a line for each thing that was done.
    async fn carry_out(&self) -> anyhow::Result<Vec<String>> {
        let mut done = files::write(&self.changes)?;
        for command in &self.commands {
            command.run().await?;
            done.push(format!("ran {}", command.shown()));
        }
        Ok(done)
    }

    fn report(&self, done: &[String], style: Style) -> String {
        let mut text = format!("{}\n", style.bold(&render::one_line(&self.heading)));
        let nothing = ["nothing to do".to_owned()];
        for line in if done.is_empty() { &nothing } else { done } {
            text.push_str(&format!("  {}\n", render::one_line(line)));
        }
        for note in &self.notes {
            text.push_str(&format!("  note: {}\n", render::one_line(note)));
        }
        if !self.next.is_empty() {
            text.push_str(&format!("next: {}\n", render::one_line(&self.next)));
        }
        text
    }

    fn preview(&self, style: Style) -> String {
        let mut text = format!("{}\n", style.bold(&render::one_line(&self.heading)));
        for change in self.changes.iter().filter(|change| change.is_one()) {
            text.push_str(&render::escape(&change.diff(CONTEXT_LINES)));
        }
        for command in &self.commands {
            text.push_str(&format!("  would run {}\n", render::one_line(&command.shown())));
        }
        for note in &self.notes {
            text.push_str(&format!("  note: {}\n", render::one_line(note)));
        }
        if self.changes.iter().all(|change| !change.is_one()) && self.commands.is_empty() {
            text.push_str("  nothing to do\n");
        }
        text
    }
}

/// Which editors are here, and what would be done for each.
async fn overview(style: Style) -> String {
    let mut text = String::new();
    for (name, found, what) in [
        ("vscode", vscode::found().await, "installs the extension"),
        ("neovim", neovim::found().await, "adds a package of its own; no file of yours is touched"),
        ("helix", helix::found().await, "adds lines to languages.toml and config.toml, with a copy beside each"),
    ] {
        match found {
            Ok(found) => {
                let found = render::one_line(&found);
                text.push_str(&format!(
                    "{} {name:<7} {found}\n           `familiar setup {name}` {what}\n",
                    style.good("ok  ")
                ));
            }
            Err(failure) => {
                text.push_str(&format!(
                    "{} {name:<7} {}\n",
                    style.dim("--  "),
                    render::one_line(&failure.message)
                ));
            }
        }
    }
    text.push_str("Add --dry-run to see every line before it is written, --undo to take it back.\n");
    text
}

/// The user's folder of a kind: the variable's, when it is absolute, else the usual one below home.
fn user_folder(variable: &str, usual: &str) -> Result<PathBuf, Failure> {
    let named = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    named
        .or_else(|| home().map(|home| home.join(usual)))
        .ok_or_else(|| Failure::new("the user has no home folder").hint("set HOME to it"))
}

/// A path for people.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
