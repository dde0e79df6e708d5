//! Texts in a PNG file, wherever they stand in it. Refuses: a text over [`TEXT_BYTES_MAX`], also one that only unpacks to
//! more, and more than [`TEXTS_MAX`] of them. A damaged chunk is passed over; pixels are not looked at.

use std::collections::HashMap;
use std::io::Read;

use flate2::read::ZlibDecoder;

use super::exif;

/// Largest text that is read, in bytes.
const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Texts of one file that are read.
const TEXTS_MAX: usize = 64;
/// Chunks of one file that are looked at.
const CHUNKS_MAX: usize = 1_000_000;
/// Longest key, in bytes, by the format.
const KEY_BYTES_MAX: usize = 79;
/// How a PNG file begins.
pub(crate) const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
/// Key of the comment in a file's EXIF data; no text can have it.
pub(super) const EXIF_KEY: &str = "\0exif";

/// The texts of a file by their keys; of several with one key the first.
pub(crate) type FileText = HashMap<String, String>;

/// Reads the texts of a PNG file.
pub(crate) fn read_text(file: &[u8]) -> FileText {
    let mut texts = FileText::new();
    let Some(mut rest) = file.strip_prefix(&SIGNATURE) else { return texts };
    let mut tried = 0;
    for _ in 0..CHUNKS_MAX {
        let Some((kind, data, after)) = next_chunk(rest) else { break };
        rest = after;
        let text = match kind {
            b"tEXt" => latin(data),
            b"zTXt" => packed_latin(data),
            b"iTXt" => international(data),
            b"eXIf" => exif::comment(data, TEXT_BYTES_MAX).map(|text| (EXIF_KEY.to_owned(), text)),
            b"IEND" => break,
            _ => None,
        };
        if let Some((key, text)) = text {
            texts.entry(key).or_insert(text);
        }
        // Those that come to nothing count too: each may be a little that unpacks to much.
        tried += usize::from(matches!(kind, b"tEXt" | b"zTXt" | b"iTXt" | b"eXIf"));
        if tried >= TEXTS_MAX {
            break;
        }
    }
    texts
}

/// The user's comment in the EXIF data of a file of another kind, at most [`TEXT_BYTES_MAX`] of it.
pub(crate) fn exif_comment(data: &[u8]) -> Option<String> {
    exif::comment(data, TEXT_BYTES_MAX)
}

/// The EXIF data of a PNG file.
pub(crate) fn exif_of(file: &[u8]) -> Option<&[u8]> {
    let mut rest = file.strip_prefix(&SIGNATURE)?;
    for _ in 0..CHUNKS_MAX {
        let (kind, data, after) = next_chunk(rest)?;
        match kind {
            b"eXIf" => return Some(data),
            b"IEND" => return None,
            _ => rest = after,
        }
    }
    None
}

/// The texts of a PNG file as its chunks have them, one after the other.
pub(crate) fn texts_of(file: &[u8]) -> Vec<u8> {
    let mut texts = Vec::new();
    let mut rest = file.strip_prefix(&SIGNATURE).unwrap_or_default();
    while let Some((kind, _, after)) = next_chunk(rest) {
        if matches!(kind, b"tEXt" | b"zTXt" | b"iTXt") {
            texts.extend_from_slice(&rest[..rest.len() - after.len()]);
        }
        rest = after;
    }
    texts
}

/// A PNG file with further texts, as [`texts_of`] has them.
pub(crate) fn with_texts(file: &[u8], texts: &[u8]) -> Vec<u8> {
    // They go behind the first chunk, which is the head.
    let after = file.strip_prefix(&SIGNATURE).and_then(next_chunk).map_or(file, |(_, _, after)| after);
    [&file[..file.len() - after.len()], texts, after].concat()
}

/// The same PNG file without what it says; what is no PNG file stays as it is.
pub(crate) fn without_text(file: &[u8]) -> Vec<u8> {
    let Some(mut rest) = file.strip_prefix(&SIGNATURE) else { return file.to_vec() };
    let mut left = SIGNATURE.to_vec();
    while let Some((kind, _, after)) = next_chunk(rest) {
        if !matches!(kind, b"tEXt" | b"zTXt" | b"iTXt" | b"eXIf") {
            left.extend_from_slice(&rest[..rest.len() - after.len()]);
        }
        rest = after;
    }
    left
}

/// Kind and data of the next chunk, and what follows its checksum.
fn next_chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (length, bytes) = bytes.split_first_chunk::<4>()?;
    let (kind, bytes) = bytes.split_first_chunk::<4>()?;
    let (data, bytes) = bytes.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Some((kind, data, bytes.split_first_chunk::<4>()?.1))
}

fn key_and_rest(data: &[u8]) -> Option<(String, &[u8])> {
    let end = data.iter().take(KEY_BYTES_MAX + 1).position(|byte| *byte == 0)?;
    Some((from_latin(&data[..end]), &data[end + 1..]))
}

fn latin(data: &[u8]) -> Option<(String, String)> {
    let (key, text) = key_and_rest(data)?;
    (text.len() <= TEXT_BYTES_MAX).then(|| (key, from_latin(text)))
}

fn packed_latin(data: &[u8]) -> Option<(String, String)> {
    let (key, rest) = key_and_rest(data)?;
    // The only method there is has the number 0.
    let text = unpack(rest.strip_prefix(&[0])?)?;
    Some((key, from_latin(&text)))
}

fn international(data: &[u8]) -> Option<(String, String)> {
    let (key, rest) = key_and_rest(data)?;
    let (flags, rest) = rest.split_first_chunk::<2>()?;
    // Behind the flags stand a language and a key in that language.
    let mut parts = rest.splitn(3, |byte| *byte == 0);
    let text = parts.nth(2)?;
    let text = match flags {
        [0, _] if text.len() <= TEXT_BYTES_MAX => text.to_vec(),
        [1, 0] => unpack(text)?,
        _ => return None,
    };
    Some((key, String::from_utf8(text).ok()?))
}

/// Unpacked bytes; `None` when they are damaged or too many.
fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    ZlibDecoder::new(packed).take(TEXT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= TEXT_BYTES_MAX).then_some(bytes)
}

fn from_latin(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
