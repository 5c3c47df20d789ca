#!/usr/bin/env python3
"""Times updates of Adam over float32 state in host memory: PyTorch's fused Adam and AdamW, and DeepSpeed's CPU Adam.

Prints one JSON object on stdout.
"""

import common

options = common.parser(__doc__)
options.add_argument("--parameters", type=int, default=1 << 26)
arguments = common.parse(options)
results = common.claim_stdout()

import importlib.metadata  # noqa: E402

import torch  # noqa: E402

torch.manual_seed(arguments.seed)
torch.set_num_threads(arguments.threads)


def parameter():
    made = torch.nn.Parameter(torch.randn(arguments.parameters))
    made.grad = torch.empty(arguments.parameters).uniform_(-0.1, 0.1)
    return made


def deepspeed_adam(parameters):
    from deepspeed.ops.adam import DeepSpeedCPUAdam

    return DeepSpeedCPUAdam(parameters, lr=1e-4, betas=(0.9, 0.98), eps=1e-6)


settings = {"lr": 1e-4, "betas": (0.9, 0.98), "eps": 1e-6}
makers = {
    "torch Adam, fused": lambda p: torch.optim.Adam(p, fused=True, **settings),
    "torch AdamW, fused": lambda p: torch.optim.AdamW(p, fused=True, **settings),
    "DeepSpeed CPU Adam": deepspeed_adam,
}
optimisers, failures = {}, {}
for name, make in makers.items():
    try:
        optimiser = make([parameter()])
        optimiser.step()
        optimisers[name] = optimiser
    except Exception as error:  # a peer may fail in any way it likes
        failures[name] = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"

seconds = common.interleave({name: (o.step, lambda: None) for name, o in optimisers.items()}, arguments.repeats,
                            arguments.warmup)
versions = {"torch": torch.__version__, "deepspeed": importlib.metadata.version("deepspeed")}
common.emit(results, {"shape": {"parameters": arguments.parameters}, "seconds": seconds, "failures": failures,
                      "versions": versions})
