"""bench/run decode: translating, beside CTranslate2, Marian and transformers on the same weights; and bench/run
decode-experts: models that differ in their number of experts."""

import argparse
import itertools
import statistics

from tools import Failure, capture, cores, measure, peers_folder, root, say, spread

# Names of shapes and what bench/peers/decode.py makes of them.
SHAPES = {
    "tiny": {"layers": 3, "hidden": 128, "ffn": 512, "heads": 4},
    "base": {"layers": 6, "hidden": 512, "ffn": 2048, "heads": 8},
    "moe": {"layers": 6, "hidden": 512, "ffn": 2048, "heads": 8, "experts": 8},
}
# A dense model that computes as much for a token as one with experts: two of them in every second layer are 3,072 wide on
# average.
DENSE = {"moe": {"layers": 6, "hidden": 512, "ffn": 3072, "heads": 8}}
PEERS = ("ctranslate2", "marian", "transformers")
# What is asked of our tokens/s over a peer's, by peer and number of sentences.
BARS = {("ctranslate2", 1): 1.0, ("ctranslate2", 64): 1.2, ("transformers", 1): 3.0, ("transformers", 64): 3.0}
INT8_BAR = 1.0
DENSE_BAR = 0.8


def parser():
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES), help="models")
    options.add_argument("--beams", type=int, nargs="+", default=[1, 4], help="beam sizes")
    options.add_argument("--sentences", type=int, nargs="+", default=[64, 1], help="at once")
    options.add_argument("--weights", nargs="+", choices=["float32", "int8"], default=["float32", "int8"], help=" ")
    options.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), help=" ")
    options.add_argument("--length", type=int, default=20, help="tokens that each translation has")
    return options


def model_folder(name, sizes, python):
    folder = root / "build" / "decode-models" / name
    if not (folder / "model-int8.safetensors").exists() or not (folder / "model.json").exists():
        if not python:
            raise Failure("the models are made by the peers; leave --no-peers out once")
        say(f"making the model '{name}'")
        words = [word for key, value in sizes.items() for word in (f"--{key}", str(value))]
        capture(python, peers_folder / "decode.py", "--make", folder, *words)
    return folder


def peers_of(shape, weights):
    """CTranslate2 and Marian have no experts; transformers has no int8 that is its own."""
    dense = "experts" not in SHAPES[shape]
    return (["ctranslate2", "marian"] if dense else []) + (["transformers"] if weights == "float32" else [])


def commands_of(shape, weights, beam, sentences, threads, program, python, options):
    folder = model_folder(shape, SHAPES[shape], python)
    repeats = options.repeats * (10 if sentences == 1 else 1)  # short ones waver more
    arguments = ["--beam", beam, "--sentences", sentences, "--length", options.length, "--threads", threads,
                 "--repeats", repeats]
    commands = {"ours": [program, folder, *arguments, "--weights", weights]}
    if shape in DENSE:
        dense = model_folder(f"{shape}-dense", DENSE[shape], python)
        commands["dense"] = [program, dense, *arguments, "--weights", weights]
    if python:
        for peer in [peer for peer in peers_of(shape, weights) if peer in options.peers]:
            commands[peer] = [python, peers_folder / "decode.py", "--model", folder, "--peer", peer, "--weights", weights,
                              *arguments]
    return {name: [str(word) for word in command] for name, command in commands.items()}


def texts_as_marian(commands, threads):
    """Ours, untimed, with norms and positions where Marian has them (see peers/marian_model.py)."""
    return measure([*commands["ours"], "--norm", "post", "--position-offset", "0", "--repeats", "1"], threads)["ids"]


def case(shape, weights, beam, sentences, threads, program, python, options):
    label = f"{shape}, {weights}, beam {beam}, {sentences} at once, {threads} threads"
    results = {}
    commands = commands_of(shape, weights, beam, sentences, threads, program, python, options)
    for turn in range(1, options.rounds + 1):
        say(f"{label}: round {turn} of {options.rounds}")
        for name, command in commands.items():
            results.setdefault(name, []).append(measure(command, threads))
    tokens = sentences * options.length
    row = {"shape": shape, "beam": beam, "sentences": sentences, "threads": threads, "weights": weights}
    ours = results["ours"]
    for name, rounds in results.items():
        row[name] = {
            "tokens_per_second": spread(tokens / seconds for result in rounds for seconds in result["seconds"]),
            "start_seconds": spread(result["start_seconds"] for result in rounds),
            "peak_bytes": max(result["peak_bytes"] for result in rounds),
        }
        if name == "ours":
            row[name]["weight_bytes"] = ours[0]["weight_bytes"]
            continue
        if name != "dense":
            texts = texts_as_marian(commands, threads) if name == "marian" else ours[0]["ids"]
            row[name]["version"] = rounds[0]["version"]
            row[name]["same"] = sum(a == b for a, b in zip(texts, rounds[0]["ids"])) / sentences
        row[name]["ratio"] = spread(statistics.median(theirs["seconds"]) / statistics.median(own["seconds"])
                                    for own, theirs in zip(ours, rounds))
    return row


