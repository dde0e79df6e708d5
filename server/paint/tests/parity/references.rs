//! The recorded results: one file of tensors and one of descriptions for each part.
//!
//! Refuses: to compare loosely; every comparison names its bound.

use std::fs;

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

pub(crate) use tiny::{description, reference as folder};

/// Recorded tensors of one part.
pub(crate) struct References {
    bytes: Vec<u8>,
}

/// One item of a part whose description is a list.
pub(crate) fn described(part: &str, name: &str) -> Value {
    let list = description(part);
    list.as_array().expect("a list").iter().find(|item| item["name"] == name).expect("it is described").clone()
}

impl References {
    pub(crate) fn open(part: &str) -> Self {
        Self {
            bytes: fs::read(tiny::reference(&format!("{part}.safetensors"))).expect("the references are there"),
        }
    }

    /// Every number of a tensor, whatever its type and shape.
    pub(crate) fn numbers(&self, name: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.bytes).expect("it is safetensors");
        let tensor = file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let data = tensor.data();
        match tensor.dtype() {
            Dtype::F32 => data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            Dtype::I16 => data.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]]))).collect(),
            other => panic!("{name} is of type {other:?}"),
        }
    }
}

/// The largest difference, over the largest reference but at least over one.
pub(crate) fn error(got: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(got.len(), expected.len(), "another number of values");
    let largest = expected.iter().fold(1.0f64, |largest, value| largest.max(f64::from(value.abs())));
    let differences = got.iter().zip(expected).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    // A number that is not finite is as far off as can be.
    differences.map(|difference| if difference.is_nan() { f64::INFINITY } else { difference }).fold(0.0, f64::max)
        / largest
}
