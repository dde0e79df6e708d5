//! The API: questions, chats, runs with replay, search, tokens, and errors in one form.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use model::scripted::Reply;
use serde_json::{Value, json};

use super::stage::{Events, Seen, Stage, request, scripted};

/// A program with a token.
pub(super) struct Program {
    pub(super) stage: Stage,
    pub(super) token: String,
}

impl Program {
    pub(super) async fn new(stage: Stage) -> Self {
        let token = stage.app.create_token("test").await.unwrap().token;
        Self { stage, token }
    }

    pub(super) fn request(&self, method: Method, path: &str, body: Option<Value>) -> axum::http::Request<Body> {
        let builder = request(method, path).header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        match body {
            Some(body) => {
                builder.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string()))
            }
            None => builder.body(Body::empty()),
        }
        .unwrap()
    }

    pub(super) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Seen {
        self.stage.send(self.request(method, path, body)).await
    }

    pub(super) async fn json(&self, method: Method, path: &str, body: Option<Value>, status: u16) -> Value {
        let seen = self.send(method, path, body).await;
        assert_eq!(seen.status.as_u16(), status, "{path}: {}", seen.body);
        if seen.body.is_empty() { Value::Null } else { serde_json::from_str(&seen.body).unwrap() }
    }
}

/// The data of every event of a stream.
pub(super) fn data(events: &str) -> Vec<Value> {
    events
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn a_question_streams_or_comes_whole() {
    let program = Program::new(Stage::new(scripted([Reply::text("It pushes [1].")])).await).await;
    let body = json!({"workspace": program.stage.workspace, "question": "How does push_back work?"});
    let asked = program.request(Method::POST, "/api/v1/ask", Some(body.clone()));
    let events = Events::of(program.stage.respond(asked).await).rest().await;
    let seen = data(&events);
    let kinds: Vec<&str> = seen.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds.last(), Some(&"finished"), "{events}");
    assert!(kinds.contains(&"sources") && kinds.contains(&"text"), "{events}");
    let mut asked = program.request(Method::POST, "/api/v1/ask", Some(body));
    asked.headers_mut().insert(header::ACCEPT, "application/json".parse().unwrap());
    let seen = program.stage.send(asked).await;
    let answer: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(answer["text"], "It pushes [1].");
    assert_eq!(answer["citations"][0]["path"], "queue.rs");
    assert_eq!(answer["citations"][0]["used"], true);
}

#[tokio::test]
async fn a_question_that_fails_has_a_status_and_one_that_breaks_has_an_event() {
    let broken = Reply {
        text: vec!["half".into()],
        error: Some(model::ModelError::Crashed("signal 6".into())),
        ..Reply::default()
    };
    let program = Program::new(Stage::new(scripted([broken])).await).await;
    let empty = program.json(Method::POST, "/api/v1/ask", Some(json!({"question": " "})), 400).await;
    assert_eq!(empty["error"]["kind"], "user");
    let body = json!({"workspace": program.stage.workspace, "question": "How does push_back work?"});
    let asked = program.request(Method::POST, "/api/v1/ask", Some(body));
    let events = Events::of(program.stage.respond(asked).await).rest().await;
    assert!(events.contains("event: error"), "{events}");
    assert_eq!(data(&events).last().unwrap()["error"]["kind"], "unavailable");
}

#[tokio::test]
async fn a_run_is_replayed_from_the_last_event_seen() {
    let text = ["One ", "two ", "three."].map(String::from).to_vec();
    let program = Program::new(Stage::new(scripted([Reply { text, ..Reply::default() }])).await).await;
    let chat = program
        .json(Method::POST, "/api/v1/chats", Some(json!({"workspace": program.stage.workspace})), 201)
        .await;
    let chat = chat["id"].as_str().unwrap();
    let path = format!("/api/v1/chats/{chat}/messages");
    let sent = program.json(Method::POST, &path, Some(json!({"text": "How does push_back work?"})), 202).await;
    let path = format!("/api/v1/runs/{}/events", sent["run_id"].as_str().unwrap());
    let whole = Events::of(program.stage.respond(program.request(Method::GET, &path, None)).await).rest().await;
    let ids: Vec<u64> = whole.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>(), "{whole}");
    assert_eq!(data(&whole).last().unwrap(), &json!({"type": "ended", "state": "complete", "error": null}));
    for seen in 0..ids.len() {
        let mut asked = program.request(Method::GET, &path, None);
        asked.headers_mut().insert("last-event-id", seen.to_string().parse().unwrap());
        let rest = Events::of(program.stage.respond(asked).await).rest().await;
        assert_eq!(data(&rest), data(&whole)[seen..], "after {seen}");
    }
    let view = program.json(Method::GET, &format!("/api/v1/chats/{chat}"), None, 200).await;
    assert_eq!(view["messages"][1]["text"], "One two three.");
}

