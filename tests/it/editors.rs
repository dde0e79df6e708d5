//! Real editors on the real program, set up with the very lines that their READMEs tell people to use: Neovim without
//! a screen, Helix in tmux. Refuses: sleeps, plugins, and passing in silence where there are no editors: it says so
//! loudly, and in CI accepts only the reason that `.make/editors` wrote down.

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
pub(crate) const ORIGINAL: &str = "def launch_rocket(fuel):\n    return fuel > 9000\n";
const EDITED: &str = "def launch_rocket(fuel):\n    return fuel >= 9001\n";

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
    let script = home.user_folder().join("script.json");
    let replies = json!({ "replies": [{ "text": [format!("```python\n{EDITED}```\n")] }] });
    std::fs::write(&script, replies.to_string()).expect("written");
    serve(home.familiar(&["serve", "--scripted-model"]).arg(script))
}

/// The first block of Neovim's README that is for those who use its own client alone.
const NEOVIM_BLOCK: usize = 1;

/// Runs a script of `tests/it/editors` in a Neovim whose whole configuration is `blocks` of the README.
fn in_neovim(editors: &Path, home: &TempHome, workspace: &TempWorkspace, blocks: usize, script: &str) -> Value {
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
    let message = "Edit app.py changed here, 1 of 1: keep or revert: be careful with the fuel";
    assert_eq!((&seen["message"], &seen["severity"]), (&json!(message), &json!(3)));
    let titles = seen["titles"].as_array().expect("titles");
    assert!(titles[0].as_str().is_some_and(|title| title.contains("Keep change 1 of 1")), "{titles:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_explains_with_its_own_code_actions() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    let mut helix = Helix::open(&editors, &home, &workspace).await;
    let titles = helix.menu().await;
    let explain = titles.iter().position(|title| title.contains("Explain")).expect("the menu offers Explain");
    // The first entry is chosen already.
    for _ in 0..explain {
        helix.press(&["Down"]);
    }
    helix.press(&["Enter"]);
    helix.wait_for("the answer", |screen| screen.contains("# Explain app.py:").then_some(())).await;
    let documents = home.root().join("data/documents");
    let made = std::fs::read_dir(&documents).expect("documents").next().expect("one").expect("readable").path();
    check_document(&made, &std::fs::read_to_string(&made).expect("the document is there"));
    helix.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_edits_by_instruction_and_one_undo_takes_it_back() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    let _daemon = scripted_daemon(&home);
    let mut helix = Helix::open(&editors, &home, &workspace).await;
    helix.menu().await;
    helix.press(&["Escape"]);
    helix.wait_for("no menu", |screen| (!screen.contains("Familiar:")).then_some(())).await;
    helix.press(&["x", "x"]);
    helix.press(&["Space", "i", "i"]);
    helix.wait_for("the command line", |screen| screen.contains("%{file_path_absolute}\" \"").then_some(())).await;
    helix.press(&["-l", "be careful with the fuel\""]);
    helix.press(&["Enter"]);
    helix.wait_for("the edit", |screen| screen.contains("return fuel >= 9001").then_some(())).await;
    helix.press(&["u"]);
    let undone = |screen: &str| (screen.contains("return fuel > 9000") && !screen.contains("9001")).then_some(());
    helix.wait_for("the undo", undone).await;
    helix.quit().await;
    assert_eq!(workspace.read("app.py"), ORIGINAL, "nothing is saved");
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_reverts_a_change_with_its_own_code_actions() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    let _daemon = scripted_daemon(&home);
    let mut helix = Helix::open(&editors, &home, &workspace).await;
    helix.menu().await;
    helix.press(&["Escape"]);
    helix.wait_for("no menu", |screen| (!screen.contains("Familiar:")).then_some(())).await;
    helix.press(&["x", "x"]);
    helix.press(&["Space", "i", "i"]);
    helix.wait_for("the command line", |screen| screen.contains("%{file_path_absolute}\" \"").then_some(())).await;
    helix.press(&["-l", "be careful with the fuel\""]);
    helix.press(&["Enter"]);
    helix.wait_for("the edit", |screen| screen.contains("return fuel >= 9001").then_some(())).await;
    let mut revert = None;
    for _ in 0..MENU_TRIES_MAX {
        // The mark comes right behind the edit; until it is there the menu is the usual one.
        let titles = helix.menu().await;
        revert = titles.iter().position(|title| title.contains("Revert change 1 of 1"));
        if revert.is_some() {
            break;
        }
        helix.press(&["Escape"]);
        // Escape with a key right behind it is another key: the menu has to be gone before the next attempt.
        let is_gone = |screen: &str| titles.iter().any(|title| !screen.contains(title.as_str())).then_some(());
        helix.wait_for("no menu", is_gone).await;
    }
    for _ in 0..revert.expect("the menu offers to revert the change") {
        helix.press(&["Down"]);
    }
    helix.press(&["Enter"]);
    let back = |screen: &str| (screen.contains("return fuel > 9000") && !screen.contains("9001")).then_some(());
    helix.wait_for("the change taken back", back).await;
    helix.quit().await;
    assert_eq!(workspace.read("app.py"), ORIGINAL, "nothing is saved");
}

/// An explanation of the file: its heading, and the lines it rests on as a link into the workspace.
fn check_document(path: &Path, text: &str) {
    assert!(path.extension().is_some_and(|end| end == "md"), "{}", path.display());
    assert!(text.starts_with("# Explain app.py:1-"), "{text}");
    assert!(text.contains("[app.py:1-") && text.contains("/app.py#L1)"), "{text}");
}

/// Helix in a tmux of its own, with the settings of its README. A second tmux that follows the first one tells when the
/// screen changes. Both end with the home, whatever happens.
pub(crate) struct Helix<'a> {
    home: &'a TempHome,
    tmux: PathBuf,
    changes: ChildStdout,
    // Held open: a follower without input ends.
    _input: ChildStdin,
    _follower: Process,
}

