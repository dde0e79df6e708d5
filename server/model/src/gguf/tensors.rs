//! The list of tensors: their types, shapes and places in the file.
//!
//! Refuses: unknown types, shapes whose size does not fit a number, and places that overlap, leave holes or lie
//! outside the file.

use std::collections::HashSet;
use std::io::Read;

use super::GgufError;
use super::bytes::Bytes;

const NAME_BYTES_MAX: u64 = 63;
const DIMENSIONS_MAX: u32 = 4;

/// Type id, weights per block, bytes per block; see [`block_of`].
const BLOCKS: &[(u32, u64, u64)] = &[
    (0, 1, 4),      // F32
    (1, 1, 2),      // F16
    (2, 32, 18),    // Q4_0
    (3, 32, 20),    // Q4_1
    (6, 32, 22),    // Q5_0
    (7, 32, 24),    // Q5_1
    (8, 32, 34),    // Q8_0
    (9, 32, 36),    // Q8_1
    (10, 256, 84),  // Q2_K
    (11, 256, 110), // Q3_K
    (12, 256, 144), // Q4_K
    (13, 256, 176), // Q5_K
    (14, 256, 210), // Q6_K
    (15, 256, 292), // Q8_K
    (16, 256, 66),  // IQ2_XXS
    (17, 256, 74),  // IQ2_XS
    (18, 256, 98),  // IQ3_XXS
    (19, 256, 50),  // IQ1_S
    (20, 32, 18),   // IQ4_NL
    (21, 256, 110), // IQ3_S
    (22, 256, 82),  // IQ2_S
    (23, 256, 136), // IQ4_XS
    (24, 1, 1),     // I8
    (25, 1, 2),     // I16
    (26, 1, 4),     // I32
    (27, 1, 8),     // I64
    (28, 1, 8),     // F64
    (29, 256, 56),  // IQ1_M
    (30, 1, 2),     // BF16
    (34, 256, 54),  // TQ1_0
    (35, 256, 66),  // TQ2_0
    (39, 32, 17),   // MXFP4
    (40, 64, 36),   // NVFP4
    (41, 128, 18),  // Q1_0
    (42, 64, 18),   // Q2_0
];

/// Weights per block and bytes per block of a tensor type, or `None` for a type we do not load.
pub fn block_of(type_id: u32) -> Option<(u64, u64)> {
    BLOCKS.iter().find(|block| block.0 == type_id).map(|block| (block.1, block.2))
}

/// Where the tensor data ends, counted from where it starts.
pub(super) struct Extent {
    /// Without the padding after the last tensor.
    pub(super) bytes: u64,
    /// With that padding.
    pub(super) padded_bytes: u64,
}

/// Reads `count` tensor descriptions whose data is aligned to `alignment` bytes.
pub(super) fn read<R: Read>(bytes: &mut Bytes<R>, count: u64, alignment: u64) -> Result<Extent, GgufError> {
    let mut names = HashSet::new();
    let mut extent = Extent { bytes: 0, padded_bytes: 0 };
    for _ in 0..count {
        let name = bytes.string(NAME_BYTES_MAX, "a tensor name is too long")?;
        if !names.insert(name) {
            return Err(GgufError::damaged("two tensors have one name"));
        }
        let size = read_size(bytes)?;
        if bytes.u64()? != extent.padded_bytes {
            return Err(GgufError::damaged("a tensor does not lie where the one before it ends"));
        }
        let overflow = || GgufError::damaged("the tensors are too large");
        extent.bytes = extent.padded_bytes.checked_add(size).ok_or_else(overflow)?;
        extent.padded_bytes = extent.bytes.checked_next_multiple_of(alignment).ok_or_else(overflow)?;
    }
    Ok(extent)
}

/// Reads dimensions and type of one tensor and returns its size in bytes.
fn read_size<R: Read>(bytes: &mut Bytes<R>) -> Result<u64, GgufError> {
    let dimensions = bytes.u32()?;
    if dimensions == 0 || dimensions > DIMENSIONS_MAX {
        return Err(GgufError::damaged("a tensor has no dimension or too many"));
    }
    let mut row = 0;
    let mut weights = 1_u64;
    for dimension in 0..dimensions {
        let length = bytes.u64()?;
        if dimension == 0 {
            row = length;
        }
        weights = weights
            .checked_mul(length)
            .filter(|weights| *weights > 0 && i64::try_from(*weights).is_ok())
            .ok_or_else(|| GgufError::damaged("a tensor is empty or too large"))?;
    }
    let (block_weights, block_bytes) =
        block_of(bytes.u32()?).ok_or_else(|| GgufError::damaged("a tensor has a type we do not know"))?;
    if row % block_weights != 0 {
        return Err(GgufError::damaged("a tensor row is not made of whole blocks"));
    }
    (weights / block_weights)
        .checked_mul(block_bytes)
        .filter(|size| i64::try_from(*size).is_ok())
        .ok_or_else(|| GgufError::damaged("a tensor is too large"))
}
