"""The commands of scripts/gpu-kit."""
