//! Helix: a block of lines in `languages.toml` and in `config.toml`, and "familiar" in the lists of servers that are
//! there already. Refuses: a file that does not parse, keys that are taken, and any result that could not be taken back.

mod keys;
mod languages;
mod lines;
mod servers;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::files::Change;
use super::programs::{self, Command};
use super::{Plan, shown, user_folder};
use crate::failure::Failure;

/// The first version whose typed commands take arguments, and which says by name which servers a language has.
const VERSION_MIN: (u32, u32) = (25, 7);

/// Whether it is here, and which version.
pub(super) async fn found() -> Result<String, Failure> {
    let (program, version) = program().await?;
    Ok(format!("{version} ({})", shown(&program)))
}

/// Adds Familiar to both files.
pub(super) async fn plan(program: &str) -> Result<Plan, Failure> {
    let (helix, version) = self::program().await?;
    let folder = folder()?;
    let (languages, config) = (folder.join("languages.toml"), folder.join("config.toml"));
    let mut plan = Plan {
        heading: format!("{version} ({})", shown(&helix)),
        next: "open a file, select code and press Space a; Space i i takes an instruction, Space i e explains"
            .to_owned(),
        ..Plan::default()
    };
    let change = Change::of(&languages)?;
    let text = change.before().unwrap_or_default();
    let bare = languages::without(text);
    let known = languages::read(&bare).map_err(|why| unusable(change.path(), &why))?;
    let built_in = servers::built_in(&helix, &known).await?;
    let (text, added) =
        languages::with(&bare, &known, program, &built_in).map_err(|why| unusable(change.path(), &why))?;
    plan.notes.push(format!("{added} languages have Familiar beside their own servers"));
    plan.add(change, &bare, text)?;
    let change = Change::of(&config)?;
    let text = change.before().unwrap_or_default();
    let bare = keys::without(text);
    let (text, taken) = keys::with(&bare).map_err(|why| unusable(change.path(), &why))?;
    for mode in taken {
        plan.notes.push(format!(
            "Space i has a meaning of yours in {mode} mode, so it was left alone; the README shows the keys"
        ));
    }
    plan.add(change, &bare, text)?;
    Ok(plan)
}

/// Takes Familiar out of both files.
pub(super) fn undo() -> Result<Plan, Failure> {
    let folder = folder()?;
    let mut plan = Plan { heading: format!("Helix: {}", shown(&folder)), ..Plan::default() };
    for (name, without) in
        [("languages.toml", languages::without as fn(&str) -> String), ("config.toml", keys::without)]
    {
        let change = Change::of(&folder.join(name))?;
        let Some(text) = change.before() else { continue };
        let bare = without(text);
        if bare == text {
            continue;
        }
        let copy = change.copy()?;
        let was_there = copy.before().is_some();
        if copy.before() == Some(&bare) {
            // It is what it was, so the copy has done its work.
            plan.changes.push(copy.to(None));
        } else if was_there {
            plan.notes.push(format!("{} stays: the file was changed since", shown(copy.path())));
        }
        if bare.contains("familiar") {
            plan.notes
                .push(format!("{} still names familiar, in lines that were not written so", shown(change.path())));
        }
        // A file that was not there before goes again, unless something of the user's is in it now.
        let after = (was_there || !bare.is_empty()).then_some(bare);
        plan.changes.push(change.to(after).with_folders(1));
    }
    Ok(plan)
}

impl Plan {
    /// The change of a file that is `bare` without our parts to `text`, with a copy of what was there.
    fn add(&mut self, change: Change, bare: &str, text: String) -> Result<(), Failure> {
        if change.before() == Some(bare) && bare != text {
            let copy = change.copy()?.to(Some(bare.to_owned()));
            self.changes.push(copy);
        }
        if change.before().is_some() || !text.is_empty() {
            self.changes.push(change.to(Some(text)));
        }
        Ok(())
    }
}

async fn program() -> Result<(PathBuf, String), Failure> {
    let missing = || {
        Failure::new("Helix is not here: neither hx nor helix is on the PATH")
            .hint("it is asked which servers each language has, so that none of them is lost")
    };
    let program = programs::find(&["hx", "helix"]).ok_or_else(missing)?;
    let said = Command::new(&program, &[OsStr::new("--version")]).run().await?;
    let first = said.lines().next().unwrap_or_default().trim().to_owned();
    if !first.starts_with("helix ") {
        return Err(Failure::new(format!("{} says it is `{first}`, which is no Helix", shown(&program))));
    }
    if programs::version(&first).is_none_or(|version| version < VERSION_MIN) {
        return Err(Failure::new(format!("{first} ({}) is too old", shown(&program)))
            .hint("Helix 25.07 or newer is needed; the README of editors/helix shows what can be done by hand"));
    }
    Ok((program, first))
}

fn folder() -> Result<PathBuf, Failure> {
    Ok(user_folder("XDG_CONFIG_HOME", ".config")?.join("helix"))
}

fn unusable(path: &Path, why: &str) -> Failure {
    Failure::new(format!("{} cannot be added to: {why}", shown(path)))
        .hint("nothing was changed; repair it, or add the lines that the README of editors/helix shows")
}
