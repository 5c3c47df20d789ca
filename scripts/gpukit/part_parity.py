"""The parts parity and ranks: the same updates on the CPU and the GPU, and on one process and two."""

import json
import sys

from .results import Outcome, failed
from .steps import Step, outcome

LAYOUTS = {"E2": "top1 D1 E2 M1 Z0", "D2 Z3": "top1 D2 E1 M1 Z3", "M2": "top1 D1 E1 M2 Z0"}  # names of the matrix


def compare(context, script, name, *options):
    """Runs tests/parity/`script` for the configuration or layout `name`; none: for all of them, in one go."""
    out = context.scratch / f"{script} {name}.json"
    done = context.call(sys.executable, context.kit / "tests" / "parity" / script, "--device", context.device,
                        "--program", context.program, "--out", out, *(["--only", name] if name else []), *options)
    try:
        result = json.loads(out.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return failed(done.reason() or "it left no results")
    key = "configuration" if script == "devices" else "layout"
    rows = [row for row in result[f"{key}s"] if not name or row[key] == name]  # --only takes longer names too
    found = Outcome()
    for row in rows:
        numbers = {what: value for what, value in row.items() if what.endswith("_difference")}
        found.numbers[row[key]] = numbers
        if row["ok"]:
            found.passed += 1
            continue
        found.failed += 1
        error = row.get("error") or ", ".join(f"{what} {value}" for what, value in numbers.items())
        found.failures.append({"test": row[key], "error": str(error).splitlines()[0][:300]})
    if not rows:
        return failed(done.reason() or "nothing of that name ran")
    if found.failed:
        found.error = found.failures[0]["error"]
    return found


def parity_steps(context):
    script = context.kit / "tests" / "parity" / "devices"
    listed = context.call(sys.executable, script, "--device", context.device, "--list", limit=30)
    names = [line.strip() for line in listed.output.splitlines() if line.strip()] if listed.succeeded() else []
    if not names:
        return [Step("all configurations", lambda c: compare(c, "devices", ""))]
    return [Step(name, lambda c, name=name: compare(c, "devices", name), 60) for name in names]


def ranks_steps(context):
    launch = Step("mpirun starts two", lambda c: outcome(c.call("mpirun", "-np", 2, "--oversubscribe", "true")), 30)
    return [launch, *(Step(name, lambda c, layout=layout: compare(c, "matrix", layout, "--updates", 4), 60)
                      for name, layout in LAYOUTS.items())]
