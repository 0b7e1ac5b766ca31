"""The tables of docs/reference/bunq-through-the-api.md, as they follow from the table in code."""

from __future__ import annotations

from bunqflask.bunq.readable import COUNT, NEWER, NOT_GRANTED, NOTED, OLDER, RESOURCES, Resource

_USER, _ACCOUNT = "user/{userID}", "user/{userID}/monetary-account/{monetary-accountID}"
_PAGING = {COUNT.name, OLDER.name, NEWER.name}


def short(path: str) -> str:
    """Return a path with U and A for what stands before most of them, and one name for all that has notes."""
    for start, letter in ((_ACCOUNT, "A"), (_USER, "U")):
        if path.startswith((f"{start}/", f"{start}-")) or path == start:
            path = letter + path.removeprefix(start)
            break
    words = path.split("/")
    is_note = any(word.startswith("note-") for word in words)
    return "/".join("{noted}" if is_note and word in NOTED else word for word in words)


def resources() -> list[list[str]]:
    """Return the rows: paths, what it is, whose accounts, and the parameters beside those of pages."""
    singles = {each.path.rpartition("/")[0]: each for each in RESOURCES if each.is_single}
    lists = {each.path for each in RESOURCES if not each.is_single}
    found: list[list[str]] = []
    for each in RESOURCES:
        if each.is_single and each.path.rpartition("/")[0] in lists:
            continue  # in the row of its list
        row = _row(each, singles.get(each.path))
        if row not in found:
            found.append(row)
    return found


def _row(each: Resource, single: Resource | None) -> list[str]:
    paths = [short(each.path)] + (["…/" + single.words[-1]] if single and single is not each else [])
    more = [parameter.name for parameter in each.parameters if parameter.name not in _PAGING]
    about = each.about.partition(":")[0] if "/note-" in each.path else each.about
    return [
        ", ".join(f"`{path}`" for path in paths),
        about,
        each.accounts.value,
        ", ".join(f"`{name}`" for name in more),
    ]


def not_granted() -> list[list[str]]:
    """Return the rows: the beginning of paths, and why."""
    return [[f"`{short(path)}`", why] for path, why in NOT_GRANTED.items()]


def written(heading: list[str], rows: list[list[str]]) -> str:
    """Write a table."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


if __name__ == "__main__":
    print(written(["resource", "what it is", "accounts", "further parameters"], resources()))
    print()
    print(written(["path", "why not"], not_granted()))
