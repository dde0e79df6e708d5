//! A FLUX denoiser in a GGUF file, whose matrices stay quantised in memory.
//!
//! The tensors of such files have the names of the original layout, where queries, keys and values are one matrix; they are
//! offered under the names of diffusers, as rows of that matrix. Refuses: files whose header lies, and matrices whose rows
//! are no whole blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use candle_core::quantized::gguf_file::Content;
use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{DType, Device, Shape};

use super::names::{Part, Rows, parts};
use crate::error::PaintError;
use crate::weights::TensorSource;

/// Rows of a tensor of the file.
struct Place {
    /// Where the tensor begins in the file, in bytes.
    start: u64,
    kind: GgmlDType,
    rows: Vec<Rows>,
    /// Without the first axis.
    row_shape: Vec<usize>,
    row_bytes: usize,
}

impl Place {
    fn shape(&self) -> Vec<usize> {
        let rows = self.rows.iter().map(|(_, count)| count).sum();
        std::iter::once(rows).chain(self.row_shape.iter().copied()).collect()
    }
}

/// The tensors of one file.
pub struct GgufFile {
    name: String,
    file: File,
    places: BTreeMap<String, Place>,
}

impl GgufFile {
    /// Opens a file.
    ///
    /// # Errors
    /// `BadModel` when it is missing, no GGUF file or damaged.
    pub fn open(path: &Path) -> Result<Self, PaintError> {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let wrong = |reason: String| PaintError::bad_model(&name, reason);
        let mut file = File::open(path).map_err(|error| wrong(error.to_string()))?;
        let bytes = file.metadata().map_err(|error| wrong(error.to_string()))?.len();
        // The library divides by an alignment that the file names, and that may be zero.
        let header = catch_unwind(AssertUnwindSafe(|| Content::read(&mut file)));
        let header = match header {
            Ok(Ok(header)) => header,
            Ok(Err(error)) => return Err(wrong(format!("its header is damaged: {error}"))),
            Err(_) => return Err(wrong("its header is damaged".to_owned())),
        };
        let mut places = BTreeMap::new();
        for (tensor, info) in &header.tensor_infos {
            let start = header.tensor_data_offset.checked_add(info.offset);
            let place = start.and_then(|start| whole(&info.shape, info.ggml_dtype, start, bytes));
            let (place, count) =
                place.ok_or_else(|| wrong(format!("the place of `{tensor}` is no part of the file")))?;
            for Part { name: part, rows } in parts(tensor, count) {
                let row_shape = place.row_shape.clone();
                let part_of =
                    Place { rows, row_shape, start: place.start, kind: place.kind, row_bytes: place.row_bytes };
                if places.insert(part.clone(), part_of).is_some() {
                    return Err(wrong(format!("`{part}` is there twice")));
                }
            }
        }
        Ok(Self { name, file, places })
    }

    /// Numbers in all tensors together.
    #[must_use]
    pub fn elements(&self) -> u64 {
        let elements =
            |place: &Place| place.shape().iter().fold(1u64, |all, size| all.saturating_mul(*size as u64));
        self.places.values().map(elements).fold(0, u64::saturating_add)
    }

    /// Bytes of all tensors together.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        let rows = |place: &Place| place.rows.iter().map(|(_, count)| *count as u64).sum::<u64>();
        let bytes = |place: &Place| rows(place).saturating_mul(place.row_bytes as u64);
        self.places.values().map(bytes).fold(0, u64::saturating_add)
    }

    /// The place of a tensor that has this shape.
    fn found(&self, name: &str, shape: &[usize]) -> Result<&Place, PaintError> {
        let wrong = |reason: String| PaintError::bad_model(&self.name, reason);
        let place = self.places.get(name).ok_or_else(|| wrong(format!("`{name}` is missing")))?;
        if place.shape() != shape {
            return Err(wrong(format!("`{name}` has the shape {:?}, not {shape:?}", place.shape())));
        }
        Ok(place)
    }

    /// Type and bytes of a tensor that has this shape.
    fn bytes(&mut self, name: &str, shape: &[usize]) -> Result<(GgmlDType, Vec<u8>), PaintError> {
        self.found(name, shape)?;
        let (place, wrong) = (&self.places[name], |reason: String| PaintError::bad_model(&self.name, reason));
        let mut bytes = Vec::new();
        for (first, count) in &place.rows {
            let start = bytes.len();
            bytes.resize(start + count * place.row_bytes, 0);
            let from = place.start + (first * place.row_bytes) as u64;
            self.file.seek(SeekFrom::Start(from)).map_err(|error| wrong(error.to_string()))?;
            self.file.read_exact(&mut bytes[start..]).map_err(|error| wrong(format!("`{name}`: {error}")))?;
        }
        Ok((place.kind, bytes))
    }

    fn quantised(&mut self, name: &str, shape: &[usize], device: &Device) -> Result<QTensor, PaintError> {
        let (kind, bytes) = self.bytes(name, shape)?;
        Ok(QTensor::new(QStorage::from_data(bytes.into(), device, kind)?, shape)?)
    }
}

/// A tensor with all its rows, when it lies within the file, and how many rows it has.
fn whole(shape: &Shape, kind: GgmlDType, start: u64, file_bytes: u64) -> Option<(Place, usize)> {
    let (count, row_shape) = shape.dims().split_first()?;
    let row = row_shape.iter().try_fold(1usize, |all, size| all.checked_mul(*size))?;
    // A vector is many rows of one number, unless it comes in blocks.
    if row == 0 || !row.is_multiple_of(kind.block_size()) {
        return None;
    }
    let row_bytes = (row / kind.block_size()).checked_mul(kind.type_size())?;
    let end = start.checked_add(u64::try_from(row_bytes.checked_mul(*count)?).ok()?)?;
    (end <= file_bytes).then(|| {
        let rows = vec![(0, *count)];
        (Place { start, kind, rows, row_shape: row_shape.to_vec(), row_bytes }, *count)
    })
}

impl TensorSource for GgufFile {
    fn place(&self) -> String {
        self.name.clone()
    }

    fn names(&self) -> BTreeSet<String> {
        self.places.keys().cloned().collect()
    }

    fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    fn check(&mut self, name: &str, shape: &[usize]) -> Result<(), PaintError> {
        self.found(name, shape).map(drop)
    }

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, PaintError> {
        let tensor = self.quantised(name, shape, &Device::Cpu)?.dequantize(&Device::Cpu)?;
        Ok(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    }

    fn read_quantised(
        &mut self,
        name: &str,
        shape: &[usize],
        device: &Device,
    ) -> Result<Option<QTensor>, PaintError> {
        let plain = |place: &Place| matches!(place.kind, GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16);
        if self.places.get(name).is_none_or(plain) {
            return Ok(None);
        }
        self.quantised(name, shape, device).map(Some)
    }
}
