"""Seeds of the random numbers that PyTorch draws in training."""

from __future__ import annotations

import numpy as np
import torch


def seed_everything(*numbers: int) -> None:
    """Seed PyTorch with a hash of `numbers`, so that dropout is the same on any rank or restart."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
    torch.manual_seed(seed)
