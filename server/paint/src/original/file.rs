//! One safetensors file with all parts of a Stable Diffusion in the original layout, offered under the names of diffusers.
//!
//! Refuses, by name: tensors that belong to no part. Averages of the training and tables that follow from the schedule are
//! of no consequence.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use super::{Names, open_clip};
use crate::clip::ClipConfig;
use crate::error::PaintError;
use crate::unet::UNetConfig;
use crate::vae::VaeConfig;
use crate::weights::{SafetensorFiles, TensorSource, of_no_part};

/// What says which layers there are.
pub(crate) struct Configs {
    pub(crate) unet: UNetConfig,
    pub(crate) vae: VaeConfig,
    pub(crate) text: ClipConfig,
    /// SDXL has it.
    pub(crate) second_text: Option<ClipConfig>,
}

/// What the layers of a part are called.
enum Kind {
    /// As in diffusers.
    Same,
    /// As these names say.
    Named(Names),
    /// As OpenCLIP has it.
    OpenClip { names: Names, layers: usize, projects: bool },
}

/// The tensors of a part, whose names begin like this.
struct Section {
    part: &'static str,
    begin: &'static str,
    kind: Kind,
}

/// How a tensor of the file becomes one of diffusers.
#[derive(Clone, Copy)]
enum How {
    Same,
    /// A matrix, which may be a convolution of one place.
    Matrix,
    /// A third of the rows, counted from the first.
    Third(usize),
    /// Rows for columns.
    Turned,
}

/// A tensor of the file.
struct Place {
    name: String,
    how: How,
}

/// The tensors of one part.
pub(crate) struct Part {
    place: String,
    file: Rc<RefCell<SafetensorFiles>>,
    places: BTreeMap<String, Place>,
    elements: u64,
}

/// Opens a file at the root of a model's folder, of which the header is read, and finds the tensors of each part.
///
/// # Errors
/// `BadModel` when it is damaged, or with the names that belong to no part.
pub(crate) fn open(folder: &Path, name: &str, configs: &Configs) -> Result<BTreeMap<String, Part>, PaintError> {
    let sections = configs.sections();
    // Errors of parts have the part's folder in front of their file; this one lies in none of them.
    let name = format!("./{name}");
    let file = Rc::new(RefCell::new(SafetensorFiles::single(folder, &name)?));
    let mut parts: BTreeMap<String, Part> = BTreeMap::new();
    for Section { part, .. } in &sections {
        let (place, file) = (format!("{name} ({part})"), Rc::clone(&file));
        parts.insert((*part).to_owned(), Part { place, file, places: BTreeMap::new(), elements: 0 });
    }
    let mut left = BTreeSet::new();
    for tensor in file.borrow().names().into_iter().filter(|tensor| !of_no_consequence(tensor)) {
        let found = sections.iter().find_map(|section| Some((section, tensor.strip_prefix(section.begin)?)));
        let Some((section, rest)) = found else {
            left.insert(tensor);
            continue;
        };
        let Some(places) = section.kind.places(rest) else {
            left.insert(tensor);
            continue;
        };
        let Some(part) = parts.get_mut(section.part) else { continue };
        if !places.is_empty() {
            let numbers = file.borrow().elements_of(&tensor);
            part.elements = part.elements.saturating_add(numbers);
        }
        for (diffusers, how) in places {
            let place = Place { name: tensor.clone(), how };
            if let Some(other) = part.places.insert(diffusers, place) {
                let reason = format!("`{tensor}` and `{}` are the same tensor", other.name);
                return Err(PaintError::bad_model(&name, reason));
            }
        }
    }
    if left.is_empty() {
        return Ok(parts);
    }
    Err(PaintError::bad_model(&name, of_no_part(left.iter())))
}

/// What a checkpoint has beside the weights.
fn of_no_consequence(name: &str) -> bool {
    const TABLES: &[&str] = &[
        "alphas_cumprod",
        "alphas_cumprod_prev",
        "betas",
        "denoiser.sigmas",
        "log_one_minus_alphas_cumprod",
        "posterior_log_variance_clipped",
        "posterior_mean_coef1",
        "posterior_mean_coef2",
        "posterior_variance",
        "sqrt_alphas_cumprod",
        "sqrt_one_minus_alphas_cumprod",
        "sqrt_recip_alphas_cumprod",
        "sqrt_recipm1_alphas_cumprod",
    ];
    TABLES.contains(&name)
        || name.starts_with("model_ema.")
        || name.ends_with(".position_ids")
        || name.ends_with(".logit_scale")
}

