"""The table of bunq's resources: what is a path of it, and what is sent to bunq."""

from __future__ import annotations

import pytest

from bunqflask.bunq import readable
from bunqflask.bunq.readable import RESOURCES

UUID = "5a04305a-846b-46c0-bff7-b383db308acf"


def test_each_resource_is_found_by_a_path_of_it_and_sent_as_it_stands() -> None:
    for resource in RESOURCES:
        words = [(UUID if word == "{uuid}" else "17") if word.startswith("{") else word for word in resource.words]
        path = "/".join(words)
        call = readable.find(path)
        assert call is not None
        assert call.resource is resource
        assert call.path(17) == path
        assert call.path(99) == path.replace("user/17", "user/99").replace("-person/17", "-person/99").replace(
            "-company/17", "-company/99"
        )


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "user/", "/user", "user//", "user/x", "user/-1", "user/1.0", "user/ 1", "user/1 ", "user/1\n",
        "user/+1", "user/0x1", "user/1e3", "user/" + "9" * 19, "user/\u0661", "User/1", "user/{userID}", "user/#",
        "user/*", f"user/{UUID}", "avatar/1", f"avatar/{UUID.upper()}", "user/1/card/2/3", "user/1/nothing",
        "user/1/card/../card", "user/1/monetary-account/2/note-text", "payment", "user/1/payment",
        "user/1/card/" + "0" * 500,
    ],
)  # fmt: skip
def test_no_other_path_is_found(path: str) -> None:
    assert readable.find(path) is None


def test_ids_are_sent_as_numbers() -> None:
    call = readable.find("user/007/monetary-account/0002/payment/00")
    assert call is not None
    assert (call.user_id, call.monetary_account_id) == (7, 2)
    assert call.path(5) == "user/5/monetary-account/2/payment/0"


def test_what_no_grant_permits_has_a_reason_and_is_no_resource() -> None:
    for path in ("user/1/oauth-client", "user/1/oauth-client/2/callback-url/3", "installation/1", "device-server"):
        assert readable.why_not_granted(path)
        assert readable.find(path) is None
    assert readable.why_not_granted("user/1/card") is None
    assert readable.why_not_granted("nothing") is None


def test_parameters_fit_as_a_whole() -> None:
    count, ids = readable.COUNT, readable.ACCOUNT_IDS

    assert [each for each in ("1", "200", "0", "201", "01", "1 ", "١", "1\n", "") if count.fits(each)] == ["1", "200"]
    assert [each for each in ("1", "1,2", "1,,2", ",", "1,x") if ids.fits(each)] == ["1", "1,2"]
