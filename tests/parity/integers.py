"""Numbers that Python and Rust make alike: splitmix64 over a position, the upper 24 bits as a fraction.

Rust's half is server/paint/tests/parity/integers.rs. Refuses: state; a number depends on its seed and place alone.
"""

import numpy as np
import torch

MASK = (1 << 64) - 1


def seed_of(name: str) -> int:
    """FNV-1a with 64 bits of a name."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & MASK
    return seed


def fractions(name: str, count: int) -> np.ndarray:
    """`count` numbers from -1 up to 1, each a multiple of 2^-23, so that f32 holds it exactly."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed_of(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1.0).astype(np.float32)


def tensor(name: str, *shape: int, scale: float = 1.0) -> torch.Tensor:
    """Numbers in a shape, times a scale that is rounded to f32 first."""
    count = int(np.prod(shape))
    return torch.from_numpy(fractions(name, count) * np.float32(scale)).reshape(shape)
