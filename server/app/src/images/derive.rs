//! Image models made of another one on this machine: with the weights of a checkpoint file, with LoRAs, or both. Refuses:
//! changing the model that is there, and following links out of it.
//!
//! The files of both are the same ones on the disk where its file system allows that, so that a model of several gigabytes
//! takes no room twice and each of the two can be removed alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use model::ModelError;
use serde::{Deserialize, Serialize};

use super::models::{INDEX_FILE, is_weights, list_image_models};
use super::verify::{RECORD_FILE, check_weights, misfit};
use crate::pull::check_name;
use crate::{AppError, ErrorKind, Result};

/// Where a model folder holds its LoRAs, and what says which count, and how much.
const LORAS_FOLDER: &str = "loras";
const LORAS_FILE: &str = "loras.json";
/// LoRAs of one model.
const LORAS_MAX: usize = 8;
/// How much a LoRA counts, at most, in either direction.
const LORA_SCALE_MAX: f64 = 4.0;
/// Bytes of [`LORAS_FILE`] that are read.
const LORAS_BYTES_MAX: u64 = 64 * 1024;
/// How the files end that can be taken up.
const EXTENSION: &str = "safetensors";
/// Files of one model that are taken over.
const FILES_MAX: usize = 1_024;
/// Folders that are gone into.
const DEPTH_MAX: usize = 3;

/// What an image model is made of besides another one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Derivation {
    /// A checkpoint in one file, in the place of all weights.
    pub weights: Option<PathBuf>,
    /// LoRA files, and how much each counts.
    pub loras: Vec<(PathBuf, f64)>,
}

/// One line of [`LORAS_FILE`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Lora {
    file: String,
    scale: f64,
}

/// Makes the image model `name` of the one called `base`, in the model folder, and tells where it lies. `fits` tells whether
/// its parts fit together, as loading would; one whose do not is not kept.
///
/// # Errors
/// `User` with what to change; `NotFound` without the model; `Unavailable` for files that are damaged or do not fit, and when
/// the disk refuses.
pub fn derive_image_model(
    folder: &Path,
    base: &str,
    name: &str,
    what: &Derivation,
    fits: impl FnOnce(&Path) -> std::result::Result<(), ModelError>,
) -> Result<PathBuf> {
    check_name(name)?;
    check(what)?;
    let Some(base) = list_image_models(folder).into_iter().find(|entry| entry.name == base) else {
        let message = format!("there is no image model named `{base}`");
        return Err(AppError::new(ErrorKind::NotFound, message).hint("see `familiar models list`"));
    };
    let place = folder.join(name);
    if fs::symlink_metadata(&place).is_ok() {
        let message = format!("{} is there already", place.display());
        return Err(AppError::new(ErrorKind::User, message).hint("choose another name"));
    }
    // Nothing of this name is a model before it is whole.
    let aside = folder.join(format!(".{name}.derived"));
    let make = || -> io::Result<()> {
        remove(&aside)?;
        fs::create_dir(&aside)?;
        let mut left = FILES_MAX;
        take_over(&base.path, &aside, 0, what.weights.is_some(), &mut left)?;
        if let Some(weights) = &what.weights {
            share(weights, &aside.join(file_name(weights)))?;
        }
        add_loras(&aside, &what.loras)
    };
    let refused = |error: io::Error| {
        AppError::new(ErrorKind::Unavailable, format!("{} cannot be made: {error}", place.display()))
            .hint("free some space or make the model folder writable, then try again")
            .caused_by(error)
    };
    let misfits = |error| {
        let message = format!("{name} is not made, because it could not be used: {}", misfit(error));
        let hint = "name files that were made for a model of the same kind; `familiar models verify` checks the one \
                    that it is made of";
        AppError::new(ErrorKind::Unavailable, message).hint(hint)
    };
    let made = make().map_err(refused).and_then(|()| fits(&aside).map_err(misfits));
    made.and_then(|()| fs::rename(&aside, &place).map_err(refused)).inspect_err(|_| {
        // What is left of it is removed by the next attempt too.
        let _ = remove(&aside);
    })?;
    Ok(place)
}

