//! The bytes of images, the same for pages and programs: typed, tagged and kept by whoever may see them. Refuses: shared
//! caches, and a type that depends on what is in a file.

use app::{App, AppError, ImageView};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// An id never means other bytes, so a browser may keep them; not for ever, because images are deleted.
const CACHE: &str = "private, max-age=604800, immutable";
/// What tells a browser to forget what it kept, once images are deleted.
pub(crate) const FORGET_KEPT: (&str, &str) = ("clear-site-data", "\"cache\"");
/// Bytes of the hash that stand in a tag.
const TAG_BYTES: usize = 16;
/// Characters of the prompt that stand in a file's name.
const NAME_CHARS_MAX: usize = 60;

/// How a file is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Under a name, to be saved.
    pub(crate) to_save: bool,
    /// Without what it says about how it was made.
    pub(crate) plain: bool,
}

/// The PNG file of an image.
///
/// # Errors
/// As [`App::image`] and [`App::image_file`].
pub(crate) async fn file(app: &App, id: &str, wanted: Wanted, headers: &HeaderMap) -> Result<Response, AppError> {
    let name = if wanted.to_save { Some(file_name(&app.image(id).await?)) } else { None };
    let bytes = app.image_file(id, !wanted.plain).await?;
    let mut response = tagged(bytes, "image/png", headers);
    if let Some(name) = name
        && let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
    {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// The small version of an image.
///
/// # Errors
/// As [`App::image_thumbnail`].
pub(crate) async fn thumbnail(app: &App, id: &str, headers: &HeaderMap) -> Result<Response, AppError> {
    Ok(tagged(app.image_thumbnail(id).await?, "image/webp", headers))
}

/// A picture in the place of a small version that is not there. What it says is ours, and it fits both themes.
pub(crate) fn no_thumbnail(status: StatusCode, words: &'static str) -> Response {
    let picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 160 160\" width=\"160\" height=\"160\"><g fill=\"none\" \
         stroke=\"#7d8592\" stroke-width=\"2\"><rect x=\"56\" y=\"36\" width=\"48\" height=\"40\" rx=\"4\"/><path d=\"M50 82 \
         110 30\"/></g><text x=\"80\" y=\"106\" fill=\"#7d8592\" font-family=\"system-ui,sans-serif\" font-size=\"13\" \
         text-anchor=\"middle\">file {words}</text></svg>"
    );
    let kind = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "no-store")];
    (status, kind, picture).into_response()
}

/// What an image is called where it is saved: words of its prompt, its seed if it is known and the end of its id, in plain
/// letters.
pub(crate) fn file_name(image: &ImageView) -> String {
    let mut name = String::new();
    for c in image.prompt.chars() {
        if name.len() >= NAME_CHARS_MAX {
            break;
        }
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let words = name.trim_end_matches('-');
    let words = if words.is_empty() { "image" } else { words };
    // Two images of one prompt and one seed are still two files.
    let mut id: Vec<char> = image.id.chars().filter(char::is_ascii_alphanumeric).collect();
    let end: String = id.split_off(id.len().saturating_sub(6)).into_iter().collect();
    let seed = image.known_seed().map(|seed| format!("-{seed}")).unwrap_or_default();
    format!("{words}{seed}-{end}.png")
}

fn tagged(bytes: Vec<u8>, content_type: &'static str, headers: &HeaderMap) -> Response {
    let digest = Sha256::digest(&bytes);
    let hash: String = digest.iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{hash}\"");
    let mut response = if is_known(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Body::from(bytes).into_response()
    };
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE));
    out.insert(header::VARY, HeaderValue::from_static("cookie, authorization"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(header::ETAG, tag);
    }
    response
}

/// Whether the client has these bytes already (RFC 9110, section 13.1.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let sent = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    sent.flat_map(|value| value.split(','))
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == tag || one == "*")
}

#[cfg(test)]
mod tests {
    use app::{ImageOrigin, ImageSettings};

    use super::*;

    fn image(prompt: &str) -> ImageView {
        ImageView {
            id: "0123-456789ab".into(),
            job_id: None,
            index: 0,
            width_pixels: 1,
            height_pixels: 1,
            seed: 7,
            model: String::new(),
            prompt: prompt.into(),
            negative_prompt: String::new(),
            origin: ImageOrigin::Made {
                settings: Box::new(ImageSettings { seed: 7, ..ImageSettings::default() }),
            },
            created_ms: 0,
            favourite: false,
            size_bytes: 0,
            missing: false,
        }
    }

    #[test]
    fn names_of_files_are_plain() {
        for (prompt, name) in [
            ("A red fox, in the snow!", "a-red-fox-in-the-snow-7-6789ab.png"),
            ("../../etc/passwd\"\r\nX: y", "etc-passwd-x-y-7-6789ab.png"),
            ("狐", "image-7-6789ab.png"),
            ("", "image-7-6789ab.png"),
        ] {
            assert_eq!(file_name(&image(prompt)), name);
        }
        assert!(file_name(&image(&"long ".repeat(1000))).len() < 100);
        let brought = ImageView { origin: ImageOrigin::Brought { parameters: None }, ..image("a photo") };
        assert_eq!(file_name(&brought), "a-photo-6789ab.png", "no seed is known");
    }
}
