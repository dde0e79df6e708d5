//! Assets: hashed, compressed, kept; and light enough together with the first page.

use axum::body::Body;
use axum::http::{Method, StatusCode};

use super::stage::{Stage, request};
use crate::assets::ASSETS;

/// Bytes of the first page with everything it loads, compressed.
const FIRST_PAGE_BYTES_MAX: usize = 100 * 1024;

#[tokio::test]
async fn assets_are_served_compressed_and_kept_for_good() {
    let stage = Stage::new(None).await;
    for asset in &ASSETS {
        for (accept, encoding) in [("gzip, br", "gzip"), ("identity", ""), ("gzip;q=0", ""), ("", "")] {
            let asked = request(Method::GET, asset.path).header("accept-encoding", accept);
            let response = stage.respond(asked.body(Body::empty()).unwrap()).await;
            assert_eq!(response.status(), StatusCode::OK, "{}", asset.path);
            let header = |name: &str| response.headers().get(name).map_or("", |value| value.to_str().unwrap());
            assert_eq!(header("content-encoding"), encoding, "{} {accept}", asset.path);
            assert_eq!(header("cache-control"), "public, max-age=31536000, immutable");
            assert_eq!(header("x-content-type-options"), "nosniff");
        }
    }
}

#[tokio::test]
async fn the_first_page_is_light_and_asks_nobody_else() {
    let stage = Stage::new(None).await;
    let page = stage.get("/").await.body;
    let mut bytes = page.len();
    for asset in &ASSETS {
        if page.contains(asset.path) {
            let asked = request(Method::GET, asset.path).header("accept-encoding", "gzip");
            let response = stage.respond(asked.body(Body::empty()).unwrap()).await;
            let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
            bytes += body.len();
        }
    }
    assert!(bytes <= FIRST_PAGE_BYTES_MAX, "{bytes} bytes");
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http") && !page.contains("//cdn"), "{page}");
}
