"""What diffusers' pipelines make of a prompt with two LoRAs merged into tiny models: one output of the denoiser, and the
latents after the loop.

The denoiser's layers have the names of diffusers, those of the kohya scripts, and for SDXL the original ones as well;
diffusers reads them all, and they must come to the same. Text encoders get theirs from peft itself, because diffusers does
not find their layers since transformers 5.6 took a folder out of their names. All have the same alpha: of several,
diffusers finds some only. The numbers are integers that Rust makes as well, so that only the names are kept.
"""

import diffusers
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from integers import tensor
from models import clips, unets, vaes
from original import unet as original
from pipelines import BATCH, HEIGHT, NEGATIVE, PROMPT, SEED, SETTINGS, STEPS, WIDTH, made
from tokenizer import PLACE
from torch import nn
from transformers import CLIPTokenizer

SCALES, ALPHA = [0.8, -0.5], 2.0
# Layers outside of the blocks; within them every so many layers are changed.
OUTER = ("conv_in", "conv_out", "time_embedding.linear_1", "add_embedding.linear_2")
EVERY = {"unet": 7, "text_encoder": 4, "text_encoder_2": 4}
KOHYA = {"unet": "lora_unet_", "text_encoder": "lora_te{}_", "text_encoder_2": "lora_te2_"}


def layers(part, model, family):
    """The layers of a part that are changed: their names, shapes and file."""
    found = [(name, module) for name, module in sorted(model.named_modules()) if isinstance(module, (nn.Linear, nn.Conv2d))]
    for at, (name, module) in enumerate(found):
        mixed = any(kind in name for kind in ("shortcut", "samplers"))
        if name not in OUTER and not mixed and at % EVERY[part]:
            continue
        for file in range(len(SCALES)):
            if file and at % 2:
                continue
            rank = [1, 2, 4][(at + file) % 3]
            shape = list(module.weight.shape)
            ones = [1] * (len(shape) - 2)
            inner = name if part == "unet" else "text_model." + name.removeprefix("text_model.")
            begin = KOHYA[part].format("" if family == "sd" else "1")
            item = {"file": file, "layer": f"{part}.{inner}", "kohya": begin + inner.replace(".", "_"),
                    "down": [rank, *shape[1:]], "up": [shape[0], rank, *ones]}
            if part == "unet" and family == "xl":
                item["original"] = begin + original(name, model.config).replace(".", "_")
                # The kohya scripts have no other name for it, and diffusers finds it by no other.
                if name.startswith("add_embedding"):
                    item["kohya"] = item["original"]
            yield item


def numbers(item):
    """Both matrices, so that their product is some part of what it is added to."""
    fan_in = torch.Size(item["down"][1:]).numel()
    key = f"{item['file']} {item['layer']}"
    down = tensor(f"{key} down", *item["down"], scale=(3.0 / fan_in) ** 0.5)
    return down, tensor(f"{key} up", *item["up"], scale=0.5)


def files(items, naming):
    """Both files under names of one kind; alpha over rank is a tensor, or within the second matrix."""
    made = [{} for _ in SCALES]
    for item in items:
        down, up = numbers(item)
        file, name = made[item["file"]], item.get(naming, item["kohya"])
        if naming == "layer":
            file |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up * (ALPHA / down.shape[0])}
        else:
            file |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up,
                     f"{name}.alpha": torch.tensor(ALPHA)}
    return made


def merge_text(model, part, items):
    """Merges both files into a text encoder."""
    # Here, so that every other part can be made without it.
    from peft import LoraConfig, inject_adapter_in_model
    from peft.tuners.tuners_utils import BaseTunerLayer

    for at, scale in enumerate(SCALES):
        layers = {}
        for item in items:
            if item["file"] == at and item["layer"].startswith(f"{part}."):
                layer = item["layer"].removeprefix(f"{part}.")
                layers[layer if hasattr(model, "text_model") else layer.removeprefix("text_model.")] = item
        ranks = {layer: item["down"][0] for layer, item in layers.items()}
        config = LoraConfig(r=1, lora_alpha=ALPHA, target_modules=list(layers), rank_pattern=ranks)
        inject_adapter_in_model(config, model, f"lora{at}")
        for layer, item in layers.items():
            changed = model.get_submodule(layer)
            down, up = numbers(item)
            changed.lora_A[f"lora{at}"].weight.data.copy_(down)
            changed.lora_B[f"lora{at}"].weight.data.copy_(up)
            changed.set_scale(f"lora{at}", scale)
    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            module.merge(adapter_names=[name for name in ("lora0", "lora1") if name in module.lora_A])


