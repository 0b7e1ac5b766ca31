"""Passwords are hashed with argon2id, and comparing one gives nothing away."""

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from flask import Flask

from bunqflask.services.team import passwords
from bunqflask.services.team.passwords import PasswordRefused


def hash_new(password: str) -> str:
    return passwords.hash_new(password, email="robin@example.com", name="Robin de Vries")


@pytest.fixture
def app_context() -> Iterator[None]:
    """An app that knows its address."""
    app = Flask("passwords")
    app.config["PUBLIC_URL"] = "https://geld.example.org"
    with app.app_context():
        yield


def test_a_password_is_hashed_with_argon2id_at_its_usual_cost() -> None:
    hashed = hash_new("correct horse battery staple")
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert hash_new("correct horse battery staple") != hashed, "each with a salt of its own"
    assert passwords.matches(hashed, "correct horse battery staple")
    assert not passwords.matches(hashed, "correct horse battery stapl")
    assert passwords._nobody_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$"), "nobody's takes as long"


def test_nobody_has_no_password() -> None:
    assert not passwords.matches(None, "")
    assert not passwords.matches(None, "correct horse battery staple")
    assert not passwords.matches("not a hash", "correct horse battery staple")


@pytest.mark.parametrize("password", ["", "x" * 11, "ab-cd-ef-gh", "x1!" * 67, "a\u0301" * 11])
def test_a_password_too_short_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(PasswordRefused, match="12 to 200"):
        hash_new(password)


@pytest.mark.parametrize("password", ["1q2w3e4r5t6y", "QWERTY123456", "x" * 12, "aAaAaAaAaAaAaA", "12" * 8, " " * 40])
def test_what_is_tried_first_is_refused(password: str) -> None:
    with pytest.raises(PasswordRefused, match="somebody would try"):
        hash_new(password)


@pytest.mark.parametrize(
    "password",
    [
        "robin@example.com",
        "Robin.Example.2026",
        "Robin de Vries",
        "vries-robin-1",
        "bunqflask2026",
        "Bunqflask Bunqflask",
        "geld.example.org!",
    ],
)
def test_a_password_of_what_everybody_knows_is_refused(password: str, app_context: None) -> None:
    with pytest.raises(PasswordRefused, match="more than your email"):
        hash_new(password)


@pytest.mark.parametrize("password", ["robin rides a purple bicycle", "ünïcode pässphrase 漢字", "k4mq-x8zt-9wnp-2cfr"])
def test_a_password_of_words_that_nobody_expects_is_taken(password: str, app_context: None) -> None:
    assert passwords.matches(hash_new(password), password)


def test_two_spellings_of_the_same_characters_are_one_password() -> None:
    composed, decomposed = "pässphräse für zwölf", "pa\u0308ssphra\u0308se fu\u0308r zwo\u0308lf"
    assert composed != decomposed
    assert passwords.matches(hash_new(decomposed), composed)
    assert passwords.matches(hash_new(composed), decomposed)


def test_half_a_character_is_refused_and_matches_nothing() -> None:
    broken = "a terminal sent \udcff this"
    with pytest.raises(PasswordRefused, match="cannot be stored"):
        hash_new(broken)
    assert not passwords.matches(None, broken)


def test_a_hash_of_another_cost_is_made_again() -> None:
    word = "correct horse battery staple"
    older = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(word)
    newer = passwords.hash_again(older, word)
    assert newer is not None
    assert newer.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.matches(newer, word)
    assert passwords.hash_again(newer, word) is None
