"""Which tensors of a file in the original layout diffusers reads for which of its own, for tiny models.

A file is made in the names of original.py, with other numbers in every tensor, and converted by diffusers. What is kept is
read off the numbers that come out; every tensor of the model must be among them, in its shape. Of three names that are
made of one, each is a third of its rows.
"""

import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint, convert_open_clip_checkpoint)
from models import clips, unets, vaes
from original import open_clip, unet, vae

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "conditioner.embedders.1.model."


def numbered(state):
    """Tensors whose numbers say which one and which row they are of; the original's linear layers may be convolutions."""
    return {name: (at + torch.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)) / 4096).expand(*shape).contiguous()
            for at, (name, shape) in enumerate(state.items())}


def pairs(model, file, converted):
    """The names of the original and, for each, those of diffusers."""
    expected = {name: list(value.shape) for name, value in model.state_dict().items()}
    assert {name: list(value.shape) for name, value in converted.items()} == expected, expected.keys() ^ converted.keys()
    names, found = list(file), {}
    for name, value in converted.items():
        found.setdefault(names[int(value.flatten()[0])], []).append((float(value.min()), name))
    assert set(found) == set(names)
    return {original: [name for _, name in sorted(made)] for original, made in found.items()}


def of_unet(model):
    file = numbered({UNET + unet(name, model.config): list(value.shape) for name, value in model.state_dict().items()})
    return pairs(model, file, convert_ldm_unet_checkpoint(dict(file), model.config))


def of_vae(model):
    shapes = {}
    for name, value in model.state_dict().items():
        ones = [1, 1] if ".attentions." in name and value.dim() == 2 else []
        shapes[VAE + vae(name, model.config)] = [*value.shape, *ones]
    file = numbered(shapes)
    return pairs(model, file, convert_ldm_vae_checkpoint(dict(file), model.config))


def of_open_clip(model):
    shapes = {}
    for name, value in model.state_dict().items():
        original, shape = TEXT + open_clip(name), list(value.shape)
        if "in_proj" in original:
            shape[0] *= 3
        shapes[original] = shape[::-1] if original.endswith("text_projection") else shape
    file = numbered(shapes)
    return pairs(model, file, convert_open_clip_checkpoint(model, dict(file), prefix=TEXT))


def layers(found, begin):
    """Weight and bias of a layer as one line, without the part's beginning."""
    lines = {}
    for original, names in found.items():
        end = next((end for end in (".weight", ".bias") if original.endswith(end)), "")
        line = original.removeprefix(begin).removesuffix(end)
        short = [name.removesuffix(end) for name in names]
        assert lines.setdefault(line, short) == short
    return {line: short[0] if len(short) == 1 else short for line, short in lines.items()}


def references():
    made = {**{name: (of_unet(unets()[name]), UNET) for name in ("unet-sd", "unet-xl")},
            "vae": (of_vae(vaes()["vae"]), VAE), "clip-exact": (of_open_clip(clips()["clip-exact"]), TEXT)}
    return {}, [{"name": name, "layers": layers(*found)} for name, found in made.items()]
