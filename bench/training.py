"""bench/run train-small: training a tiny model of Multi30k, beside Marian and JoeyNMT on the same pieces.

Each trains English to German on one core, in turn. What is counted for all: the target tokens of the updates, end marks
included and padding not, over the seconds of those updates with everything that happens in them, from reading the text on.
"""

import argparse
import json
import os
import pathlib
import shlex
import shutil

from tools import Failure, capture, measure, peers_folder, root, say, spread

RECIPE = root / "configs" / "recipes" / "multi30k-en-de.yaml"
VOCABULARY = 9500
FOLDER = root / "build" / "train-small"
PEERS = ("marian", "joeynmt")
# What is asked of our target tokens/s over a peer's.
BARS = {"marian": 2.5, "joeynmt": 5.0}
REPEAT_UPDATES = 10
WARM_UP_REPEATS = 1
# Peers limit a batch in other ways; what counts is how many target tokens an update has in the end.
LARGEST_DIFFERENCE = 0.1


def parser():
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--data", type=pathlib.Path, default=root.parent / "shared" / "data" / "multi30k", metavar="DIR",
                         help="folder with the text of Multi30k")
    options.add_argument("--bfloat16", action="store_true", help="ours in bfloat16 too, in turn")
    options.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), help=" ")
    return options


def missing(options):
    """What is needed and not there, in a sentence; None where all is there."""
    if options.threads not in (None, 1):
        raise Failure("--threads: train-small has one core for each program")
    return None if (options.data / "train.de.gz").exists() else f"the text of Multi30k is not in {options.data} (--data)"


def make_dataset(program, data):
    """Our dataset, with a vocabulary over both languages; made once."""
    if (FOLDER / "data").exists():
        return
    say("making the vocabulary and the dataset")
    FOLDER.mkdir(parents=True, exist_ok=True)
    corpora = [word for split in ("train", "valid")
               for word in ("--corpus", f"{split}:files:" + ",".join(f"{x}={data / f'{split}.{x}.gz'}" for x in ("en", "de")))]
    capture(program, "vocab", *corpora[:2], "--size", VOCABULARY, "--out", FOLDER / "vocab.model")
    capture(program, "prepare", "--vocab", FOLDER / "vocab.model", *corpora, "--out", FOLDER / "data")


def make_pieces(python, data):
    """The same text cut into the same pieces, for the peers; made once."""
    folder = FOLDER / "pieces"
    if not (folder / "counts.json").exists():
        capture(python, peers_folder / "train_small.py", "--make", folder, "--vocabulary", FOLDER / "vocab.model", "--data", data)
    theirs = json.loads((folder / "counts.json").read_text())
    corpus = json.loads((FOLDER / "data" / "dataset.json").read_text())["corpora"][0]["splits"]["train"]["languages"]
    ours = {language: corpus[language]["tokens"] for language in theirs}
    if ours != theirs:
        raise Failure(f"our dataset has {ours} tokens, the peers' {theirs}: not comparable; remove {FOLDER}")


def our_command(program, core, updates, precision):
    """Without what the peers do not do either: averages, validations, other spellings of the text."""
    return ["taskset", "-c", str(core), program, "train", "--config", RECIPE, "--data.path", FOLDER / "data", "--out",
            FOLDER / "ours", "--max-updates", updates, "--log-freq", REPEAT_UPDATES, "--ema", 0, "--valid-freq", 0,
            "--valid-examples", 1, "--keep-best", "loss", "--save-freq", 0, "--data.subword-dropout", 0,
            "--precision", precision]


def our_repeats(metrics):
    """[(target tokens, seconds)] of each window of updates, from the lines of metrics.jsonl."""
    records = [record for record in map(json.loads, metrics) if record["type"] == "train"]
    return [(record["tokens"] - before["tokens"], record["seconds"] - before["seconds"])
            for before, record in zip([{"tokens": 0, "seconds": 0}, *records], records)]


def train_ours(command):
    shutil.rmtree(FOLDER / "ours", ignore_errors=True)
    capture(*command, env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})
    with open(FOLDER / "ours" / "metrics.jsonl", encoding="utf-8") as metrics:
        return our_repeats(metrics)


