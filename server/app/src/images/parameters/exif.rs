//! The user's comment in EXIF data, where tools put settings that have no text chunk. Refuses: everything else in it, and
//! any offset outside of the data.

/// Tag of the folder that holds the comment.
const EXIF_FOLDER: u16 = 0x8769;
/// Tag of the comment.
const USER_COMMENT: u16 = 0x9286;
/// Entries of one folder that are looked at.
const ENTRIES_MAX: u16 = 1_000;
/// Bytes that name the encoding of a comment.
const ENCODING_BYTES: usize = 8;

/// The comment of EXIF data (TIFF), at most `bytes_max` of it.
pub(super) fn comment(data: &[u8], bytes_max: usize) -> Option<String> {
    let tiff = Tiff { data, is_big: data.starts_with(b"MM") };
    if !tiff.is_big && !data.starts_with(b"II") {
        return None;
    }
    let (_, folder) = tiff.entry(tiff.long(4)?, EXIF_FOLDER)?;
    let (bytes, at) = tiff.entry(folder, USER_COMMENT)?;
    let value = data.get(at as usize..)?.get(..bytes as usize)?;
    let (encoding, text) = value.split_at_checked(ENCODING_BYTES)?;
    if text.len() > bytes_max {
        return None;
    }
    let text =
        if encoding.starts_with(b"UNICODE") { tiff.wide(text) } else { String::from_utf8(text.to_vec()).ok()? };
    Some(text.trim_matches(['\0', ' ']).to_owned()).filter(|text| !text.is_empty())
}

struct Tiff<'a> {
    data: &'a [u8],
    is_big: bool,
}

impl Tiff<'_> {
    fn short(&self, at: u32) -> Option<u16> {
        let bytes = self.data.get(at as usize..)?.first_chunk::<2>()?;
        Some(if self.is_big { u16::from_be_bytes(*bytes) } else { u16::from_le_bytes(*bytes) })
    }

    fn long(&self, at: u32) -> Option<u32> {
        let bytes = self.data.get(at as usize..)?.first_chunk::<4>()?;
        Some(if self.is_big { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) })
    }

    /// Count and value of the entry `tag` in the folder at `folder`.
    fn entry(&self, folder: u32, tag: u16) -> Option<(u32, u32)> {
        for number in 0..self.short(folder)?.min(ENTRIES_MAX) {
            let at = folder.checked_add(2 + 12 * u32::from(number))?;
            if self.short(at)? == tag {
                return Some((self.long(at.checked_add(4)?)?, self.long(at.checked_add(8)?)?));
            }
        }
        None
    }

    /// UTF-16 in the byte order of the data, or in the other where that alone gives text.
    fn wide(&self, bytes: &[u8]) -> String {
        let read = |is_big: bool| {
            let pairs = bytes.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
            let units = pairs.map(|pair| if is_big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) });
            units.collect::<Vec<u16>>()
        };
        // Most of any such text is ASCII, whose upper byte is zero; many tools get the order wrong.
        let zeros = |first: usize| bytes.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
        let is_big = if zeros(0) == zeros(1) { self.is_big } else { zeros(0) > zeros(1) };
        String::from_utf16_lossy(&read(is_big))
    }
}
