//! `familiar gallery`: the images that were made or brought. Refuses: removing without being asked twice.

use std::path::PathBuf;

use app::{AppError, ErrorKind, GalleryPage, ImageOrigin, ImageView};
use clap::{Args, Subcommand};
use hyper::Method;
use serde::Serialize;
use serde_json::{Value, json};

use super::confirm;
use super::generate::saved;
use super::whole;
use crate::context::Context;
use crate::daemon::attach;
use crate::daemon::client::{self, Client};
use crate::failure::Failure;
use crate::render::{self, Style};

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: i64 = 200;
/// Images of one command.
const IDS_MAX: usize = 200;

/// The images of the gallery.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  familiar gallery\n  familiar gallery --words \"fox snow\" --favourites\n  familiar gallery show ID\n  familiar gallery save ID --output fox.png\n  familiar gallery import photo.png\n  familiar gallery delete ID ID"
)]
pub(crate) struct Gallery {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Args)]
struct List {
    /// Only those whose prompt has these words, or beginnings of words.
    #[arg(long, value_name = "WORDS")]
    words: Option<String>,
    /// Only those that this model drew.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Only those with this seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Only favourites.
    #[arg(long)]
    favourites: bool,
    /// Those whose file was deleted outside of Familiar, which are not shown otherwise.
    #[arg(long)]
    missing: bool,
    /// Images at most, 1 to 200.
    #[arg(long, value_name = "N", default_value_t = LIMIT_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=LIMIT_MAX))]
    limit: u32,
    /// Go on where an earlier list ended.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show how an image was made, and the image itself where the terminal can.
    Show {
        /// Its id.
        id: String,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Write images to files.
    Save {
        /// Their ids.
        #[arg(required = true, num_args = 1..=IDS_MAX)]
        ids: Vec<String>,
        /// A PNG file, or a folder.
        #[arg(long, short, value_name = "PATH", default_value = ".")]
        output: PathBuf,
    },
    /// Bring PNG, JPEG and WebP files into the gallery; what they say of how they were made is read. A file that is there is found.
    Import {
        /// The files.
        #[arg(required = true, num_args = 1..=IDS_MAX)]
        files: Vec<PathBuf>,
    },
    /// Mark images as favourites.
    Favourite {
        /// Their ids.
        #[arg(required = true, num_args = 1..=IDS_MAX)]
        ids: Vec<String>,
        /// Take the mark away.
        #[arg(long)]
        off: bool,
    },
    /// Remove images and their files, for good.
    Delete {
        /// Their ids.
        #[arg(required = true, num_args = 1..=IDS_MAX)]
        ids: Vec<String>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

impl Gallery {
    /// Does what was asked for.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        if let Some(Action::Delete { ids, yes: false }) = &self.action {
            confirm::removal(&app::counted(ids.len() as u64, "image"))?;
        }
        let context = Context::open()?;
        context.tell_notes();
        let daemon = attach::running_or_started(&context, &[]).await?;
        let client = &daemon.client;
        match self.action {
            None => self.list.run(client).await?,
            Some(Action::Show { id, json }) => show(client, &id, json).await?,
            Some(Action::Save { ids, output }) => save(client, &ids, &output).await?,
            Some(Action::Import { files }) => import(client, &files).await?,
            Some(Action::Favourite { ids, off }) => {
                for id in &ids {
                    let mark = json!({ "favourite": !off });
                    client.tell(Method::PATCH, &path_of(id), &mark).await.map_err(of_image)?;
                }
                let words = if off { "no favourite any more" } else { "marked as favourite" };
                let verb = if ids.len() == 1 { "is" } else { "are" };
                render::output(&format!("{} {verb} {words}\n", app::counted(ids.len() as u64, "image")))?;
            }
            Some(Action::Delete { ids, .. }) => {
                let removed: Value = client.post("/api/v1/images/delete", &json!({ "ids": ids })).await?;
                let removed = removed["deleted"].as_u64().unwrap_or(0);
                render::output(&format!("{} removed\n", app::counted(removed, "image")))?;
                if removed < ids.len() as u64 {
                    return Err(Failure::new("some of them were not there").hint("see `familiar gallery`").into());
                }
            }
        }
        Ok(0)
    }
}

impl List {
    async fn run(self, client: &Client) -> anyhow::Result<()> {
        let (limit, seed) = (self.limit.to_string(), self.seed.map(|seed| seed.to_string()));
        let named = [
            ("words", self.words.as_deref()),
            ("model", self.model.as_deref()),
            ("seed", seed.as_deref()),
            ("favourite", self.favourites.then_some("1")),
            ("missing", self.missing.then_some("1")),
            ("cursor", self.cursor.as_deref()),
            ("limit", Some(limit.as_str())),
        ];
        let parameters: Vec<(&str, &str)> =
            named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let page: GalleryPage = client.get(&client::query("/api/v1/images", &parameters)).await?;
        if self.json {
            return Ok(render::output(&render::json(&page))?);
        }
        if page.images.is_empty() {
            let is_all = parameters.iter().all(|(name, _)| *name == "limit");
            let none = "no images; `familiar generate \"...\"` makes one\n";
            return Ok(render::output(if is_all { none } else { "no image is like that\n" })?);
        }
        let mut text: String = page.images.iter().map(|image| saved::line(image, None)).collect();
        if let Some(next) = &page.next {
            text.push_str(&format!("more: --cursor {}\n", render::one_line(next)));
        }
        Ok(render::output(&text)?)
    }
}

fn path_of(id: &str) -> String {
    client::query(&format!("/api/v1/images/{}", encoded(id)), &[])
}

/// An id as a part of a path: what could not be one of ours is written so that it finds nothing.
fn encoded(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' }).collect()
}

/// An error about an image that was named, with where ids are found.
fn of_image(error: AppError) -> AppError {
    let is_wrong_id = error.kind == ErrorKind::NotFound && error.hint.is_none();
    if is_wrong_id { error.hint("`familiar gallery` lists images with their ids") } else { error }
}

async fn image(client: &Client, id: &str) -> Result<ImageView, AppError> {
    client.get(&path_of(id)).await.map_err(of_image)
}

async fn show(client: &Client, id: &str, json: bool) -> anyhow::Result<()> {
    let image = image(client, id).await?;
    if json {
        return Ok(render::output(&render::json(&image))?);
    }
    saved::show_picture(client, &image).await;
    Ok(render::output(&described(&image, Style::of_output()))?)
}

/// How an image was made.
fn described(image: &ImageView, style: Style) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("{}  {}\n", style.dim(&format!("{name:<9}")), render::one_line(value)));
        }
    };
    row("id", &image.id);
    row("prompt", &image.prompt);
    row("negative", &image.negative_prompt);
    row("model", &image.model);
    row("size", &format!("{} x {}, {}", image.width_pixels, image.height_pixels, render::bytes(image.size_bytes)));
    match &image.origin {
        ImageOrigin::Made { settings } => {
            row("seed", &settings.seed.to_string());
            row("steps", &settings.steps.to_string());
            row("guidance", &settings.guidance.to_string());
            row("sampler", &known_as(&settings.sampler));
            row("spacing", &known_as(&settings.spacing));
            row("strength", &said(settings.strength));
            row("clip skip", &said(Some(settings.clip_skip).filter(|skipped| *skipped > 0)));
            row("made by", &settings.program);
        }
        ImageOrigin::Brought { parameters: Some(read) } => {
            row("seed", &said(read.seed));
            row("steps", &said(read.steps));
            row("guidance", &said(read.guidance));
            row("sampler", &known_as(&read.sampler));
            row("spacing", &known_as(&read.spacing));
            row("strength", &said(read.strength));
            row("clip skip", &said(read.clip_skip));
            for (name, value) in &read.others {
                row(&render::one_line(name), value);
            }
            row("read from", &known_as(&Some(read.form)));
        }
        ImageOrigin::Brought { parameters: None } => {
            row("settings", "its file says nothing about how it was made");
        }
    }
    row("favourite", if image.favourite { "yes" } else { "" });
    row(
        "missing",
        if image.missing { "its file was deleted outside of Familiar; its settings make it again" } else { "" },
    );
    text
}

