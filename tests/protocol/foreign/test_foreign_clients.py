"""Clients that nobody here wrote, each telling its story at the simulated bank over HTTP: bunq's Python SDK in two
generations, the community's JavaScript client, a program of 2021 and a client of 2017.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from bunqflask.sandbox import Settings
from bunqflask.sandbox.server import serve
from tests.protocol.sandbox.client import CAR, COMPANY, JODI, MAIN, App, key_of, new_user
from tests.protocol.sandbox.openapi import watch

from . import environments

HERE = Path(__file__).parent
STORY_WITHIN_S = 240

# The steps by name, so that each is a test of its own; a step that is missing here fails the last test.
SDK_STEPS = (
    *("a_sandbox_person_gets_a_context", "the_sugar_daddy_pays", "the_sugar_daddy_refuses_too_much"),
    *("a_request_is_revoked", "accounts_are_read_made_changed_and_closed", "payments_are_made_and_read"),
    *("payments_are_paged_both_ways", "a_batch_is_paid", "drafts_are_made_and_cancelled"),
    *("a_bunqme_link_is_made_and_cancelled", "cards_are_ordered_read_and_frozen"),
    *("attachments_go_up_and_come_down", "notes_are_written_changed_and_erased"),
    *("notification_filters_are_set_and_listed", "statements_are_made_and_downloaded"),
    *("a_payment_is_scheduled_and_stopped", "events_are_listed", "an_oauth_client_is_set_up"),
    *("keys_and_addresses_are_listed", "errors_become_the_right_exceptions", "faults_become_the_right_exceptions"),
    *("a_psd2_party_gets_a_context", "a_session_is_closed"),
    # sdk_neighbours.py
    *("a_person_and_a_company_meet", "a_request_is_made_with_all_it_can_say_and_accepted"),
    *("a_batch_of_requests_is_refused_and_taken_back", "schedules_are_listed_changed_and_run"),
    *("a_draft_with_a_schedule_is_accepted", "a_payment_waits_for_a_stranger", "cards_pay_and_are_replaced"),
    *("money_is_told_by_category", "exports_are_made_and_downloaded", "funds_are_confirmed_and_the_user_changes"),
    *("a_joint_account_waits_for_the_other", "every_event_so_far_is_understood"),
)
JS_STEPS = (
    *("installs_registers_and_opens_a_session", "lists_accounts", "pays_and_reads_payments"),
    *("prepares_and_cancels_drafts", "asks_for_money", "makes_a_payment_link", "lists_cards_and_events"),
    *("is_told_of_errors_in_bunqs_shape", "opens_an_oauth_session_of_its_own", "closes_its_session"),
)


EXPORT_STEPS = (
    *("a_context_is_made_and_kept", "every_payment_of_every_account_is_read", "amounts_add_up_to_the_balances"),
    *("balances_are_shown", "what_is_there_already_is_not_read_again"),
)
STEPS_OF_2017 = (
    *("an_installation_and_a_device_are_made", "its_signature_is_refused"),
    *("its_key_signs_a_body_as_bunq_wants_it_now", "users_accounts_and_payments_are_read"),
    *("a_draft_that_needs_no_signature_is_made_changed_and_read", "a_payment_that_needs_a_signature_is_refused"),
)


class Story:
    """What a client did: per step None or what went wrong, and where its answers left bunq's OpenAPI."""

    def __init__(self) -> None:
        self.steps: dict[str, str | None] = {}
        self.differences: list[str] = []

    def tell(self, *command: str) -> None:
        """Run the client to its end; every answer it gets is looked at."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=STORY_WITHIN_S)
        for line in done.stdout.splitlines():
            told = json.loads(line)
            self.steps[told["step"]] = told["error"]
        assert self.steps, done.stderr
        self.differences += watch.take_differences()


@pytest.fixture(scope="module")
def sdk() -> Story:
    """Let bunq's SDK tell its story once."""
    python = environments.python_of_bunq_sdk()
    story = Story()
    with serve(Settings(rate_limits="off")) as bank:
        watch.over(bank.app)
        for script in ("sdk_story.py", "sdk_neighbours.py"):
            story.tell(python, str(HERE / script), bank.api_url)
    return story


@pytest.fixture(scope="module")
def js() -> Story:
    """Let the JavaScript client tell its story once."""
    node, modules = environments.modules_of_js_client()
    story = Story()
    with serve(Settings(rate_limits="off")) as bank:
        watch.over(bank.app)
        app = App(new_user(bank))
        token = app.exchange(app.consent(accounts=[MAIN, CAR]))
        story.tell(node, str(HERE / "js_story.js"), modules, bank.origin, key_of(bank, JODI), token)
    return story


@pytest.fixture(scope="module")
def export() -> Story:
    """Let bunqexport tell its story once, about the company of a bank with a past."""
    python = environments.python_of_bunqexport()
    story = Story()
    with serve(Settings(rate_limits="off", history=300)) as bank:
        watch.over(bank.app)
        story.tell(python, str(HERE / "export_story.py"), bank.api_url, key_of(bank, COMPANY))
    return story


@pytest.fixture(scope="module")
def of_2017() -> Story:
    """Let the client of 2017 tell its story once."""
    python = environments.python_of_bunq_of_2017()
    story = Story()
    with serve(Settings(rate_limits="off")) as bank:
        watch.over(bank.app)
        story.tell(python, str(HERE / "story_of_2017.py"), bank.origin, key_of(bank, JODI))
    return story


@pytest.mark.parametrize("step", SDK_STEPS)
def test_bunqs_python_sdk(sdk: Story, step: str) -> None:
    assert sdk.steps[step] is None, sdk.steps[step]


@pytest.mark.parametrize("step", JS_STEPS)
def test_javascript_client(js: Story, step: str) -> None:
    assert js.steps[step] is None, js.steps[step]


@pytest.mark.parametrize("step", EXPORT_STEPS)
def test_bunqexport(export: Story, step: str) -> None:
    assert export.steps[step] is None, export.steps[step]


@pytest.mark.parametrize("step", STEPS_OF_2017)
def test_client_of_2017(of_2017: Story, step: str) -> None:
    assert of_2017.steps[step] is None, of_2017.steps[step]


def test_no_step_of_the_smaller_clients_goes_unseen(export: Story, of_2017: Story) -> None:
    assert set(export.steps) == set(EXPORT_STEPS)
    assert set(of_2017.steps) == set(STEPS_OF_2017)


def test_no_step_of_the_sdk_goes_unseen(sdk: Story) -> None:
    assert set(sdk.steps) == set(SDK_STEPS)


def test_no_step_of_the_javascript_client_goes_unseen(js: Story) -> None:
    assert set(js.steps) == set(JS_STEPS)


def test_answers_to_the_sdk_agree_with_the_openapi(sdk: Story) -> None:
    assert sdk.differences == []


def test_answers_to_the_javascript_client_agree_with_the_openapi(js: Story) -> None:
    assert js.differences == []


def test_answers_to_the_smaller_clients_agree_with_the_openapi(export: Story, of_2017: Story) -> None:
    assert export.differences == of_2017.differences == []
