//! Images over the API: jobs, the gallery, files, and errors in one form.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use model::ModelError;
use serde_json::{Value, json};

use super::api::{Program, data};
use super::painter::Turn;
use super::stage::{Events, Stage, request};

async fn ask(program: &Program, body: Value) -> String {
    let job = program.json(Method::POST, "/api/v1/images", Some(body), 202).await;
    job["id"].as_str().unwrap().to_owned()
}

async fn events(program: &Program, job: &str) -> String {
    let path = format!("/api/v1/images/jobs/{job}/events");
    Events::of(program.stage.respond(program.request(Method::GET, &path, None)).await).rest().await
}

#[tokio::test]
async fn images_are_asked_for_watched_listed_and_removed() {
    let program = Program::new(Stage::with_painter([]).await).await;
    let body = json!({"prompt": "a fox", "seed": 40, "count": 2, "width_pixels": 128, "height_pixels": 64});
    let job = ask(&program, body).await;
    let told = events(&program, &job).await;
    let last = data(&told).pop().unwrap();
    assert_eq!(
        (&last["job_id"], &last["kind"]["type"], &last["kind"]["state"]),
        (&json!(job), &json!("ended"), &json!("done")),
        "{told}"
    );
    let jobs = program.json(Method::GET, "/api/v1/images/jobs", None, 200).await;
    assert_eq!((&jobs["open"], &jobs["ended"][0]["images_done"]), (&json!([]), &json!(2)));
    let view = program.json(Method::GET, &format!("/api/v1/images/jobs/{job}"), None, 200).await;
    assert_eq!((&view["state"], &view["request"]["prompt"]), (&json!("done"), &json!("a fox")));

    let get = async |path: &str| program.json(Method::GET, path, None, 200).await;
    let page = get("/api/v1/images?size=128x64&limit=1").await;
    let id = page["images"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!((&page["images"][0]["seed"], page["next"].is_string()), (&json!(41), true), "{page}");
    let rest = get(&format!("/api/v1/images?size=128x64&limit=1&cursor={}", page["next"].as_str().unwrap())).await;
    assert_eq!((&rest["images"][0]["seed"], &rest["next"]), (&json!(40), &Value::Null));
    let path = format!("/api/v1/images/{id}");
    assert_eq!(get(&path).await["origin"]["settings"]["steps"], 4);
    program.json(Method::PATCH, &path, Some(json!({"favourite": true})), 204).await;
    assert_eq!(get("/api/v1/images?favourite=true").await["images"].as_array().unwrap().len(), 1);
    assert_eq!(get("/api/v1/images/totals").await["images"], 2);
    assert_eq!(get("/api/v1/images/models").await["models"][0]["name"], "scripted");
    program.json(Method::DELETE, &path, None, 204).await;
    program.json(Method::DELETE, &path, None, 404).await;
    let several = json!({"ids": [rest["images"][0]["id"], "none"]});
    let deleted = program.json(Method::POST, "/api/v1/images/delete", Some(several), 200).await;
    assert_eq!(deleted, json!({"deleted": 1}));
    assert_eq!(get("/api/v1/images").await, json!({"images": [], "next": null}));
}

#[tokio::test]
async fn the_model_that_draws_is_chosen_and_gives_its_memory_back() {
    let program = Program::new(Stage::with_painter([Turn::Hang]).await).await;
    second_model(&program.stage);
    let current = async || {
        let list = program.json(Method::GET, "/api/v1/images/models", None, 200).await;
        let models = list["models"].as_array().unwrap().clone();
        models.into_iter().find(|model| model["current"] == true).unwrap()["name"].clone()
    };
    assert_eq!(current().await, "scripted", "the one that was there first");
    let choose = async |body: Value, status| {
        program.json(Method::POST, "/api/v1/images/models/use", Some(body), status).await
    };
    choose(json!({"name": "another"}), 204).await;
    assert_eq!(current().await, "another");
    choose(json!({"name": "scripted"}), 204).await;
    assert_eq!(current().await, "scripted");
    choose(json!({"name": "../scripted"}), 404).await;
    choose(json!({"model": "another"}), 422).await;
    assert_eq!(current().await, "scripted");

    let unload =
        async |body: Value, status| program.json(Method::POST, "/api/v1/models/unload", Some(body), status).await;
    assert_eq!(unload(json!({}), 200).await, json!({"unloaded": []}), "nothing was drawn yet");
    let job = ask(&program, json!({"prompt": "a fox"})).await;
    let all = program.request(Method::GET, "/api/v1/images/jobs/events", None);
    Events::of(program.stage.respond(all).await).until("\"step\"").await;
    assert_eq!(unload(json!({}), 503).await["error"]["kind"], "busy");
    program.json(Method::POST, &format!("/api/v1/images/jobs/{job}/cancel"), None, 204).await;
    events(&program, &job).await;
    unload(json!({"name": "none"}), 404).await;
}

/// Another folder that is an image model, made later. File systems know times to some milliseconds only.
fn second_model(stage: &Stage) {
    std::thread::sleep(std::time::Duration::from_millis(20));
    let folder = stage.app.home().models.join("another");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("model_index.json"), "{}").unwrap();
}

