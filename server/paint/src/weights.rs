//! Weights of a model by name: every tensor that the model needs is there in the right shape, and every tensor that is
//! there is needed.
//!
//! Refuses, by name: what is missing, what is left over, shapes that differ, and numbers that are not finite. A file of
//! another family or another version fails here and not in the picture.

mod files;
pub(crate) mod lora;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use candle_core::quantized::QTensor;
use candle_core::{DType, Device, Tensor};

use crate::error::PaintError;

pub use files::SafetensorFiles;

/// Most names that one error lists.
const NAMES_LISTED_MAX: usize = 8;

/// Where the numbers of a tensor come from.
pub trait TensorSource {
    /// The file, or the folder, that an error names.
    fn place(&self) -> String;

    /// Every name there is; empty when the source has whatever it is asked for.
    fn names(&self) -> BTreeSet<String>;

    /// Whether there is a tensor of this name.
    fn has(&self, name: &str) -> bool;

    /// The numbers of a tensor, which has this shape, in f32.
    ///
    /// # Errors
    /// `BadModel` when it is missing, has another shape or cannot be read.
    fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, PaintError>;

    /// Whether a tensor is there and has this shape, without its numbers where the source can tell.
    ///
    /// # Errors
    /// As for [`TensorSource::read`].
    fn check(&mut self, name: &str, shape: &[usize]) -> Result<(), PaintError> {
        self.read(name, shape).map(drop)
    }

    /// A tensor as it is, where the source has it quantised.
    ///
    /// # Errors
    /// As for [`TensorSource::read`].
    fn read_quantised(
        &mut self,
        _name: &str,
        _shape: &[usize],
        _device: &Device,
    ) -> Result<Option<QTensor>, PaintError> {
        Ok(None)
    }
}

/// Told how many numbers each tensor has that was read; an error ends the loading.
pub type Reading<'a> = &'a dyn Fn(u64) -> Result<(), PaintError>;

struct Shared<'a> {
    source: Box<dyn TensorSource>,
    used: BTreeSet<String>,
    missing: BTreeSet<String>,
    device: Device,
    dtype: DType,
    reading: Reading<'a>,
    /// Whether nothing but names and shapes counts.
    heads_only: bool,
}

/// The tensors below a prefix. Clones share what was used.
#[derive(Clone)]
pub struct Weights<'a> {
    shared: Rc<RefCell<Shared<'a>>>,
    prefix: String,
}

impl Weights<'static> {
    /// All tensors of a source, for a device and a type that they are converted to.
    #[must_use]
    pub fn new(source: impl TensorSource + 'static, device: &Device, dtype: DType) -> Self {
        Self::watched(Box::new(source), device, dtype, &|_| Ok(()))
    }
}

impl<'a> Weights<'a> {
    /// The same, for a caller who wants to know how far it is or to end it.
    #[must_use]
    pub fn watched(source: Box<dyn TensorSource>, device: &Device, dtype: DType, reading: Reading<'a>) -> Self {
        let shared = Shared {
            source,
            used: BTreeSet::new(),
            missing: BTreeSet::new(),
            device: device.clone(),
            dtype,
            reading,
            heads_only: false,
        };
        Self { shared: Rc::new(RefCell::new(shared)), prefix: String::new() }
    }

    /// The same, but tensors are compared by name and shape alone, and a single zero stands in for the numbers of each.
    #[must_use]
    pub(crate) fn heads_only(self) -> Self {
        self.shared.borrow_mut().heads_only = true;
        self
    }

    /// The tensors whose names go on with `name` and a dot.
    #[must_use]
    pub fn at(&self, name: impl std::fmt::Display) -> Self {
        Self { shared: Rc::clone(&self.shared), prefix: format!("{}{name}.", self.prefix) }
    }

    /// The first of several names that some tensor here goes on with; the first one when none does. Model folders of
    /// different age have different names for the same thing.
    #[must_use]
    pub fn at_any(&self, names: &[&str]) -> Self {
        let found = names.iter().find(|name| self.has(&format!("{name}.weight")));
        self.at(found.or(names.first()).unwrap_or(&""))
    }