impl Configs {
    /// The sections of a file. The first two versions have their one text encoder in the same place, each in its own way.
    fn sections(&self) -> Vec<Section> {
        let open_clip = |config: &ClipConfig| Kind::OpenClip {
            names: Names::of_open_clip(config.layers),
            layers: config.layers,
            projects: config.projection_dim.is_some(),
        };
        let section = |part, begin, kind| Section { part, begin, kind };
        let mut sections = vec![
            section("unet", "model.diffusion_model.", Kind::Named(Names::of_unet(&self.unet))),
            section("vae", "first_stage_model.", Kind::Named(Names::of_vae(&self.vae))),
        ];
        sections.extend(match &self.second_text {
            Some(second) => [
                section("text_encoder", "conditioner.embedders.0.transformer.", Kind::Same),
                section("text_encoder_2", "conditioner.embedders.1.model.", open_clip(second)),
            ],
            None => [
                section("text_encoder", "cond_stage_model.transformer.", Kind::Same),
                section("text_encoder", "cond_stage_model.model.", open_clip(&self.text)),
            ],
        });
        sections
    }
}

impl Kind {
    /// What diffusers makes of a tensor: nothing of one that is of no consequence, and `None` for one that is unknown.
    fn places(&self, name: &str) -> Option<Vec<(String, How)>> {
        match self {
            Self::Same => Some(vec![(name.to_owned(), How::Same)]),
            Self::Named(names) => {
                let diffusers = names.diffusers(name)?;
                // Those of the denoiser are what its configuration says they are.
                let matrix = diffusers.contains(".mid_block.attentions.") && diffusers.ends_with(".weight");
                Some(vec![(diffusers, if matrix { How::Matrix } else { How::Same })])
            }
            // Version 2 reads what the last layer but one gives, so diffusers leaves out what comes behind that.
            Self::OpenClip { layers, projects: false, .. }
                if name == "text_projection" || name.starts_with(&format!("{}.", open_clip::block(*layers))) =>
            {
                Some(Vec::new())
            }
            Self::OpenClip { names, .. } => {
                let Some((layer, end)) = name.rsplit_once(".in_proj_") else {
                    let how = if name == "text_projection" { How::Turned } else { How::Same };
                    return Some(vec![(names.diffusers(name)?, how)]);
                };
                let layer = names.diffusers(layer)?;
                let third = |(at, part): (usize, &str)| (format!("{layer}.{part}_proj.{end}"), How::Third(at));
                Some(["q", "k", "v"].into_iter().enumerate().map(third).collect())
            }
        }
    }
}

impl Part {
    /// Numbers in all its tensors together.
    pub(crate) fn elements(&self) -> u64 {
        self.elements
    }

    /// The tensor of the file that has the one called so, and its shape there when that one has this shape.
    fn found(&self, name: &str, shape: &[usize]) -> Result<(&Place, Vec<usize>), PaintError> {
        let place = self.places.get(name);
        let place = place.ok_or_else(|| PaintError::bad_model(&self.place, format!("`{name}` is missing")))?;
        let mut there = shape.to_vec();
        match place.how {
            How::Same => {}
            How::Matrix => there.resize(self.file.borrow().shape(&place.name).len().max(shape.len()), 1),
            How::Third(_) => there.iter_mut().take(1).for_each(|rows| *rows *= 3),
            How::Turned => there.reverse(),
        }
        Ok((place, there))
    }
}

impl TensorSource for Part {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn names(&self) -> BTreeSet<String> {
        self.places.keys().cloned().collect()
    }

    fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    fn check(&mut self, name: &str, shape: &[usize]) -> Result<(), PaintError> {
        let (Place { name, .. }, there) = self.found(name, shape)?;
        self.file.borrow_mut().check(name, &there)
    }

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, PaintError> {
        let (Place { name, how }, there) = self.found(name, shape)?;
        let numbers = self.file.borrow_mut().read(name, &there)?;
        Ok(match (how, shape) {
            (How::Third(at), _) => {
                let count = numbers.len() / 3;
                numbers[at * count..(at + 1) * count].to_vec()
            }
            (How::Turned, [rows, columns]) => {
                let number = |at: usize| numbers[at % columns * rows + at / columns];
                (0..rows * columns).map(number).collect()
            }
            _ => numbers,
        })
    }
}
