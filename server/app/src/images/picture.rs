//! Pixels and files: PNG with text in it, PNG that somebody brought, and small versions. Refuses: a file over
//! [`IMPORT_BYTES_MAX`], and one that unpacks to more than [`IMPORT_PIXELS_MAX`], before its pixels are unpacked.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, Encoder, Limits, Transformations};

use super::parameters::{OWN_KEY, SHARED_KEY, SIGNATURE, write_infotext};
use super::settings::ImageSettings;
use crate::{AppError, ErrorKind, Result};

/// Largest file that is brought, in bytes.
pub const IMPORT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Pixels of the largest image that is brought.
pub const IMPORT_PIXELS_MAX: u64 = 40_000_000;
/// Longest side of a small version, in pixels.
pub(crate) const THUMBNAIL_SIDE_PIXELS_MAX: u32 = 256;
/// Quality of small versions, of 100.
const THUMBNAIL_QUALITY: f32 = 80.0;
/// Bytes that the reader may use for what is no pixel.
const DECODER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Rows of red, green and blue bytes, from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pixels {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// `width * height * 3` bytes.
    pub(crate) rgb: Vec<u8>,
}

impl Pixels {
    /// Rows that may be too many or too few.
    pub(crate) fn new(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self> {
        let expected = u64::from(width) * u64::from(height) * 3;
        if width == 0 || height == 0 || rgb.len() as u64 != expected {
            let message = format!("an image of {width} x {height} came with {} bytes", rgb.len());
            return Err(AppError::new(ErrorKind::Bug, message));
        }
        Ok(Self { width, height, rgb })
    }

    /// The same picture whose longer side is at most `side_max`: each pixel is the mean of those it stands for.
    pub(crate) fn within(&self, side_max: u32) -> Self {
        let longer = self.width.max(self.height);
        if longer <= side_max {
            return self.clone();
        }
        let scaled = |side: u32| (u64::from(side) * u64::from(side_max) / u64::from(longer)).max(1) as u32;
        let (width, height) = (scaled(self.width), scaled(self.height));
        let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
        for row in 0..height {
            for column in 0..width {
                rgb.extend(self.mean(share(row, height, self.height), share(column, width, self.width)));
            }
        }
        Self { width, height, rgb }
    }

    /// Whether any pixel is nearer to white than to black, as masks are read.
    pub(super) fn is_any_white(&self) -> bool {
        // As ITU-R BT.601 weighs colours, in thousandths.
        let brightness = |pixel: &[u8]| {
            let [red, green, blue] = [0, 1, 2].map(|at| pixel.get(at).copied().map_or(0, u32::from));
            299 * red + 587 * green + 114 * blue
        };
        self.rgb.chunks_exact(3).any(|pixel| brightness(pixel) >= 127_500)
    }

    fn mean(&self, rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> [u8; 3] {
        let count = (rows.len() * columns.len()).max(1) as u64;
        let mut sums = [0_u64; 3];
        for row in rows {
            let start = (row * self.width as usize + columns.start) * 3;
            for pixel in self.rgb[start..start + columns.len() * 3].chunks_exact(3) {
                sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u64::from(*value));
            }
        }
        sums.map(|sum| ((sum + count / 2) / count) as u8)
    }

    /// A small version as WebP.
    pub(crate) fn thumbnail(&self) -> Result<Vec<u8>> {
        let small = self.within(THUMBNAIL_SIDE_PIXELS_MAX);
        let encoder = webp::Encoder::from_rgb(&small.rgb, small.width, small.height);
        let file = encoder.encode_simple(false, THUMBNAIL_QUALITY).map_err(|error| {
            AppError::new(ErrorKind::Bug, format!("a small version could not be made: {error:?}"))
        })?;
        Ok(file.to_vec())
    }

    /// A PNG file, with `settings` in both forms where there are some.
    pub(crate) fn png(&self, settings: Option<&ImageSettings>) -> Result<Vec<u8>> {
        let own = settings.map(serde_json::to_string).transpose();
        let own =
            own.map_err(|error| AppError::new(ErrorKind::Bug, "settings cannot be written").caused_by(error))?;
        self.png_with(settings.map(write_infotext), own)
    }

    /// A PNG file with what another tool said about it in the form that such tools share.
    pub(super) fn png_saying(&self, shared: Option<String>) -> Result<Vec<u8>> {
        self.png_with(shared, None)
    }

    fn png_with(&self, shared: Option<String>, own: Option<String>) -> Result<Vec<u8>> {
        let mut file = Vec::new();
        self.write_png(shared, own, &mut file)
            .map_err(|error| AppError::new(ErrorKind::Bug, "an image could not be written").caused_by(error))?;
        Ok(file)
    }

    fn write_png(
        &self,
        shared: Option<String>,
        own: Option<String>,
        file: &mut Vec<u8>,
    ) -> std::result::Result<(), png::EncodingError> {
        let mut encoder = Encoder::new(file, self.width, self.height);
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(BitDepth::Eight);
        if let Some(text) = shared {
            // What Latin-1 cannot say goes into the other kind of chunk, as other tools do it.
            if text.chars().all(|c| u32::from(c) < 256) {
                encoder.add_text_chunk(SHARED_KEY.to_owned(), text)?;
            } else {
                encoder.add_itxt_chunk(SHARED_KEY.to_owned(), text)?;
            }
        }
        if let Some(own) = own {
            encoder.add_itxt_chunk(OWN_KEY.to_owned(), own)?;
        }
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.rgb)?;
        writer.finish()
    }

