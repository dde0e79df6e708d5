//! JPEG and WebP that somebody brings -> PNG, the one form in which images are kept: upright, on white where they are
//! transparent, and with the settings that other tools put into their EXIF data. A PNG that says it lies otherwise is turned too.
//!
//! Refuses: the rest of their metadata, such as where a photo was taken, and more pixels than a PNG may have.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::codecs::jpeg::JpegDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageResult, Limits, RgbImage};

use super::parameters::{SIGNATURE, exif_comment, exif_of, texts_of, with_texts};
use super::picture::{IMPORT_BYTES_MAX, IMPORT_PIXELS_MAX, Pixels, on_white, too_many_bytes, too_many_pixels};
use crate::{AppError, ErrorKind, Result};

/// Bytes that one pixel takes while it is unpacked, at most.
const BYTES_PER_PIXEL_MAX: u64 = 8;

/// The file as PNG, upright; one that is none of the three stays as it is.
///
/// # Errors
/// `User` for one that is damaged or too large.
pub(super) fn to_png(file: Vec<u8>) -> Result<Vec<u8>> {
    if file.starts_with(&SIGNATURE) {
        return upright(file);
    }
    let is_jpeg = file.starts_with(&[0xFF, 0xD8, 0xFF]);
    let is_webp = file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP");
    if !is_jpeg && !is_webp {
        return Ok(file);
    }
    if file.len() > IMPORT_BYTES_MAX {
        return Err(too_many_bytes(file.len()));
    }
    // The reader fills up what is missing with grey.
    if is_jpeg && !reaches_its_end(&file) {
        return Err(
            AppError::new(ErrorKind::User, "the image cannot be read: its file ends early").hint(OTHERWISE)
        );
    }
    // These readers are young, and what they read is a stranger's.
    let unpacked = catch_unwind(AssertUnwindSafe(|| match is_jpeg {
        true => JpegDecoder::new(Cursor::new(&file)).map_err(damaged).and_then(unpack),
        false => WebPDecoder::new(Cursor::new(&file)).map_err(damaged).and_then(unpack),
    }));
    let (pixels, comment) = unpacked.unwrap_or_else(|_| {
        Err(AppError::new(ErrorKind::User, "the image cannot be read: it is damaged").hint(OTHERWISE))
    })?;
    pixels.png_saying(comment)
}

/// A PNG file whose EXIF data say that its image is turned, upright and with its texts; every other one as it is.
fn upright(file: Vec<u8>) -> Result<Vec<u8>> {
    let Some(exif) = exif_of(&file) else { return Ok(file) };
    let turned = Orientation::from_exif_chunk(exif).filter(|turned| *turned != Orientation::NoTransforms);
    let Some(turned) = turned else { return Ok(file) };
    let Pixels { width, height, rgb } = Pixels::of_png(&file)?;
    let lying = RgbImage::from_raw(width, height, rgb)
        .ok_or_else(|| AppError::new(ErrorKind::Bug, "an image has other pixels than its size says"))?;
    let mut image = DynamicImage::ImageRgb8(lying);
    image.apply_orientation(turned);
    let pixels = Pixels::new(image.width(), image.height(), image.into_rgb8().into_raw())?;
    let texts = texts_of(&file);
    // The comment is where settings stand that have no text of their own.
    let comment = if texts.is_empty() { exif_comment(exif) } else { None };
    Ok(with_texts(&pixels.png_saying(comment)?, &texts))
}

/// Whether a JPEG file has its end mark behind its pixels. Within the segments before them there may be a small version with
/// an end of its own, and behind it anything.
///
/// Markers as in ITU T.81, annex B.
fn reaches_its_end(file: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xFF, kind]) = file.get(at..).and_then(<[u8]>::first_chunk) {
        match kind {
            0xD9 => return true,
            // Filling, and marks that stand alone.
            0xFF => at += 1,
            0x00 | 0x01 | 0xD0..=0xD8 => at += 2,
            _ => {
                let Some(&length) = file.get(at + 2..).and_then(<[u8]>::first_chunk) else { return false };
                at += 2 + usize::from(u16::from_be_bytes(length));
                if kind == 0xDA {
                    // Pixels, up to the next mark that is none of theirs.
                    let is_mark = |pair: &[u8]| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xD0..=0xD7 | 0xFF);
                    let Some(next) = file.get(at..).and_then(|pixels| pixels.windows(2).position(is_mark)) else {
                        return false;
                    };
                    at += next;
                }
            }
        }
    }
    false
}

