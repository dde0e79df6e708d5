//! Nobody comes in unknown, from elsewhere or by another name: walked over every route there is.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use expect_test::expect_file;

use super::stage::{HOST, ORIGIN, Seen, Stage, request};
use crate::door::{open_routes, protected_routes};
use crate::error::is_api;
use crate::headers::HEADERS;

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
/// Paths that no route has.
const UNKNOWN: [&str; 8] =
    ["/nowhere", "/api", "/api/v1", "/api/v1/nowhere", "/api/v2/chats", "/assets/app.js", "/chats/", "/apiary"];

/// Every path of the tables with its parameters filled in, and some that are in none.
fn every_path() -> Vec<String> {
    let table = protected_routes().into_iter().map(|(path, _)| path);
    table.chain(UNKNOWN).map(|path| path.split('/').map(fill).collect::<Vec<_>>().join("/")).collect()
}

fn fill(segment: &str) -> &str {
    if segment.starts_with('{') { "x" } else { segment }
}

fn assert_secure(seen: &Seen, what: &str) {
    for (name, value) in HEADERS {
        assert_eq!(seen.headers.get(&name).unwrap(), value, "{name} of {what}");
        assert_eq!(seen.headers.get_all(&name).iter().count(), 1, "{name} of {what}");
    }
    let foreign = seen.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
    assert_eq!(foreign, None, "{what}");
    if !what.contains("/assets/") {
        assert_eq!(seen.header("cache-control"), "no-store", "{what}");
    }
}

