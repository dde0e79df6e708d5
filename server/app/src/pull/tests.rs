//! Pulling against a stand-in server: resume, checks, refusals. The server is scripted, the files are real.

use kit::http::{Reply, Server};
use sha2::{Digest, Sha256};

use super::*;

/// A small GGUF file by the format's book: no tensors, a vocabulary of two.
fn tiny_gguf() -> Vec<u8> {
    fn text(out: &mut Vec<u8>, text: &str) {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    }
    let mut out = b"GGUF".to_vec();
    out.extend(3_u32.to_le_bytes());
    out.extend(1_u64.to_le_bytes());
    out.extend(6_u64.to_le_bytes());
    for (key, value) in [("general.architecture", "tiny"), ("general.name", "Tiny")] {
        text(&mut out, key);
        out.extend(8_u32.to_le_bytes());
        text(&mut out, value);
    }
    for (key, value) in [("tiny.block_count", 1_u32), ("tiny.context_length", 128), ("tiny.embedding_length", 32)]
    {
        text(&mut out, key);
        out.extend(4_u32.to_le_bytes());
        out.extend(value.to_le_bytes());
    }
    text(&mut out, "tokenizer.ggml.tokens");
    out.extend(9_u32.to_le_bytes());
    out.extend(8_u32.to_le_bytes());
    out.extend(2_u64.to_le_bytes());
    text(&mut out, "a");
    text(&mut out, "b");
    // One tensor of 4,096 floats, so that a download has a middle to break in.
    text(&mut out, "t");
    out.extend(1_u32.to_le_bytes());
    out.extend(4096_u64.to_le_bytes());
    out.extend(0_u32.to_le_bytes());
    out.extend(0_u64.to_le_bytes());
    out.resize(out.len().next_multiple_of(32) + 4 * 4096, 0);
    out
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Case {
    folder: tempfile::TempDir,
    server: Server,
}

impl Case {
    fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let case = Self { folder: tempfile::tempdir().expect("a folder"), server: Server::start() };
        case.server.script("/m/tiny.gguf", replies);
        case
    }

    async fn pull(&self, sha256: Option<String>) -> (Result<Pulled>, Vec<PullProgress>) {
        let mut seen = Vec::new();
        let source = self.server.url("/m/tiny.gguf");
        let request = Pull { source, sha256, ..Pull::default() };
        let pulled = pull(self.folder.path(), request, &mut |progress| seen.push(progress)).await;
        (pulled, seen)
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).expect("readable");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_file_arrives_is_checked_and_is_not_fetched_twice() {
    let bytes = tiny_gguf();
    let case = Case::new([Reply::ok(bytes.clone())]);
    let (pulled, seen) = case.pull(Some(hash(&bytes))).await;
    let pulled = pulled.expect("it arrives");
    assert_eq!((pulled.name.as_str(), pulled.already), ("tiny", false));
    assert_eq!(std::fs::read(&pulled.path).expect("it is there"), bytes);
    assert_eq!(case.files(), ["tiny.gguf"], "nothing else is left behind");
    let total = bytes.len() as u64;
    assert!(seen.contains(&PullProgress::Bytes { done: total, total: Some(total) }), "{seen:?}");
    assert!(case.pull(Some(hash(&bytes))).await.0.expect("it is there").already);
    assert_eq!(case.server.requests().len(), 1);
}

#[tokio::test]
async fn a_broken_download_is_resumed_where_it_stopped() {
    let bytes = tiny_gguf();
    let reply = || Reply::ok(bytes.clone()).ranges().header("etag", "\"v1\"");
    let case = Case::new([reply().drop_after(5000), reply()]);
    let (pulled, _) = case.pull(Some(hash(&bytes))).await;
    assert_eq!(std::fs::read(pulled.expect("it arrives").path).expect("it is there"), bytes);
    let requests = case.server.requests();
    assert_eq!(requests[0].header("range"), None);
    let range = requests[1].header("range").expect("the second asks for the rest");
    assert!(range.starts_with("bytes=") && range != "bytes=0-", "{range}");
    assert_eq!(requests[1].header("if-range"), Some("\"v1\""));
}

#[tokio::test]
async fn wrong_files_are_refused_and_leave_nothing_behind() {
    let mut damaged = tiny_gguf();
    damaged.truncate(9000);
    for (reply, sha256, word) in [
        (Reply::ok(tiny_gguf()), Some("0".repeat(64)), "SHA-256"),
        (Reply::ok(damaged), None, "cannot be used"),
        (Reply::ok("<html>a page</html>"), None, "cannot be used"),
        (Reply::status(404), None, "404"),
    ] {
        let case = Case::new([reply]);
        let error = case.pull(sha256).await.0.expect_err("it is refused");
        assert!(error.message.contains(word), "{} lacks {word}", error.message);
        assert!(error.hint.is_some());
        assert_eq!(case.files(), [] as [&str; 0]);
    }
}

#[tokio::test]
async fn the_hub_is_asked_for_the_hash_first() {
    let bytes = tiny_gguf();
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = "/acme/tiny/resolve/main/tiny.gguf";
    let reply = |hash: String| Reply::ok(bytes.clone()).header("x-linked-etag", &format!("\"{hash}\""));
    server.script(path, [reply("f".repeat(64)), reply(String::new())]);
    let request = Pull { source: "hf:acme/tiny/tiny.gguf".into(), hub: Some(server.url("/")), ..Pull::default() };
    let error = pull(folder.path(), request, &mut |_| {}).await.expect_err("the hub states another hash");
    assert!(error.message.contains(&"f".repeat(64)), "{}", error.message);
    assert_eq!(server.requests()[0].method, "HEAD");
}

#[tokio::test]
async fn sources_that_mean_nothing_are_refused_before_any_request() {
    let folder = tempfile::tempdir().expect("a folder");
    for source in
        ["", "nope", "hf:acme", "hf:../x", "ftp://x/y.gguf", "https://example.org/model.bin", "file:///etc/passwd"]
    {
        let request = Pull { source: source.into(), ..Pull::default() };
        let error = pull(folder.path(), request, &mut |_| {}).await.expect_err("it is refused");
        assert_eq!(error.kind, ErrorKind::User, "{source}");
    }
    let name = Some("../escape".to_owned());
    let request = Pull { source: "https://example.org/x.gguf".into(), name, ..Pull::default() };
    assert_eq!(pull(folder.path(), request, &mut |_| {}).await.expect_err("a path").kind, ErrorKind::User);
}

/// A hub with one tiny pipeline. What is asked for with a query is listed, the rest are its files.
struct Hub {
    folder: tempfile::TempDir,
    server: Server,
    weights: Vec<u8>,
}

impl Hub {
    fn new(replies: impl FnOnce(&[u8]) -> Vec<Reply>) -> Self {
        let header = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let weights = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4096]].concat();
        let index = r#"{"_class_name":"StableDiffusionPipeline","safety_checker":[null,null],"unet":["diffusers","UNet2DConditionModel"]}"#;
        let hub = Self { folder: tempfile::tempdir().expect("a folder"), server: Server::start(), weights };
        let listed = serde_json::json!({ "siblings": [
            { "rfilename": "model_index.json", "size": index.len() },
            { "rfilename": "unet/config.json", "size": 2 },
            { "rfilename": "unet/diffusion_pytorch_model.safetensors", "size": hub.weights.len(),
              "lfs": { "sha256": hash(&hub.weights) } },
            { "rfilename": "unet/diffusion_pytorch_model.bin", "size": 9 },
        ] });
        let listed = || Reply::ok(listed.to_string());
        hub.server.script("/api/models/acme/tiny/revision/main?blobs=true", [listed(), listed()]);
        let file = |name: &str| format!("/acme/tiny/resolve/main/{name}");
        hub.server.script(&file("model_index.json"), [Reply::ok(index)]);
        hub.server.script(&file("unet/config.json"), [Reply::ok("{}")]);
        hub.server.script(&file("unet/diffusion_pytorch_model.safetensors"), replies(&hub.weights));
        hub
    }

    async fn pull(&self) -> (Result<Pulled>, Vec<PullProgress>) {
        let mut seen = Vec::new();
        let hub = Some(self.server.url("/"));
        let request = Pull { source: "hf:acme/tiny".into(), hub, ..Pull::default() };
        let pulled = pull(self.folder.path(), request, &mut |progress| seen.push(progress)).await;
        (pulled, seen)
    }
}

