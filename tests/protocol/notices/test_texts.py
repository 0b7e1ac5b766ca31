"""Every kind of notice has words, a page to go to, and a name for webhooks; a subject names nobody."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from bunqflask.models import NoticeKind
from bunqflask.services.notices import messages, recipients, texts, topics
from bunqflask.services.team import members
from tests.protocol.notices.conftest import ROBIN, SINCE, account, connection_id

pytestmark = pytest.mark.sqlite_only
LOGIN = {"browser": "Mozilla/5.0 (iPhone) Safari/1", "address": "192.0.2.7"}


def facts_of(kind: NoticeKind) -> dict[str, Any]:
    connection, about = {"connection_id": connection_id()}, {"account_id": account().id}
    known: dict[NoticeKind, dict[str, Any]] = {
        NoticeKind.FACTOR_CHANGED: {**LOGIN, "change": "added", "factor": "Pixel"},
        NoticeKind.RECOVERY_CODE_USED: {**LOGIN, "left": 3},
        NoticeKind.CONNECTION_JOINED: {"member": "Sam", "connection": "Jodi Walker", "accounts": "Car"},
        NoticeKind.CONNECTION_STOPPED: {**connection, "reason": "refused", "since": SINCE},
        NoticeKind.CONNECTION_RECOVERED: {**connection, "stopped_since": SINCE},
        NoticeKind.RENEWAL_DUE: {**connection, "day": "2027-01-02", "days_left": 0},
        NoticeKind.INVITATION_OPENED: {"attempt_id": "f" * 32},
        NoticeKind.INVITATION_APPROVED: {"attempt_id": "f" * 32},
        NoticeKind.PAYMENTS_CHANGED: {**about, "change_ids": [1]},
        NoticeKind.PAYMENTS_ARRIVED: {**about, "payment_ids": [1]},
        NoticeKind.BALANCE_LOW: about,
        NoticeKind.DOCTOR_FOUND_FAULT: {"checks": ["backup_age"]},
        NoticeKind.DOCTOR_ALL_GOOD: {},
        NoticeKind.BACKUP_FAILED: {"reason": "old"},
        NoticeKind.DRAFT_PREPARED: {**about, "instruction_id": 1},
        NoticeKind.DRAFT_DECIDED: {**about, "instruction_id": 1, "outcome": "rejected"},
        NoticeKind.CHANNEL_SWITCHED_OFF: {"channel_id": 1, "channel": "webhook"},
        NoticeKind.TEST: {},
    }
    return known.get(kind, dict[str, Any](LOGIN))


def test_each_kind_has_a_topic_and_each_that_goes_out_has_words_and_a_page(team: Flask) -> None:
    assert set(topics.OF_KIND) == set(NoticeKind)
    assert set(messages.TYPES) == set(NoticeKind) - topics.ONLY_IN_APP
    [robin, *_others] = recipients.with_access(members.require(ROBIN).id)
    names, pages = texts.names_for(robin), team.url_map.bind("localhost")
    for kind in set(NoticeKind) - {NoticeKind.ROLE_CHANGED}:
        said = texts.say(kind, facts_of(kind), names)
        assert pages.match(said.path, method="GET"), kind
        assert said.sentence.endswith("."), kind
        assert "%(" not in said.sentence + said.subject + said.what_to_do, kind
        assert "Jodi" not in said.subject, kind
        assert account().description not in said.subject, kind


def test_what_a_member_sees_no_more_has_no_name_and_no_page_for_them(team: Flask) -> None:
    for kind in (NoticeKind.CONNECTION_STOPPED, NoticeKind.PAYMENTS_CHANGED):
        said = texts.say(kind, facts_of(kind), texts.Names())
        assert "that you no longer see" in said.sentence
        assert said.path == "/notices"