/// The next step for an image that cannot be read.
const OTHERWISE: &str = "save it anew as PNG, JPEG or WebP with another program";

fn damaged(error: image::ImageError) -> AppError {
    AppError::new(ErrorKind::User, format!("the image cannot be read: {error}")).hint(OTHERWISE)
}

/// The pixels, and the comment in the EXIF data.
fn unpack(mut decoder: impl ImageDecoder) -> Result<(Pixels, Option<String>)> {
    let (width, height) = decoder.dimensions();
    let count = u64::from(width) * u64::from(height);
    if count > IMPORT_PIXELS_MAX {
        return Err(too_many_pixels(width, height));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(IMPORT_PIXELS_MAX * BYTES_PER_PIXEL_MAX);
    decoder.set_limits(limits).map_err(damaged)?;
    let comment = decoder.exif_metadata().ok().flatten().and_then(|exif| exif_comment(&exif));
    let upright = |mut decoder| -> ImageResult<DynamicImage> {
        let turned = ImageDecoder::orientation(&mut decoder)?;
        let mut image = DynamicImage::from_decoder(decoder)?;
        image.apply_orientation(turned);
        Ok(image)
    };
    let image = upright(decoder).map_err(damaged)?;
    let (width, height) = (image.width(), image.height());
    let rgb = match image.color().has_alpha() {
        false => image.into_rgb8().into_raw(),
        true => {
            let pixels = image.into_rgba8().into_raw();
            pixels
                .chunks_exact(4)
                .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]].map(|value| on_white(value, pixel[3])))
                .collect()
        }
    };
    Ok((Pixels::new(width, height, rgb)?, comment))
}

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use image::{ExtendedColorType, ImageEncoder};

    use super::*;
    use crate::images::parameters::{ImageParameters, read_text};

    /// Left half dark, right half light.
    fn halves(width: u32, height: u32) -> Vec<u8> {
        (0..width * height).flat_map(|at| if at % width * 2 < width { [10; 3] } else { [240; 3] }).collect()
    }

    fn jpeg(exif: Vec<u8>) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut file, 95);
        encoder.set_exif_metadata(exif).unwrap();
        encoder.write_image(&halves(32, 16), 32, 16, ExtendedColorType::Rgb8).unwrap();
        file
    }

    /// TIFF with one entry in its first folder, of the kind that says how an image lies.
    fn lying(orientation: u8) -> Vec<u8> {
        let mut tiff = b"II*\0\x08\0\0\0\x01\0".to_vec();
        tiff.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]);
        tiff
    }

    /// TIFF with a comment as tools for such images write it.
    fn saying(comment: &str) -> Vec<u8> {
        let comment: Vec<u8> =
            b"UNICODE\0".iter().copied().chain(comment.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let length = u32::try_from(comment.len()).unwrap().to_le_bytes();
        let mut tiff = b"II*\0\x08\0\0\0".to_vec();
        tiff.extend([1, 0, 0x69, 0x87, 4, 0, 1, 0, 0, 0, 26, 0, 0, 0, 0, 0, 0, 0]);
        tiff.extend([1, 0, 0x86, 0x92, 7, 0]);
        tiff.extend(length);
        tiff.extend([44, 0, 0, 0, 0, 0, 0, 0]);
        tiff.extend(comment);
        tiff
    }

    #[test]
    fn a_photo_is_turned_upright_and_says_nothing_more() {
        let png = to_png(jpeg(lying(6))).unwrap();
        let pixels = Pixels::of_png(&png).unwrap();
        // A quarter turn to the right: what was left is above.
        assert_eq!((pixels.width, pixels.height), (16, 32));
        let (above, below) = (pixels.rgb[3 * 16 * 4], pixels.rgb[3 * 16 * 28]);
        assert!(above < 40 && below > 210, "{above} above, {below} below");
        assert!(read_text(&png).is_empty());
    }

    #[test]
    fn a_png_is_turned_upright_and_keeps_its_texts() {
        let said = "a fox\nSteps: 7, Sampler: Euler a, CFG scale: 5, Seed: 11, Size: 32x16";
        let lying_png = |orientation: u8, said: Option<String>| {
            let png = Pixels::new(32, 16, halves(32, 16)).unwrap().png_saying(said).unwrap();
            let (data, mut chunk) = (lying(orientation), b"eXIf".to_vec());
            chunk.extend(&data);
            let mut crc = flate2::Crc::new();
            crc.update(&chunk);
            let chunk = [&(data.len() as u32).to_be_bytes()[..], &chunk, &crc.sum().to_be_bytes()].concat();
            // Behind the signature and the head.
            [&png[..33], &chunk, &png[33..]].concat()
        };
        let png = to_png(lying_png(6, Some(said.to_owned()))).unwrap();
        let pixels = Pixels::of_png(&png).unwrap();
        assert_eq!((pixels.width, pixels.height), (16, 32));
        let (above, below) = (pixels.rgb[3 * 16 * 4], pixels.rgb[3 * 16 * 28]);
        assert!(above < 40 && below > 210, "{above} above, {below} below");
        let settings = ImageParameters::of_file(&read_text(&png)).expect("they are there");
        assert_eq!((settings.prompt.as_str(), settings.seed), ("a fox", Some(11)));
        assert_eq!(to_png(png.clone()).unwrap(), png, "once is enough");
        for orientation in [0, 1, 9] {
            let file = lying_png(orientation, None);
            assert_eq!(to_png(file.clone()).unwrap(), file, "{orientation}: what lies upright stays as it came");
        }
    }

    #[test]
    fn settings_of_other_tools_are_taken_along() {
        let said =
            "a fox 狐\nNegative prompt: rain\nSteps: 7, Sampler: Euler a, CFG scale: 5, Seed: 11, Size: 32x16";
        let png = to_png(jpeg(saying(said))).unwrap();
        let settings = ImageParameters::of_file(&read_text(&png)).expect("they are there");
        assert_eq!((settings.prompt.as_str(), settings.steps, settings.seed), ("a fox 狐", Some(7), Some(11)));
        assert_eq!(Pixels::of_png(&png).unwrap().width, 32);
    }

    #[test]
    fn webp_lies_on_white() {
        let pixels = [[255, 0, 0, 255], [0, 0, 0, 0]].concat();
        let file = webp::Encoder::from_rgba(&pixels, 2, 1).encode_lossless().to_vec();
        let unpacked = Pixels::of_png(&to_png(file).unwrap()).unwrap();
        assert_eq!(unpacked.rgb, [255, 0, 0, 255, 255, 255]);
    }

    #[test]
    fn what_is_damaged_or_a_bomb_is_refused() {
        let whole = jpeg(Vec::new());
        for end in [4, 20, whole.len() / 3, whole.len() * 9 / 10, whole.len() - 2] {
            let error = to_png(whole[..end].to_vec()).expect_err("it is cut");
            assert_eq!(error.kind, ErrorKind::User, "cut at {end}: {}", error.message);
        }
        // What a camera puts behind the image is passed over.
        assert!(to_png([&whole[..], b"film"].concat()).is_ok());
        let mut huge = whole;
        // Height and width stand five bytes behind the mark of the frame.
        let frame = huge.windows(2).position(|pair| pair == [0xFF, 0xC0]).expect("a frame");
        huge[frame + 5..frame + 9].copy_from_slice(&[0xFF; 4]);
        let message = to_png(huge).expect_err("it is too large").message;
        assert!(message.contains("65535 x 65535"), "{message}");
        assert_eq!(to_png(b"GIF89a".to_vec()).unwrap(), b"GIF89a");
    }
}
