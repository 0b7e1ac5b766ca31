"""No code path pays a third party or accepts a draft: what can be written at bunq is one short table."""

import ast
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from bunqflask.bunq import writable
from bunqflask.bunq.writable import Entry, Write

PACKAGE = Path(writable.__file__).parents[1]
OURS = [path for path in sorted(PACKAGE.rglob("*.py")) if "sandbox" not in path.relative_to(PACKAGE).parts]
# The calls that change something and are no instruction: setup, sessions, callbacks.
_OF_SETUP = {
    ("POST", "sandbox-user-{}"),
    ("POST", "installation"),
    ("POST", "payment-service-provider-credential"),
    ("POST", "device-server"),
    ("POST", "session-server"),
    ("DELETE", "session/0"),
    ("POST", "user/{}/notification-filter-url"),
    ("POST", "user/{}/oauth-client"),
    ("POST", "user/{}/oauth-client/{}/callback-url"),
}


def calls_of(path: Path, name: str) -> Iterator[ast.Call]:
    """Yield the calls of something by its last name in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func
            last = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if last == name:
                yield node


def places(name: str) -> set[str]:
    """Return the files in which something is called."""
    return {str(path.relative_to(PACKAGE)) for path in OURS if any(calls_of(path, name))}


def every_write() -> list[Write]:
    """Return one of each that the table can make."""
    entry = Entry(Decimal("1.00"), "Stadsbus", "NL91ABNA0417164300", "Ticket", "BF-1")
    payer = {"type": "EMAIL", "value": "ann@example.org"}
    return [
        writable.new_draft(7, [entry]),
        writable.cancel_draft(7, 8, "2026-11-29 10:00:00"),
        writable.new_request(7, Decimal("1.00"), "EUR", payer, "Dinner", "BF"),
        writable.revoke_request(7, 8),
        writable.new_link(7, Decimal("1.00"), "EUR", "Dinner", "https://example.org/"),
        writable.cancel_link(7, 8),
        writable.own_transfer(7, Decimal("1.00"), "EUR", "NL91ABNA0417164300", "Savings", "Savings", "BF"),
        writable.new_note(7, 8, "for the books"),
        writable.change_note(7, 8, 9, "for the books"),
        writable.delete_note(7, 8, "attachment", 9),
        writable.new_file(7, "image/png", b"\x89PNG"),
        writable.attach_file(7, 8, 9, "receipt.png (BF)"),
        writable.set_card_status(8, "DEACTIVATED"),
        writable.set_card_limits(8, Decimal("250.00"), None, "EUR"),
    ]


def test_a_write_is_made_in_one_module_only() -> None:
    assert places("Write") == {"bunq/writable.py"}


def test_the_table_is_known_here_as_a_whole() -> None:
    made = {
        node.name
        for node in ast.parse((PACKAGE / "bunq/writable.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Name) and node.returns.id == "Write"
    }
    assert len(made) == len(every_write()), f"add what is new to this test: {sorted(made)}"


def test_no_write_accepts_anything_or_pays_anybody() -> None:
    for write in every_write():
        statuses = [value for name, value in write.payload.items() if name == "status"]
        assert set(statuses) <= {"CANCELLED", "REVOKED", "ACTIVE", "DEACTIVATED"}, write
        words = set(write.path.split("/"))
        assert words.isdisjoint({"payment-batch", "schedule-payment", "request-response", "oauth-client"}), write
        assert not str(write.payload).count("pin"), write
        if "payment" in words and not {"note-text", "note-attachment"} & words:
            assert write == writable.own_transfer(
                7, Decimal("1.00"), "EUR", "NL91ABNA0417164300", "Savings", "Savings", "BF"
            )


def test_a_payment_is_written_for_a_transfer_between_own_accounts_alone() -> None:
    assert places("own_transfer") == {"services/instructions/kinds.py"}
    [case] = [
        case
        for node in ast.walk(ast.parse((PACKAGE / "services/instructions/kinds.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.match_case)
        for case in [node]
        if any(isinstance(each, ast.Attribute) and each.attr == "own_transfer" for each in ast.walk(case))
    ]
    assert ast.unparse(case.pattern) == "TransferBody()"


def test_only_the_state_machine_sends_what_is_written() -> None:
    assert places("write_of") == {"services/instructions/sending.py"}
    assert places("cancel_of") == {"services/instructions/sending.py"}
    of_client = {path for path in places("write") if path.startswith(("services/", "bunq/", "worker"))}
    # a file is uploaded before the one call that names it
    senders = {"services/instructions/sending.py", "services/instructions/first_steps.py"}
    assert senders <= of_client
    for path in of_client - senders:
        source = (PACKAGE / path).read_text(encoding="utf-8")
        assert "client.write(" not in source, path


def test_all_other_calls_that_change_something_are_those_of_setup() -> None:
    found = set[tuple[str, str]]()
    for name in ("_call", "_exchange"):
        for call in calls_of(PACKAGE / "bunq/client.py", name):
            method = call.args[0]
            if isinstance(method, ast.Constant) and method.value != "GET":
                found.add((str(method.value), _text(call.args[1])))
    for call in calls_of(PACKAGE / "bunq/client.py", "_create_unless"):
        found.add(("POST", _text(call.args[1])))
    assert {each for each in found if each[1] != "path"} <= _OF_SETUP
    others = {path for path in places("_call") if path.startswith(("bunq/", "services/"))}
    assert others == {"bunq/client.py"}, "nobody else reaches the calls below the methods"


def _text(node: ast.expr) -> str:
    """Return a path as it is written, with {} for each value; `path` for one that was made before."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)
