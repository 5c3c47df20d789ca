"""What trials gave, kept in a file as they end, so that a campaign can be run in pieces."""

import json


class State:
    """A file with one line of JSON for each trial that is done; without a path, nothing is kept."""

    def __init__(self, path):
        self.path, self.done = path, {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                result = json.loads(line)
                self.done[result["kind"], result["number"]] = result

    def add(self, result):
        self.done[result["kind"], result["number"]] = result
        if self.path is not None:
            with open(self.path, "a", encoding="utf-8") as stream:
                stream.write(json.dumps(result) + "\n")


def lost(results):
    """Trials after which something saved was gone, or the training went on otherwise than it would have."""
    marks = ("lost:", "not as uninterrupted:", "missing:")
    return sum(any(problem.startswith(marks) for problem in result["problems"]) for result in results)