/// A number that may not be known.
fn said(number: Option<impl ToString>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// What the options of `familiar generate` call a value without fields; empty for nothing.
fn known_as(value: &Option<impl Serialize>) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name.replace('_', "-"),
        _ => String::new(),
    }
}

async fn save(client: &Client, ids: &[String], output: &std::path::Path) -> anyhow::Result<()> {
    saved::check_output(Some(output), u32::try_from(ids.len()).unwrap_or(u32::MAX))?;
    for (at, id) in ids.iter().enumerate() {
        let image = image(client, id).await?;
        let file = saved::save(client, &image, &saved::numbered(output, &image.id, at)).await?;
        render::output(&saved::line(&image, Some(&file)))?;
    }
    Ok(())
}

async fn import(client: &Client, files: &[PathBuf]) -> anyhow::Result<()> {
    // All are looked at before the first is sent, so that a mistake keeps nothing.
    let mut wrong = Vec::new();
    for file in files {
        let looked = match whole::image(file).await {
            Ok(bytes) => app::check_source(&bytes, None).map(drop).map_err(|problem| {
                let failure = Failure::new(format!("{}: {}", file.display(), problem.message));
                Failure { hint: problem.hint, ..failure }
            }),
            Err(failure) => Err(failure),
        };
        wrong.extend(looked.err());
    }
    if let Some(mut first) = wrong.pop() {
        while let Some(before) = wrong.pop() {
            first.message = format!("{}; {}", before.message, first.message);
            first.hint = before.hint.or(first.hint);
        }
        if files.len() > 1 {
            first.message = format!("none of the files is kept, because of {}", first.message);
        }
        return Err(first.into());
    }
    for file in files {
        let bytes = whole::image(file).await?;
        let image: ImageView = client.post_file("/api/v1/images/import", "image/png", bytes).await?;
        render::output(&saved::line(&image, Some(file)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_was_brought_shows_what_its_file_says() {
        let parameters = app::ImageParameters {
            prompt: "a fox".into(),
            steps: Some(20),
            guidance: Some(7.5),
            sampler: Some(model::ImageSampler::DpmPp2m),
            seed: Some(9),
            others: vec![("Denoising".into(), "0.4".into())],
            ..app::ImageParameters::default()
        };
        let image = |parameters: Option<app::ImageParameters>| ImageView {
            id: "1".into(),
            job_id: None,
            index: 0,
            width_pixels: 64,
            height_pixels: 32,
            seed: 9,
            model: String::new(),
            prompt: "a fox".into(),
            negative_prompt: String::new(),
            origin: ImageOrigin::Brought { parameters: parameters.map(Box::new) },
            created_ms: 0,
            favourite: false,
            size_bytes: 1,
            missing: false,
        };
        let shown = described(&image(Some(parameters)), Style::plain());
        for line in ["seed       9", "steps      20", "guidance   7.5", "sampler    dpm-pp2m", "Denoising  0.4"] {
            assert!(shown.contains(line), "{line} in {shown}");
        }
        assert!(shown.contains("read from  infotext"), "{shown}");
        let nothing = described(&image(None), Style::plain());
        assert!(nothing.contains("says nothing") && !nothing.contains("seed"), "{nothing}");
    }

    #[test]
    fn ids_are_no_paths() {
        assert_eq!(path_of("01AbC-_9"), "/api/v1/images/01AbC-_9");
        assert_eq!(path_of("../jobs?x"), "/api/v1/images/___jobs_x");
    }
}
