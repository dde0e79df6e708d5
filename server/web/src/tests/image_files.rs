//! Bytes of images on their way out and in: types, tags, names; archives; uploads with proof, limits and what a file says.

use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode, header};

use super::stage::{ORIGIN, Seen, Stage};
use crate::access::forms::FORM_TOKEN_FIELD;

/// A stage with one image, and its id.
async fn with_image(prompt: &str) -> (Stage, String) {
    let stage = Stage::with_painter([]).await;
    stage.make(&[("prompt", prompt), ("seed", "7"), ("steps", "3")]).await;
    let page = stage.app.gallery(app::GalleryFilter::default(), None, 1).await.unwrap();
    let id = page.images[0].id.clone();
    (stage, id)
}

#[tokio::test]
async fn files_are_typed_tagged_and_kept_by_the_browser_alone() {
    let (stage, id) = with_image("A red fox").await;
    for (path, kind, magic) in
        [("file", "image/png", &b"\x89PNG\r\n\x1a\n"[..]), ("thumbnail", "image/webp", &b"RIFF"[..])]
    {
        for prefix in ["", "/api/v1"] {
            let path = format!("{prefix}/images/{id}/{path}");
            let (status, headers, bytes) = stage.bytes(&path).await;
            assert_eq!((status, headers["content-type"].to_str().unwrap()), (StatusCode::OK, kind), "{path}");
            assert!(bytes.starts_with(magic), "{path}");
            assert_eq!(headers["cache-control"], "private, max-age=604800, immutable", "{path}");
            assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
            // A browser that opens it alone styles the page that it makes of it, and nothing of that page may run.
            let policy = headers["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("style-src 'unsafe-inline'"), "{path}: {policy}");
            assert!(
                policy.starts_with("default-src 'none'") && !policy.contains("script-src"),
                "{path}: {policy}"
            );
            assert!(!headers.contains_key("content-disposition"), "{path}");
            let tag = headers["etag"].to_str().unwrap();
            for (sent, status) in [
                (tag.to_owned(), StatusCode::NOT_MODIFIED),
                (format!("\"x\", W/{tag}"), StatusCode::NOT_MODIFIED),
                ("\"x\"".to_owned(), StatusCode::OK),
            ] {
                let asked = stage.as_browser(Method::GET, &path).header(header::IF_NONE_MATCH, &sent);
                let response = stage.respond(asked.body(Body::empty()).unwrap()).await;
                assert_eq!(response.status(), status, "{path} {sent}");
            }
        }
    }
}

#[tokio::test]
async fn a_browser_that_shows_an_image_alone_has_nothing_to_complain_of() {
    let stage = Stage::new(None).await;
    assert_eq!(stage.get("/favicon.ico").await.status, StatusCode::NO_CONTENT);
    // The pages themselves are as strict as ever.
    let policy = stage.get("/images").await.header("content-security-policy").to_owned();
    assert!(policy.contains("style-src 'self'") && !policy.contains("unsafe-inline"), "{policy}");
}

/// The files of images that a home has, without their small versions.
fn image_files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| if path.is_dir() { image_files(&path) } else { vec![path] });
    found.filter(|path| std::fs::read(path).unwrap().starts_with(b"\x89PNG")).collect()
}

#[tokio::test]
async fn an_image_without_its_file_is_listed_apart_and_comes_back() {
    let (stage, id) = with_image("A red fox").await;
    let file = image_files(&stage.folder().join("home")).remove(0);
    let bytes = std::fs::read(&file).unwrap();
    let link = "<a href=\"/images?missing=1#gallery\">1 missing file</a>";
    assert!(!stage.get("/images").await.body.contains("missing file"));
    std::fs::remove_file(&file).unwrap();
    let view = stage.get(&format!("/images/{id}")).await.body;
    assert!(view.contains("was deleted outside of Familiar") && !view.contains(">Variations</a>"), "{view}");
    let page = stage.get("/images").await.body;
    assert!(page.contains(link) && !page.contains("alt=\"A red fox\""), "{page}");
    let page = stage.get("/images?missing=1").await.body;
    assert!(page.contains("alt=\"A red fox\"") && page.contains(">Look again</button>"), "{page}");
    let seen = stage.post("/images/look", &[]).await;
    assert_eq!(seen.header("location"), "/images?missing=1&found=0#gallery");
    assert!(stage.get("/images?missing=1&found=0").await.body.contains("No file is back yet."));
    std::fs::write(&file, &bytes).unwrap();
    let seen = stage.post("/images/look", &[]).await;
    assert_eq!(seen.header("location"), "/images?missing=1&found=1#gallery");
    assert!(stage.get("/images?missing=1&found=1").await.body.contains("1 image is back with its file."));
    assert!(stage.get("/images").await.body.contains("alt=\"A red fox\""));
}

