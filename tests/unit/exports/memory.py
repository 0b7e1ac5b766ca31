"""Run by a test in a process of its own: prints by how many bytes each format made the process grow at most."""

import json
import resource
from typing import BinaryIO, cast

from bunqflask.exports.digests import MOST_MARKS
from bunqflask.exports.formats import FORMATS
from bunqflask.exports.pack import write_pack
from tests.unit.exports.statements import many

SHORT_TEXT = "Bread"
LONG_TEXT = "Bread and butter, " * 80
CASES = {"csv": (300_000, SHORT_TEXT), "xlsx": (8_000, LONG_TEXT)}
OTHERWISE = (15_000, LONG_TEXT)


class Nowhere:
    """Takes bytes and forgets them."""

    def write(self, piece: bytes) -> int:
        return len(piece)


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    nowhere = cast(BinaryIO, Nowhere())
    growth = {}
    write_pack([many(200, text=LONG_TEXT)], list(FORMATS), nowhere)
    for name, format_ in FORMATS.items():
        before = peak_bytes()
        count, text = CASES.get(name, OTHERWISE)
        format_.write(many(count, text=text), nowhere)
        growth[name] = peak_bytes() - before
    before = peak_bytes()
    write_pack([many(MOST_MARKS + 5_000)], ["jsonl"], nowhere)  # more than a pack keeps marks for
    growth["pack"] = peak_bytes() - before
    print(json.dumps(growth))


if __name__ == "__main__":
    main()
