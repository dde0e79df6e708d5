//! The two doors as routers: what is open, what is protected, and in which order the layers stand. Refuses: routes
//! outside the tables; tests walk the same tables.

use std::pin::Pin;
use std::sync::Arc;

use app::App;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::MethodRouter;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::assets::ASSETS;
use crate::state::{Shared, Web};
use crate::{access, api, headers, pages, panics};

/// The longest body of a route that names no limit of its own.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// Paths with their handlers.
pub(crate) type Table = Vec<(&'static str, MethodRouter<Shared>)>;

/// Bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

/// A connection after its upgrade: raw bytes in both directions.
pub type UpgradedIo = Pin<Box<dyn Duplex>>;

/// Runs one language session: the client's hello and the connection. The session is over when the future ends.
pub type LspUpgrade = Arc<dyn Fn(Value, UpgradedIo) -> BoxFuture<'static, ()> + Send + Sync>;

/// How a door is opened.
#[derive(Clone, Default)]
pub struct WebOptions {
    /// The port that names in `Host` and `Origin` must carry; 0 on the socket, where names do not count.
    pub port: u16,
    /// What runs a language session; without it the upgrade is refused.
    pub lsp_upgrade: Option<LspUpgrade>,
}

/// The door for browsers and programs: pages and API, everyone asked who they are.
pub fn router(app: App, options: WebOptions) -> Router {
    let web = Web::new(app, options);
    let protected = limited(protected_routes())
        .fallback(pages::not_found)
        .method_not_allowed_fallback(pages::wrong_method)
        .layer(from_fn(panics::caught))
        .layer(from_fn_with_state(Arc::clone(&web), access::known_caller));
    let open = limited(open_routes()).method_not_allowed_fallback(pages::stranger).layer(from_fn(panics::caught));
    protected
        .merge(open)
        .layer(from_fn_with_state(Arc::clone(&web), access::known_host))
        .layer(from_fn(pages::problems))
        .layer(from_fn(headers::secure))
        .with_state(web)
}

/// The door for the user's own processes: the API, and what only they may do. Whoever serves it checks the peer.
pub fn socket_router(app: App, options: WebOptions) -> Router {
    let web = Web::new(app, options);
    let mut table = api::routes();
    table.extend(api::socket_routes());
    table.extend(health_routes());
    limited(table)
        .fallback(pages::not_found)
        .method_not_allowed_fallback(pages::wrong_method)
        .layer(from_fn(panics::caught))
        .layer(from_fn(access::trusted_peer))
        .layer(from_fn(pages::problems))
        .layer(from_fn(headers::secure))
        .with_state(web)
}

/// What answers only to known callers.
pub(crate) fn protected_routes() -> Table {
    let mut table = pages::routes();
    table.extend(api::routes());
    table
}

/// What answers to everyone: health, signing in, and the assets the sign-in page needs.
pub(crate) fn open_routes() -> Table {
    let mut table = pages::open_routes();
    table.extend(health_routes());
    table.extend(ASSETS.iter().map(|asset| (asset.path, asset.route())));
    table
}

fn health_routes() -> Table {
    vec![("/healthz", axum::routing::get(api::health))]
}

fn limited(table: Table) -> Router<Shared> {
    let routes = table.into_iter().fold(Router::new(), |router, (path, handlers)| router.route(path, handlers));
    routes.layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}
