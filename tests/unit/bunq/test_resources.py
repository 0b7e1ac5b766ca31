"""bunq's JSON, given types: whatever it holds, what comes out is exact, storable and fit to be shown."""

import json
import math
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunqflask.bunq import resources
from bunqflask.bunq.errors import ResponseNotUnderstood
from bunqflask.bunq.resources import Amount, InstallationAnswer, MonetaryAccount, OauthClient, SessionAnswer
from bunqflask.bunq.untrusted import MAX_DEPTH, read_json


def amount(value: Any, currency: Any = "EUR") -> Amount | None:
    return Amount.from_json({"currency": currency, "value": value})


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        ("12.50", "12.50"),
        ("100", "100"),
        ("-182.40", "-182.40"),
        (100, "100"),
        (-7, "-7"),
        (12.1, "12.1"),
        (0.07, "0.07"),
        (999999999999.99, "999999999999.99"),
    ],
)
def test_an_amount_is_exact_as_text_and_as_number(value: Any, exact: str) -> None:
    read = amount(value)
    assert read is not None
    assert (read.currency, str(read.value)) == ("EUR", exact)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        [],
        {},
        "",
        " 12",
        "1_000",
        "12,50",
        "1e3",
        "1e999",
        "1e999999999",
        "NaN",
        "Infinity",
        "-inf",
        "0x10",
        "１２",
        "9" * 30,
        10**30,
        math.inf,
        math.nan,
        1234567890123456.78,
        1e300,
    ],
)
def test_what_is_not_exactly_an_amount_is_none(value: Any) -> None:
    assert amount(value) is None


def test_an_amount_without_currency_is_none() -> None:
    assert amount("1.00", None) is None
    assert amount("1.00", 978) is None
    assert amount("1.00", "\x1b") is None


def test_numbers_that_json_lacks_become_nothing() -> None:
    read = read_json(b'{"a": NaN, "b": Infinity, "c": -Infinity, "d": 1e999, "e": 1.5, "f": 7}')
    assert read == {"a": None, "b": None, "c": None, "d": None, "e": 1.5, "f": 7}
    json.dumps(read, allow_nan=False)


