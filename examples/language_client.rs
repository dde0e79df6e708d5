//! The smallest language client: opens a file, asks Familiar to explain a range of lines, prints where the answer is.
//!
//! Usage: `language-client FAMILIAR FILE START_LINE END_LINE`, where FAMILIAR is the program and lines count from 1.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};

use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, file, start, end] = arguments.as_slice() else {
        return Err("usage: language-client FAMILIAR FILE START_LINE END_LINE".into());
    };
    let file = std::fs::canonicalize(file)?;
    let folder = file.parent().ok_or("the file lies in no folder")?;
    let uri = |path: &std::path::Path| format!("file://{}", path.display());
    let mut server = Command::new(program)
        .arg("lsp")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut to = server.stdin.take().ok_or("no pipe to the server")?;
    let mut from = BufReader::new(server.stdout.take().ok_or("no pipe from the server")?);

    let capabilities = json!({ "window": { "showDocument": { "support": true }, "workDoneProgress": true } });
    let folders = json!([{ "uri": uri(folder), "name": "workspace" }]);
    let parameters = json!({ "processId": null, "rootUri": uri(folder), "workspaceFolders": folders,
        "capabilities": capabilities });
    send(&mut to, json!({ "id": 1, "method": "initialize", "params": parameters }))?;
    while receive(&mut from)?["id"] != 1 {}
    send(&mut to, json!({ "method": "initialized", "params": {} }))?;
    let document = json!({ "uri": uri(&file), "languageId": "plaintext", "version": 1,
        "text": std::fs::read_to_string(&file)? });
    send(&mut to, json!({ "method": "textDocument/didOpen", "params": { "textDocument": document } }))?;
    let (first, last): (u32, u32) = (start.parse()?, end.parse()?);
    let arguments = json!([first, last, file]);
    let command = json!({ "command": "familiar.explain", "arguments": arguments });
    send(&mut to, json!({ "id": 2, "method": "workspace/executeCommand", "params": command }))?;

    loop {
        let message = receive(&mut from)?;
        let method = message["method"].as_str().unwrap_or_default();
        if message.get("id").is_some() && !method.is_empty() {
            let result = if method == "window/showDocument" { json!({ "success": true }) } else { Value::Null };
            send(&mut to, json!({ "id": message["id"], "result": result }))?;
        }
        match method {
            "$/progress" => eprintln!("{}", message["params"]["value"]["message"].as_str().unwrap_or_default()),
            "window/showMessage" => {
                println!("{}", message["params"]["message"].as_str().unwrap_or_default());
                break;
            }
            "window/showDocument" => {
                println!("{}", message["params"]["uri"].as_str().unwrap_or_default());
                break;
            }
            _ => {}
        }
    }
    send(&mut to, json!({ "id": 3, "method": "shutdown" }))?;
    while receive(&mut from)?["id"] != 3 {}
    send(&mut to, json!({ "method": "exit" }))?;
    server.wait()?;
    Ok(())
}

fn send(to: &mut ChildStdin, mut message: Value) -> Result<(), Box<dyn Error>> {
    message["jsonrpc"] = json!("2.0");
    let body = message.to_string();
    write!(to, "Content-Length: {}\r\n\r\n{body}", body.len())?;
    Ok(to.flush()?)
}

fn receive(from: &mut impl BufRead) -> Result<Value, Box<dyn Error>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Err("the server ended".into());
        }
        if let Some(value) = line.strip_prefix("Content-Length:") {
            length = value.trim().parse()?;
        } else if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}
