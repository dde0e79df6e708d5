//! What is written is read again, whatever prompts hold; what others write is read as far as it goes.

use std::io::Write;

use model::{ImageSampler, NoiseSpacing};
use proptest::prelude::*;

use super::chunks::{EXIF_KEY, SIGNATURE};
use super::*;

fn settings() -> ImageSettings {
    ImageSettings {
        program: "Familiar 0.1.0".into(),
        model: "tiny".into(),
        width_pixels: 512,
        height_pixels: 768,
        steps: 20,
        guidance: 7.5,
        seed: 42,
        ..ImageSettings::default()
    }
}

#[test]
fn the_shared_form_is_the_customary_one() {
    let plain = ImageSettings { prompt: "a fox".into(), ..settings() };
    let whole = ImageSettings {
        prompt: "a fox,\nin snow".into(),
        negative_prompt: "blurry: \"no\"".into(),
        model: "my model, v1".into(),
        sampler: Some(ImageSampler::DpmPp2m),
        spacing: Some(NoiseSpacing::Karras),
        strength: Some(0.5),
        clip_skip: 1,
        ..settings()
    };
    for (settings, expected) in [
        (
            plain,
            "a fox\nSteps: 20, CFG scale: 7.5, Seed: 42, Size: 512x768, Model: tiny, RNG: CPU, Version: Familiar 0.1.0",
        ),
        (
            whole,
            "a fox,\nin snow\nNegative prompt: blurry: \"no\"\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, \
             CFG scale: 7.5, Seed: 42, Size: 512x768, Model: \"my model, v1\", Denoising strength: 0.5, Clip skip: 2, \
             RNG: CPU, Version: Familiar 0.1.0",
        ),
        (
            ImageSettings { prompt: "a\nNegative prompt: b".into(), program: String::new(), ..settings() },
            "a\nNegative prompt: b\nSteps: 20, CFG scale: 7.5, Seed: 42, Size: 512x768, Model: tiny, RNG: CPU, \
             Prompt lines: 2",
        ),
    ] {
        assert_eq!(write_infotext(&settings), expected);
    }
}

/// Prompts made of what the form is made of.
fn prompts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("Negative prompt:".to_owned()),
        Just("Negative prompt: x".to_owned()),
        Just("Steps: 1, a: b, c: d".to_owned()),
        Just("Prompt lines: 1".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just(", ".to_owned()),
        Just(": ".to_owned()),
        Just(" ".to_owned()),
        "[a-zA-Z0-9äß狐🦊]{1,8}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn both_forms_come_back_as_they_were(
        prompt in prompts(),
        negative_prompt in prompts(),
        model in prompts(),
        seed in any::<u64>(),
        guidance in 0.0..100.0_f64,
        clip_skip in 0..5_u32,
        strength in proptest::option::of(0.0..1.0_f64),
    ) {
        let settings =
            ImageSettings { prompt, negative_prompt, model, seed, guidance, clip_skip, strength, ..settings() };
        let text = write_infotext(&settings);
        let read = ImageParameters::of_shared(&text).expect("it holds settings");
        let expected = ImageParameters {
            form: ParametersForm::Infotext,
            clip_skip: Some(clip_skip).filter(|skipped| *skipped > 0),
            others: vec![("RNG".into(), "CPU".into()), ("Version".into(), settings.program.clone())],
            ..ImageParameters::from(settings)
        };
        prop_assert_eq!(read, expected, "{}", text);
    }

    #[test]
    fn no_text_harms_the_reader(text in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = ImageParameters::of_shared(&text);
        let file: Vec<u8> = SIGNATURE.iter().copied().chain(bytes.iter().copied()).collect();
        let _ = ImageParameters::of_file(&read_text(&file));
        let _ = exif::comment(&bytes, 100);
    }
}