def totals(repeats):
    """Target tokens and seconds of a round, its first repeats left out."""
    timed = repeats[WARM_UP_REPEATS:]
    return sum(tokens for tokens, _ in timed), sum(seconds for _, seconds in timed)


def summarise(rounds):
    """Of one side: `rounds` has the repeats of each round."""
    timed = [pair for one in rounds for pair in one[WARM_UP_REPEATS:]]
    return {
        "tokens_per_second": spread(tokens / seconds for tokens, seconds in timed),
        "tokens_per_second_rounds": spread(tokens / seconds for tokens, seconds in map(totals, rounds)),
        "tokens_per_update": sum(tokens for tokens, _ in timed) / len(timed) / REPEAT_UPDATES,
        "repeats": rounds,
    }


def times_faster(ours, theirs):
    """Over the rounds, our tokens per second over theirs."""
    pairs = [(totals(a), totals(b)) for a, b in zip(ours, theirs)]
    return spread(a[0] / a[1] * b[1] / b[0] for a, b in pairs)


def check_same_batches(sides):
    ours = sides["ours"]["tokens_per_update"]
    for name, side in sides.items():
        if abs(side["tokens_per_update"] / ours - 1) > LARGEST_DIFFERENCE:
            raise Failure(f"an update has {ours:.0f} target tokens with ours, {side['tokens_per_update']:.0f} with {name}: "
                          "not comparable")


def print_sides(sides, ratios):
    print(f"\nTraining the tiny model of Multi30k, one core each in turn: target tokens/s\n"
          f"  {'':<16}{'median':>10}{'min':>10}{'max':>10}{'an update':>12}")
    for name, side in sides.items():
        rate = side["tokens_per_second"]
        print(f"  {name:<16}{rate['median']:>10.0f}{rate['min']:>10.0f}{rate['max']:>10.0f}"
              f"{side['tokens_per_update']:>12.0f}")
    for own, over in ratios.items():
        for name, ratio in over.items():
            verdict = "held" if ratio["median"] >= BARS[name] else "missed"
            print(f"  {own} over {name}: {ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})   "
                  f"bar {BARS[name]:g}: {verdict}")


def train_small(program, python, options):
    core = max(os.sched_getaffinity(0))
    make_dataset(program, options.data)
    updates = (WARM_UP_REPEATS + options.repeats) * REPEAT_UPDATES
    ours = {"ours": "float32", **({"ours, bfloat16": "bfloat16"} if options.bfloat16 else {})}
    commands = {name: our_command(program, core, updates, precision) for name, precision in ours.items()}
    if python:
        make_pieces(python, options.data)
        for peer in options.peers:
            commands[peer] = ["taskset", "-c", str(core), python, peers_folder / "train_small.py", "--pieces", FOLDER / "pieces",
                              "--peer", peer, "--updates", updates, "--window", REPEAT_UPDATES]
    commands = {name: [str(word) for word in command] for name, command in commands.items()}
    rounds, packages = {name: [] for name in commands}, {}
    for turn in range(1, options.rounds + 1):
        for name, command in commands.items():
            say(f"train-small, round {turn} of {options.rounds}: {name}")
            if name in ours:
                rounds[name].append(train_ours(command))
                continue
            result = measure(command, 1)
            rounds[name].append(result["repeats"])
            packages[name] = result["package"]
    sides = {name: summarise(repeats) for name, repeats in rounds.items()}
    check_same_batches(sides)
    ratios = {own: {name: times_faster(rounds[own], rounds[name]) for name in rounds if name not in ours} for own in ours}
    print_sides(sides, ratios)
    return {"recipe": str(RECIPE.relative_to(root)), "vocabulary": VOCABULARY, "core": core, "updates": updates,
            "updates_of_a_repeat": REPEAT_UPDATES, "packages": packages, "ratio": ratios, "sides": sides,
            "programs": [shlex.join(command).replace(f"{root}/", "") for command in commands.values()]}
