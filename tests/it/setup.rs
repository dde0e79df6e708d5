//! `familiar setup` on real files in homes of their own, and the real editors with what it wrote. Refuses: a set-up that
//! takes anything away, and one that cannot be taken back to the byte.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use kit::process::{Launch, TempHome};

use crate::editors::{Helix, ORIGINAL, editors, scripted_daemon, with_familiar, workspace};
use crate::project::{json, root};

/// Most folders that a home has one below the other.
const DEPTH_MAX: usize = 32;

/// `familiar setup ARGS` in `home`, with the programs of these folders in front of the PATH.
fn setup(home: &TempHome, folders: &[&Path], args: &[&str]) -> Launch {
    let launch = with_familiar(home, home.program(&kit::process::familiar_binary(), &["setup"]));
    let launch = args.iter().fold(launch, Launch::arg);
    let own = home.user_folder().join("programs");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = folders.iter().map(|folder| (*folder).to_owned()).chain([own]).chain(std::env::split_paths(&path));
    launch.env("PATH", std::env::join_paths(all).expect("a PATH"))
}

/// Every file below a folder with its text; links by where they lead.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    fn collect(folder: &Path, depth: usize, found: &mut BTreeMap<PathBuf, String>) {
        assert!(depth < DEPTH_MAX);
        let Ok(entries) = fs::read_dir(folder) else { return };
        for path in entries.map(|entry| entry.expect("readable").path()) {
            if let Ok(target) = fs::read_link(&path) {
                found.insert(path, format!("-> {}", target.display()));
            } else if path.is_dir() {
                collect(&path, depth + 1, found);
            } else {
                let text = fs::read(&path).expect("readable");
                found.insert(path, String::from_utf8_lossy(&text).into_owned());
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(folder, 0, &mut found);
    found
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

/// The servers that Helix says a language has, with the configuration of this home.
fn helix_servers(editors: &Path, home: &TempHome, language: &str) -> Vec<String> {
    let said = home.program(&editors.join("hx"), &["--health", language]).run();
    assert_eq!(said.stderr, "", "Helix reads its configuration without a complaint");
    let said = said.success();
    let rows = said.lines().skip_while(|line| !line.contains("language servers:")).skip(1);
    let rows = rows.take_while(|line| line.starts_with("  "));
    rows.filter_map(|row| row.trim_start().split(": ").next()?.split(' ').nth(1).map(str::to_owned)).collect()
}

#[test]
fn neovim_attaches_with_what_was_written() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    let before = files(&home.user_folder().join(".local"));
    let told = setup(&home, &[&editors], &["neovim"]).run().success();
    assert!(told.starts_with("NVIM v") && told.contains("next: "), "{told}");
    let written = files(&home.user_folder().join(".local"));
    let again = setup(&home, &[&editors], &["neovim"]).run().success();
    assert!(again.contains("nothing to do"), "{again}");
    assert_eq!(files(&home.user_folder().join(".local")), written, "a second time changes nothing");

    let scripts = root().join("tests/it/editors");
    let search = format!("lua package.path = {:?} .. package.path", format!("{}/?.lua;", scripts.display()));
    // As late as a user's first key: the client begins once Neovim has started.
    let script = format!(
        "autocmd VimEnter * ++nested lua local ok, why = pcall(dofile, {:?}) \
         if not ok then io.stderr:write(why) end vim.cmd('qall!')",
        scripts.join("attach.lua")
    );
    let neovim = home.program(&editors.join("nvim"), &["--headless", "-n", "--cmd", &search, "--cmd", &script]);
    let shown = with_familiar(&home, neovim).in_folder(workspace.root()).run();
    let line = shown.stdout.lines().last().unwrap_or_else(|| panic!("nothing was reported: {}", shown.stderr));
    let seen = json(line);
    let own = home.user_folder().join("programs/familiar");
    assert_eq!(seen["cmd"][0].as_str(), own.to_str(), "the program is named by its full path");
    assert_eq!(seen["root"].as_str(), workspace.root().to_str());
    let help = seen["help"].as_array().expect("a list");
    assert!(help.iter().any(|tag| tag == "familiar.txt"), "`:help familiar` finds its page: {help:?}");

    setup(&home, &[&editors], &["neovim", "--undo"]).run().success();
    let left = files(&home.user_folder().join(".local/share/nvim"));
    assert_eq!(left, BTreeMap::new());
    assert!(before.is_empty());
}

#[test]
fn neovim_keeps_what_is_not_ours() {
    let home = TempHome::new();
    let package = home.user_folder().join(".local/share/lazy/site/pack/familiar/start/familiar");
    let run = |args: &[&str]| setup(&home, &[], args).env("NVIM_APPNAME", "lazy").run();
    write(&package.join("plugin/familiar.lua"), "-- mine\n");
    let refused = run(&["neovim"]).failure(1);
    assert!(refused.contains("plugin/familiar.lua was not written by this command"), "{refused}");
    assert_eq!(files(&package).len(), 1);
    fs::remove_dir_all(&package).expect("it goes");
    run(&["neovim"]).success();
    write(&package.join("lua/mine.lua"), "return 1\n");
    write(&package.join("plugin/familiar.lua"), "-- changed\n");
    let refused = run(&["neovim"]).failure(1);
    assert!(refused.contains("was changed since it was written"), "{refused}");
    let told = run(&["neovim", "--undo"]).success();
    assert!(told.contains("was changed since, so it stays"), "{told}");
    let left: Vec<_> = files(&package).into_keys().collect();
    assert_eq!(left, [package.join("lua/mine.lua"), package.join("plugin/familiar.lua")]);
    let odd = setup(&home, &[], &["neovim"]).env("NVIM_APPNAME", "../up").run().failure(1);
    assert!(odd.contains("no name"), "{odd}");
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_edits_by_instruction_with_what_was_written() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    let settings = home.user_folder().join(".config");
    write(&settings.join("helix/config.toml"), "[keys.normal]\nspace.w = \":w\"\n");
    setup(&home, &[&editors], &["helix"]).run().success();
    let _daemon = scripted_daemon(&home);
    let mut helix = Helix::start(&editors, &home, &workspace, &settings).await;
    assert!(!helix.menu().await.is_empty());
    helix.press(&["Escape"]);
    helix.wait_for("no menu", |screen| (!screen.contains("Familiar:")).then_some(())).await;
    helix.press(&["x", "x"]);
    helix.press(&["Space", "i", "i"]);
    helix.wait_for("the command line", |screen| screen.contains("%{file_path_absolute}\" \"").then_some(())).await;
    helix.press(&["-l", "be careful with the fuel"]);
    helix.press(&["Enter"]);
    helix.wait_for("the edit", |screen| screen.contains("return fuel >= 9001").then_some(())).await;
    helix.quit().await;
    assert_eq!(workspace.read("app.py"), ORIGINAL, "nothing is saved");
}

#[test]
fn helix_keeps_every_server_of_every_language() {
    let Some(editors) = editors() else { return };
    let home = TempHome::new();
    let settings = home.user_folder().join(".config/helix");
    let languages = "\
# Mine.
use-grammars = { only = [\"rust\", \"python\"] }

# Rust, as I like it.
[[language]]
name = \"rust\"
language-servers = [
  \"rust-analyzer\", # the usual one
  \"mine\",
]

[[language]]
name = \"go\"
auto-format = false

[[language]]
name = \"mylang\"
scope = \"source.mylang\"
file-types = [\"mylang\"]
language-servers = [\"mine\"]

[language-server.mine]
command = \"mine\"
";
    let config = "theme = \"base16_default\"\n\n[keys.normal]\nspace = { w = \":w\" } # save\n";
    write(&settings.join("languages.toml"), languages);
    write(&settings.join("config.toml"), config);
    let names = ["rust", "go", "mylang", "python", "typescript", "c", "yaml", "make", "bash", "markdown"];
    let servers = || names.map(|name| helix_servers(&editors, &home, name));
    let (own, before) = (servers(), files(&settings));
    assert_eq!(own[0], ["rust-analyzer", "mine"]);

    let preview = setup(&home, &[&editors], &["helix", "--dry-run"]).run().success();
    assert!(preview.contains("+[language-server.familiar]"), "{preview}");
    assert_eq!(files(&settings), before, "a preview writes nothing");

    let told = setup(&home, &[&editors], &["helix"]).run().success();
    assert!(told.contains("languages.toml") && told.contains("next: "), "{told}");
    for (name, (own, now)) in names.iter().zip(own.iter().zip(servers())) {
        assert_eq!(now, [own.clone(), vec!["familiar".to_owned()]].concat(), "{name}");
    }
    let written = files(&settings);
    assert_eq!(written[&settings.join("languages.toml.before-familiar")], languages, "a copy lies beside it");
    let again = setup(&home, &[&editors], &["helix"]).run().success();
    assert!(again.contains("nothing to do"), "{again}");
    assert_eq!(files(&settings), written, "a second time changes nothing");

    setup(&home, &[&editors], &["helix", "--undo"]).run().success();
    assert_eq!(files(&settings), before, "undone to the byte, copies included");

    // What the user adds later stays.
    setup(&home, &[&editors], &["helix"]).run().success();
    let path = settings.join("languages.toml");
    let later =
        fs::read_to_string(&path).expect("readable") + "\n[[language]]\nname = \"zig\"\nauto-format = true\n";
    fs::write(&path, later).expect("written");
    setup(&home, &[&editors], &["helix", "--undo"]).run().success();
    let undone = fs::read_to_string(&path).expect("readable");
    assert_eq!(undone, format!("{languages}\n[[language]]\nname = \"zig\"\nauto-format = true\n"));
}

#[test]
fn helix_without_files_gets_them_and_loses_them_again() {
    let Some(editors) = editors() else { return };
    let home = TempHome::new();
    let settings = home.user_folder().join(".config");
    setup(&home, &[&editors], &["helix"]).run().success();
    assert_eq!(files(&settings).len(), 2, "no copy of nothing");
    assert!(helix_servers(&editors, &home, "rust").contains(&"familiar".to_owned()));
    setup(&home, &[&editors], &["helix", "--undo"]).run().success();
    assert_eq!(files(&settings), BTreeMap::new());
    let nothing = setup(&home, &[&editors], &["helix", "--undo"]).run().success();
    assert!(nothing.contains("nothing to do"), "{nothing}");
}

#[test]
fn helix_files_that_cannot_be_changed_are_left_alone() {
    let Some(editors) = editors() else { return };
    let home = TempHome::new();
    let settings = home.user_folder().join(".config/helix");
    let languages = settings.join("languages.toml");
    let refuse = |words: &str| {
        let before = files(&settings);
        let told = setup(&home, &[&editors], &["helix"]).run().failure(1);
        assert!(told.contains(words) && told.contains("hint: "), "{told}");
        assert_eq!(files(&settings), before, "nothing is changed");
    };
    write(&settings.join("config.toml"), "theme = \"base16_default\"\n");
    write(&languages, "[[language]]\nname = \n");
    refuse("line 2");
    fs::write(&languages, b"name = \"\xff\"\n").expect("written");
    refuse("not UTF-8");
    write(&languages, "language = [{ name = \"rust\" }]\n");
    refuse("takes no more");
    write(&languages, "# mine\n");
    write(&settings.join("config.toml"), "theme =\n");
    refuse("config.toml");
    write(&settings.join("config.toml"), "");
    fs::set_permissions(&languages, fs::Permissions::from_mode(0o444)).expect("a mode");
    refuse("read-only");
    fs::remove_file(&languages).expect("it goes");
    symlink("/no/such/file", &languages).expect("a link");
    refuse("leads nowhere");
    fs::remove_file(&languages).expect("it goes");
    fs::create_dir(&languages).expect("a folder");
    refuse("no file");
}

#[test]
fn a_folder_of_dotfiles_stays_one() {
    let Some(editors) = editors() else { return };
    let home = TempHome::new();
    let (dotfiles, settings) = (home.user_folder().join("dotfiles"), home.user_folder().join(".config/helix"));
    fs::create_dir_all(&settings).expect("made");
    for (name, text) in [("languages.toml", "# mine\n"), ("config.toml", "theme = \"base16_default\"\n")] {
        write(&dotfiles.join(name), text);
        fs::set_permissions(dotfiles.join(name), fs::Permissions::from_mode(0o640)).expect("a mode");
        symlink(dotfiles.join(name), settings.join(name)).expect("a link");
    }
    let (links, before) = (files(&settings), files(&dotfiles));
    setup(&home, &[&editors], &["helix"]).run().success();
    assert_eq!(files(&settings), links, "the links stay links");
    let written = dotfiles.join("languages.toml");
    assert!(fs::read_to_string(&written).expect("readable").contains("[language-server.familiar]"));
    let mode = fs::metadata(&written).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o640, "permissions stay");
    setup(&home, &[&editors], &["helix", "--undo"]).run().success();
    assert_eq!((files(&settings), files(&dotfiles)), (links, before));
}

/// VS Code itself is tried apart, because it is a heavy download; here its command is one that notes what it is asked.
#[test]
fn vs_code_is_asked_to_install_the_extension() {
    let home = TempHome::new();
    let programs = home.user_folder().join("fake");
    let (log, list) = (home.user_folder().join("asked"), home.user_folder().join("installed"));
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --list-extensions ]; then cat '{}'; else echo \"$@\" >> '{}'; fi\n",
        list.display(),
        log.display()
    );
    write(&programs.join("codium"), &script);
    fs::set_permissions(programs.join("codium"), fs::Permissions::from_mode(0o755)).expect("a mode");
    write(&list, "other.one\n");
    let vsix = home.user_folder().join("familiar.vsix");
    let missing = setup(&home, &[&programs], &["vscode", "--vsix", "nothing.vsix"]).run().failure(1);
    assert!(missing.contains("nothing.vsix"), "{missing}");
    write(&vsix, "");
    let vsix = vsix.to_str().expect("a path");
    let preview = setup(&home, &[&programs], &["vscode", "--vsix", vsix, "--dry-run"]).run().success();
    assert!(preview.contains("--install-extension") && !log.exists(), "{preview}");
    setup(&home, &[&programs], &["vscode", "--vsix", vsix]).run().success();
    assert_eq!(fs::read_to_string(&log).expect("asked"), format!("--install-extension {vsix} --force\n"));
    let nothing = setup(&home, &[&programs], &["vscode", "--undo"]).run().success();
    assert!(nothing.contains("nothing to do"), "{nothing}");
    write(&list, "other.one\nfamiliar.familiar\n");
    setup(&home, &[&programs], &["vscode", "--undo"]).run().success();
    let asked = fs::read_to_string(&log).expect("asked");
    assert!(asked.ends_with("--uninstall-extension familiar.familiar\n"), "{asked}");
}

#[test]
fn without_an_editor_it_says_which_are_here() {
    let home = TempHome::new();
    let empty = home.user_folder().join("empty");
    fs::create_dir(&empty).expect("made");
    let none = setup(&home, &[], &[]).env("PATH", &empty).run().success();
    for words in ["VS Code is not here", "Neovim is not here", "Helix is not here"] {
        assert!(none.contains(words), "{none}");
    }
    let helix = setup(&home, &[], &["helix"]).env("PATH", &empty).run().failure(1);
    assert!(helix.contains("Helix is not here") && helix.contains("hint: "), "{helix}");
    for (args, words) in [
        (&["--undo"][..], "required"),
        (&["emacs"], "invalid value 'emacs'"),
        (&["helix", "--vsix", "x"], "--vsix belongs to VS Code"),
    ] {
        let told = setup(&home, &[], args).run().failure(2);
        assert!(told.contains(words), "{told}");
    }
    let Some(editors) = editors() else { return };
    let all = setup(&home, &[&editors], &[]).run().success();
    assert!(all.contains("NVIM v") && all.contains("helix 2") && all.contains("familiar setup helix"), "{all}");
}
