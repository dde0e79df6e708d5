"""Names of layers in the layout that Stable Diffusion was first published in, for those of diffusers.

Refuses: to be believed. Whoever uses these names has diffusers read them and compares what comes out.
"""

import re

RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
          "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
OUTER = {"conv_in": "input_blocks.0.0", "time_embedding.linear_1": "time_embed.0",
         "time_embedding.linear_2": "time_embed.2", "add_embedding.linear_1": "label_emb.0.0",
         "add_embedding.linear_2": "label_emb.0.2", "conv_norm_out": "out.0", "conv_out": "out.2"}


def within(kind, rest):
    """The rest of a name within a residual block or an attention."""
    if kind == "attentions":
        return f"1.{rest}"
    layer, _, end = rest.partition(".")
    return ".".join(["0", RESNET[layer], end]).rstrip(".")


def unet(name, config):
    """A name of the denoiser, with or without its end."""
    for layer, original in OUTER.items():
        if name == layer or name.startswith(f"{layer}."):
            return original + name[len(layer):]
    each = config.layers_per_block + 1
    if found := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)", name):
        kind, at, rest = found.groups()
        place = "1" if kind == "attentions" else str(2 * int(at))
        return f"middle_block.{place}.{within(kind, rest)[2:]}"
    if found := re.fullmatch(r"down_blocks\.(\d+)\.downsamplers\.0\.conv(.*)", name):
        return f"input_blocks.{each * (int(found[1]) + 1)}.0.op{found[2]}"
    if found := re.fullmatch(r"up_blocks\.(\d+)\.upsamplers\.0\.conv(.*)", name):
        place = 2 if config.up_block_types[int(found[1])].startswith("CrossAttn") else 1
        return f"output_blocks.{each * (int(found[1]) + 1) - 1}.{place}.conv{found[2]}"
    side, block, kind, at, rest = re.fullmatch(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", name).groups()
    first, row = (1, "input_blocks") if side == "down" else (0, "output_blocks")
    return f"{row}.{first + each * int(block) + int(at)}.{within(kind, rest)}"
