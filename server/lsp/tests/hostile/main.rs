//! Seeded sessions of hostile and of ordinary clients against a whole server, and an oracle that follows every message:
//! nothing panics, each request is answered once, the server's texts are the client's, nothing is sent unasked, memory
//! stays bounded, and nothing is left when a session ends. A sample runs with the other tests; `make soak` sets the
//! variables named below.
//!
//! Refuses: chance without a seed; a failure names the seed that repeats it.

mod books;
mod broken;
mod desk;
mod peer;
mod reviewing;
mod stage;
mod text;
mod traffic;

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use app::App;
use futures::FutureExt;
use kit::{Client, Dice, Encoding, Profile, TempWorkspace};
use lsp::{Exit, Hello};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use books::Wanted;
use desk::{Desk, huge_text};
use peer::{Manner, Peer};
use stage::Stage;

/// How many messages, instead of a sample.
const MESSAGES: &str = "FAMILIAR_SOAK_MESSAGES";
const MESSAGES_SAMPLE: usize = 30_000;
/// The first seed, to repeat a failure.
const SEED: &str = "FAMILIAR_SOAK_SEED";
const SEED_DEFAULT: u64 = 0x5EED;

/// One session in so many works on a file of ten megabytes.
const HUGE_EVERY: u64 = 50;
/// So that the sample holds one.
const HUGE_AT: u64 = 7;
/// Memory counts from here on: caches and threads have their size by then.
const WARM_UP_SESSIONS: u64 = 10;
/// What the process may hold more in the end than after the warm-up, in MiB. A leak of a kilobyte for each message of a
/// full run is ten times that.
const GROWTH_MIB_MAX: f64 = 96.0;
/// Answers that may lack their definitions because parsing took too long, besides one for each so many that have them.
const UNPARSED_MAX: usize = 20;
/// In a soak, which has the machine for itself.
const PARSED_EACH_SOAK: usize = 20;
/// In the sample, which runs beside other tests.
const PARSED_EACH_SAMPLE: usize = 1;
/// How long the end of a session may take; far more than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at what is left. A loop without a pause takes the processor from those it waits for.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts every panic, those that the server catches too.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            usual(info);
        }));
    });
}

/// What many sessions share: one daemon, one workspace.
struct House {
    app: App,
    stage: Stage,
    workspace: TempWorkspace,
    _home: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        let stage = Stage::default();
        let app = App::for_tests(home.path(), Some(Arc::new(stage.clone())));
        let workspace = TempWorkspace::new(
            "//- /shop.py\ndef total(prices):\n    return sum(prices)\n//- /f.rs\nfn f1() {}\n",
        );
        Self { app, stage, workspace, _home: home }
    }

    fn session(&self, cwd: &Path) -> (JoinHandle<Exit>, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let hello = Hello { cwd: cwd.to_owned(), ..Hello::default() };
        (tokio::spawn(lsp::serve(self.app.clone(), hello, ours)), theirs)
    }
}

/// What one session did.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    messages: usize,
    compared: usize,
    unparsed: usize,
    applied: usize,
}

/// One session from its first byte to its last.
async fn converse(house: &House, seed: u64, messages: usize) -> Counts {
    let mut dice = Dice::new(seed);
    let profile = match dice.roll(6) {
        0 => Profile::vscode(),
        1 => Profile::helix().with("/general/positionEncodings", json!(["utf-32", "utf-8"])),
        2 => Profile { capabilities: json!({}), ..Profile::neovim() },
        3 => Profile::helix(),
        _ => Profile::neovim(),
    };
    let trees = dice.once_in(2);
    let profile = profile.with("/textDocument/documentSymbol/hierarchicalDocumentSymbolSupport", json!(trees));
    let manner = if dice.once_in(2) { Manner::Polite } else { *dice.pick(&Manner::ALL) };
    let (session, pipe) = house.session(house.workspace.root());
    let desk = Desk::new(&house.workspace);
    let mut peer = Peer::new(seed, pipe, manner, profile.capabilities.clone(), desk);
    hello(&mut peer, &profile, &house.workspace.root_uri()).await;
    if seed % HUGE_EVERY == HUGE_AT {
        work_on_a_huge_file(&mut peer, &house.stage).await;
    }
    if manner == Manner::Polite && profile.capabilities.pointer("/workspace/applyEdit").is_some() {
        edit_calmly(&mut peer, &house.stage).await;
    }
    let started = peer.sent;
    while peer.sent - started < messages {
        traffic::step(&mut peer, &house.stage, trees);
        // Messages are sent one by one or many together.
        if peer.waiting() > peer.dice.roll(4_000) {
            peer.flush().await;
        }
        if peer.dice.once_in(200) {
            peer.settle().await;
        }
    }
    take_leave(&mut peer, session).await;
    house.stage.clear();
    let books = &peer.books;
    Counts { messages: peer.sent, compared: books.compared, unparsed: books.unparsed, applied: peer.applied }
}

