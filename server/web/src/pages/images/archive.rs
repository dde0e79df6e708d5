//! Files in one: a ZIP archive that is written as it is sent (APPNOTE.TXT 6.3.10). Refuses: compressing what is compressed
//! already, names that are not ASCII, and what a plain archive cannot count: 65,535 files and 4 GiB.

use app::{AppError, ErrorKind};
use flate2::Crc;

const LOCAL_SIGNATURE: u32 = 0x0403_4b50;
const CENTRAL_SIGNATURE: u32 = 0x0201_4b50;
const END_SIGNATURE: u32 = 0x0605_4b50;
/// The version that can unpack it, 2.0.
const VERSION: u16 = 20;
/// 1 January 1980, the earliest day it can say; when a file was made stands in the file.
const DAY: u16 = (1 << 5) | 1;

/// An archive in the making.
#[derive(Default)]
pub(super) struct Archive {
    /// Bytes sent so far.
    len: u32,
    entries: u16,
    /// The list of files, which comes last.
    directory: Vec<u8>,
}

impl Archive {
    /// The bytes of the next file.
    ///
    /// # Errors
    /// `User` when the archive would be larger than it can be.
    pub(super) fn entry(&mut self, name: &str, file: &[u8]) -> Result<Vec<u8>, AppError> {
        let mut crc = Crc::new();
        crc.update(file);
        let begins_at = self.len;
        let (size, name_len) = (u32::try_from(file.len()), u16::try_from(name.len()));
        let (Ok(size), Ok(name_len), Some(entries)) = (size, name_len, self.entries.checked_add(1)) else {
            return Err(too_large());
        };
        let mut about = Vec::with_capacity(26);
        for number in [VERSION, 0, 0, 0, DAY] {
            about.extend(number.to_le_bytes());
        }
        for number in [crc.sum(), size, size] {
            about.extend(number.to_le_bytes());
        }
        about.extend(name_len.to_le_bytes());
        about.extend([0; 2]);

        let mut piece = LOCAL_SIGNATURE.to_le_bytes().to_vec();
        piece.extend(&about);
        piece.extend(name.as_bytes());
        piece.extend(file);
        let sent = u32::try_from(piece.len()).ok().and_then(|len| self.len.checked_add(len));
        self.len = sent.ok_or_else(too_large)?;

        self.directory.extend(CENTRAL_SIGNATURE.to_le_bytes());
        self.directory.extend(VERSION.to_le_bytes());
        self.directory.extend(&about);
        // No comment, the first disk, no attributes.
        self.directory.extend([0; 10]);
        self.directory.extend(begins_at.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.entries = entries;
        Ok(piece)
    }

    /// The bytes of its end.
    pub(super) fn end(self) -> Vec<u8> {
        let Self { len, entries, directory } = self;
        // Its entries hold a name each, so it is shorter than the files are.
        let directory_len = u32::try_from(directory.len()).unwrap_or(u32::MAX);
        let mut piece = directory;
        piece.extend(END_SIGNATURE.to_le_bytes());
        for number in [0, 0, entries, entries] {
            piece.extend(u16::to_le_bytes(number));
        }
        piece.extend(directory_len.to_le_bytes());
        piece.extend(len.to_le_bytes());
        piece.extend([0; 2]);
        piece
    }
}

fn too_large() -> AppError {
    AppError::new(ErrorKind::User, "these images are larger than an archive can be").hint("choose fewer of them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_unpacks_what_was_packed() {
        let mut archive = Archive::default();
        let files = [("a fox-1.png", vec![7; 100_000]), ("b.png", Vec::new()), ("c.png", b"PK\x03\x04".to_vec())];
        let mut bytes = Vec::new();
        for (name, file) in &files {
            bytes.extend(archive.entry(name, file).expect("it is small"));
        }
        bytes.extend(archive.end());
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("images.zip");
        std::fs::write(&path, &bytes).expect("there is room");
        let script = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
                      for i in z.infolist(): print(i.filename, i.file_size)";
        let run = std::process::Command::new("python3").args(["-c", script]).arg(&path).output();
        let output = run.expect("building needs Python");
        let expected: String = files.iter().map(|(name, file)| format!("{name} {}\n", file.len())).collect();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            expected,
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
