"""The models of the last validations, which trainer.keep keeps beside the best one.

A file holds the weights that were validated: their moving average, unless optim.ema=0.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mt.run_folder import RunFolder


def keep_model(
    folder: RunFolder, tensors: dict[str, Tensor], facts: dict[str, Any], count: int
) -> None:
    """Write the model of a validation, and remove all but the last `count` up to it.

    Later ones are of a training that was started again from an earlier checkpoint. A validation
    that is repeated after a kill writes the same file again.
    """
    step = facts["step"]
    if count:
        folder.write_tensors(folder.kept_model(step), tensors, facts)
    kept = folder.kept_models()
    earlier = sorted(each for each in kept if each <= step)
    for each in kept.keys() - set(earlier[max(0, len(earlier) - count) :]):
        with folder.checksums.update(kept[each]):
            kept[each].unlink()
