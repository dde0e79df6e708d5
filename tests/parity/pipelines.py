"""What diffusers' pipelines make of a prompt with tiny models: latents after the loop, and the pictures.

The tokenizer is the small one of tokenizer.py, whose files must be there. SDXL's two text encoders are the two of
models.py, so its denoiser reads 32 + 32 numbers for each token and 24 of pooled text.
"""

import diffusers
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from models import clips, fill, unets, vaes
from tokenizer import PLACE
from transformers import CLIPTokenizer

PROMPT, NEGATIVE = "a photo of an astronaut riding a horse, 4k", "cats, 3.14"
SETTINGS = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                steps_offset=1, timestep_spacing="leading")
SAMPLERS = {
    "ddim": ("DDIMScheduler", dict(clip_sample=False, set_alpha_to_one=False)),
    "euler": ("EulerDiscreteScheduler", {}),
    "ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "karras": ("DPMSolverMultistepScheduler", dict(use_karras_sigmas=True)),
}
STEPS, BATCH, SEED, HEIGHT, WIDTH = 20, 2, 77, 24, 16


def made(models, name):
    model = models[name]
    fill(model, name)
    return model


def references():
    tensors, described = {}, []
    folder = PLACE / "tokenizer-json"
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    quick, exact = made(clips(), "clip-quick"), made(clips(), "clip-exact")
    denoisers = {"sd": made(unets(), "unet-sd"), "xl": made(unets(), "unet-xl")}
    vae = made(vaes(), "vae")
    for family, unet in denoisers.items():
        for sampler, (kind, more) in SAMPLERS.items():
            scheduler = getattr(diffusers, kind)(**SETTINGS, **more)
            if family == "sd":
                pipeline = StableDiffusionPipeline(
                    vae=vae, text_encoder=quick, tokenizer=tokenizer, unet=unet, scheduler=scheduler,
                    safety_checker=None, feature_extractor=None, requires_safety_checker=False)
            else:
                pipeline = StableDiffusionXLPipeline(
                    vae=vae, text_encoder=quick, text_encoder_2=exact, tokenizer=tokenizer, tokenizer_2=tokenizer,
                    unet=unet, scheduler=scheduler, add_watermarker=False)
            pipeline.set_progress_bar_config(disable=True)

            def run(kind):
                generators = [torch.Generator().manual_seed(SEED + at) for at in range(BATCH)]
                return pipeline(PROMPT, negative_prompt=NEGATIVE, num_images_per_prompt=BATCH, height=HEIGHT,
                                width=WIDTH, num_inference_steps=STEPS, guidance_scale=7.5, generator=generators,
                                output_type=kind).images

            name = f"{family}/{sampler}"
            tensors[f"{name}/latents"] = run("latent").contiguous()
            pixels = (torch.from_numpy(run("np")) * 255).round()
            tensors[f"{name}/pixels"] = pixels.to(torch.int16).contiguous()
            described.append({"name": name, "config": scheduler.to_json_string().replace("\n", " ")})
    return tensors, {"prompt": PROMPT, "negative": NEGATIVE, "runs": described}