/// What comes before a session is open, and its opening.
async fn hello(peer: &mut Peer, profile: &Profile, root_uri: &str) {
    if peer.dice.once_in(3) {
        for method in ["textDocument/documentSymbol", "workspace/executeCommand", "shutdown"] {
            peer.request(method, json!({}), Wanted::Code(-32002));
        }
        peer.notify("textDocument/didOpen", json!({}));
        peer.notify("initialized", json!({}));
        peer.request("no/such/method", json!({}), Wanted::Anything);
        peer.request("initialize", json!({ "capabilities": 7 }), Wanted::Code(-32602));
    }
    let mut params = profile.initialize_params(root_uri);
    if peer.dice.once_in(8) {
        params["workspaceFolders"] = json!(null);
        params["rootUri"] = json!(null);
        params["rootPath"] = json!("");
    }
    peer.request("initialize", params, Wanted::Result);
    if peer.dice.once_in(3) {
        // A client that cannot wait.
        peer.request("familiar/status", json!({}), Wanted::Anything);
        peer.notify("$/unknown", json!({}));
    }
    peer.settle().await;
    peer.notify("initialized", json!({}));
    peer.encoding = chosen(profile);
}

/// The encoding the server is to choose: the first of UTF-8 and UTF-32, else UTF-16.
fn chosen(profile: &Profile) -> Encoding {
    let listed = profile.capabilities.pointer("/general/positionEncodings").and_then(Value::as_array);
    let names = listed.into_iter().flatten().filter_map(Value::as_str);
    names.map(Encoding::named).find(|encoding| *encoding != Encoding::Utf16).unwrap_or(Encoding::Utf16)
}

async fn work_on_a_huge_file(peer: &mut Peer, stage: &Stage) {
    const CHANGES: usize = 100;
    let text = huge_text(&mut peer.dice);
    let opened = peer.desk.open(0, text, &mut peer.dice);
    peer.notify("textDocument/didOpen", opened);
    for n in 0..CHANGES {
        let change = peer.desk.change(0, &mut peer.dice, peer.encoding);
        peer.notify("textDocument/didChange", change);
        if n % 10 == 0 {
            traffic::edit(peer, stage, 0);
            peer.settle().await;
        }
    }
    let closed = peer.desk.close(0);
    peer.notify("textDocument/didClose", closed);
    peer.settle().await;
}

/// Edits that nobody disturbs, so that some come into the text, and what is decided about them.
async fn edit_calmly(peer: &mut Peer, stage: &Stage) {
    for at in [0, 1, 3] {
        let text = desk::text(&mut peer.dice);
        let opened = peer.desk.open(at, text, &mut peer.dice);
        peer.notify("textDocument/didOpen", opened);
        reviewing::edit_and_judge(peer, stage, at).await;
    }
}

/// Ends a session in one of the ways sessions end.
async fn take_leave(peer: &mut Peer, session: JoinHandle<Exit>) {
    let expected = match peer.dice.roll(5) {
        0 | 1 => {
            settle_everything(peer).await;
            peer.request("shutdown", Value::Null, Wanted::Result);
            peer.settle().await;
            peer.request("familiar/status", json!({}), Wanted::Code(-32600));
            peer.request("shutdown", json!({}), Wanted::Code(-32600));
            peer.notify("textDocument/didClose", json!({ "textDocument": { "uri": "x" } }));
            peer.settle().await;
            peer.notify("exit", Value::Null);
            Exit::Shutdown
        }
        2 => {
            peer.books.leaving();
            peer.notify("exit", Value::Null);
            Exit::ExitWithoutShutdown
        }
        3 => {
            traffic::half_a_frame(peer);
            Exit::EndOfInput
        }
        _ => Exit::EndOfInput,
    };
    if expected == Exit::EndOfInput {
        peer.close().await;
    } else {
        peer.flush().await;
    }
    peer.drain(expected != Exit::Shutdown).await;
    let exit =
        tokio::time::timeout(PATIENCE, session).await.expect("the session ends").expect("it does not panic");
    assert_eq!(exit, expected);
}

