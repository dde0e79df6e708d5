"""Makes every reference of server/paint anew: python tests/parity/make.py. See README.md beside it."""

import json
import pathlib
import platform
import sys

import torch
from safetensors.torch import save_file

import checkpoints
import flux
import loras
import models
import noise
import pipelines
import schedulers
import sources
import tokenizer
import z_image

PLACE = pathlib.Path(__file__).resolve().parents[2] / "server" / "paint" / "tests" / "references"
PARTS = {"models": models, "noise": noise, "schedulers": schedulers, "tokenizer": tokenizer,
         "pipelines": pipelines, "sources": sources, "z_image": z_image, "flux": flux, "loras": loras,
         "checkpoints": checkpoints}


def main(names):
    torch.set_num_threads(1)
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in names or PARTS:
        tensors, described = PARTS[name].references()
        if tensors:
            save_file(tensors, PLACE / f"{name}.safetensors")
            (PLACE / f"{name}.safetensors").chmod(0o644)
        lines = [json.dumps(item) for item in described] if isinstance(described, list) else None
        text = "[\n" + ",\n".join(lines) + "\n]\n" if lines else json.dumps(described) + "\n"
        (PLACE / f"{name}.json").write_text(text)
        bytes_ = sum(file.stat().st_size for file in PLACE.glob(f"{name}.*"))
        print(f"{name}: {len(tensors)} tensors, {bytes_} bytes, torch {torch.__version__}, {platform.machine()}, "
              f"{torch.backends.cpu.get_cpu_capability()}")


if __name__ == "__main__":
    main(sys.argv[1:])