def pipelines(family):
    tokenizer = CLIPTokenizer.from_pretrained(PLACE / "tokenizer-json")
    quick, exact = made(clips(), "clip-quick"), made(clips(), "clip-exact")
    parts = dict(vae=made(vaes(), "vae"), text_encoder=quick, tokenizer=tokenizer,
                 unet=made(unets(), f"unet-{family}"),
                 scheduler=diffusers.DDIMScheduler(**SETTINGS, clip_sample=False, set_alpha_to_one=False))
    if family == "sd":
        return StableDiffusionPipeline(**parts, safety_checker=None, feature_extractor=None,
                                       requires_safety_checker=False)
    return StableDiffusionXLPipeline(**parts, text_encoder_2=exact, tokenizer_2=tokenizer, add_watermarker=False)


def merged(family, items, naming):
    """A pipeline with both files merged, in all parts or in the denoiser alone."""
    pipeline = pipelines(family)
    pipeline.set_progress_bar_config(disable=True)
    names = [f"lora{at}" for at in range(len(SCALES))]
    of_unet = [item for item in items if item["layer"].startswith("unet.")]
    for name, file in zip(names, files(of_unet, naming)):
        pipeline.load_lora_weights(file, adapter_name=name)
    pipeline.set_adapters(names, SCALES)
    pipeline.fuse_lora(components=["unet"], adapter_names=names)
    pipeline.unload_lora_weights()
    for part in ("text_encoder", "text_encoder_2"):
        if any(item["layer"].startswith(f"{part}.") for item in items):
            merge_text(getattr(pipeline, part), part, items)
    return pipeline


@torch.no_grad()
def forward(pipeline, family):
    """One output of the denoiser for the prompt, without guidance."""
    latents, more = tensor("lora latents", 1, 4, HEIGHT // 2, WIDTH // 2), {}
    if family == "sd":
        text, _ = pipeline.encode_prompt(PROMPT, "cpu", 1, False)
    else:
        text, _, pooled, _ = pipeline.encode_prompt(PROMPT, do_classifier_free_guidance=False)
        sizes = torch.tensor([[HEIGHT, WIDTH, 0, 0, HEIGHT, WIDTH]], dtype=torch.float32)
        more = {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": sizes}}
    return pipeline.unet(latents, 500.25, text, **more).sample


def references():
    tensors, described = {}, []
    for family in ("sd", "xl"):
        plain = pipelines(family)
        items = [item for part in EVERY if hasattr(plain, part) for item in layers(part, getattr(plain, part), family)]
        pipeline = merged(family, items, "layer")
        output = forward(pipeline, family)
        assert (output - forward(plain, family)).abs().max() > 0.1, "the LoRAs change next to nothing"
        of_unet = [item for item in items if item["layer"].startswith("unet.")]
        alone = forward(merged(family, of_unet, "layer"), family)
        assert (output - alone).abs().max() > 0.01, "the text encoders did not change"
        for naming in ("kohya", "original"):
            assert torch.allclose(alone, forward(merged(family, of_unet, naming), family), atol=1e-5), naming
        tensors[f"{family}/forward"] = output
        generators = [torch.Generator().manual_seed(SEED + at) for at in range(BATCH)]
        latents = pipeline(PROMPT, negative_prompt=NEGATIVE, num_images_per_prompt=BATCH, height=HEIGHT, width=WIDTH,
                           num_inference_steps=STEPS, guidance_scale=7.5, generator=generators, output_type="latent")
        tensors[f"{family}/latents"] = latents.images.contiguous()
        described += [{"name": family, **item} for item in items]
    return tensors, described
