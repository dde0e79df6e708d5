//! The life of the daemon and the doors of its web page: one per home, found, taken over, stopped; closed to whoever
//! is not signed in.

use std::time::{Duration, Instant};

use kit::TempWorkspace;
use kit::process::{Signal, Stream, TempHome, WAIT_SECS_MAX};
use serde_json::Value;

use crate::project::{familiar, http, json, serve, token};

/// Between two looks at the processes; without a pause the looks would take a processor from those that are to leave.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

fn status(home: &TempHome) -> Value {
    json(&familiar(home, &["status", "--json"]).run().success())
}

#[test]
fn a_second_daemon_names_the_first_and_the_port_gives_way() {
    let home = TempHome::new();
    let first = serve(familiar(&home, &["serve"]));
    let told = familiar(&home, &["serve"]).run().failure(3);
    assert!(told.contains(&first.process.pid().to_string()), "{told}");

    let other = TempHome::new();
    let port = first.port.to_string();
    let told = familiar(&other, &["serve", "--port", &port]).run().failure(1);
    assert!(
        told.contains(&port) && told.contains(&first.process.pid().to_string()),
        "the holder is named: {told}"
    );
    std::fs::create_dir_all(other.root().join("config")).expect("a folder");
    std::fs::write(other.root().join("config/config.toml"), format!("port = {port}\n")).expect("written");
    let second = serve(familiar(&other, &["serve"]));
    assert_ne!(second.port, first.port, "the next free port is taken");
    assert_eq!(status(&other)["port"], second.port);
    second.process.signal(Signal::Interrupt);
    assert_eq!(second.process.wait().code, Some(0), "Ctrl+C is an orderly end");
    familiar(&home, &["stop"]).run().success();
    assert_eq!(first.process.wait().code, Some(0));
}

#[test]
fn serve_takes_over_from_a_daemon_that_a_command_started() {
    let home = TempHome::new();
    familiar(&home, &["open"]).run().success();
    let before = status(&home);
    assert_eq!(before["auto_started"], true);
    let daemon = serve(familiar(&home, &["serve"]));
    let after = status(&home);
    assert_eq!(after["auto_started"], false);
    assert_eq!(after["pid"], daemon.process.pid());
    assert_ne!(after["pid"], before["pid"]);
    familiar(&home, &["stop"]).run().success();
    daemon.process.wait();
}

#[test]
fn a_killed_daemon_leaves_no_lock_behind() {
    let home = TempHome::new();
    let first = serve(familiar(&home, &["serve"]));
    first.process.signal(Signal::Kill);
    first.process.wait();
    let second = serve(familiar(&home, &["serve"]));
    assert_eq!(status(&home)["pid"], second.process.pid());
    familiar(&home, &["stop"]).run().success();
    second.process.wait();
}

#[test]
fn many_commands_at_once_start_one_daemon() {
    let home = TempHome::new();
    let openers: Vec<_> = (0..4).map(|_| familiar(&home, &["open"]).spawn()).collect();
    let links: Vec<String> = openers.iter().map(|opener| opener.wait().success()).collect();
    let port =
        |link: &String| link.split(':').nth(2).map(|rest| rest.split('/').next().unwrap_or_default().to_owned());
    assert!(links.iter().all(|link| port(link) == port(&links[0])), "{links:?}");
    // Those that lost the race for the lock leave by themselves, perhaps a moment after the commands are served.
    let waited = Instant::now();
    while home.processes().len() > 1 && waited.elapsed() < Duration::from_secs(WAIT_SECS_MAX) {
        std::thread::sleep(LOOK_PAUSE);
    }
    assert_eq!(home.processes().len(), 1, "{:?}", home.processes());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_without_a_link_or_a_token() {
    let home = TempHome::new();
    let daemon = serve(familiar(&home, &["serve"]));
    let client = http();
    for (path, status) in
        [("/", 303), ("/chats", 303), ("/no/such/page", 303), ("/api/v1/chats", 401), ("/api/v1/nothing", 401)]
    {
        for request in [client.get(daemon.url(path)), client.head(daemon.url(path))] {
            let response = request.send().await.expect("it answers");
            assert_eq!(response.status().as_u16(), status, "{path}");
            for header in ["content-security-policy", "x-content-type-options", "referrer-policy"] {
                assert!(response.headers().contains_key(header), "{path} lacks {header}");
            }
        }
    }
    let misled = client.get(daemon.url("/healthz")).header("host", "evil.test").send().await.expect("it answers");
    assert_eq!(misled.status().as_u16(), 421);
    assert!(misled.text().await.expect("a page").contains("allowed_hosts"));

    let token = token(&home);
    let chats = client.get(daemon.url("/api/v1/chats")).bearer_auth(&token).send().await.expect("it answers");
    assert_eq!(chats.status().as_u16(), 200);

    let link = familiar(&home, &["open"]).run().success();
    let secret = link.trim().rsplit('/').next().expect("a secret").to_owned();
    let signed_in = client.get(daemon.url(&format!("/sign-in/{secret}"))).send().await.expect("it answers");
    let cookie = signed_in.headers().get("set-cookie").expect("a cookie").to_str().expect("text").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let page = client.get(daemon.url("/chats")).header("cookie", &cookie).send().await.expect("it answers");
    assert_eq!(page.status().as_u16(), 200);
    let again = client.get(daemon.url(&format!("/sign-in/{secret}"))).send().await.expect("it answers");
    assert!(again.headers().get("set-cookie").is_none(), "a link is good once");
    let forged = client.post(daemon.url("/chats")).header("cookie", &cookie).header("origin", "http://evil.test");
    assert_eq!(forged.send().await.expect("it answers").status().as_u16(), 403);
    familiar(&home, &["stop"]).run().success();
    daemon.process.wait();
}

#[test]
fn a_daemon_in_a_terminal_shows_where_things_are() {
    let home = TempHome::new();
    let workspace = TempWorkspace::new("//- /a.py\nx = 1\n");
    let root = workspace.root().to_str().expect("a path");
    let daemon = serve(familiar(&home, &["serve", "--workspace", root]));
    for word in ["setup vscode (or neovim, or helix)", "Ctrl+C", "1 file, 1 chunk"] {
        daemon.process.wait_for(Stream::Out, word);
    }
    let forgotten = familiar(&home, &["index", root, "--forget"]).run().success();
    assert!(forgotten.starts_with("forgot "), "{forgotten}");
    familiar(&home, &["stop"]).run().success();
    daemon.process.wait();
}
