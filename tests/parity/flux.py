"""FLUX with tiny models: tokens of T5, its encoder, denoiser, and whole runs of diffusers' pipeline.

The first text encoder and its tokenizer are those of models.py and tokenizer.py. Of the tokens of T5 a hash for each
string is kept.
"""

import json
import pathlib
import tempfile

import diffusers
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from integers import tensor
from models import clips, fill
from sources import of_flow
from tokenizer import FRAGMENTS, PLACE, strings
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.trainers import UnigramTrainer
from transformers import AutoTokenizer, CLIPTokenizer, T5Config, T5EncoderModel, T5Tokenizer
from z_image import hashed

PROMPT = "A fox in the snow, 4k. 漢字 and a sign that says OK"
CHANNELS, HEIGHT, WIDTH, BATCH, SEED, STEPS, TOKENS = 4, 32, 24, 2, 77, 8, 40
RUNS = {
    "flux-dev": (dict(shift=3.0, use_dynamic_shifting=True), 3.5),
    "flux-schnell": (dict(shift=1.0), 0.0),
}


def tokenizer():
    """Learns the vocabulary and writes the folder that Rust reads."""
    empty = T5Tokenizer(extra_ids=0)
    learner = Tokenizer(Unigram())
    learner.pre_tokenizer = empty._tokenizer.pre_tokenizer
    learner.train_from_iterator(FRAGMENTS * 3, UnigramTrainer(
        vocab_size=500, unk_token="<unk>", special_tokens=["<pad>", "</s>", "<unk>"], show_progress=False))
    pieces = [tuple(piece) for piece in json.loads(learner.to_str())["model"]["vocab"]]
    assert [piece for piece, _ in pieces[:3]] == ["<pad>", "</s>", "<unk>"]
    with tempfile.TemporaryDirectory() as saved:
        T5Tokenizer(vocab=pieces, extra_ids=0).save_pretrained(saved)
        again = AutoTokenizer.from_pretrained(saved)
        folder = PLACE / "t5-tokenizer"
        folder.mkdir(exist_ok=True)
        (folder / "tokenizer.json").write_text((pathlib.Path(saved) / "tokenizer.json").read_text())
    return again


def models(vocabulary):
    flux = dict(in_channels=4 * CHANNELS, num_layers=2, num_single_layers=2, attention_head_dim=16,
                num_attention_heads=3, joint_attention_dim=32, pooled_projection_dim=32, axes_dims_rope=(4, 6, 6))
    return {
        "t5": T5EncoderModel(T5Config(
            vocab_size=vocabulary, d_model=32, d_kv=8, d_ff=48, num_layers=3, num_heads=3,
            feed_forward_proj="gated-gelu", tie_word_embeddings=False)),
        "flux-dev": FluxTransformer2DModel(**flux, guidance_embeds=True),
        "flux-schnell": FluxTransformer2DModel(**flux),
        "flux-vae": AutoencoderKL(
            block_out_channels=(8, 16), layers_per_block=1, latent_channels=CHANNELS, norm_num_groups=4,
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
            scaling_factor=0.3611, shift_factor=0.1159, use_quant_conv=False, use_post_quant_conv=False),
    }


def unpacked(packed, height, width):
    return FluxPipeline._unpack_latents(packed, height, width, 1)


def references():
    tensors, described = {}, []
    words = tokenizer()
    ids = [words(text, add_special_tokens=False)["input_ids"] for text in strings()]
    tensors["ids"] = torch.tensor([hashed(row) for row in ids], dtype=torch.float32)
    made = models(len(words))
    for name, model in made.items():
        names = fill(model, name, ("encoder.embed_tokens.",) if name == "t5" else ())
        config = model.config.to_json_string() if name == "t5" else model.to_json_string()
        described.append({"name": name, "config": json.dumps(json.loads(config)), "names": names})
    clip = clips()["clip-quick"]
    fill(clip, "clip-quick")
    first = CLIPTokenizer.from_pretrained(PLACE / "tokenizer-json")
    with torch.no_grad():
        row = torch.tensor([[(at * 37) % len(words) for at in range(300)]])
        tensors["t5/states"] = made["t5"](row).last_hidden_state[:, [0, 1, 7, 150, 298, 299]]
        for name in RUNS:
            model = made[name]
            pooled, text = tensor(f"{name} pooled", 1, 32), tensor(f"{name} text", 1, 7, 32)
            for height, width in ((16, 12), (6, 10)):
                latents = tensor(f"{name} latents {height}", 2, CHANNELS, height, width)
                packed = FluxPipeline._pack_latents(latents, 2, CHANNELS, height, width)
                places = FluxPipeline._prepare_latent_image_ids(2, height // 2, width // 2, "cpu", torch.float32)
                for time in (1.0, 0.5, 0.001):
                    out = model(
                        packed, text.repeat(2, 1, 1), pooled.repeat(2, 1), torch.tensor([time, time]), places,
                        torch.zeros(7, 3), torch.tensor([3.5, 3.5]) if model.config.guidance_embeds else None).sample
                    tensors[f"{name}/{height}/{time}"] = unpacked(out, height, width)[1]
        for run, (settings, guidance) in RUNS.items():
            pipeline = FluxPipeline(
                scheduler=FlowMatchEulerDiscreteScheduler(**settings), vae=made["flux-vae"], text_encoder=clip,
                tokenizer=first, text_encoder_2=made["t5"], tokenizer_2=words, transformer=made[run])
            pipeline.set_progress_bar_config(disable=True)

            def images(kind):
                generators = [torch.Generator().manual_seed(SEED + at) for at in range(BATCH)]
                return pipeline(PROMPT, num_images_per_prompt=BATCH, height=HEIGHT, width=WIDTH,
                                num_inference_steps=STEPS, guidance_scale=guidance, generator=generators,
                                max_sequence_length=TOKENS, output_type=kind).images

            tensors[f"{run}/latents"] = unpacked(images("latent"), HEIGHT // 2, WIDTH // 2)
            tensors[f"{run}/pixels"] = (torch.from_numpy(images("np")) * 255).round().to(torch.int16)
            tensors |= of_flow(
                lambda task: getattr(diffusers, f"Flux{task}Pipeline")(
                    **{name: part for name, part in pipeline.components.items() if part is not None}),
                run, dict(prompt=PROMPT, num_inference_steps=STEPS, guidance_scale=guidance,
                          max_sequence_length=TOKENS),
                HEIGHT, WIDTH, lambda latents: unpacked(latents, HEIGHT // 2, WIDTH // 2))
            described.append({"name": f"{run} run", "config": pipeline.scheduler.to_json_string().replace("\n", " "),
                              "guidance": guidance})
        for name, prompt in (("prompt", PROMPT), ("empty", ""), ("long", PROMPT * 40)):
            states, pooled, _ = pipeline.encode_prompt(prompt, max_sequence_length=TOKENS)
            tensors[f"text/{name}"] = states[:, [0, 1, 2, TOKENS // 2, TOKENS - 2, TOKENS - 1]]
            tensors[f"text/{name}/pooled"] = pooled
    described.append({"name": "request", "prompt": PROMPT, "tokens": TOKENS})
    return {key: value.contiguous().clone() for key, value in tensors.items()}, described