    /// Whether there is a tensor of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.shared.borrow().source.has(&format!("{}{name}", self.prefix))
    }

    /// A tensor. When it is missing, a single zero stands in for all of it until [`Weights::finish`], so that all missing
    /// names are told at once.
    ///
    /// # Errors
    /// `BadModel` when its shape differs, when it cannot be read or holds numbers that are not finite; what the caller
    /// says who watches.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, PaintError> {
        let name = format!("{}{name}", self.prefix);
        let shared = &mut *self.shared.borrow_mut();
        if !shared.source.has(&name) {
            shared.missing.insert(name);
            return Ok(Tensor::zeros(1, shared.dtype, &shared.device)?.broadcast_as(shape)?);
        }
        if shared.heads_only {
            shared.source.check(&name, shape)?;
            shared.used.insert(name);
            return Ok(Tensor::zeros(1, shared.dtype, &shared.device)?.broadcast_as(shape)?);
        }
        let numbers = shared.source.read(&name, shape)?;
        (shared.reading)(numbers.len() as u64)?;
        if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
            let place = shared.source.place();
            return Err(PaintError::bad_model(&place, format!("`{name}` is not finite at place {at}")));
        }
        shared.used.insert(name);
        let tensor = Tensor::from_vec(numbers, shape, &Device::Cpu)?;
        Ok(tensor.to_dtype(shared.dtype)?.to_device(&shared.device)?)
    }

    /// A tensor as it is, where the source has it quantised; otherwise it is still to be taken.
    ///
    /// # Errors
    /// As for [`Weights::tensor`].
    pub(crate) fn quantised(&self, name: &str, shape: &[usize]) -> Result<Option<QTensor>, PaintError> {
        let name = format!("{}{name}", self.prefix);
        let shared = &mut *self.shared.borrow_mut();
        if shared.heads_only {
            return Ok(None);
        }
        let tensor = shared.source.read_quantised(&name, shape, &shared.device)?;
        if tensor.is_some() {
            (shared.reading)(shape.iter().fold(1, |all, size| all * *size as u64))?;
            shared.used.insert(name);
        }
        Ok(tensor)
    }

    /// Where tensors are put.
    #[must_use]
    pub fn device(&self) -> Device {
        self.shared.borrow().device.clone()
    }

    /// The type of the tensors.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.shared.borrow().dtype
    }

    /// Ends the loading of a model.
    ///
    /// # Errors
    /// `BadModel` with the names that are missing and those that nothing needs; `may_be_left` says which of the latter
    /// are of no consequence.
    pub fn finish(&self, may_be_left: impl Fn(&str) -> bool) -> Result<(), PaintError> {
        let shared = self.shared.borrow();
        let names = shared.source.names();
        let left: BTreeSet<&String> =
            names.iter().filter(|name| !shared.used.contains(*name) && !may_be_left(name)).collect();
        let mut reasons = Vec::new();
        if !shared.missing.is_empty() {
            let (count, names) = (shared.missing.len(), listed(shared.missing.iter()));
            let are_missing = if count == 1 { "1 tensor is".to_owned() } else { format!("{count} tensors are") };
            reasons.push(format!("{are_missing} missing: {names}"));
        }
        if !left.is_empty() {
            reasons.push(of_no_part(left.into_iter()));
        }
        if reasons.is_empty() {
            Ok(())
        } else {
            Err(PaintError::bad_model(&shared.source.place(), reasons.join("; ")))
        }
    }
}

/// What is said of tensors that nothing needs.
pub(crate) fn of_no_part<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let count = names.len();
    let belong = if count == 1 { "1 tensor belongs".to_owned() } else { format!("{count} tensors belong") };
    format!("{belong} to no part of it: {}", listed(names))
}

/// Some names for an error, and a sign where there are more.
pub(crate) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let count = names.len();
    let mut first: Vec<&str> = names.take(NAMES_LISTED_MAX).map(String::as_str).collect();
    if count > NAMES_LISTED_MAX {
        first.push("...");
    }
    first.join(", ")
}

#[cfg(test)]
mod tests;
