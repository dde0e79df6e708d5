//! What a foreground daemon tells its user: where it is, how editors reach it, how far indexes and the model are.
//!
//! Refuses: the sign-in link in the log; it is shown on the screen alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use app::{App, ModelStatus, WorkspaceStatus, counted};

use crate::context::Context;
use crate::daemon::lock::Holder;
use crate::render::{ProgressLine, Style};
use crate::{os, render};

/// How often indexes and model are looked at while something goes on, and otherwise.
const LOOK_BUSY: Duration = Duration::from_millis(500);
const LOOK_IDLE: Duration = Duration::from_secs(3);
/// Without a terminal a line is written no more often than this many looks.
const LOOKS_PER_LINE: u32 = 10;
const UNUSABLE: &str = "its file cannot be used";

/// The address that signs a browser in, once.
///
/// # Errors
/// When the link cannot be stored.
pub(crate) async fn sign_in_address(app: &App, port: u16) -> app::Result<String> {
    let secret = app.mint_sign_in().await?;
    Ok(format!("{}/sign-in/{secret}", address(port)))
}

/// The web page's address. Browsers keep cookies of this name apart from those of other programs on this machine.
pub(crate) fn address(port: u16) -> String {
    format!("http://familiar.localhost:{port}")
}

/// Prints where everything is, and opens the page when that was asked for.
pub(super) async fn welcome(context: &Context, app: &App, holder: &Holder, open: bool) -> anyhow::Result<()> {
    let style = Style::of_output();
    let mut text = format!("{}\n\n", style.bold(concat!("Familiar ", env!("CARGO_PKG_VERSION"), " is ready.")));
    if let Some(port) = holder.port {
        let link = sign_in_address(app, port).await?;
        let _ = writeln!(text, "  Web page  {}", style.bold(&link));
        let _ = writeln!(
            text,
            "            {}",
            style.dim("signs one browser in, within 60 s; `familiar open` makes a new link")
        );
        if open {
            // Beside the rest: a browser may take seconds to say that it cannot.
            tokio::spawn(async move {
                if !os::open_browser(&link).await {
                    render::complain("familiar: no browser could be opened here; use the link above");
                }
            });
        }
        if port != context.config.port {
            let _ = writeln!(
                text,
                "            {}",
                style.dim(&format!("port {} is taken, so it is {port}", context.config.port))
            );
        }
    }
    let program = render::escape(&os::program_name());
    let _ = writeln!(text, "  Editors   {program} setup vscode (or neovim, or helix)");
    if std::env::var_os("FAMILIAR_HOME").is_some() {
        let _ = writeln!(
            text,
            "            {}",
            style.dim("FAMILIAR_HOME is set here; editors need it set to the same folder")
        );
    }
    let _ = writeln!(text, "  Log       {}", render::escape(&context.home.log_file().display().to_string()));
    let _ = writeln!(text, "  Stop      Ctrl+C\n");
    // A terminal that closed already is no reason to stop serving.
    let _ = render::output(&text);
    Ok(())
}

/// Tells how far indexes and model are until it is aborted.
pub(super) async fn tell_progress(app: App) {
    let mut line = ProgressLine::new();
    let mut told = Told::default();
    loop {
        let asked = app.clone();
        // Looking touches the disk, which is nothing for an async thread.
        let Ok(now) = tokio::task::spawn_blocking(move || asked.status()).await else { return };
        let busy =
            now.model.state == "loading" || now.workspaces.iter().any(|workspace| workspace.state == "building");
        told.tell(&now.workspaces, &now.model, &mut line);
        tokio::time::sleep(if busy { LOOK_BUSY } else { LOOK_IDLE }).await;
    }
}

/// What was told already, so that nothing is told twice.
#[derive(Default)]
struct Told {
    states: BTreeMap<PathBuf, String>,
    model: String,
    looks: u32,
}

impl Told {
    fn tell(&mut self, workspaces: &[WorkspaceStatus], model: &ModelStatus, line: &mut ProgressLine) {
        for workspace in workspaces {
            if workspace.state == "building" {
                self.tell_building(workspace, line);
            } else if self.states.get(&workspace.root) != Some(&workspace.state) {
                line.clear();
                say(&finished_line(workspace));
            }
            self.states.insert(workspace.root.clone(), workspace.state.clone());
        }
        if model.state == "loading" && line.is_seen() {
            line.show(&format!("  {}", model_line(model)));
        } else if self.model != model.state {
            line.clear();
            say(&model_line(model));
        }
        self.model.clone_from(&model.state);
    }

    fn tell_building(&mut self, workspace: &WorkspaceStatus, line: &mut ProgressLine) {
        let text =
            format!("Index     {}: {} of {} files", workspace.root.display(), workspace.done, workspace.total);
        if line.is_seen() {
            return line.show(&format!("  {text}"));
        }
        if workspace.total > 0 {
            if self.looks.is_multiple_of(LOOKS_PER_LINE) {
                say(&text);
            }
            self.looks += 1;
        }
    }
}

fn say(text: &str) {
    // The terminal may be gone; the daemon goes on until it is told to end.
    let _ = render::output(&format!("  {}\n", render::escape(text)));
}

fn finished_line(workspace: &WorkspaceStatus) -> String {
    let root = workspace.root.display();
    let (files, chunks) = (counted(workspace.files, "file"), counted(workspace.chunks, "chunk"));
    match workspace.state.as_str() {
        "ready" if workspace.paused => {
            format!("Index     {root}: {files}, {chunks}, paused; `familiar index --resume` ends that")
        }
        "ready" => format!("Index     {root}: {files}, {chunks}, ready"),
        state => format!("Index     {root}: {state}; {}", workspace.notes.join("; ")),
    }
}

fn model_line(model: &ModelStatus) -> String {
    let name = model.name.as_deref().unwrap_or_default();
    match model.state.as_str() {
        "none" => format!("Model     none; {}", model.hint.as_deref().unwrap_or_default()),
        "unloaded" => format!("Model     {name}, loaded with the first question"),
        "ready" => {
            let context = model.context_tokens.map(|tokens| format!(", {tokens} tokens of context"));
            let speed = model.prompt_tokens_per_s.map(|speed| format!(", reads {speed:.0} tokens/s"));
            format!("Model     {name} is ready{}{}", context.unwrap_or_default(), speed.unwrap_or_default())
        }
        "loading" => {
            let share = model.loading.map(|share| format!(", {:.0} %", share * 100.0)).unwrap_or_default();
            format!("Model     {name} is being loaded{share}")
        }
        "unusable" => {
            let (problem, hint) = (model.problem.as_deref(), model.hint.as_deref());
            format!("Model     {name}: {}; {}", problem.unwrap_or(UNUSABLE), hint.unwrap_or_default())
        }
        state => format!("Model     {name}: {state}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_well() {
        let model = |state: &str| ModelStatus {
            name: Some("starter".into()),
            state: state.into(),
            hint: Some("pull one".into()),
            context_tokens: Some(2048),
            prompt_tokens_per_s: Some(211.4),
            loading: Some(0.4),
            problem: Some("the model file cannot be used: it is incomplete".into()),
            ..ModelStatus::default()
        };
        for (state, line) in [
            ("none", "Model     none; pull one"),
            ("unloaded", "Model     starter, loaded with the first question"),
            ("ready", "Model     starter is ready, 2048 tokens of context, reads 211 tokens/s"),
            ("loading", "Model     starter is being loaded, 40 %"),
            ("unusable", "Model     starter: the model file cannot be used: it is incomplete; pull one"),
        ] {
            assert_eq!(model_line(&model(state)), line);
        }
    }
}
