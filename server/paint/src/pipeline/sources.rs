//! Where the weights of a folder's parts are: each in the part's own folder, with the LoRAs of the folder merged.
//!
//! Refuses: LoRAs for a denoiser that is quantised.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::DType;

use super::folder::{config, part_type, text, within};
use crate::error::PaintError;
use crate::flux::GgufFile;
use crate::original::Names;
use crate::unet::UNetConfig;
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
    let sources: Result<Sources, PaintError> =
        parts.iter().map(|part| Ok(((*part).to_owned(), Source::open(folder, part)?))).collect();
    let mut sources = sources?;
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