@pytest.mark.parametrize("depth", [150, 900, 5_000, 200_000])
@pytest.mark.parametrize(("opens", "closes"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_json_nested_too_deeply_is_refused(depth: int, opens: bytes, closes: bytes) -> None:
    with pytest.raises(ValueError, match="nested"):
        read_json(opens * depth + b"0" + closes * depth)


MARKS = st.text('[]{}"\\a', max_size=6)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(MARKS, inner, max_size=3)


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(st.recursive(MARKS, nested, max_leaves=30), st.integers(85, 105))
def test_depth_is_counted_past_brackets_and_quotes_within_texts(value: Any, more: int) -> None:
    for _ in range(more):
        value = [value]
    body = json.dumps([value, "[" * 200]).encode()
    if depth(value) + 1 > MAX_DEPTH:
        with pytest.raises(ValueError, match="nested"):
            read_json(body)
    else:
        assert read_json(body) == json.loads(body)


@pytest.mark.parametrize("body", [rb"\"" * 500_000, b'"' + rb"\\" * 500_000, b'["' * 250_000, b"[]{}" * 250_000])
def test_a_body_made_to_take_long_is_refused_quickly(body: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(ValueError, match=r"nested|Expecting|Extra|Unterminated"):
        read_json(body)
    assert time.monotonic() - started < 5


def test_a_number_of_very_many_digits_is_refused_quickly() -> None:
    with pytest.raises(ValueError, match="integer string"):
        read_json(b'{"id": ' + b"9" * 100_000 + b"}")


@pytest.mark.parametrize("value", [None, True, -1, 2**63, 10**40, 1.0, "1.0", "-1", "x", "", "١", "9" * 40, [], {}])
def test_what_is_not_a_storable_id_is_refused(value: Any) -> None:
    with pytest.raises(ResponseNotUnderstood):
        resources.number({"id": value}, "id")


@pytest.mark.parametrize("value", [0, 1, 2**63 - 1, "1864430"])
def test_an_id_is_a_number_written_as_number_or_text(value: Any) -> None:
    assert resources.number({"id": value}, "id") == int(value)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-01-02 03:04:05.123456", datetime(2026, 1, 2, 3, 4, 5, 123456, UTC)),
        ("2026-01-02 03:04:05.123", datetime(2026, 1, 2, 3, 4, 5, 123000, UTC)),
        ("2026-01-02 03:04:05", datetime(2026, 1, 2, 3, 4, 5, 0, UTC)),
        ("2026-01-02T05:04:05+02:00", datetime(2026, 1, 2, 3, 4, 5, 0, UTC)),
        ("2026-01-02 05:04:05.1+0200", datetime(2026, 1, 2, 3, 4, 5, 100000, UTC)),
        ("2026-01-02 05:04:05.123+02:00", datetime(2026, 1, 2, 3, 4, 5, 123000, UTC)),
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
    ],
)
def test_a_timestamp_is_utc_with_six_digits_or_fewer(written: str, read: datetime) -> None:
    assert resources.read_time(written) == read


@pytest.mark.parametrize(
    "written", [None, 0, "", "yesterday", "2026-13-01", "0001-01-01T00:00:00+23:59", "9" * 26, "9" * 100]
)
def test_what_is_not_a_timestamp_is_none(written: Any) -> None:
    assert resources.read_time(written) is None


def test_a_name_cannot_move_the_cursor_turn_the_writing_or_fail_to_be_stored() -> None:
    assert resources.text("Jodi \x1b[2J\x07 Walker\x00\u202e\ud800\r\n") == "Jodi [2J Walker "
    assert resources.text("Zoë 👩‍👩‍👧 – “żółć” ł") == "Zoë 👩‍👩‍👧 – “żółć” ł"
    assert resources.text("\udcff") == ""


GRANT = {
    "id": 654321,
    "requested_by_user": {"UserPaymentServiceProvider": {"id": 9, "display_name": "TPP", "session_timeout": 7776000}},
    "granted_by_user": {"UserCompany": {"id": 1864512, "display_name": "Walker B.V.", "session_timeout": 604800}},
}


def session(user: dict[str, Any], token: Any = "t" * 64) -> SessionAnswer:
    return SessionAnswer.from_objects([user, {"Token": {"id": 5, "token": token}}, {"Id": {"id": 5}}])


def test_a_grant_names_its_holder_person_or_company_and_the_shorter_timeout() -> None:
    read = session({"UserApiKey": GRANT})
    assert read.is_grant
    assert read.path_user_id == 654321
    assert (read.holder.user_id, read.holder.user_type, read.holder.display_name) == (
        1864512,
        "UserCompany",
        "Walker B.V.",
    )
    assert read.timeout_s == 604800


def test_an_old_grant_without_the_inner_id_is_read() -> None:
    read = session({"UserApiKey": {"id": 3, "granted_by_user": {"UserCompany": {"display_name": "Old B.V."}}}})
    assert read.holder.user_id is None
    assert read.holder.display_name == "Old B.V."
    assert read.timeout_s == 604800


@pytest.mark.parametrize("timeout", [None, True, -5, 0, "soon", [], 1.5])
def test_a_timeout_of_the_wrong_type_means_a_week(timeout: Any) -> None:
    assert session({"UserPerson": {"id": 1, "session_timeout": timeout}}).timeout_s == 604800


@pytest.mark.parametrize("timeout", [10**12, 2**63 - 1, "99999999999"])
def test_a_timeout_of_centuries_is_a_year_at_most(timeout: Any) -> None:
    assert session({"UserPerson": {"id": 1, "session_timeout": timeout}}).timeout_s == 366 * 86400


@pytest.mark.parametrize("token", [None, "", 5, "two words", "line\r\nX-Evil: 1", "tökén", "t" * 5000])
def test_a_token_that_could_not_travel_in_a_header_is_refused(token: Any) -> None:
    with pytest.raises(ResponseNotUnderstood) as refused:
        session({"UserPerson": {"id": 1}}, token)
    assert not token or str(token) not in str(refused.value)


def test_no_secret_is_in_the_repr_of_an_answer() -> None:
    shown = repr(session({"UserApiKey": GRANT}, "s3cret-token"))
    shown += repr(InstallationAnswer(1, "s3cret-token", "PEM"))
    shown += repr(OauthClient.from_json({"id": 1, "client_id": "c", "secret": "s3cret-secret"}))
    assert "s3cret" not in shown


@pytest.mark.parametrize("user", [{}, {"UserPerson": None}, {"UserApiKey": []}, {"UserPerson": {"id": -1}}])
def test_a_session_without_a_user_is_refused(user: dict[str, Any]) -> None:
    with pytest.raises(ResponseNotUnderstood):
        session(user)


def test_a_monetary_account_is_read_with_every_member_of_the_wrong_type() -> None:
    wrong: list[Any] = [None, True, 7, -1.5, "x", [], [None], {}, {"value": None}, {"color": 5}]
    names = (
        "alias",
        "balance",
        "currency",
        "description",
        "display_name",
        "status",
        "sub_status",
        "setting",
        "savings_goal",
        "updated",
        "user_id",
    )
    for value in wrong:
        account = MonetaryAccount.from_item({"MonetaryAccountBank": {"id": 1, **dict.fromkeys(names, value)}})
        assert account is not None
        assert account.monetary_account_id == 1
        assert account.balance is None
        assert isinstance(account.status, str)
        assert isinstance(account.currency, str)


def test_an_unknown_wrapper_beside_null_members_is_an_account() -> None:
    account = MonetaryAccount.from_item(
        {"MonetaryAccountBank": None, "Other": {"id": 2}, "MonetaryAccountPension": {"id": 3, "description": "Later"}}
    )
    assert account is not None
    assert (account.monetary_account_id, account.wrapper, account.description) == (3, "MonetaryAccountPension", "Later")
    assert account.ibans == ()
    assert MonetaryAccount.from_item({"MonetaryAccountBank": None, "Card": {"id": 1}}) is None


def test_an_account_keeps_bunqs_words_and_shows_them_harmless() -> None:
    data = {
        "id": 4,
        "description": "\x1b[31mred\x00",
        "balance": {"currency": "EUR", "value": "-0.01"},
        "alias": [None, {"type": "EMAIL", "value": "a@b"}, {"type": "IBAN", "value": " nl12 bunq 0123 "}]
        + [{"type": "IBAN", "value": each} for each in ("DE99", "NL12BUNQ0123")],
        "setting": {"color": "red; background: url(//evil)"},
        "status": "ACTIVE",
    }
    account = MonetaryAccount.from_item({"MonetaryAccountBank": data})
    assert account is not None
    assert account.description == "[31mred"
    assert account.balance == Amount("EUR", Decimal("-0.01"))
    assert account.ibans == ("NL12BUNQ0123", "DE99")
    assert account.color is None
    assert account.raw is data


@pytest.mark.parametrize(
    "data",
    [
        {"id": 1, "client_id": None, "secret": "s"},
        {"id": 1, "client_id": "c", "secret": {"a": 1}},
        {"client_id": "c", "secret": "s"},
    ],
)
def test_an_oauth_client_without_id_or_secret_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ResponseNotUnderstood):
        OauthClient.from_json(data)