#[tokio::test]
async fn chats_are_kept_by_programs_as_by_people() {
    let program = Program::new(Stage::new(None).await).await;
    let chat = program.json(Method::POST, "/api/v1/chats", Some(json!({})), 201).await;
    let path = format!("/api/v1/chats/{}", chat["id"].as_str().unwrap());
    program.json(Method::PATCH, &path, Some(json!({"title": "Named"})), 204).await;
    assert_eq!(program.json(Method::GET, "/api/v1/chats", None, 200).await["chats"][0]["title"], "Named");
    program.json(Method::DELETE, &path, None, 204).await;
    assert_eq!(program.json(Method::GET, "/api/v1/chats", None, 200).await["chats"], json!([]));
    program.json(Method::POST, &format!("{path}/restore"), None, 204).await;
    assert_eq!(program.json(Method::GET, &path, None, 200).await["chat"]["title"], "Named");
}

#[tokio::test]
async fn a_folder_is_indexed_searched_and_read() {
    let program = Program::new(Stage::new(None).await).await;
    let folder = program.stage.workspace.to_str().unwrap().to_owned();
    let asked = program.request(Method::POST, "/api/v1/index", Some(json!({"workspace": folder})));
    let events = Events::of(program.stage.respond(asked).await).rest().await;
    let last = data(&events).pop().unwrap();
    assert_eq!((&last["type"], &last["files"]), (&json!("finished"), &json!(1)), "{events}");
    let query = |path: &str, more: &[(&str, &str)]| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("workspace", &folder).extend_pairs(more);
        format!("{path}?{}", query.finish())
    };
    let found = program.json(Method::GET, &query("/api/v1/search", &[("q", "push_back")]), None, 200).await;
    assert_eq!(found["hits"][0]["path"], "queue.rs");
    assert_eq!(found["related"], Value::Null);
    let asked = query("/api/v1/search", &[("q", "push_back"), ("related", "true")]);
    let related = program.json(Method::GET, &asked, None, 200).await["related"].take();
    assert_eq!((&related["path"], &related["symbol"]), (&json!("queue.rs"), &json!("push_back")));
    assert_eq!(related["outline"][0]["name"], "push_back");
    let lines = [("path", "queue.rs"), ("start", "2"), ("end", "2")];
    let alone = program.json(Method::GET, &query("/api/v1/related", &lines), None, 200).await;
    assert_eq!(alone["symbol"], "push_back");
    let unknown = query("/api/v1/search", &[("q", "x"), ("language", "klingon")]);
    let error = program.json(Method::GET, &unknown, None, 400).await;
    assert!(error["error"]["message"].as_str().unwrap().contains("no language is called `klingon`"), "{error}");
    let passage = program.json(Method::GET, &query("/api/v1/passage", &lines), None, 200).await;
    assert_eq!(passage["text"].as_str().unwrap().trim_end(), "pub fn push_back(item: u32) -> bool {");
}

#[tokio::test]
async fn folders_that_are_no_projects_are_closed_to_programs() {
    let program = Program::new(Stage::new(scripted([Reply::text("It pushes.")])).await).await;
    let folder = program.stage.workspace.to_str().unwrap().to_owned();
    let passage = |workspace: &str, path: &str| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("workspace", workspace).append_pair("path", path);
        format!("passage?{}&start=1&end=1", query.finish())
    };
    let (read, beside) = (passage(&folder, "queue.rs"), program.stage.folder().to_str().unwrap().to_owned());
    let ask = |workspace: Option<&str>, file: &str| json!({"question": "How does push_back work?", "workspace": workspace, "file": file, "lines": [1, 1]});
    let hosts = "/etc/hosts";
    for (method, path, body) in [
        (Method::GET, passage("/", "etc/hosts"), None),
        (Method::GET, passage("/etc", "hosts"), None),
        (Method::GET, read.clone(), None),
        (Method::GET, "search?workspace=/etc&q=localhost".into(), None),
        (Method::GET, "search?workspace=/&q=localhost".into(), None),
        (Method::POST, "index".into(), Some(json!({"workspace": "/etc"}))),
        (Method::POST, "index".into(), Some(json!({"workspace": "/usr/../etc"}))),
        (Method::POST, "chats".into(), Some(json!({"workspace": "/etc"}))),
        (Method::POST, "ask".into(), Some(ask(Some("/etc"), "hosts"))),
        (Method::POST, "ask".into(), Some(ask(Some(&folder), hosts))),
        (Method::POST, "ask".into(), Some(ask(None, hosts))),
    ] {
        let refused = program.json(method, &format!("/api/v1/{path}"), body, 400).await;
        assert_eq!(refused["error"]["kind"], "user", "{path}");
    }
    assert_eq!(program.stage.app.workspaces(), [], "nothing was opened");
    // Neither the page nor the API of a signed-in browser reads where nobody works.
    for path in [passage("/etc", "hosts"), read.clone()] {
        assert_eq!(program.stage.get(&format!("/api/v1/{path}")).await.status, StatusCode::BAD_REQUEST, "{path}");
        let page = format!("/{}", path.replacen("passage?", "passages?", 1));
        assert_eq!(program.stage.get(&page).await.status, StatusCode::BAD_REQUEST, "{page}");
    }
    // A question about a project opens it, and what is cited can be read.
    let file = format!("{folder}/queue.rs");
    let asked = program.request(Method::POST, "/api/v1/ask", Some(ask(Some(&folder), &file)));
    let events = Events::of(program.stage.respond(asked).await).rest().await;
    assert_eq!(data(&events).last().unwrap()["type"], "finished", "{events}");
    program.json(Method::GET, &format!("/api/v1/{read}"), None, 200).await;
    program.json(Method::GET, &format!("/api/v1/{}", passage(&beside, "project/queue.rs")), None, 400).await;
}

