//! What LoRA files call the layers of a model.
//!
//! The names of diffusers stand behind the part's name and a dot. Files of the kohya scripts have underscores for dots,
//! behind a beginning of their own; of the denoisers of SDXL and FLUX they have the original names. FLUX's original layers
//! are several of diffusers in one, each with some of the rows. Refuses: to take names apart; each name that a layer may
//! have is written down beforehand.

use std::collections::{BTreeMap, BTreeSet};

use crate::flux::names::{self as flux, Rows};
use crate::original::Names;

/// Beginnings for the names of a part: before dots and before underscores.
type Beginnings = (&'static [&'static str], &'static [&'static str]);

/// Denoisers alone could be changed at first, and their names had no beginning.
const UNET: Beginnings = (&["unet.", ""], &["lora_unet_"]);
const TEXT: Beginnings = (&["text_encoder."], &["lora_te_", "lora_te1_"]);
/// That of FLUX is counted as the third, because the second had been another one before.
const SECOND_TEXT: Beginnings = (&["text_encoder_2."], &["lora_te2_", "lora_te3_"]);
const TRANSFORMER: Beginnings = (&["transformer.", "diffusion_model."], &["lora_transformer_"]);

/// Beginnings for the original names of a transformer.
const ORIGINAL_TRANSFORMER: Beginnings = (&["diffusion_model.", ""], &["lora_unet_"]);

/// What the names within older text encoders begin with; files of any age are for encoders of any age.
const OLD_TEXT: &str = "text_model.";

/// A tensor of a part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) part: String,
    pub(super) tensor: String,
}

/// What is known under the name of a layer.
#[derive(Clone)]
enum Layer {
    One(Place),
    /// A layer of a part in the original layout of FLUX.
    Joined {
        part: String,
        original: String,
    },
}

/// The tensors of a model by the names of their layers.
#[derive(Default)]
pub(crate) struct Places(BTreeMap<String, Layer>);

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
            let place = Layer::One(Place { part: part.to_owned(), tensor: tensor.clone() });
            for name in &names {
                for begin in dotted {
                    self.0.insert(format!("{begin}{name}"), place.clone());
                }
            }
            if part == "transformer" {
                self.add_original(part, layer);
            }
            names.extend(original.and_then(|original| original.original(layer)));
            for name in &names {
                for begin in underscored {
                    self.0.insert(format!("{begin}{}", name.replace('.', "_")), place.clone());
                }
            }
        }
    }

    /// The original layer that has the numbers of this one, where there is one.
    fn add_original(&mut self, part: &str, layer: &str) {
        let Some(original) = flux::original(layer) else { return };
        let joined = Layer::Joined { part: part.to_owned(), original: original.clone() };
        let (dotted, underscored) = ORIGINAL_TRANSFORMER;
        for begin in dotted {
            self.0.insert(format!("{begin}{original}"), joined.clone());
        }
        for begin in underscored {
            self.0.insert(format!("{begin}{}", original.replace('.', "_")), joined.clone());
        }
    }

    /// The tensors of a layer, by any of its names, each with the rows that it has of the `rows` of the layer; `None` is
    /// all of them. No tensor for a name that no layer has.
    pub(super) fn of(&self, layer: &str, rows: usize) -> Vec<(Place, Option<Vec<Rows>>)> {
        match self.0.get(layer) {
            None => Vec::new(),
            Some(Layer::One(place)) => vec![(place.clone(), None)],
            Some(Layer::Joined { part, original }) => flux::parts(&format!("{original}.weight"), rows)
                .into_iter()
                .map(|tensor| (Place { part: part.clone(), tensor: tensor.name }, Some(tensor.rows)))
                .collect(),
        }
    }
}
