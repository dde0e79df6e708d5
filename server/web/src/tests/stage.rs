//! A signed-in browser in front of the TCP door, without a network.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use app::{App, Session, TestModels};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use model::ChatModel;
use model::scripted::{Reply, ScriptedModel};
use tempfile::TempDir;
use tower::ServiceExt;

use super::painter::{Painter, Turn};
use crate::door::{WebOptions, router};

pub(super) const PORT: u16 = 4774;
pub(super) const HOST: &str = "127.0.0.1:4774";
pub(super) const ORIGIN: &str = "http://127.0.0.1:4774";
/// What the one file of the test workspace says.
pub(super) const QUEUE_RS: &str =
    "/// A queue with one writer.\npub fn push_back(item: u32) -> bool {\n    item > 0\n}\n";

pub(super) struct Stage {
    pub(super) app: App,
    pub(super) workspace: PathBuf,
    pub(super) session: Session,
    /// The cookie pair a browser sends.
    pub(super) cookie: String,
    router: Router,
    _folder: TempDir,
}

/// What came back, whole.
pub(super) struct Seen {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// A model that says these things.
pub(super) fn scripted(replies: impl IntoIterator<Item = Reply>) -> Option<Arc<dyn ChatModel>> {
    Some(Arc::new(ScriptedModel::with_replies(replies)))
}

impl Stage {
    pub(super) async fn new(model: Option<Arc<dyn ChatModel>>) -> Self {
        Self::with(TestModels { chat: model, ..TestModels::default() }).await
    }

    /// The same with a model that makes images.
    pub(super) async fn with_painter(turns: impl IntoIterator<Item = Turn>) -> Self {
        Self::with(TestModels { images: Some(Painter::taking(turns)), ..TestModels::default() }).await
    }

    async fn with(models: TestModels) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workspace = folder.path().join("project");
        std::fs::create_dir(&workspace).unwrap();
        let workspace = workspace.canonicalize().unwrap();
        std::fs::write(workspace.join("queue.rs"), QUEUE_RS).unwrap();
        let app = App::for_tests_with(&folder.path().join("home"), models);
        let router = router(app.clone(), WebOptions { port: PORT, lsp_upgrade: None });
        let secret = app.mint_sign_in().await.unwrap();
        let signed_in = app.redeem_sign_in(&secret).await.unwrap().unwrap();
        let name = crate::state::Web::new(app.clone(), WebOptions::default()).cookie.clone();
        let cookie = format!("{name}={}", signed_in.cookie);
        Self { app, workspace, session: signed_in.session, cookie, router, _folder: folder }
    }

    pub(super) fn folder(&self) -> &Path {
        self._folder.path()
    }

    /// A request of a browser that is signed in.
    pub(super) fn as_browser(&self, method: Method, path: &str) -> Builder {
        request(method, path).header(header::COOKIE, &self.cookie)
    }

    pub(super) async fn get(&self, path: &str) -> Seen {
        self.send(self.as_browser(Method::GET, path).body(Body::empty()).unwrap()).await
    }

    /// Posts a form the way a browser does, with the token of the session.
    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Seen {
        self.send(self.form(path, fields).body(self.encoded(fields)).unwrap()).await
    }

    /// Posts a form the way our script does.
    pub(super) async fn post_by_script(&self, path: &str, fields: &[(&str, &str)]) -> Seen {
        self.send(self.form(path, fields).header("hx-request", "true").body(self.encoded(fields)).unwrap()).await
    }

    fn form(&self, path: &str, _: &[(&str, &str)]) -> Builder {
        self.as_browser(Method::POST, path)
            .header(header::ORIGIN, ORIGIN)
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
    }