#[tokio::test]
async fn an_image_model_is_brought_whole_and_only_what_it_reads() {
    let hub = Hub::new(|weights| vec![Reply::ok(weights)]);
    let (pulled, seen) = hub.pull().await;
    let pulled = pulled.expect("it arrives");
    assert_eq!((pulled.name.as_str(), pulled.already), ("tiny", false));
    assert!(pulled.path.join("unet/config.json").is_file());
    let weights =
        std::fs::read(pulled.path.join("unet/diffusion_pytorch_model.safetensors")).expect("it is there");
    assert_eq!(weights, hub.weights);
    assert!(!pulled.path.join("unet/diffusion_pytorch_model.bin").exists(), "it may run code");
    let total = hub.weights.len() as u64 + 2;
    assert!(seen.contains(&PullProgress::Bytes { done: total, total: Some(total) }), "{seen:?}");
    let sound = crate::verify_image_model(&pulled.path, |_| Ok(())).expect("it is whole");
    assert_eq!((sound.recorded_files, sound.weight_files), (3, 1), "what arrived is recorded");
    let before = hub.server.requests().len();
    assert!(hub.pull().await.0.expect("it is there").already);
    assert_eq!(hub.server.requests().len(), before, "nothing is asked twice");
}

#[tokio::test]
async fn an_image_model_that_did_not_arrive_is_not_in_its_place_and_goes_on_later() {
    let hub = Hub::new(|weights| vec![Reply::ok(vec![1; weights.len()]), Reply::ok(weights)]);
    let error = hub.pull().await.0.expect_err("the weights are damaged");
    assert!(error.message.contains("damaged") && error.hint.is_some(), "{error:?}");
    assert!(!hub.folder.path().join("tiny").exists(), "half a model is none");
    hub.pull().await.0.expect("the second attempt brings the rest");
    let asked = |part: &str| hub.server.requests().iter().filter(|request| request.target.contains(part)).count();
    assert_eq!(asked("unet/config.json"), 1, "what arrived is kept");
}

