//! The embedded style sheet and scripts, each under a name that holds its hash. Refuses: every other file; a name
//! that is not in the table does not exist.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

/// A hashed name never means other bytes, so a browser may keep them for a year.
const CACHE: &str = "public, max-age=31536000, immutable";

/// One embedded file.
#[derive(Debug)]
pub(crate) struct Asset {
    name: &'static str,
    /// Where it is served.
    pub(crate) path: &'static str,
    content_type: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
}

/// Every embedded file.
pub(crate) static ASSETS: [Asset; 5] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Where the asset called `name` is served.
pub(crate) fn path(name: &str) -> &'static str {
    ASSETS.iter().find(|asset| asset.name == name).map_or("/assets/missing", |asset| asset.path)
}

impl Asset {
    /// The route of this file.
    pub(crate) fn route<S: Clone + Send + Sync + 'static>(&'static self) -> MethodRouter<S, Infallible> {
        get(move |headers: HeaderMap| async move { self.response(&headers) })
    }

    fn response(&self, headers: &HeaderMap) -> Response {
        let gzip = accepts_gzip(headers);
        let mut response = Body::from(if gzip { self.gzip } else { self.plain }).into_response();
        let out = response.headers_mut();
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        out.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE));
        out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if gzip {
            out.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// Whether the client takes gzip; one that refuses it by `q=0` is believed.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
            named && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        })
}
