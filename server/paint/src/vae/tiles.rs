//! Images in overlapping tiles whose seams are blended, where a whole one would take too much memory.
//!
//! The overlap is the customary quarter of a tile, and weights go over it in a straight line. Tiles are spread evenly and
//! all have the same size, so that none at an edge has only a strip of the image to normalise by. What a tile's
//! normalisations and attention see of the image is the tile alone, so a tiled image is near the whole one and not the
//! same. Refuses: to choose; whoever has the memory says how large a tile may be.

use candle_core::{DType, Device, Tensor};

use crate::error::PaintError;

/// Least side of a tile, in places of a latent: 512 pixels where a place is 8.
pub(super) const SIDE_PLACES_MIN: usize = 64;

/// Sides of tiles are multiples of this.
const SIDE_STEP_PLACES: usize = 8;

/// A tile's side over the overlap with the next one.
const SIDE_PER_OVERLAP: usize = 4;

/// Numbers for each place of a latent, along each side, before and after the work on a tile.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    pub(super) from: usize,
    pub(super) to: usize,
}

/// Where the tiles of one row or column lie, in places, and what each number of theirs counts in the result.
struct Strip {
    start: usize,
    length: usize,
    weights: Vec<f32>,
}

/// The side of the largest tiles that stay within `bytes_max`, in places; `None` when all places do.
pub(super) fn side(places: [usize; 2], bytes_per_place: u64, bytes_max: u64) -> Option<usize> {
    let bytes = |[height, width]: [usize; 2]| (height as u64).saturating_mul(width as u64) * bytes_per_place;
    if bytes(places) <= bytes_max {
        return None;
    }
    let side = (bytes_max / bytes_per_place.max(1)).isqrt() as usize;
    let side = (side / SIDE_STEP_PLACES * SIDE_STEP_PLACES).max(SIDE_PLACES_MIN);
    places.iter().any(|places| *places > side).then_some(side)
}

/// What `work` makes of `(batch, channels, height, width)`, tile by tile, in f32 in the memory of the processor.
///
/// # Errors
/// Those of `work`.
pub(super) fn in_tiles(
    x: &Tensor,
    side: usize,
    scale: Scale,
    mut work: impl FnMut(&Tensor) -> Result<Tensor, PaintError>,
) -> Result<Tensor, PaintError> {
    let (batch, _, height, width) = x.dims4()?;
    let (height, width) = (height / scale.from, width / scale.from);
    let (rows, columns) = (strips(height, side, scale.to), strips(width, side, scale.to));
    let (out_height, out_width) = (height * scale.to, width * scale.to);
    let mut out = Vec::new();
    let mut channels = 0;
    for row in &rows {
        for column in &columns {
            let tile = x.narrow(2, row.start * scale.from, row.length * scale.from)?;
            let tile = tile.narrow(3, column.start * scale.from, column.length * scale.from)?.contiguous()?;
            let made = work(&tile)?;
            channels = made.dim(1)?;
            out.resize(batch * channels * out_height * out_width, 0.0);
            let numbers: Vec<f32> = made.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
            let planes = out.chunks_mut(out_height * out_width);
            let made = numbers.chunks(row.weights.len() * column.weights.len());
            for (plane, made) in planes.zip(made) {
                add(plane, out_width, made, row, column, scale.to);
            }
        }
    }
    Ok(Tensor::from_vec(out, (batch, channels, out_height, out_width), &Device::Cpu)?)
}

/// Adds one plane of a tile to that of the result.
fn add(plane: &mut [f32], width: usize, made: &[f32], row: &Strip, column: &Strip, to: usize) {
    let lines = plane.chunks_mut(width).skip(row.start * to);
    for ((line, made), down) in lines.zip(made.chunks(column.weights.len())).zip(&row.weights) {
        let line = line[column.start * to..].iter_mut();
        for ((sum, number), right) in line.zip(made).zip(&column.weights) {
            *sum += number * down * right;
        }
    }
}

