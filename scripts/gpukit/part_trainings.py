"""The parts capacity, sanitizer and quality: whole trainings."""

import concurrent.futures
import json
import re
import sys

import trainings

from . import machine
from .results import failed, passed, skipped
from .steps import Step

# MB of the device and of the host, the model's width. Small on a GPU too: the budget counts, not the card, and each
# training writes a checkpoint of its model; but cuBLAS alone takes tens of MB of it.
CAPACITY = {"cuda": (400, 3200, 256), "cpu": (48, 384, 128)}
CAPACITY_MODES = ("device", "host optimizer", "host", "file")

# Of the models that learn to translate; the rest is in configs/recipes/quickstart-*.yaml.
QUALITY = {
    "cuda": ["--model.hidden", "256", "--model.ffn", "1024", "--model.encoder-layers", "3", "--model.decoder-layers",
             "3", "--train.max-tokens", "4000", "--train.max-updates", "100000", "--train.precision", "bfloat16",
             "--optimizer.learning-rate", "0.002", "--train.threads", "4"],
    "cpu": ["--model.hidden", "64", "--model.ffn", "256", "--train.valid-examples", "20"],
}
MAKE_DATA = ("import pathlib, sys; sys.path.insert(0, sys.argv[1]); import trainings; "
             "trainings.make_data(sys.argv[2], pathlib.Path(sys.argv[3]))")
BEFORE_AND_AFTER = 20  # seconds for the start of a training and its validation at the end


def capacity(context, mode):
    """The largest model with its state in one place."""
    out = context.scratch / f"{mode}.json"
    device_memory, host_memory, hidden = CAPACITY[context.device]
    done = context.call(sys.executable, context.kit / "bench" / "capacity", "--mode", mode, "--device", context.device,
                        "--program", context.program, "--device-memory", device_memory, "--host-memory", host_memory,
                        "--hidden", hidden, "--out", out, *([] if context.on_gpu else ["--most-blocks", 4]))
    if not done.succeeded():
        return failed(done.reason())
    return passed(**{f"parameters, {mode}": json.loads(out.read_text(encoding="utf-8"))["modes"][mode]})


def sanitize(context):
    """compute-sanitizer's memcheck over one update of a tiny MoE model."""
    tool = machine.find_sanitizer()
    if tool is None:
        return skipped("no compute-sanitizer")
    done = context.call(sys.executable, "-c", MAKE_DATA, context.kit / "scripts", context.program, context.scratch,
                        limit=60)
    if not done.succeeded():
        return failed(f"no data: {done.reason()}")
    sys.path.insert(0, str(context.kit / "tests" / "parity"))
    from comparison import COMMON
    done = context.call(tool, "--tool", "memcheck", "--error-exitcode", 9, "--print-limit", 20, context.program,
                        "train", "--data.path", context.scratch / "data", "--train.output", context.scratch / "run",
                        *COMMON, "--train.device", "cuda", "--train.max-updates", 1)
    summary = re.findall(r"ERROR SUMMARY: (\d+) error", done.output + done.messages)
    numbers = {"errors": int(summary[-1]) if summary else None}
    if "Device not supported" in done.output + done.messages:
        return skipped("compute-sanitizer does not support this device")
    return passed(**numbers) if done.succeeded() else failed(done.reason(), **numbers)


def records(output, kind):
    """The records of one type in the metrics of a run, as far as it came."""
    try:
        return trainings.records(output, kind)
    except OSError:
        return []


def learn(context, kind, minutes):
    output = context.scratch / kind
    done = context.call(context.program, "train", "--config", context.kit / "configs" / "recipes" / f"quickstart-{kind}.yaml",
                        "--data.path", context.kit / "data", "--train.output", output, "--train.device", context.device,
                        "--no-tensorboard", "--max-minutes", f"{minutes:.3f}", *QUALITY[context.device])
    validations, trained = records(output, "valid"), records(output, "train")
    if not done.succeeded() or not validations:
        return {}, done.reason() or "it ended without a validation"
    last = validations[-1]
    copied = [entry["chrf_copy"] for entry in last.get("directions", {}).values() if "chrf_copy" in entry]
    return {"updates": last["update"], "minutes": minutes, "loss": last["loss"], "chrf": last.get("chrf"),
            "bleu": last.get("bleu"), "chrf_copy": sum(copied) / len(copied) if copied else None,
            "tokens_per_second": trained[-1].get("tokens_per_second") if trained else None}, ""


def quality(context):
    """MoE and dense side by side, so that both have the same time and the same machine."""
    if not (context.kit / "data" / "dataset.json").exists():
        return skipped("this kit was packed without text")
    minutes = (context.seconds_left() - BEFORE_AND_AFTER) / 60
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = {kind: pool.submit(learn, context, kind, minutes) for kind in ("moe", "dense")}
        found = {kind: run.result() for kind, run in runs.items()}
    numbers = {kind: numbers for kind, (numbers, _) in found.items()}
    errors = [f"{kind}: {error}" for kind, (_, error) in found.items() if error]
    return failed(errors[0], **numbers) if errors else passed(**numbers)


def capacity_steps(context):
    return [Step(f"largest model, state on {mode}", lambda c, mode=mode: capacity(c, mode), 120)
            for mode in CAPACITY_MODES]


def sanitizer_steps(context):
    return [Step("memcheck, one update", sanitize, 90, needs_gpu=True)]


def quality_steps(context):
    limit = 1e9 if context.on_gpu else 75  # all that is left, or enough to see that it works
    return [Step("MoE and dense, side by side", quality, limit, least=BEFORE_AND_AFTER + 5)]
