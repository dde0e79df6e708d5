//! The files of a request: an image to start from and its mask, as PNG, in the size that is drawn.
//!
//! Refuses: files and images over a size, before they are decoded; masks of another size than their image; every format
//! but PNG. What a file says beside its pixels is not read.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use model::SourceImage;
use png::{ColorType, Decoder, Limits, Transformations};

use super::resample::cover;
use crate::error::PaintError;
use crate::pipeline::Start;

/// Largest file, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Longest side of a file's image, in pixels.
const SIDE_PIXELS_MAX: u32 = 16_384;

/// Most pixels of a file's image.
const PIXELS_MAX: u64 = 64 * 1024 * 1024;

/// What the decoder may hold beside the pixels, in bytes.
const DECODER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// From this brightness on a mask is white.
const WHITE: u8 = 128;

/// Eight bits for each channel.
struct Decoded {
    width: usize,
    height: usize,
    channels: usize,
    bytes: Vec<u8>,
}

/// Reads the files of a request for images of this size. A source of another size is scaled until it covers the image,
/// and what stands out is cut off at both ends.
///
/// # Errors
/// `BadRequest` with the file and what is wrong with it, or with the strength.
pub(super) fn read(source: &SourceImage, width: usize, height: usize) -> Result<Start, PaintError> {
    if !(source.strength > 0.0 && source.strength <= 1.0) {
        let strength = source.strength;
        return Err(PaintError::BadRequest(format!(
            "the strength is {strength}; ask for more than 0 and up to 1"
        )));
    }
    let image = decode(&source.path, "source image")?;
    let rgb: Vec<u8> = image.bytes.chunks_exact(image.channels).flat_map(colours).collect();
    let mask = source.mask.as_ref().map(|path| -> Result<Vec<bool>, PaintError> {
        let mask = decode(path, "mask")?;
        if (mask.width, mask.height) != (image.width, image.height) {
            return Err(PaintError::BadRequest(format!(
                "the mask has {} x {} pixels and the source image {} x {}; make them the same",
                mask.width, mask.height, image.width, image.height
            )));
        }
        let grey: Vec<u8> =
            mask.bytes.chunks_exact(mask.channels).map(|pixel| brightness(colours(pixel))).collect();
        let grey = cover::<1>(&grey, (mask.width, mask.height), (width, height));
        Ok(grey.into_iter().map(|grey| grey >= WHITE).collect())
    });
    let mask = mask.transpose()?;
    if mask.as_ref().is_some_and(|mask| !mask.contains(&true)) {
        return Err(PaintError::BadRequest("the mask is black all over; paint white what may change".to_owned()));
    }
    let rgb = cover::<3>(&rgb, (image.width, image.height), (width, height));
    Ok(Start { rgb, strength: source.strength, mask })
}

/// Red, green and blue; how transparent a pixel is does not count.
fn colours(pixel: &[u8]) -> [u8; 3] {
    match pixel {
        [red, green, blue, ..] => [*red, *green, *blue],
        [grey, ..] => [*grey; 3],
        [] => [0; 3],
    }
}

/// As ITU-R BT.601 weighs colours, in whole numbers.
fn brightness([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 19_595 * u32::from(red) + 38_470 * u32::from(green) + 7_471 * u32::from(blue) + 32_768;
    (sum >> 16) as u8
}

fn decode(path: &Path, what: &str) -> Result<Decoded, PaintError> {
    let wrong = |reason: String| PaintError::BadRequest(format!("the {what} cannot be used: {reason}"));
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let bytes = file.metadata().map_err(|error| wrong(error.to_string()))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(wrong(format!("it has {bytes} bytes, more than {FILE_BYTES_MAX}")));
    }
    let mut decoder = Decoder::new_with_limits(BufReader::new(file), Limits { bytes: DECODER_BYTES_MAX });
    decoder.set_transformations(Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let (width, height) = decoder.read_header_info().map_err(|error| wrong(error.to_string()))?.size();
    let pixels = u64::from(width) * u64::from(height);
    if width > SIDE_PIXELS_MAX || height > SIDE_PIXELS_MAX || pixels > PIXELS_MAX {
        return Err(wrong(format!(
            "it has {width} x {height} pixels; {SIDE_PIXELS_MAX} along a side and {PIXELS_MAX} in all are the most"
        )));
    }
    let mut reader = decoder.read_info().map_err(|error| wrong(error.to_string()))?;
    let size = reader.output_buffer_size().ok_or_else(|| wrong("its size is out of range".to_owned()))?;
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes).map_err(|error| wrong(error.to_string()))?;
    bytes.truncate(frame.buffer_size());
    let channels = match frame.color_type {
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
        ColorType::Indexed => return Err(wrong("its palette was not resolved".to_owned())),
    };
    Ok(Decoded { width: width as usize, height: height as usize, channels, bytes })
}
