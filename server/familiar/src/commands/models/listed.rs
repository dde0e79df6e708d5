//! `familiar models list`. Refuses: opening the user's data when there is nothing to choose.

use app::{ImageModelEntry, ModelEntry, list_image_models, list_models};
use serde::Deserialize;
use serde_json::json;

use crate::commands::reach::{Reach, reach_to_read};
use crate::context::Context;
use crate::render::{self, Style};

/// The image models as the daemon lists them.
#[derive(Deserialize)]
struct ImageModels {
    models: Vec<ImageModelEntry>,
}

/// Prints the models.
pub(super) async fn list(context: &Context, json: bool) -> anyhow::Result<()> {
    let texts = list_models(&context.home.models, &context.config.model);
    let mut images = list_image_models(&context.home.models);
    let chosen = chosen(context, &images).await?;
    for entry in &mut images {
        entry.current = chosen.as_ref() == Some(&entry.name);
    }
    if json {
        return Ok(render::output(&render::json(&json!({ "models": texts, "image_models": images })))?);
    }
    Ok(render::output(&table(&texts, &images, Style::of_output()))?)
}

/// The image model that draws when none is named; `None` when nobody can be asked just now.
async fn chosen(context: &Context, images: &[ImageModelEntry]) -> anyhow::Result<Option<String>> {
    if images.len() < 2 {
        return Ok(images.first().map(|entry| entry.name.clone()));
    }
    let all = match reach_to_read(context).await? {
        None => return Ok(None),
        Some(Reach::Daemon(daemon)) => daemon.client.get::<ImageModels>("/api/v1/images/models").await?.models,
        Some(Reach::Here(here)) => {
            let all = here.app.image_models().await;
            here.close().await;
            all?
        }
    };
    Ok(all.into_iter().find(|entry| entry.current).map(|entry| entry.name))
}

fn table(texts: &[ModelEntry], images: &[ImageModelEntry], style: Style) -> String {
    let names = texts.iter().map(|entry| &entry.name).chain(images.iter().map(|entry| &entry.name));
    let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
    let line = |name: &str, size_bytes, role, mark: &str| {
        let mark = if mark.is_empty() { String::new() } else { format!("  {}", style.good(mark)) };
        format!("{:<width$}  {:>9}  {role:<5}{mark}", render::one_line(name), render::bytes(size_bytes))
            .trim_end()
            .to_owned()
            + "\n"
    };
    let mut text = String::new();
    if texts.is_empty() {
        text.push_str("there is no model for text; get the starter with `familiar models pull starter`\n");
    }
    for entry in texts {
        text.push_str(&line(&entry.name, entry.size_bytes, "text", if entry.current { "in use" } else { "" }));
    }
    for entry in images {
        let mark = if entry.current { "draws when none is named" } else { "" };
        text.push_str(&line(&entry.name, entry.size_bytes, "image", mark));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ones_in_use_are_marked() {
        let image = |name: &str, current| ImageModelEntry {
            name: name.into(),
            path: name.into(),
            size_bytes: 2_000_000_000,
            current,
        };
        let text = ModelEntry { name: "starter".into(), path: "x".into(), size_bytes: 98_000_000, current: true };
        let shown = table(&[text], &[image("sd", false), image("sdxl", true)], Style::plain());
        let expected = "starter    98.0 MB  text   in use\nsd          2.0 GB  image\nsdxl        2.0 GB  image  draws when none is named\n";
        assert_eq!(shown, expected);
        assert!(table(&[], &[], Style::plain()).contains("models pull starter"));
    }
}
