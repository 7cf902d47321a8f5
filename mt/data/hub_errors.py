"""Errors of hub data sets, in one line that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from mt.errors import MTError

# The hub's own Parquet copy of a set, with a folder for each subset.
CONVERTED_REVISION = "refs/convert/parquet"


@contextmanager
def hub_errors(name: str, revision: str, local: bool) -> Iterator[None]:
    """Convert errors of `datasets` to one line that says what to do."""
    try:
        yield
    except RuntimeError as error:
        if "scripts are no longer supported" not in str(error):
            raise MTError(f"cannot load hub data set {name}: {error}") from error
        raise MTError(
            f"hub data set {name} has a loading script, which datasets no longer runs; "
            "read the hub's converted copy: "
            f"set data.train.revision={CONVERTED_REVISION} (and the same for val and test)"
        ) from None
    except DatasetNotFoundError as error:
        raise MTError(f"hub data set {name}: {error}") from None
    except DatasetGenerationError as error:
        reason = error.__cause__ or error
        if _disk_is_full(reason):
            raise _no_space(name) from error
        raise MTError(
            f"cannot read hub data set {name}: {reason} "
            "(a set with several subsets needs subset=...)"
        ) from error
    except (ValueError, HFValidationError) as error:
        # An unknown subset or split; the message lists the available ones.
        raise MTError(f"hub data set {name}: {error}") from error
    except (OSError, HfHubHTTPError) as error:
        if _disk_is_full(error):
            raise _no_space(name) from error
        if local or isinstance(error, FileNotFoundError):
            raise MTError(f"cannot read hub data set {name}: {error}") from error
        raise _unreachable(name, revision, error) from error
    except Exception as error:
        # The hub client does not convert every connection error to one of its own.
        if not type(error).__module__.startswith("http"):
            raise
        raise _unreachable(name, revision, error) from error


def _disk_is_full(error: BaseException) -> bool:
    return getattr(error, "errno", None) == errno.ENOSPC


def _no_space(name: str) -> MTError:
    return MTError(
        f"no disk space left to convert hub data set {name}: "
        "free space, or set HF_HOME to a larger disk"
    )


def _unreachable(name: str, revision: str, error: Exception) -> MTError:
    short = name.rpartition("/")[2]
    version = f"--revision {revision} " if revision else ""
    return MTError(
        f"cannot reach hub data set {name} ({error}); "
        "without network: on a machine with network run "
        f"`hf download --repo-type dataset {version}{name} --local-dir {short}`, "
        f"copy the folder here and set data.train.hub={short} (and the same for val and test), "
        "or use text files (data=files)"
    )
