#!/usr/bin/env python3
"""Writes TYPE.blocks and TYPE.float32 beside itself: stored weights and what the gguf package says they mean.

usage: pip install gguf==0.19.0; make_dequantized.py
"""

import pathlib

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants

HERE = pathlib.Path(__file__).parent
VALUES = 1024  # of each type
# Byte offsets of the f16 numbers of a block; everything else may be any bits.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "F16": [0],
}


def finite_bits(random: np.random.Generator, count: int, dtype: type, exponent: int) -> np.ndarray:
    """Any bits but those of infinity and NaN, whose exponent is all ones."""
    bits = random.integers(0, np.iinfo(dtype).max, count, dtype, endpoint=True)
    return np.where(bits & exponent == exponent, bits ^ exponent, bits).astype(dtype)


def random_blocks(random: np.random.Generator, name: str) -> np.ndarray:
    """Stored blocks as bytes [blocks, bytes of a block]."""
    length, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    count = VALUES // length
    if name == "F32":
        return finite_bits(random, count, np.uint32, 0x7F800000).view(np.uint8).reshape(count, size)
    if name == "BF16":
        return finite_bits(random, count, np.uint16, 0x7F80).view(np.uint8).reshape(count, size)
    blocks = random.integers(0, 256, (count, size), np.uint8)
    for offset in HALVES[name]:
        blocks[:, offset : offset + 2] = finite_bits(random, count, np.uint16, 0x7C00).view(np.uint8).reshape(count, 2)
    return blocks


def main() -> None:
    random = np.random.default_rng(1)
    for name in ["F32", "BF16", *HALVES]:
        blocks = random_blocks(random, name)
        values = quants.dequantize(blocks.reshape(-1), GGMLQuantizationType[name])
        assert values.dtype == np.float32 and values.size == VALUES and np.isfinite(values).all()
        (HERE / f"{name.lower()}.blocks").write_bytes(blocks.tobytes())
        (HERE / f"{name.lower()}.float32").write_bytes(values.tobytes())


if __name__ == "__main__":
    main()
