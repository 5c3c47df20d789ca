"""The part speed: training steps and MoE layers, as shares of what a matrix product reaches in the same process."""

import json
import statistics

from .results import failed, passed
from .steps import Step

# Experts, tokens, dropout: first what matters most, for the time may not do for all. z-code-m3's widths.
STEPS = [(64, 16384, 0.1), (8, 16384, 0.1), (0, 16384, 0.1), (64, 32768, 0.1), (64, 16384, 0.0), (8, 16384, 0.0),
         (0, 16384, 0.0), (8, 32768, 0.1), (0, 32768, 0.1), (64, 32768, 0.0), (64, 8192, 0.1), (8, 8192, 0.1),
         (0, 8192, 0.1), (8, 32768, 0.0), (0, 32768, 0.0), (64, 8192, 0.0), (8, 8192, 0.0), (0, 8192, 0.0)]
LAYERS = [(64, 16384), (8, 16384), (64, 32768), (8, 32768)]
WIDTHS = {"hidden": 1024, "ffn": 4096}
MODEL = {"heads": 16, "vocabulary": 16000, "encoder-layers": 4, "decoder-layers": 2, "every": 2}
SENTENCE = 64  # tokens, source and target each

# Without a GPU the steps show only that they run.
SMALL_STEPS, SMALL_LAYERS = [(4, 256, 0.1), (0, 256, 0.0)], [(4, 256)]
SMALL_WIDTHS = {"hidden": 64, "ffn": 128}
SMALL_MODEL = {"heads": 4, "vocabulary": 1000, "encoder-layers": 2, "decoder-layers": 1, "every": 2}


def bench(context, name, options):
    """Runs a benchmark; its JSON object, or the reason why there is none."""
    arguments = [word for key, value in options.items() for word in (f"--{key}", value)]
    done = context.call(context.kit / "bin" / name, "--json", *arguments)
    if not done.succeeded():
        return None, done.reason()
    try:
        return json.loads(done.output), ""
    except ValueError:
        return None, "it printed no JSON"


def device_options(context):
    return {"device": context.device, "precision": "bfloat16" if context.on_gpu else "float32",
            "threads": context.cores}  # which make the initial values


def calls_of(calls, what):
    return (calls or {}).get(what)


def training_step(context, experts, tokens, dropout):
    """One shape. Keys that an older benchmark does not print are left unknown."""
    widths, model = (WIDTHS, MODEL) if context.on_gpu else (SMALL_WIDTHS, SMALL_MODEL)
    length = SENTENCE if context.on_gpu else 8
    result, error = bench(context, "train_step", {
        **device_options(context), "repeats": 5, "warmup": 2, **widths, **model, "experts": experts, "dropout": dropout,
        "rows": tokens // (2 * length), "source-length": length, "target-length": length})
    if error:
        return failed(error)
    seconds = statistics.median(result["seconds"])
    peak, flops, calls = result.get("peak_flops_per_second"), result.get("model_flops"), result.get("calls")
    return passed(**{f"step {experts} experts {tokens} tokens dropout {dropout}": {
        "tokens_per_second": tokens / seconds, "seconds": seconds, "peak_tflops": peak and peak / 1e12,
        "share_of_peak": flops / seconds / peak if flops and peak else None, "device": result.get("device"),
        "launches": calls_of(calls, "launches"), "synchronizations": calls_of(calls, "synchronizations"),
        "copies": calls_of(calls, "copies")}})


def layer(context, experts, tokens):
    """The MoE layer beside a dense one of equal work, which the benchmark times in turn with it."""
    widths = WIDTHS if context.on_gpu else SMALL_WIDTHS
    result, error = bench(context, "moe_layer", {**device_options(context), "repeats": 5, **widths, "experts": experts,
                                                 "tokens": tokens})
    if error:
        return failed(error)
    medians = {kind: statistics.median(seconds) for kind, seconds in result["seconds"].items()}
    calls = result.get("calls") or {}
    return passed(**{f"layer {experts} experts {tokens} tokens": {
        kind: {"tokens_per_second": tokens / seconds, "of_dense": medians.get("dense", seconds) / seconds,
               "launches": calls_of(calls.get(kind), "launches"),
               "synchronizations": calls_of(calls.get(kind), "synchronizations")}
        for kind, seconds in medians.items()}})


def steps(context):
    shapes, layers = (STEPS, LAYERS) if context.on_gpu else (SMALL_STEPS, SMALL_LAYERS)
    result = [Step(f"step, {name_of(experts)}, {tokens} tokens, dropout {dropout}",
                   lambda c, shape=(experts, tokens, dropout): training_step(c, *shape), 60, least=5)
              for experts, tokens, dropout in shapes]
    # The layers come after the first three shapes, which stand for the rest.
    result[3:3] = [Step(f"layer, {name_of(experts)}, {tokens} tokens",
                        lambda c, shape=(experts, tokens): layer(c, *shape), 40, least=5) for experts, tokens in layers]
    return result


def name_of(experts):
    return f"{experts} experts" if experts else "dense"
