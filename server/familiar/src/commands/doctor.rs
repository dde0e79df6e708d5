//! `familiar doctor`: every link of the chain, tried for real, each failure with its fix.
//!
//! Refuses: ending at the first failure, and changing anything but its own temporary folder and missing folders of the
//! home.

mod kept;

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Instant;

use app::{App, AppError, Backend, Config, Home, Parts, counted, list_image_models, list_models, verify_model};
use clap::Args;
use futures::StreamExt;
use model::{ChatEvent, ChatRequest, Message, Priority, Role, Sampling};

use super::index;
use crate::build_id::BuildId;
use crate::context::{Context, read_config};
use crate::daemon::attach::{self, Daemon};
use crate::failure::{FAILED, Failure};
use crate::render::{self, Style};
use crate::wiring::{Workers, check_image_model};
use crate::{home, os};

/// A file that must be found by its index.
const SAMPLE: &str = "def familiar_doctor_sample(x):\n    return x + 1\n";
const SAMPLE_NAME: &str = "familiar_doctor_sample";

/// Try every link of the chain and say how to repair what fails.
#[derive(Debug, Args)]
pub(crate) struct Doctor {}

/// What a check found: a word on what is well, or what is wrong.
type Finding = Result<String, Failure>;

impl Doctor {
    /// Tries everything; 1 when anything failed.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        let mut report = Report { style: Style::of_output(), failed: 0 };
        let build = BuildId::own();
        let words = build.as_ref().map(|build| format!("{} {build}", os::program_name()));
        report.tell("binary", words.map_err(Clone::clone), "install it again, readable for this user")?;
        let home = home::from_environment();
        let writable = home.clone().and_then(|home| home_writable(&home));
        report.tell("home", writable, "make its folders writable, or set FAMILIAR_HOME to another folder")?;
        // Without them there is nothing that the other links could hang on.
        if let (Ok(build), Ok(home)) = (build, home) {
            links(&mut report, build, home).await?;
        }
        if report.failed == 0 {
            return Ok(0);
        }
        render::output(&format!("\n{} of these failed\n", report.failed))?;
        Ok(FAILED)
    }
}

/// Tries what lies behind a home, with the defaults where the configuration cannot be read.
async fn links(report: &mut Report, build: BuildId, home: Home) -> std::io::Result<()> {
    let (config, finding) = configuration(&home);
    report.tell("config", finding, "repair the file or move it away")?;
    let context = Context { home, config, build };
    let daemon = attach::find(&context.home).await;
    report.tell("daemon", running(&daemon), "`familiar stop` ends it; the next command starts it anew")?;
    let daemon = daemon.ok().flatten();
    report.tell("port", port(&context, daemon.as_ref()), "`familiar serve --port N` with a free port")?;
    let file = model_file(&context);
    let usable = file.as_ref().ok().map(|(path, _)| path.clone());
    report.tell("model", file.map(|(_, words)| words), "`familiar models pull starter`")?;
    if let Some(file) = usable {
        let fix = "name a smaller model in config.toml, or pull this one again";
        report.tell("token", token(&context, &file).await, fix)?;
    }
    let fix = "`familiar models verify NAME` says it of one model, `familiar models remove NAME` takes it away";
    report.tell("images", image_models(&context.home.models), fix)?;
    let fix = format!("free some space and make {} writable", context.home.cache.display());
    report.tell("index", indexing(&context).await, &fix)?;
    kept::rows(report, &context).await
}

/// What is told, link by link.
struct Report {
    style: Style,
    failed: u32,
}

impl Report {
    /// Tells what was found of one link; `fix` is for failures that name no next step of their own.
    fn tell(&mut self, name: &str, finding: Finding, fix: &str) -> std::io::Result<()> {
        self.failed += u32::from(finding.is_err());
        let finding =
            finding.map_err(|failure| Failure { hint: failure.hint.or(Some(fix.to_owned())), ..failure });
        render::output(&line(name, finding, self.style))
    }
}

fn line(name: &str, finding: Finding, style: Style) -> String {
    match finding {
        Ok(words) => format!("{}  {name:<7} {}\n", style.good("ok  "), render::one_line(&words)),
        Err(failure) => {
            let mut text = format!("{}  {name:<7} {}\n", style.bad("FAIL"), render::one_line(&failure.message));
            if let Some(hint) = &failure.hint {
                text.push_str(&format!("              fix: {}\n", render::one_line(hint)));
            }
            text
        }
    }
}

