//! Real editors on the real program, set up with the very lines that their READMEs tell people to use: Neovim without
//! a screen, and the hands that drive Helix in tmux. Refuses: sleeps, plugins, and passing in silence where there are no
//! editors: it says so loudly, and in CI accepts only the reason that `.make/editors` wrote down.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kit::TempWorkspace;
use kit::process::{Launch, Process, TempHome};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::process::{ChildStdin, ChildStdout};

use crate::project::{Daemon, json, root, serve, starter};

/// How long one wait for a screen may take, in seconds. Generous: a small machine loads a model for several tests.
const SCREEN_SECS_MAX: u64 = 100;
/// Most attempts at the menu before the server counts as not coming up.
const MENU_TRIES_MAX: usize = 2_000;
/// Most bytes of news about the screen read at once.
const CHANGE_BYTES_MAX: usize = 4_096;
/// Lines of a screen, the last of which is for messages.
const SCREEN_LINES: usize = 40;
/// Most editors on one home.
const EDITORS_MAX: usize = 4;
pub(crate) const ORIGINAL: &str = "def launch_rocket(fuel):\n    return fuel > 9000\n";
pub(crate) const EDITED: &str = "def launch_rocket(fuel):\n    return fuel >= 9001\n";

/// The folder with `nvim`, `hx` and `tmux`; `None` where they cannot be had, said loudly.
pub(crate) fn editors() -> Option<PathBuf> {
    let named = std::env::var_os("FAMILIAR_TEST_EDITORS").map(PathBuf::from);
    let must = named.is_some() || std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    let folder = named.unwrap_or_else(|| root().join("target/editors/bin"));
    if ["nvim", "hx", "tmux"].iter().all(|program| folder.join(program).exists()) {
        return Some(folder);
    }
    let reason = std::fs::read_to_string(folder.with_file_name("NOT-TESTED"));
    let missing = format!("there are no editors in {}: run `make test`, which brings them", folder.display());
    assert!(reason.is_ok() || !must, "{missing}");
    // Straight to the stream: what a passing test prints with a macro is never shown.
    let _ = writeln!(std::io::stderr(), "NOT TESTED: the editors. {}", reason.unwrap_or(missing).trim_end());
    None
}

/// The code block number `at` in `language` of an editor's README.
fn snippet(editor: &str, language: &str, at: usize) -> String {
    let path = root().join("editors").join(editor).join("README.md");
    let readme = std::fs::read_to_string(&path).expect("every editor has a README");
    let fence = format!("```{language}\n");
    let block = readme.split(&fence).nth(at + 1).and_then(|rest| rest.split("```").next());
    block.unwrap_or_else(|| panic!("{} has no {language} block {at}", path.display())).to_owned()
}

/// A git workspace with one Python file.
pub(crate) fn workspace() -> TempWorkspace {
    let workspace = TempWorkspace::new(&format!("//- /app.py\n{ORIGINAL}"));
    workspace.write(".git/HEAD", "ref: refs/heads/main\n");
    workspace
}

/// `launch` with the built program on the PATH under the name that people install, and the starter model.
pub(crate) fn with_familiar(home: &TempHome, launch: Launch) -> Launch {
    let programs = home.user_folder().join("programs");
    let link = programs.join("familiar");
    if !link.exists() {
        std::fs::create_dir_all(&programs).expect("made");
        std::os::unix::fs::symlink(kit::process::familiar_binary(), link).expect("linked");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path =
        std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&path))).expect("a PATH");
    launch.env("PATH", path).env("FAMILIAR_MODELS", starter().parent().expect("a file lies in a folder"))
}

/// A daemon in `home` whose model says EDITED and nothing else.
pub(crate) fn scripted_daemon(home: &TempHome) -> Daemon {
    daemon_saying(home, &json!([code(EDITED)]))
}

/// A daemon in `home` whose model gives these answers in their order, the last one again and again.
pub(crate) fn daemon_saying(home: &TempHome, replies: &Value) -> Daemon {
    let script = home.user_folder().join("script.json");
    std::fs::write(&script, json!({ "replies": replies }).to_string()).expect("written");
    serve(home.familiar(&["serve", "--scripted-model"]).arg(script))
}

