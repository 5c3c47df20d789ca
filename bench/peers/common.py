"""What the peers' benchmarks share: quiet output, threads, timing."""

import argparse
import json
import os
import sys
import time


def claim_stdout():
    """Sends everything printed by libraries to stderr and returns a stream for our own output."""
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return results


def parser(description):
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    options.add_argument("--threads", type=int, default=1, help="threads of one operation")
    options.add_argument("--repeats", type=int, default=5, help="timed repeats of each peer")
    options.add_argument("--warmup", type=int, default=2, help="untimed repeats before them")
    options.add_argument("--seed", type=int, default=1, help="seed of the inputs and weights")
    options.add_argument("--json", action="store_true", help="accepted for likeness with our programs: always JSON")
    return options


def parse(options):
    """Parses the command line and fixes the threads; to be called before torch is imported."""
    arguments = options.parse_args()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(arguments.threads)
    return arguments


def interleave(steps, repeats, warmup):
    """Times each of `steps` (name -> function to time and function that cleans up after it) `repeats` times, one after
    the other in turn, so that a machine that drifts does so for all of them. Returns name -> seconds."""
    seconds = {name: [] for name in steps}
    for _ in range(warmup + repeats):
        for name, (step, clear) in steps.items():
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
            clear()
    return {name: samples[warmup:] for name, samples in seconds.items()}


def emit(stream, result):
    json.dump(result, stream)
    stream.write("\n")
    stream.close()
    # Process groups and thread pools of the peers may keep an ordinary exit waiting.
    sys.stderr.flush()
    os._exit(0)
