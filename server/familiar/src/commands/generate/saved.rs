//! Images that are finished: on the terminal, and as files where the user wants them. Refuses: writing over a file, and
//! pictures where nobody looks.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use app::ImageView;

use crate::daemon::client::{self, Client};
use crate::failure::Failure;
use crate::render::{self, Style};

/// Columns of the terminal that a picture takes at most.
const PICTURE_COLUMNS_MAX: u32 = 60;
/// How the name of an image file ends.
const EXTENSION: &str = "png";

/// Whether images may be written to `output`, said before they are made.
///
/// # Errors
/// When a file is there, or the folder is not.
pub(crate) fn check_output(output: Option<&Path>, count: u32) -> Result<(), Failure> {
    let Some(output) = output else { return Ok(()) };
    if output.is_dir() {
        return Ok(());
    }
    for at in 0..count as usize {
        let file = numbered(output, "", at);
        if file.exists() {
            return Err(Failure::new(format!("{} is there already", file.display()))
                .hint("name another file, or a folder"));
        }
    }
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => {
            Err(Failure::new(format!("there is no folder {}", folder.display())).hint("make it first"))
        }
        _ => Ok(()),
    }
}

/// The file of the image at place `at` when `output` was named: in a folder it is called by its id.
pub(crate) fn numbered(output: &Path, id: &str, at: usize) -> PathBuf {
    if output.is_dir() {
        return output.join(id).with_extension(EXTENSION);
    }
    if at == 0 {
        return output.to_owned();
    }
    let stem = output.file_stem().unwrap_or_default().to_string_lossy();
    let name = match output.extension() {
        Some(extension) => format!("{stem}-{}.{}", at + 1, extension.to_string_lossy()),
        None => format!("{stem}-{}", at + 1),
    };
    output.with_file_name(name)
}

/// Writes the image to a new file.
///
/// # Errors
/// When the file is there or cannot be written.
pub(crate) async fn save(client: &Client, image: &ImageView, file: &Path) -> anyhow::Result<PathBuf> {
    let bytes = client.bytes(&file_path(&image.id)).await?;
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot write {}: {error}", file.display()))
            .hint(format!("the image is kept: `familiar gallery save {} --output PATH`", image.id))
    };
    let mut new = std::fs::File::create_new(file).map_err(failed)?;
    new.write_all(&bytes).and_then(|()| new.sync_all()).map_err(failed)?;
    Ok(file.to_owned())
}

fn file_path(id: &str) -> String {
    client::query(&format!("/api/v1/images/{id}/file"), &[])
}

/// One line about an image.
pub(crate) fn line(image: &ImageView, file: Option<&Path>) -> String {
    let style = Style::of_output();
    let size = format!("{} x {}", image.width_pixels, image.height_pixels);
    let rest = match file {
        Some(file) => render::escape(&file.display().to_string()),
        None => style.dim(&render::one_line(&image.alt_text())),
    };
    format!("{}  {size:>11}  seed {:<20} {rest}\n", image.id, image.seed)
}

/// Shows the picture itself where the terminal can. It is an extra: what goes wrong is not worth a word.
pub(crate) async fn show_picture(client: &Client, image: &ImageView) {
    if !std::io::stdout().is_terminal() {
        return;
    }
    let Ok(bytes) = client.bytes(&file_path(&image.id)).await else { return };
    let Ok(picture) = image::load_from_memory_with_format(&bytes, image::ImageFormat::Png) else { return };
    let config = viuer::Config {
        absolute_offset: false,
        width: Some(PICTURE_COLUMNS_MAX.min(picture.width() / 8).max(1)),
        use_kitty: true,
        use_iterm: true,
        ..viuer::Config::default()
    };
    drop(viuer::print(&picture, &config));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_numbered_and_never_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("fox.png");
        assert_eq!(numbered(&file, "1", 0), file);
        assert_eq!(numbered(&file, "1", 1), folder.path().join("fox-2.png"));
        assert_eq!(numbered(folder.path(), "1", 1), folder.path().join("1.png"));
        assert!(check_output(Some(&file), 2).is_ok());
        std::fs::write(folder.path().join("fox-2.png"), "").expect("it can be written");
        assert!(check_output(Some(&file), 1).is_ok());
        assert!(check_output(Some(&file), 2).is_err(), "the second one is there");
        assert!(check_output(Some(&folder.path().join("none/fox.png")), 1).is_err());
        assert!(check_output(Some(folder.path()), 9).is_ok());
    }
}
