//! Every page as it is sent, in each of its states.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Method;
use expect_test::{ExpectFile, expect_file};
use model::ModelError;
use model::scripted::{Reply, ScriptedModel};

use super::stage::{Stage, request, scripted};

async fn check(stage: &Stage, path: &str, expected: ExpectFile) {
    let seen = stage.get(path).await;
    expected.assert_eq(&stage.redact(&seen.body));
}

#[tokio::test]
async fn signing_in() {
    let stage = Stage::new(None).await;
    let ask = |path: &str| request(Method::GET, path).body(Body::empty()).unwrap();
    expect_file!["snapshots/sign_in.html"].assert_eq(&stage.redact(&stage.send(ask("/sign-in")).await.body));
    let stale = stage.send(ask("/sign-in/used")).await;
    expect_file!["snapshots/sign_in_stale.html"].assert_eq(&stage.redact(&stale.body));
}

#[tokio::test]
async fn the_list_before_anything_was_asked() {
    let stage = Stage::new(None).await;
    check(&stage, "/", expect_file!["snapshots/home_empty.html"]).await;
}

#[tokio::test]
async fn the_list_of_chats() {
    let stage = Stage::new(scripted([Reply::text("yes")])).await;
    let chat = stage.begin("How does push_back work?").await;
    stage.finished(&chat).await;
    check(&stage, "/chats", expect_file!["snapshots/home.html"]).await;
}

#[tokio::test]
async fn a_chat_with_its_answer() {
    let stage = Stage::new(scripted([Reply::text("It pushes **one** item [1].")])).await;
    let chat = stage.begin("How does push_back work?").await;
    stage.finished(&chat).await;
    check(&stage, &format!("/chats/{chat}"), expect_file!["snapshots/chat.html"]).await;
}

#[tokio::test]
async fn a_chat_without_a_model() {
    let stage = Stage::new(None).await;
    let chat = stage.begin("How does push_back work?").await;
    stage.finished(&chat).await;
    check(&stage, &format!("/chats/{chat}"), expect_file!["snapshots/chat_no_model.html"]).await;
}

#[tokio::test]
async fn a_chat_that_failed() {
    let error = Some(ModelError::Crashed("signal 6".into()));
    let stage = Stage::new(scripted([Reply { text: vec!["half".into()], error, ..Reply::default() }])).await;
    let chat = stage.begin("How does push_back work?").await;
    stage.finished(&chat).await;
    check(&stage, &format!("/chats/{chat}"), expect_file!["snapshots/chat_failed.html"]).await;
}

#[tokio::test]
async fn a_chat_whose_model_cannot_be_loaded() {
    let broken = ModelError::BadFile("it is incomplete".into());
    let model = ScriptedModel::with_replies([]).failing_to_load(broken);
    let stage = Stage::new(Some(Arc::new(model))).await;
    let chat = stage.begin("How does push_back work?").await;
    stage.finished(&chat).await;
    check(&stage, &format!("/chats/{chat}"), expect_file!["snapshots/chat_unusable.html"]).await;
}

#[tokio::test]
async fn settings_and_a_new_token() {
    let stage = Stage::new(None).await;
    let seen = stage.post("/settings/theme", &[("theme", "dark")]).await;
    assert_eq!(seen.header("set-cookie"), "theme=dark; SameSite=Strict; Path=/; Max-Age=31536000");
    let cookie = format!("{}; theme=dark", stage.cookie);
    let dark = request(Method::GET, "/settings").header("cookie", cookie).body(Body::empty()).unwrap();
    let dark = stage.send(dark).await.body;
    assert!(dark.contains("<html lang=\"en\" data-theme=\"dark\">"), "{dark}");
    let created = stage.post("/settings/tokens", &[("name", "editor <x>")]).await.body;
    let secret = created.split("<code id=\"new-token\">").nth(1).unwrap().split('<').next().unwrap();
    assert!(stage.app.check_token(secret).await.unwrap().is_some());
    let after = stage.get("/settings").await.body;
    assert!(!after.contains(secret) && after.contains("editor &#60;x&#62;"), "{after}");
    let revoke =
        after.split("action=\"").find(|part| part.contains("/revoke\"")).unwrap().split('"').next().unwrap();
    assert_eq!(stage.post(revoke, &[]).await.header("location"), "/settings");
    assert!(stage.app.check_token(secret).await.unwrap().is_none());
    let refused = stage.post("/settings/tokens", &[("name", " ")]).await;
    assert_eq!(refused.status.as_u16(), 400);
    assert!(refused.body.contains("A token&#39;s name has 1 to 100 characters"), "{}", refused.body);
}

#[tokio::test]
async fn a_passage_and_a_problem() {
    let stage = Stage::new(None).await;
    let folder: String =
        url::form_urlencoded::byte_serialize(stage.workspace.to_str().unwrap().as_bytes()).collect();
    let _open = stage.app.open_workspace(&stage.workspace).unwrap();
    let path = format!("/passages?workspace={folder}&path=queue.rs&start=2&end=3");
    check(&stage, &path, expect_file!["snapshots/passage.html"]).await;
    check(&stage, "/nowhere", expect_file!["snapshots/problem.html"]).await;
}

#[tokio::test]
async fn a_problem_is_told_in_the_theme_and_leads_back_to_where_it_happened() {
    let stage = Stage::new(None).await;
    for (path, back) in [
        ("/images/none", "<a href=\"/images\">Back to the images</a>"),
        ("/images/none/file", "<a href=\"/images\">Back to the images</a>"),
        ("/images/none/nothing/at/all", "<a href=\"/images\">Back to the images</a>"),
        ("/imagesque", "<a href=\"/chats\">Back to the chats</a>"),
        ("/chats/none", "<a href=\"/chats\">Back to the chats</a>"),
    ] {
        for (theme, attribute) in [("dark", " data-theme=\"dark\""), ("light", " data-theme=\"light\""), ("x", "")]
        {
            let cookie = format!("{}; theme={theme}", stage.cookie);
            let asked = request(Method::GET, path).header("cookie", cookie).body(Body::empty()).unwrap();
            let seen = stage.send(asked).await;
            assert_eq!(seen.status.as_u16(), 404, "{path}: {}", seen.body);
            assert!(seen.body.contains(back), "{path}: {}", seen.body);
            assert!(seen.body.contains(&format!("<html lang=\"en\"{attribute}>")), "{path}: {}", seen.body);
        }
    }
    // Also what is refused before anybody is asked who they are is a page.
    let mut asked = request(Method::GET, "/images").body(Body::empty()).unwrap();
    asked.headers_mut().insert("host", "evil.test".parse().unwrap());
    let seen = stage.send(asked).await;
    assert!(seen.status.as_u16() == 421 && seen.body.contains("allowed_hosts"), "{}", seen.body);
}