impl<'a> Helix<'a> {
    async fn open(editors: &Path, home: &'a TempHome, workspace: &TempWorkspace) -> Self {
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
        let start =
            tmux_in(home, &tmux, &["-f", "/dev/null", "new-session", "-d", "-s", "hx", "-x", "110", "-y", "40"]);
        let start = with_familiar(home, start).env("XDG_CONFIG_HOME", settings);
        start.arg(editors.join("hx")).arg("app.py").in_folder(workspace.root()).run().success();
        let follow = tmux_in(home, &tmux, &["-C", "attach-session", "-f", "ignore-size", "-t", "hx"]);
        let (follower, output, input) = follow.spawn_piped();
        let mut helix = Self { home, tmux, changes: output, _input: input, _follower: follower };
        helix.wait_for("the file", |screen| screen.contains("def launch_rocket").then_some(())).await;
        helix
    }

    /// Presses keys, as tmux names them, in one go.
    pub(crate) fn press(&self, keys: &[&str]) {
        let keys = [&["send-keys", "-t", "hx"], keys].concat();
        tmux_in(self.home, &self.tmux, &keys).run().success();
    }

    fn screen(&self) -> String {
        tmux_in(self.home, &self.tmux, &["capture-pane", "-p", "-t", "hx"]).run().success()
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

    /// Opens the menu of code actions and returns its lines. Asks again while the server is coming up.
    pub(crate) async fn menu(&mut self) -> Vec<String> {
        for _ in 0..MENU_TRIES_MAX {
            // The list of keys takes the place of what an attempt before this one left.
            self.press(&["Space"]);
            self.wait_for("the keys of Space", |screen| screen.contains("Perform code action").then_some(()))
                .await;
            self.press(&["a"]);
            let titles = self.wait_for("the menu", |screen| {
                if screen.contains("Perform code action") {
                    return None;
                }
                let titles: Vec<String> =
                    screen.lines().filter(|line| line.contains("Familiar:")).map(Into::into).collect();
                (!titles.is_empty() || screen.contains("No configured language server")).then_some(titles)
            });
            let titles = titles.await;
            if !titles.is_empty() {
                return titles;
            }
        }
        panic!("the server never came up:\n{}", self.screen());
    }

    /// Leaves without saving, and waits for the end.
    pub(crate) async fn quit(mut self) {
        self.press(&["-l", ":q!"]);
        self.press(&["Enter"]);
        let mut rest = Vec::new();
        let ended = self.changes.read_to_end(&mut rest);
        let limit = Duration::from_secs(SCREEN_SECS_MAX);
        let ended = tokio::time::timeout(limit, ended).await;
        ended.unwrap_or_else(|_| panic!("Helix stays:\n{}", self.screen())).expect("tmux can be read");
    }
}

/// tmux with a socket of its own, in `home`.
fn tmux_in(home: &TempHome, tmux: &Path, args: &[&str]) -> Launch {
    let launch = home.program(tmux, &["-u", "-S"]).arg(home.runtime_folder().join("tmux"));
    let launch = launch.env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
    args.iter().fold(launch, Launch::arg)
}
