//! `loras.json`: which LoRAs change a model, in their order, and how much.
//!
//! Refuses: files outside of their folder, one that is named twice, and scales out of range.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use crate::error::PaintError;

/// The name of the list.
pub(crate) const LIST: &str = "loras.json";

/// Most LoRAs of a model.
const LORAS_MAX: usize = 8;

/// The largest scale, to either side of nothing; 1 is what a LoRA was trained for.
const SCALE_MAX: f64 = 4.0;

/// A line of the list.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    /// The file's name, without a folder.
    pub(crate) file: String,
    /// What its changes are multiplied by.
    pub(crate) scale: f64,
}

/// Reads the list.
///
/// # Errors
/// `BadModel` with the file and what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Vec<Listed>, PaintError> {
    let wrong = |reason: String| PaintError::bad_model(LIST, reason);
    let listed: Vec<Listed> = serde_json::from_str(text)
        .map_err(|error| wrong(format!("it is no list of files and scales: {error}")))?;
    if listed.len() > LORAS_MAX {
        return Err(wrong(format!("it has {} files; a model takes {LORAS_MAX}", listed.len())));
    }
    let mut seen = BTreeSet::new();
    for Listed { file, scale } in &listed {
        let name = Path::new(file).file_name().is_some_and(|name| name == file.as_str());
        if !name || file.contains('\\') || !file.ends_with(".safetensors") {
            return Err(wrong(format!("`{file}` is no name of a safetensors file")));
        }
        if !seen.insert(file) {
            return Err(wrong(format!("`{file}` is there twice")));
        }
        if !(-SCALE_MAX..=SCALE_MAX).contains(scale) {
            return Err(wrong(format!("the scale of `{file}` is {scale}; -{SCALE_MAX} to {SCALE_MAX} can be")));
        }
    }
    Ok(listed)
}