def bar_of(shape, weights, peer, sentences):
    if peer == "dense":
        return DENSE_BAR
    if peer == "marian" or (peer == "transformers" and "experts" not in SHAPES[shape]):
        return None
    return INT8_BAR if weights == "int8" else BARS.get((peer, sentences))


def print_case(row):
    print(f"\n{row['shape']}, {row['weights']}, beam {row['beam']}, {row['sentences']} at once, "
          f"{row['threads']} thread{'s' if row['threads'] > 1 else ''}")
    for name in ("ours", "dense", *PEERS):
        if name not in row:
            continue
        entry = row[name]
        rate = entry["tokens_per_second"]
        line = (f"  {name:<14}{rate['median']:>9.0f} tokens/s ({rate['min']:.0f} to {rate['max']:.0f}), start "
                f"{entry['start_seconds']['median']:.2f} s, {entry['peak_bytes'] / 1e6:.0f} MB")
        if name != "ours":
            bar = bar_of(row["shape"], row["weights"], name, row["sentences"])
            ratio = entry["ratio"]
            line += f"; ours {ratio['median']:.2f} times ({ratio['min']:.2f} to {ratio['max']:.2f})"
            line += "" if bar is None else f", bar {bar:g}: {'held' if ratio['median'] >= bar else 'missed'}"
            line += "" if name == "dense" else f"; same text {entry['same']:.0%}"
        print(line, flush=True)


def decode(program, python, options):
    threads = [options.threads] if options.threads else sorted({1, cores()})
    cases = []
    for shape, count, weights, beam, sentences in itertools.product(options.shapes, threads, options.weights,
                                                                    options.beams, options.sentences):
        cases.append(case(shape, weights, beam, sentences, count, program, python, options))
        print_case(cases[-1])
    return {"cases": cases}


# A model whose weights do not fit the caches, top-1.
EXPERTS_SHAPE = {"hidden": 1024, "ffn": 4096, "heads": 16, "layers": 2, "beam": 4}


def experts_parser():
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--experts", type=int, nargs="+", default=[8, 16, 64], help="of every second layer")
    options.add_argument("--sentences", type=int, nargs="+", default=[1, 64], help="at once")
    options.add_argument("--weights", nargs="+", choices=["float32", "bfloat16", "int8", "int4"],
                         default=["float32", "int8", "int4"], help="int4 is of experts; the rest is int8")
    options.add_argument("--length", type=int, default=20, help="tokens that each translation has")
    return options


def decode_experts(program, python, options):
    """All cases in turn, round after round: what is compared are models, so no case runs at another hour."""
    threads = options.threads or 1
    keys = list(itertools.product(options.experts, options.weights, options.sentences))
    results = {key: [] for key in keys}
    for turn in range(1, options.rounds + 1):
        for experts, weights, sentences in keys:
            say(f"{experts} experts, {weights}, {sentences} at once: round {turn} of {options.rounds}")
            words = {**EXPERTS_SHAPE, "experts": experts, "weights": weights, "sentences": sentences,
                     "length": options.length, "threads": threads, "repeats": options.repeats}
            command = [str(program), "random", *(str(word) for key, value in words.items() for word in (f"--{key}", value))]
            results[experts, weights, sentences].append(measure(command, threads))
    cases = []
    print(f"\n{'experts':>7}  {'weights':<10}{'at once':>8}{'tokens/s':>10}{'min':>8}{'max':>8}{'MB of weights':>15}")
    for (experts, weights, sentences), rounds in results.items():
        rate = spread(sentences * options.length / seconds for result in rounds for seconds in result["seconds"])
        cases.append({"experts": experts, "weights": weights, "sentences": sentences, "tokens_per_second": rate,
                      "weight_bytes": rounds[0]["weight_bytes"]})
        print(f"{experts:>7}  {weights:<10}{sentences:>8}{rate['median']:>10.0f}{rate['min']:>8.0f}{rate['max']:>8.0f}"
              f"{rounds[0]['weight_bytes'] / 1e6:>15.0f}")
    return {"shape": EXPERTS_SHAPE, "threads": threads, "cases": cases}