/// Tiles along `places`, as few as cover them with the overlap. At each number of the result the weights sum to one.
fn strips(places: usize, side: usize, to: usize) -> Vec<Strip> {
    let length = side.min(places);
    let overlap = length / SIDE_PER_OVERLAP;
    let count = if length == places { 1 } else { (places - overlap).div_ceil(length - overlap) };
    let strip = |at: usize| {
        let weight = |number: usize| {
            let ramp = |to_edge: usize| (to_edge as f32 + 0.5) / (overlap * to) as f32;
            let begins = if at == 0 { 1.0 } else { ramp(number) };
            let ends = if at + 1 == count { 1.0 } else { ramp(length * to - 1 - number) };
            begins.min(ends).min(1.0)
        };
        let start = if count == 1 { 0 } else { at * (places - length) / (count - 1) };
        Strip { start, length, weights: (0..length * to).map(weight).collect() }
    };
    let mut strips: Vec<Strip> = (0..count).map(strip).collect();
    let mut sums = vec![0.0; places * to];
    for strip in &strips {
        let sums = sums[strip.start * to..].iter_mut();
        sums.zip(&strip.weights).for_each(|(sum, weight)| *sum += weight);
    }
    for strip in &mut strips {
        let sums = &sums[strip.start * to..];
        strip.weights.iter_mut().zip(sums).for_each(|(weight, sum)| *weight /= sum);
    }
    strips
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: (usize, usize, usize, usize)) -> Tensor {
        let count = shape.0 * shape.1 * shape.2 * shape.3;
        let number = |at: usize| ((at * 7_919) % 1_009) as f32 / 1_009.0;
        Tensor::from_vec((0..count).map(number).collect::<Vec<f32>>(), shape, &Device::Cpu).unwrap()
    }

    fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
        (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
    }

    #[test]
    fn work_that_looks_at_single_places_is_the_same_in_tiles() {
        for (height, width, side) in [(64, 64, 64), (65, 8, 16), (113, 97, 64), (40, 200, 8), (7, 5, 16)] {
            let mut largest = 0;
            let latent = tensor((2, 3, height, width));
            let larger = |x: &Tensor| {
                let (_, _, height, width) = x.dims4()?;
                largest = largest.max(height).max(width);
                Ok(x.upsample_nearest2d(2 * height, 2 * width)?)
            };
            let tiled = in_tiles(&latent, side, Scale { from: 1, to: 2 }, larger).unwrap();
            assert!(largest <= side, "{height} x {width}: a tile of {largest}");
            let whole = latent.upsample_nearest2d(2 * height, 2 * width).unwrap();
            assert!(largest_difference(&tiled, &whole) <= 1e-6, "{height} x {width}");
            let smaller = |x: &Tensor| Ok(x.avg_pool2d(2)?);
            let tiled = in_tiles(&whole, side, Scale { from: 2, to: 1 }, smaller).unwrap();
            assert!(largest_difference(&tiled, &latent) <= 1e-6, "{height} x {width}");
        }
    }

    #[test]
    fn neighbours_share_a_quarter_and_all_tiles_are_as_large() {
        for places in [65, 96, 112, 113, 128, 500, 512] {
            let strips = strips(places, 64, 8);
            assert!(strips.iter().all(|strip| strip.length == 64 && strip.weights.len() == 512));
            assert_eq!((strips[0].start, strips[strips.len() - 1].start), (0, places - 64));
            let shared = |pair: &[Strip]| pair[0].start + 64 - pair[1].start;
            assert!(strips.windows(2).all(|pair| shared(pair) >= 16), "{places}");
            assert_eq!(strips.len(), (places - 16).div_ceil(48), "{places}: no more than it takes");
        }
    }

    #[test]
    fn tiles_are_as_large_as_memory_allows_and_no_smaller_than_is_sensible() {
        for (places, bytes_max, expected) in [
            ([64, 64], 64 * 64 * 10, None),
            ([64, 64], 0, None),
            ([65, 64], 0, Some(64)),
            ([128, 128], u64::MAX, None),
            ([128, 128], 128 * 128 * 10 - 1, Some(120)),
            ([256, 256], 100 * 100 * 10, Some(96)),
            ([256, 256], 1, Some(64)),
            ([32, 512], 32 * 512 * 5, Some(88)),
        ] {
            assert_eq!(side(places, 10, bytes_max), expected, "{places:?} in {bytes_max}");
        }
    }
}
