"""The part unit: the unit tests, on the device. They run in groups, each a process of its own, several at a time."""

import re

from .results import Outcome, failed
from .steps import Step

# GoogleTest writes its JSON only at the end. What it prints says the same, up to the test in which a process died.
MARK = re.compile(r"\[ +(RUN|OK|FAILED|SKIPPED) +\] (\S+?)(?:,| \(|$)", re.MULTILINE)
FAILURE = re.compile(r"Failure|exception|error|what\(\)", re.IGNORECASE)


def suites_of(context, program):
    """{suite: [test]}; none where the program does not start."""
    done = context.call(context.kit / "bin" / program, "--gtest_list_tests", limit=60)
    suites, suite = {}, None
    for line in done.output.splitlines() if done.succeeded() else []:
        word = line.split("#")[0].rstrip()
        if word.endswith(".") and not word.startswith(" "):
            suite = suites.setdefault(word, [])
        elif word.startswith("  ") and suite is not None:
            suite.append(word.strip())
    return suites


def groups_of(suites, count):
    """Tests in so many groups. Those of a suite, which may all be slow, go to different ones."""
    tests = [suite + test for suite, names in suites.items() for test in names]
    return [tests[start::count] for start in range(min(count, len(tests)))]


def read_output(text):
    """{test: (verdict, its messages)}; the verdict of the test in which the process ended is None."""
    tests, begun = {}, None
    for mark in MARK.finditer(text):
        kind, name = mark[1], mark[2]
        if kind == "RUN":
            begun = (name, mark.end())
            tests[name] = (None, text[mark.end():])
        elif begun is not None and begun[0] == name:  # the summary at the end names tests once more
            tests[name] = (kind, text[begun[1]:mark.start()])
            begun = None
    return tests


def first_line_of(failure):
    """GoogleTest's line "FILE:LINE: Failure" and the one after it, which says what was expected."""
    lines = [line.strip() for line in failure.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if FAILURE.search(line):
            return " ".join(lines[number:number + 2])[:300]
    return lines[0][:300] if lines else "no message"


def run_group(context, program, tests):
    """Runs tests, and after a crash or a hang those that were still to come. A test that is cut off may only have come
    late in a slow group: it has another try at the end."""
    result, waiting, tried = Outcome(), list(tests), set()
    while waiting and context.seconds_left() > 1:
        left = context.seconds_left()
        limit = left if waiting[0] in tried else max(10.0, 0.6 * left)
        done = context.call(context.kit / "bin" / program, "--gtest_color=no", f"--gtest_filter={':'.join(waiting)}",
                            limit=limit, POLYMOE_TEST_DEVICE=context.device, OMP_NUM_THREADS=2 if context.on_gpu else 1)
        seen = read_output(done.output)
        for name, (verdict, messages) in seen.items():
            if verdict == "OK":
                result.passed += 1
            elif verdict == "SKIPPED":
                result.skipped += 1
            elif verdict is None and done.status is None and name not in tried:
                continue
            else:
                result.failed += 1
                why = first_line_of(messages) if verdict else f"{done.reason()} {first_line_of(messages)}"
                result.failures.append({"test": name, "error": why})
        if not seen:
            result.failed += len(waiting)
            result.error = done.reason() or "no test of these names ran"
            return result
        cut_off = [name for name, (verdict, _) in seen.items()
                   if verdict is None and done.status is None and name not in tried]
        waiting = [name for name in waiting if name not in seen] + cut_off
        tried.update(cut_off)
    result.not_reached += len(waiting)
    if result.failed:
        result.error = f"{result.failed} failed"
    elif result.not_reached:
        result.error = f"{result.not_reached} not reached"
    return result


def steps(context):
    result = []
    for program, count in (("base_tests", 1), ("torch_tests", 12)):
        if not (context.kit / "bin" / program).exists():
            result.append(Step(program, lambda c, name=program: failed(f"{name} is not in the kit: pack it anew")))
            continue
        groups = groups_of(suites_of(context, program), count)
        if not groups:
            result.append(Step(program, lambda c, name=program: failed(f"{name} does not list its tests; see the log")))
        for number, group in enumerate(groups, 1):
            name = program if len(groups) == 1 else f"{program} {number} of {len(groups)}"
            result.append(Step(name, lambda c, p=program, tests=group: run_group(c, p, tests)))
    return result


def workers(context):
    return max(2, min(12, context.cores * 3 // 4))
