//! `familiar models use`, `unload` and `remove`: by the daemon where one runs. Refuses: removing a model while it draws.

use std::path::{Path, PathBuf};

use app::{Home, list_image_models};
use hyper::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Found, find, pull};
use crate::commands::confirm;
use crate::commands::reach::{Reach, reach};
use crate::context::Context;
use crate::daemon::attach;
use crate::failure::Failure;
use crate::render;

/// The models that gave their memory back.
#[derive(Deserialize)]
struct Unloaded {
    unloaded: Vec<String>,
}

/// Chooses the image model that draws when none is named.
pub(super) async fn choose(context: &Context, name: &str) -> anyhow::Result<()> {
    let is_image = list_image_models(&context.home.models).iter().any(|entry| entry.name == name);
    if !is_image {
        find(context, name)?;
        return Err(Failure::new(format!("{name} is a model for text, which the configuration chooses"))
            .hint(format!("put `model = \"{name}\"` into {}", context.home.config_file().display()))
            .into());
    }
    match reach(context).await? {
        Reach::Daemon(daemon) => {
            let body = json!({ "name": name });
            daemon.client.tell(Method::POST, "/api/v1/images/models/use", &body).await?;
        }
        Reach::Here(here) => {
            let chosen = here.app.use_image_model(name).await;
            here.close().await;
            chosen?;
        }
    }
    Ok(render::output(&format!("{name} draws when none is named\n"))?)
}

/// Gives memory back; without a daemon there is nothing that takes any.
pub(super) async fn unload(context: &Context, name: Option<&str>) -> anyhow::Result<()> {
    if let Some(name) = name {
        find(context, name)?;
    }
    let unloaded = unloaded(context, name).await?;
    let text = match unloaded.as_slice() {
        [] => "no model stands in memory\n".to_owned(),
        names => names.iter().map(|name| format!("{name} gave its memory back\n")).collect(),
    };
    Ok(render::output(&text)?)
}

async fn unloaded(context: &Context, name: Option<&str>) -> anyhow::Result<Vec<String>> {
    let Some(daemon) = attach::running(context).await? else { return Ok(Vec::new()) };
    let told: Unloaded = daemon.client.post("/api/v1/models/unload", &json!({ "name": name })).await?;
    Ok(told.unloaded)
}

/// Removes a model and its files.
pub(super) async fn remove(context: &Context, name: &str, yes: bool) -> anyhow::Result<()> {
    let aside = aside(&context.home, name);
    let found = match find(context, name) {
        // An earlier removal was cut short, after the model had gone from the list.
        Err(_) if aside.exists() => {
            let _lock = pull::one_at_a_time(&context.home)?;
            std::fs::remove_dir_all(&aside).map_err(|error| not_removed(&aside, &error))?;
            return Ok(render::output(&format!("{name} is gone\n"))?);
        }
        found => found?,
    };
    let [found] = found.as_slice() else {
        return Err(Failure::new(format!("a model for text and one for images are both named `{name}`"))
            .hint(format!("remove the one that is meant by hand, in {}", context.home.models.display()))
            .into());
    };
    let (path, size_bytes) = match found {
        Found::Text(entry) => (&entry.path, entry.size_bytes),
        Found::Image(entry) => (&entry.path, entry.size_bytes),
    };
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|about| about.is_symlink());
    if !yes {
        confirm::removal(&format!("{} ({})", render::one_line(name), render::bytes(size_bytes)))?;
    }
    let _lock = pull::one_at_a_time(&context.home)?;
    unloaded(context, Some(name)).await?;
    remove_files(&context.home, path)?;
    let freed = match is_link {
        true => "what its link led to stays".to_owned(),
        false => format!("{} are free", render::bytes(size_bytes)),
    };
    Ok(render::output(&format!("{name} is gone, {freed}\n"))?)
}

/// Takes the model out of the list first, so that half of one is never found.
fn remove_files(home: &Home, path: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| not_removed(path, &error);
    // Of a link only the link goes: what it leads to is not ours.
    if !std::fs::symlink_metadata(path).map_err(failed)?.is_dir() {
        return std::fs::remove_file(path).map_err(failed);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = aside(home, &name);
    if aside.exists() {
        // An earlier removal was cut short.
        std::fs::remove_dir_all(&aside).map_err(failed)?;
    }
    std::fs::rename(path, &aside).and_then(|()| std::fs::remove_dir_all(&aside)).map_err(failed)
}

/// Where the files of a model go before they are removed.
fn aside(home: &Home, name: &str) -> PathBuf {
    home.models.join(format!(".{name}.removed"))
}

fn not_removed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot remove {}: {error}", path.display()))
        .hint("check the permissions of the model folder, then try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_with_their_model_and_a_link_goes_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::under(folder.path());
        home.create().expect("folders");
        // A file in it says whose folder it is.
        let entries = || std::fs::read_dir(&home.models).expect("it is there").count();
        let before = entries();
        let elsewhere = folder.path().join("elsewhere");
        for model in [&home.models.join("sd"), &home.models.join(".sd.removed"), &elsewhere] {
            std::fs::create_dir(model).expect("a folder");
            std::fs::write(model.join("model_index.json"), "{}").expect("written");
        }
        remove_files(&home, &home.models.join("sd")).expect("it is there");
        std::fs::write(home.models.join("text.gguf"), "").expect("written");
        remove_files(&home, &home.models.join("text.gguf")).expect("it is there");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&elsewhere, home.models.join("link")).expect("a link");
            remove_files(&home, &home.models.join("link")).expect("it is there");
        }
        assert_eq!(entries(), before);
        assert!(elsewhere.join("model_index.json").is_file(), "what a link leads to stays");
        assert!(remove_files(&home, &home.models.join("sd")).is_err());
    }
}
