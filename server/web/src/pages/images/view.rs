//! One image: large, with how it was made and what can be done with it. Refuses: a removal that nobody confirmed.

use app::{AppError, ErrorKind, ImageOrigin, ImageParameters, ImageSettings, ImageView, ParametersForm};
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use serde::Deserialize;

use super::filter::Filter;
use super::form::{label, upscaled_size};
use super::tile::Tile;
use super::{IMAGES, image_url, images_url};
use crate::access::caller::Visitor;
use crate::clock::{Moment, moment};
use crate::error::{self, PageError};
use crate::extract::{Fields, Params, Segments};
use crate::pages::frame::{Frame, Section};
use crate::pages::{page, see_other, wants_piece, words};
use crate::pictures::{self, FORGET_KEPT, Wanted};
use crate::state::Shared;

/// What the facts call a choice that was left to the model.
const MODELS_OWN: &str = "the model's own";

#[derive(Template)]
#[template(path = "image.html")]
struct View {
    frame: Frame,
    tile: Tile,
    title: String,
    prompt: String,
    negative_prompt: String,
    created: Moment,
    is_missing: bool,
    is_damaged: bool,
    facts: Vec<(String, String)>,
    file_url: String,
    delete_url: String,
    back_url: String,
    newer_url: Option<String>,
    older_url: Option<String>,
    use_url: String,
    reseed_url: String,
    variations_url: String,
    /// `None` where it is as large as can be drawn.
    upscale_url: Option<String>,
    /// The filter the page was reached by, for the forms that come back to it.
    kept: String,
}

/// The button that marks an image, for a script that pressed it.
#[derive(Template)]
#[template(path = "favourite.html")]
struct Favourite {
    tile: Tile,
}

/// Where an image was opened.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Query {
    #[serde(flatten)]
    filter: Filter,
    /// The page of the gallery, unless it is the first one.
    cursor: Option<String>,
}

/// Shows an image; its neighbours are those of the filter it was reached by.
pub(crate) async fn show(
    State(web): State<Shared>,
    visitor: Visitor,
    Segments(id): Segments<String>,
    headers: HeaderMap,
    Params(Query { filter, cursor }): Params<Query>,
) -> Result<Response, PageError> {
    let image = web.app.image(&id).await?;
    let beside = web.app.images_beside(&id, filter.checked()?).await?;
    let is_damaged = !image.missing && !web.app.is_image_whole(&id).await?;
    let kept = filter.query(&[]);
    let page_of = cursor.as_deref().map(|cursor| ("cursor", cursor));
    let here = filter.query(page_of.as_slice());
    let back: Vec<_> = page_of.into_iter().chain([("at", image.id.as_str())]).collect();
    let url = image_url(&image.id);
    let beside_url = |id: Option<String>| id.map(|id| format!("{}{here}", image_url(&id)));
    Ok(page(&View {
        frame: Frame::load(&web.app, &visitor, &headers, Section::Image, None).await?,
        title: image.alt_text(),
        created: moment(image.created_ms),
        is_missing: image.missing,
        is_damaged,
        facts: facts(&image),
        file_url: format!("{url}/file"),
        delete_url: format!("{url}/delete"),
        back_url: format!("{IMAGES}{}#{}", filter.query(&back), Tile::anchor(&image.id)),
        newer_url: beside_url(beside.newer),
        older_url: beside_url(beside.older),
        use_url: images_url(&[("use", &image.id)]) + "#new",
        reseed_url: images_url(&[("use", &image.id), ("reseed", "1")]) + "#new",
        upscale_url: upscaled_size((image.width_pixels, image.height_pixels))
            .map(|_| images_url(&[("use", &image.id), ("upscale", &image.id)]) + "#new"),
        variations_url: images_url(&[("use", &image.id), ("over", &image.id)]) + "#new",
        tile: Tile::of(&image, &kept),
        prompt: image.prompt,
        negative_prompt: image.negative_prompt,
        kept,
    }))
}

/// Whether the mark is put on or taken off, and where to go then.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Mark {
    on: String,
    /// The filter of the page, as it stands in its address.
    kept: String,
    /// `gallery` comes back there, everything else to the image.
    back: String,
}

/// Marks an image, or takes the mark off.
pub(crate) async fn favourite(
    State(web): State<Shared>,
    _: Visitor,
    Segments(id): Segments<String>,
    headers: HeaderMap,
    Fields(mark): Fields<Mark>,
) -> Result<Response, PageError> {
    web.app.favourite(&id, mark.on == "1").await?;
    if wants_piece(&headers) {
        return Ok(page(&Favourite { tile: Tile::of(&web.app.image(&id).await?, "") }));
    }
    let kept = kept(&mark.kept);
    let is_gallery = mark.back == "gallery";
    let back = if is_gallery { format!("{IMAGES}{kept}#gallery") } else { image_url(&id) + &kept };
    Ok(see_other(&back))
}

/// Where to go after an image is gone.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Deletion {
    kept: String,
}

/// Removes an image for good.
pub(crate) async fn delete(
    State(web): State<Shared>,
    _: Visitor,
    Segments(id): Segments<String>,
    Fields(form): Fields<Deletion>,
) -> Result<Response, PageError> {
    if web.app.delete_images(std::slice::from_ref(&id)).await? == 0 {
        return Err(AppError::new(ErrorKind::NotFound, "this image is gone already").into());
    }
    let kept = kept(&form.kept);
    let separator = if kept.is_empty() { '?' } else { '&' };
    Ok(forgotten(see_other(&format!("{IMAGES}{kept}{separator}deleted=1"))))
}

