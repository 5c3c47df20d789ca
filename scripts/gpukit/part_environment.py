"""The part environment: what is here, and whether the kit's programs find all that they load."""

import shutil

from . import machine
from .results import failed, passed, skipped
from .steps import Step, outcome


def versions(context):
    kit, here = context.about_kit, machine.torch_version(context.torch)
    numbers = {"kit_commit": kit["commit"], "kit_torch": kit["torch"], **here, "cores": context.cores, **context.gpu}
    if here["torch"].split(".")[:2] != kit["torch"].split(".")[:2]:
        return failed(f"torch {here['torch']} is here, the kit was built with {kit['torch']}: pack it with the same",
                      **numbers)
    if context.on_gpu and not (kit.get("cuda") and here["cuda"]):
        return failed("the kit, or the torch here, is built without CUDA: pack without --build, run with a CUDA torch",
                      **numbers)
    return passed(**numbers)


def graphics_card(context):
    """nvidia-smi's own words; a GPU that it shows but the driver's library does not answer for is a failure."""
    if shutil.which("nvidia-smi", path=context.environment["PATH"]) is None:
        return passed(nvidia_smi="not installed") if context.on_gpu else skipped("needs a GPU")
    done = context.call("nvidia-smi")
    listed = context.call("nvidia-smi", "--query-gpu=name,driver_version,memory.total,clocks.max.sm",
                          "--format=csv,noheader")
    if not listed.output.strip() and not context.gpu["gpus"]:
        return skipped(f"needs a GPU ({done.reason()})")
    if not context.gpu["gpus"]:
        return failed(f"nvidia-smi lists {listed.output.strip()}, but CUDA does not start: {context.gpu['why']}")
    return outcome(listed, nvidia_smi=listed.output.strip())


def libraries(context):
    """Nothing may be missing, and what the kit carries must come from the kit."""
    carried = {path.name for path in (context.kit / "lib").glob("*.so*")}
    files = [path for folder in ("bin", "openmpi/bin", "openmpi/plugins", "openmpi/pmix")
             for path in (context.kit / folder).glob("*") if path.is_file()]
    wrong, names = [], set()
    for path in files:
        found, complaints = machine.libraries_of(path, context.environment)
        names |= found.keys()
        context.log.write(f"{path.name}: {found}\n".encode())
        wrong += [f"{path.name}: {complaint}" for complaint in complaints]
        wrong += [f"{path.name}: {name} is not found" for name, place in found.items() if place is None]
        wrong += [f"{path.name}: {name} comes from {place}" for name, place in found.items()
                  if place is not None and name in carried and not place.startswith(str(context.kit))]
    numbers = {"files": len(files), "libraries": len(names)}
    return failed(f"{wrong[0]} (and {len(wrong) - 1} more, see the log)" if len(wrong) > 1 else wrong[0], **numbers) \
        if wrong else passed(**numbers)


def command(*arguments):
    return lambda context: outcome(context.call(*(context.kit / "bin" / part if number == 0 else part
                                                  for number, part in enumerate(arguments))))


def steps(context):
    listing = [Step(f"{name} lists its tests", command(name, "--gtest_list_tests"), 30)
               for name in ("base_tests", "torch_tests") if (context.kit / "bin" / name).exists()]
    return [
        Step("versions", versions, 10), Step("nvidia-smi", graphics_card, 20), Step("libraries", libraries, 30),
        Step("polymoe --version", command("polymoe", "--version"), 30),
        Step("polymoe train --help", command("polymoe", "train", "--help"), 30),
        *listing,
        Step("mpirun --version", lambda c: outcome(c.call("mpirun", "--version")), 30),
    ]
