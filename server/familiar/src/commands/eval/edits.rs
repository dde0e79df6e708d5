//! `familiar eval --edits`: the model in use does exercises of public tracks, each as a whole file and as search and
//! replace blocks, the way an editor's edit goes.
//!
//! Refuses: running anything that the model wrote, the user's own history of edits, and losing what was measured when it
//! is broken off.

mod exercises;
mod tally;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use app::{App, EditEvent, EditOutcome, EditRequest, Home, Parts};
use engine::{EditAction, Format};
use futures::StreamExt;
use index::CancelFlag;
use index::eval::layout::{self, Layout};
use index::eval::task::spread;
use text::Document;
use tokio_util::sync::CancellationToken;

use self::exercises::{Exercise, TRACKS, Track};
use self::tally::{Answer, Done, FORMS, Measured, Outcome};
use super::{Eval, SETS_HINT, WorkFolder, clone, failed, write_json};
use crate::context::Context;
use crate::failure::{Failure, INTERRUPTED, USAGE};
use crate::render::{self, ProgressLine};
use crate::wiring::Workers;

/// Exercises of each track, unless the user says otherwise.
const EXERCISES: usize = 20;
/// Longest time for one exercise in one form, all answers together.
const EXERCISE_MAX: Duration = Duration::from_secs(10 * 60);
/// Exercises that fail one after another before the rest is not tried any more.
const FAILURES_MAX: usize = 3;

/// The names of the tracks, for the command line.
pub(super) const TRACK_NAMES: [&str; TRACKS.len()] = [TRACKS[0].name, TRACKS[1].name];

/// Exercises to be done, and what is known of where they are from.
#[derive(Default)]
struct Plan {
    /// Each with the form to ask for and its name.
    rounds: Vec<(Exercise, Format, &'static str)>,
    tracks: Vec<Measured>,
    left_out: Vec<String>,
}

/// Measures and prints.
pub(super) async fn run(eval: Eval) -> anyhow::Result<u8> {
    let mut context = Context::open()?;
    if let Some(name) = &eval.model {
        context.config = std::mem::take(&mut context.config).with_argument("model", name.as_str());
    }
    context.tell_notes();
    let workers = Arc::new(eval.script.workers(&mut context)?);
    let stop = Stop::on_interrupt();
    let result = measure(&eval, context, &workers, &stop).await;
    let ending = Arc::clone(&workers);
    tokio::task::spawn_blocking(move || ending.end()).await?;
    let outcome = result?;
    if let Some(path) = &eval.json {
        write_json(path, &outcome)?;
    }
    if eval.details {
        render::output(&render::escape(&outcome.details()))?;
    }
    render::output(&render::escape(&outcome.report()))?;
    Ok(if stop.token.is_cancelled() { INTERRUPTED } else { 0 })
}

/// Says when the user breaks it off, to threads and to tasks.
struct Stop {
    flag: CancelFlag,
    token: CancellationToken,
}

impl Stop {
    fn on_interrupt() -> Self {
        let (flag, token) = (CancelFlag::new(), CancellationToken::new());
        let stop = (flag.clone(), token.clone());
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.0.cancel();
                stop.1.cancel();
            }
        });
        Self { flag, token }
    }
}

