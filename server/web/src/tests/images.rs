//! The page of images and the page of one: states, filters, paging, what the form begins with, and what a form does.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use expect_test::{ExpectFile, expect_file};

use super::stage::{Seen, Stage, request};

/// Bytes of a page full of images with everything it loads, compressed; pictures not counted.
const PAGE_BYTES_MAX: usize = 100 * 1024;

async fn check(stage: &Stage, path: &str, expected: ExpectFile) {
    let seen = stage.get(path).await;
    assert_eq!(seen.status, StatusCode::OK, "{path}: {}", seen.body);
    expected.assert_eq(&stage.redact(&seen.body));
}

/// A stage with one image, and its id.
async fn with_image(fields: &[(&str, &str)]) -> (Stage, String) {
    let stage = Stage::with_painter([]).await;
    stage.make(fields).await;
    let id = ids(&stage.get("/images").await).remove(0);
    (stage, id)
}

/// The ids of the images a page shows, in order.
fn ids(seen: &Seen) -> Vec<String> {
    let parts = seen.body.split("<li class=\"tile\"><a href=\"/images/").skip(1);
    parts.map(|part| part.split(['"', '?']).next().unwrap().to_owned()).collect()
}

/// The value of the field `name` of a page.
fn field<'a>(page: &'a str, name: &str) -> &'a str {
    let after = page.split(&format!("name=\"{name}\"")).nth(1).unwrap_or_else(|| panic!("no {name} in {page}"));
    let tag = after.split('>').next().unwrap();
    tag.split("value=\"").nth(1).map_or("", |value| value.split('"').next().unwrap())
}

#[tokio::test]
async fn before_there_is_a_model() {
    let stage = Stage::new(None).await;
    check(&stage, "/images", expect_file!["snapshots/images_no_model.html"]).await;
    check(&stage, "/images/queue", expect_file!["snapshots/images_queue_empty.html"]).await;
    let refused = stage.post("/images", &[("prompt", "a fox")]).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.body);
    assert!(refused.body.contains("familiar models pull NAME"), "{}", refused.body);
}

#[tokio::test]
async fn an_image_and_its_page() {
    let (stage, id) =
        with_image(&[("prompt", "A red fox,\nin snow"), ("negative_prompt", "dogs"), ("seed", "7")]).await;
    check(&stage, "/images", expect_file!["snapshots/images.html"]).await;
    check(&stage, &format!("/images/{id}"), expect_file!["snapshots/image.html"]).await;
}

#[tokio::test]
async fn what_was_typed_comes_back_with_what_is_wrong() {
    let stage = Stage::with_painter([]).await;
    for (name, value, message) in [
        ("prompt", "", "The prompt is empty."),
        ("steps", "many", "<code>many</code> is no number of steps."),
        ("other_size", "65x64", "no multiple of 8. Take 64 or 72."),
        ("count", "99", "99 images cannot be asked for at once."),
        ("model", "none<", "there is no image model"),
        ("source", "none", "none"),
    ] {
        let mut fields = vec![("prompt", "a \"fox\""), ("seed", "12")];
        fields.retain(|(field, _)| *field != name);
        fields.push((name, value));
        let seen = stage.post("/images", &fields).await;
        let lower = seen.body.to_lowercase();
        assert!(seen.status.is_client_error(), "{name}: {}", seen.status);
        assert!(lower.contains(&message.to_lowercase()), "{name}: {}", seen.body);
        assert!(name == "prompt" || seen.body.contains("a &#34;fox&#34;</textarea>"), "{name}: {}", seen.body);
        assert_eq!(field(&seen.body, "seed"), "12");
        let piece = stage.post_by_script("/images", &fields).await;
        assert!(piece.body.contains("hx-target=\"#composer-problem\"") && !piece.body.contains("<html"), "{name}");
    }
    assert!(stage.app.image_jobs(None, 9).await.unwrap().ended.is_empty());
}

