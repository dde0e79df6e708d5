//! A child that says hello and loads like a good one, and then breaks the rules in the way its argument names.

use std::io::{Read, Write};

use worker::{WorkerError, inherited_channel};

use crate::child::BUILD_ID;

/// Bytes of a frame without its header.
const PAYLOAD_BYTES: usize = 64 * 1024 - 4;
const MORE: u32 = 1 << 31;

/// Pixels as they go over the pipe.
fn rows(bytes: usize) -> String {
    assert_eq!(bytes % 3, 0);
    format!("{{\"rows\":{{\"rgb\":\"{}\"}}}}", "AAAA".repeat(bytes / 3))
}

fn image(index: u32, width: u32, height: u32) -> String {
    format!("{{\"image\":{{\"index\":{index},\"seed\":0,\"width_pixels\":{width},\"height_pixels\":{height}}}}}")
}

const FINISHED: &str = "{\"finished\":{\"timings\":{\"queue_ms\":0,\"prompt_ms\":0,\"answer_ms\":0}}}";

/// What the child says about its first request, for a request of two images of 4 x 4 pixels.
fn events(case: &str) -> Vec<String> {
    let rgb = |bytes| "AAAA".repeat(bytes / 3);
    let step =
        |done: u32, preview: &str| format!("{{\"step\":{{\"done\":{done},\"all\":2,\"preview\":{preview}}}}}");
    let preview = |side: u32, bytes: usize| {
        format!("{{\"width_pixels\":{side},\"height_pixels\":{side},\"rgb\":\"{}\"}}", rgb(bytes))
    };
    let whole = || [rows(48), image(0, 4, 4)];
    match case {
        "long-rows" => vec![rows(3 * 512 * 1024)],
        "empty-rows" => vec![rows(0)],
        "no-base64" => vec!["{\"rows\":{\"rgb\":\"??\"}}".into()],
        "half-image" => vec![rows(45), image(0, 4, 4)],
        "wide-image" => vec![rows(15_000), image(0, 5_000, 1)],
        "other-index" => vec![rows(48), image(2, 4, 4)],
        "third-image" => [whole(), whole(), whole()].concat(),
        "early-end" => [whole().as_slice(), &[FINISHED.into()]].concat(),
        "rows-at-end" => [whole().as_slice(), &whole(), &[rows(3), FINISHED.into()]].concat(),
        "many-steps" => vec![step(3, "null")],
        "wrong-preview" => vec![step(1, &preview(4, 45))],
        "large-preview" => vec![step(1, &preview(1_000, 3_000_000))],
        "no-event" => vec!["{\"text\":\"hello\"}".into()],
        _ => panic!("no such case: {case}"),
    }
}

/// Runs as the child that does `case`.
pub(crate) fn run(case: &str) -> Result<(), WorkerError> {
    let mut channel = inherited_channel()?;
    let hello = format!("{{\"hello\":{{\"build_id\":\"{BUILD_ID}\",\"work\":\"images\",\"pid\":1}}}}");
    send(&mut channel, &hello);
    while let Some(message) = receive(&mut channel) {
        if message == "\"load\"" {
            let info = serde_json::to_string(&model::ImageModelInfo::default()).expect("it is JSON");
            send(&mut channel, &format!("{{\"loaded\":{{\"info\":{info},\"slots\":1}}}}"));
        } else if let Some(rest) = message.strip_prefix("{\"work\":{\"id\":") {
            let id = rest.split(',').next().unwrap_or_default();
            for event in events(case) {
                send(&mut channel, &format!("{{\"event\":{{\"id\":{id},\"event\":{event}}}}}"));
            }
        }
    }
    Ok(())
}

fn send(channel: &mut impl Write, message: &str) {
    let parts = message.as_bytes().chunks(PAYLOAD_BYTES);
    let last = parts.len() - 1;
    for (at, part) in parts.enumerate() {
        let more = if at == last { 0 } else { MORE };
        let length = u32::try_from(part.len()).expect("it is short");
        // The parent may be gone; then the next read ends this.
        drop(channel.write_all(&(length | more).to_le_bytes()));
        drop(channel.write_all(part));
    }
}

/// The next message; the parent's are all shorter than a frame.
fn receive(channel: &mut impl Read) -> Option<String> {
    let mut header = [0; 4];
    channel.read_exact(&mut header).ok()?;
    let mut payload = vec![0; (u32::from_le_bytes(header) & 0xFFFF) as usize];
    channel.read_exact(&mut payload).ok()?;
    String::from_utf8(payload).ok()
}