#[test]
fn what_other_tools_write_is_read() {
    let graph = r#"{"3":{"class_type":"KSampler","inputs":{"seed":5,"steps":8,"cfg":2.5,"sampler_name":"dpmpp_2m",
        "scheduler":"karras","denoise":1.0,"model":["4",0],"positive":["6",0],"negative":["7",0],
        "latent_image":["5",0]}},
        "4":{"class_type":"CheckpointLoaderSimple","inputs":{"ckpt_name":"m.safetensors"}},
        "5":{"class_type":"EmptyLatentImage","inputs":{"width":64,"height":32}},
        "6":{"class_type":"CLIPTextEncode","inputs":{"text":"a fox","clip":["4",1]}},
        "7":{"class_type":"CLIPTextEncode","inputs":{"text":"blur","clip":["4",1]}}}"#;
    let invoke = r#"{"positive_prompt":"a fox","negative_prompt":"blur","width":64,"height":32,"seed":5,
        "cfg_scale":2.5,"steps":8,"scheduler":"dpmpp_2m_k","model":{"name":"m.safetensors"}}"#;
    let swarm = r#"{"sui_image_params":{"prompt":"a fox","negativeprompt":"blur","model":"m.safetensors","seed":5,
        "steps":8,"cfgscale":2.5,"width":64,"height":32,"sampler":"dpmpp_2m","scheduler":"karras"}}"#;
    let fooocus = r#"{"prompt":"a fox","negative_prompt":"blur","base_model":"m.safetensors","seed":"5","steps":8,
        "guidance_scale":2.5,"resolution":"(64, 32)","sampler":"dpmpp_2m","scheduler":"karras"}"#;
    let lines = "a fox\nNegative prompt: blur\nSteps: 8, Sampler: DPM++ 2M Karras, CFG scale: 2.5, Seed: 5, \
                 Size: 64x32, Model: m.safetensors";
    for (key, text, form) in [
        ("prompt", graph, ParametersForm::ComfyUi),
        ("invokeai_metadata", invoke, ParametersForm::InvokeAi),
        (SHARED_KEY, swarm, ParametersForm::SwarmUi),
        (SHARED_KEY, fooocus, ParametersForm::Fooocus),
        (SHARED_KEY, lines, ParametersForm::Infotext),
        (EXIF_KEY, lines, ParametersForm::Infotext),
    ] {
        let read = ImageParameters::of_file(&FileText::from([(key.to_owned(), text.to_owned())]));
        let expected = ImageParameters {
            form,
            prompt: "a fox".into(),
            negative_prompt: "blur".into(),
            model: Some("m.safetensors".into()),
            size_pixels: Some((64, 32)),
            steps: Some(8),
            guidance: Some(2.5),
            sampler: Some(ImageSampler::DpmPp2m),
            spacing: Some(NoiseSpacing::Karras),
            seed: Some(5),
            ..ImageParameters::default()
        };
        assert_eq!(read, Some(expected), "{key} of {form:?}");
    }
    let several = [("prompt", graph), (SHARED_KEY, lines), ("invokeai_metadata", invoke)];
    let several = FileText::from(several.map(|(key, text)| (key.to_owned(), text.to_owned())));
    assert_eq!(ImageParameters::of_file(&several).map(|read| read.form), Some(ParametersForm::InvokeAi));
}

#[test]
fn a_sampler_that_is_none_of_ours_is_still_told() {
    let read = |name: &str| {
        let read = ImageParameters::of_shared(&format!("a fox\nSteps: 8, Sampler: {name}, Seed: 5, Size: 64x32"));
        read.map(|read| (read.sampler, read.others)).expect("it says something")
    };
    assert_eq!(read("Euler"), (Some(ImageSampler::Euler), Vec::new()));
    assert_eq!(read("DPM fast"), (None, vec![("Sampler".into(), "DPM fast".into())]));
}

#[test]
fn a_text_without_settings_is_a_prompt() {
    for (text, expected) in [
        ("a fox", Some(("a fox", ""))),
        ("a fox\nSteps: 1, a: b", Some(("a fox\nSteps: 1, a: b", ""))),
        ("a\nNegative prompt: b\nc", Some(("a", "b\nc"))),
        ("{\"unknown\": 1}", None),
        (" \n ", None),
    ] {
        let read = ImageParameters::of_shared(text);
        let read = read.as_ref().map(|read| (read.prompt.as_str(), read.negative_prompt.as_str()));
        assert_eq!(read, expected, "{text:?}");
    }
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    [&(data.len() as u32).to_be_bytes()[..], kind, data, &[0; 4]].concat()
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

#[test]
fn texts_are_read_from_every_kind_of_chunk_and_bombs_are_passed_over() {
    let bomb = packed(&vec![b'a'; 2 * 1024 * 1024]);
    assert!(bomb.len() < 10_000, "it is a bomb");
    let exif = [
        &b"MM\0\x2a\0\0\0\x08"[..],
        b"\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x1a\0\0\0\0",
        b"\0\x01\x92\x86\0\x07\0\0\0\x0c\0\0\0\x2c\0\0\0\0",
        b"UNICODE\0\0h\0i",
    ]
    .concat();
    for (kind, data, expected) in [
        (b"tEXt", b"key\0h\xe9".to_vec(), Some(("key", "hé"))),
        (b"tEXt", [&b"key\0"[..], &vec![b'a'; 2 * 1024 * 1024]].concat(), None),
        (b"tEXt", b"no end of the key".to_vec(), None),
        (b"zTXt", [&b"key\0\0"[..], &packed(b"hi")].concat(), Some(("key", "hi"))),
        (b"zTXt", [&b"key\0\0"[..], &bomb].concat(), None),
        (b"zTXt", [&b"key\0\x01"[..], &packed(b"hi")].concat(), None),
        (b"iTXt", "key\0\0\0en\0Schlüssel\0h狐".as_bytes().to_vec(), Some(("key", "h狐"))),
        (b"iTXt", [&b"key\0\x01\0\0\0"[..], &packed("狐".as_bytes())].concat(), Some(("key", "狐"))),
        (b"iTXt", [&b"key\0\x01\0\0\0"[..], &bomb].concat(), None),
        (b"iTXt", b"key\0\0\0\0\0\xff".to_vec(), None),
        (b"eXIf", exif, Some((EXIF_KEY, "hi"))),
        (b"eXIf", b"MM\0\x2a\xff\xff\xff\xff".to_vec(), None),
    ] {
        let file = [&SIGNATURE[..], &chunk(kind, &data), &chunk(b"tEXt", b"last\0x")].concat();
        let texts = read_text(&file);
        assert_eq!(texts.get("last").map(String::as_str), Some("x"), "the reader stopped early");
        let expected: FileText = expected
            .into_iter()
            .chain([("last", "x")])
            .map(|(key, text)| (key.to_owned(), text.to_owned()))
            .collect();
        assert_eq!(texts, expected);
    }
    assert!(read_text(b"no PNG").is_empty());
}