/// Whether every folder of the home can be written; missing ones are made.
fn home_writable(home: &Home) -> Finding {
    home.create().map_err(from_app)?;
    home.folders().into_iter().try_for_each(|(what, folder)| {
        let named = |failure: Failure| Failure { message: format!("{what}: {}", failure.message), ..failure };
        probed(folder).map_err(named)
    })?;
    Ok(home.data.display().to_string())
}

/// Whether a folder can be written, tried for real.
fn probed(folder: &Path) -> Result<(), Failure> {
    let probe = folder.join(".doctor");
    let written = std::fs::write(&probe, b"x").and_then(|()| std::fs::remove_file(&probe));
    written.map_err(|error| {
        Failure::new(format!("{} cannot be written: {error}", folder.display()))
            .hint("make it writable, free some space, or set FAMILIAR_HOME to another folder")
    })
}

/// The configuration and what is wrong with it; the defaults when it cannot be read.
fn configuration(home: &Home) -> (Config, Finding) {
    let file = home.config_file();
    match read_config(home) {
        Ok(config) if config.notes.is_empty() => (config, Ok(file.display().to_string())),
        Ok(config) => {
            let wrong = Failure::new(config.notes.join("; ")).hint(format!("edit {}", file.display()));
            (config, Err(wrong))
        }
        Err(failure) => (Config::default(), Err(failure)),
    }
}

fn running(daemon: &anyhow::Result<Option<Daemon>>) -> Finding {
    match daemon {
        Ok(Some(daemon)) => Ok(format!("pid {} runs and answers", daemon.identity.pid)),
        Ok(None) => Ok("none runs; one is started when it is needed".into()),
        Err(error) => Err(Failure::from_error(error).unwrap_or_else(|| Failure::new("it does not answer"))),
    }
}

fn port(context: &Context, daemon: Option<&Daemon>) -> Finding {
    if let Some(daemon) = daemon {
        let none = || Failure::new("no port was free when the daemon started").hint("`familiar serve --port N`");
        return daemon.identity.port.map(|port| format!("{port} is the daemon's")).ok_or_else(none);
    }
    let port = context.config.port;
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(format!("{port} is free")),
        Err(error) => {
            let holder =
                os::port_holder(port).map_or_else(|| error.to_string(), |holder| format!("{holder} has it"));
            Ok(format!("{port} is taken ({holder}); the next free one will be used"))
        }
    }
}

fn model_file(context: &Context) -> Result<(std::path::PathBuf, String), Failure> {
    let name = &context.config.model;
    let entries = list_models(&context.home.models, name);
    let entry = entries.into_iter().find(|entry| entry.current).ok_or_else(|| {
        Failure::new(format!("there is no model named `{name}`")).hint("`familiar models pull starter`")
    })?;
    verify_model(&entry.path).map_err(from_app)?;
    let words = format!("{name}, {}, {}", render::bytes(entry.size_bytes), entry.path.display());
    Ok((entry.path, words))
}

/// The image models, each as far as the heads of its files tell. Having none is well: nothing else needs one.
fn image_models(folder: &Path) -> Finding {
    let models = list_image_models(folder);
    if models.is_empty() {
        return Ok(format!(
            "none; `familiar models recommend` shows which fit here, and a folder of your own goes into {}",
            folder.display()
        ));
    }
    let wrong: Vec<String> = models
        .iter()
        .filter_map(|model| Some(format!("{}: {}", model.name, check_image_model(&model.path).err()?)))
        .collect();
    if !wrong.is_empty() {
        return Err(Failure::new(wrong.join("; ")));
    }
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    Ok(format!("{}: {}", counted(models.len() as u64, "image model"), names.join(", ")))
}

/// One real token, made by a worker of its own, so that a running daemon is not disturbed.
async fn token(context: &Context, file: &Path) -> Finding {
    let workers = Workers::start(&context.build)?;
    let model = workers.open(file, &context.config);
    let began = Instant::now();
    let request = ChatRequest {
        messages: vec![Message::new(Role::User, "Say yes.")],
        sampling: Sampling::default(),
        answer_tokens_max: 1,
        stop: Vec::new(),
        quotation: None,
        priority: Priority::Interactive,
    };
    let mut events = model.chat(request);
    let mut finding = Err(Failure::new("the model said nothing").hint("pull it again, or choose another one"));
    while let Some(event) = events.next().await {
        match event {
            Ok(ChatEvent::Finished(finished)) if finished.usage.answer_tokens > 0 => {
                finding = Ok(format!("generated in {:.1} s, loading included", began.elapsed().as_secs_f64()));
            }
            Ok(_) => {}
            Err(error) => finding = Err(from_app(AppError::from(error))),
        }
    }
    drop(events);
    // Ending them takes a moment and is nothing to wait for on an async thread.
    let _ = tokio::task::spawn_blocking(move || workers.end()).await;
    finding
}

