"""Write the JSON schema of the events: ``python -m hubsec.events_schema [FILE]``, to standard output without a file."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from hubsec.events_json import json_schema


def text() -> str:
    """The schema as it stands in the file, line break included."""
    return msgspec.json.format(msgspec.json.encode(json_schema(), order="sorted"), indent=2).decode() + "\n"


def main(arguments: list[str]) -> None:
    """Write to the file that is named, or to standard output."""
    if arguments:
        Path(arguments[0]).write_text(text(), encoding="utf-8")
    else:
        sys.stdout.write(text())


if __name__ == "__main__":
    main(sys.argv[1:])
