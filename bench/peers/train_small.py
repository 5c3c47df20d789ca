#!/usr/bin/env python3
"""Training the tiny model of configs/recipes/multi30k-en-de.yaml with Marian and JoeyNMT, on the CPU with one thread.

  --make FOLDER     writes the text of Multi30k, English and German, cut into the pieces of our vocabulary, and vocabularies
                    of these for the peers
  --pieces FOLDER   trains with it and prints one JSON object on stdout: target tokens, end marks included and padding not,
                    and seconds of each window of updates

As in the recipe: 4 + 4 layers, hidden 128, FFN 256 with ReLU, 4 heads, layer norm before each block, all embeddings tied,
dropout 0.3 after embeddings and blocks (in JoeyNMT inside of them too, it has one rate for all), label smoothing 0.1, Adam,
gradients clipped at norm 1, float32. Their limits of a batch are such that an update has as many target tokens as ours.
"""

import argparse
import gzip
import importlib.metadata
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import common

options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("--make", type=pathlib.Path, help="folder to write")
options.add_argument("--vocabulary", type=pathlib.Path, help="our SentencePiece model")
options.add_argument("--data", type=pathlib.Path, help="folder with the text of Multi30k")
options.add_argument("--pieces", type=pathlib.Path, help="folder to read")
options.add_argument("--peer", choices=["marian", "joeynmt"], help="what trains")
options.add_argument("--updates", type=int, default=60, help=" ")
options.add_argument("--window", type=int, default=10, help="updates whose tokens and seconds are told together")

LANGUAGES = ("en", "de")
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
LAYERS, HIDDEN, FFN, HEADS, DROPOUT = 4, 128, 256, 4, 0.3
LEARNING_RATE, WARM_UP, BETAS, MAX_LENGTH = 0.003, 1500, (0.9, 0.98), 120
# Marian counts the words of one side, JoeyNMT rows times the longest sentence, of batches that mix lengths.
MARIAN_WORDS, JOEYNMT_TOKENS = 980, 2150


def write_pieces(processor, lines, path):
    """Writes lines cut into pieces; returns how many pieces that is."""
    pieces = processor.encode(lines, out_type=str)
    path.write_text("".join(" ".join(line) + "\n" for line in pieces), encoding="utf-8")
    return sum(map(len, pieces))


