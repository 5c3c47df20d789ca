"""What the scripts share that train tiny models to measure or to test: data, commands, results."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


_running = set()  # commands that were not told to stop yet
_stopping = False


def call(command, log=None, environment=None, own_session=False):
    """Runs a command and returns its messages, which are added to the file `log` while it runs; ends the script with the
    last of them where it fails. Where an exception comes meanwhile, as of Ctrl-C, the command is told to stop, and waited
    for. `own_session`: signals of the terminal do not reach the command, and whoever calls hands them on (stop_calls())."""
    command = [str(part) for part in command]
    if _stopping:
        sys.exit("stopped")
    with open(log, "a+b") if log else tempfile.TemporaryFile() as messages:
        begin = messages.seek(0, os.SEEK_END)
        try:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=messages,
                                     env=environment, start_new_session=own_session)
        except OSError as error:
            sys.exit(f"{command[0]}: {error.strerror}; scripts/build release builds the programs")
        _running.add(child)
        try:
            if _stopping:
                sys.exit("stopped")
            child.wait()
        finally:
            _stop(child)
            child.wait()
        messages.seek(begin)
        text = messages.read().decode(errors="replace")
    if child.returncode != 0:
        last = "\n".join(text.split("\n")[-20:])
        more = f"; all its messages are in {log}" if log else ""
        sys.exit(f"failed with {child.returncode}: {' '.join(command)}\n{last}{more}")
    return text


def stop_calls():
    """Tells all of call() that run to stop, once, and lets none begin."""
    global _stopping
    _stopping = True
    for child in list(_running):
        _stop(child)


def _stop(child):
    if child in _running:
        _running.discard(child)
        if child.poll() is None:
            child.terminate()  # a second signal would end it before it has saved


def add_program(parser):
    """The option of all scripts that run the program; without it they say how it is built."""
    def program(text):
        path = pathlib.Path(text).resolve()
        if not path.is_file():
            raise argparse.ArgumentTypeError(f"there is no {path}; scripts/build release polymoe_program builds it")
        return path
    parser.add_argument("--program", type=program, default=str(ROOT / "build" / "release" / "polymoe"), metavar="FILE",
                        help="the polymoe program (default: build/release/polymoe)")


def make_data(program, folder, lines=600, digits=5, vocabulary=70):
    """A dataset in `folder`/data: numbers of up to so many digits in three made-up languages."""
    text = {"aa": [], "bb": [], "cc": []}
    for n in range(lines):
        number = [int(d) for d in str(pow(7, 3 + n % 20) * (n + 11) ** 2)][:2 + n * n % (digits - 1)]
        text["aa"].append(" ".join(WORDS[d] for d in number))
        text["bb"].append(" ".join(str(d) for d in reversed(number)))
        text["cc"].append("-".join(WORDS[(d + 3) % 10][::-1] for d in number))
    held_out = lines // 30
    corpora = []
    for split, part in (("train", slice(held_out, None)), ("valid", slice(held_out))):
        files = []
        for language, content in text.items():
            path = folder / f"{split}.{language}"
            path.write_text("".join(line + "\n" for line in content[part]), encoding="utf-8")
            files.append(f"{language}={path}")
        corpora += ["--corpus", f"{split}:files:{','.join(files)}"]
    call([program, "vocab", *corpora, "--size", vocabulary, "--out", folder / "vocab.model"])
    call([program, "prepare", "--vocab", folder / "vocab.model", *corpora, "--out", folder / "data"])


def records(output, kind):
    """The records of one type in the metrics of a run."""
    lines = (output / "metrics.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    return [record for record in map(json.loads, lines) if record["type"] == kind]


def origin(*command):
    """What a result says of where it came from: the command, the commit, the machine and the date. Of a path outside the
    project only the name is kept: folders of one machine tell others nothing."""
    words = [pathlib.Path(word).name if pathlib.Path(word).is_absolute() else word for word in map(str, command)]
    done = subprocess.run([ROOT / "scripts" / "environment-json", *words], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def write_whole(path, text):
    """A file that is there whole or not at all, whatever ends the script."""
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def write_result(name, result, script, made_by=None, path=None):
    """Writes build/results/NAME.json, or `path`, with its origin: `made_by`, or this command and the commit of now."""
    path = path or ROOT / "build" / "results" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps({**result, **(made_by or origin(script, *sys.argv[1:]))}, indent=1) + "\n")
