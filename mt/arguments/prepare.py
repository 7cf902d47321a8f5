"""The flags of mt-prepare."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mt.cli import CommandParser
from mt.config.presets import FLAGS
from mt.errors import UsageError

DESCRIPTION = "Prepare the text of a training: clean it, train its tokenizer and encode it."
EPILOG = """\
examples:
  mt-prepare data.train.src=train.en data.train.tgt=train.de
  mt-prepare data=wmt14 data.cache=/scratch/mt --workers 32
  mt-train data=wmt14 data.cache=/scratch/mt model/size=base    # uses what is prepared
  mt-prepare data=wmt14 --output s3://bucket/wmt14              # for machines without the text:
  mt-train data.prepared=s3://bucket/wmt14 model/size=base
  RAY_ADDRESS=HOST:6379 mt-prepare data=wmt14 --engine ray      # by all cores of a Ray cluster

The settings are those of mt-train (mt-train --help), which prepares the text by itself if that has
not been done. The result is kept in data.cache by the content of the text and the settings that
shape it. Any number of workers prepares the same, bit for bit. With --engine ray, this process
reads and writes, and actors on a Ray cluster do the rest: other machines need neither the text nor
data.cache. With --output, the prepared corpus is copied, with the settings of its preparation.
Standard output gets the report and, in the last line, the folder or URL of the prepared corpus.
Exit codes: 0 success, 1 failure, 2 wrong usage, 130 Ctrl-C, 143 SIGTERM.
"""


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return engine, output and the settings that flags and arguments name.

    The settings are for `mt.config.compose`. Exits if they are not valid.
    """
    parser = CommandParser("mt-prepare", DESCRIPTION, EPILOG)
    parser.add_argument("settings", nargs="*", metavar="SETTING=VALUE", help="settings of mt-train")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that share the work, as data.workers=N (default: one for each core)",
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: work on the Ray cluster of the environment variable RAY_ADDRESS, or on one that "
        "is started on this machine, with one actor for each CPU core (default: local, in "
        "processes of this machine)",
    )
    parser.add_argument(
        "--output",
        default="",
        metavar="FOLDER_OR_URL",
        help="copy the prepared corpus to a folder, or to a URL of fsspec such as s3://BUCKET/NAME "
        "(needs s3fs; gs:// needs gcsfs), for mt-train data.prepared=FOLDER_OR_URL",
    )
    parser.add_argument(
        *reversed(FLAGS),
        dest="folders",
        action="append",
        default=[],
        metavar="FOLDER",
        help="further folder of YAML files, as for mt-train; repeatable",
    )
    given = parser.parse_intermixed_args(argv)
    if given.engine == "ray" and given.workers is not None:
        raise UsageError("--workers cannot be combined with --engine ray: all its cores are used")
    workers = [] if given.workers is None else [f"data.workers={given.workers}"]
    folders = [f"{FLAGS[0]}={folder}" for folder in given.folders]
    settings = [*folders, *given.settings, *workers]
    return argparse.Namespace(engine=given.engine, output=given.output, settings=settings)
