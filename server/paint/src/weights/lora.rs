//! LoRAs (Hu et al., 2021) that are merged while weights are read: a matrix gets the product of two narrow ones added.
//!
//! A folder lists its LoRAs in `loras.json`; the files lie in `loras`. Refuses, by name: tensors that have no place in
//! the model or do not fit there, one without its counterpart, and changes that are no such product.

mod file;
mod list;
mod places;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use candle_core::{Device, Tensor};

use super::{SafetensorFiles, TensorSource};
use crate::error::PaintError;
use crate::flux::names::Rows;

pub(crate) use file::open;
pub(crate) use list::{LIST, Listed, parse};
pub(crate) use places::Places;

/// Changes by the name of the tensor, in the order of the list.
pub(crate) type Changes = BTreeMap<String, Vec<Change>>;

/// What one LoRA adds to one tensor.
pub(crate) struct Change {
    file: Rc<RefCell<SafetensorFiles>>,
    down: String,
    up: String,
    /// Rows of `up` that are for this tensor; `None` is all of them.
    rows: Option<Vec<Rows>>,
    /// Rows of the one and columns of the other.
    rank: usize,
    factor: f32,
}

impl Change {
    /// The file that it is from.
    pub(crate) fn place(&self) -> String {
        self.file.borrow().place()
    }

    /// Whether it can be added to a tensor of this name and shape; the shapes of its two matrices as the file has them.
    fn check(&self, name: &str, shape: &[usize]) -> Result<(Vec<usize>, Vec<usize>), PaintError> {
        let file = self.file.borrow();
        let (down, up) = (file.shape(&self.down).to_vec(), file.shape(&self.up).to_vec());
        // A convolution is a matrix too: what it makes one number of is a row. Shapes are compared before anything is
        // read, so that no more is taken into memory than the model has.
        let fits = match shape {
            [outputs, inputs @ ..] if !inputs.is_empty() => {
                let wanted: Vec<usize> = std::iter::once(self.rank).chain(inputs.iter().copied()).collect();
                let all = up.first().copied().unwrap_or(0);
                let taken = self.rows.as_ref().map_or(all, |rows| rows.iter().map(|(_, count)| count).sum());
                same(&down, &wanted) && same(&up, &[all, self.rank]) && taken == *outputs
            }
            _ => false,
        };
        if !fits {
            let reason = format!(
                "`{}` {down:?} and `{}` {up:?} do not fit `{name}`, which has the shape {shape:?}",
                self.down, self.up
            );
            return Err(PaintError::bad_model(&file.place(), reason));
        }
        Ok((down, up))
    }

    /// Adds it to the numbers of a tensor of this name and shape.
    fn add(&self, name: &str, shape: &[usize], numbers: &mut [f32]) -> Result<(), PaintError> {
        let (down, up) = self.check(name, shape)?;
        let file = &mut *self.file.borrow_mut();
        let outputs = shape[0];
        let inputs = numbers.len() / outputs;
        let matrix = |file: &mut SafetensorFiles, name: &str, shape: &[usize], size: (usize, usize)| {
            let numbers = file.read(name, shape)?;
            match numbers.iter().position(|number| !number.is_finite()) {
                Some(at) => {
                    Err(PaintError::bad_model(&file.place(), format!("`{name}` is not finite at place {at}")))
                }
                None => Ok(Tensor::from_vec(numbers, size, &Device::Cpu)?),
            }
        };
        let down = matrix(file, &self.down, &down, (self.rank, inputs))?;
        let up = matrix(file, &self.up, &up, (up[0], self.rank))?;
        let up = match &self.rows {
            Some(rows) => {
                let parts: Result<Vec<_>, _> =
                    rows.iter().map(|(first, count)| up.narrow(0, *first, *count)).collect();
                Tensor::cat(&parts?, 0)?
            }
            None => up,
        };
        let product: Vec<f32> = up.matmul(&down)?.flatten_all()?.to_vec1()?;
        for (number, change) in numbers.iter_mut().zip(product) {
            *number += self.factor * change;
        }
        Ok(())
    }
}

/// Whether two shapes are the same but for ones at their ends, which convolutions of one place have.
fn same(a: &[usize], b: &[usize]) -> bool {
    fn core(shape: &[usize]) -> &[usize] {
        let end = shape.iter().rposition(|size| *size != 1).map_or(0, |last| last + 1);
        &shape[..end]
    }
    core(a) == core(b)
}

/// The tensors of a part with their changes.
pub(crate) struct Merged {
    source: Box<dyn TensorSource>,
    changes: Changes,
}

impl Merged {
    /// All of `changes` are to tensors that `source` has.
    pub(crate) fn new(source: Box<dyn TensorSource>, changes: Changes) -> Self {
        Self { source, changes }
    }
}

impl TensorSource for Merged {
    fn place(&self) -> String {
        self.source.place()
    }

    fn names(&self) -> BTreeSet<String> {
        self.source.names()
    }

    fn has(&self, name: &str) -> bool {
        self.source.has(name)
    }

    fn check(&mut self, name: &str, shape: &[usize]) -> Result<(), PaintError> {
        self.source.check(name, shape)?;
        self.changes.get(name).into_iter().flatten().try_for_each(|change| change.check(name, shape).map(drop))
    }

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, PaintError> {
        let mut numbers = self.source.read(name, shape)?;
        for change in self.changes.get(name).into_iter().flatten() {
            change.add(name, shape, &mut numbers)?;
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests;
