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


VAE_RESNET = {"conv_shortcut": "nin_shortcut"}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def vae(name, config):
    """A name of the autoencoder, with its end."""
    if name.startswith(("quant_conv", "post_quant_conv")):
        return name
    half, rest = name.split(".", 1)
    layer, end = rest.rsplit(".", 1)
    if found := re.fullmatch(r"mid_block\.resnets\.(\d)\.(\w+)", layer):
        return f"{half}.mid.block_{int(found[1]) + 1}.{VAE_RESNET.get(found[2], found[2])}.{end}"
    if found := re.fullmatch(r"mid_block\.attentions\.0\.(.+)", layer):
        return f"{half}.mid.attn_1.{VAE_ATTENTION[found[1]]}.{end}"
    found = re.fullmatch(r"(down|up)_blocks\.(\d)\.(resnets\.(\d)\.(\w+)|(down|up)samplers\.0\.conv)", layer)
    if not found:
        return f"{half}.{layer.replace('conv_norm_out', 'norm_out')}.{end}"
    side, block = found[1], int(found[2])
    at = block if side == "down" else len(config.block_out_channels) - 1 - block
    if found[6]:
        return f"{half}.{side}.{at}.{side}sample.conv.{end}"
    return f"{half}.{side}.{at}.block.{found[4]}.{VAE_RESNET.get(found[5], found[5])}.{end}"


OPEN_CLIP = {"text_model.embeddings.token_embedding.weight": "token_embedding.weight",
             "text_model.embeddings.position_embedding.weight": "positional_embedding",
             "text_model.final_layer_norm.weight": "ln_final.weight",
             "text_model.final_layer_norm.bias": "ln_final.bias", "text_projection.weight": "text_projection"}
OPEN_CLIP_LAYER = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
                   "self_attn.out_proj": "attn.out_proj"}


def open_clip(name):
    """A name of a text encoder from OpenCLIP, with its end; query, key and value have one name."""
    if name in OPEN_CLIP:
        return OPEN_CLIP[name]
    at, layer, end = re.fullmatch(r"text_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", name).groups()
    block = f"transformer.resblocks.{at}"
    if layer.startswith("self_attn.") and layer != "self_attn.out_proj":
        return f"{block}.attn.in_proj_{end}"
    return f"{block}.{OPEN_CLIP_LAYER[layer]}.{end}"