#[tokio::test]
async fn an_answer_that_is_cut_off_says_so() {
    let program = Program::new(Stage::new(scripted([Reply { hang: true, ..Reply::text("so far") }])).await).await;
    let asked = || program.request(Method::POST, "/api/v1/ask", Some(json!({"question": "Why?"})));
    let mut events = Events::of(program.stage.respond(asked()).await);
    events.until("so far").await;
    program.stage.app.drain();
    let refused = program.stage.send(asked()).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.body);
    program.stage.app.shutdown_token().cancel();
    let rest = events.rest().await;
    assert_eq!(data(&rest).last().unwrap()["error"]["kind"], "unavailable", "{rest}");
}

#[tokio::test]
async fn wrong_requests_get_one_kind_of_answer() {
    let program = Program::new(Stage::new(None).await).await;
    let post = Method::POST;
    for (method, path, body, status) in [
        (post.clone(), "/api/v1/ask", None, 415),
        (post.clone(), "/api/v1/ask", Some(json!([])), 422),
        (post.clone(), "/api/v1/ask", Some(json!({"question": "x", "unknown": 1})), 422),
        (post.clone(), "/api/v1/ask", Some(json!({"question": "x", "workspace": "relative"})), 400),
        (post.clone(), "/api/v1/ask", Some(json!({"question": "x", "workspace": "/no/such/folder"})), 400),
        (post.clone(), "/api/v1/index", Some(json!({"workspace": "/no/such/folder"})), 400),
        (post.clone(), "/api/v1/chats", Some(json!({"workspace": "x".repeat(20_000)})), 413),
        (Method::GET, "/api/v1/search", None, 400),
        (Method::GET, "/api/v1/search?workspace=/no/such/folder&q=x", None, 400),
        (Method::GET, "/api/v1/search?workspace=/tmp&q=x&limits=3", None, 400),
        (Method::GET, "/api/v1/search?workspace=/tmp&q=x&limit=0", None, 400),
        (Method::GET, "/api/v1/search?workspace=/tmp&q=x&limit=1000", None, 400),
        (Method::GET, "/api/v1/related?workspace=/tmp&path=x&start=3&end=2", None, 400),
        (Method::GET, "/api/v1/related?workspace=/tmp&path=x&start=0&end=2", None, 400),
        (Method::GET, "/api/v1/passage?workspace=/tmp&path=x&start=0&end=2", None, 400),
        (Method::GET, "/api/v1/index?workspace=/tmp&limits=3", None, 400),
        (Method::GET, "/api/v1/related?workspace=/tmp&path=x&start=1&end=1&limits=3", None, 400),
        (Method::GET, "/api/v1/chats/none", None, 404),
        (Method::GET, "/api/v1/chats/%ff", None, 400),
        (Method::GET, "/api/v1/chats?cursor=wrong", None, 400),
        (Method::GET, "/api/v1/runs/none/events", None, 404),
        (post.clone(), "/api/v1/runs/none/stop", None, 404),
        (post, "/api/v1/tokens", Some(json!({"name": "x"})), 403),
        (Method::DELETE, "/api/v1/status", None, 405),
    ] {
        let seen = program.send(method.clone(), path, body).await;
        assert_eq!(seen.status.as_u16(), status, "{method} {path}: {}", seen.body);
        let error: Value = serde_json::from_str(&seen.body).unwrap();
        assert!(error["error"]["message"].is_string() && error["error"]["kind"].is_string(), "{path}: {error}");
        assert!(!path.contains("limits") || seen.body.contains("`limits`"), "{path}: {error}");
        assert!(!seen.body.contains("deserialize") && !seen.body.contains("Expected request"), "{path}: {error}");
    }
}

#[tokio::test]
async fn the_state_is_told_without_a_model() {
    let program = Program::new(Stage::new(None).await).await;
    let status = program.json(Method::GET, "/api/v1/status", None, 200).await;
    assert_eq!(status["model"]["state"], "none");
    assert_eq!(program.json(Method::GET, "/api/v1/models", None, 200).await, json!({"models": []}));
    let health = program.stage.send(request(Method::GET, "/healthz").body(Body::empty()).unwrap()).await;
    assert_eq!(health.status, StatusCode::OK);
    assert_eq!(serde_json::from_str::<Value>(&health.body).unwrap()["status"], "ok");
}
