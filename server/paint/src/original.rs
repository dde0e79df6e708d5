//! The names of the layout that Stable Diffusion was first published in (latent diffusion, Rombach et al., 2022), and
//! those of diffusers for the same layers.
//!
//! Names are computed from a part's own configuration. Refuses: to guess; a name that no layer has stays unknown.

mod file;
mod open_clip;
mod unet;
mod vae;

use std::collections::BTreeMap;

pub(crate) use file::{Configs, Part, open};

/// Layers, or groups of layers that have the same names within, under their two names.
#[derive(Default)]
pub(crate) struct Names {
    to_diffusers: BTreeMap<String, String>,
    to_original: BTreeMap<String, String>,
}

impl Names {
    fn add(&mut self, original: impl Into<String>, diffusers: impl Into<String>) {
        let (original, diffusers) = (original.into(), diffusers.into());
        self.to_diffusers.insert(original.clone(), diffusers.clone());
        self.to_original.insert(diffusers, original);
    }

    /// Layers within a block.
    fn block(&mut self, original: &str, diffusers: &str, layers: &[(&str, &str)]) {
        for (from, to) in layers {
            self.add(format!("{original}.{from}"), format!("{diffusers}.{to}"));
        }
    }

    /// What diffusers calls the original of this name.
    fn diffusers(&self, original: &str) -> Option<String> {
        renamed(&self.to_diffusers, original)
    }

    /// The original name of what diffusers calls so.
    pub(crate) fn original(&self, diffusers: &str) -> Option<String> {
        renamed(&self.to_original, diffusers)
    }
}

/// A name with its longest known beginning, up to a dot or the end, in the other layout.
fn renamed(names: &BTreeMap<String, String>, name: &str) -> Option<String> {
    let mut end = name.len();
    loop {
        let (begin, rest) = name.split_at(end);
        if let Some(other) = names.get(begin) {
            return Some(format!("{other}{rest}"));
        }
        end = begin.rfind('.')?;
    }
}