#[tokio::test]
async fn a_damaged_image_is_said_to_be_one() {
    let (stage, id) = with_image("A red fox").await;
    let home = stage.folder().join("home");
    let file = image_files(&home).remove(0);
    std::fs::write(&file, b"\x89PNG damaged").unwrap();
    let view = stage.get(&format!("/images/{id}")).await.body;
    assert!(view.contains("is damaged") && !view.contains("class=\"viewer-image\""), "{view}");
    assert!(view.contains("Use these settings") && !view.contains(">Variations</a>"), "{view}");
    // Its small version is whole; once that is gone too, a picture says so.
    let path = format!("/images/{id}/thumbnail");
    assert_eq!(stage.bytes(&path).await.0, StatusCode::OK);
    let blobs = file.parent().and_then(std::path::Path::parent).unwrap();
    for fan in std::fs::read_dir(blobs).unwrap() {
        for blob in std::fs::read_dir(fan.unwrap().path()).unwrap().map(|blob| blob.unwrap().path()) {
            if std::fs::read(&blob).unwrap().starts_with(b"RIFF") {
                std::fs::remove_file(&blob).unwrap();
            }
        }
    }
    for (words, status) in
        [("file damaged", StatusCode::SERVICE_UNAVAILABLE), ("file missing", StatusCode::NOT_FOUND)]
    {
        let (seen, headers, bytes) = stage.bytes(&path).await;
        assert_eq!((seen, headers["content-type"].to_str().unwrap()), (status, "image/svg+xml"));
        assert!(String::from_utf8_lossy(&bytes).contains(words));
        // A browser that opens it alone runs nothing.
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        if file.exists() {
            std::fs::remove_file(&file).unwrap();
        }
    }
}

#[tokio::test]
async fn a_download_has_a_name_and_says_how_it_was_made_or_not() {
    let (stage, id) = with_image("A red fox").await;
    let says = |bytes: &Bytes| bytes.windows(8).any(|part| part == b"Steps: 3");
    let (_, headers, bytes) = stage.bytes(&format!("/images/{id}/file?save=1")).await;
    let name = headers["content-disposition"].to_str().unwrap();
    assert!(name.starts_with("attachment; filename=\"a-red-fox-7-") && name.ends_with(".png\""), "{name}");
    assert!(says(&bytes));
    for path in [format!("/images/{id}/file?save=1&plain=1"), format!("/api/v1/images/{id}/file?settings=false")] {
        let (status, _, bytes) = stage.bytes(&path).await;
        assert!(status == StatusCode::OK && !says(&bytes), "{path}");
    }
}

