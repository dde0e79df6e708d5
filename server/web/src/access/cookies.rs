//! Reading and writing the few cookies there are. Refuses: ambiguity; a name that comes twice is not there.

use axum::http::{HeaderMap, HeaderValue, header};

/// How long a browser keeps the session cookie; the session itself ends by the store's rules.
const SESSION_COOKIE_S: u32 = 30 * 24 * 60 * 60;
/// How long the choice of a theme is kept.
const THEME_COOKIE_S: u32 = 365 * 24 * 60 * 60;
/// The cookie of the theme; scripts write it too.
pub(crate) const THEME_COOKIE: &str = "theme";

/// The value of the cookie `name`; `None` when it is absent, empty or there twice.
pub(crate) fn read<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    let value = found.next().filter(|value| !value.is_empty())?;
    found.next().is_none().then_some(value)
}

/// The header that gives a browser its session.
pub(crate) fn session(name: &str, value: &str) -> Option<HeaderValue> {
    let text = format!("{name}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={SESSION_COOKIE_S}");
    HeaderValue::from_str(&text).ok()
}

/// The header that takes it away again.
pub(crate) fn forget(name: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{name}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0")).ok()
}

/// The header that keeps the choice of a theme. It is no secret, and the page's own script writes it as well.
pub(crate) fn theme(value: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{THEME_COOKIE}={value}; SameSite=Strict; Path=/; Max-Age={THEME_COOKIE_S}"))
        .ok()
}