    /// The pixels of a PNG file; where it is transparent, it lies on white.
    ///
    /// # Errors
    /// `User` for what is no PNG, damaged or too large.
    pub(crate) fn of_png(file: &[u8]) -> Result<Self> {
        if file.len() > IMPORT_BYTES_MAX {
            return Err(too_many_bytes(file.len()));
        }
        if !file.starts_with(&SIGNATURE) {
            let message = "the image cannot be read: it is no PNG, JPEG or WebP";
            return Err(
                AppError::new(ErrorKind::User, message).hint("save it as one of them with another program")
            );
        }
        let unreadable = |error: png::DecodingError| {
            AppError::new(ErrorKind::User, format!("the image cannot be read: {error}"))
                .hint("save it anew with another program")
        };
        let mut decoder = Decoder::new_with_limits(Cursor::new(file), Limits { bytes: DECODER_BYTES_MAX });
        decoder.set_transformations(Transformations::normalize_to_color8());
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        let info = decoder.read_header_info().map_err(unreadable)?;
        let (width, height) = (info.width, info.height);
        if u64::from(width) * u64::from(height) > IMPORT_PIXELS_MAX {
            return Err(too_many_pixels(width, height));
        }
        // The pixels were bounded above; this is room for them besides.
        decoder.set_limits(Limits { bytes: DECODER_BYTES_MAX + IMPORT_PIXELS_MAX as usize * 4 });
        let mut reader = decoder.read_info().map_err(unreadable)?;
        let size = reader.output_buffer_size().unwrap_or(usize::MAX).min(IMPORT_PIXELS_MAX as usize * 4);
        let mut bytes = vec![0; size];
        let frame = reader.next_frame(&mut bytes).map_err(unreadable)?;
        bytes.truncate(frame.buffer_size());
        Self::new(width, height, to_rgb(&bytes, frame.color_type))
    }
}

/// The range of `all` that the `at`th of `parts` stands for; never empty.
fn share(at: u32, parts: u32, all: u32) -> std::ops::Range<usize> {
    let edge = |at: u32| (u64::from(at) * u64::from(all) / u64::from(parts)) as usize;
    edge(at)..edge(at + 1).max(edge(at) + 1)
}

/// The refusal of a file that is too large.
pub(super) fn too_many_bytes(bytes: usize) -> AppError {
    let message = format!("the file has {bytes} bytes, at most {IMPORT_BYTES_MAX} are taken");
    AppError::new(ErrorKind::User, message).hint("make it smaller")
}

/// The refusal of an image that is too large.
pub(super) fn too_many_pixels(width: u32, height: u32) -> AppError {
    let message = format!("the image has {width} x {height} pixels, at most {IMPORT_PIXELS_MAX} are taken");
    AppError::new(ErrorKind::User, message).hint("make it smaller")
}

/// How bright a pixel is that lies on white, as transparent as it is.
pub(super) fn on_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