/// How a file is wanted.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct FileQuery {
    /// `1` saves it under a name.
    save: String,
    /// `1` leaves out how it was made.
    plain: String,
}

impl FileQuery {
    /// What the parameters say.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted { to_save: self.save == "1", plain: self.plain == "1" }
    }
}

/// The file of an image.
pub(crate) async fn file(
    State(web): State<Shared>,
    _: Visitor,
    Segments(id): Segments<String>,
    headers: HeaderMap,
    Params(query): Params<FileQuery>,
) -> Result<Response, PageError> {
    Ok(pictures::file(&web.app, &id, query.wanted(), &headers).await?)
}

/// The small version of an image; where there is none, a picture that says so.
pub(crate) async fn thumbnail(
    State(web): State<Shared>,
    _: Visitor,
    Segments(id): Segments<String>,
    headers: HeaderMap,
) -> Response {
    match pictures::thumbnail(&web.app, &id, &headers).await {
        Ok(thumbnail) => thumbnail,
        Err(problem) => {
            error::log(&problem);
            let words = if problem.kind == ErrorKind::NotFound { "missing" } else { "damaged" };
            pictures::no_thumbnail(error::status(problem.kind), words)
        }
    }
}

/// `response`, with the word to a browser that it forgets what it kept: gone means gone.
pub(super) fn forgotten(mut response: Response) -> Response {
    let (name, value) = FORGET_KEPT;
    response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    response
}

/// The filter that a form sends back; nothing but a query of ours.
pub(super) fn kept(text: &str) -> String {
    let Some(query) = text.strip_prefix('?') else { return String::new() };
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let value = |name: &str| {
        let found = pairs.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let filter = Filter {
        words: value("words"),
        model: value("model"),
        favourite: value("favourite"),
        size: value("size"),
        from: value("from"),
        to: value("to"),
        seed: value("seed"),
        missing: value("missing"),
    };
    filter.query(&[])
}

fn facts(image: &ImageView) -> Vec<(String, String)> {
    let mut facts = Facts::default();
    facts.add("Model", image.model.clone());
    match &image.origin {
        ImageOrigin::Made { settings } => facts.made(settings),
        ImageOrigin::Brought { parameters: Some(said) } => facts.brought(said),
        ImageOrigin::Brought { parameters: None } => {
            facts.add("Settings", "its file says nothing about how it was made".into());
        }
    }
    facts.add("Size", format!("{} × {}", image.width_pixels, image.height_pixels));
    facts.add("File", words::size(image.size_bytes));
    facts.0
}

/// Names with their values; what is not known is left out.
#[derive(Default)]
struct Facts(Vec<(String, String)>);

impl Facts {
    fn add(&mut self, name: &str, value: String) {
        if !value.is_empty() {
            self.0.push((name.to_owned(), value));
        }
    }

    fn add_known<T: ToString>(&mut self, name: &str, value: Option<T>) {
        self.add(name, value.map(|value| value.to_string()).unwrap_or_default());
    }

    /// How steps were taken. What was left to the model is said as the form says it, because a seed alone makes no image again.
    fn sampled(&mut self, sampler: String, spacing: String) {
        self.add("Sampler", if sampler.is_empty() { MODELS_OWN.to_owned() } else { sampler });
        self.add("Noise spacing", spacing);
    }

    fn made(&mut self, settings: &ImageSettings) {
        self.add("Family", settings.family.clone());
        self.add("Seed", settings.seed.to_string());
        self.add("Steps", settings.steps.to_string());
        self.add("Guidance", settings.guidance.to_string());
        self.sampled(label(&settings.sampler), label(&settings.spacing));
        self.add_known("Layers left out", Some(settings.clip_skip).filter(|layers| *layers > 0));
        self.add_known("Drawn over an image", settings.strength.map(|strength| format!("strength {strength}")));
        self.add("Made with", settings.program.clone());
    }

    fn brought(&mut self, said: &ImageParameters) {
        self.add_known("Seed", said.seed);
        self.add_known("Steps", said.steps);
        self.add_known("Guidance", said.guidance);
        let (sampler, spacing) = (label(&said.sampler), label(&said.spacing));
        if said.form == ParametersForm::Familiar {
            self.sampled(sampler, spacing);
        } else {
            // Another tool that names no sampler may mean anything.
            self.add("Sampler", sampler);
            self.add("Noise spacing", spacing);
        }
        self.add_known("Strength", said.strength);
        self.add_known("Layers left out", said.clip_skip.filter(|layers| *layers > 0));
        for (name, value) in &said.others {
            self.add(name, value.clone());
        }
        let form = match said.form {
            ParametersForm::Familiar => "Familiar",
            ParametersForm::InvokeAi => "InvokeAI",
            ParametersForm::Infotext => "parameters text",
            ParametersForm::SwarmUi => "SwarmUI",
            ParametersForm::Fooocus => "Fooocus",
            ParametersForm::ComfyUi => "ComfyUI, as far as its graph says it",
        };
        self.add("Read from", form.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_comes_back_to_a_filter_of_ours_alone() {
        for (text, expected) in [
            ("", ""),
            ("?", ""),
            ("?words=fox&cursor=1-2&deleted=9", "?words=fox"),
            ("//evil.test", ""),
            ("?words=%0d%0aSet-Cookie:x", "?words=Set-Cookie%3Ax"),
            ("?seed=1#x", "?seed=1%23x"),
        ] {
            assert_eq!(kept(text), expected, "{text}");
        }
    }
}