fn check(what: &Derivation) -> Result<()> {
    let user = |message: String, hint: &str| Err(AppError::new(ErrorKind::User, message).hint(hint));
    if what.weights.is_none() && what.loras.is_empty() {
        return user("nothing is added to the model".to_owned(), "name a checkpoint or a LoRA");
    }
    if what.loras.len() > LORAS_MAX {
        return user(format!("{} LoRAs are too many", what.loras.len()), "take at most 8");
    }
    for (_, scale) in &what.loras {
        if !(scale.is_finite() && scale.abs() <= LORA_SCALE_MAX) {
            return user(format!("a LoRA cannot count {scale} times"), "take -4 to 4; 1 is usual");
        }
    }
    for path in what.weights.iter().chain(what.loras.iter().map(|(path, _)| path)) {
        if path.extension().is_none_or(|end| end != EXTENSION) {
            let message = format!("{} is no safetensors file", path.display());
            return user(message, "other kinds of files can hold programs, and are not read");
        }
        if !path.is_file() {
            let message = format!("there is no file {}", path.display());
            return user(message, "name a safetensors file that lies on this machine");
        }
        check_weights(path).map_err(|error| {
            AppError::new(ErrorKind::Unavailable, format!("{} cannot be used: {error}", path.display()))
                .hint("bring the file again from where it came")
        })?;
    }
    Ok(())
}

/// Takes over the files of a model, its weights only where they are not replaced.
fn take_over(from: &Path, to: &Path, depth: usize, replaces: bool, left: &mut usize) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let is_loras = depth == 0 && (name == LORAS_FOLDER || name == LORAS_FILE);
        if *left == 0 {
            return Err(io::Error::other(format!("the model has more than {FILES_MAX} files")));
        }
        *left -= 1;
        // A folder behind a link is one of the model's all the same: pulled files are links in some caches.
        if path.is_dir() {
            // LoRAs are no weights of its own.
            let replaces = replaces && !is_loras;
            if depth < DEPTH_MAX {
                fs::create_dir(to.join(&name))?;
                take_over(&path, &to.join(&name), depth + 1, replaces, left)?;
            }
        } else if name != RECORD_FILE && !(replaces && is_model_weights(&path)) {
            share(&path, &to.join(&name))?;
        }
    }
    Ok(())
}

/// Whether a file holds weights, or says which files do.
fn is_model_weights(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    is_weights(path) || (name.contains(".safetensors.index") && name != INDEX_FILE)
}

/// The same file under another name; a copy where the file system does not have that.
fn share(from: &Path, to: &Path) -> io::Result<()> {
    let from = from.canonicalize()?;
    fs::hard_link(&from, to).or_else(|_| fs::copy(&from, to).map(drop))
}

fn add_loras(model: &Path, loras: &[(PathBuf, f64)]) -> io::Result<()> {
    if loras.is_empty() {
        return Ok(());
    }
    let mut listed = known_loras(model)?;
    let folder = model.join(LORAS_FOLDER);
    fs::create_dir_all(&folder)?;
    for (path, scale) in loras {
        let name = file_name(path);
        if listed.iter().any(|known| known.file == name) {
            return Err(io::Error::other(format!("it has a LoRA called {name} already")));
        }
        share(path, &folder.join(&name))?;
        listed.push(Lora { file: name, scale: *scale });
    }
    if listed.len() > LORAS_MAX {
        return Err(io::Error::other(format!("it would have {} LoRAs, more than {LORAS_MAX}", listed.len())));
    }
    let json = serde_json::to_vec_pretty(&listed)?;
    // A new file, because the old one may be that of the other model.
    let list = model.join(LORAS_FILE);
    remove(&list)?;
    fs::write(list, json)
}

