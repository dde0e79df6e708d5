"""What diffusers' schedulers do: every timestep for 1 to 50 steps, and every latent of some runs, for every setting.

torch's own square root is off by one in the last bit for a fifth of all numbers, and its logarithms and exponentials
for some, differently on each machine; where noise is rescaled to a signal of zero that grows to 4e-5 of a latent. So
these functions are rounded correctly here, and everything else is diffusers' code as it is.
"""

import contextlib
import json

import diffusers
import torch
from integers import tensor

@contextlib.contextmanager
def rounded_correctly():
    """torch's square root, logarithm and exponentials in f64, rounded once."""
    power = torch.Tensor.__pow__

    def exact(function):
        return lambda x: function(x.double()).to(x.dtype)

    def power_or_root(x, exponent):
        is_root = isinstance(exponent, float) and exponent == 0.5
        return exact(saved["sqrt"])(x) if is_root else power(x, exponent)

    saved = {name: getattr(torch, name) for name in ("sqrt", "log", "exp", "expm1")}
    of_tensor = {name: getattr(torch.Tensor, name) for name in saved}
    try:
        for name, function in saved.items():
            setattr(torch, name, exact(function))
            setattr(torch.Tensor, name, exact(function))
        torch.Tensor.__pow__ = power_or_root
        yield
    finally:
        for name, function in saved.items():
            setattr(torch, name, function)
            setattr(torch.Tensor, name, of_tensor[name])
        torch.Tensor.__pow__ = power


LATENT = 17
# Every number of a latent goes the same way; these are kept.
KEPT = [0, 1, 2, 3, 15, 16]
STEPS_MAX = 50
RUNS = [3, 12]

BASE = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
SPACINGS = ["leading", "trailing", "linspace"]


def cases():
    """(name, class, settings, options): options are those of a request."""
    out = []

    def add(name, kind, options=None, **settings):
        out.append((f"{kind}/{name}", getattr(diffusers, kind), {**BASE, **settings}, options or {}))

    euler, ancestral, heun = "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler"
    dpm, unipc, ddim, pndm = ("DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "DDIMScheduler",
                              "PNDMScheduler")
    for kind in [euler, ancestral, heun, dpm, unipc, ddim, pndm]:
        more = {"skip_prk_steps": True} if kind == pndm else {}
        if kind == ddim:
            more = {"clip_sample": False}
        for spacing in SPACINGS:
            offset = 1 if spacing == "leading" else 0
            add(spacing, kind, timestep_spacing=spacing, steps_offset=offset, **more)
        add("velocity", kind, prediction_type="v_prediction", timestep_spacing="trailing", **more)
        if kind not in [ancestral, pndm]:
            add("image", kind, prediction_type="sample", timestep_spacing="trailing", **more)
        if kind not in [heun, pndm]:
            add("zero-snr", kind, prediction_type="v_prediction", timestep_spacing="trailing",
                rescale_betas_zero_snr=True, **more)
        add("linear", kind, beta_schedule="linear", beta_start=0.0001, beta_end=0.02, **more)
        add("cosine", kind, beta_schedule="squaredcos_cap_v2", **more)
    for kind in [euler, heun, dpm, unipc]:
        for way in ["karras", "exponential", "beta"]:
            add(way, kind, **{f"use_{way}_sigmas": True})
    add("karras-ends", euler, use_karras_sigmas=True, sigma_min=0.03, sigma_max=12.0)
    add("karras-cosine", dpm, use_karras_sigmas=True, beta_schedule="squaredcos_cap_v2")
    for kind in [euler, dpm, unipc]:
        add("to-lowest", kind, final_sigmas_type="sigma_min")
        add("karras-to-lowest", kind, final_sigmas_type="sigma_min", use_karras_sigmas=True)
    add("heun", dpm, solver_type="heun")
    add("first-order", dpm, solver_order=1)
    add("euler-last", dpm, euler_at_final=True, final_sigmas_type="sigma_min")
    add("clipped", dpm, lambda_min_clipped=-5.1, beta_schedule="squaredcos_cap_v2")
    add("stochastic", dpm, algorithm_type="sde-dpmsolver++")
    add("stochastic-heun", dpm, algorithm_type="sde-dpmsolver++", solver_type="heun", use_karras_sigmas=True)
    add("order-1", unipc, solver_order=1)
    add("order-3", unipc, solver_order=3)
    # With a last level of zero the reference has no numbers here.
    add("order-3-bh1", unipc, solver_order=3, solver_type="bh1", final_sigmas_type="sigma_min")
    add("no-lower-order", unipc, lower_order_final=False, final_sigmas_type="sigma_min")
    add("eta", ddim, {"eta": 0.7}, clip_sample=False)
    add("clip", ddim, {"eta": 1.0}, clip_sample=True, clip_sample_range=0.8, set_alpha_to_one=False)
    add("clip", heun, clip_sample=True, clip_sample_range=2.0)
    add("betas", ddim, clip_sample=False, trained_betas=[(i + 1) / 4096 for i in range(64)], num_train_timesteps=64)
    lcm = "LCMScheduler"
    add("plain", lcm)
    add("velocity", lcm, prediction_type="v_prediction", clip_sample=True)
    add("image", lcm, prediction_type="sample", timestep_scaling=5.0, original_inference_steps=100)
    flow = "FlowMatchEulerDiscreteScheduler"

    def add_flow(name, options=None, **settings):
        out.append((f"{flow}/{name}", getattr(diffusers, flow), settings, options or {}))

    add_flow("plain")
    add_flow("shift", shift=3.0)
    add_flow("even", {"even_from_one": True})
    add_flow("even-shift", {"even_from_one": True}, shift=3.0)
    add_flow("dynamic", {"tokens": 1024, "even_from_one": True}, use_dynamic_shifting=True, shift=3.0)
    add_flow("dynamic-trained", {"tokens": 4096}, use_dynamic_shifting=True)
    add_flow("dynamic-linear", {"tokens": 3000}, use_dynamic_shifting=True, time_shift_type="linear")
    add_flow("terminal", {"tokens": 1024, "even_from_one": True}, use_dynamic_shifting=True, shift_terminal=0.1)
    add_flow("karras", use_karras_sigmas=True, shift=2.0)
    add_flow("stochastic", stochastic_sampling=True, shift=3.0)
    return out


