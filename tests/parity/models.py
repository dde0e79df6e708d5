"""What transformers and diffusers compute with tiny models whose weights are integers that Rust makes as well.

Kept are outputs, the configuration files, and a hash of all names and shapes, so that Rust knows it needs the same
tensors. Weights have the size that keeps signals at about one; the usual small ones would hide mistakes.
"""

import json

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from integers import MASK, seed_of, tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

HEIGHT, WIDTH = 8, 6


def fill(model, name, unused=()):
    """Weights of a model by name; a norm's factors, which are all factors with one axis, are about one. The hash is of
    the names that the computation needs."""
    names = []
    with torch.no_grad():
        for key, value in sorted(model.state_dict().items()):
            shape = list(value.shape)
            assert value.is_floating_point(), key
            if not key.startswith(unused):
                names.append(f"{key} {shape}")
            if len(shape) > 1:
                fan_in = value.numel() // shape[0]
                new = tensor(f"{name} {key}", *shape, scale=(3.0 / fan_in) ** 0.5)
            elif key.endswith("weight"):
                new = 1.0 + tensor(f"{name} {key}", *shape, scale=0.1)
            else:
                new = tensor(f"{name} {key}", *shape, scale=0.1)
            value.copy_(new)
    model.eval()
    return str(seed_of("\n".join(names)) & MASK)


def clips():
    small = dict(vocab_size=934, hidden_size=32, num_attention_heads=4, num_hidden_layers=3, intermediate_size=64,
                 max_position_embeddings=77, bos_token_id=932, pad_token_id=1)
    return {
        "clip-quick": CLIPTextModel(CLIPTextConfig(**small, hidden_act="quick_gelu", eos_token_id=933)),
        "clip-exact": CLIPTextModelWithProjection(
            CLIPTextConfig(**small, hidden_act="gelu", projection_dim=24, eos_token_id=2)),
    }


def unets():
    sd = dict(sample_size=8, layers_per_block=2, block_out_channels=(32, 64), cross_attention_dim=32,
              down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), attention_head_dim=8,
              up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"))
    xl = dict(sample_size=8, layers_per_block=2, block_out_channels=(32, 64, 64), cross_attention_dim=64,
              down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
              up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
              attention_head_dim=(2, 4, 8), transformer_layers_per_block=(1, 2, 3), use_linear_projection=True,
              addition_embed_type="text_time", addition_time_embed_dim=8,
              projection_class_embeddings_input_dim=24 + 6 * 8)
    return {
        "unet-sd": UNet2DConditionModel(**sd),
        "unet-groups": UNet2DConditionModel(**{**sd, "norm_num_groups": 8, "attention_head_dim": (4, 2),
                                               "in_channels": 9, "flip_sin_to_cos": False, "freq_shift": 1,
                                               "block_out_channels": (24, 40)}),
        "unet-xl": UNet2DConditionModel(**xl),
    }


def vaes():
    vae = dict(sample_size=16, block_out_channels=(32, 64), layers_per_block=1, latent_channels=4,
               down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2)
    return {
        "vae": AutoencoderKL(**vae),
        "vae-groups": AutoencoderKL(**{**vae, "norm_num_groups": 4, "block_out_channels": (8, 12),
                                       "use_quant_conv": False, "use_post_quant_conv": False, "latent_channels": 6,
                                       "scaling_factor": 0.3, "shift_factor": 0.1}),
    }


def references():
    tensors, described = {}, []

    def add(name, model, names):
        config = json.loads(model.config.to_json_string() if hasattr(model.config, "to_json_string")
                            else model.to_json_string())
        if name.startswith("clip"):
            # Saving a model adds this, and it alone tells the two classes apart.
            config["architectures"] = [type(model).__name__]
        described.append({"name": name, "config": json.dumps(config), "names": names})

    with torch.no_grad():
        ids = torch.tensor([[932, *range(1, 60), *range(200, 216), 933], [932, 5, 6, 7, 933, *[1] * 72]])
        for name, model in clips().items():
            add(name, model, fill(model, name))
            out = model(ids, output_hidden_states=True)
            kept = [0, 1, 4, 5, 40, 76]
            tensors[f"{name}/last"] = out.last_hidden_state[:, kept]
            tensors[f"{name}/before-last"] = out.hidden_states[-2][:, kept]
            tensors[f"{name}/pooled"] = out.text_embeds if hasattr(out, "text_embeds") else out.pooler_output
            norm = (model.text_model if hasattr(model, "text_model") else model).final_layer_norm
            tensors[f"{name}/skipped"] = norm(out.hidden_states[-3])[:, kept]
        for name, model in unets().items():
            add(name, model, fill(model, name))
            width, channels = model.config.cross_attention_dim, model.config.in_channels
            latents, text = tensor(f"{name} latents", 2, channels, HEIGHT, WIDTH), tensor(f"{name} text", 2, 10, width)
            more = {}
            if name == "unet-xl":
                more = {"added_cond_kwargs": {
                    "text_embeds": tensor(f"{name} pooled", 2, 24),
                    "time_ids": torch.tensor([[64.0, 48.0, 0.0, 0.0, 64.0, 48.0], [100.0, 90.0, 3.0, 5.0, 64.0, 48.0]])}}
            for timestep in (1.0, 500.25, 999.0):
                tensors[f"{name}/{timestep}"] = model(latents, timestep, text, **more).sample
            # Sides that cannot be halved evenly.
            odd = tensor(f"{name} odd", 2, channels, 7, 5)
            tensors[f"{name}/odd"] = model(odd, 10.0, text, **more).sample
        for name, model in vaes().items():
            add(name, model, fill(model, name))
            posterior = model.encode(tensor(f"{name} image", 2, 3, 16, 12)).latent_dist
            tensors[f"{name}/mean"], tensors[f"{name}/logvar"] = posterior.mean, posterior.logvar
            tensors[f"{name}/decoded"] = model.decode(
                tensor(f"{name} latents", 2, model.config.latent_channels, HEIGHT, WIDTH)).sample
    return {key: value.contiguous().clone() for key, value in tensors.items()}, described
