"""Passwords are hashed with argon2id, and comparing one gives nothing away."""

import pytest

from bunqflask.services.team import passwords


def test_a_password_is_hashed_with_argon2id_at_its_usual_cost() -> None:
    hashed = passwords.hash_password("correct horse battery staple")
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.hash_password("correct horse battery staple") != hashed, "each with a salt of its own"
    assert passwords.matches(hashed, "correct horse battery staple")
    assert not passwords.matches(hashed, "correct horse battery stapl")
    assert passwords._nobody_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$"), "nobody's takes as long"


def test_nobody_has_no_password() -> None:
    assert not passwords.matches(None, "")
    assert not passwords.matches(None, "correct horse battery staple")
    assert not passwords.matches("not a hash", "correct horse battery staple")


@pytest.mark.parametrize("password", ["", "x" * 9, "x" * 201])
def test_a_password_too_short_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(passwords.PasswordRefused, match="10 to 200"):
        passwords.hash_password(password)
