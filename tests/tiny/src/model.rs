//! Models by name, with weights that are made of integers when they are asked for.
//!
//! Refuses: to know which tensors a model has; whoever loads it asks, and what it asked for can be written as files.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use candle_core::{DType, Device};
use paint::PaintError;
use paint::weights::{TensorSource, Weights};
use serde_json::Value;

use crate::integers::{fnv, numbers};

/// Weights by name, made when they are asked for; remembers for what it was asked.
struct MadeUp {
    model: String,
    asked: Rc<RefCell<BTreeSet<String>>>,
}

impl TensorSource for MadeUp {
    fn place(&self) -> String {
        self.model.clone()
    }

    fn names(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }

    /// Of the two CLIPs one has the prefix that all had in older files; no model has that of whole language models.
    fn has(&self, name: &str) -> bool {
        (!name.starts_with("text_model.") || self.model == "clip-exact") && !name.starts_with("model.")
    }

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, PaintError> {
        let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
        self.asked.borrow_mut().insert(format!("{name} [{}]", sizes.join(", ")));
        Ok(made_up(&self.model, name, shape))
    }
}

/// The numbers of a tensor, spread so that they neither grow nor fade from layer to layer.
#[must_use]
pub fn made_up(model: &str, name: &str, shape: &[usize]) -> Vec<f32> {
    let count: usize = shape.iter().product();
    let key = format!("{model} {name}");
    match shape {
        [first, _, ..] => numbers(&key, count, (3.0 / (count / first) as f64).sqrt() as f32),
        _ if name.ends_with("weight") => {
            numbers(&key, count, 0.1).into_iter().map(|number| 1.0 + number).collect()
        }
        _ => numbers(&key, count, 0.1),
    }
}

/// A recorded model: its configuration, its weights, and a check that it asked for the tensors of the reference.
pub struct Model {
    /// Its `config.json`.
    pub config: String,
    /// What it is loaded from.
    pub weights: Weights<'static>,
    names: String,
    asked: Rc<RefCell<BTreeSet<String>>>,
}

impl Model {
    /// One of those that Stable Diffusion is made of.
    ///
    /// # Panics
    /// When there is none of this name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::described(name, &super::description("models"))
    }

    /// A model of another part's list.
    ///
    /// # Panics
    /// When there is none of this name.
    #[must_use]
    pub fn described(name: &str, list: &Value) -> Self {
        let all = list.as_array().expect("a list");
        let item = all.iter().find(|item| item["name"] == name).expect("it is described");
        let text = |key: &str| item[key].as_str().expect("a word").to_owned();
        let asked = Rc::default();
        let source = MadeUp { model: name.to_owned(), asked: Rc::clone(&asked) };
        let weights = Weights::new(source, &Device::Cpu, DType::F32);
        Self { config: text("config"), weights, names: text("names"), asked }
    }

    /// Writes configuration and weights as a folder has them; the model must have been loaded before.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn save(&self, name: &str, folder: &Path, stem: &str) {
        fs::create_dir_all(folder).expect("a folder");
        fs::write(folder.join("config.json"), &self.config).expect("written");
        let asked = self.asked.borrow();
        let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = asked
            .iter()
            .map(|asked| {
                let (tensor, shape) = asked.split_once(' ').expect("a name and a shape");
                let shape: Vec<usize> = serde_json::from_str(shape).expect("a shape");
                let bytes = made_up(name, tensor, &shape).into_iter().flat_map(f32::to_le_bytes).collect();
                (tensor.to_owned(), shape, bytes)
            })
            .collect();
        let views = tensors.iter().map(|(tensor, shape, bytes)| {
            (
                tensor,
                safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes)
                    .expect("it fits"),
            )
        });
        let file = safetensors::serialize(views, None).expect("serialised");
        fs::write(folder.join(format!("{stem}.safetensors")), file).expect("written");
    }

    /// Checks that the model asked for the tensors that the reference has, and no others.
    ///
    /// # Panics
    /// When it did not.
    pub fn asked_for_all(&self) {
        let asked: Vec<String> = self.asked.borrow().iter().cloned().collect();
        // Python sorts by name alone, and no name begins another one and a blank.
        assert_eq!(fnv(asked.join("\n").as_bytes()).to_string(), self.names, "other tensors: {asked:#?}");
    }
}