#[tokio::test]
async fn the_form_begins_with_the_settings_of_an_image() {
    let fields =
        [("prompt", "a fox"), ("seed", "41"), ("steps", "3"), ("other_size", "64x128"), ("sampler", "euler")];
    let (stage, id) = with_image(&fields).await;
    let page = stage.get(&format!("/images?use={id}")).await.body;
    let values = ["seed", "steps", "guidance", "other_size"].map(|name| field(&page, name));
    assert_eq!(values, ["41", "3", "5", ""]);
    assert!(page.contains("<option value=\"64x128\" selected>64 × 128</option>"), "{page}");
    assert!(page.contains(">a fox</textarea>") && page.contains("<option value=\"euler\" selected>"), "{page}");
    let page = stage.get(&format!("/images?use={id}&reseed=1")).await.body;
    assert_eq!([field(&page, "seed"), field(&page, "steps")], ["", "3"]);
    let page = stage.get(&format!("/images?use={id}&over={id}")).await.body;
    assert_eq!([field(&page, "source"), field(&page, "strength"), field(&page, "count")], [&id, "0.5", "4"]);
    let job = stage.app.image_jobs(None, 1).await.unwrap().ended.remove(0).id;
    let page = stage.get(&format!("/images?job={job}")).await.body;
    assert_eq!([field(&page, "seed"), field(&page, "steps"), field(&page, "guidance")], ["41", "3", ""]);
    stage.make(&[("prompt", "again"), ("source", &id), ("strength", "0.3")]).await;
    let all = ids(&stage.get("/images").await);
    assert_eq!(all.len(), 2);
    // What an image was drawn over comes with its settings, unless it is left out or gone.
    let page = stage.get(&format!("/images?use={}", all[0])).await.body;
    assert_eq!([field(&page, "source"), field(&page, "strength")], [&id, "0.3"]);
    assert!(page.contains("The image's own</option>") && !page.contains("not here"), "{page}");
    let without = format!("/images?use={}&alone=1", all[0]);
    assert!(!stage.get(&without).await.body.contains("name=\"source\""));
    let job = stage.app.image_jobs(None, 1).await.unwrap().ended.remove(0).id;
    assert_eq!(field(&stage.get(&format!("/images?job={job}")).await.body, "source"), id);
    stage.post(&format!("/images/{id}/delete"), &[]).await;
    let page = stage.get(&format!("/images?use={}", all[0])).await.body;
    assert!(!page.contains("name=\"source\"") && page.contains("drawn over an image that is not here"), "{page}");
}

#[tokio::test]
async fn filters_show_what_they_name_and_links_keep_them() {
    let stage = Stage::with_painter([]).await;
    stage.make(&[("prompt", "a red fox"), ("seed", "1"), ("size", "64x64")]).await;
    stage.make(&[("prompt", "a hen"), ("seed", "2"), ("other_size", "64x128")]).await;
    stage.make(&[("prompt", "a fox and a hen"), ("seed", "3")]).await;
    let all = ids(&stage.get("/images").await);
    let [both, hen, fox] = all.as_slice() else { panic!("{all:?}") };
    stage.post(&format!("/images/{hen}/favourite"), &[("on", "1")]).await;
    for (query, expected) in [
        ("", vec![both, hen, fox]),
        ("words=fox", vec![both, fox]),
        ("words=red+FO", vec![fox]),
        ("favourite=1", vec![hen]),
        ("size=64x128", vec![hen]),
        ("seed=3", vec![both]),
        ("model=scripted&words=hen", vec![both, hen]),
        ("model=other", vec![]),
        ("from=2020-01-01&to=2999-12-31", vec![both, hen, fox]),
        ("to=2020-01-01", vec![]),
        ("words=&model=&favourite=&size=&seed=&from=&to=", vec![both, hen, fox]),
    ] {
        let seen = stage.get(&format!("/images?{query}")).await;
        assert_eq!(ids(&seen).iter().collect::<Vec<_>>(), expected, "{query}");
        let counted = format!("{} image", expected.len());
        assert!(seen.body.contains(&counted), "{query}: {}", seen.body);
        let says_none = seen.body.contains("No image is like that");
        assert_eq!(says_none, expected.is_empty(), "{query}");
    }
    let page = stage.get(&format!("/images/{fox}?words=fox")).await.body;
    assert!(page.contains(&format!("<a href=\"/images/{both}?words=fox\" rel=\"prev\"")), "{page}");
    let back = format!("href=\"/images?words=fox&#38;at={fox}#image-{fox}\"");
    assert!(!page.contains("rel=\"next\"") && page.contains(&back), "{back} in {page}");
    let page = stage.get(&format!("/images/{hen}")).await.body;
    for link in [format!("/images/{both}\" rel=\"prev\""), format!("/images/{fox}\" rel=\"next\"")] {
        assert!(page.contains(&link), "{link} in {page}");
    }
}

