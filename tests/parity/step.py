"""Models of real sizes with random weights, and how long one step of diffusers takes: python tests/parity/step.py FOLDER.

Each gets a folder with the model as diffusers saves it, what went in and came out, and the seconds. The bench `step` of
server/paint reads them. The denoisers of Stable Diffusion are whole; of FLUX and Z-Image there is one block of each
kind, as many as memory holds.
"""

import json
import pathlib
import statistics
import sys
import time

import diffusers
import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel, UNet2DConditionModel, ZImageTransformer2DModel
from safetensors.torch import save_file

RUNS = 3
SIDE = 64
STABLE_DIFFUSION = dict(sample_size=64, cross_attention_dim=768, attention_head_dim=8, layers_per_block=2,
                        block_out_channels=(320, 640, 1280, 1280))
XL = dict(sample_size=128, cross_attention_dim=2048, attention_head_dim=(5, 10, 20), layers_per_block=2,
          block_out_channels=(320, 640, 1280), transformer_layers_per_block=(1, 2, 10), use_linear_projection=True,
          down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
          up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
          addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816)
FLUX = dict(num_layers=1, num_single_layers=1, guidance_embeds=False)
Z_IMAGE = dict(n_layers=1, n_refiner_layers=1, axes_dims=[32, 48, 48], axes_lens=[1024, 512, 512])
VAE = dict(block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4, norm_num_groups=32,
           down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4)


def stable_diffusion(model, given):
    return model(given["latents"], 500.0, given["text"]).sample


def xl(model, given):
    sizes = torch.tensor([[1024.0, 1024.0, 0.0, 0.0, 1024.0, 1024.0]])
    added = {"text_embeds": given["pooled"], "time_ids": sizes.repeat(len(given["latents"]), 1)}
    return model(given["latents"], 500.0, given["text"], added_cond_kwargs=added).sample


def flux(model, given):
    batch, channels, height, width = given["latents"].shape
    rows, columns = height // 2, width // 2
    tokens = given["latents"].view(batch, channels, rows, 2, columns, 2).permute(0, 2, 4, 1, 3, 5)
    places = torch.zeros(rows, columns, 3)
    places[..., 1], places[..., 2] = torch.arange(rows)[:, None], torch.arange(columns)
    out = model(tokens.reshape(batch, rows * columns, channels * 4), given["text"], given["pooled"],
                torch.tensor([0.5]), places.view(-1, 3), torch.zeros(given["text"].shape[1], 3)).sample
    split = out.view(batch, rows, columns, channels, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return split.reshape(batch, channels, height, width)


def z_image(model, given):
    out = model([given["latents"][0].unsqueeze(1)], torch.tensor([0.5]), [given["text"][0]]).sample
    return torch.stack(list(out)).squeeze(2)


def decode(model, given):
    return model.decode(given["latents"]).sample


MODELS = {
    "stable-diffusion": (UNet2DConditionModel, STABLE_DIFFUSION, stable_diffusion,
                         {"latents": (2, 4, SIDE, SIDE), "text": (2, 77, 768)}),
    "sdxl": (UNet2DConditionModel, XL, xl,
             {"latents": (1, 4, SIDE, SIDE), "text": (1, 77, 2048), "pooled": (1, 1280)}),
    "flux": (FluxTransformer2DModel, FLUX, flux,
             {"latents": (1, 16, SIDE, SIDE), "text": (1, 512, 4096), "pooled": (1, 768)}),
    "z-image": (ZImageTransformer2DModel, Z_IMAGE, z_image,
                {"latents": (1, 16, SIDE, SIDE), "text": (1, 64, 2560)}),
    "vae": (AutoencoderKL, VAE, decode, {"latents": (1, 4, SIDE, SIDE)}),
}


def main(folder, names):
    torch.manual_seed(0)
    for name in names or MODELS:
        kind, settings, step, shapes = MODELS[name]
        place = pathlib.Path(folder) / name
        place.mkdir(parents=True, exist_ok=True)
        model = kind(**settings).eval()
        if not (place / "config.json").exists():
            model.save_pretrained(place, max_shard_size="100GB")
        else:
            model = kind.from_pretrained(place).eval()
        given = {what: torch.randn(shape) for what, shape in shapes.items()}
        seconds = []
        with torch.no_grad():
            out = step(model, given)
            for _ in range(RUNS):
                began = time.perf_counter()
                step(model, given)
                seconds.append(time.perf_counter() - began)
        save_file({**given, "out": out.contiguous()}, place / "step.safetensors")
        about = {"seconds": statistics.median(seconds), "threads": torch.get_num_threads(),
                 "reference": f"torch {torch.__version__}, diffusers {diffusers.__version__}"}
        (place / "step.json").write_text(json.dumps(about) + "\n")
        print(name, about, seconds, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
