"""Messages of the processes that torchrun has started: each machine prints what concerns all once.

The processes share the key-value store of torchrun's agent, which outlives each of them.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import socket

CONNECTION_SECONDS = 5


def is_first_to_say(text: str, consequence: bool = False) -> bool:
    """Return whether this process has to print an error; without torchrun it always has.

    A process is the first if no other of its machine has printed the same text, or, if the error is
    a consequence of the end of other processes, if none of them has printed any error.
    """
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return True
    from torch.distributed import TCPStore  # not needed without torchrun

    restarts = os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)
    attempt = f"mt/errors/{socket.gethostname()}/{restarts}"
    digest = hashlib.sha256(text.encode()).hexdigest()
    try:
        store = TCPStore(
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            is_master=False,
            timeout=datetime.timedelta(seconds=CONNECTION_SECONDS),
        )
        first = store.add(attempt, 1) == 1
        return first if consequence else store.add(f"{attempt}/{digest}", 1) == 1
    except (RuntimeError, KeyError, ValueError):  # the agent is gone
        return True
