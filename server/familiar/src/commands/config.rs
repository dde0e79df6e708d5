//! `familiar config`: every setting with its value and where that came from. Refuses: changing the file; it is the
//! user's, with the user's comments.

use app::Setting;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::context::read_config;
use crate::render::Style;
use crate::{home, render};

/// The configuration.
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show every setting with its value and where it came from.
    Show {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

impl Config {
    /// Shows it.
    pub(crate) fn run(self) -> anyhow::Result<u8> {
        let Action::Show { json } = self.action;
        let home = home::from_environment()?;
        let config = read_config(&home)?;
        let (file, settings) = (home.config_file(), config.settings());
        if json {
            let folders: serde_json::Map<_, _> = home
                .folders()
                .iter()
                .map(|(what, folder)| ((*what).to_owned(), folder.display().to_string().into()))
                .collect();
            let all = json!({ "file": file, "settings": settings, "notes": config.notes, "folders": folders });
            render::output(&render::json(&all))?;
            return Ok(0);
        }
        let style = Style::of_output();
        let there = if file.is_file() { "" } else { " (not there, so all are defaults)" };
        let mut text = format!("{}{there}\n\n", render::escape(&file.display().to_string()));
        let widths = widths(&settings);
        settings.iter().for_each(|setting| text.push_str(&line(setting, widths, style)));
        for note in &config.notes {
            text.push_str(&format!("\nnote: {}\n", render::one_line(note)));
        }
        text.push('\n');
        for (what, folder) in home.folders() {
            text.push_str(&format!("{what:<20} {}\n", render::escape(&folder.display().to_string())));
        }
        render::output(&text)?;
        Ok(0)
    }
}

fn widths(settings: &[Setting]) -> (usize, usize) {
    let longest = |length: fn(&Setting) -> usize| settings.iter().map(length).max().unwrap_or(0);
    (longest(|setting| setting.name.len()), longest(|setting| setting.value.len()))
}

fn line(setting: &Setting, (name, value): (usize, usize), style: Style) -> String {
    let Setting { name: called, value: is, origin, what } = setting;
    let origin = origin.to_string();
    let is = render::one_line(is);
    format!("{called:<name$} = {is:<value$}  {origin:<12}  {}\n", style.dim(what))
}