def write_joeynmt_vocabulary(processor, folder):
    """Writes the pieces of our vocabulary, which have JoeyNMT's own marks in front there; returns them."""
    words = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    words = [word for word in words if word not in SPECIAL]
    (folder / "joeynmt.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    return words


def make(folder, model, data):
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    for language in LANGUAGES:
        with gzip.open(data / f"train.{language}.gz", "rt", encoding="utf-8", newline="\n") as text:
            lines = [line.rstrip("\n") for line in text]
        counts[language] = write_pieces(processor, lines, folder / f"train.{language}")
    words = write_joeynmt_vocabulary(processor, folder)
    # Marian has no marks of its own for the start and for padding; they make the number of ids that of the others.
    numbers = {word: i for i, word in enumerate(["</s>", "<unk>", "<s>", "<pad>", *words])}
    (folder / "marian.yml").write_text(json.dumps(numbers), encoding="utf-8")
    (folder / "counts.json").write_text(json.dumps(counts), encoding="utf-8")


def marian_arguments(pieces, out, updates, window):
    text = [str(pieces / f"train.{language}") for language in LANGUAGES]
    vocabulary = str(pieces / "marian.yml")
    settings = {
        "type": "transformer", "dim-emb": HIDDEN, "transformer-dim-ffn": FFN, "transformer-heads": HEADS,
        "enc-depth": LAYERS, "dec-depth": LAYERS, "transformer-dropout": DROPOUT, "transformer-ffn-activation": "relu",
        "transformer-preprocess": "n", "transformer-postprocess": "da", "transformer-postprocess-top": "n",
        "max-length": MAX_LENGTH, "label-smoothing": 0.1, "optimizer": "adam", "clip-norm": 1,
        "learn-rate": LEARNING_RATE, "lr-warmup": WARM_UP, "cpu-threads": 1, "data-threads": 1, "workspace": 2000,
        "mini-batch-words": MARIAN_WORDS, "mini-batch": 1000, "maxi-batch": 100, "after": f"{updates}u",
        "disp-freq": f"{window}u", "seed": 1, "model": out / "model.npz", "log": out / "log.txt", "tempdir": out,
    }
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    return ["train", *words, "--optimizer-params", *map(str, BETAS), "1e-9", "--train-sets", *text, "--vocabs", vocabulary,
            vocabulary, "--tied-embeddings-all", "--sync-sgd", "--quiet"]


def marian_windows(log):
    """[(target tokens, seconds)] of the lines that tell of the progress, those since the line before."""
    found = re.findall(r"Cost \S+ \* ([\d,]+) @ .* : Time ([\d.]+)s :", log)
    return [(int(tokens.replace(",", "")), float(seconds)) for tokens, seconds in found]


def train_marian(arguments, out):
    # In a process of its own, which Marian ends; pymarian itself imports what only its other commands need.
    program = [sys.executable, "-c", "import sys, _pymarian; sys.exit(_pymarian.main(sys.argv[1:]))"]
    subprocess.run([*program, *marian_arguments(arguments.pieces, out, arguments.updates, arguments.window)], check=True)
    return "pymarian", marian_windows((out / "log.txt").read_text(encoding="utf-8"))


def joeynmt_settings(pieces, out, updates, window):
    def language(name):
        return {"lang": name, "max_length": MAX_LENGTH, "level": "word", "lowercase": False,
                "voc_file": str(pieces / "joeynmt.txt")}

    def side():
        return {"type": "transformer", "num_layers": LAYERS, "num_heads": HEADS, "hidden_size": HIDDEN, "ff_size": FFN,
                "dropout": DROPOUT, "layer_norm": "pre", "activation": "relu",
                "embeddings": {"embedding_dim": HIDDEN, "scale": True, "dropout": DROPOUT}}
    special = {"unk_token": "<unk>", "unk_id": 0, "pad_token": "<pad>", "pad_id": 1, "bos_token": "<s>", "bos_id": 2,
               "eos_token": "</s>", "eos_id": 3}
    text = str(pieces / "train")
    return {
        "name": "tiny", "use_cuda": False, "random_seed": 1, "model_dir": str(out), "testing": {},
        "data": {"train": text, "dev": text, "dataset_type": "plain", "src": language("en"), "trg": language("de"),
                 "special_symbols": special},
        "model": {"initializer": "xavier_uniform", "embed_initializer": "xavier_uniform", "tied_embeddings": True,
                  "tied_softmax": True, "encoder": side(), "decoder": side()},
        "training": {"optimizer": "adam", "adam_betas": list(BETAS), "learning_rate": LEARNING_RATE,
                     "learning_rate_min": 0.0, "scheduling": "warmupinversesquareroot", "learning_rate_warmup": WARM_UP,
                     "clip_grad_norm": 1.0, "label_smoothing": 0.1, "normalization": "tokens", "batch_type": "token",
                     "batch_size": JOEYNMT_TOKENS, "updates": updates, "epochs": 1 + updates // 100, "logging_freq": window,
                     "validation_freq": 1000 * window, "print_valid_sents": []},
    }


def train_joeynmt(arguments, out):
    import torch
    from joeynmt import training

    torch.set_num_threads(1)
    windows = []

    class Timed(training.TrainManager):
        """Keeps what the log would tell in rounded numbers."""

        def _log_scores(self, epoch_no, elapsed_time, start_tokens, start_correct, total_batch_loss):
            windows.append((self.stats.total_tokens - start_tokens, elapsed_time))
            super()._log_scores(epoch_no, elapsed_time, start_tokens, start_correct, total_batch_loss)
    training.TrainManager = Timed
    training.train(rank=0, world_size=None, skip_test=True,
                   cfg=joeynmt_settings(arguments.pieces, out, arguments.updates, arguments.window))
    return "joeynmt", windows


def main():
    arguments = options.parse_args()
    if arguments.make:
        make(arguments.make, arguments.vocabulary, arguments.data)
        return
    results = common.claim_stdout()
    with tempfile.TemporaryDirectory(prefix="polymoe-train-small-") as folder:
        train = train_marian if arguments.peer == "marian" else train_joeynmt
        package, windows = train(arguments, pathlib.Path(folder))
    common.emit(results, {"package": f"{package} {importlib.metadata.version(package)}", "repeats": windows})


if __name__ == "__main__":
    main()