/// Takes all work back and sees it end.
async fn settle_everything(peer: &mut Peer) {
    for _ in 0..2 {
        // Twice, because the first may reach the server before the client agreed to a progress.
        let cancel = json!({ "command": "familiar.cancel" });
        peer.request("workspace/executeCommand", cancel, Wanted::Result);
        peer.settle().await;
    }
    peer.rest().await;
}

/// Waits until the tasks of ended sessions are gone.
async fn nothing_left(house: &House, tasks: usize) {
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let begun = Instant::now();
    while alive() > tasks || house.app.status().sessions > 0 {
        assert!(begun.elapsed() < PATIENCE, "{} tasks are left instead of {tasks}", alive());
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

fn resident_mib() -> f64 {
    const PAGE_BYTES: f64 = 4096.0;
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok());
    resident.unwrap_or(0.0) * PAGE_BYTES / f64::from(1 << 20)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_client_harms_the_server() {
    count_panics();
    let number =
        |variable: &str| std::env::var(variable).ok().map(|text| text.parse::<usize>().expect("a number"));
    let asked = number(MESSAGES);
    let wanted = asked.unwrap_or(MESSAGES_SAMPLE);
    let first = number(SEED).map_or(SEED_DEFAULT, |seed| seed as u64);
    let house = House::new();
    // The workspace's own tasks begin with its first session.
    let (warm, pipe) = house.session(house.workspace.root());
    let mut client = Client::start_on(pipe);
    client.ignore("window/workDoneProgress/create").await;
    client.initialize_as(&Profile::neovim(), &house.workspace.root_uri()).await;
    client.shutdown().await;
    warm.await.expect("the session ends");
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let (started, mut total, mut memory) = (Instant::now(), Counts::default(), resident_mib());
    let mut seed = first;
    while total.messages < wanted {
        let size = 200 + Dice::new(seed ^ 1).roll(2_500);
        let size = size.min(wanted - total.messages).max(1);
        let session = AssertUnwindSafe(async {
            let counts = converse(&house, seed, size).await;
            nothing_left(&house, tasks).await;
            counts
        });
        let Ok(counts) = session.catch_unwind().await else {
            panic!("session {seed} failed; repeat it with {SEED}={seed} {MESSAGES}={size}");
        };
        total.messages += counts.messages;
        total.compared += counts.compared;
        total.unparsed += counts.unparsed;
        total.applied += counts.applied;
        assert_eq!(house.stage.fault(), None, "with seed {seed}");
        assert_eq!(PANICS.load(Ordering::Relaxed), 0, "something panicked with seed {seed}");
        seed += 1;
        if seed - first == WARM_UP_SESSIONS {
            memory = resident_mib();
        }
        if asked.is_some() && (seed - first).is_multiple_of(20) {
            tell(&format!("protocol: {} of {wanted}, {:.0} MiB", total.messages, resident_mib()), started);
        }
    }
    let grown = resident_mib() - memory;
    let figures = format!(
        "{} messages in {} sessions, {} texts compared, {} prompts compared, {} edits applied, memory from {memory:.0} to \
         {:.0} MiB",
        total.messages,
        seed - first,
        total.compared,
        house.stage.prompts_read(),
        total.applied,
        resident_mib(),
    );
    tell(&figures, started);
    let is_warm = seed - first > WARM_UP_SESSIONS;
    assert!(grown < GROWTH_MIB_MAX || !is_warm, "the process grew by {grown:.0} MiB: {figures}");
    let unparsed = total.unparsed;
    let each = if asked.is_some() { PARSED_EACH_SOAK } else { PARSED_EACH_SAMPLE };
    assert!(unparsed <= UNPARSED_MAX + total.compared / each, "{unparsed} texts had no definitions: {figures}");
    // A failure that is repeated alone may be too short for everything to have happened.
    let all_seen = total.compared > 0 && total.applied > 0 && house.stage.prompts_read() > 0;
    assert!(all_seen || wanted < MESSAGES_SAMPLE, "{figures}");
    if asked.is_some() {
        kit::soak::record("protocol", first, &figures, started.elapsed().as_secs_f64());
    }
}

fn tell(what: &str, started: Instant) {
    use std::io::Write;
    // Without a terminal nobody is told, which is no failure.
    let _ = writeln!(std::io::stderr(), "{what}, {} s", started.elapsed().as_secs());
}
