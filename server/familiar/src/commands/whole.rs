//! Files that a command reads whole, such as images. Refuses: what is no regular file, which may never end, and more bytes than
//! it is told.

use std::path::Path;

use crate::failure::Failure;

/// The bytes of an image file, as far as the gallery takes any.
///
/// # Errors
/// When it is not there, is no regular file, is too large or cannot be read.
pub(super) async fn image(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = |error| Failure::new(format!("cannot read {}: {error}", path.display()));
    let about = match tokio::fs::metadata(path).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Failure::new(format!("there is no file {}", path.display())));
        }
        about => about.map_err(cannot)?,
    };
    if !about.is_file() {
        let kind = if about.is_dir() { "a folder" } else { "no regular file" };
        return Err(Failure::new(format!("{} is {kind}", path.display())).hint("name a PNG, JPEG or WebP file"));
    }
    if about.len() > app::IMPORT_BYTES_MAX as u64 {
        let message = format!("{} has more than {} MiB", path.display(), app::IMPORT_BYTES_MAX >> 20);
        return Err(Failure::new(message).hint("make it smaller"));
    }
    tokio::fs::read(path).await.map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_regular_files_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, pipe) = (folder.path().join("fox.png"), folder.path().join("pipe"));
        std::fs::write(&file, "PNG").expect("written");
        assert_eq!(image(&file).await.expect("it is one"), b"PNG");
        assert!(image(folder.path()).await.expect_err("it is none").message.ends_with("is a folder"));
        let gone = image(&folder.path().join("gone.png")).await.expect_err("it is not there");
        assert!(gone.message.contains("there is no file"), "{gone}");
        // Nobody writes into it, so whoever opened it to read would wait for ever.
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("the system has it");
        assert!(made.success());
        assert!(image(&pipe).await.expect_err("it is none").message.ends_with("is no regular file"));
        std::fs::File::create(&file).and_then(|file| file.set_len(1 << 30)).expect("it can be long");
        assert!(image(&file).await.expect_err("it is too large").message.ends_with("more than 64 MiB"));
    }
}
