"""What the experiments share: options, data, trainings that go on where they were interrupted, results and plots.

An experiment is a list of arms; each is run with several seeds. What an arm and a seed gave is a row, kept as a file of
its own in the output folder, so that a second start of the same command does only what is missing.
"""

import argparse
import ast
import concurrent.futures
import gzip
import hashlib
import html
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import trainings  # noqa: E402

COLOURS = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f"]


class Experiment:
    """`sizes` has the numbers of the script for "default", "reduced" and "large"; each has `updates` and `seeds`. `data` is
    the folder of its text, None where it makes its own; an experiment that has `gettext` languages can take those of
    Debian's packages instead. `recipe`: a configuration of configs/recipes for all sizes, not files next to the script;
    `like`: the experiment that has these files.
    `arms`: the names of those that mean something without the others, and can be chosen. `precision`: that of trainings
    where neither their arm nor --precision sets one."""

    def __init__(self, name, description, sizes, data, gettext=(), recipe=None, like=None, arms=(),
                 precision=None):
        self.name, self.script = name, f"experiments/{name}/run"
        here = ROOT / "experiments" / (like or name)
        parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build" / "release" / "polymoe", metavar="FILE",
                            help="the polymoe program (default: build/release/polymoe, built where it is missing)")
        if data is not None:
            parser.add_argument("--data", type=pathlib.Path, metavar="DIR",
                                help=f"folder with the text (default: ../shared/data/{data})")
        parser.add_argument("--out", type=pathlib.Path, metavar="DIR",
                            help="folder for data, models and rows (default: build/experiments/NAME/SIZE-UPDATES); "
                                 "what is in it already is not done again")
        parser.add_argument("--seeds", type=_positive, help=f"seeds of each arm (default: {sizes['default']['seeds']})")
        parser.add_argument("--updates", type=_positive,
                            help=f"updates of a whole training (default: {sizes['default']['updates']})")
        parser.add_argument("--jobs", type=_positive,
                            help="trainings at a time, a thread each (default: one for each core"
                                 + ("; with --large, one)" if "large" in sizes else ")"))
        parser.add_argument("--precision", choices=("float32", "bfloat16"), default=precision,
                            help="number format of trainings whose arm sets none "
                                 f"(default: {precision or 'that of their configuration'})")
        if arms:
            parser.add_argument("--arms", nargs="+", choices=arms, metavar="NAME",
                                help="only these of the arms: " + "; ".join(arms))
        if gettext:
            parser.add_argument("--gettext", action="store_true",
                                help=f"the text is that of `polymoe corpus gettext`: English with {', '.join(gettext)}; "
                                     f"the result is {name}-gettext")
        size = parser.add_mutually_exclusive_group()
        size.add_argument("--reduced", action="store_true", help="a check of a minute or two: the numbers say nothing")
        if "large" in sizes:
            size.add_argument("--large", action="store_true",
                              help="for a GPU: longer trainings or more seeds, mostly with a larger model")
        options = parser.parse_args()
        large = "large" in sizes and options.large
        self.size_name = "reduced" if options.reduced else "large" if large else "default"
        self.size = dict(sizes[self.size_name])
        self.size["updates"] = options.updates or self.size["updates"]
        self.precision = ["--precision", options.precision] if options.precision else []
        if options.precision:
            self.size["precision"] = options.precision
        self.size["seeds"] = options.seeds or self.size["seeds"]
        self.jobs = options.jobs or (1 if large else len(os.sched_getaffinity(0)))
        self.arms = options.arms if arms else None
        self.config = (ROOT / "configs" / "recipes" / recipe if recipe is not None
                       else here / ("large.yaml" if large else "config.yaml"))
        self.gettext_languages = gettext if gettext and options.gettext else ()
        if self.gettext_languages:
            self.name += "-gettext"
        self.data = None if data is None else (options.data or ROOT.parent / "shared" / "data" / data).resolve()
        self.program = options.program.resolve()
        if self.data is not None and not self.gettext_languages and not self.data.is_dir():
            if options.data:
                parser.error(f"--data: there is no folder {self.data}")
            self.say(f"skipped: the text of this experiment is not in {self.data}; name its folder with --data")
            sys.exit(0)
        if not self.program.exists() and subprocess.run([ROOT / "scripts" / "build", "release", "polymoe_program"]).returncode:
            sys.exit(f"{self.name}: the program could not be built, for the reason above")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._stop)
        # Taken before the work begins: what runs is the commit of now.
        self.origin = trainings.origin(self.script, *sys.argv[1:])
        label = f"{self.size_name}-{self.size['updates']}"
        self.out = (options.out or ROOT / "build" / "experiments" / self.name / label).resolve()
        (self.out / "rows").mkdir(parents=True, exist_ok=True)
        self._keep_settings()

    def say(self, text):
        print(f"{time.strftime('%H:%M:%S')} {self.name}: {text}", file=sys.stderr, flush=True)

    def _stop(self, *_):
        """Trainings that are told to stop save where they are."""
        self.say("stopping; the same command will go on")
        trainings.stop_calls()
        sys.exit(1)

    def _keep_settings(self):
        """Rows of other settings must not mix with these; more seeds may be added."""
        settings = {key: value for key, value in self.size.items() if key != "seeds"}
        settings["config"] = hashlib.sha256(self.config.read_bytes()).hexdigest()
        settings["run"] = _code_of(ROOT / self.script)
        settings["data"] = str(self.data)
        path = self.out / "settings.json"
        if path.exists() and json.loads(path.read_text(encoding="utf-8")) != settings:
            sys.exit(f"{self.name}: {self.out} was made with other settings or another version of the experiment; remove "
                     "it or name another --out")
        trainings.write_whole(path, json.dumps(settings) + "\n")

    def seeds(self):
        return range(1, self.size["seeds"] + 1)

    # Data and models

    def prepare(self, corpora, vocabulary, folder="data", vocab_corpora=None, tail=()):
        """Vocabulary and dataset in `folder`; `tail` has more options of `polymoe vocab`."""
        path = self.out / folder
        if path.exists():
            return path
        self.say(f"vocabulary of {vocabulary} ids and dataset")
        self.call("vocab", *_corpora(vocab_corpora or corpora), "--size", vocabulary, "--max-sentences", 20000,
                  "--out", self.out / f"{folder}.model", *tail)
        self.call("prepare", "--vocab", self.out / f"{folder}.model", *_corpora(corpora), "--threads", self.jobs, "--out", path)
        return path

    def multi30k(self):
        """All four languages of Multi30k."""
        def files(split):
            return f"{split}:files:" + ",".join(f"{x}={self.data / f'{split}.{x}.gz'}" for x in ("en", "de", "fr", "cs"))
        return self.prepare([files("train"), files("valid")], self.size["vocabulary"])

    def gettext(self):
        """The messages of programs in the languages of this experiment."""
        corpus = self.out / "corpus"
        if not corpus.exists():
            self.call("corpus", "gettext", "--languages", ",".join(self.gettext_languages), "--out", corpus)
        return self.prepare([corpus], self.size["vocabulary"], tail=["--byte-fallback"])

    def verses(self, languages):
        """A corpus folder of the verses of `languages`: a line for each verse, empty where a language lacks it."""
        folder = self.out / "corpus"
        if (folder / "corpus.json").exists():
            return folder
        folder.mkdir(exist_ok=True)
        counts = {}
        for language in languages:
            for part in ("train", "valid"):
                lines = read_verses(self.data, language, part)
                write_lines(folder / f"{part}.{language}.gz", lines)
                counts[part] = len(lines)
        about = {"name": "verses", "languages": languages, "splits": counts}
        trainings.write_whole(folder / "corpus.json", json.dumps(about))
        return folder

    def call(self, *arguments, log=None):
        return trainings.call([self.program, *arguments], log, own_session=True)

    def train(self, name, *options, data=None, updates=None, seed=1):
        """Trains in the folder `name`, or goes on there; returns the folder. Options win over the configuration."""
        out = self.out / name
        arguments = ["train", "--config", self.config, "--data.path", data or self.out / "data", "--out", out,
                     "--train.seed", seed, "--max-updates", self.size["updates"] if updates is None else updates,
                     *self.precision, *options]
        done, text = out / "done", " ".join(map(str, arguments))
        if done.exists() and done.read_text(encoding="utf-8") == text:
            return out
        start, log = time.monotonic(), self.out / f"{name}.log"
        self.say(f"training {name}; its messages go to {log}")
        if "stopped after" in self.call(*arguments, log=log):  # by a signal, which is no failure
            sys.exit(f"{self.name}: {out} is not trained to its end; the same command goes on")
        done.write_text(text, encoding="utf-8")
        self.say(f"{name} trained in {time.monotonic() - start:.0f} s")
        return out

    def measure(self, name, checkpoint, *options, data=None):
        """Validates a checkpoint as it is, in the folder `name`; returns the last `valid` record."""
        folder = self.train(name, "--init", checkpoint, *options, data=data, updates=0)
        return trainings.records(folder, "valid")[-1]

    def surgery(self, command, *arguments, out):
        """`polymoe merge` or `prune` into the folder `out`, where it is not there yet."""
        path = self.out / out
        if not path.exists():
            self.call(command, *arguments, "--out", path)
        return path

    # Rows

    def rows(self, units):
        """Runs (arm, seed, function), a few at a time, where the row is not there; returns all rows in order. Of arms that
        were not asked for there are none."""
        def one(unit):
            arm, seed, function = unit
            path = self.out / "rows" / f"{arm.replace(' ', '-').replace('/', '-')}.{seed}.json"
            if not path.exists():
                row = {"arm": arm, "seed": seed, "commit": self.origin["commit"], **function()}
                trainings.write_whole(path, json.dumps(row) + "\n")
            return json.loads(path.read_text(encoding="utf-8"))
        return self.parallel(one, [unit for unit in units if self.wants(unit[0])])

    def wants(self, arm):
        """Whether rows of this arm are asked for."""
        return self.arms is None or arm in self.arms

    def parallel(self, function, items):
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            tasks = []
            try:
                tasks += [pool.submit(function, item) for item in items]
                concurrent.futures.wait(tasks, return_when=concurrent.futures.FIRST_EXCEPTION)
                failed = [task for task in tasks if task.done() and task.exception() is not None]
                if failed:
                    self.say(f"{failed[0].exception()}\nwhat has begun beside it comes to its end first")
            finally:
                pool.shutdown(cancel_futures=True)
            if failed:
                sys.exit(1)
            return [task.result() for task in tasks]

    def write(self, rows, metrics, plot, **more):
        """The result file, the table on standard output and the plot; `metrics` are those of the table."""
        summary = summarise(rows)
        trainings.write_result(self.name, {"size": {"name": self.size_name, **self.size}, **more, "summary": summary,
                                           "rows": rows}, self.script, self.origin)
        path = ROOT / "build" / "results" / f"{self.name}.svg"
        path.write_text(plot, encoding="utf-8")
        print(table(summary, metrics))
        seeds = sorted({arm["seeds"] for arm in summary.values()})
        print(f"\n{' or '.join(map(str, seeds))} seeds, {self.size['updates']} updates; mean (lowest to highest over the seeds)")
        print(f"written: build/results/{self.name}.json and .svg")


