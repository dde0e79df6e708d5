//! `familiar generate`: images from words, made by the daemon and kept in its gallery. Refuses: writing over a file.

mod progress;
mod request;
pub(super) mod saved;

use std::path::PathBuf;
use std::pin::{Pin, pin};

use app::{ImageJobEvent, ImageJobEventKind, ImageJobState, ImageJobView, ImageView};
use clap::Args;
use futures::{FutureExt, StreamExt};
use hyper::Method;
use serde_json::json;

use super::script::Script;
use crate::context::Context;
use crate::daemon::attach;
use crate::daemon::client::Client;
use crate::failure::{Failure, INTERRUPTED};
use crate::render::{self, ProgressLine};
use request::Wishes;

/// Make images from words, on this machine.
///
/// They are kept in the gallery, which `familiar gallery` and the web page show; `--output` writes copies of them. What is
/// not said is done in the model's own way.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  familiar generate \"a lighthouse at dusk, oil on canvas\"\n  familiar generate \"a (red:1.3) fox\" --negative blurry --size 768x512 --count 4 --seed 7\n  familiar generate \"the same in winter\" --from fox.png --strength 0.6 --output winter.png\n  familiar generate \"a red door\" --from house.png --mask door.png\n  familiar generate \"a lighthouse at dusk\" --from lighthouse.png --upscale 2\n  familiar generate - --json < prompt.txt\n\nCtrl+C takes the job back."
)]
pub(crate) struct Generate {
    #[command(flatten)]
    wishes: Wishes,
    /// Write the images there as well: a PNG file, or a folder, which a slash at its end makes; a second image of one file
    /// gets `-2`, and so on.
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Print one JSON object: the job and its images.
    #[arg(long)]
    json: bool,
    /// Ask, print the id of the job, and do not wait.
    #[arg(long, conflicts_with_all = ["output", "json"])]
    no_wait: bool,
    #[command(flatten)]
    script: Script,
}

impl Generate {
    /// Asks, waits and prints.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        let prompt = self.wishes.prompt().await?;
        let request = self.wishes.request(prompt).await?;
        saved::check_output(self.output.as_deref(), self.wishes.count())?;
        let context = Context::open()?;
        context.tell_notes();
        let mut line = ProgressLine::new();
        line.show("starting the daemon");
        let daemon = attach::running_or_started(&context, &self.script.for_daemon()).await?;
        let body = request.body(&daemon.client).await?;
        let asked = daemon.client.post::<ImageJobView>("/api/v1/images", &body);
        if self.no_wait {
            let job = asked.await?;
            line.clear();
            render::output(&format!("{}\n", job.id))?;
            return Ok(0);
        }
        // Heard from before the job is there until it is over, since nobody else would take it back.
        let mut interrupt = pin!(tokio::signal::ctrl_c().fuse());
        let mut asked = pin!(asked);
        let (job, is_interrupted) = tokio::select! {
            biased;
            pressed = &mut interrupt => (asked.await?, pressed.is_ok()),
            job = &mut asked => (job?, false),
        };
        if is_interrupted {
            return Err(taken_back(&daemon.client, &job, 0).await.into());
        }
        let images = follow(&daemon.client, &job, interrupt, line).await?;
        let mut files = Vec::with_capacity(images.len());
        if let Some(output) = &self.output {
            for (at, image) in images.iter().enumerate() {
                files.push(saved::save(&daemon.client, image, &saved::numbered(output, &image.id, at)).await?);
            }
        }
        if self.json {
            let job: ImageJobView = daemon.client.get(&format!("/api/v1/images/jobs/{}", job.id)).await?;
            render::output(&render::json(&json!({ "job": job, "images": images, "files": files })))?;
            return Ok(0);
        }
        for (at, image) in images.iter().enumerate() {
            saved::show_picture(&daemon.client, image).await;
            render::output(&saved::line(image, files.get(at).map(PathBuf::as_path)))?;
        }
        if files.is_empty() {
            render::output("they are in the gallery: `familiar gallery`, or `familiar open` and then Images\n")?;
        }
        Ok(0)
    }
}

/// Waits until the job is over, and takes it back when the user interrupts.
async fn follow(
    client: &Client,
    job: &ImageJobView,
    mut interrupt: Pin<&mut impl Future<Output = std::io::Result<()>>>,
    mut line: ProgressLine,
) -> anyhow::Result<Vec<ImageView>> {
    let mut events = client.watch::<ImageJobEvent>(&format!("/api/v1/images/jobs/{}/events", job.id)).await?;
    let mut images = Vec::new();
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            Ok(()) = &mut interrupt => return Err(taken_back(client, job, images.len()).await.into()),
        };
        let Some(event) = event else {
            return Err(Failure::new("the news of the job broke off")
                .hint("`familiar gallery` shows what is finished; the job goes on")
                .into());
        };
        match event?.kind {
            ImageJobEventKind::Saved { image } => images.push(*image),
            ImageJobEventKind::Ended { state: ImageJobState::Done, .. } => {
                line.clear();
                // What was saved before we looked was not told here.
                let all: Vec<ImageView> = client.get(&format!("/api/v1/images/jobs/{}/images", job.id)).await?;
                return Ok(all);
            }
            ImageJobEventKind::Ended { state, error } => {
                line.clear();
                return Err(ended(state, error, images.len()).into());
            }
            kind => {
                if let Some(words) = progress::words(&kind, line.is_seen()) {
                    line.show(&words);
                }
            }
        }
    }
}

/// The failure of a job that did not end well.
fn ended(state: ImageJobState, error: Option<String>, saved: usize) -> Failure {
    let kept = match saved {
        0 => String::new(),
        saved => format!("; {} kept", app::counted(saved as u64, "image")),
    };
    if state == ImageJobState::Cancelled {
        return Failure::new(format!("the job was cancelled{kept}")).hint("ask again when you want it after all");
    }
    let why = error.unwrap_or_else(|| "the images could not be made".to_owned());
    Failure::new(format!("{}{kept}", why.trim_end_matches('.')))
}

/// The user wants no more of a job.
async fn taken_back(client: &Client, job: &ImageJobView, saved: usize) -> Failure {
    let path = format!("/api/v1/images/jobs/{}/cancel", job.id);
    let failure = match client.tell(Method::POST, &path, &json!({})).await {
        Ok(()) => ended(ImageJobState::Cancelled, None, saved),
        Err(error) => Failure::new(format!("the job could not be cancelled: {}", error.message)),
    };
    failure.code(INTERRUPTED)
}
