//! Where the weights of a folder's parts are: each in the part's own folder, or all of a Stable Diffusion in one file at
//! the root, which has the original names. The LoRAs of the folder are merged.
//!
//! Refuses: several files at the root without weights of parts, and LoRAs for a denoiser that is quantised. Beside weights of
//! parts such files are not read.

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use candle_core::DType;

use super::folder::{config, part_type, text, within};
use crate::clip::ClipConfig;
use crate::error::PaintError;
use crate::flux::GgufFile;
use crate::original::{self, Names};
use crate::unet::UNetConfig;
use crate::vae::VaeConfig;
use crate::weights::lora::{self, Merged, Places};
use crate::weights::{SafetensorFiles, TensorSource};

/// The name of the weights of denoisers and autoencoders.
const STEM: &str = "diffusion_pytorch_model";

/// The name of the weights of text encoders.
const TEXT_STEM: &str = "model";

/// Weights of one part, whose headers were read.
pub(super) struct Source {
    pub(super) tensors: Box<dyn TensorSource>,
    pub(super) elements: u64,
    /// Bytes in memory where they stay quantised.
    quantised_bytes: Option<u64>,
}

/// Sources by part.
pub(super) type Sources = BTreeMap<String, Source>;

/// The weights of these parts, of which the headers are read.
pub(super) fn open(folder: &Path, parts: &[&str]) -> Result<Sources, PaintError> {
    let mut sources = match checkpoint(folder, parts)? {
        Some(name) => of_checkpoint(folder, &name, parts)?,
        None => parts
            .iter()
            .map(|part| Ok(((*part).to_owned(), Source::open(folder, part)?)))
            .collect::<Result<_, PaintError>>()?,
    };
    if folder.join(lora::LIST).exists() {
        change(folder, &mut sources)?;
    }
    Ok(sources)
}

/// Bytes of all parts in memory where they are loaded in this type.
pub(super) fn bytes(sources: &Sources, dtype: DType) -> u64 {
    sources.iter().map(|(part, source)| source.bytes(part_type(part, dtype))).fold(0, u64::saturating_add)
}

impl Source {
    /// The weights of a part. A denoiser may be a GGUF file, whatever its name.
    fn open(folder: &Path, part: &str) -> Result<Self, PaintError> {
        let place = folder.join(part);
        if part == "transformer"
            && let Some(path) = quantised(&place)?
        {
            let file = within(part, GgufFile::open(&path))?;
            let (elements, quantised_bytes) = (file.elements(), Some(file.data_bytes()));
            return Ok(Self { tensors: Box::new(file), elements, quantised_bytes });
        }
        let stem = if part.starts_with("text_encoder") { TEXT_STEM } else { STEM };
        let files = within(part, SafetensorFiles::open(&place, stem))?;
        Ok(Self { elements: files.elements(), tensors: Box::new(files), quantised_bytes: None })
    }

    fn bytes(&self, dtype: DType) -> u64 {
        self.quantised_bytes.unwrap_or(self.elements.saturating_mul(dtype.size_in_bytes() as u64))
    }
}

/// The file at the root of a Stable Diffusion's folder that has the weights of all its parts.
fn checkpoint(folder: &Path, parts: &[&str]) -> Result<Option<String>, PaintError> {
    if !parts.contains(&"unet") {
        return Ok(None);
    }
    let names = |part: &str| -> Result<Vec<String>, PaintError> {
        let wrong = |error: std::io::Error| PaintError::bad_model(part, error.to_string());
        let entries = folder.join(part).read_dir().map_err(wrong)?;
        let name =
            |entry: std::io::Result<DirEntry>| Ok(entry.map_err(wrong)?.file_name().to_string_lossy().into());
        entries.map(name).collect()
    };
    let mut found = names(".")?;
    found.retain(|name| name.ends_with(".safetensors"));
    found.sort_unstable();
    let Some(first) = found.first() else { return Ok(None) };
    let wrong = |reason: String| Err(PaintError::bad_model(&format!("./{first}"), reason));
    for part in parts {
        // Folders are published with such files beside their parts, which are the whole model. Shards have an index, whose
        // name goes on behind this.
        if folder.join(part).is_dir() && names(part)?.iter().any(|name| name.contains(".safetensors")) {
            return Ok(None);
        }
    }
    match found.get(1) {
        Some(second) => wrong(format!("there is `{second}` as well; take out the one that is not meant")),
        None => Ok(found.pop()),
    }
}

fn of_checkpoint(folder: &Path, name: &str, parts: &[&str]) -> Result<Sources, PaintError> {
    const SECOND: &str = "text_encoder_2";
    let second = parts.contains(&SECOND).then(|| config(folder, SECOND, ClipConfig::parse));
    let configs = original::Configs {
        unet: config(folder, "unet", UNetConfig::parse)?,
        vae: config(folder, "vae", VaeConfig::parse)?,
        text: config(folder, "text_encoder", ClipConfig::parse)?,
        second_text: second.transpose()?,
    };
    let source = |(part, tensors): (String, original::Part)| {
        let elements = tensors.elements();
        (part, Source { tensors: Box::new(tensors), elements, quantised_bytes: None })
    };
    Ok(original::open(folder, name, &configs)?.into_iter().map(source).collect())
}

/// Merges what the folder's list of LoRAs names.
fn change(folder: &Path, sources: &mut Sources) -> Result<(), PaintError> {
    let listed = lora::parse(&text(folder, lora::LIST)?)?;
    let mut places = Places::default();
    for (part, source) in &*sources {
        let original = (part == "unet").then(|| config(folder, part, UNetConfig::parse)).transpose()?;
        let original = original.map(|config| Names::of_unet(&config));
        places.add(part, &source.tensors.names(), original.as_ref());
    }
    for (part, changes) in lora::open(folder, &listed, &places)? {
        let Some(source) = sources.remove(&part) else { continue };
        if source.quantised_bytes.is_some() {
            let file = changes.values().flatten().next().map_or_else(String::new, lora::Change::place);
            let reason = format!(
                "it changes the denoiser, whose weights are quantised; take it out of {}, or use weights that are not",
                lora::LIST
            );
            return Err(PaintError::bad_model(&file, reason));
        }
        let tensors = Box::new(Merged::new(source.tensors, changes));
        sources.insert(part, Source { tensors, ..source });
    }
    Ok(())
}

/// The one GGUF file of a part of the model.
fn quantised(place: &Path) -> Result<Option<PathBuf>, PaintError> {
    let wrong = |reason: String| PaintError::bad_model("transformer", reason);
    let mut found = None;
    for entry in place.read_dir().map_err(|error| wrong(error.to_string()))? {
        let path = entry.map_err(|error| wrong(error.to_string()))?.path();
        if path.extension().is_some_and(|end| end == "gguf") && found.replace(path).is_some() {
            return Err(wrong("it has more than one GGUF file".to_owned()));
        }
    }
    Ok(found)
}