def planned(kind, settings, options, steps):
    import numpy as np
    scheduler = kind(**settings)
    more = {}
    if "tokens" in options:
        config = scheduler.config
        slope = (config.max_shift - config.base_shift) / (config.max_image_seq_len - config.base_image_seq_len)
        more["mu"] = options["tokens"] * slope + config.base_shift - slope * config.base_image_seq_len
    if options.get("even_from_one"):
        scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), **more)
    else:
        scheduler.set_timesteps(steps, **more)
    return scheduler


def mixture(scheduler, timestep):
    """Weights of image and noise."""
    one, zero, at = torch.ones(1), torch.zeros(1), timestep.reshape(1)
    if hasattr(scheduler, "scale_noise"):
        return [scheduler.scale_noise(one, at, zero), scheduler.scale_noise(zero, at, one)]
    return [scheduler.add_noise(one, zero, at), scheduler.add_noise(zero, one, at)]


def run(name, kind, settings, options, steps, start):
    """Latents after each step of one run; `start` is the index of the first timestep."""
    scheduler = planned(kind, settings, options, steps)
    timesteps = scheduler.timesteps[start:]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(start)
    weights = mixture(scheduler, timesteps[0])
    if start:
        sample = tensor("image", LATENT) * weights[0] + tensor("noise", LATENT) * weights[1]
    else:
        sample = tensor("noise", LATENT) * getattr(scheduler, "init_noise_sigma", 1.0)
    generator = torch.Generator().manual_seed(11)
    more = {}
    if kind in (diffusers.DDIMScheduler,):
        more = {"eta": options.get("eta", 0.0), "generator": generator}
    elif "Ancestral" in kind.__name__ or "LCM" in kind.__name__ or "FlowMatch" in kind.__name__ or \
            "DPMSolver" in kind.__name__:
        more = {"generator": generator}
    rows = [torch.cat(weights)]
    for index, timestep in enumerate(timesteps):
        if hasattr(scheduler, "scale_model_input"):
            rows.append(scheduler.scale_model_input(sample, timestep)[:1])
        output = tensor(f"output {index}", LATENT, scale=1.5)
        # A batch of one with one channel: UniPC sums over the axis behind these.
        shaped = [value.reshape(1, 1, LATENT) for value in (output, sample)]
        sample = scheduler.step(shaped[0], timestep, shaped[1], return_dict=False, **more)[0].reshape(LATENT)
        rows.append(sample[KEPT])
    return torch.cat(rows).float().contiguous()


def references():
    with rounded_correctly():
        return recorded()


def recorded():
    tensors, described, tables, classes = {}, [], {}, set()
    for name, kind, settings, options in cases():
        scheduler = kind(**settings)
        timesteps, refused = [], []
        for steps in range(1, STEPS_MAX + 1):
            visited = planned(kind, settings, options, steps).timesteps.tolist()
            # Where a table leaves the model's range, ours is an error instead.
            if all(0 <= t <= scheduler.config.num_train_timesteps for t in visited):
                timesteps += visited
            else:
                refused.append(steps)
        # Many settings visit the same timesteps.
        table = tables.setdefault(tuple(timesteps), f"timesteps {len(tables)}")
        whole = all(t == int(t) for t in timesteps)
        tensors[table] = torch.tensor(timesteps, dtype=torch.int16 if whole else torch.float32)
        runs = []
        for steps in RUNS:
            for strength in (1.0, 0.6) if steps == RUNS[-1] else (1.0,):
                if "FlowMatch" in kind.__name__:
                    start = int(steps - steps * strength)
                else:
                    start = (steps - int(steps * strength)) * scheduler.order
                tensors[f"{name}/{steps}/{strength}"] = run(name, kind, settings, options, steps, start)
                runs.append([steps, strength])
        # The first of a class as diffusers saves it, with every key; the others name what they set, so that what is
        # left out is seen to have the default of its class.
        config = {"_class_name": kind.__name__, **settings}
        if kind not in classes:
            classes.add(kind)
            config = json.loads(scheduler.to_json_string())
        described.append({"name": name, "config": json.dumps(config), "options": options, "runs": runs,
                          "timesteps": table, "refused": refused})
    return tensors, described
