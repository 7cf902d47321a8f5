"""Fuzz tests: how many examples, and what may happen to any input.

`MT_FUZZ_EXAMPLES=2000 pytest -k fuzz` draws other examples each time; by default a few are drawn,
always the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from mt.errors import MTError

Result = TypeVar("Result")
EXAMPLES = int(os.environ.get("MT_FUZZ_EXAMPLES") or 0)

# Text with what formats, shells, YAML and decoders trip over.
ODD_PARTS = [
    "", " ", "\t", "\n", "\r", "\r\n", "\0", "\x1b[31m", "\x7f", "\x85", "\u2028",
    "\u200b", "\ufeff", "\u00ad", "ü", "u\u0308", "中文", "שלום", "🙂", "\U0010ffff",
    "\ufffd", "\ufffe", "a", "The cat", "0-0", "1p2", "-1", "1e999", "9" * 400, "nan",
    "null", "true", "no", "~", "'", '"', "\\", "`", "$", "${", "${seed}",
    "${oc.env:HOME}", "${a:${b}}", "}", "{", "[", "]", "[[", "(", ")", "<", ">", "<seg>",
    "&amp;", "&x;", "<!--", "]]>", ",", ":", "=", "@", "#", "%", "*", "|", "- ", "+", ";",
    "x" * 3000, "\u2581", "glob(*)", "range(1,3)", "choice(a,b)", "a: [", "&a *a",
    "!!python/name:os.system",
]  # fmt: skip
odd_text = st.one_of(st.text(max_size=30), st.lists(st.sampled_from(ODD_PARTS)).map("".join))


def fuzz(examples: int) -> settings:
    """Return settings of hypothesis: `examples` by default, or MT_FUZZ_EXAMPLES."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


def outcome(action: Callable[[], Result]) -> Result | MTError:
    """Return the result of an action, or its MTError, which must have one line."""
    try:
        return action()
    except MTError as error:
        assert "\n" not in str(error) and str(error).strip(), repr(str(error))
        return error
