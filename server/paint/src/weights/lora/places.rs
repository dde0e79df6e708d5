//! What LoRA files call the layers of a model.
//!
//! The names of diffusers stand behind the part's name and a dot. Files of the kohya scripts have underscores for dots,
//! behind a beginning of their own; of SDXL's denoiser they have the original names. Refuses: to take names apart; each
//! name that a layer may have is written down beforehand.

use std::collections::{BTreeMap, BTreeSet};

use crate::original::Names;

/// Beginnings for the names of a part: before dots and before underscores.
type Beginnings = (&'static [&'static str], &'static [&'static str]);

/// Denoisers alone could be changed at first, and their names had no beginning.
const UNET: Beginnings = (&["unet.", ""], &["lora_unet_"]);
const TEXT: Beginnings = (&["text_encoder."], &["lora_te_", "lora_te1_"]);
const SECOND_TEXT: Beginnings = (&["text_encoder_2."], &["lora_te2_"]);
const TRANSFORMER: Beginnings = (&["transformer."], &[]);

/// What the names within older text encoders begin with; files of any age are for encoders of any age.
const OLD_TEXT: &str = "text_model.";

/// A tensor of a part.
pub(super) type Place = (String, String);

/// The tensors of a model by the names of their layers.
#[derive(Default)]
pub(crate) struct Places(BTreeMap<String, Place>);

impl Places {
    /// Adds the tensors of a part; `original` has other names of its layers.
    pub(crate) fn add(&mut self, part: &str, tensors: &BTreeSet<String>, original: Option<&Names>) {
        let (dotted, underscored) = match part {
            "unet" => UNET,
            "text_encoder" => TEXT,
            "text_encoder_2" => SECOND_TEXT,
            "transformer" => TRANSFORMER,
            _ => return,
        };
        for tensor in tensors {
            let Some(layer) = tensor.strip_suffix(".weight") else { continue };
            let mut names = vec![layer.to_owned()];
            if part.starts_with("text_encoder") {
                let new = layer.strip_prefix(OLD_TEXT).unwrap_or(layer);
                names = vec![new.to_owned(), format!("{OLD_TEXT}{new}")];
            }
            let place = (part.to_owned(), tensor.clone());
            for name in &names {
                for begin in dotted {
                    self.0.insert(format!("{begin}{name}"), place.clone());
                }
            }
            names.extend(original.and_then(|original| original.original(layer)));
            for name in &names {
                for begin in underscored {
                    self.0.insert(format!("{begin}{}", name.replace('.', "_")), place.clone());
                }
            }
        }
    }

    /// The tensor of a layer, by any of its names.
    pub(super) fn of(&self, layer: &str) -> Option<&Place> {
        self.0.get(layer)
    }
}