@pytest.mark.parametrize("listed", [None, 5, "x", {}, [None, 5, {"url": 5}, {}, {"OauthCallbackUrl": None}]])
def test_an_oauth_client_may_list_no_usable_redirect_url(listed: Any) -> None:
    client = OauthClient.from_json({"id": "1", "client_id": "c", "secret": "s", "callback_url": listed})
    assert client.redirect_uris == ()


def test_redirect_urls_are_read_bare_and_wrapped() -> None:
    listed = [{"url": "https://a.example/x"}, {"OauthCallbackUrl": {"id": 1, "url": "https://b.example"}}]
    client = OauthClient.from_json({"id": 1, "client_id": "c", "secret": "s", "callback_url": listed})
    assert client.redirect_uris == ("https://a.example/x", "https://b.example")


@pytest.mark.parametrize(
    "objects",
    [
        [{"Id": {"id": 7}}],
        [{}, {"Id": {"id": "7"}}],
        [{"id": 7}],
        [{"Extra": None}, {"DeviceServer": {"id": 7, "status": "ACTIVE"}}],
    ],
)
def test_the_id_of_what_was_made_is_read_in_each_shape_that_is_documented(objects: list[dict[str, Any]]) -> None:
    assert resources.created_id(objects) == 7


def test_an_answer_without_an_id_is_refused() -> None:
    with pytest.raises(ResponseNotUnderstood):
        resources.created_id([{}, {"Id": None}, {"Id": {"id": "x"}}])


CALLBACK = {"id": 1, "category": "MUTATION", "notification_target": "https://books.example/hook"}


@pytest.mark.parametrize(
    "item",
    [
        CALLBACK,
        {"NotificationFilterUrl": CALLBACK},
        {"notification_filters": [CALLBACK, None]},
        {"NotificationFilterUrl": {"notification_filters": [CALLBACK]}},
        {"notification_filters": [{"NotificationFilterUrl": CALLBACK}]},
    ],
)
def test_a_callback_is_found_in_each_form_so_that_none_of_others_is_wiped_out(item: dict[str, Any]) -> None:
    push = {"NotificationFilterPush": {"category": "MUTATION"}}
    assert resources.callbacks_in([{}, item, push]) == [CALLBACK]
