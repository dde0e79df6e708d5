//! The names that tools share for samplers and spacings. Refuses: a name it does not know, which is then none.

use model::{ImageSampler, NoiseSpacing};

/// Each sampler with the name that is written, then others that are read.
const SAMPLERS: [(ImageSampler, &[&str]); 9] = [
    (ImageSampler::EulerAncestral, &["Euler a", "euler_ancestral", "euler_a"]),
    (ImageSampler::Euler, &["Euler", "euler"]),
    (ImageSampler::DpmPp2mSde, &["DPM++ 2M SDE", "dpmpp_2m_sde", "dpmpp_2m_sde_gpu"]),
    (ImageSampler::DpmPp2m, &["DPM++ 2M", "dpmpp_2m"]),
    (ImageSampler::Ddim, &["DDIM", "ddim"]),
    (ImageSampler::Pndm, &["PLMS", "PNDM", "pndm"]),
    (ImageSampler::UniPc, &["UniPC", "uni_pc", "unipc"]),
    (ImageSampler::Heun, &["Heun", "heun"]),
    (ImageSampler::Lcm, &["LCM", "lcm"]),
];

/// Each spacing with the name that is written, then others that are read.
const SPACINGS: [(NoiseSpacing, &[&str]); 4] = [
    (NoiseSpacing::Karras, &["Karras", "_karras"]),
    (NoiseSpacing::Exponential, &["Exponential"]),
    (NoiseSpacing::Beta, &["Beta"]),
    (NoiseSpacing::Timesteps, &["Uniform", "Normal"]),
];

pub(super) fn of_sampler(sampler: ImageSampler) -> &'static str {
    SAMPLERS.iter().find(|(known, _)| *known == sampler).map_or("", |(_, names)| names[0])
}

pub(super) fn of_spacing(spacing: NoiseSpacing) -> &'static str {
    SPACINGS.iter().find(|(known, _)| *known == spacing).map_or("", |(_, names)| names[0])
}

/// The sampler of a name, and the spacing that older tools wrote behind it, as in `DPM++ 2M Karras` or `euler_k`.
pub(super) fn sampler(name: &str) -> (Option<ImageSampler>, Option<NoiseSpacing>) {
    let name = name.trim();
    let exact = |name: &str| {
        let is = |known: &&str| known.eq_ignore_ascii_case(name);
        SAMPLERS.iter().find(|(_, names)| names.iter().any(&is)).map(|(sampler, _)| *sampler)
    };
    for (spacing, names) in SPACINGS {
        for end in names.iter().chain(&["_k"]) {
            let at = name.len().saturating_sub(end.len());
            let ends = name.get(at..).is_some_and(|tail| tail.eq_ignore_ascii_case(end));
            if ends
                && at > 0
                && let Some(sampler) = exact(name[..at].trim_end())
            {
                return (Some(sampler), Some(spacing));
            }
        }
    }
    (exact(name), None)
}

pub(super) fn spacing(name: &str) -> Option<NoiseSpacing> {
    let is = |known: &&str| known.eq_ignore_ascii_case(name.trim());
    SPACINGS.iter().find(|(_, names)| names.iter().any(&is)).map(|(spacing, _)| *spacing)
}
