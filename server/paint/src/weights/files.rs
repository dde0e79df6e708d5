//! The safetensors files of one part of a model: a single file, or shards with an index.
//!
//! Files are read a tensor at a time and never mapped, so that one that shrinks while it is read ends in an error.
//! Refuses: headers that do not fit their file, tensors that overlap no bytes of it, names outside of the folder, and
//! types other than f32, f16 and bf16.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::TensorSource;
use crate::error::PaintError;

/// Largest header of one file, in bytes; those of large models have some hundred KB.
const HEADER_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Largest index of shards, in bytes.
const INDEX_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Most shards of one part.
const SHARDS_MAX: usize = 256;

/// Most dimensions of a tensor.
const RANK_MAX: usize = 8;

/// The key of a header that is no tensor.
const METADATA: &str = "__metadata__";

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

struct Place {
    file: usize,
    start: u64,
    bytes: u64,
    dtype: Kind,
    shape: Vec<usize>,
}

#[derive(Clone, Copy)]
enum Kind {
    F32,
    F16,
    Bf16,
    /// Types of single numbers beside the weights.
    F64,
    I64,
    /// A type that no weight has; an error only when somebody asks for the numbers.
    Other,
}

/// What makes numbers of bytes.
type Numbers = fn(&[u8]) -> Vec<f32>;

/// The tensors of some safetensors files.
pub struct SafetensorFiles {
    folder: String,
    files: Vec<(String, File)>,
    places: BTreeMap<String, Place>,
    metadata: Map<String, Value>,
}

impl SafetensorFiles {
    /// Opens the weights in a folder: `{stem}.safetensors`, its `fp16` variant, or the shards that an index names.
    ///
    /// # Errors
    /// `BadModel` with the file that is missing or damaged.
    pub fn open(folder: &Path, stem: &str) -> Result<Self, PaintError> {
        let mut files = Self::none(name_of(folder));
        for variant in ["", ".fp16"] {
            let single = format!("{stem}{variant}.safetensors");
            if folder.join(&single).is_file() {
                files.add(folder, &single)?;
                return Ok(files);
            }
            let index = format!("{stem}.safetensors.index{variant}.json");
            if folder.join(&index).is_file() {
                for shard in shards(folder, &index)? {
                    files.add(folder, &shard)?;
                }
                return Ok(files);
            }
        }
        Err(PaintError::bad_model(&files.folder, format!("there is no {stem}.safetensors and no index of shards")))
    }

    /// Opens one file; `name` leads to it from the folder.
    ///
    /// # Errors
    /// `BadModel` when it is missing or damaged.
    pub(crate) fn single(folder: &Path, name: &str) -> Result<Self, PaintError> {
        let mut files = Self::none(name.to_owned());
        files.add(folder, name)?;
        Ok(files)
    }

    fn none(folder: String) -> Self {
        Self { folder, files: Vec::new(), places: BTreeMap::new(), metadata: Map::new() }
    }

    /// The shape of a tensor as the file has it; none where there is no such tensor.
    pub(crate) fn shape(&self, name: &str) -> &[usize] {
        self.places.get(name).map_or(&[], |place| &place.shape)
    }

    /// What a file says beside its tensors.
    pub(crate) fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key)?.as_str()
    }

    /// A number that stands alone beside the weights; `None` where there are more or none.
    ///
    /// # Errors
    /// `BadModel` when it cannot be read.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<f64>, PaintError> {
        let Some(place) = self.places.get(name).filter(|place| place.shape.iter().all(|size| *size == 1)) else {
            return Ok(None);
        };
        let (file_name, file) = &mut self.files[place.file];
        let number: fn([u8; 8]) -> f64 = match place.dtype {
            Kind::F64 => f64::from_le_bytes,
            Kind::I64 => |bytes| i64::from_le_bytes(bytes) as f64,
            _ => {
                let shape = place.shape.clone();
                return Ok(self.read(name, &shape)?.first().copied().map(f64::from));
            }
        };
        Ok(bytes(file_name, file, name, place)?.try_into().ok().map(number))
    }

    /// Numbers in all tensors together.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.places.keys().map(|name| self.elements_of(name)).fold(0, u64::saturating_add)
    }

    /// Numbers in one tensor.
    pub(crate) fn elements_of(&self, name: &str) -> u64 {
        self.shape(name).iter().fold(1, |all, size| all.saturating_mul(*size as u64))
    }

    /// Where a tensor of this shape lies, and how its numbers are read.
    fn found(&self, name: &str, shape: &[usize]) -> Result<(&Place, Numbers), PaintError> {
        let missing = || PaintError::bad_model(&self.folder, format!("`{name}` is missing"));
        let place = self.places.get(name).ok_or_else(missing)?;
        let wrong = |reason: String| Err(PaintError::bad_model(&self.files[place.file].0, reason));
        if place.shape != shape {
            return wrong(format!("`{name}` has the shape {:?}, not {shape:?}", place.shape));
        }
        let numbers: Numbers = match place.dtype {
            Kind::F32 => {
                |bytes| bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
            }
            Kind::F16 => {
                |bytes| bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
            }
            Kind::Bf16 => {
                |bytes| bytes.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
            }
            Kind::F64 | Kind::I64 | Kind::Other => {
                return wrong(format!("`{name}` is of a type that weights do not have"));
            }
        };
        Ok((place, numbers))
    }

    fn add(&mut self, folder: &Path, name: &str) -> Result<(), PaintError> {
        let wrong = |reason: String| PaintError::bad_model(name, reason);
        let mut file = File::open(folder.join(name)).map_err(|error| wrong(error.to_string()))?;
        let bytes = file.metadata().map_err(|error| wrong(error.to_string()))?.len();
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(|_| wrong("it is too short".to_owned()))?;
        let length = u64::from_le_bytes(length);
        let data = length.checked_add(8).filter(|data| *data <= bytes && length <= HEADER_BYTES_MAX);
        let data = data.ok_or_else(|| wrong("its header does not fit".to_owned()))?;
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header).map_err(|error| wrong(error.to_string()))?;
        let header: Map<String, Value> =
            serde_json::from_slice(&header).map_err(|error| wrong(format!("its header is no JSON: {error}")))?;
        for (tensor, entry) in header {
            if tensor == METADATA {
                self.metadata.extend(entry.as_object().cloned().unwrap_or_default());
                continue;
            }
            let place = Entry::deserialize(entry)
                .ok()
                .and_then(|entry| place(&entry, self.files.len(), data, bytes))
                .ok_or_else(|| wrong(format!("the place of `{tensor}` is no part of the file")))?;
            if self.places.insert(tensor.clone(), place).is_some() {
                return Err(wrong(format!("`{tensor}` is there twice")));
            }
        }
        self.files.push((name.to_owned(), file));
        Ok(())
    }
}

