#!/usr/bin/env python3
"""Writes qwen2_tiny/ and qwen3_tiny/ beside itself: small random checkpoints as transformers writes them, and what
transformers computes for them in float32.

usage: pip install torch==2.2.2 transformers==4.53.3 'numpy<2'; make_qwen.py
"""

import json
import pathlib

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, PretrainedConfig, Qwen2Config, Qwen3Config

HERE = pathlib.Path(__file__).parent
TOKENS = 64  # of the text whose logits are stored
PROMPT, GENERATED = 16, 48  # of the greedy text

COMMON = dict(vocab_size=256, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
              max_position_embeddings=512, rope_theta=1e6, rms_norm_eps=1e-6, bos_token_id=1, eos_token_id=2,
              torch_dtype="bfloat16")
# With seeds whose greedy texts have many different tokens, all of them by clear margins.
CHECKPOINTS = {
    "qwen2_tiny": (8, Qwen2Config(hidden_size=64, intermediate_size=96, tie_word_embeddings=True, **COMMON)),
    "qwen3_tiny": (7, Qwen3Config(hidden_size=48, head_dim=32, intermediate_size=64, tie_word_embeddings=False, **COMMON)),
}


def fill(model: torch.nn.Module, random: np.random.Generator) -> None:
    """Matrices that keep the size of what they multiply; norms away from 1, biases away from 0."""
    for name, parameter in model.named_parameters():
        values = random.standard_normal(tuple(parameter.shape))
        if name.endswith("norm.weight"):
            values = 1 + 0.3 * values
        elif name.endswith("bias"):
            values *= 0.3
        else:
            values /= np.sqrt(parameter.shape[-1])
        parameter.data.copy_(torch.from_numpy(values))


def logits(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0]


def write(name: str, config: PretrainedConfig, seed: int) -> None:
    random = np.random.default_rng(seed)
    model = AutoModelForCausalLM.from_config(config, torch_dtype=torch.bfloat16)
    fill(model, random)
    model.save_pretrained(HERE / name)
    model = AutoModelForCausalLM.from_pretrained(HERE / name, torch_dtype=torch.float32, attn_implementation="eager")
    ids = random.integers(3, config.vocab_size, TOKENS).tolist()
    greedy, margins = ids[:PROMPT], []
    for _ in range(GENERATED):
        best = torch.topk(logits(model, greedy)[-1], 2)
        greedy.append(int(best.indices[0]))
        margins.append(float(best.values[0] - best.values[1]))
    save_file({"input_ids": torch.tensor(ids, dtype=torch.int32), "logits": logits(model, ids).contiguous(),
               "greedy_ids": torch.tensor(greedy, dtype=torch.int32), "greedy_margin": torch.tensor(margins),
               "greedy_prompt_length": torch.tensor([PROMPT], dtype=torch.int32)}, HERE / name / "expected.safetensors")
    print(json.dumps({"name": name, "least margin": min(margins), "different greedy tokens": len(set(greedy[PROMPT:]))}))


def main() -> None:
    for name, (seed, config) in CHECKPOINTS.items():
        write(name, config, seed)


if __name__ == "__main__":
    main()