fn known_loras(model: &Path) -> io::Result<Vec<Lora>> {
    let path = model.join(LORAS_FILE);
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(about) if about.len() > LORAS_BYTES_MAX => Err(io::Error::other(format!("{LORAS_FILE} is too large"))),
        Ok(_) => Ok(serde_json::from_slice(&fs::read(&path)?)?),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Removes a file or a folder, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of weights that holds nothing.
    const EMPTY: &[u8] = b"\x02\0\0\0\0\0\0\0{}";

    fn models() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        let base = place.path().join("sd");
        fs::create_dir_all(base.join("unet")).unwrap();
        fs::write(base.join(INDEX_FILE), "{}").unwrap();
        fs::write(base.join(RECORD_FILE), "").unwrap();
        fs::write(base.join("unet/config.json"), "{}").unwrap();
        fs::write(base.join("unet/model.safetensors"), EMPTY).unwrap();
        fs::write(base.join("unet/model.safetensors.index.json"), "{}").unwrap();
        for name in ["dream.safetensors", "style.safetensors", "other.safetensors"] {
            fs::write(place.path().join(name), EMPTY).unwrap();
        }
        place
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| file_name(&entry.unwrap().path())).collect();
        names.sort();
        names
    }

    #[test]
    fn a_checkpoint_takes_the_place_of_the_weights() {
        let models = models();
        let what = Derivation { weights: Some(models.path().join("dream.safetensors")), loras: Vec::new() };
        let made = derive_image_model(models.path(), "sd", "dream", &what, |_| Ok(())).unwrap();
        assert_eq!(names(&made), ["dream.safetensors", INDEX_FILE, "unet"]);
        assert_eq!(names(&made.join("unet")), ["config.json"]);
        assert!(models.path().join("sd/unet/model.safetensors").is_file(), "the other model stays");
        assert!(
            derive_image_model(models.path(), "sd", "dream", &what, |_| Ok(())).is_err(),
            "nothing is replaced"
        );
    }

    #[test]
    fn loras_are_listed_and_added_up() {
        let models = models();
        let lora = |name: &str, scale| (models.path().join(name), scale);
        let first = Derivation { loras: vec![lora("style.safetensors", 0.8)], weights: None };
        derive_image_model(models.path(), "sd", "styled", &first, |_| Ok(())).unwrap();
        let second = Derivation { loras: vec![lora("other.safetensors", -0.5)], weights: None };
        let made = derive_image_model(models.path(), "styled", "both", &second, |_| Ok(())).unwrap();
        assert_eq!(names(&made.join(LORAS_FOLDER)), ["other.safetensors", "style.safetensors"]);
        let listed = known_loras(&made).unwrap();
        let listed: Vec<_> = listed.iter().map(|lora| (lora.file.as_str(), lora.scale)).collect();
        assert_eq!(listed, [("style.safetensors", 0.8), ("other.safetensors", -0.5)]);
        assert_eq!(
            known_loras(&models.path().join("styled")).unwrap().len(),
            1,
            "the other model has its own list"
        );
        assert!(made.join("unet/model.safetensors").is_file());
        assert!(
            derive_image_model(models.path(), "both", "twice", &second, |_| Ok(())).is_err(),
            "one LoRA counts once"
        );
        assert!(!models.path().join(".twice.derived").exists(), "nothing is left of it");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let models = models();
        fs::write(models.path().join("broken.safetensors"), "x").unwrap();
        fs::write(models.path().join("style.ckpt"), EMPTY).unwrap();
        let lora =
            |name: &str, scale| Derivation { loras: vec![(models.path().join(name), scale)], weights: None };
        for (base, name, what, message) in [
            ("sd", "new", Derivation::default(), "nothing is added"),
            ("sd", "../new", lora("style.safetensors", 1.0), "name"),
            ("none", "new", lora("style.safetensors", 1.0), "no image model named `none`"),
            ("sd", "new", lora("style.safetensors", f64::NAN), "cannot count"),
            ("sd", "new", lora("style.safetensors", 5.0), "cannot count"),
            ("sd", "new", lora("broken.safetensors", 1.0), "broken.safetensors cannot be used"),
            ("sd", "new", lora("missing.safetensors", 1.0), "there is no file "),
            ("sd", "new", lora("style.ckpt", 1.0), "no safetensors file"),
        ] {
            let error = derive_image_model(models.path(), base, name, &what, |_| Ok(())).unwrap_err();
            assert!(error.message.contains(message), "{}", error.message);
        }
        assert!(!models.path().join("new").exists());
    }

    #[test]
    fn what_does_not_fit_is_not_kept() {
        let models = models();
        let what = Derivation { weights: Some(models.path().join("dream.safetensors")), loras: Vec::new() };
        let refuses = |folder: &Path| {
            assert!(folder.join("dream.safetensors").is_file(), "it is looked at as it would be");
            Err(ModelError::BadFile("./dream.safetensors (unet): 1 tensor is missing: a".into()))
        };
        let error = derive_image_model(models.path(), "sd", "dream", &what, refuses).unwrap_err();
        assert!(error.message.contains("dream is not made") && error.message.ends_with("missing: a"), "{error}");
        assert!(!models.path().join("dream").exists() && !models.path().join(".dream.derived").exists());
    }
}