fn name_of(folder: &Path) -> String {
    folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Where a tensor lies, when that is within the file and as long as its shape says.
fn place(entry: &Entry, file: usize, data: u64, file_bytes: u64) -> Option<Place> {
    let (dtype, size) = match entry.dtype.as_str() {
        "F32" => (Kind::F32, Some(4)),
        "F16" => (Kind::F16, Some(2)),
        "BF16" => (Kind::Bf16, Some(2)),
        "F64" => (Kind::F64, Some(8)),
        "I64" => (Kind::I64, Some(8)),
        _ => (Kind::Other, None),
    };
    let (start, end) = entry.data_offsets;
    let bytes = end.checked_sub(start)?;
    if entry.shape.len() > RANK_MAX || data.checked_add(end)? > file_bytes {
        return None;
    }
    let elements = entry.shape.iter().try_fold(1u64, |all, size| all.checked_mul(*size as u64))?;
    if let Some(size) = size
        && elements.checked_mul(size)? != bytes
    {
        return None;
    }
    Some(Place { file, start: data + start, bytes, dtype, shape: entry.shape.clone() })
}

/// The files that an index names, each once.
fn shards(folder: &Path, index: &str) -> Result<BTreeSet<String>, PaintError> {
    let wrong = |reason: &str| PaintError::bad_model(index, reason);
    let mut text = String::new();
    let file = File::open(folder.join(index)).map_err(|error| wrong(&error.to_string()))?;
    file.take(INDEX_BYTES_MAX).read_to_string(&mut text).map_err(|error| wrong(&error.to_string()))?;
    let json: Value = serde_json::from_str(&text).map_err(|_| wrong("it is no JSON"))?;
    let map = json.get("weight_map").and_then(Value::as_object).ok_or_else(|| wrong("it has no `weight_map`"))?;
    let mut shards = BTreeSet::new();
    for shard in map.values() {
        let shard = shard.as_str().ok_or_else(|| wrong("a file is not named by a word"))?;
        // A name with a folder in it would lead out of the model.
        if PathBuf::from(shard).file_name().is_none_or(|name| name != shard) {
            return Err(wrong("it names a file outside of its folder"));
        }
        shards.insert(shard.to_owned());
    }
    if shards.is_empty() || shards.len() > SHARDS_MAX {
        return Err(wrong("the number of its files is out of range"));
    }
    Ok(shards)
}

/// All of a tensor.
fn bytes(file_name: &str, file: &mut File, name: &str, place: &Place) -> Result<Vec<u8>, PaintError> {
    let wrong = |reason: String| PaintError::bad_model(file_name, reason);
    let mut bytes = vec![0; place.bytes as usize];
    file.seek(SeekFrom::Start(place.start)).map_err(|error| wrong(error.to_string()))?;
    file.read_exact(&mut bytes).map_err(|error| wrong(format!("`{name}`: {error}")))?;
    Ok(bytes)
}

impl TensorSource for SafetensorFiles {
    fn place(&self) -> String {
        self.folder.clone()
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
        let (_, numbers) = self.found(name, shape)?;
        let place = &self.places[name];
        let (file_name, file) = &mut self.files[place.file];
        Ok(numbers(&bytes(file_name, file, name, place)?))
    }
}
