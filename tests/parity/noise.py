"""What torch's CPU generator gives: noise.safetensors, bit for bit, and hashes of what is too large to keep."""

import torch
from integers import MASK

SEEDS = [0, 1, 2, 3, 7, 42, 123, 1234, 31337, 65535, 65536, 99999, 1 << 20, 123456789, (1 << 31) - 1, 1 << 31,
         (1 << 32) - 1, (1 << 32) + 5, (1 << 53) + 1, (1 << 63) + 11]
# Each seed's generator is asked for these one after the other, so that the number left over from a pair counts as well.
SIZES = [1, 2, 15, 16, 17, 3, 31, 32, 40]
LARGE = [(42, 16384), (7, 65543), (2024, 1 << 20)]


def fnv(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def references():
    tensors = {}
    for seed in SEEDS:
        generator = torch.Generator().manual_seed(seed)
        tensors[str(seed)] = torch.cat([torch.randn(size, generator=generator) for size in SIZES])
    large = []
    for seed, size in LARGE:
        numbers = torch.randn(size, generator=torch.Generator().manual_seed(seed))
        large.append({"seed": seed, "size": size, "fnv": str(fnv(numbers.numpy().tobytes()))})
    return tensors, {"sizes": SIZES, "large": large}