def _positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number above 0")
    return int(text)


def _code_of(script):
    """A hash of what a script does: its lines without those of docstrings, comments alone, and nothing."""
    text = script.read_text(encoding="utf-8")
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            said = node.body[0]
            lines[said.lineno - 1:said.end_lineno] = [""] * (said.end_lineno - said.lineno + 1)
    code = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return hashlib.sha256("\n".join(code).encode()).hexdigest()


def fast_precision():
    """bfloat16 where the CPU multiplies in it, else float32."""
    return "bfloat16" if "avx512_bf16" in trainings.origin("")["machine"]["instructions"] else "float32"


def folder_name(arm, seed):
    """The folder of a training by the name of its arm."""
    return re.sub("[ ,']+", "-", arm) + f".{seed}"


def _corpora(specs):
    return [part for spec in specs for part in ("--corpus", spec)]


def read_lines(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        return [line.rstrip("\n") for line in lines]


def verse_languages(data):
    """The languages of the verse-aligned corpus."""
    return sorted({path.name.split(".")[0] for path in data.glob("*.txt.gz")} - {"split", "verses"})


def read_verses(data, language, split):
    """The verses of one split, empty where the language lacks them."""
    splits = read_lines(data / "split.txt.gz")
    verses = read_lines(data / f"{language}.txt.gz")
    return [verse for verse, part in zip(verses, splits, strict=True) if part == split]


def mean_loss(record, names):
    """Over those of the directions that a `valid` record has. With label smoothing 0 it is the cross-entropy."""
    values = [record["directions"][name]["loss"] for name in names if name in record["directions"]]
    return round(statistics.fmean(values), 4)


def write_lines(path, lines):
    """A gzipped file, a line for each."""
    with gzip.open(path, "wt", encoding="utf-8", newline="\n", compresslevel=1) as file:
        file.writelines(line + "\n" for line in lines)


def curve(folder):
    """[[update, nll]] of the validations of a run."""
    return [[record["update"], round(record["nll"], 4)] for record in trainings.records(folder, "valid")]


def final_nll(folder):
    return curve(folder)[-1][1]


def newest(folder):
    """The checkpoint of a run's last update, with Adam's moments; its best may be an earlier one, without them."""
    return max(folder.glob("checkpoint-[0-9]*"))


def parameters(folder):
    record = trainings.records(folder, "run")[-1]
    return {"parameters": record["parameters"], "active_parameters": record["active_parameters"]}


def arms_of(rows):
    return list(dict.fromkeys(row["arm"] for row in rows))


def summarise(rows):
    """Mean, min and max of each numerical metric by arm, over the seeds that have it."""
    summary = {}
    for arm in arms_of(rows):
        of_arm = [row for row in rows if row["arm"] == arm]
        summary[arm] = {"seeds": len(of_arm)}
        for key in dict.fromkeys(key for row in of_arm for key in row):
            values = [row[key] for row in of_arm if isinstance(row.get(key), (int, float))]
            if values and key != "seed":
                summary[arm][key] = {"mean": round(statistics.fmean(values), 4), "min": min(values), "max": max(values),
                                     "count": len(values)}
    return summary


def table(summary, metrics):
    """`metrics`: {key: (heading, digits)}."""
    width = max(map(len, summary)) + 2
    lines = [f"{'arm':<{width}}" + "".join(f"{heading:>28}" for heading, _ in metrics.values())]
    for arm, values in summary.items():
        cells = []
        for key, (_, digits) in metrics.items():
            value = values.get(key)
            if value is None:
                cells.append("-")
                continue
            mean, low, high = (f"{value[part]:.{digits}f}" for part in ("mean", "min", "max"))
            some = "" if value["count"] == values["seeds"] else f", {value['count']} of {values['seeds']} seeds"
            cells.append((mean if low == high else f"{mean} ({low} to {high})") + some)
        lines.append(f"{arm:<{width}}" + "".join(f"{cell:>28}" for cell in cells))
    return "\n".join(lines)


# Plots ---------------------------------------------------------------------------------------------------------------

def series_of(curves):
    """Points (x, mean, min, max) of several seeds' lists of (x, y)."""
    values = {}
    for points in curves:
        for x, y in points:
            values.setdefault(x, []).append(y)
    return [(x, statistics.fmean(y), min(y), max(y)) for x, y in sorted(values.items())]


def line_plot(title, x_title, y_title, series, labels=None, dashed=()):
    """An SVG of lines with the spread over the seeds as a band. `series`: {name: [(x, mean, min, max)]}; `labels`: names
    of the places 0, 1, 2, ... where x is no number; series in `dashed` are drawn with dashes, in the colours of the
    others in turn."""
    width, height, left, right, top, bottom = 860, 460, 70, 230, 40, 55
    points = [point for line in series.values() for point in line]
    x0, x1 = min(p[0] for p in points), max(p[0] for p in points)
    y0, y1 = min(p[2] for p in points), max(p[3] for p in points)
    x1, y1 = (x1 if x1 > x0 else x0 + 1), (y1 if y1 > y0 else y0 + 1)
    y0, y1 = y0 - 0.04 * (y1 - y0), y1 + 0.04 * (y1 - y0)

    def at(x, y):
        return (f"{left + (x - x0) / (x1 - x0) * (width - left - right):.1f},"
                f"{height - bottom - (y - y0) / (y1 - y0) * (height - top - bottom):.1f}")

    def text(x, y, content, anchor="middle", extra=""):
        return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{extra}>{html.escape(str(content))}</text>'

    middle = (top + height - bottom) // 2
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="white"/>', text(left, 22, title, "start", ' font-size="15"'),
             text((left + width - right) // 2, height - 12, x_title),
             text(16, middle, y_title, extra=f' transform="rotate(-90 16 {middle})"')]
    for i in range(6):
        y = y0 + (y1 - y0) * i / 5
        px, py = at(x0, y).split(",")
        parts += [f'<path d="M{px},{py}H{width - right}" stroke="#ddd"/>', text(left - 6, float(py) + 4, f"{y:.3g}", "end")]
    ticks = enumerate(labels) if labels else [(x0 + (x1 - x0) * i / 5, f"{x0 + (x1 - x0) * i / 5:.4g}") for i in range(6)]
    parts += [text(at(x, y0).split(",")[0], height - bottom + 18, label) for x, label in ticks]
    colours = {}
    for kind in (False, True):
        names = [name for name in series if (name in dashed) == kind]
        colours.update({name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)})
    for i, (name, line) in enumerate(series.items()):
        colour, dash = colours[name], ' stroke-dasharray="6 4"' if name in dashed else ""
        band = [at(p[0], p[3]) for p in line] + [at(p[0], p[2]) for p in reversed(line)]
        parts.append(f'<polygon points="{" ".join(band)}" fill="{colour}" fill-opacity="0.15"/>')
        parts.append(f'<polyline points="{" ".join(at(p[0], p[1]) for p in line)}" fill="none" stroke="{colour}" '
                     f'stroke-width="1.8"{dash}/>')
        for x, mean, low, high in line if len(line) <= 12 else []:
            px, py = at(x, mean).split(",")
            parts.append(f'<circle cx="{px}" cy="{py}" r="3" fill="{colour}"/>')
            if len(line) == 1:
                parts.append(f'<path d="M{at(x, low)}L{at(x, high)}" stroke="{colour}"/>')
        y = top + 12 + 19 * i
        parts += [f'<path d="M{width - right + 14},{y}h24" stroke="{colour}" stroke-width="2"{dash}/>',
                  text(width - right + 44, y + 4, name, "start")]
    return "\n".join(parts) + "\n</svg>\n"
