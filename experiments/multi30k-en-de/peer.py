#!/usr/bin/env python3
"""Trains the tiny model with JoeyNMT on one thread, with the settings of bench/peers/train_small.py, and validates it
greedily on the way. Writes FOLDER/curve.json, [[update, minutes, file]]: minutes of processor time in training alone, without
validation, and what it makes of the validation text, in pieces.

  peer.py --model FILE --text PREFIX --minutes N --validate-every N --out FOLDER

PREFIX.train.en and .de, PREFIX.valid.en and .de are the text; FILE is our SentencePiece model, so that both have the same
pieces. Runs in the environment of the peers (bench/peers/install.py --training).
"""

import argparse
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "bench" / "peers"))
import train_small  # noqa: E402


class TimeIsUp(Exception):
    pass


def cut(model, prefix, out):
    """The text in pieces and their vocabulary, as JoeyNMT reads them."""
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    for split in ("train", "valid"):
        for language in train_small.LANGUAGES:
            lines = pathlib.Path(f"{prefix}.{split}.{language}").read_text(encoding="utf-8").split("\n")[:-1]
            train_small.write_pieces(processor, lines, out / f"{split}.{language}")
    train_small.write_joeynmt_vocabulary(processor, out)


def train(out, minutes, validate_every):
    import torch
    from joeynmt import training

    torch.set_num_threads(1)
    curve = []

    class Watched(training.TrainManager):
        """Tells how long it trained until each validation, and ends when the time is up."""
        begin = None

        def _train_step(self, batch):
            if self.begin is None:
                self.begin = time.process_time()
            return super()._train_step(batch)

        def _validate(self, valid_data):
            before = time.process_time()
            super()._validate(valid_data)
            curve.append([self.stats.steps, round((before - self.begin) / 60, 2), f"run/{self.stats.steps}.hyps"])
            (out / "curve.partial").write_text(json.dumps(curve) + "\n", encoding="utf-8")
            self.begin += time.process_time() - before
            if curve[-1][1] >= minutes:
                raise TimeIsUp

    training.TrainManager = Watched
    settings = train_small.joeynmt_settings(out, out / "run", updates=10**6, window=validate_every)
    (out / "run").mkdir(exist_ok=True)
    settings["data"]["dev"] = str(out / "valid")
    settings["training"] |= {"validation_freq": validate_every, "keep_best_ckpts": 1}
    settings["testing"] = {"beam_size": 1, "batch_size": 2000, "batch_type": "token", "max_output_length": 60}
    try:
        training.train(rank=0, world_size=None, skip_test=True, cfg=settings)
    except TimeIsUp:
        pass
    (out / "curve.partial").replace(out / "curve.json")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", type=pathlib.Path, required=True, metavar="FILE", help="our SentencePiece model")
    options.add_argument("--text", type=pathlib.Path, required=True, metavar="PREFIX", help="the text")
    options.add_argument("--minutes", type=float, required=True, help="of processor time in training")
    options.add_argument("--validate-every", type=int, default=500, metavar="N", help="updates (default: 500)")
    options.add_argument("--out", type=pathlib.Path, required=True, metavar="FOLDER", help="what it writes")
    arguments = options.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    cut(arguments.model, arguments.text, arguments.out)
    train(arguments.out, arguments.minutes, arguments.validate_every)


if __name__ == "__main__":
    main()
