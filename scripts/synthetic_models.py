"""NLLB-MoE models with random weights in the files that transformers writes, of any size and in little memory."""

import array
import json
import random
import shutil
import struct

from trainings import ROOT

# A tiny tokenizer of three languages, and a configuration.
TEMPLATE = ROOT / "tests/data/interchange/nllb-moe/model"
VALUES = 1 << 18


def attention(name, hidden):
    for part in ("q", "k", "v", "out"):
        yield f"{name}.{part}_proj.weight", [hidden, hidden]
        yield f"{name}.{part}_proj.bias", [hidden]


def norm(name, hidden):
    yield f"{name}.weight", [hidden]
    yield f"{name}.bias", [hidden]


def block(name, hidden, ffn):
    yield f"{name}.fc1.weight", [ffn, hidden]
    yield f"{name}.fc1.bias", [ffn]
    yield f"{name}.fc2.weight", [hidden, ffn]
    yield f"{name}.fc2.bias", [hidden]


def tensors_of(config):
    """Names and shapes of a model's tensors."""
    hidden = config["d_model"]
    yield "model.shared.weight", [config["vocab_size"], hidden]
    for side in ("encoder", "decoder"):
        step, ffn = config[f"{side}_sparse_step"], config[f"{side}_ffn_dim"]
        for i in range(config[f"{side}_layers"]):
            layer = f"model.{side}.layers.{i}"
            yield from attention(f"{layer}.self_attn", hidden)
            yield from norm(f"{layer}.self_attn_layer_norm", hidden)
            if side == "decoder":
                yield from attention(f"{layer}.cross_attention", hidden)
                yield from norm(f"{layer}.cross_attention_layer_norm", hidden)
            yield from norm(f"{layer}.ff_layer_norm", hidden)
            if (i + 1) % step:
                yield from block(f"{layer}.ffn", hidden, ffn)
                continue
            yield f"{layer}.ffn.router.classifier.weight", [config["num_experts"], hidden]
            for expert in range(config["num_experts"]):
                yield from block(f"{layer}.ffn.experts.expert_{expert}", hidden, ffn)
        yield from norm(f"model.{side}.layer_norm", hidden)


def elements(shape):
    count = 1
    for size in shape:
        count *= size
    return count


class Writer:
    """Writes tensors of float32 whose values come from a table of random numbers, from another place of it each."""

    def __init__(self, seed, deviation):
        self.random = random.Random(seed)
        table = array.array("f", (self.random.gauss(0, deviation) for _ in range(VALUES)))
        self.table = table.tobytes() * 2
        self.ones = array.array("f", [1.0]).tobytes()

    def shard(self, path, tensors):
        header, end = {}, 0
        for name, shape in tensors:
            begin, end = end, end + 4 * elements(shape)
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for name, shape in tensors:
                self.tensor(file, name, shape)

    def tensor(self, file, name, shape):
        left = 4 * elements(shape)
        if "norm.weight" in name:
            file.write(self.ones * (left // 4))
            return
        while left > 0:
            begin = 4 * self.random.randrange(VALUES)
            part = min(left, 4 * VALUES)
            file.write(self.table[begin:begin + part])
            left -= part


def write_nllb_moe(folder, shard_bytes=1 << 40, seed=1, deviation=0.125, **sizes):
    """Writes a model folder; `sizes` are keys of its config.json. Returns the bytes of its weights."""
    config = json.loads((TEMPLATE / "config.json").read_text()) | sizes
    folder.mkdir(parents=True)
    for name in ("generation_config.json", "sentencepiece.bpe.model", "tokenizer_config.json"):
        shutil.copy(TEMPLATE / name, folder / name)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    shards, size = [[]], 0
    for name, shape in tensors_of(config):
        if shards[-1] and size + 4 * elements(shape) > shard_bytes:
            shards.append([])
            size = 0
        shards[-1].append((name, shape))
        size += 4 * elements(shape)
    writer, places = Writer(seed, deviation), {}
    total = 0
    for i, tensors in enumerate(shards):
        name = f"model-{i + 1:05}-of-{len(shards):05}.safetensors" if len(shards) > 1 else "model.safetensors"
        writer.shard(folder / name, tensors)
        places |= {tensor: name for tensor, _ in tensors}
        total += sum(4 * elements(shape) for _, shape in tensors)
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": places}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return total