/// An answer of the model: one block of code.
pub(crate) fn code(text: &str) -> Value {
    json!({ "text": [format!("```python\n{text}```\n")] })
}

/// An answer that begins with code and never ends.
pub(crate) fn endless() -> Value {
    json!({ "text": ["```python\ndef launch_rocket(fuel):\n", "    return fuel >= 9001\n"], "hang": true })
}

/// The first block of Neovim's README that is for those who use its own client alone.
const NEOVIM_BLOCK: usize = 1;

/// Runs a script of `tests/it/editors` in a Neovim whose whole configuration is `blocks` of the README.
pub(crate) fn in_neovim(
    editors: &Path,
    home: &TempHome,
    workspace: &TempWorkspace,
    blocks: usize,
    script: &str,
) -> Value {
    let scripts = root().join("tests/it/editors");
    let path = format!("package.path = {:?} .. package.path\n", format!("{}/?.lua;", scripts.display()));
    let blocks: String = (NEOVIM_BLOCK..NEOVIM_BLOCK + blocks).map(|at| snippet("neovim", "lua", at)).collect();
    let init = home.user_folder().join("init.lua");
    std::fs::write(&init, path + &blocks).expect("written");
    let neovim = home.program(&editors.join("nvim"), &["--headless", "--clean", "-n", "-u"]).arg(&init);
    let neovim = with_familiar(home, neovim).arg("-l").arg(scripts.join(script)).in_folder(workspace.root());
    let shown = neovim.run().success();
    json(shown.lines().last().unwrap_or_else(|| panic!("{script} reported nothing")))
}

#[test]
fn neovim_explains_with_its_own_code_actions() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    let seen = in_neovim(&editors, &home, &workspace, 1, "explain.lua");
    assert_eq!(seen["root"].as_str(), workspace.root().to_str(), "the README's marker finds the project");
    let titles = seen["titles"].as_array().expect("titles");
    let has = |word: &str| titles.iter().any(|title| title.as_str().is_some_and(|title| title.contains(word)));
    assert!(
        has("Document") && !has("instruction"),
        "without our plugin nobody would ask for the words: {titles:?}"
    );
    let (name, text) = (seen["name"].as_str().expect("a name"), seen["text"].as_str().expect("a text"));
    check_document(Path::new(name), text);
    assert!(!Path::new(name).starts_with(workspace.root()), "nothing is written into the workspace: {name}");
}

#[test]
fn neovim_edits_by_instruction_and_one_undo_takes_it_back() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    let _daemon = scripted_daemon(&home);
    let seen = in_neovim(&editors, &home, &workspace, 2, "edit.lua");
    assert_eq!(seen["prompt"], "Familiar, edit: ");
    assert_eq!(seen["edited"], EDITED.trim_end());
    assert_eq!(seen["undone"], ORIGINAL.trim_end());
    assert_eq!(workspace.read("app.py"), ORIGINAL, "nothing is saved");
}

#[test]
fn neovim_reverts_a_change_with_its_own_code_actions() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    let _daemon = scripted_daemon(&home);
    let seen = in_neovim(&editors, &home, &workspace, 2, "review.lua");
    let message = "Changed here, 1 of 1, keep or revert: be careful with the fuel";
    assert_eq!((&seen["message"], &seen["severity"]), (&json!(message), &json!(3)));
    let titles = seen["titles"].as_array().expect("titles");
    assert!(titles[0].as_str().is_some_and(|title| title.contains("Keep change 1 of 1")), "{titles:?}");
}

/// An explanation of the file: its heading, and the lines it rests on as a link into the workspace.
pub(crate) fn check_document(path: &Path, text: &str) {
    assert!(path.extension().is_some_and(|end| end == "md"), "{}", path.display());
    assert!(text.starts_with("# Explain app.py:1-"), "{text}");
    assert!(text.contains("[app.py:1-") && text.contains("/app.py#L1)"), "{text}");
}