#[tokio::test]
async fn a_filter_that_says_nothing_is_told_and_shows_nothing() {
    let (stage, id) = with_image(&[("prompt", "a fox")]).await;
    for query in ["seed=lucky", "size=big", "from=yesterday", "favourite=maybe"] {
        let seen = stage.get(&format!("/images?{query}")).await;
        assert_eq!((seen.status, ids(&seen)), (StatusCode::BAD_REQUEST, vec![]), "{query}");
        let (name, value) = query.split_once('=').unwrap();
        assert!(seen.body.contains(&format!("<code>{value}</code>")), "{query}: {}", seen.body);
        assert!(name == "favourite" || seen.body.contains(&format!("value=\"{value}\"")), "{query}");
        assert_eq!(stage.get(&format!("/images/{id}?{query}")).await.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(stage.get("/images?cursor=wrong").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn pages_join_and_stay_light() {
    let stage = Stage::with_painter([]).await;
    for _ in 0..4 {
        stage.make(&[("prompt", &"a fox in the snow, ".repeat(30)), ("count", "16"), ("steps", "1")]).await;
    }
    let first = stage.get("/images?words=fox").await;
    let mut bytes = first.body.len();
    for asset in &crate::assets::ASSETS {
        if first.body.contains(asset.path) {
            let asked = request(Method::GET, asset.path).header("accept-encoding", "gzip");
            let response = stage.respond(asked.body(Body::empty()).unwrap()).await;
            bytes += axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().len();
        }
    }
    assert!(bytes <= PAGE_BYTES_MAX, "{bytes} bytes");
    let mut seen = ids(&first);
    assert_eq!(seen.len(), 48);
    let next = first.body.split("<p id=\"next\"").nth(1).unwrap().split("href=\"").nth(1).unwrap();
    let next = next.split("#gallery").next().unwrap().replace("&#38;", "&");
    assert!(next.starts_with("/images?words=fox&cursor="), "{next}");
    let second = stage.get(&next).await;
    seen.extend(ids(&second));
    assert!(!second.body.contains("id=\"next\"") && !second.body.contains("name=\"prompt\""), "{}", second.body);
    assert!(second.body.contains("href=\"/images?words=fox#gallery\">Newest images"), "{}", second.body);
    assert_eq!(seen.iter().collect::<std::collections::HashSet<_>>().len(), 64);
    let piece = stage.as_browser(Method::GET, &next).header("hx-request", "true").body(Body::empty()).unwrap();
    let piece = stage.send(piece).await;
    assert!(!piece.body.contains("<html") && piece.body.contains("hx-target=\"#grid\""), "{}", piece.body);
    assert_eq!(ids(&piece), ids(&second));
}

/// Where a link with the class and reference of the way back leads, without its fragment, and the fragment.
fn way_back(page: &str) -> (String, String) {
    let tag = page.split("<a ").find(|part| part.contains("x-ref=\"back\"")).unwrap();
    let href = tag.split("href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    let (path, fragment) = href.split_once('#').unwrap();
    (path.to_owned(), fragment.to_owned())
}

#[tokio::test]
async fn the_way_back_leads_to_the_place_in_the_gallery() {
    let stage = Stage::with_painter([]).await;
    for _ in 0..4 {
        stage.make(&[("prompt", "a fox"), ("count", "16"), ("steps", "1")]).await;
    }
    let first = stage.get("/images?words=fox").await;
    let next = first.body.split("<p id=\"next\"").nth(1).unwrap().split("href=\"").nth(1).unwrap();
    let second = stage.get(&next.split("#gallery").next().unwrap().replace("&#38;", "&")).await;
    let (newest, older) = (ids(&first), ids(&second));
    // The links of a page say which page they stand on, and the image's own links keep that.
    let link = format!("<a href=\"/images/{}?", older[3]);
    let link = second.body.split(&link).nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    assert!(link.starts_with("words=fox&cursor="), "{link}");
    let image = stage.get(&format!("/images/{}?{link}", older[3])).await.body;
    let (path, fragment) = way_back(&image);
    assert_eq!(fragment, format!("image-{}", older[3]));
    let back = stage.get(&path).await;
    assert_eq!(ids(&back), older);
    assert!(back.body.contains(&format!("id=\"{fragment}\"")), "{fragment} in {}", back.body);
    let beside = format!("/images/{}?{}\" rel=\"next\"", older[4], link.replace('&', "&#38;"));
    assert!(image.contains(&beside), "{beside} in {image}");
    // Somebody who went on to an image of another page comes back to a page that begins with it.
    for (id, query, expected) in [
        (&newest[40], link.as_str(), &[&newest[40..], &older[..]].concat()[..48.min(8 + older.len())]),
        (&newest[40], "words=fox", &newest[..]),
        (&older[2], "words=fox", &older[2..]),
    ] {
        let (path, _) = way_back(&stage.get(&format!("/images/{id}?{query}")).await.body);
        assert_eq!(ids(&stage.get(&path).await), expected, "{query}");
    }
    // What was deleted meanwhile leads to the page it was on.
    let (path, _) = way_back(&image);
    stage.post(&format!("/images/{}/delete", older[3]), &[]).await;
    let seen = stage.get(&path).await;
    assert_eq!((seen.status, ids(&seen).len()), (StatusCode::OK, older.len() - 1));
    assert_eq!(stage.get("/images?at=none").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_page_is_complete_without_scripts_and_names_no_other_place() {
    let (stage, id) = with_image(&[("prompt", "a fox")]).await;
    for path in ["/images".to_owned(), format!("/images/{id}"), "/images/queue".to_owned()] {
        let page = stage.get(&path).await.body;
        for form in page.split("<form ").skip(1).map(|form| form.split("</form>").next().unwrap()) {
            let is_get = form.starts_with("method=\"get\"");
            assert!(
                is_get || (form.contains("method=\"post\"") && form.contains("name=\"form_token\"")),
                "{form}"
            );
            assert!(form.contains("<button"), "{path}: {form}");
        }
        assert!(!page.contains("//") || !page.contains("http"), "{path}: {page}");
        assert!(!page.contains(" style=") && !page.contains("onclick"), "{path}");
        // One menu closes another.
        assert!(
            page.split("<details class=\"menu")
                .skip(1)
                .all(|menu| { menu.split('>').next().unwrap().contains("name=\"menu\"") }),
            "{path}: {page}"
        );
        // What only scripts can do is never seen without them.
        for button in page.split("<button type=\"button\"").skip(1) {
            assert!(button.starts_with(" x-cloak") || button.contains("x-cloak"), "{path}: {button}");
        }
    }
}

#[tokio::test]
async fn words_of_a_prompt_never_act() {
    let prompt = "\"><script>alert(1)</script><img src=x onerror=alert(1)> & 'x' \u{202e}";
    let (stage, id) = with_image(&[("prompt", prompt), ("negative_prompt", prompt)]).await;
    for path in
        ["/images".to_owned(), format!("/images/{id}"), format!("/images?use={id}"), "/images/queue".to_owned()]
    {
        let page = stage.get(&path).await.body;
        assert!(page.contains("&#60;script&#62;alert(1)"), "{path}: {page}");
        assert!(!page.contains("<script>") && !page.contains("<img src=x"), "{path}: {page}");
    }
}

#[tokio::test]
async fn hostile_ids_name_nothing() {
    let (stage, _) = with_image(&[("prompt", "a fox")]).await;
    let long = "a".repeat(4000);
    for id in ["none", "..", "%2e%2e%2fuser.db", "..%2f..%2fetc%2fpasswd", "%00", "'%20OR%201=1--", "0", &long] {
        for path in [
            format!("/images/{id}/file"),
            format!("/images/{id}/thumbnail"),
            format!("/images/{id}/file?save=1"),
            format!("/images?use={id}"),
            format!("/images?job={id}"),
            format!("/api/v1/images/{id}/file"),
            format!("/api/v1/images/jobs/{id}/events"),
        ] {
            assert_eq!(stage.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
        for action in ["favourite", "delete"] {
            let seen = stage.post(&format!("/images/{id}/{action}"), &[("on", "1")]).await;
            assert_eq!(seen.status, StatusCode::NOT_FOUND, "{id} {action}");
        }
        for action in ["cancel", "retry"] {
            let seen = stage.post(&format!("/images/jobs/{id}/{action}"), &[]).await;
            assert_eq!(seen.status, StatusCode::NOT_FOUND, "{id} {action}");
        }
    }
    assert_eq!(stage.get("/images/%ff/file").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(ids(&stage.get("/images").await).len(), 1);
}

#[tokio::test]
async fn a_mark_is_put_on_and_taken_off() {
    let (stage, id) = with_image(&[("prompt", "a fox")]).await;
    let path = format!("/images/{id}/favourite");
    let piece = stage.post_by_script(&path, &[("on", "1")]).await.body;
    assert!(piece.starts_with("<button") && piece.contains("value=\"0\"") && piece.contains("★"), "{piece}");
    assert!(stage.app.image(&id).await.unwrap().favourite);
    let kept = [("on", "0"), ("kept", "?words=fox"), ("back", "gallery")];
    assert_eq!(stage.post(&path, &kept).await.header("location"), "/images?words=fox#gallery");
    assert!(!stage.app.image(&id).await.unwrap().favourite);
    let seen = stage.post(&path, &[("on", "1"), ("kept", "//evil.test")]).await;
    assert_eq!(seen.header("location"), format!("/images/{id}"));
}

#[tokio::test]
async fn what_is_done_with_several_images() {
    let stage = Stage::with_painter([]).await;
    stage.make(&[("prompt", "a fox"), ("count", "4"), ("seed", "10")]).await;
    let all = ids(&stage.get("/images").await);
    let many = |action: &'static str, ids: &[String]| {
        let mut fields: Vec<(&str, String)> = ids.iter().map(|id| ("id", id.clone())).collect();
        fields.extend([("action", action.to_owned()), ("kept", "?words=fox".to_owned())]);
        fields
    };
    let send = async |fields: Vec<(&str, String)>| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        stage.post("/images/many", &fields).await
    };
    assert_eq!(send(many("mark", &all[..2])).await.header("location"), "/images?words=fox#gallery");
    assert_eq!(ids(&stage.get("/images?favourite=1").await), all[..2]);
    send(many("unmark", &all[..1])).await;
    assert_eq!(ids(&stage.get("/images?favourite=1").await), all[1..2]);
    let one = send(many("save", &all[..1])).await;
    assert_eq!(one.header("location"), format!("/images/{}/file?save=1", all[0]));
    let seen = send(many("delete", &[all[0].clone(), all[0].clone(), "none".into()])).await;
    assert_eq!(seen.header("location"), "/images?words=fox&deleted=1#gallery");
    assert_eq!(seen.header("clear-site-data"), "\"cache\"");
    assert!(stage.get("/images?deleted=1").await.body.contains("1 image is gone for good"));
    assert_eq!(ids(&stage.get("/images").await), all[1..]);
    for (fields, status) in [
        (many("mark", &[]), 400),
        (many("paint", &all[1..]), 400),
        (many("mark", &["none".into()]), 404),
        (many("save", &["none".into(), "nothing".into()]), 404),
        (many("delete", &(0..301).map(|id| id.to_string()).collect::<Vec<_>>()), 400),
    ] {
        assert_eq!(send(fields).await.status.as_u16(), status);
    }
    let gone = stage.post(&format!("/images/{}/delete", all[1]), &[("kept", "?seed=12")]).await;
    assert_eq!(gone.header("location"), "/images?seed=12&deleted=1");
    assert_eq!(stage.get(&format!("/images/{}", all[1])).await.status, StatusCode::NOT_FOUND);
}
