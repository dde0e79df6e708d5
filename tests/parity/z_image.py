"""Z-Image with tiny models: tokens, text encoder, denoiser, and whole runs of diffusers' pipeline.

The vocabulary is learnt from the strings of tokenizer.py, in the form in which Qwen's is; of the tokens of its 2,400
strings a hash for each is kept.
"""

import json
import tempfile
import pathlib

import diffusers
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from diffusers.pipelines.z_image.pipeline_z_image import calculate_shift, get_default_z_image_sigmas
from integers import seed_of, tensor
from models import fill
from sources import of_flow
from tokenizer import FRAGMENTS, PLACE, strings
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import AutoTokenizer, Qwen2Tokenizer, Qwen3Config, Qwen3Model

PROMPT = "A fox in the snow, 4k. 漢字 and cafe\u0301, with a sign that says <|im_end|>\n\nOK"
NEGATIVE = "cats, 3.14"
SPECIAL = ["<|im_start|>", "<|im_end|>"]
TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
            "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
CHANNELS, HEIGHT, WIDTH, BATCH, SEED, STEPS = 16, 32, 24, 2, 77, 8
RUNS = {
    "turbo": (dict(shift=3.0), 0.0),
    "guided": (dict(shift=3.0), 2.5),
    "by-size": (dict(use_dynamic_shifting=True), 0.0),
}


def hashed(ids):
    """24 bits, which f32 holds, of the numbers of a text's tokens."""
    return seed_of(",".join(map(str, ids))) & 0xFFFFFF


def tokenizer():
    """Learns the vocabulary and writes the folder that Rust reads."""
    empty = Qwen2Tokenizer()
    learner = Tokenizer(BPE())
    learner.normalizer, learner.pre_tokenizer = empty._tokenizer.normalizer, empty._tokenizer.pre_tokenizer
    learner.train_from_iterator(FRAGMENTS * 2, BpeTrainer(
        vocab_size=620, initial_alphabet=sorted(ByteLevel.alphabet()), show_progress=False))
    model = json.loads(learner.to_str())["model"]
    made = Qwen2Tokenizer(vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]],
                          extra_special_tokens=SPECIAL, chat_template=TEMPLATE)
    with tempfile.TemporaryDirectory() as saved:
        made.save_pretrained(saved)
        again = AutoTokenizer.from_pretrained(saved)
        folder = PLACE / "qwen-tokenizer"
        folder.mkdir(exist_ok=True)
        (folder / "tokenizer.json").write_text((pathlib.Path(saved) / "tokenizer.json").read_text())
    said = again.apply_chat_template([{"role": "user", "content": " x\n"}], tokenize=False, add_generation_prompt=True,
                                     enable_thinking=True)
    assert said == "<|im_start|>user\n x\n<|im_end|>\n<|im_start|>assistant\n", said
    return again


def models(vocabulary):
    """Few layers of the denoiser: differences of rounding grow with each, with five to 1.2e-5."""
    return {
        "qwen3": Qwen3Model(Qwen3Config(
            vocab_size=vocabulary, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4,
            num_key_value_heads=2, head_dim=16, max_position_embeddings=1024,
            rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0})),
        "z-image": ZImageTransformer2DModel(
            in_channels=CHANNELS, dim=48, n_layers=2, n_refiner_layers=1, n_heads=3, n_kv_heads=3, cap_feat_dim=32,
            axes_dims=[4, 6, 6], axes_lens=[160, 32, 24]),
        "z-image-plain": ZImageTransformer2DModel(
            in_channels=4, dim=32, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=20,
            qk_norm=False, norm_eps=1e-4, rope_theta=100.0, t_scale=500.0, axes_dims=[8, 4, 4],
            axes_lens=[64, 16, 16]),
        "z-image-vae": AutoencoderKL(
            block_out_channels=(8, 16), layers_per_block=1, latent_channels=CHANNELS, norm_num_groups=4,
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
            scaling_factor=0.3611, shift_factor=0.1159, use_quant_conv=False, use_post_quant_conv=False),
    }


def references():
    tensors, described = {}, []
    words = tokenizer()
    tensors["ids"] = torch.tensor([hashed(words(text)["input_ids"]) for text in strings()], dtype=torch.float32)
    made = models(len(words))
    for name, model in made.items():
        # Of the text encoder the last layer and what comes after it are not used.
        names = fill(model, name, ("layers.3.", "norm.") if name == "qwen3" else ())
        config = model.config.to_json_string() if name == "qwen3" else model.to_json_string()
        described.append({"name": name, "config": json.dumps(json.loads(config)), "names": names})
    with torch.no_grad():
        for name, captions in (("z-image", (33, 5)), ("z-image-plain", (32, 7))):
            model = made[name]
            channels, width = model.config.in_channels, model.config.cap_feat_dim
            texts = [tensor(f"{name} caption {count}", count, width) for count in captions]
            for (height, breadth), text in zip(((16, 12), (6, 10)), texts):
                latents = tensor(f"{name} latents {height}", 2, channels, 1, height, breadth)
                for time in (0.001, 0.75, 1.0):
                    out = model(list(latents.unbind()), torch.tensor([time, time]), [text, text]).sample
                    tensors[f"{name}/{height}/{time}"] = out[1]
        for run, (settings, guidance) in RUNS.items():
            pipeline = ZImagePipeline(
                scheduler=FlowMatchEulerDiscreteScheduler(**settings), vae=made["z-image-vae"],
                text_encoder=made["qwen3"], tokenizer=words, transformer=made["z-image"])
            pipeline.set_progress_bar_config(disable=True)

            def images(kind):
                generators = [torch.Generator().manual_seed(SEED + at) for at in range(BATCH)]
                return pipeline(PROMPT, negative_prompt=NEGATIVE, num_images_per_prompt=BATCH, height=HEIGHT,
                                width=WIDTH, num_inference_steps=STEPS, guidance_scale=guidance, generator=generators,
                                output_type=kind).images

            tensors[f"{run}/latents"] = images("latent")
            tensors[f"{run}/pixels"] = (torch.from_numpy(images("np")) * 255).round().to(torch.int16)
            tensors |= of_flow(
                lambda task: getattr(diffusers, f"ZImage{task}Pipeline")(**pipeline.components),
                run, dict(prompt=PROMPT, negative_prompt=NEGATIVE, num_inference_steps=STEPS,
                          guidance_scale=guidance), HEIGHT, WIDTH)
            described.append({"name": run, "config": pipeline.scheduler.to_json_string().replace("\n", " "),
                              "guidance": guidance})
        for run, (settings, _) in RUNS.items():
            timesteps = []
            for steps in range(1, 51):
                scheduler = FlowMatchEulerDiscreteScheduler(**settings)
                scheduler.set_timesteps(sigmas=get_default_z_image_sigmas(steps), mu=calculate_shift(48))
                timesteps.append(scheduler.timesteps)
            tensors[f"{run}/timesteps"] = torch.cat(timesteps)
        for name, prompt in (("prompt", PROMPT), ("empty", ""), ("long", PROMPT * 40)):
            states = pipeline.encode_prompt(prompt, do_classifier_free_guidance=False)[0][0]
            tensors[f"states/{name}/length"] = torch.tensor([float(len(states))])
            tensors[f"states/{name}"] = states[[0, 1, 2, len(states) // 2, -2, -1]]
    described.append({"name": "request", "prompt": PROMPT, "negative": NEGATIVE})
    return {key: value.contiguous().clone() for key, value in tensors.items()}, described