/// A small folder, indexed and searched in a home of its own.
async fn indexing(context: &Context) -> Finding {
    let folder = context.home.cache.join(format!("doctor-{}", std::process::id()));
    let finding = index_sample(context, &folder).await;
    let _ = std::fs::remove_dir_all(&folder);
    finding.map_err(|error| {
        Failure::from_error(&error).unwrap_or_else(|| Failure::new("the sample could not be indexed"))
    })
}

async fn index_sample(context: &Context, folder: &Path) -> anyhow::Result<String> {
    let sample = folder.join("sample");
    std::fs::create_dir_all(&sample)?;
    std::fs::write(sample.join("sample.py"), SAMPLE)?;
    let app = App::start(Parts {
        home: Home::under(&folder.join("home")),
        config: context.config.clone(),
        backend: None,
        build_id: context.build.to_string(),
        auto_started: false,
    })?;
    let report = index::by_ourselves(&app, &sample).await;
    let found = app.search(&sample, SAMPLE_NAME, 1).await;
    app.shutdown().await;
    let (report, found) = (report?, found?);
    let first = found.hits.first().filter(|hit| hit.text.contains(SAMPLE_NAME));
    first.ok_or_else(|| Failure::new("the sample was indexed and not found").hint("please report this"))?;
    Ok(format!("a sample was indexed in {:.2} s and found", report.seconds))
}

fn from_app(error: AppError) -> Failure {
    let failure = Failure::new(error.message);
    match error.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_comes_with_its_fix() {
        let wrong = Err(Failure::new("no model").hint("pull one"));
        assert_eq!(line("model", wrong, Style::plain()), "FAIL  model   no model\n              fix: pull one\n");
        assert_eq!(line("port", Ok("4774 is free".into()), Style::plain()), "ok    port    4774 is free\n");
    }

    #[test]
    fn an_unwritable_home_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::under(folder.path());
        home.create().expect("folders");
        assert!(home_writable(&home).is_ok());
        std::fs::remove_dir_all(&home.cache).expect("it can go");
        assert!(home_writable(&home).is_ok(), "a missing folder is made");
        std::fs::remove_dir_all(&home.cache).expect("it can go");
        std::fs::write(&home.cache, "").expect("a file in its place");
        assert!(home_writable(&home).is_err(), "nothing can be written below a file");
    }

    #[test]
    fn image_models_are_looked_at_and_none_is_no_failure() {
        let folder = tempfile::tempdir().expect("a folder");
        let none = image_models(folder.path()).expect("none is well");
        assert!(none.contains("models recommend") && none.contains(&*folder.path().to_string_lossy()), "{none}");
        std::fs::create_dir(folder.path().join("torn")).expect("a folder");
        std::fs::write(folder.path().join("torn/model_index.json"), "{}").expect("written");
        let failure = image_models(folder.path()).expect_err("it is no whole model");
        assert!(
            failure.message.starts_with("torn: ") && failure.message.contains("model_index.json"),
            "{failure}"
        );
    }

    #[test]
    fn a_configuration_that_cannot_be_used_is_a_finding() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::under(folder.path());
        home.create().expect("folders");
        let file = home.config_file();
        for (bytes, wrong) in [
            (&b"port = 5000\n"[..], None),
            (b"prot = 5000\nport = \"x\"\n", Some("`prot`")),
            (b"port = \xff\n", Some("it is not UTF-8 text")),
        ] {
            std::fs::write(&file, bytes).expect("a file");
            match (configuration(&home).1, wrong) {
                (Ok(_), None) => {}
                (Err(failure), Some(words)) => {
                    assert!(failure.message.contains(words), "{failure}");
                    assert!(failure.hint.is_some(), "{failure}");
                }
                (finding, wrong) => panic!("{finding:?} instead of {wrong:?}"),
            }
        }
        std::fs::remove_file(&file).expect("it can go");
        assert!(configuration(&home).1.is_ok(), "one that is missing is empty");
        std::fs::create_dir(&file).expect("a folder in its place");
        let (config, finding) = configuration(&home);
        assert!(finding.is_err() && config.port == Config::default().port);
    }
}
