//! Images the whole way: command line, daemon, worker process, files, page. Only the model is scripted.

use std::path::PathBuf;

use kit::TempWorkspace;
use kit::lsp::{Client, Encoding, Profile, apply_edit};
use kit::process::{Signal, TempHome};
use serde_json::{Value, json};

use crate::project::{Daemon, http, json, serve, token};

/// What a PNG file begins with (RFC 2083, section 3.1).
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Writes what the image model does, one after the other, the last one again and again; its path.
fn script(home: &TempHome, images: &Value) -> PathBuf {
    let script = home.user_folder().join("script.json");
    std::fs::write(&script, json!({ "replies": [], "images": images }).to_string()).expect("written");
    script
}

/// A daemon in `home` whose image model does these.
fn drawing(home: &TempHome, images: &Value) -> Daemon {
    serve(home.familiar(&["serve", "--scripted-model"]).arg(script(home, images)))
}

/// The process that draws.
fn painter(home: &TempHome) -> u32 {
    let script = home.user_folder().join("script.json");
    let draws = |pid: &u32| {
        let arguments = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.contains("scripted-images") && arguments.contains(&*script.to_string_lossy())
    };
    let entries = std::fs::read_dir("/proc").expect("it is there").flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(draws).expect("one process draws")
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_made_listed_saved_brought_and_removed_from_the_command_line() {
    let home = TempHome::new();
    let daemon = drawing(&home, &json!([{}]));
    let folder = home.user_folder();
    let file = folder.join("fox.png");
    let run = |args: &[&str]| home.familiar(args).in_folder(&folder).run();

    let made =
        ["generate", "a fox, in snow", "--negative", "blurry", "--size", "96x64", "--steps", "3", "--seed", "7"];
    let made = run(&[&made[..], &["--count", "2", "--output", "fox.png", "--json"]].concat()).success();
    let made = json(&made);
    assert_eq!(made["job"]["state"], "done", "{made}");
    let seeds: Vec<_> =
        made["images"].as_array().expect("a list").iter().map(|image| image["seed"].clone()).collect();
    assert_eq!(seeds, [7, 8]);
    let bytes = std::fs::read(&file).expect("it is written");
    assert!(bytes.starts_with(PNG) && folder.join("fox-2.png").is_file());
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("Negative prompt: blurry") && text.contains("Steps: 3"), "it says how it was made");
    let again = run(&["generate", "x", "--output", "fox.png"]).failure(1);
    assert!(again.contains("is there already"), "{again}");
    for (wrong, words) in [
        (vec!["generate", " "], "the prompt is empty"),
        (vec!["generate", "x", "--output", "x.jpg"], "only those can be written"),
        (vec!["generate", "x", "--steps", "151"], "in 151 steps"),
    ] {
        let refused = run(&wrong).failure(1);
        assert!(refused.contains(words), "{wrong:?}: {refused}");
    }
    run(&["generate", "an owl", "--size", "64x64", "--steps", "1", "--output", "owls/"]).success();
    assert_eq!(std::fs::read_dir(folder.join("owls")).expect("it was made").count(), 1);

    let listed = json(&run(&["gallery", "--words", "snow", "--json"]).success());
    assert_eq!(listed["images"].as_array().map(Vec::len), Some(2));
    let id = listed["images"][0]["id"].as_str().expect("an id").to_owned();
    run(&["gallery", "favourite", &id]).success();
    let favourites = json(&run(&["gallery", "--favourites", "--json"]).success());
    assert_eq!(favourites["images"][0]["id"], id.as_str());
    assert_eq!(favourites["images"].as_array().map(Vec::len), Some(1));
    let shown = run(&["gallery", "show", &id]).success();
    assert!(shown.contains("96 x 64") && shown.contains("a fox, in snow"), "{shown}");

    let count =
        || json(&run(&["gallery", "--words", "fox", "--json"]).success())["images"].as_array().map(Vec::len);
    let brought = run(&["gallery", "import", "fox.png"]).success();
    assert!(brought.contains("96 x 64") && count() == Some(2), "the gallery has it: {brought}");
    std::fs::write(folder.join("other.png"), b"no image").expect("written");
    let refused = run(&["gallery", "import", "fox.png", "other.png"]).failure(1);
    assert!(refused.contains("other.png") && refused.contains("none of the files is kept"), "{refused}");
    for wrong in [["--steps", "999"], ["--model", "none"], ["--strength", "2"], ["--mask", "other.png"]] {
        let over = ["generate", "x", "--from", "fox.png"];
        let refused = run(&[&over[..], &wrong].concat()).failure(1);
        assert_eq!(count(), Some(2), "{wrong:?} brings nothing: {refused}");
    }
    let over = ["generate", "in summer", "--from", "fox.png", "--strength", "0.5", "--json"];
    let over = json(&run(&over).success());
    assert_eq!(over["images"][0]["origin"]["settings"]["strength"], 0.5);

    run(&["gallery", "delete", &id, "--yes"]).success();
    let gone = run(&["gallery", "show", &id]).failure(1);
    assert!(gone.contains("familiar:"), "{gone}");
    let without_a_terminal = run(&["gallery", "delete", "x"]).failure(2);
    assert!(without_a_terminal.contains("--yes"), "{without_a_terminal}");
    home.familiar(&["stop"]).run().success();
    assert_eq!(daemon.process.wait().code, Some(0));
}

