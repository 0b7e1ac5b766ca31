"""The sentences for everything that can go wrong: complete, plain, and with somebody who can act."""

import re

import pytest

from bunqflask.bunq import errors
from bunqflask.models import AttemptFailure, ErrorKind
from bunqflask.services.gateway import retry_policy
from bunqflask.web.errors.messages import failure_message

JARGON = re.compile(r"\b(grant|token|oauth|api session|oops|sorry|invalid|illegal|exception|null)\b|!", re.IGNORECASE)
# What a setup or a person at bunq ends, and no retry.
NEED_A_PERSON = {
    ErrorKind.SERVER_REFUSED,
    ErrorKind.INSTALLATION_REFUSED,
    ErrorKind.NOT_TRUSTED,
    ErrorKind.NOT_SET_UP,
}


def all_errors(base: type[errors.BunqError]) -> set[type[errors.BunqError]]:
    return {base}.union(*(all_errors(each) for each in base.__subclasses__()))


def test_every_error_of_the_client_has_a_kind() -> None:
    unnamed = []
    for each in all_errors(errors.BunqError) - {errors.BunqError}:
        if not any(issubclass(each, error_type) for error_type, _kind in retry_policy._KINDS):
            unnamed.append(each.__name__)
    assert unnamed == []


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_of_error_has_words_of_its_own(kind: ErrorKind) -> None:
    policy = retry_policy.policy_for(kind)
    assert policy.title
    assert policy.lead.endswith(".")
    assert policy.who
    assert policy.status in (502, 503)
    others = {other: retry_policy.policy_for(other) for other in ErrorKind}
    assert [other for other, its in others.items() if (its.title, its.lead) == (policy.title, policy.lead)] == [kind]
    assert not JARGON.search(" ".join([policy.title, policy.lead, *policy.todo, policy.who]))


@pytest.mark.parametrize("kind", ErrorKind)
def test_what_needs_a_person_says_what_to_do_and_all_else_is_tried_again(kind: ErrorKind) -> None:
    policy = retry_policy.policy_for(kind)
    assert policy.needs_person is (kind in NEED_A_PERSON)
    assert bool(policy.todo) is policy.needs_person
    assert (policy.cause == "server") is (kind in NEED_A_PERSON)
    longest = retry_policy._LONGER.get(kind, retry_policy.LONGEST_RETRY)
    assert retry_policy._SOON <= policy.retry_after <= longest


@pytest.mark.parametrize("failure", AttemptFailure)
def test_every_end_of_an_attempt_has_words_of_its_own(failure: AttemptFailure) -> None:
    message = failure_message(failure)
    assert message.title
    assert message.happened.endswith(".")
    assert message.who
    assert 400 <= message.status < 600
    assert [other for other in AttemptFailure if failure_message(other).happened == message.happened] == [failure]
    assert not JARGON.search(" ".join([message.title, message.happened, message.who]))


def test_every_failure_of_the_exchange_is_one_that_has_words() -> None:
    """An attempt takes the kind of an error over as the reason of its failure."""
    kinds = {retry_policy.kind_of(each) for each in (errors.CallNotAllowedYet("GET x", 1), errors.TransportFailed("x"))}
    assert {AttemptFailure(kind.value) for kind in kinds} == {AttemptFailure.WAITING, AttemptFailure.NO_ANSWER}


def test_an_attempt_that_failed_without_a_reason_is_told_all_the_same() -> None:
    assert failure_message(None) == failure_message(AttemptFailure.INTERRUPTED)
