"""The parts parity and ranks: the same updates on the CPU and the GPU, and on one process and two."""

import json
import sys

from .results import Outcome, failed, passed
from .steps import TINY_MODEL, Step, make_tiny_data, outcome, records

UPDATES = 4
# Relative difference of a loss. The CPU keeps what the parity matrix holds it to. On a GPU sums come in another order,
# and attention's backward in no order at all, so a choice of an expert may part two curves sooner.
LOSS_BOUND = {"cpu": 1e-5, "cuda": 1e-4}
LAYOUTS = {
    "E2": ["--parallel.expert", "2"],
    "D2 Z3": ["--parallel.data", "2", "--parallel.zero-stage", "3"],
    "M2": ["--parallel.model", "2"],
}


def compare_devices(context, configuration):
    """One configuration of tests/parity/devices; none: all of them, in one go."""
    out = context.scratch / f"{abs(hash(configuration))}.json"
    only = ["--only", configuration] if configuration else []
    done = context.call(sys.executable, context.kit / "tests" / "parity" / "devices", "--device", context.device,
                        "--program", context.program, "--out", out, *only)
    try:
        rows = json.loads(out.read_text(encoding="utf-8"))["configurations"]
    except (OSError, ValueError, KeyError):
        return failed(done.reason() or f"no results in {out.name}")
    if configuration:  # --only takes all whose name holds the text
        rows = [row for row in rows if row["configuration"] == configuration]
    result = Outcome()
    for row in rows:
        result.passed += bool(row["ok"])
        result.failed += not row["ok"]
        if not row["ok"]:
            why = row.get("error") or f"differs by {row.get('max_relative_difference')} (losses), " \
                f"{row.get('gradient_difference')} (gradients)"
            result.failures.append({"test": row["configuration"], "error": str(why).splitlines()[0][:300]})
        result.numbers[row["configuration"]] = {key: row.get(key) for key in
                                                ("max_relative_difference", "gradient_difference")}
    if not rows:
        return failed(done.reason() or "no configuration of that name ran")
    if result.failed:
        result.error = result.failures[0]["error"]
    return result


def parity_steps(context):
    script = context.kit / "tests" / "parity" / "devices"
    if not script.exists():
        return [Step("devices", lambda c: failed("tests/parity/devices is not in the kit: pack it anew"))]
    listed = context.call(sys.executable, script, "--device", context.device, "--list", limit=30)
    names = [line.strip() for line in listed.output.splitlines() if line.strip()] if listed.succeeded() else []
    if not names:
        return [Step("all configurations", lambda c: compare_devices(c, ""))]
    return [Step(name, lambda c, name=name: compare_devices(c, name), 60) for name in names]


def train(context, name, options, processes):
    """Trains the tiny model; returns its losses and what went wrong."""
    output = context.scratch / name.replace(" ", "-")
    command = [context.program, "train", "--data.path", context.shared["tiny"], "--train.output", output, *TINY_MODEL,
               "--train.device", context.device, "--train.micro-batches", "2", "--train.max-updates", UPDATES, *options]
    if processes > 1:
        command = ["mpirun", "-np", processes, "--oversubscribe", "--bind-to", "none",
                   context.kit / "scripts" / "gpukit" / "as-host-of-its-own", *command]
    done = context.call(*command)
    losses = [record["loss"] for record in records(output, "train")]
    if done.succeeded() and len(losses) != UPDATES:
        return losses, f"{len(losses)} updates instead of {UPDATES}"
    return losses, done.reason()


def one_process(context):
    context.shared["tiny"], error = make_tiny_data(context)
    if error:
        return failed(f"no data: {error}")
    losses, error = train(context, "one process", [], 1)
    if error:
        return failed(error)
    context.shared["losses"] = losses
    return passed(loss=losses[-1])


def two_processes(context, name):
    reference = context.shared.get("losses")
    if reference is None:
        return failed("there is nothing to compare with: the training on one process failed")
    losses, error = train(context, name, LAYOUTS[name], 2)
    if error:
        return failed(error)
    difference = max(abs(ours - theirs) / abs(theirs) for ours, theirs in zip(losses, reference))
    numbers = {f"difference {name}": difference}
    if not difference <= LOSS_BOUND[context.device]:
        return failed(f"losses differ by {difference:.1e}, more than {LOSS_BOUND[context.device]:.0e}", **numbers)
    return passed(**numbers)


def ranks_steps(context):
    launch = Step("mpirun starts two", lambda c: outcome(c.call("mpirun", "-np", 2, "--oversubscribe", "true")), 30)
    return [launch, Step("one process", one_process, 60),
            *(Step(name, lambda c, name=name: two_processes(c, name), 60) for name in LAYOUTS)]
