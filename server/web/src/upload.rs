//! Files that come with a form (RFC 7578): the parts of a body that was read whole. Refuses: parts without end, more than
//! [`PARTS_MAX`], more bodies at once than have a place, and guessing; what is no part is nothing.

use std::time::Duration;

use app::{AppError, ErrorKind, IMPORT_BYTES_MAX, ImportGuard};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use crate::error::{respond, respond_with};
use crate::state::Shared;

/// Parts of one form.
const PARTS_MAX: usize = 64;
/// Longest head of one part, in bytes.
const HEAD_BYTES_MAX: usize = 4 * 1024;
/// Longest boundary (RFC 2046, section 5.1.1), in bytes.
const BOUNDARY_BYTES_MAX: usize = 70;
/// The largest body that brings files: one file of the largest size, and what stands around it.
pub(crate) const UPLOAD_BYTES_MAX: usize = IMPORT_BYTES_MAX + 64 * 1024;

/// Characters of a file's name that are repeated.
const NAME_CHARS_MAX: usize = 100;

/// How long a body may take to arrive; meanwhile it holds its place.
const UPLOAD_TIME_MAX: Duration = Duration::from_secs(60);

/// A body as it came, read whole. Its route says how large it may be. It holds one of the few places for such bodies, taken
/// before the first byte is read, until the handler is done with it.
pub(crate) struct Uploaded {
    /// The bytes.
    pub(crate) body: Bytes,
    _place: ImportGuard,
}

impl FromRequest<Shared> for Uploaded {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Shared) -> Result<Self, Response> {
        let path = request.uri().path().to_owned();
        let place = web.app.begin_import().map_err(|problem| respond(&path, problem))?;
        let arriving = tokio::time::timeout(UPLOAD_TIME_MAX, Bytes::from_request(request, web));
        let Ok(arrived) = arriving.await else {
            let seconds = UPLOAD_TIME_MAX.as_secs();
            let error =
                AppError::new(ErrorKind::User, format!("the files did not arrive within {seconds} seconds"));
            return Err(respond_with(&path, StatusCode::REQUEST_TIMEOUT, &error.hint("send them again")));
        };
        arrived.map(|body| Self { body, _place: place }).map_err(|problem| {
            let error = if problem.status() == StatusCode::PAYLOAD_TOO_LARGE {
                let message = format!("more than {} MiB came at once", IMPORT_BYTES_MAX / (1024 * 1024));
                AppError::new(ErrorKind::User, message).hint("bring fewer files, or smaller ones")
            } else {
                no_form()
            };
            respond_with(&path, problem.status(), &error)
        })
    }
}

/// The boundary of a form with files; `None` for every other body.
pub(crate) fn boundary(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameters) = kind.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut parameters = parameters.split(';').filter_map(|parameter| parameter.trim().split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.eq_ignore_ascii_case("boundary"))?;
    let value = value.trim_matches('"');
    let is_good = (1..=BOUNDARY_BYTES_MAX).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
    is_good.then(|| value.to_owned())
}

/// A file of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// What the browser calls it, without its folder; empty where it says nothing.
    pub(crate) name: String,
    /// All of it.
    pub(crate) bytes: Bytes,
}

/// The files of a form, as the fields called `field` bring them. One that was left empty is none.
///
/// # Errors
/// `User` for a body that is cut or no form.
pub(crate) fn files(body: &Bytes, boundary: &str, field: &str) -> Result<Vec<File>, AppError> {
    let delimiter = format!("\r\n--{boundary}");
    let mut at = match body.strip_prefix(&delimiter.as_bytes()[2..]) {
        Some(_) => delimiter.len() - 2,
        None => return Err(no_form()),
    };
    let mut files = Vec::new();
    for _ in 0..PARTS_MAX {
        let rest = &body[at..];
        if rest.starts_with(b"--") {
            return Ok(files);
        }
        let head = rest.strip_prefix(b"\r\n").ok_or_else(no_form)?;
        let head_len = find(&head[..head.len().min(HEAD_BYTES_MAX)], b"\r\n\r\n").ok_or_else(no_form)?;
        let begin = at + 2 + head_len + 4;
        let len = find(&body[begin..], delimiter.as_bytes()).ok_or_else(no_form)?;
        let disposition = disposition(&head[..head_len]);
        if len > 0 && names(&disposition, field) {
            files.push(File { name: file_name(&disposition), bytes: body.slice(begin..begin + len) });
        }
        at = begin + len + delimiter.len();
    }
    Err(AppError::new(ErrorKind::User, format!("a form has at most {PARTS_MAX} parts")).hint("bring fewer files"))
}