#[tokio::test]
async fn a_stranger_gets_the_same_answer_everywhere() {
    let stage = Stage::new(None).await;
    for path in every_path() {
        for method in METHODS {
            let what = format!("{method} {path}");
            let seen = stage.send(request(method.clone(), &path).body(Body::empty()).unwrap()).await;
            assert_secure(&seen, &what);
            if is_api(&path) {
                assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{what}");
                assert_eq!(seen.header("www-authenticate"), "Bearer", "{what}");
                assert_eq!(seen.header("content-type"), "application/json", "{what}");
            } else {
                assert_eq!((seen.status, seen.header("location")), (StatusCode::SEE_OTHER, "/sign-in"), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn only_health_signing_in_and_assets_are_open() {
    let stage = Stage::new(None).await;
    for (path, _) in open_routes() {
        let path = path.replace("{secret}", "unknown");
        let seen = stage.send(request(Method::GET, &path).body(Body::empty()).unwrap()).await;
        let expected = if path.contains("unknown") { StatusCode::FORBIDDEN } else { StatusCode::OK };
        assert_eq!(seen.status, expected, "{path}");
        assert_secure(&seen, &path);
        let seen = stage.send(request(Method::POST, &path).body(Body::empty()).unwrap()).await;
        assert_eq!((seen.status, seen.header("location")), (StatusCode::SEE_OTHER, "/sign-in"), "POST {path}");
    }
}

#[tokio::test]
async fn a_foreign_host_reaches_nothing() {
    let stage = Stage::new(None).await;
    let hosts: [&[&str]; 16] = [
        &[],
        &["evil.test"],
        &["evil.test:4774"],
        &["127.0.0.1.evil.test:4774"],
        &["127.0.0.1"],
        &["localhost:1"],
        &["localhost:04774"],
        &["localhost:4774."],
        &["localhost.:4774"],
        &["127.0.0.1:4774", "127.0.0.1:4774"],
        &["127.0.0.1:4774", "evil.test"],
        &["me@127.0.0.1:4774"],
        &["[::1]:4774"],
        &["0.0.0.0:4774"],
        &["2130706433:4774"],
        &["127.0.0.1:4774 "],
    ];
    let open = open_routes().into_iter().map(|(path, _)| path.replace("{secret}", "x"));
    for path in every_path().into_iter().chain(open) {
        for hosts in hosts {
            let mut builder =
                Request::builder().method(Method::GET).uri(&path).header(header::COOKIE, &stage.cookie);
            for host in hosts {
                builder = builder.header(header::HOST, *host);
            }
            let seen = stage.send(builder.body(Body::empty()).unwrap()).await;
            assert_eq!(seen.status, StatusCode::MISDIRECTED_REQUEST, "{path} {hosts:?}");
            assert!(seen.body.contains("allowed_hosts"), "{path} {hosts:?}");
            assert_secure(&seen, &path);
        }
    }
    // An absolute address must name the same host.
    let mixed = Request::builder().uri("http://evil.test/healthz").header(header::HOST, HOST);
    assert_eq!(stage.send(mixed.body(Body::empty()).unwrap()).await.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn our_own_names_are_answered() {
    let stage = Stage::new(None).await;
    for host in ["127.0.0.1:4774", "localhost:4774", "LocalHost:4774", "familiar.localhost:4774"] {
        let request = Request::builder().uri("/healthz").header(header::HOST, host).body(Body::empty()).unwrap();
        assert_eq!(stage.send(request).await.status, StatusCode::OK, "{host}");
    }
}

#[test]
fn configured_names_are_answered_and_no_others() {
    use crate::access::host::Allowed;
    let names = ["box.local".to_owned(), "other.test:8443".to_owned()];
    let allowed = Allowed { port: 4774, names: &names };
    let check = |host: &str| {
        let headers = [(header::HOST, host.parse().unwrap())].into_iter().collect();
        allowed.check(&headers, &"/".parse().unwrap())
    };
    for host in ["box.local", "box.local:4774", "other.test:8443"] {
        let host = check(host).unwrap_or_else(|| panic!("{host}"));
        assert!(!host.is_origin("https://evil.test"));
    }
    for host in ["box.local:1", "other.test", "other.test:4774", "sub.box.local", "box.local.evil.test"] {
        assert_eq!(check(host), None, "{host}");
    }
    assert!(check("box.local").unwrap().is_origin("https://box.local"));
    assert!(!check("localhost:4774").unwrap().is_origin("https://localhost:4774"));
}

/// A changing request of a browser with one thing different.
struct Forged {
    what: &'static str,
    origin: &'static [&'static str],
    site: Option<&'static str>,
    token: Option<&'static str>,
    header: Option<&'static str>,
    content_type: &'static str,
    passes: bool,
}

#[tokio::test]
async fn a_form_needs_every_proof() {
    const FORM: &str = "application/x-www-form-urlencoded";
    let stage = Stage::new(None).await;
    let ours = || Forged {
        what: "ours",
        origin: &[ORIGIN],
        site: Some("same-origin"),
        token: Some("OURS"),
        header: None,
        content_type: FORM,
        passes: true,
    };
    let cases = [
        ours(),
        Forged { what: "an old browser without fetch metadata", site: None, ..ours() },
        Forged { what: "a script with the header", token: None, header: Some("OURS"), ..ours() },
        Forged { what: "no origin", origin: &[], passes: false, ..ours() },
        Forged { what: "neither header", origin: &[], site: None, passes: false, ..ours() },
        Forged { what: "null origin", origin: &["null"], passes: false, ..ours() },
        Forged { what: "another port", origin: &["http://127.0.0.1:8802"], passes: false, ..ours() },
        Forged { what: "another own name", origin: &["http://localhost:4774"], passes: false, ..ours() },
        Forged { what: "another scheme", origin: &["https://127.0.0.1:4774"], passes: false, ..ours() },
        Forged { what: "a longer host", origin: &["http://127.0.0.1:47740"], passes: false, ..ours() },
        Forged { what: "two origins", origin: &[ORIGIN, "http://evil.test"], passes: false, ..ours() },
        Forged { what: "same site", site: Some("same-site"), passes: false, ..ours() },
        Forged { what: "cross site", site: Some("cross-site"), passes: false, ..ours() },
        Forged { what: "typed by hand", site: Some("none"), passes: false, ..ours() },
        Forged { what: "no token", token: None, passes: false, ..ours() },
        Forged { what: "a wrong token", token: Some("guess"), passes: false, ..ours() },
        Forged { what: "an empty token", token: Some(""), passes: false, ..ours() },
        Forged { what: "a wrong header beside a good field", header: Some("guess"), passes: false, ..ours() },
        Forged { what: "plain text", content_type: "text/plain", passes: false, ..ours() },
        Forged { what: "JSON", content_type: "application/json", passes: false, ..ours() },
    ];
    for case in cases {
        let own = stage.session.form_token.as_str();
        let word = |token: &'static str| if token == "OURS" { own.to_owned() } else { token.to_owned() };
        let mut builder =
            stage.as_browser(Method::POST, "/settings/theme").header(header::CONTENT_TYPE, case.content_type);
        for origin in case.origin {
            builder = builder.header(header::ORIGIN, *origin);
        }
        if let Some(site) = case.site {
            builder = builder.header("sec-fetch-site", site);
        }
        if let Some(token) = case.header {
            builder = builder.header("x-form-token", word(token));
        }
        let token = case.token.map(|token| format!("&form_token={}", word(token))).unwrap_or_default();
        let seen = stage.send(builder.body(Body::from(format!("theme=dark{token}"))).unwrap()).await;
        let expected = if case.passes { StatusCode::SEE_OTHER } else { StatusCode::FORBIDDEN };
        assert_eq!(seen.status, expected, "{}", case.what);
        assert_eq!(seen.headers.contains_key(header::SET_COOKIE), case.passes, "{}", case.what);
    }
}

#[tokio::test]
async fn every_changing_route_asks_for_proof() {
    let stage = Stage::new(None).await;
    for path in every_path() {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let what = format!("{method} {path}");
            let seen = stage.send(stage.as_browser(method, &path).body(Body::empty()).unwrap()).await;
            assert_eq!(seen.status, StatusCode::FORBIDDEN, "{what}");
            assert_secure(&seen, &what);
        }
    }
}

#[tokio::test]
async fn a_sign_in_link_works_once_and_gives_a_careful_cookie() {
    let stage = Stage::new(None).await;
    let link = format!("/sign-in/{}", stage.app.mint_sign_in().await.unwrap());
    let ask = |method: Method| request(method, &link).body(Body::empty()).unwrap();
    // Looking ahead, as some programs do with links, must not use it up.
    assert_eq!(stage.send(ask(Method::HEAD)).await.status, StatusCode::OK);
    let seen = stage.send(ask(Method::GET)).await;
    assert_eq!((seen.status, seen.header("location")), (StatusCode::SEE_OTHER, "/"));
    let (pair, attributes) = seen.header("set-cookie").split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Strict; Path=/; Max-Age=2592000");
    let page = request(Method::GET, "/").header(header::COOKIE, pair).body(Body::empty()).unwrap();
    assert_eq!(stage.send(page).await.status, StatusCode::OK);
    let again = stage.send(ask(Method::GET)).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert!(!again.headers.contains_key(header::SET_COOKIE));
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let stage = Stage::new(None).await;
    let seen = stage.post("/sign-out", &[]).await;
    assert_eq!((seen.status, seen.header("location")), (StatusCode::SEE_OTHER, "/sign-in"));
    assert!(seen.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(stage.get("/").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_token_counts_in_its_header_below_the_api_and_nowhere_else() {
    let stage = Stage::new(None).await;
    let token = stage.app.create_token("test").await.unwrap().token;
    let name = stage.cookie.split_once('=').unwrap().0.to_owned();
    let cases = [
        ("/api/v1/chats", "authorization", format!("Bearer {token}"), 200),
        ("/api/v1/chats", "authorization", format!("bearer {token}"), 200),
        ("/api/v1/chats", "authorization", format!("Basic {token}"), 401),
        ("/api/v1/chats", "authorization", token.clone(), 401),
        ("/api/v1/chats", "authorization", "Bearer ".into(), 401),
        ("/api/v1/chats", "authorization", format!("Bearer {token}x"), 401),
        ("/api/v1/chats", "x-api-key", token.clone(), 401),
        ("/api/v1/chats", "cookie", format!("{name}={token}"), 401),
        ("/api/v1/nowhere", "authorization", format!("Bearer {token}"), 404),
        ("/api/v1/tokens", "authorization", format!("Bearer {token}"), 403),
        ("/chats", "authorization", format!("Bearer {token}"), 303),
        ("/settings", "authorization", format!("Bearer {token}"), 303),
    ];
    for (path, header, value, status) in cases {
        let seen =
            stage.send(request(Method::GET, path).header(header, &value).body(Body::empty()).unwrap()).await;
        assert_eq!(seen.status.as_u16(), status, "{path} {header}");
    }
    // A bad token beside a good cookie is a bad token.
    let both = stage.as_browser(Method::GET, "/api/v1/chats").header("authorization", "Bearer wrong");
    assert_eq!(stage.send(both.body(Body::empty()).unwrap()).await.status, StatusCode::UNAUTHORIZED);
    let in_query = request(Method::GET, &format!("/api/v1/chats?token={token}")).body(Body::empty()).unwrap();
    assert_eq!(stage.send(in_query).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_known_caller_learns_what_is_not_there() {
    let stage = Stage::new(None).await;
    for (path, status, kind) in [
        ("/nowhere", 404, "text/html; charset=utf-8"),
        ("/api/v1/nowhere", 404, "application/json"),
        ("/api/v1/stop", 404, "application/json"),
        ("/api/v1/sign-in-links", 404, "application/json"),
        ("/api/v1/lsp", 404, "application/json"),
        ("/api/v1/ask", 405, "application/json"),
        ("/sign-out", 405, "text/html; charset=utf-8"),
    ] {
        let seen = stage.get(path).await;
        assert_eq!((seen.status.as_u16(), seen.header("content-type")), (status, kind), "{path}");
    }
}

#[tokio::test]
async fn the_headers_are_these() {
    let stage = Stage::new(None).await;
    let seen = stage.get("/").await;
    let mut lines: Vec<String> =
        seen.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect();
    lines.retain(|line| !line.starts_with("content-length"));
    lines.sort();
    expect_file!["snapshots/headers.txt"].assert_eq(&lines.concat());
}
