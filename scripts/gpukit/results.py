"""What came of a run: gpu.json, written anew after every step, and the table."""

import dataclasses
import json
import threading

COUNTS = ("passed", "failed", "skipped", "not_reached")


@dataclasses.dataclass
class Outcome:
    """What came of a step. Most count as one; a step of unit tests counts its tests."""
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    not_reached: int = 0
    error: str = ""  # the first line that says what went wrong, or why the step was left out
    numbers: dict = dataclasses.field(default_factory=dict)
    failures: list = dataclasses.field(default_factory=list)  # [{"test": name, "error": line}]

    def verdict(self):
        if self.failed:
            return "failed"
        if self.not_reached:
            return "not reached"
        return "passed" if self.passed else "skipped"


def passed(**numbers):
    return Outcome(passed=1, numbers=numbers)


def failed(error, **numbers):
    return Outcome(failed=1, error=error, numbers=numbers)


def skipped(why):
    return Outcome(skipped=1, error=why)


class Results:
    def __init__(self, folder, origin):
        self.path = folder / "gpu.json"
        self.origin = origin
        self.parts = {}
        self.lock = threading.Lock()

    def add(self, part, step, seconds, outcome):
        with self.lock:
            entry = self.parts.setdefault(part, {**dict.fromkeys(COUNTS, 0), "numbers": {}, "steps": []})
            for count in COUNTS:
                entry[count] += getattr(outcome, count)
            entry["numbers"].update(outcome.numbers)
            row = {"step": step, "result": outcome.verdict(), "seconds": round(seconds, 1),
                   **{count: getattr(outcome, count) for count in COUNTS}}
            if outcome.error:
                row["error"] = outcome.error
            if outcome.failures:
                row["failures"] = outcome.failures
            row["numbers"] = outcome.numbers
            entry["steps"].append(row)
            self.write()

    def write(self):
        partial = self.path.with_name("gpu.json.partial")
        partial.write_text(json.dumps({**self.parts, **self.origin}, indent=1) + "\n", encoding="utf-8")
        partial.replace(self.path)

    def total(self, count):
        return sum(part[count] for part in self.parts.values())

    def steps(self):
        return [(name, step) for name, part in self.parts.items() for step in part["steps"]]

    def print_table(self):
        widest = max((len(step["step"]) for _, step in self.steps()), default=4)
        print(f"{'part':<12}{'step':<{widest + 2}}{'result':<12}{'seconds':>8}  {'passed/failed/skipped':<23}")
        for part, step in self.steps():
            counts = "/".join(str(step[count]) for count in COUNTS[:3])
            print(f"{part:<12}{step['step']:<{widest + 2}}{step['result']:<12}{step['seconds']:>8.1f}  {counts:<23}"
                  f"{short(step['numbers'])}".rstrip())
            if step.get("error"):
                print(f"{'':<12}  {step['error'][:200]}")
            for failure in step.get("failures", [])[:20]:
                print(f"{'':<12}  {failure['test']}: {failure['error'][:160]}")
        print(f"\n{len(self.steps())} steps: {self.total('passed')} passed, {self.total('failed')} failed, "
              f"{self.total('skipped')} skipped, {self.total('not_reached')} not reached", flush=True)


def short(numbers):
    """Numbers for a line of the table: those of a group without its name, which the step's name tells."""
    words = []
    for key, value in numbers.items():
        if isinstance(value, dict):
            words.append(f"{key}: {short(value)}" if len(numbers) > 1 else short(value))
        else:
            words.append(f"{key} {'-' if value is None else f'{value:.4g}' if isinstance(value, float) else value}")
    text = ", ".join(words)
    return text if len(text) <= 200 else text[:200] + " ..."
