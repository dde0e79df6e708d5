"""What diffusers' pipelines make of a prompt and an image, whole or under a mask: latents after the loop, and pictures.

Models and samplers are those of pipelines.py; the denoiser with nine channels is one of models.py. Image and mask are
made of integers, so that Rust has the same files.
"""

import diffusers
import numpy as np
import torch
from integers import fractions
from models import clips, unets, vaes
from PIL import Image
from pipelines import HEIGHT, NEGATIVE, PROMPT, SAMPLERS, SEED, SETTINGS, STEPS, WIDTH, made
from tokenizer import PLACE
from transformers import CLIPTokenizer

CASES = [
    ("sd", "Img2Img", "ddim", 0.6), ("sd", "Img2Img", "euler", 1.0), ("sd", "Img2Img", "ancestral", 0.33),
    ("sd", "Img2Img", "karras", 0.75), ("xl", "Img2Img", "euler", 0.5),
    ("sd", "Inpaint", "ddim", 1.0), ("sd", "Inpaint", "euler", 0.7), ("sd", "Inpaint", "karras", 0.6),
    ("xl", "Inpaint", "euler", 0.9), ("xl", "Inpaint", "ancestral", 1.0),
    ("nine", "Inpaint", "ddim", 1.0), ("nine", "Inpaint", "euler", 0.8),
]

FLOW_CASES = [("Img2Img", 0.6), ("Inpaint", 0.85)]


def picture(name, *shape):
    """Bytes from 0 to 255."""
    numbers = fractions(name, int(np.prod(shape))).astype(np.float64)
    return np.floor((numbers + 1.0) * 128.0).clip(0, 255).astype(np.uint8).reshape(shape)


def mask(height=HEIGHT, width=WIDTH):
    """White in a rectangle, black around it, and grey of both sides of the middle within."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[5:20, 3:13] = 255
    pixels[8:12, 4:8] = picture("mask", 4, 4)
    return pixels


def of_flow(pipelines, run, prompts, height, width, packing=lambda latents: latents):
    """Latents and pixels of a flow's runs from an image, whole and under a mask. `pipelines` makes one of each task."""
    tensors = {}
    image, hole = Image.fromarray(picture("source", height, width, 3)), Image.fromarray(mask(height, width))
    for task, strength in FLOW_CASES:
        pipeline = pipelines(task)
        pipeline.set_progress_bar_config(disable=True)
        inputs = dict(image=image, strength=strength, height=height, width=width, **prompts)
        if task == "Inpaint":
            inputs["mask_image"] = hole

        def drawn(kind):
            return pipeline(generator=torch.Generator().manual_seed(SEED), output_type=kind, **inputs).images

        tensors[f"{run}/{task}/latents"] = packing(drawn("latent"))
        tensors[f"{run}/{task}/pixels"] = (torch.from_numpy(drawn("np")) * 255).round().to(torch.int16)
    return tensors


def references():
    tensors, described = {}, []
    tokenizer = CLIPTokenizer.from_pretrained(PLACE / "tokenizer-json")
    quick, exact = made(clips(), "clip-quick"), made(clips(), "clip-exact")
    denoisers = {"sd": made(unets(), "unet-sd"), "xl": made(unets(), "unet-xl"), "nine": made(unets(), "unet-groups")}
    vae = made(vaes(), "vae")
    source, hole = Image.fromarray(picture("source", HEIGHT, WIDTH, 3)), Image.fromarray(mask())
    for family, task, sampler, strength in CASES:
        kind, more = SAMPLERS[sampler]
        parts = dict(vae=vae, text_encoder=quick, tokenizer=tokenizer, unet=denoisers[family],
                     scheduler=getattr(diffusers, kind)(**SETTINGS, **more))
        if family == "xl":
            pipeline = getattr(diffusers, f"StableDiffusionXL{task}Pipeline")(
                **parts, text_encoder_2=exact, tokenizer_2=tokenizer, add_watermarker=False)
        else:
            pipeline = getattr(diffusers, f"StableDiffusion{task}Pipeline")(
                **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
        pipeline.set_progress_bar_config(disable=True)
        inputs = dict(image=source, strength=strength)
        if task == "Inpaint":
            inputs |= dict(mask_image=hole, height=HEIGHT, width=WIDTH)

        def run(kind):
            return pipeline(PROMPT, negative_prompt=NEGATIVE, num_inference_steps=STEPS, guidance_scale=7.5,
                            generator=torch.Generator().manual_seed(SEED), output_type=kind, **inputs).images

        name = f"{family}/{task}/{sampler}"
        tensors[f"{name}/latents"] = run("latent").contiguous()
        pixels = (torch.from_numpy(run("np")) * 255).round()
        tensors[f"{name}/pixels"] = pixels.to(torch.int16).contiguous()
        described.append({"name": name, "family": family, "masked": task == "Inpaint", "sampler": sampler,
                          "strength": strength})
    return tensors, described