/// Helix in a tmux of its own, with the settings of its README. A second tmux that follows the first one tells when the
/// screen changes. Both end with the home, whatever happens.
pub(crate) struct Helix<'a> {
    home: &'a TempHome,
    tmux: PathBuf,
    socket: PathBuf,
    changes: ChildStdout,
    // Held open: a follower without input ends.
    _input: ChildStdin,
    _follower: Process,
}

impl<'a> Helix<'a> {
    pub(crate) async fn open(editors: &Path, home: &'a TempHome, workspace: &TempWorkspace) -> Self {
        let settings = home.user_folder().join("settings/helix");
        std::fs::create_dir_all(&settings).expect("made");
        std::fs::write(settings.join("languages.toml"), snippet("helix", "toml", 0)).expect("written");
        let config = snippet("helix", "toml", 1) + &snippet("helix", "toml", 2);
        std::fs::write(settings.join("config.toml"), config).expect("written");
        Self::start(editors, home, workspace, settings.parent().expect("a folder")).await
    }

    /// The same with the configuration that lies in `settings` already.
    pub(crate) async fn start(
        editors: &Path,
        home: &'a TempHome,
        workspace: &TempWorkspace,
        settings: &Path,
    ) -> Self {
        let tmux = editors.join("tmux");
        let mut sockets = (0..EDITORS_MAX).map(|number| home.runtime_folder().join(format!("tmux{number}")));
        let socket = sockets.find(|socket| !socket.exists()).expect("few editors on one home");
        let lines = SCREEN_LINES.to_string();
        let session = ["-f", "/dev/null", "new-session", "-d", "-s", "hx", "-x", "110", "-y", lines.as_str()];
        let start = tmux_in(home, &tmux, &socket, &session);
        let start = with_familiar(home, start).env("XDG_CONFIG_HOME", settings);
        start.arg(editors.join("hx")).arg("app.py").in_folder(workspace.root()).run().success();
        let follow = tmux_in(home, &tmux, &socket, &["-C", "attach-session", "-f", "ignore-size", "-t", "hx"]);
        let (follower, output, input) = follow.spawn_piped();
        let mut helix = Self { home, tmux, socket, changes: output, _input: input, _follower: follower };
        helix.shows("def launch_rocket").await;
        helix
    }

    /// Presses keys, as tmux names them, in one go.
    pub(crate) fn press(&self, keys: &[&str]) {
        let keys = [&["send-keys", "-t", "hx"], keys].concat();
        tmux_in(self.home, &self.tmux, &self.socket, &keys).run().success();
    }

    fn screen(&self) -> String {
        tmux_in(self.home, &self.tmux, &self.socket, &["capture-pane", "-p", "-t", "hx"]).run().success()
    }

