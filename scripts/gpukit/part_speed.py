"""The part speed: training steps and MoE layers, as shares of what a matrix product reaches in the same process."""

import json
import statistics
import typing

from .results import failed, passed
from .steps import Step



class Shape(typing.NamedTuple):
    experts: int  # 0: dense
    tokens: int  # of a micro-batch
    dropout: float = 0.1
    micro_batches: int = 1  # of an update
    model: str = "z-code-m3"

    def name(self):
        parts = [f"{self.experts} experts" if self.experts else "dense", f"{self.tokens} tokens",
                 f"dropout {self.dropout}"]
        if self.micro_batches > 1:
            parts.append(f"{self.micro_batches} micro-batches")
        if self.model == "wide":
            parts.append("hidden 4096")
        return ", ".join(parts)


# First what matters most, for the time may not do for all.
STEPS = [Shape(64, 32768), Shape(8, 32768), Shape(0, 32768), Shape(64, 32768, micro_batches=4),
         Shape(8, 32768, model="wide"), Shape(8, 32768, micro_batches=4), Shape(64, 16384), Shape(8, 16384),
         Shape(0, 16384), Shape(64, 32768, dropout=0.0), Shape(8, 32768, dropout=0.0), Shape(0, 32768, dropout=0.0),
         Shape(64, 8192), Shape(8, 8192), Shape(0, 8192)]
LAYERS = [(64, 16384), (8, 16384), (64, 32768), (8, 32768)]
WIDTHS = {"hidden": 1024, "ffn": 4096}
MODELS = {  # z-code-m3's widths; and wider ones, in as many layers as one GPU holds with all its state
    "z-code-m3": {**WIDTHS, "heads": 16, "vocabulary": 16000, "encoder-layers": 4, "decoder-layers": 2, "every": 2},
    "wide": {"hidden": 4096, "ffn": 16384, "heads": 32, "vocabulary": 16000, "encoder-layers": 2, "decoder-layers": 2,
             "every": 2},
    "small": {"hidden": 64, "ffn": 128, "heads": 4, "vocabulary": 1000, "encoder-layers": 2, "decoder-layers": 1,
              "every": 2}}
SENTENCE = 64  # tokens, source and target each

# Without a GPU the steps show only that they run.
SMALL_STEPS = [Shape(4, 256, model="small"), Shape(0, 256, 0.0, 2, "small")]
SMALL_LAYERS, SMALL_WIDTHS = [(4, 256)], {"hidden": 64, "ffn": 128}


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


def training_step(context, shape):
    length = SENTENCE if context.on_gpu else 8
    result, error = bench(context, "train_step", {
        **device_options(context), "repeats": 5, "warmup": 2, **MODELS[shape.model], "experts": shape.experts,
        "dropout": shape.dropout, "rows": shape.tokens // (2 * length), "micro-batches": shape.micro_batches,
        "source-length": length, "target-length": length})
    if error:
        return failed(error)
    seconds = statistics.median(result["seconds"])
    peak, flops, calls = result.get("peak_flops_per_second"), result.get("model_flops"), result.get("calls")
    return passed(**{f"step, {shape.name()}": {
        "tokens_per_second": shape.tokens * shape.micro_batches / seconds, "seconds": seconds, "peak_tflops": peak and peak / 1e12,
        "share_of_peak": flops / seconds / peak if flops and peak else None, "device": result.get("device"),
        "launches": calls_of(calls, "launches"), "synchronizations": calls_of(calls, "synchronizations"),
        "copies": calls_of(calls, "copies"), "device_ms": device_milliseconds(calls)}})


def device_milliseconds(calls):
    """What the device computed or copied, of the step whose calls were counted; its table is in the log."""
    return sum(line[2] for line in calls["kernels"]) if calls else None


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
    result = [Step(f"step, {shape.name()}", lambda c, shape=shape: training_step(c, shape), 60, least=5)
              for shape in shapes]
    # The layers come after the first three shapes, which stand for the rest.
    result[3:3] = [Step(f"layer, {experts} experts, {tokens} tokens",
                        lambda c, shape=(experts, tokens): layer(c, *shape), 40, least=5) for experts, tokens in layers]
    return result

