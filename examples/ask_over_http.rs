//! Asks a running daemon over HTTP and prints the answer while it is written, then its sources.
//!
//! Usage: `ask-over-http ADDRESS TOKEN WORKSPACE QUESTION`, where ADDRESS is what `familiar serve` prints, such as
//! `http://127.0.0.1:4774`, and TOKEN comes from `familiar tokens create --name example`.

use std::error::Error;
use std::io::Write;

use futures::StreamExt;
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, token, workspace, question] = arguments.as_slice() else {
        return Err("usage: ask-over-http ADDRESS TOKEN WORKSPACE QUESTION".into());
    };
    // reqwest is built without a crypto library of its own; any rustls provider does.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let response = reqwest::Client::new()
        .post(format!("{address}/api/v1/ask"))
        .bearer_auth(token)
        .header("content-type", "application/json")
        .header("accept", "text/event-stream")
        .body(json!({ "workspace": workspace, "question": question }).to_string())
        .send()
        .await?;
    if !response.status().is_success() {
        return Err(format!("{}: {}", response.status(), response.text().await?).into());
    }
    let mut received = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        received.extend_from_slice(&chunk?);
        // An event ends with an empty line; each of ours is one `data:` line of JSON.
        while let Some(end) = received.windows(2).position(|bytes| bytes == b"\n\n") {
            let event: Vec<u8> = received.drain(..end + 2).collect();
            for line in String::from_utf8_lossy(&event).lines() {
                if let Some(data) = line.strip_prefix("data:") {
                    show(&serde_json::from_str(data.trim_start())?)?;
                }
            }
        }
    }
    Ok(())
}

fn show(event: &Value) -> Result<(), Box<dyn Error>> {
    match event["type"].as_str() {
        Some("text") => {
            print!("{}", event["text"].as_str().unwrap_or_default());
            std::io::stdout().flush()?;
        }
        Some("finished") => {
            println!();
            for citation in event["answer"]["citations"].as_array().into_iter().flatten() {
                let label = if citation["used"] == true { "source" } else { "looked at" };
                let path = citation["path"].as_str().unwrap_or_default();
                println!("{label} [{}] {path}:{}-{}", citation["n"], citation["start_line"], citation["end_line"]);
            }
        }
        _ => {}
    }
    // An answer that breaks off ends with what went wrong, never silently.
    match event["error"]["message"].as_str() {
        Some(message) => Err(message.into()),
        None => Ok(()),
    }
}
