"""A sealed value opens in its own place, with a key of the ring, and nowhere else."""

import pytest

from bunqflask.database.encryption import KeyRing, SecretUnreadable

OLD, NEW = ("old", bytes(range(32))), ("new", bytes(reversed(range(32))))
PLACE = "connection:access_token:0123456789abcdef"


def test_a_sealed_value_opens_in_its_own_place() -> None:
    ring = KeyRing((OLD,))
    for text in ("s3cret", "", "€ ünï", "x" * 100_000):
        assert ring.open(ring.seal(text, PLACE), PLACE) == text


def test_a_sealed_value_does_not_show_its_text_and_never_looks_the_same_twice() -> None:
    ring = KeyRing((OLD,))
    once, again = ring.seal("s3cret-value", PLACE), ring.seal("s3cret-value", PLACE)
    assert once != again
    assert b"s3cret" not in once


@pytest.mark.parametrize(
    "elsewhere",
    [
        "connection:access_token:ffffffffffffffff",
        "connection:refresh_token:0123456789abcdef",
        "consent_attempt:access_token:0123456789abcdef",
    ],
)
def test_a_value_moved_to_another_row_column_or_table_does_not_open(elsewhere: str) -> None:
    ring = KeyRing((OLD,))
    with pytest.raises(SecretUnreadable):
        ring.open(ring.seal("s3cret", PLACE), elsewhere)


def test_any_changed_or_missing_byte_makes_a_value_unreadable() -> None:
    ring = KeyRing((OLD,))
    sealed = ring.seal("s3cret", PLACE)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(SecretUnreadable):
            ring.open(bytes(changed), PLACE)
    for length in range(len(sealed)):
        with pytest.raises(SecretUnreadable):
            ring.open(sealed[:length], PLACE)


def test_the_first_key_seals_and_every_key_opens() -> None:
    sealed = KeyRing((OLD,)).seal("s3cret", PLACE)
    ring = KeyRing((NEW, OLD))
    assert ring.open(sealed, PLACE) == "s3cret"
    anew = ring.seal("s3cret", PLACE)
    assert KeyRing((NEW,)).open(anew, PLACE) == "s3cret"
    with pytest.raises(SecretUnreadable, match="no key 'new'"):
        KeyRing((OLD,)).open(anew, PLACE)


def test_another_key_of_the_same_name_does_not_open() -> None:
    sealed = KeyRing((OLD,)).seal("s3cret", PLACE)
    with pytest.raises(SecretUnreadable, match="does not open"):
        KeyRing((("old", NEW[1]),)).open(sealed, PLACE)


def test_the_error_names_the_place_and_no_secret() -> None:
    sealed = KeyRing((OLD,)).seal("s3cret", PLACE)
    with pytest.raises(SecretUnreadable) as refused:
        KeyRing((NEW,)).open(sealed, PLACE)
    assert "connection:access_token" in str(refused.value)
    assert "0123456789abcdef" not in str(refused.value)
    assert "s3cret" not in str(refused.value)