#[tokio::test]
async fn several_come_as_an_archive() {
    let stage = Stage::with_painter([]).await;
    stage.make(&[("prompt", "a fox"), ("count", "3"), ("seed", "7")]).await;
    let images = stage.app.gallery(app::GalleryFilter::default(), None, 9).await.unwrap().images;
    let fields: String = images.iter().map(|image| format!("&id={}", image.id)).collect();
    for (action, says) in [("save", true), ("save-plain", false)] {
        let body = format!("{FORM_TOKEN_FIELD}={}&action={action}{fields}&id=none", stage.session.form_token);
        let request = stage
            .as_browser(Method::POST, "/images/many")
            .header(header::ORIGIN, ORIGIN)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let response = stage.respond(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/zip");
        assert_eq!(response.headers()[header::CONTENT_DISPOSITION], "attachment; filename=\"images.zip\"");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let count = |wanted: &[u8]| bytes.windows(wanted.len()).filter(|part| *part == wanted).count();
        assert_eq!(count(b"PK\x03\x04"), 3);
        assert_eq!(count(b"\x89PNG\r\n\x1a\n"), 3);
        assert_eq!(count(b"Negative prompt") + count(b"Steps: 4") > 0, says);
    }
}

/// Sends a form with files `a.png`, `b.png` and so on as a browser does; `token` is what its first part says.
async fn bring(stage: &Stage, token: &str, files: &[&[u8]]) -> Seen {
    let mut body =
        format!("--XyZ\r\nContent-Disposition: form-data; name=\"{FORM_TOKEN_FIELD}\"\r\n\r\n{token}\r\n")
            .into_bytes();
    for (file, name) in files.iter().zip('a'..) {
        let head = format!(
            "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}.png\"\r\n\
             Content-Type: image/png\r\n\r\n"
        );
        body.extend(head.as_bytes());
        body.extend(*file);
        body.extend(b"\r\n");
    }
    body.extend(b"--XyZ--\r\n");
    send(stage, body).await
}

async fn send(stage: &Stage, body: Vec<u8>) -> Seen {
    let request = stage
        .as_browser(Method::POST, "/images/bring")
        .header(header::ORIGIN, ORIGIN)
        .header("sec-fetch-site", "same-origin")
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=XyZ");
    stage.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_file_that_is_brought_says_how_it_was_made() {
    let (stage, id) = with_image("A red fox").await;
    let token = stage.session.form_token.clone();
    let (_, _, file) = stage.bytes(&format!("/images/{id}/file")).await;
    stage.app.delete_images(&[id]).await.unwrap();
    let seen = bring(&stage, &token, &[&file]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.body);
    let page = stage.get(seen.header("location")).await.body;
    for fact in [
        "A red fox",
        "<dt>Seed</dt><dd>7</dd>",
        "<dt>Steps</dt><dd>3</dd>",
        "<dt>Sampler</dt><dd>the model&#39;s own</dd>",
        "<dt>Read from</dt><dd>Familiar",
    ] {
        assert!(page.contains(fact), "{fact} in {page}");
    }
    assert!(!page.contains("Layers left out"), "none were: {page}");
    let use_url = page.split("href=\"").find(|part| part.contains("Use these settings")).unwrap();
    let form = stage.get(use_url.split('#').next().unwrap()).await.body;
    assert!(form.contains(">A red fox</textarea>") && form.contains("value=\"7\""), "{form}");
    let again = bring(&stage, &token, &[&file, &file]).await;
    assert_eq!(again.header("location"), seen.header("location"), "the gallery has it");
    let (_, _, bare) = stage.bytes(&format!("{}/file?plain=1", seen.header("location"))).await;
    let two = bring(&stage, &token, &[&file, &bare]).await;
    assert_eq!(two.header("location"), "/images?brought=2#gallery");
    assert_eq!(stage.app.gallery(app::GalleryFilter::default(), None, 9).await.unwrap().images.len(), 2);
    assert!(stage.get("/images?brought=2").await.body.contains("2 images are in the gallery now."));
}

#[tokio::test]
async fn an_upload_needs_its_proof_first() {
    let (stage, id) = with_image("a fox").await;
    let (_, _, file) = stage.bytes(&format!("/images/{id}/file")).await;
    let token = stage.session.form_token.clone();
    let part = |name: &str, content: &[u8]| {
        let head = format!("--XyZ\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    };
    let end = b"--XyZ--\r\n".to_vec();
    for (what, body) in [
        ("a wrong token", [part(FORM_TOKEN_FIELD, b"guess"), part("file", &file), end.clone()].concat()),
        ("no token", [part("file", &file), end.clone()].concat()),
        ("the token last", [part("file", &file), part(FORM_TOKEN_FIELD, token.as_bytes()), end.clone()].concat()),
        ("the token alone", part(FORM_TOKEN_FIELD, token.as_bytes())[..40].to_vec()),
        ("nothing", Vec::new()),
        (
            "another boundary",
            part(FORM_TOKEN_FIELD, token.as_bytes()).iter().map(u8::to_ascii_lowercase).collect(),
        ),
    ] {
        let seen = send(&stage, body).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{what}: {}", seen.body);
    }
    assert_eq!(stage.app.gallery(app::GalleryFilter::default(), None, 9).await.unwrap().images.len(), 1);
}

#[tokio::test]
async fn what_is_no_image_or_too_large_is_refused_with_the_reason() {
    let (stage, id) = with_image("a fox").await;
    let (_, _, file) = stage.bytes(&format!("/images/{id}/file")).await;
    let token = stage.session.form_token.clone();
    let cut = &file[..file.len() / 2];
    for (files, status, message) in [
        (vec![], 400, "No file was chosen."),
        (vec![&b"GIF89a"[..]], 400, "it is no PNG, JPEG or WebP"),
        (vec![&b"GIF89a"[..]], 400, "The file <code>a.png</code> is not kept: "),
        (vec![&b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"[..]], 400, "it is no PNG, JPEG or WebP"),
        (vec![cut], 400, "the image cannot be read"),
        (vec![&file[..], cut], 400, "None of the files is kept, because of <code>b.png</code>: "),
    ] {
        let seen = bring(&stage, &token, &files).await;
        assert_eq!(seen.status.as_u16(), status, "{message}: {}", seen.body);
        assert!(seen.body.contains(message), "{message}: {}", seen.body);
        // It is the page on which files are chosen, with everything else of it.
        assert!(seen.body.contains("<details class=\"panel bring\" open>"), "{message}: {}", seen.body);
        assert!(seen.body.contains("id=\"gallery\""), "{message}: {}", seen.body);
    }
    let large = vec![0; app::IMPORT_BYTES_MAX + 128 * 1024];
    let seen = bring(&stage, &token, &[&large]).await;
    assert_eq!(seen.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(seen.body.contains("More than 64 MiB came at once."), "{}", seen.body);
    assert!(seen.body.contains("<a href=\"/images\">Back to the images</a>"), "{}", seen.body);
    let cut = send(
        &stage,
        format!("--XyZ\r\nContent-Disposition: form-data; name=\"{FORM_TOKEN_FIELD}\"\r\n\r\n{token}\r\n--XyZ")
            .into(),
    )
    .await;
    assert_eq!(cut.status, StatusCode::BAD_REQUEST, "{}", cut.body);
}
