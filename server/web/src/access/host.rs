//! The names this door answers to. Refuses every other one, so that a foreign page cannot reach us under a name of
//! its own that it points at this machine.

use axum::http::{HeaderMap, Uri, header};

/// The names every daemon answers to at its port.
const OWN_NAMES: [&str; 3] = ["127.0.0.1", "localhost", "familiar.localhost"];
/// The port a browser leaves out.
const PLAIN_PORT: u16 = 80;

/// The host the request named, checked and in lower case, with its port when it gave one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    name: String,
    /// Whether it is one of the configured names, which may stand behind TLS.
    is_configured: bool,
}

/// What is allowed.
pub(crate) struct Allowed<'a> {
    /// Our port.
    pub(crate) port: u16,
    /// `allowed_hosts` of the configuration.
    pub(crate) names: &'a [String],
}

impl Allowed<'_> {
    /// The host of a request; `None` when there is not exactly one or it is not one of ours.
    pub(crate) fn check(&self, headers: &HeaderMap, uri: &Uri) -> Option<Host> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let named = hosts.next()?.to_str().ok()?.to_ascii_lowercase();
        if hosts.next().is_some() {
            return None;
        }
        if let Some(authority) = uri.authority()
            && !authority.as_str().eq_ignore_ascii_case(&named)
        {
            return None;
        }
        if OWN_NAMES.iter().any(|own| self.is_at_our_port(&named, own)) {
            return Some(Host { name: named, is_configured: false });
        }
        let is_configured = self.names.iter().any(|name| named == *name || self.is_at_our_port(&named, name));
        is_configured.then_some(Host { name: named, is_configured })
    }

    /// Whether `named` is `name` at our port; a name that has a port already is only itself.
    fn is_at_our_port(&self, named: &str, name: &str) -> bool {
        match named.strip_prefix(name) {
            Some("") => self.port == PLAIN_PORT,
            Some(rest) => rest.strip_prefix(':') == Some(self.port.to_string().as_str()),
            None => false,
        }
    }
}

impl Host {
    /// Whether `origin`, as a browser wrote it, is this very host.
    pub(crate) fn is_origin(&self, origin: &str) -> bool {
        let scheme = |scheme: &str| origin.strip_prefix(scheme) == Some(self.name.as_str());
        scheme("http://") || (self.is_configured && scheme("https://"))
    }
}