    /// Looks at the screen now and after each change until `find` finds something there.
    pub(crate) async fn wait_for<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let limit = tokio::time::Instant::now() + Duration::from_secs(SCREEN_SECS_MAX);
        loop {
            let screen = self.screen();
            if let Some(found) = find(&screen) {
                return found;
            }
            // Any bytes mean a change; half a character is as good as a whole one.
            let change = tokio::time::timeout_at(limit, self.changes.read(&mut [0; CHANGE_BYTES_MAX])).await;
            let change = change.unwrap_or_else(|_| panic!("waited for {what}; the screen shows:\n{screen}"));
            assert!(change.expect("tmux can be read") > 0, "waited for {what}, but Helix ended:\n{screen}");
        }
    }

    /// Waits until the screen shows `text`, and returns the screen.
    pub(crate) async fn shows(&mut self, text: &str) -> String {
        self.wait_for(&format!("{text:?}"), |screen| screen.contains(text).then(|| screen.to_owned())).await
    }

    /// Waits until the screen shows no `text`, and returns the screen.
    pub(crate) async fn hides(&mut self, text: &str) -> String {
        self.wait_for(&format!("no {text:?}"), |screen| (!screen.contains(text)).then(|| screen.to_owned())).await
    }

    /// Opens the menu of code actions and returns its lines. Asks again while the server is coming up.
    pub(crate) async fn menu(&mut self) -> Vec<String> {
        for _ in 0..MENU_TRIES_MAX {
            // The list of keys takes the place of what an attempt before this one left.
            self.press(&["Space"]);
            self.shows("Perform code action").await;
            self.press(&["a"]);
            let titles = self.wait_for("the menu", |screen| {
                if screen.contains("Perform code action") {
                    return None;
                }
                let titles = entries(screen);
                let refused = ["No configured language server", "No code actions available"];
                let refused = refused.iter().any(|reason| screen.contains(reason));
                (!titles.is_empty() || refused).then_some(titles)
            });
            let titles = titles.await;
            if !titles.is_empty() {
                return titles;
            }
        }
        panic!("the server never came up:\n{}", self.screen());
    }

    /// Closes that menu.
    pub(crate) async fn close_menu(&mut self) {
        self.press(&["Escape"]);
        // Escape with a key right behind it is another key: the menu has to be gone before the next one.
        self.wait_for("no menu", |screen| entries(screen).is_empty().then_some(())).await;
    }

    /// Waits until the server answers.
    pub(crate) async fn ready(&mut self) {
        self.menu().await;
        self.close_menu().await;
    }

    /// Takes the first entry with `title` in it from the menu, as soon as it is offered. It has to be among the first
    /// ten, which are those that Helix shows.
    pub(crate) async fn choose(&mut self, title: &str) {
        let limit = tokio::time::Instant::now() + Duration::from_secs(SCREEN_SECS_MAX);
        while tokio::time::Instant::now() < limit {
            let titles = self.menu().await;
            if let Some(at) = titles.iter().position(|entry| entry.contains(title)) {
                // The first entry is chosen already.
                for _ in 0..at {
                    self.press(&["Down"]);
                }
                return self.press(&["Enter"]);
            }
            self.close_menu().await;
        }
        self.menu().await;
        panic!("the menu never offered {title:?}:\n{}", self.screen());
    }

    /// Asks for an edit of the selected lines with the key of the README.
    pub(crate) async fn edit(&mut self, words: &str) {
        self.press(&["Space", "i", "i"]);
        self.shows("%{file_path_absolute}\" \"").await;
        self.press(&["-l", words]);
        self.press(&["Enter"]);
    }

    /// Types a line below the one of the cursor.
    pub(crate) async fn add_line(&mut self, line: &str) {
        self.press(&["o"]);
        self.shows(" INS ").await;
        self.press(&["-l", line]);
        self.shows(line).await;
        self.press(&["Escape"]);
        self.shows(" NOR ").await;
    }

    /// Types a command and sends it.
    pub(crate) fn command(&self, command: &str) {
        let command = format!(":{command}");
        self.press(&["-l", command.as_str()]);
        self.press(&["Enter"]);
    }

    /// Saves, and waits until that is done.
    pub(crate) async fn save(&mut self) {
        self.command("w");
        self.shows("' written").await;
    }

    /// Leaves without saving, and waits for the end.
    pub(crate) async fn quit(mut self) {
        self.command("q!");
        let mut rest = Vec::new();
        let ended = self.changes.read_to_end(&mut rest);
        let limit = Duration::from_secs(SCREEN_SECS_MAX);
        let ended = tokio::time::timeout(limit, ended).await;
        ended.unwrap_or_else(|_| panic!("Helix stays:\n{}", self.screen())).expect("tmux can be read");
    }
}

/// The lines of the menu of code actions. Helix shows progress and messages in the last line of the screen, and the diff of
/// a proposal begins with our name.
fn entries(screen: &str) -> Vec<String> {
    let lines = screen.lines().take(SCREEN_LINES - 1);
    let is_entry = |line: &&str| line.contains("Familiar: ") && !line.contains("# Familiar: ");
    lines.filter(is_entry).map(Into::into).collect()
}

/// tmux with this socket, in `home`.
fn tmux_in(home: &TempHome, tmux: &Path, socket: &Path, args: &[&str]) -> Launch {
    let launch = home.program(tmux, &["-u", "-S"]).arg(socket);
    let launch = launch.env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
    args.iter().fold(launch, Launch::arg)
}
