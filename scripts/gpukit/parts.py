"""The parts of a run, in their order. Shares are seconds of a run of nine minutes."""

from . import part_environment, part_parity, part_speed, part_trainings, part_unit
from .steps import Part

PARTS = [
    Part("environment", "versions, libraries, that the programs start", part_environment.steps, 25, "machine"),
    Part("unit", "the unit tests, on the device", part_unit.steps, 85, "unit", part_unit.workers),
    Part("parity", "the same updates on the CPU and on the GPU, in many configurations", part_parity.parity_steps, 100,
         "parity", lambda context: 6 if context.on_gpu else 1),
    Part("ranks", "two ranks on one GPU over NCCL, against one; without a GPU over MPI", part_parity.ranks_steps, 60,
         "ranks", lambda context: 3 if context.on_gpu else 1),
    Part("speed", "training steps and MoE layers: tokens/s, share of the peak, launches", part_speed.steps, 120,
         "speed"),
    Part("capacity", "the largest model in a budget of device memory, by place of its state",
         part_trainings.capacity_steps, 50, "trainings", lambda context: 4 if context.on_gpu else 1),
    Part("sanitizer", "compute-sanitizer's memcheck over one update", part_trainings.sanitizer_steps, 45, "machine"),
    Part("quality", "MoE and dense learn to translate real text in the time that is left: BLEU and chrF",
         part_trainings.quality_steps, 50, "trainings"),
]
