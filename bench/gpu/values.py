"""Numbers that are the same on every machine: weights and inputs from a seed, by integer arithmetic alone."""

import zlib

import numpy as np

# A large weight repeats so many numbers: it costs nothing to carry, and no row of a matrix is like the next.
PERIOD = 1021
# Indices stay below this and fit every vocabulary.
MOST_INDEX = 100


def bits(seed, count):
    """64 bits each: a counter, stirred by multiplications and shifts (SplitMix64)."""
    with np.errstate(over="ignore"):
        z = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed) * np.uint64(1 << 32)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def normal(seed, count):
    """About normally distributed: the sum of four numbers of 16 bits, less its mean, over its deviation."""
    parts = bits(seed, count).view(np.uint16).reshape(count, 4).astype(np.int64).sum(axis=1)
    return (parts - 131070) / np.sqrt(4 * (65536.0**2 - 1) / 12)


def weight(name, shape, mean, deviation, low, high):
    """A float32 tensor of these statistics, of which PERIOD numbers differ."""
    count = int(np.prod(shape))
    pattern = np.clip(normal(zlib.crc32(name.encode()), min(count, PERIOD)) * deviation + mean, low, high)
    return np.resize(pattern.astype(np.float32), count).reshape(shape)


def model_input(name, shape, dtype):
    """What a model is run with: floats around 0, small integers. The first element of a batch is the same in every batch."""
    dtype, seed, count = np.dtype(dtype), zlib.crc32(name.encode()), int(np.prod(shape))
    if np.issubdtype(dtype, np.floating):
        return normal(seed, count).astype(dtype).reshape(shape)
    return (bits(seed, count) % np.uint64(2 if dtype == bool else MOST_INDEX)).astype(dtype).reshape(shape)


def sample(array, most=16384):
    """At most so many of its elements, evenly spread: what is carried of an expected output."""
    flat = array.reshape(-1)
    return flat if flat.size <= most else flat[np.arange(most, dtype=np.int64) * flat.size // most]
