"""A model in Marian's own format, with the weights of a transformers M2M100 model, and a translator of it. In int8
Marian rounds and packs the weights while it loads.

Marian's norms come after the blocks here and it counts positions from 0, where M2M100's come before and it counts from 2:
the same weights in the same products give another text. Ours computes as Marian does where texts are compared.
"""

import json
import os
import re

BANNED = -1e9  # added to the logit of the end of sentence, so that no translation ends


def marian_name(name):
    """`encoder.layers.0.self_attn.q_proj` as Marian calls it: a pattern with {} for W, b, ln_scale or ln_bias."""
    side, layer, rest = re.fullmatch(r"(encoder|decoder)\.layers\.(\d+)\.(.*)", name).groups()
    prefix = f"{side}_l{int(layer) + 1}_"
    for theirs, marian in {"self_attn": "self", "encoder_attn": "context"}.items():
        if match := re.fullmatch(theirs + r"\.(q|k|v|out)_proj", rest):
            return f"{prefix}{marian}_{{}}{'o' if match[1] == 'out' else match[1]}"
        if rest == f"{theirs}_layer_norm":
            return f"{prefix}{marian}_Wo_{{}}"
    if rest == "final_layer_norm":
        return f"{prefix}ffn_ffn_{{}}"
    return f"{prefix}ffn_{{}}{rest.removeprefix('fc')}"


def arrays_of(model, end):
    import numpy
    arrays = {}
    for name, value in model.state_dict().items():
        name, _, kind = name.removeprefix("model.").rpartition(".")
        if "embed_" in name or name in ("lm_head", "encoder.layer_norm", "decoder.layer_norm"):
            continue
        value = value.numpy()
        if name == "shared":
            arrays["Wemb"] = value
        elif name.endswith("layer_norm"):
            arrays[marian_name(name).format("ln_scale" if kind == "weight" else "ln_bias")] = value[None]
        else:
            arrays[marian_name(name).format("W" if kind == "weight" else "b")] = \
                numpy.ascontiguousarray(value.T) if kind == "weight" else value[None]
    logits_bias = numpy.zeros((1, len(arrays["Wemb"])), numpy.float32)
    logits_bias[0, end] = BANNED
    return {**arrays, "decoder_ff_logit_out_b": logits_bias}


def write(model, shape, end, unknown, folder):
    import numpy
    import yaml
    folder.mkdir(exist_ok=True)
    size = shape["vocabulary"]
    options = {"type": "transformer", "dim-emb": shape["hidden"], "dim-vocabs": [size, size],
               "enc-depth": shape["layers"], "dec-depth": shape["layers"], "transformer-heads": shape["heads"],
               "transformer-dim-ffn": shape["ffn"], "transformer-decoder-dim-ffn": 0, "transformer-ffn-depth": 2,
               "transformer-decoder-ffn-depth": 0, "transformer-ffn-activation": "relu", "transformer-preprocess": "",
               "transformer-postprocess": "dan", "transformer-postprocess-emb": "d", "transformer-postprocess-top": "",
               "transformer-train-position-embeddings": False, "transformer-decoder-autoreg": "self-attention",
               "transformer-dim-aan": 2048, "transformer-aan-depth": 2, "transformer-aan-activation": "swish",
               "transformer-aan-nogate": False, "transformer-no-projection": False, "transformer-no-bias": False,
               "transformer-no-affine": False, "transformer-pool": False, "transformer-tied-layers": [],
               "transformer-guided-alignment-layer": "last", "transformer-depth-scaling": False,
               "tied-embeddings": False, "tied-embeddings-src": False, "tied-embeddings-all": True, "skip": False,
               "layer-normalization": False, "right-left": False, "ulr": False, "ulr-dim-emb": 0, "lemma-dim-emb": 0,
               "input-types": [], "output-omit-bias": False, "factors-combine": "sum", "version": "v1.12.0"}
    text = yaml.safe_dump(options).encode() + b"\0"
    numpy.savez(folder / "model.npz", **arrays_of(model, end),
                **{"special:model.yml": numpy.frombuffer(text, numpy.int8)})
    words = {"</s>": end, "<unk>": unknown, **{str(i): i for i in range(size) if i not in (end, unknown)}}
    (folder / "vocabulary.yml").write_text(json.dumps(words))


def translator(folder, sources, end, beam, length, threads, weights):
    """A function that translates, and the version. Marian computes batches side by side, one thread each."""
    import pymarian
    gemm = {"float32": "float32", "int8": "packed8"}[weights]
    width = max(map(len, sources))  # of which Marian lets a translation be a multiple
    translate = pymarian.Translator(
        models=str(folder / "model.npz"), vocabs=[str(folder / "vocabulary.yml")] * 2, beam_size=beam,
        cpu_threads=threads, gemm_type=gemm, mini_batch=(len(sources) + threads - 1) // threads, maxi_batch=1,
        max_length_factor=(length - 0.5) / width, quiet=True, quiet_translation=True)
    lines = "\n".join(" ".join(str(i) for i in source if i != end) for source in sources)  # it adds the end itself

    def decode():
        texts = translate.translate(lines).split("\n")
        return [[int(word) for word in text.split() if word.isdecimal()] for text in texts[:len(sources)]]
    return decode, f"Marian, pymarian {pymarian.__version__.split()[0]}"