async fn measure(eval: &Eval, context: Context, workers: &Arc<Workers>, stop: &Stop) -> anyhow::Result<Outcome> {
    let wanted = Wanted::of(eval)?;
    // A home of its own: what becomes of exercises says nothing of how the user's edits go.
    let folder = tempfile::Builder::new().prefix("familiar-eval-").tempdir()?;
    let home = Home { models: context.home.models, ..Home::under(folder.path()) };
    let (backend, build_id) = (Arc::clone(workers) as Arc<dyn app::Backend>, context.build.to_string());
    let parts = Parts { home, config: context.config, backend: Some(backend), build_id, auto_started: false };
    let app = App::start(parts)?;
    // Before anything is brought over the network: without a model there is nothing to measure.
    let info = tokio::select! {
        info = app.load_model() => info?,
        () = stop.token.cancelled() => return Err(broken_off().into()),
    };
    let flag = stop.flag.clone();
    let plan = tokio::task::spawn_blocking(move || wanted.plan(&flag)).await??;
    let mut outcome = Outcome {
        model: info.name,
        context_tokens: info.context_tokens,
        tracks: plan.tracks,
        left_out: plan.left_out,
        planned: plan.rounds.len(),
        ..Outcome::default()
    };
    let started = Instant::now();
    outcome.done = all(&app, &plan.rounds, stop).await;
    outcome.seconds = started.elapsed().as_secs_f64();
    app.shutdown().await;
    if outcome.done.iter().all(|done| done.failed.is_some()) {
        return Err(match outcome.done.first().and_then(|done| done.failed.clone()) {
            Some(reason) => Failure::new(format!("no exercise could be done: {reason}")).into(),
            None => broken_off().into(),
        });
    }
    Ok(outcome)
}

fn broken_off() -> Failure {
    Failure::new("broken off before anything was measured").code(INTERRUPTED)
}

/// The part of the command line that says which exercises are done.
struct Wanted {
    tracks: Vec<&'static Track>,
    repos: Option<PathBuf>,
    clone: Option<String>,
    work: Option<PathBuf>,
    limit: usize,
}

impl Wanted {
    fn of(eval: &Eval) -> Result<Self, Failure> {
        if eval.repos.is_none() && eval.clone.is_none() {
            let message = "no folder was named in which the exercises lie";
            return Err(Failure::new(message).hint("name --repos, or add --clone").code(USAGE));
        }
        let named = eval.edits.as_deref().unwrap_or_default();
        let is_wanted = |track: &&Track| named.is_empty() || named.iter().any(|name| name == track.name);
        Ok(Self {
            tracks: TRACKS.iter().filter(is_wanted).collect(),
            repos: eval.repos.clone(),
            clone: eval.clone.clone(),
            work: eval.work.clone(),
            limit: eval.limit_tasks.unwrap_or(EXERCISES),
        })
    }

    /// Lays the tracks out and chooses from them, evenly spread over their names.
    fn plan(&self, cancel: &CancelFlag) -> anyhow::Result<Plan> {
        let work = WorkFolder::open(self.work.as_deref())?;
        let repos = self.repos.clone().unwrap_or_else(|| work.path().join("repos"));
        if let Some(origin) = &self.clone {
            let names = self.tracks.iter().map(|track| track.name);
            clone::all(&layout::missing(names, &repos), origin, cancel)?;
        }
        let layout = Layout { work: work.path().to_owned() };
        let mut plan = Plan::default();
        let mut chosen = Vec::new();
        for track in &self.tracks {
            let laid_out = layout.newest(track.name, &repos, exercises::FOLDER, cancel);
            let (folder, rev) = laid_out.map_err(|error| failed(&error, SETS_HINT))?;
            let read = exercises::read(track, &folder)
                .map_err(|error| Failure::new(format!("{} cannot be read: {error}", folder.display())))?;
            plan.tracks.push(Measured {
                name: track.name,
                rev,
                there: read.exercises.len() + read.left_out.len(),
            });
            plan.left_out.extend(read.left_out);
            chosen.push(spread(read.exercises, Some(self.limit)));
        }
        plan.rounds = in_turns(chosen);
        if plan.rounds.is_empty() {
            let reason = plan.left_out.first().map_or("there are no exercises", String::as_str);
            return Err(Failure::new(format!("there is nothing to do: {reason}")).into());
        }
        Ok(plan)
    }
}

/// Tracks and forms in turns, so that what was measured when it is broken off speaks for all of them.
fn in_turns(tracks: Vec<Vec<Exercise>>) -> Vec<(Exercise, Format, &'static str)> {
    let longest = tracks.iter().map(Vec::len).max().unwrap_or(0);
    let exercises = (0..longest).flat_map(|at| tracks.iter().filter_map(move |track| track.get(at)));
    exercises.flat_map(|exercise| FORMS.map(|(form, name)| (exercise.clone(), form, name))).collect()
}