fn to_rgb(bytes: &[u8], kind: ColorType) -> Vec<u8> {
    match kind {
        ColorType::Grayscale => bytes.iter().flat_map(|value| [*value; 3]).collect(),
        ColorType::GrayscaleAlpha => {
            bytes.chunks_exact(2).flat_map(|pixel| [on_white(pixel[0], pixel[1]); 3]).collect()
        }
        ColorType::Rgba => bytes
            .chunks_exact(4)
            .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]].map(|value| on_white(value, pixel[3])))
            .collect(),
        // Palettes were expanded by the reader.
        ColorType::Rgb | ColorType::Indexed => bytes.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::parameters::{ImageParameters, ParametersForm, read_text, without_text};

    fn gradient(width: u32, height: u32) -> Pixels {
        let pixel = |at: u32| [(at % width * 255 / width) as u8, (at / width * 255 / height) as u8, 128];
        Pixels::new(width, height, (0..width * height).flat_map(pixel).collect()).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again_with_its_settings() {
        for prompt in ["a fox", "ein Füchslein", "狐, snow\nNegative prompt: none"] {
            let settings = ImageSettings {
                prompt: prompt.into(),
                steps: 4,
                seed: u64::MAX,
                width_pixels: 9,
                height_pixels: 5,
                ..ImageSettings::default()
            };
            let pixels = gradient(9, 5);
            let file = pixels.png(Some(&settings)).unwrap();
            assert_eq!(Pixels::of_png(&file).unwrap(), pixels);
            let mut text = read_text(&file);
            let own = ImageParameters::of_file(&text).unwrap();
            assert_eq!(
                (own.form, own.prompt.as_str(), own.seed),
                (ParametersForm::Familiar, prompt, Some(u64::MAX))
            );
            text.remove(OWN_KEY);
            let shared = ImageParameters::of_file(&text).unwrap();
            assert_eq!((shared.form, shared.prompt.as_str()), (ParametersForm::Infotext, prompt));
            let bare = without_text(&file);
            assert!(read_text(&bare).is_empty());
            assert_eq!(bare, pixels.png(None).unwrap());
        }
    }

    #[test]
    fn a_small_version_keeps_the_shape_and_the_mean() {
        for ((width, height), expected) in
            [((512, 512), (256, 256)), ((1000, 10), (256, 2)), ((3, 5000), (1, 256)), ((64, 32), (64, 32))]
        {
            let pixels = gradient(width, height);
            let small = pixels.within(THUMBNAIL_SIDE_PIXELS_MAX);
            assert_eq!((small.width, small.height), expected);
            let mean = |pixels: &Pixels| {
                let blue: u64 = pixels.rgb.iter().skip(2).step_by(3).map(|value| u64::from(*value)).sum();
                blue / u64::from(pixels.width * pixels.height)
            };
            assert_eq!(mean(&small), mean(&pixels));
            let file = pixels.thumbnail().unwrap();
            assert!(file.starts_with(b"RIFF") && &file[8..12] == b"WEBP", "{width} x {height}");
        }
    }

    #[test]
    fn hostile_files_are_refused_before_they_are_unpacked() {
        let file = gradient(9, 5).png(None).unwrap();
        let mut huge = file.clone();
        // Width and height stand behind the signature and the head of the first chunk, whose checksum follows.
        huge[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let mut crc = flate2::Crc::new();
        crc.update(&huge[12..29]);
        huge[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        let message = |file: &[u8]| Pixels::of_png(file).expect_err("it is refused").message;
        assert!(message(&huge).contains("65536 x 65536"), "{}", message(&huge));
        // Behind the pixels stand two checksums and the last chunk.
        for end in 0..file.len() - 24 {
            let error = Pixels::of_png(&file[..end]).expect_err("it is cut");
            assert_eq!(error.kind, ErrorKind::User, "cut at {end}");
        }
        assert_eq!(Pixels::of_png(b"GIF89a").expect_err("it is no PNG").kind, ErrorKind::User);
    }

    #[test]
    fn transparency_lies_on_white() {
        for (kind, bytes, expected) in [
            (ColorType::Grayscale, vec![7], [7, 7, 7]),
            (ColorType::GrayscaleAlpha, vec![7, 0], [255, 255, 255]),
            (ColorType::Rgba, vec![1, 2, 3, 255], [1, 2, 3]),
            (ColorType::Rgba, vec![0, 0, 0, 128], [127, 127, 127]),
        ] {
            let mut file = Vec::new();
            let mut encoder = Encoder::new(&mut file, 1, 1);
            encoder.set_color(kind);
            let mut writer = encoder.write_header().unwrap();
            writer.write_image_data(&bytes).unwrap();
            writer.finish().unwrap();
            assert_eq!(Pixels::of_png(&file).unwrap().rgb, expected, "{kind:?}");
        }
    }
}