/// The scheduler of the tiny model; the customary one of Stable Diffusion.
const SCHEDULER: &str = r#"{ "_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear", "beta_start": 0.00085,
    "beta_end": 0.012, "num_train_timesteps": 1000, "clip_sample": false, "set_alpha_to_one": false, "steps_offset": 1 }"#;

#[test]
fn a_real_pipeline_draws_the_same_picture_for_the_same_seed() {
    let home = TempHome::new();
    tiny::stable_diffusion(&home.root().join("models/tiny"), SCHEDULER);
    let folder = home.user_folder();
    let run = |args: &[&str]| home.familiar(args).in_folder(&folder).run();
    let listed = run(&["models", "list"]).success();
    assert!(listed.contains("tiny") && listed.contains("image  draws when none is named"), "{listed}");
    let sound = run(&["models", "verify", "tiny"]).success();
    assert!(
        sound.contains("tiny is sound: its parts fit together, and its 3 files of weights are whole"),
        "{sound}"
    );
    // What does not fit is told by name, also before a model is made of it.
    let at = |file: &str| home.root().join("models/tiny").join(file);
    let (unet, text) = (at("unet/diffusion_pytorch_model.safetensors"), at("text_encoder/model.safetensors"));
    std::fs::copy(&text, folder.join("wrong.safetensors")).expect("it can be written");
    let derive = ["models", "derive", "worse", "--from", "tiny", "--weights"];
    let refused = run(&[&derive[..], &["wrong.safetensors"]].concat()).failure(1);
    assert!(refused.contains("worse is not made") && refused.contains("belong to no part of it"), "{refused}");
    assert!(!home.root().join("models/worse").exists());
    let refused = run(&[&derive[..], &["gone.safetensors"]].concat()).failure(1);
    assert!(refused.contains("there is no file gone.safetensors"), "{refused}");
    let whole = std::fs::read(&unet).expect("it is there");
    std::fs::copy(&text, &unet).expect("it can be written");
    let misfit = run(&["models", "verify", "tiny"]).failure(1);
    assert!(misfit.contains("unet: ") && misfit.contains("tensors are missing: "), "{misfit}");
    assert!(misfit.contains("make or bring it anew"), "nobody pulled it: {misfit}");
    let doctor = run(&["doctor"]).stdout;
    assert!(doctor.contains("FAIL  images  tiny: "), "{doctor}");
    std::fs::write(&unet, whole).expect("it can be written");
    let fox = ["generate", "a fox", "--size", "64x64", "--steps", "2", "--seed", "7", "--json", "--output"];
    let first = json(&run(&[&fox[..], &["one.png"]].concat()).success());
    assert_eq!(first["images"][0]["model"], "tiny", "{first}");
    run(&[&fox[..], &["two.png"]].concat()).success();
    let other = ["generate", "a fox", "--size", "64x64", "--steps", "2", "--seed", "8", "--output", "other.png"];
    run(&other).success();
    let pixels = |name: &str| {
        let file = std::fs::File::open(folder.join(name)).expect("it is there");
        let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().expect("a header");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        reader.next_frame(&mut pixels).expect("an image");
        pixels
    };
    assert_eq!(pixels("one.png"), pixels("two.png"));
    assert_ne!(pixels("one.png"), pixels("other.png"));
    // White on the left: only there it may change.
    let mask: Vec<u8> = (0..64 * 64).map(|at| if at % 64 < 32 { 255 } else { 0 }).collect();
    let file = std::fs::File::create(folder.join("mask.png")).expect("it can be written");
    let mut encoder = png::Encoder::new(file, 64, 64);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&mask)).expect("written");
    let over =
        ["generate", "an owl", "--from", "one.png", "--mask", "mask.png", "--size", "64x64", "--steps", "2"];
    run(&[&over[..], &["--output", "over.png"]].concat()).success();
    let half = |pixels: Vec<u8>, left: bool| -> Vec<u8> {
        let rows = pixels.chunks_exact(64 * 3).flat_map(|row| if left { &row[..32 * 3] } else { &row[32 * 3..] });
        rows.copied().collect()
    };
    assert_eq!(half(pixels("one.png"), false), half(pixels("over.png"), false));
    assert_ne!(half(pixels("one.png"), true), half(pixels("over.png"), true));
    // Its own side of 16 pixels is less than is drawn.
    let own = json(&run(&["generate", "a fox", "--steps", "1", "--json"]).success());
    assert_eq!(own["images"][0]["width_pixels"], 64, "{own}");
    let refused = run(&["generate", "a fox", "--size", "65x64"]).failure(1);
    assert!(refused.contains("no multiple of 8"), "{refused}");
    std::fs::remove_file(home.root().join("models/tiny/unet/config.json")).expect("it is there");
    run(&["stop"]).success();
    let damaged = run(&["generate", "a fox", "--size", "64x64"]).failure(1);
    assert!(damaged.contains("unet/config.json"), "{damaged}");
    run(&["stop"]).success();
}

