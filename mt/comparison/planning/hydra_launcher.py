"""Hydra's launchers, used without `hydra.main`.

Hydra has a public interface to compose a configuration and to instantiate a launcher, but none for
the callbacks that every job reports to. So this module has the one private import of mt, of a
version of Hydra that is pinned in pyproject.toml.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from hydra import compose, initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from mt.config.presets import config_dir
from mt.errors import UsageError


@contextlib.contextmanager
def hydra_launcher(
    overrides: Sequence[str], job: Callable[[DictConfig], str]
) -> Iterator[Launcher]:
    """Provide the launcher that Hydra overrides choose.

    It calls `job` with mt-train's configuration, composed for each job. Raises UsageError if there
    is no such launcher.
    """
    with initialize_config_dir(str(config_dir()), job_name="mt-compare", version_base="1.3"):
        try:
            config = compose("train", list(overrides), return_hydra_config=True)
            loader = GlobalHydra.instance().config_loader()
            context = HydraContext(config_loader=loader, callbacks=Callbacks(config))
            launcher = Plugins.instance().instantiate_launcher(
                hydra_context=context, task_function=job, config=config
            )
        except (HydraException, OmegaConfBaseException) as error:
            reason = " ".join(str(error).split("Available options", 1)[0].split())
            raise UsageError(
                f"{' '.join(overrides)}: {reason} (launchers other than basic are packages: "
                "pip install hydra-joblib-launcher, hydra-submitit-launcher, ...)"
            ) from error
        yield launcher


def check_launcher(overrides: Sequence[str]) -> None:
    """Raise UsageError if there is no such launcher."""
    with hydra_launcher(overrides, str):
        pass