#[tokio::test]
async fn the_settings_page_chooses_the_model_that_draws() {
    let stage = Stage::with_painter([]).await;
    second_model(&stage);
    let page = stage.get("/settings").await.body;
    assert!(
        page.contains("name=\"name\" value=\"another\">Use") && !page.contains("value=\"scripted\""),
        "{page}"
    );
    let seen = stage.post("/settings/image-model", &[("name", "another")]).await;
    assert_eq!((seen.status, seen.header("location")), (StatusCode::SEE_OTHER, "/settings#image-models"));
    let page = stage.get("/settings").await.body;
    assert!(page.contains("name=\"name\" value=\"scripted\">Use"), "{page}");
    assert_eq!(stage.post("/settings/image-model", &[("name", "none")]).await.status, StatusCode::NOT_FOUND);
    stage.make(&[("prompt", "a fox")]).await;
    assert_eq!(stage.app.image_jobs(None, 1).await.unwrap().ended[0].model, "another");
}

#[tokio::test]
async fn an_image_starts_from_another_one_and_comes_back_as_a_file() {
    let program = Program::new(Stage::with_painter([]).await).await;
    let job = ask(&program, json!({"prompt": "a fox", "seed": 3})).await;
    events(&program, &job).await;
    let page = program.json(Method::GET, "/api/v1/images", None, 200).await;
    let id = page["images"][0]["id"].as_str().unwrap().to_owned();
    let over = ask(&program, json!({"prompt": "a hen", "source": {"image": id, "strength": 0.4}})).await;
    events(&program, &over).await;
    let view = program.json(Method::GET, &format!("/api/v1/images/jobs/{over}"), None, 200).await;
    assert_eq!((&view["state"], &view["strength"]), (&json!("done"), &json!(0.4)), "{view}");
    let response =
        program.stage.respond(program.request(Method::GET, &format!("/api/v1/images/{id}/file"), None)).await;
    let file = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let import = |bytes: axum::body::Bytes| {
        let builder = request(Method::POST, "/api/v1/images/import")
            .header(header::AUTHORIZATION, format!("Bearer {}", program.token))
            .header(header::CONTENT_TYPE, "image/png");
        builder.body(Body::from(bytes)).unwrap()
    };
    let known = program.stage.send(import(file.clone())).await;
    assert_eq!(known.status, StatusCode::OK, "{}", known.body);
    let known: Value = serde_json::from_str(&known.body).unwrap();
    assert_eq!(known["id"], json!(id), "the gallery has it");
    program.json(Method::DELETE, &format!("/api/v1/images/{id}"), None, 204).await;
    let seen = program.stage.send(import(file.clone())).await;
    assert_eq!(seen.status, StatusCode::CREATED, "{}", seen.body);
    let brought: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!((&brought["prompt"], &brought["seed"]), (&json!("a fox"), &json!(3)));
    assert_eq!(brought["origin"]["parameters"]["form"], "familiar");
    let cut = program.stage.send(import(file.slice(..40))).await;
    assert_eq!(cut.status, StatusCode::BAD_REQUEST, "{}", cut.body);
    let large = vec![0; app::IMPORT_BYTES_MAX + 128 * 1024];
    let seen = program.stage.send(import(large.into())).await;
    assert_eq!(seen.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(seen.body.contains("more than 64 MiB"), "{}", seen.body);
}

#[tokio::test]
async fn jobs_are_taken_back_tried_again_and_moved() {
    let crash = Turn::Fail(ModelError::BadFile("it is incomplete".into()));
    let program = Program::new(Stage::with_painter([crash, Turn::Hang]).await).await;
    let failed = ask(&program, json!({"prompt": "fails"})).await;
    let last = data(&events(&program, &failed).await).pop().unwrap();
    assert_eq!(last["kind"]["state"], "failed");
    assert!(!last["kind"]["error"].as_str().unwrap().is_empty());
    // Whoever comes late is told how it ended.
    assert_eq!(data(&events(&program, &failed).await), [last_of(&failed, &last)]);

    let runs = ask(&program, json!({"prompt": "runs"})).await;
    let all = program.request(Method::GET, "/api/v1/images/jobs/events", None);
    let mut told = Events::of(program.stage.respond(all).await);
    let seen = told.until("\"type\":\"step\"").await;
    assert!(seen.contains("id: ") && seen.contains("png_base64"), "{seen}");
    let mut waiting = Vec::new();
    for prompt in ["one", "two"] {
        waiting.push(ask(&program, json!({"prompt": prompt})).await);
    }
    let post = async |path: String, body: Option<Value>, status: u16| {
        program.json(Method::POST, &format!("/api/v1/images/jobs/{path}"), body, status).await
    };
    post(format!("{}/move", waiting[1]), Some(json!({"before": waiting[0]})), 204).await;
    let open = async || {
        let jobs = program.json(Method::GET, "/api/v1/images/jobs", None, 200).await;
        let ids = jobs["open"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(open().await, [&runs, &waiting[1], &waiting[0]].map(String::clone));
    post(format!("{}/move", waiting[1]), Some(json!({})), 204).await;
    assert_eq!(open().await, [&runs, &waiting[0], &waiting[1]].map(String::clone));
    post(format!("{runs}/move"), Some(json!({})), 409).await;
    let forget = async |job: &str, status| {
        program.json(Method::DELETE, &format!("/api/v1/images/jobs/{job}"), None, status).await
    };
    forget(&runs, 409).await;
    forget(&waiting[0], 409).await;
    post(format!("{failed}/retry"), None, 202).await;
    post(format!("{failed}/retry"), None, 409).await;
    post(format!("{}/cancel", waiting[0]), None, 204).await;
    assert_eq!(post("cancel".into(), None, 200).await, json!({"cancelled": 3}));
    assert_eq!(open().await, [""; 0]);
    assert!(told.until("\"state\":\"cancelled\"").await.contains(&runs));
    for status in [204, 404] {
        forget(&failed, status).await;
    }
    let jobs = program.json(Method::GET, "/api/v1/images/jobs", None, 200).await;
    assert_eq!(jobs["ended"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn only_so_many_bring_files_and_only_so_many_watch() {
    let program = Program::new(Stage::with_painter([Turn::Hang]).await).await;
    let import = || {
        request(Method::POST, "/api/v1/images/import")
            .header(header::AUTHORIZATION, format!("Bearer {}", program.token))
            .body(Body::from("no image"))
            .unwrap()
    };
    let mut held: Vec<_> =
        (0..app::IMPORTS_AT_ONCE_MAX).map(|_| program.stage.app.begin_import().unwrap()).collect();
    let seen = program.stage.send(import()).await;
    assert_eq!((seen.status, seen.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "2"), "{}", seen.body);
    assert!(seen.body.contains("being brought") && seen.body.contains("\"busy\""), "{}", seen.body);
    held.pop();
    assert_eq!(program.stage.send(import()).await.status, StatusCode::BAD_REQUEST, "it has a place now");

    let job = ask(&program, json!({"prompt": "a fox"})).await;
    let one = format!("/api/v1/images/jobs/{job}/events");
    let mut watching = Vec::new();
    for at in 0..crate::state::STREAMS_OF_PROGRAMS_MAX {
        let path = if at % 2 == 0 { "/api/v1/images/jobs/events" } else { one.as_str() };
        watching.push(Events::of(program.stage.respond(program.request(Method::GET, path, None)).await));
    }
    for path in ["/api/v1/images/jobs/events", one.as_str()] {
        let refused = program.json(Method::GET, path, None, 503).await;
        assert_eq!(refused["error"]["kind"], "busy", "{refused}");
    }
    watching.pop();
    Events::of(program.stage.respond(program.request(Method::GET, &one, None)).await).until("data: ").await;
}

/// The event a job's end is told with to those who come late.
fn last_of(job: &str, last: &Value) -> Value {
    json!({"job_id": job, "seq": 0, "kind": last["kind"]})
}

#[tokio::test]
async fn wrong_requests_about_images_get_one_kind_of_answer() {
    let program = Program::new(Stage::with_painter([]).await).await;
    let (get, post) = (Method::GET, Method::POST);
    for (method, path, body, status) in [
        (post.clone(), "", Some(json!([])), 422),
        (post.clone(), "", None, 415),
        (post.clone(), "", Some(json!({"prompt": "x", "colour": "red"})), 400),
        (post.clone(), "", Some(json!({"prompt": "x", "steps": "many"})), 400),
        (post.clone(), "", Some(json!({"prompt": "x", "steps": 0})), 400),
        (post.clone(), "", Some(json!({"prompt": "x", "count": 17})), 400),
        (post.clone(), "", Some(json!({"prompt": "x", "width_pixels": 65})), 400),
        (post.clone(), "", Some(json!({"prompt": "x", "model": "none"})), 404),
        (post.clone(), "", Some(json!({"prompt": "x", "source": {"image": "none"}})), 404),
        (post.clone(), "", Some(json!({"prompt": "x".repeat(600_000)})), 413),
        (get.clone(), "?limit=0", None, 400),
        (get.clone(), "?limit=1000", None, 400),
        (get.clone(), "?limit=some", None, 400),
        (get.clone(), "?seed=x", None, 400),
        (get.clone(), "?cursor=x", None, 400),
        (get.clone(), "/totals?size=x", None, 400),
        (get.clone(), "/none", None, 404),
        (get.clone(), "/none/file", None, 404),
        (get.clone(), "/none/file?settings=perhaps", None, 400),
        (get.clone(), "/%ff", None, 400),
        (get.clone(), "/jobs/none", None, 404),
        (get.clone(), "/jobs/none/events", None, 404),
        (get, "/jobs?limits=3", None, 400),
        (post.clone(), "/jobs/none/cancel", None, 404),
        (post.clone(), "/jobs/none/retry", None, 404),
        (post.clone(), "/jobs/none/move", Some(json!({})), 404),
        (post.clone(), "/import", None, 400),
        (post, "/delete", Some(json!({"ids": (0..1001).map(|id| id.to_string()).collect::<Vec<_>>()})), 400),
        (Method::PATCH, "/none", Some(json!({"favourite": true})), 404),
        (Method::PATCH, "/none", Some(json!({"prompt": "x"})), 422),
        (Method::PUT, "/none", None, 405),
    ] {
        let path = format!("/api/v1/images{path}");
        let seen = program.send(method.clone(), &path, body).await;
        assert_eq!(seen.status.as_u16(), status, "{method} {path}: {}", seen.body);
        let error: Value = serde_json::from_str(&seen.body).unwrap();
        assert!(error["error"]["message"].is_string() && error["error"]["kind"].is_string(), "{path}: {error}");
    }
}
