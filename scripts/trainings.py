"""What the scripts share that train tiny models to measure or to test: data, commands, results."""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


_running = set()  # commands that were not told to stop yet


def call(command, log=None):
    """Runs a command and returns its messages, which the file `log` gets while it runs; ends the script with the last of
    them where it fails. Where an exception comes meanwhile, as of Ctrl-C, the command is told to stop, and waited for."""
    command = [str(part) for part in command]
    with open(log, "w+b") if log else tempfile.TemporaryFile() as messages:
        try:
            # In a group of its own, so that Ctrl-C in a terminal does not reach it beside us: the second signal kills.
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=messages,
                                     start_new_session=True)
        except OSError as error:
            sys.exit(f"{command[0]}: {error.strerror}; scripts/build release builds the programs")
        _running.add(child)
        try:
            child.wait()
        finally:
            stop_calls({child})
            child.wait()
        messages.seek(0)
        text = messages.read().decode(errors="replace")
    if child.returncode != 0:
        last = "\n".join(text.split("\n")[-20:])
        more = f"; all its messages are in {log}" if log else ""
        sys.exit(f"failed with {child.returncode}: {' '.join(command)}\n{last}{more}")
    return text


def stop_calls(children=None):
    """Tells these commands, or all of call() that run, to stop; each once."""
    for child in list(_running if children is None else children & _running):
        _running.discard(child)
        if child.poll() is None:
            child.terminate()


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


def write_result(name, result, script, made_by=None, path=None):
    """Writes build/results/NAME.json, or `path`, with its origin: `made_by`, or this command and the commit of now."""
    path = path or ROOT / "build" / "results" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({**result, **(made_by or origin(script, *sys.argv[1:]))}, indent=1) + "\n",
                       encoding="utf-8")
    partial.replace(path)
