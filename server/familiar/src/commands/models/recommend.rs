//! `familiar models recommend`: image models by the memory of this machine. Refuses: a promise where memory cannot be told.

use app::{Home, KNOWN_IMAGE_MODELS, KnownImageModel, list_image_models};
use serde_json::json;

use crate::os;
use crate::render::{self, Style};

/// What this machine has for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// It is there already.
    Here,
    /// There is room for it now.
    Now,
    /// There is room for it once other programs give some back.
    Later,
    /// There is not enough memory.
    Never,
    /// The system does not say how much memory there is.
    Unknown,
}

impl Fit {
    fn of(needed_bytes: u64, is_here: bool, memory: Option<(u64, u64)>) -> Self {
        match memory {
            _ if is_here => Self::Here,
            None => Self::Unknown,
            Some((free_bytes, _)) if needed_bytes <= free_bytes => Self::Now,
            Some((_, total_bytes)) if needed_bytes <= total_bytes => Self::Later,
            Some(_) => Self::Never,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Here => "it is here",
            Self::Now => "fits",
            Self::Later => "fits when other programs end",
            Self::Never => "too large for this machine",
            Self::Unknown => "this system does not tell its memory",
        }
    }
}

/// Prints the image models that can be brought by name, and how they fit.
pub(super) fn recommend(home: &Home, json: bool) -> anyhow::Result<()> {
    let memory = os::memory();
    let here = list_image_models(&home.models);
    let fits: Vec<(KnownImageModel, Fit)> = KNOWN_IMAGE_MODELS
        .into_iter()
        .map(|known| {
            let is_here = here.iter().any(|entry| entry.name == known.name);
            (known, Fit::of(known.needed_bytes(), is_here, memory))
        })
        .collect();
    if json {
        let models: Vec<_> = fits.iter().map(|(known, fit)| described(known, *fit)).collect();
        let memory_bytes = memory.map(|(_, total)| total);
        return Ok(render::output(&render::json(
            &json!({ "memory_bytes": memory_bytes, "image_models": models }),
        ))?);
    }
    Ok(render::output(&table(&fits, memory, Style::of_output()))?)
}

fn described(known: &KnownImageModel, fit: Fit) -> serde_json::Value {
    json!({
        "name": known.name, "repository": known.repository, "about": known.about, "licence": known.licence,
        "size_bytes": known.size_bytes, "needed_bytes": known.needed_bytes(),
        "fits": matches!(fit, Fit::Here | Fit::Now | Fit::Later), "is_here": fit == Fit::Here,
    })
}

fn table(fits: &[(KnownImageModel, Fit)], memory: Option<(u64, u64)>, style: Style) -> String {
    let mut text = match memory {
        Some((free, total)) => {
            format!("this machine has {} of memory, {} of it free\n\n", render::bytes(total), render::bytes(free))
        }
        None => String::new(),
    };
    for (known, fit) in fits {
        let words = match fit {
            Fit::Here | Fit::Now | Fit::Later => style.good(fit.words()),
            Fit::Never | Fit::Unknown => style.dim(fit.words()),
        };
        let (size, needed) = (render::bytes(known.size_bytes), render::bytes(known.needed_bytes()));
        text.push_str(&format!("{}  {size} to bring, {needed} of memory: {words}\n", style.bold(known.name)));
        text.push_str(&format!("    {}; {}\n", known.about, known.licence));
    }
    // The best that fits, unless one is here: later ones need more because they draw better.
    let is_any_here = fits.iter().any(|(_, fit)| *fit == Fit::Here);
    let best = fits.iter().rev().find(|(_, fit)| *fit == Fit::Now);
    if let (Some((known, _)), false) = (best, is_any_here) {
        text.push_str(&format!("\nbring one with its name: familiar models pull {}\n", known.name));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;

    #[test]
    fn the_memory_decides() {
        for (memory, expected) in [
            (None, Fit::Unknown),
            (Some((9 * GB, 16 * GB)), Fit::Now),
            (Some((7 * GB, 16 * GB)), Fit::Later),
            (Some((4 * GB, 7 * GB)), Fit::Never),
        ] {
            assert_eq!(Fit::of(8 * GB, false, memory), expected, "{memory:?}");
            assert_eq!(Fit::of(8 * GB, true, memory), Fit::Here);
        }
    }

    #[test]
    fn the_best_that_fits_is_named() {
        let at = |memory| {
            let fits: Vec<_> = KNOWN_IMAGE_MODELS
                .into_iter()
                .map(|known| (known, Fit::of(known.needed_bytes(), false, Some(memory))))
                .collect();
            table(&fits, Some(memory), Style::plain())
        };
        assert!(at((64 * GB, 64 * GB)).ends_with("familiar models pull z-image-turbo\n"));
        assert!(at((8 * GB, 16 * GB)).ends_with("familiar models pull sd-turbo\n"));
        let small = at((2 * GB, 4 * GB));
        assert!(
            small.contains("sd-1.5  2.1 GB to bring, 5.3 GB of memory: too large for this machine"),
            "{small}"
        );
        assert!(!small.contains("models pull"), "{small}");
    }
}
