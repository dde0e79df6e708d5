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

/// Whether images may be written to `output`, said before they are made. A folder that is named as one, with a slash at its
/// end, is made.
///
/// # Errors
/// When a file is there, the folder is not or cannot be made, or the name is that of another kind of file.
pub(crate) fn check_output(output: Option<&Path>, count: u32) -> Result<(), Failure> {
    let Some(output) = output else { return Ok(()) };
    if output.is_dir() {
        return Ok(());
    }
    if output.to_string_lossy().ends_with(std::path::is_separator) {
        return std::fs::create_dir_all(output).map_err(|error| {
            Failure::new(format!("cannot make the folder {}: {error}", output.display()))
                .hint("name another folder, or a file that ends in .png")
        });
    }
    if output.extension().is_some_and(|end| !end.eq_ignore_ascii_case(EXTENSION)) {
        return Err(Failure::new(format!("{} is no .png file, and only those can be written", output.display()))
            .hint("end the name in .png, or in a slash for a folder"));
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
        let kept = format!("the image is kept: `familiar gallery save {} --output PATH`", image.id);
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => Failure::new(format!("{} is there already", file.display())),
            _ => Failure::new(format!("cannot write {}: {error}", file.display())),
        }
        .hint(format!("{kept} writes it elsewhere"))
    };
    write_new(file, &bytes).map_err(failed)?;
    Ok(file.to_owned())
}

/// Writes a file that was not there; one that could not be written whole is removed again.
fn write_new(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut new = std::fs::File::create_new(file)?;
    new.write_all(bytes).and_then(|()| new.sync_all()).inspect_err(|_| {
        // The disk that refused may refuse this too.
        let _ = std::fs::remove_file(file);
    })
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
    let seed = image.known_seed().map_or("unknown".to_owned(), |seed| seed.to_string());
    format!("{}  {size:>11}  seed {seed:<20} {rest}\n", image.id)
}

/// Shows the picture itself where the terminal can. It is an extra: what goes wrong is not worth a word.
pub(crate) async fn show_picture(client: &Client, image: &ImageView) {
    let Some(terminal) = Terminal::of_output() else { return };
    let Ok(bytes) = client.bytes(&file_path(&image.id)).await else { return };
    let Ok(picture) = image::load_from_memory_with_format(&bytes, image::ImageFormat::Png) else { return };
    let config = viuer::Config {
        absolute_offset: false,
        width: Some(PICTURE_COLUMNS_MAX.min(picture.width() / 8).max(1)),
        use_kitty: terminal == Terminal::Kitty,
        use_sixel: terminal == Terminal::Sixel,
        ..viuer::Config::default()
    };
    drop(viuer::print(&picture, &config));
}

/// How a terminal shows pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Terminal {
    /// By the protocol of kitty.
    Kitty,
    /// In sixels.
    Sixel,
    /// In blocks of colour, or by the protocol of iTerm, which its own variables tell.
    Other,
}

impl Terminal {
    /// What standard output is, if pictures are worth trying there.
    fn of_output() -> Option<Self> {
        let is_seen = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
        is_seen.then(|| Self::of(|name| std::env::var(name).ok())).flatten()
    }

    /// By its environment. To ask the terminal itself would wait for ever where one does not answer.
    fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let (kind, program) = (variable("TERM")?, variable("TERM_PROGRAM").unwrap_or_default());
        // What stands between a program and its terminal lets no pictures through.
        let is_between = variable("TMUX").is_some() || kind.starts_with("screen") || kind.starts_with("tmux");
        Some(match kind.as_str() {
            "dumb" => return None,
            _ if is_between => Self::Other,
            "xterm-kitty" | "xterm-ghostty" => Self::Kitty,
            _ if program == "ghostty" || variable("KITTY_WINDOW_ID").is_some() => Self::Kitty,
            _ if kind.starts_with("foot") || kind.starts_with("mlterm") || kind.starts_with("contour") => {
                Self::Sixel
            }
            _ if kind.contains("sixel") || program == "WezTerm" => Self::Sixel,
            _ => Self::Other,
        })
    }
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

    #[test]
    fn terminals_are_told_by_what_they_say_of_themselves() {
        for (variables, expected) in [
            (&[("TERM", "xterm-256color")][..], Some(Terminal::Other)),
            (&[("TERM", "dumb")], None),
            (&[], None),
            (&[("TERM", "xterm-kitty")], Some(Terminal::Kitty)),
            (&[("TERM", "xterm-256color"), ("KITTY_WINDOW_ID", "1")], Some(Terminal::Kitty)),
            (&[("TERM", "tmux-256color"), ("KITTY_WINDOW_ID", "1")], Some(Terminal::Other)),
            (&[("TERM", "foot")], Some(Terminal::Sixel)),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")], Some(Terminal::Sixel)),
        ] {
            let variable = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(Terminal::of(variable), expected, "{variables:?}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_said_before_anything_is_drawn() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, is_good) in
            [("x.jpg", false), ("x.PNG", true), ("x", true), ("v1.5", false), ("x.png.webp", false)]
        {
            let checked = check_output(Some(&folder.path().join(name)), 1);
            assert_eq!(checked.is_ok(), is_good, "{name}: {checked:?}");
        }
        let new = folder.path().join("new/and deeper/");
        check_output(Some(&new), 2).expect("it can be made");
        assert_eq!(numbered(&new, "1", 1), new.join("1.png"));
        std::fs::write(folder.path().join("file"), "").expect("written");
        let error = check_output(Some(&folder.path().join("file/new/")), 1).expect_err("a file is in the way");
        assert!(error.message.contains("cannot make the folder") && error.hint.is_some(), "{error:?}");
    }
}