    fn encoded(&self, fields: &[(&str, &str)]) -> Body {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("form_token", &self.session.form_token).extend_pairs(fields);
        Body::from(form.finish())
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Seen {
        let response = self.respond(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Seen { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// The answer as bytes, for what is no text.
    pub(super) async fn bytes(&self, path: &str) -> (StatusCode, HeaderMap, Bytes) {
        let response = self.respond(self.as_browser(Method::GET, path).body(Body::empty()).unwrap()).await;
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
    }

    /// Makes images the way a browser without scripts does, and waits until they are there.
    pub(super) async fn make(&self, fields: &[(&str, &str)]) {
        use futures::StreamExt;
        let seen = self.post("/images", fields).await;
        assert_eq!(
            (seen.status, seen.header("location")),
            (StatusCode::SEE_OTHER, "/images/queue"),
            "{}",
            seen.body
        );
        let newest = self.app.image_jobs(None, 1).await.unwrap();
        let job = newest.open.last().or(newest.ended.first()).unwrap().id.clone();
        let events: Vec<_> = self.app.image_events(Some(&job)).collect().await;
        assert!(events.last().unwrap().is_ok());
    }

    /// The answer with its body still to come.
    pub(super) async fn respond(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Begins a chat about the workspace and returns its id.
    pub(super) async fn begin(&self, question: &str) -> String {
        let folder = self.workspace.to_str().unwrap();
        let seen = self.post("/chats", &[("folder", folder), ("question", question)]).await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.body);
        let location = seen.header("location");
        location.strip_prefix("/chats/").unwrap().strip_suffix("#latest").unwrap().to_owned()
    }

    /// The run that writes the last answer of a chat.
    pub(super) async fn run_of(&self, chat: &str) -> String {
        let view = self.app.chat(chat, None, 10).await.unwrap();
        view.messages.last().unwrap().run_id.clone().unwrap()
    }

    /// Waits until the last answer of a chat is over.
    pub(super) async fn finished(&self, chat: &str) {
        use futures::StreamExt;
        let run = self.run_of(chat).await;
        let last = self.app.run_events(&run, 0).collect::<Vec<_>>().await;
        assert!(last.last().unwrap().is_ok());
        // The end is told a moment before the run is forgotten.
        while self.app.chat(chat, None, 1).await.unwrap().chat.running {
            tokio::task::yield_now().await;
        }
    }

    /// `text` without what differs between two runs of a test.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut out = text.replace(self.workspace.to_str().unwrap(), "WORKSPACE");
        let encoded: String =
            url::form_urlencoded::byte_serialize(self.workspace.to_str().unwrap().as_bytes()).collect();
        out = out.replace(&encoded, "WORKSPACE").replace(self.folder().to_str().unwrap(), "FOLDER");
        out = out.replace(&self.session.form_token, "FORM_TOKEN");
        redact_words(&out)
    }
}

/// The open body of a stream, read event by event.
pub(super) struct Events {
    body: Body,
    read: String,
}

impl Events {
    pub(super) fn of(response: Response<Body>) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self { body: response.into_body(), read: String::new() }
    }

    /// Everything read so far, once it contains `text`.
    pub(super) async fn until(&mut self, text: &str) -> &str {
        while !self.read.contains(text) {
            let frame =
                self.body.frame().await.unwrap_or_else(|| panic!("no {text:?} in:\n{}", self.read)).unwrap();
            self.read.push_str(std::str::from_utf8(&frame.into_data().unwrap_or(Bytes::new())).unwrap());
        }
        &self.read
    }

    /// Everything, once the stream has ended.
    pub(super) async fn rest(mut self) -> String {
        while let Some(frame) = self.body.frame().await {
            self.read.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap_or(Bytes::new())).unwrap());
        }
        self.read
    }
}

/// A request of somebody unknown.
pub(super) fn request(method: Method, path: &str) -> Builder {
    Request::builder().method(method).uri(path).header(header::HOST, HOST)
}

/// What stands between these differs between runs, or belongs to search and prompts, which have snapshots of their own.
const VARYING: [(&str, &str); 14] = [
    ("stream?after=", "\""),
    ("<dt>File</dt><dd>", "</dd>"),
    ("<dt>Made with</dt><dd>", "</dd>"),
    ("id=\"totals\">1 image, ", "</span>"),
    ("datetime=\"", "\""),
    ("cited=", "#"),
    ("first token after ", " s"),
    ("scripted · ", " tokens read"),
    ("passages of ", " tokens"),
    ("room for ", "."),
    ("<td>queue.rs:1-4</td><td>", "</td>"),
    ("</td><td>defines", "</td>"),
    ("title=\"defines", "\""),
    ("queue.rs:1-4: defines", "</p>"),
];

/// Replaces ids, hashes, times and sizes that are never the same twice.
fn redact_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().chain(std::iter::once('\0')) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        out.push_str(if is_id(&word) { "ID" } else { &word });
        word.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    let mut lines: Vec<String> = Vec::new();
    for line in out.lines() {
        let mut line = line.to_owned();
        for (before, after) in VARYING {
            line = blank(&line, before, after);
        }
        lines.push(line);
    }
    lines.join("\n") + "\n"
}

/// Long words with digits and letters are ids and hashes.
fn is_id(word: &str) -> bool {
    word.len() >= 16
        && word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Puts `~` for what stands between `before` and `after`.
fn blank(line: &str, before: &str, after: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(before) {
        let (head, tail) = rest.split_at(at + before.len());
        let Some(end) = tail.find(after) else { break };
        out.push_str(head);
        out.push('~');
        rest = &tail[end..];
    }
    out + rest
}