#[tokio::test]
async fn known_image_models_are_brought_by_their_names() {
    let folder = tempfile::tempdir().expect("a folder");
    for known in KNOWN_IMAGE_MODELS {
        let server = Server::start();
        let listed = format!("/api/models/{}/revision/main?blobs=true", known.repository);
        server.script(&listed, [Reply::ok(r#"{"siblings":[]}"#)]);
        let request = Pull { source: known.name.into(), hub: Some(server.url("/")), ..Pull::default() };
        let error = pull(folder.path(), request, &mut |_| {}).await.expect_err("the hub holds nothing");
        assert!(error.message.contains(known.repository), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_no_image_model_is_said_to_be_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start();
    server.script(
        "/api/models/acme/text/revision/v1?blobs=true",
        [Reply::ok(r#"{"siblings":[{"rfilename":"a.gguf"}]}"#)],
    );
    server.script("/api/models/acme/gone/revision/main?blobs=true", [Reply::status(404)]);
    let pull = async |source: &str| {
        let request = Pull { source: source.into(), hub: Some(server.url("/")), ..Pull::default() };
        pull(folder.path(), request, &mut |_| {}).await.expect_err("it is refused")
    };
    assert!(pull("hf:acme/text@v1").await.message.contains("no image model"));
    assert_eq!(pull("hf:acme/gone").await.kind, ErrorKind::NotFound);
    assert_eq!(pull("hf:acme/../x").await.kind, ErrorKind::User);
}