#[test]
fn image_models_are_chosen_freed_and_removed_with_and_without_a_daemon() {
    let home = TempHome::new();
    for name in ["big", "small"] {
        tiny::stable_diffusion(&home.root().join("models").join(name), SCHEDULER);
    }
    let folder = home.user_folder();
    let run = |args: &[&str]| home.familiar(args).in_folder(&folder).run();
    let current = || {
        let listed = json(&run(&["models", "list", "--json"]).success());
        let models = listed["image_models"].as_array().expect("a list").clone();
        models.into_iter().find(|entry| entry["current"] == true).expect("one is")["name"].clone()
    };
    assert_eq!(current(), "big");
    run(&["models", "use", "small"]).success();
    assert_eq!(current(), "small");
    assert!(run(&["models", "use", "none"]).failure(1).contains("no model named"));
    assert!(run(&["models", "unload"]).success().contains("no model stands in memory"));
    assert!(home.processes().is_empty(), "nothing is left running");

    let made = ["generate", "a fox", "--size", "64x64", "--steps", "1", "--json"];
    assert_eq!(json(&run(&made).success())["images"][0]["model"], "small");
    assert_eq!(current(), "small", "the daemon says the same");
    assert_eq!(run(&["models", "unload"]).success(), "small gave its memory back\n");
    run(&["models", "use", "big"]).success();
    assert_eq!(json(&run(&made).success())["images"][0]["model"], "big");
    assert!(run(&["models", "remove", "big"]).failure(2).contains("--yes"));
    assert!(run(&["models", "remove", "big", "--yes"]).success().contains("big is gone"));
    assert_eq!(current(), "small", "what is left draws");
    assert!(!home.root().join("models/big").exists());
    run(&["stop"]).success();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_costs_one_attempt_and_a_job_can_be_cancelled() {
    let home = TempHome::new();
    let daemon = drawing(&home, &json!([{ "steps_max": 1, "hang": true }]));
    let generate = ["generate", "a fox", "--size", "64x64", "--steps", "2", "--json"];
    let first = home.familiar(&generate).spawn();
    let token = token(&home);
    let jobs = || async {
        let jobs = http().get(daemon.url("/api/v1/images/jobs")).bearer_auth(&token);
        json(&jobs.send().await.expect("it answers").text().await.expect("a body"))
    };
    while jobs().await["open"][0]["now"]["type"] != "step" {
        tokio::task::yield_now().await;
    }
    // The process that comes after it reads what it does from the start.
    script(&home, &json!([{}, { "steps_max": 1, "hang": true }]));
    Signal::Kill.send(painter(&home));
    let first = first.wait();
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert_eq!(json(&first.stdout)["job"]["state"], "done", "the second attempt draws it: {}", first.stdout);

    // Whether the same process draws the next one or another, it hangs.
    script(&home, &json!([{ "steps_max": 1, "hang": true }]));
    let waiting = home.familiar(&["generate", "an owl", "--size", "64x64", "--no-wait"]).run().success();
    let job = waiting.trim().to_owned();
    let url = |path: &str| daemon.url(&format!("/api/v1/images/jobs/{job}{path}"));
    let cancelled = http().post(url("/cancel")).bearer_auth(&token).send().await.expect("it answers");
    assert!(cancelled.status().is_success(), "{cancelled:?}");
    let events = http().get(url("/events")).bearer_auth(&token).header("accept", "text/event-stream");
    let events = events.send().await.expect("it answers").text().await.expect("it ends");
    assert!(events.contains("\"cancelled\""), "{events}");
    home.familiar(&["stop"]).run().success();
    daemon.process.wait();
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_takes_a_job_back() {
    let home = TempHome::new();
    let daemon = drawing(&home, &json!([{ "steps_max": 1, "hang": true }]));
    let process = home.familiar(&["generate", "a fox", "--size", "64x64"]).spawn();
    let token = token(&home);
    let jobs = || async {
        let jobs = http().get(daemon.url("/api/v1/images/jobs")).bearer_auth(&token);
        json(&jobs.send().await.expect("it answers").text().await.expect("a body"))
    };
    while jobs().await["open"][0]["state"] != "running" {
        tokio::task::yield_now().await;
    }
    Signal::Interrupt.send(process.pid());
    assert_eq!(process.wait().code, Some(130));
    assert_eq!(jobs().await["ended"][0]["state"], "cancelled");
    home.familiar(&["stop"]).run().success();
    daemon.process.wait();
}

/// An editor has an image drawn into a document: it lies beside the document as a file and is named in the text, and the
/// image that is not wanted any more is taken out of the queue.
#[tokio::test(flavor = "multi_thread")]
async fn an_editor_draws_into_a_document() {
    let home = TempHome::new();
    let daemon = drawing(&home, &json!([{}, { "steps_max": 1, "hang": true }]));
    let workspace = TempWorkspace::new("//- /docs/notes.md\n# Animals\n\nA fox, in snow\n");
    let (_process, output, input) = home.familiar(&["lsp"]).in_folder(workspace.root()).spawn_piped();
    let mut client = Client::start(output, input);
    for method in ["window/workDoneProgress/create", "window/logMessage", "textDocument/publishDiagnostics"] {
        client.ignore(method).await;
    }
    client.initialize_as(&Profile::helix(), &workspace.root_uri()).await;
    let (uri, text) = (workspace.uri("docs/notes.md"), workspace.read("docs/notes.md"));
    let document = json!({ "uri": uri, "languageId": "markdown", "version": 1, "text": text });
    client.notify("textDocument/didOpen", json!({ "textDocument": document })).await;
    let range = json!({ "start": { "line": 2, "character": 0 }, "end": { "line": 2, "character": 14 } });
    let place = json!({ "textDocument": { "uri": uri }, "range": range, "context": { "diagnostics": [] } });
    let menu = client.request("textDocument/codeAction", place).await.expect("a menu");
    let entries = menu.as_array().expect("a list");
    let draw = entries.iter().find(|entry| entry["title"] == "Familiar: Draw an image of selection");
    let draw = draw.expect("it is offered")["command"].clone();
    let command =
        json!({ "command": draw["command"], "arguments": draw["arguments"], "workDoneToken": "drawing" });
    assert_eq!(client.request("workspace/executeCommand", command.clone()).await, Ok(json!(null)));
    let (id, asked) = client.expect_request("workspace/applyEdit").await;
    let after = apply_edit(&text, &uri, Some(1), &asked["edit"], Encoding::Utf8);
    assert_eq!(after, format!("{text}\n![A fox, in snow](images/a-fox-in-snow.png)\n"));
    let change = json!({ "textDocument": { "uri": uri, "version": 2 }, "contentChanges": [{ "text": after }] });
    client.respond(id, json!({ "applied": true })).await;
    client.notify("textDocument/didChange", change).await;
    let ended = |value: &Value| value["token"] == "drawing" && value["value"]["kind"] == "end";
    client.expect_notification_where("$/progress", ended).await;
    let file =
        std::fs::read(workspace.path("docs/images/a-fox-in-snow.png")).expect("it lies beside the document");
    assert!(file.starts_with(PNG));

    // The next one hangs and is cancelled.
    let command = json!({ "command": "familiar.image", "workDoneToken": "second",
        "arguments": [3, 3, workspace.path("docs/notes.md"), "an owl"] });
    assert_eq!(client.request("workspace/executeCommand", command).await, Ok(json!(null)));
    let step = |value: &Value| {
        value["token"] == "second"
            && value["value"]["message"].as_str().is_some_and(|said| said.starts_with("step"))
    };
    client.expect_notification_where("$/progress", step).await;
    let cancel = json!({ "command": "familiar.cancel", "arguments": ["second"] });
    assert_eq!(client.request("workspace/executeCommand", cancel).await, Ok(json!(null)));
    let ended = |value: &Value| value["token"] == "second" && value["value"]["kind"] == "end";
    client.expect_notification_where("$/progress", ended).await;
    let token = token(&home);
    let open = || async {
        let jobs = http().get(daemon.url("/api/v1/images/jobs")).bearer_auth(&token);
        json(&jobs.send().await.expect("it answers").text().await.expect("a body"))["open"].clone()
    };
    while open().await != json!([]) {
        tokio::task::yield_now().await;
    }
    client.ignore("$/progress").await;
    client.close().await;
    home.familiar(&["stop"]).run().success();
    daemon.process.wait();
}
