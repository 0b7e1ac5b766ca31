"""The sentences for everything that can go wrong: complete, plain, and with somebody who can act."""

import re
from typing import get_args, get_type_hints

import pytest

from bunqflask.bunq import errors
from bunqflask.services.gateway import retry_policy
from bunqflask.services.sync import payment_sync
from bunqflask.web.errors import messages

KINDS = {kind for _type, kind in retry_policy._KINDS} | {*retry_policy._RETRY, "not_set_up", payment_sync.NOT_LISTED}
TROUBLES = sorted(KINDS - {"waiting"})
# Every way in which `consents` and `connecting` end an attempt.
FAILURES = [
    "no_code",
    "bunq_error",
    "code_refused",
    "client_refused",
    "waiting",
    "unavailable",
    "no_answer",
    "not_understood",
    "interrupted",
    "given_up",
    "secret_refused",
    "refused",
]
JARGON = re.compile(r"\b(grant|token|oauth|api session|oops|sorry|invalid|illegal|exception|null)\b|!", re.IGNORECASE)


def all_errors(base: type[errors.BunqError]) -> set[type[errors.BunqError]]:
    return {base}.union(*(all_errors(each) for each in base.__subclasses__()))


def test_every_error_of_the_client_has_a_kind() -> None:
    unnamed = []
    for each in all_errors(errors.BunqError) - {errors.BunqError}:
        if not any(issubclass(each, error_type) for error_type, _kind in retry_policy._KINDS):
            unnamed.append(each.__name__)
    assert unnamed == []


@pytest.mark.parametrize("kind", TROUBLES)
def test_every_trouble_has_words_of_its_own(kind: str) -> None:
    title, lead, todo, who, status = messages.error_kind(kind)
    assert title
    assert lead.endswith(".")
    assert who
    assert status in (502, 503)
    if kind != "refused":
        assert messages.error_kind(kind) != messages.error_kind("some kind nobody thought of")
    assert not JARGON.search(" ".join([title, lead, *todo, who]))


@pytest.mark.parametrize("kind", FAILURES)
def test_every_end_of_an_attempt_has_words_of_its_own(kind: str) -> None:
    title, happened, who, status = messages.failure(kind)
    assert title
    assert happened.endswith(".")
    assert who
    assert 400 <= status < 600
    assert messages.failure(kind) != messages.failure("some kind nobody thought of")
    assert not JARGON.search(" ".join([title, happened, who]))


def test_a_kind_that_nobody_thought_of_is_told_all_the_same() -> None:
    assert messages.error_kind("?") == messages.error_kind("refused")
    assert "could not be used" in messages.failure("?")[1]


def test_the_sentences_need_no_more_than_words() -> None:
    for function in (messages.error_kind, messages.failure):
        hints = get_type_hints(function)
        assert hints["kind"] is str
        assert get_args(hints["return"])[-1] is int
