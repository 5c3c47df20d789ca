#!/usr/bin/env python3
"""Times forward and backward of the MoE layers of other libraries on the CPU, float32, top-1.

Every layer gets the same input, the same gate weights, ReLU experts with biases and gradients of input and weights,
with its balance loss added where it has one. Prints one JSON object on stdout.
"""

import math
import os

import common

options = common.parser(__doc__)
options.add_argument("--experts", type=int, default=8)
options.add_argument("--tokens", type=int, default=4096)
options.add_argument("--hidden", type=int, default=512)
options.add_argument("--ffn", type=int, default=2048)
options.add_argument("--capacity-factor", type=float, default=1.0)
options.add_argument("--balance-loss", type=float, default=0.01, help="weight of the balance loss")
arguments = common.parse(options)
results = common.claim_stdout()

os.environ["DS_ACCELERATOR"] = "cpu"
os.environ["DS_BUILD_OPS"] = "0"
import importlib.metadata

import torch

torch.set_num_threads(arguments.threads)
torch.manual_seed(arguments.seed)

gate_weight = torch.empty(arguments.experts, arguments.hidden)
torch.nn.init.normal_(gate_weight, std=arguments.hidden**-0.5)
tokens = torch.randn(1, arguments.tokens, arguments.hidden)
output_gradient = torch.randn_like(tokens)


def feed_forward():
    return torch.nn.Sequential(
        torch.nn.Linear(arguments.hidden, arguments.ffn),
        torch.nn.ReLU(),
        torch.nn.Linear(arguments.ffn, arguments.hidden),
    )


# Each maker returns the module and a function of the input that returns (output, balance loss or None).
def dense():
    module = feed_forward()
    return module, lambda x: (module(x), None)


def deepspeed_layer(**settings):
    from deepspeed.moe.layer import MoE

    module = MoE(
        arguments.hidden,
        feed_forward(),
        num_experts=arguments.experts,
        k=1,
        capacity_factor=arguments.capacity_factor,
        **settings,
    )
    module.deepspeed_moe.gate.wg.weight.data.copy_(gate_weight)
    return module, lambda x: module(x)[:2]


def nllb_moe():
    from transformers import NllbMoeConfig
    from transformers.models.nllb_moe.modeling_nllb_moe import NllbMoeSparseMLP

    config = NllbMoeConfig(
        d_model=arguments.hidden,
        num_experts=arguments.experts,
        expert_capacity=math.ceil(arguments.tokens / arguments.experts * arguments.capacity_factor),
        moe_token_dropout=0.0,
    )
    module = NllbMoeSparseMLP(config, arguments.ffn)
    module.router.classifier.weight.data.copy_(gate_weight)
    return module, lambda x: (module(x, None)[0], None)


peers = {
    "dense": (dense, "torch", "Linear, ReLU, Linear: equal active work, nothing dropped"),
    "deepspeed": (
        lambda: deepspeed_layer(use_rts=True),
        "deepspeed",
        "index dispatch, Random Token Selection: over capacity a random subset stays",
    ),
    "deepspeed-ordered": (
        lambda: deepspeed_layer(use_rts=False),
        "deepspeed",
        "index dispatch, no Random Token Selection: over capacity the first tokens stay",
    ),
    "nllb-moe": (
        nllb_moe,
        "transformers",
        "always top-2: second choices fill what first ones leave of the capacity; no balance loss",
    ),
}


# Its copies of all tokens for each expert make it minutes a step with many experts.
used = [name for name in peers if name != "nllb-moe" or arguments.experts <= 16]


def training_step(module, forward):
    """Returns the step to time and what clears its gradients. Raises where a parameter gets none: work was skipped."""
    module.train()
    x = tokens.clone().requires_grad_()
    balance_gradient = torch.tensor(arguments.balance_loss)

    def step():
        output, balance = forward(x)
        if balance is None:
            output.backward(output_gradient)
        else:
            torch.autograd.backward([output, balance], [output_gradient, balance_gradient])

    def clear():
        x.grad = None
        module.zero_grad(set_to_none=True)

    step()
    missing = [name for name, value in module.named_parameters() if value.grad is None]
    clear()
    if missing:
        raise RuntimeError(f"no gradient for {len(missing)} parameters, the first {missing[0]}")
    return step, clear


steps, failures = {}, {}
for name in used:
    try:
        steps[name] = training_step(*peers[name][0]())
    except Exception as error:  # one peer that is not there or does not work must not take the others along
        failures[name] = f"{type(error).__name__}: {error}"
seconds = common.interleave(steps, arguments.repeats, arguments.warmup)

capacity = math.ceil(arguments.tokens / arguments.experts * arguments.capacity_factor)
load = torch.bincount((tokens[0] @ gate_weight.t()).argmax(1), minlength=arguments.experts)
shape = {name: getattr(arguments, name) for name in ("experts", "tokens", "hidden", "ffn", "capacity_factor")}
common.emit(
    results,
    {
        "shape": shape,
        "threads": arguments.threads,
        "torch": torch.__version__,
        "over_capacity": ((load - capacity).clamp(min=0).sum() / arguments.tokens).item(),
        "peers": [
            {
                "peer": name,
                "package": peers[name][1],
                "version": importlib.metadata.version(peers[name][1]),
                "note": peers[name][2],
                "seconds": seconds[name],
            }
            for name in seconds
        ],
        "failures": failures,
    },
)