/// Does exercises until all are done, the user breaks it off, or several in a row cannot be done.
async fn all(app: &App, rounds: &[(Exercise, Format, &'static str)], stop: &Stop) -> Vec<Done> {
    let mut line = ProgressLine::new();
    let mut all: Vec<Done> = Vec::new();
    let mut failures = 0;
    for (at, (exercise, form, name)) in rounds.iter().enumerate() {
        let place = format!("{} of {}", at + 1, rounds.len());
        line.show(&format!("{place}: {} {}, {name}", exercise.track.name, exercise.name));
        let mut done = tokio::select! {
            biased;
            () = stop.token.cancelled() => break,
            done = one(app, exercise, *form) => done,
        };
        done.form = name;
        if !line.is_seen() {
            render::complain(&render::one_line(&format!("{place}: {}", done.in_words())));
        }
        failures = if done.failed.is_some() { failures + 1 } else { 0 };
        all.push(done);
        if failures == FAILURES_MAX {
            break;
        }
    }
    all
}

/// Does one exercise in one form.
async fn one(app: &App, exercise: &Exercise, form: Format) -> Done {
    let mut done =
        Done { track: exercise.track.name, exercise: exercise.name.clone(), form: "", ..Done::default() };
    let started = Instant::now();
    let ended = tokio::time::timeout(EXERCISE_MAX, ask(app, exercise, form, &mut done)).await;
    done.failed = match ended {
        Ok(Ok(applied)) => {
            done.applied = applied;
            None
        }
        Ok(Err(reason)) => Some(reason),
        Err(_) => Some(format!("it took more than {} s", EXERCISE_MAX.as_secs())),
    };
    done.seconds = started.elapsed().as_secs_f64();
    done
}

/// Asks for the edit as an editor does, notes the answers, and applies what comes of them: whether something did.
async fn ask(app: &App, exercise: &Exercise, form: Format, done: &mut Done) -> Result<bool, String> {
    let document =
        Document::new(&format!("file:///{}", exercise.path), exercise.track.language, 1, &exercise.stub);
    let request = EditRequest {
        workspace: None,
        path: None,
        selection: 0..document.rope().len_bytes(),
        document: document.clone(),
        action: EditAction::Edit,
        instruction: Some(exercise.wish.clone()),
        open_buffers: Vec::new(),
        open_files: Vec::new(),
        earlier: None,
        variation: 0,
        several_files: false,
        form: Some(form),
    };
    let mut events = app.edit(request);
    while let Some(event) = events.next().await {
        match event.map_err(|error| error.message)? {
            EditEvent::Answered { answer, refused } => done.answers.push(Answer::new(answer, refused.as_ref())),
            EditEvent::Finished(EditOutcome::Edit { edit, .. }) => {
                let after =
                    edit.apply(document.rope()).map_err(|error| format!("the edit does not fit: {error}"))?;
                return Ok(after != *document.rope());
            }
            EditEvent::Finished(EditOutcome::Refused { reason, .. }) if done.answers.is_empty() => {
                return Err(reason);
            }
            EditEvent::Finished(EditOutcome::Refused { .. } | EditOutcome::Files { .. }) => return Ok(false),
            _ => {}
        }
    }
    Err("the edit ended without saying why".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_and_forms_take_turns() {
        let named = |track: &'static Track, names: &[&str]| -> Vec<Exercise> {
            let one = |name: &&str| Exercise {
                track,
                name: (*name).to_owned(),
                path: "a".into(),
                stub: String::new(),
                wish: String::new(),
            };
            names.iter().map(one).collect()
        };
        let rounds = in_turns(vec![named(&TRACKS[0], &["a", "b"]), named(&TRACKS[1], &["c"])]);
        let order: Vec<(&str, &str)> = rounds.iter().map(|(one, _, form)| (one.name.as_str(), *form)).collect();
        let expected =
            [("a", "whole"), ("a", "blocks"), ("c", "whole"), ("c", "blocks"), ("b", "whole"), ("b", "blocks")];
        assert_eq!(order, expected);
    }
}