/// What the head of a part says about where it belongs.
fn disposition(head: &[u8]) -> String {
    let text = String::from_utf8_lossy(head);
    let mut headers = text.split("\r\n").filter_map(|line| line.split_once(':'));
    let found = headers.find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"));
    found.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// Whether that is `field`.
fn names(disposition: &str, field: &str) -> bool {
    // A name with quotes, or a field's name within a file's, never equals ours.
    disposition.split(';').any(|parameter| parameter.trim() == format!("name=\"{field}\""))
}

/// The name of a part's file, fit to be shown. Browsers write quotes and line breaks in it as `%22`, `%0D` and `%0A`.
fn file_name(disposition: &str) -> String {
    let after = disposition.split_once("filename=\"").map_or("", |(_, after)| after);
    let written = after.split('"').next().unwrap_or_default().replace("%22", "\"");
    let written = written.replace("%0D", " ").replace("%0A", " ");
    let name = written.rsplit(['/', '\\']).next().unwrap_or_default();
    // What is not seen could make a name look like another one.
    let seen = name.chars().map(|c| if is_unseen(c) { '\u{fffd}' } else { c });
    seen.take(NAME_CHARS_MAX).collect::<String>().trim().to_owned()
}

/// Whether a character is none that one sees, or changes the order of those around it.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(found) = bytes.get(from..)?.iter().position(|byte| *byte == first) {
        let at = from + found;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

fn no_form() -> AppError {
    AppError::new(ErrorKind::User, "the files did not arrive whole").hint("send them again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(disposition: &str, content: &str) -> String {
        format!(
            "--b\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: image/png\r\n\r\n{content}\r\n"
        )
    }

    fn read(body: &str) -> Result<Vec<Bytes>, AppError> {
        let files = files(&Bytes::copy_from_slice(body.as_bytes()), "b", "file")?;
        Ok(files.into_iter().map(|file| file.bytes).collect())
    }

    #[test]
    fn a_file_has_the_name_that_the_browser_gives_it() {
        for (disposition, expected) in [
            ("name=\"file\"; filename=\"a fox.png\"", "a fox.png"),
            ("filename=\"b;c.png\"; name=\"file\"", "b;c.png"),
            ("name=\"file\"; filename=\"say %22hi%22%0D%0A.png\"", "say \"hi\"  .png"),
            ("name=\"file\"; filename=\"C:\\pictures\\fox.png\"", "fox.png"),
            ("name=\"file\"; filename=\"../../etc/fox.png\"", "fox.png"),
            ("name=\"file\"; filename=\"\u{202e}gnp.exe\"", "\u{fffd}gnp.exe"),
            ("name=\"file\"; filename=\"\"", ""),
            ("name=\"file\"", ""),
        ] {
            let body = format!("{}--b--", part(disposition, "x"));
            let files = files(&Bytes::copy_from_slice(body.as_bytes()), "b", "file").expect("it is a form");
            assert_eq!(files, [File { name: expected.into(), bytes: Bytes::from_static(b"x") }], "{disposition}");
        }
        let long = format!("name=\"file\"; filename=\"{}.png\"", "é".repeat(1000));
        assert_eq!(file_name(&long).chars().count(), NAME_CHARS_MAX);
    }

    #[test]
    fn files_are_what_the_field_brings() {
        let form = [
            part("name=\"form_token\"", "secret"),
            part("name=\"file\"; filename=\"a.png\"", "one\r\n--a--\r\n"),
            part("name=\"file\"; filename=\"\"", ""),
            part("name=\"other\"; filename=\"name=\\\"file\\\"\"", "no"),
            part("filename=\"b.png\"; name=\"file\"", "two"),
        ];
        let body = format!("{}--b--\r\n", form.concat());
        assert_eq!(read(&body).expect("it is a form"), ["one\r\n--a--\r\n", "two"]);
        for end in 0..body.len() - 4 {
            assert_eq!(read(&body[..end]).expect_err("it is cut").kind, ErrorKind::User, "{end}");
        }
        for body in ["", "--", "--b", "--b\r\n", "--bx", "x--b--", "--b\r\n\r\n\r\n"] {
            assert!(read(body).is_err(), "{body:?}");
        }
        assert_eq!(read("--b--").expect("it is empty"), [""; 0]);
        let many = part("name=\"file\"", "x").repeat(PARTS_MAX + 1) + "--b--";
        assert!(read(&many).expect_err("there are too many").message.contains("64 parts"));
    }

    #[test]
    fn a_boundary_is_read_from_the_type_of_the_body() {
        for (kind, expected) in [
            ("multipart/form-data; boundary=----WebKitFormBoundaryX", Some("----WebKitFormBoundaryX")),
            ("Multipart/Form-Data; charset=utf-8; Boundary=\"b c\"", None),
            ("multipart/form-data; boundary=\"b\"", Some("b")),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data", None),
            ("multipart/mixed; boundary=b", None),
            ("text/plain; boundary=b", None),
        ] {
            let headers = [(header::CONTENT_TYPE, kind.parse().expect("it is a header"))].into_iter().collect();
            assert_eq!(boundary(&headers).as_deref(), expected, "{kind}");
        }
    }
}
