"""What bunq's own Python SDK does at the simulated bank. Runs in the SDK's environment, never in ours.

Usage: python sdk_story.py API_URL; prints one JSON line per step.
"""

# mypy: ignore-errors
# ruff: noqa: BLE001, PT017 - no pytest there, and a step that fails must not end the story
from __future__ import annotations

import json
import subprocess
import tempfile
import time

from bunq import Pagination
from bunq.sdk.context.api_context import ApiContext
from bunq.sdk.context.bunq_context import BunqContext
from bunq.sdk.exception.bad_request_exception import BadRequestException
from bunq.sdk.exception.forbidden_exception import ForbiddenException
from bunq.sdk.exception.method_not_allowed_exception import MethodNotAllowedException
from bunq.sdk.exception.not_found_exception import NotFoundException
from bunq.sdk.exception.please_contact_bunq_exception import PleaseContactBunqException
from bunq.sdk.exception.too_many_requests_exception import TooManyRequestsException
from bunq.sdk.exception.unauthorized_exception import UnauthorizedException
from bunq.sdk.exception.unknown_api_error_exception import UnknownApiErrorException
from bunq.sdk.http.api_client import ApiClient
from bunq.sdk.model.generated import endpoint as bunq
from bunq.sdk.model.generated.object_ import DraftPaymentEntryObject, PointerObject
from frame import step
from sdk_frame import BRAVO, ENVIRONMENT, PNG, SUGAR_DADDY, account, control, eur, main, new_context, state, wait_until


@step
def a_sandbox_person_gets_a_context():
    context = new_context("person")
    BunqContext.load_api_context(context)
    state["context"] = context
    user = bunq.UserApiObject.get().value.get_referenced_object()
    assert user.session_timeout == 604800
    assert account() > 0


@step
def the_sugar_daddy_pays():
    id = bunq.RequestInquiryApiObject.create(eur("500.00"), SUGAR_DADDY, "gift", False).value
    wait_until(lambda: bunq.RequestInquiryApiObject.get(id).value.status == "ACCEPTED")
    balance = bunq.MonetaryAccountBankApiObject.get(account()).value.balance
    assert balance.value == "500.00"
    assert bunq.RequestInquiryApiObject.list().value[0].id_ == id


@step
def the_sugar_daddy_refuses_too_much():
    id = bunq.RequestInquiryApiObject.create(eur("500.01"), SUGAR_DADDY, "gift", False).value
    wait_until(lambda: bunq.RequestInquiryApiObject.get(id).value.status == "REJECTED")


@step
def a_request_is_revoked():
    id = bunq.RequestInquiryApiObject.create(eur("1.00"), BRAVO, "lunch", False).value
    assert bunq.RequestInquiryApiObject.update(id, status="REVOKED").value is not None
    assert bunq.RequestInquiryApiObject.get(id).value.status == "REVOKED"


@step
def accounts_are_read_made_changed_and_closed():
    assert len(bunq.MonetaryAccountBankApiObject.list().value) == 1
    id = bunq.MonetaryAccountBankApiObject.create("EUR", "Second").value
    assert bunq.MonetaryAccountBankApiObject.get(id).value.description == "Second"
    bunq.MonetaryAccountBankApiObject.update(id, description="Holiday")
    made = bunq.MonetaryAccountBankApiObject.get(id).value
    assert made.description == "Holiday"
    state["second"] = id
    state["second_iban"] = made.alias[-1].value
    savings = bunq.MonetaryAccountSavingsApiObject.create("EUR", "Goal", savings_goal=eur("100.00")).value
    assert bunq.MonetaryAccountSavingsApiObject.get(savings).value.savings_goal.value == "100.00"
    every = bunq.MonetaryAccountApiObject.list().value
    assert len(every) == 3
    assert every[2].MonetaryAccountSavings.description == "Goal"
    third = bunq.MonetaryAccountBankApiObject.create("EUR", "Short-lived").value
    bunq.MonetaryAccountBankApiObject.update(
        third, status="CANCELLED", sub_status="REDEMPTION_VOLUNTARY", reason="OTHER", reason_description="done"
    )
    assert bunq.MonetaryAccountBankApiObject.get(third).value.status == "CANCELLED"


@step
def payments_are_made_and_read():
    second = PointerObject("IBAN", state["second_iban"], "Me")
    id = bunq.PaymentApiObject.create(eur("10.00"), second, "to myself ü/€").value
    payment = bunq.PaymentApiObject.get(id).value
    assert payment.amount.value == "-10.00"
    assert payment.description == "to myself ü/€"
    assert payment.balance_after_mutation.value == "490.00"
    assert payment.counterparty_alias.label_monetary_account.iban == state["second_iban"]
    bunq.PaymentApiObject.create(eur("1.50"), BRAVO, "to bravo")
    bunq.PaymentApiObject.create(eur("1.00"), PointerObject("IBAN", "DE89370400440532013000", "Jürgen"), "abroad")
    received = bunq.PaymentApiObject.list(state["second"]).value
    assert received[0].amount.value == "10.00"
    state["payment"] = id


@step
def payments_are_paged_both_ways():
    for number in range(5):
        bunq.PaymentApiObject.create(eur("0.01"), BRAVO, f"page {number}")
    pagination = Pagination()
    pagination.count = 3
    page = bunq.PaymentApiObject.list(params=pagination.url_params_count_only)
    seen = [each.id_ for each in page.value]
    newest = seen[0]
    while page.pagination.has_previous_page():
        page = bunq.PaymentApiObject.list(params=page.pagination.url_params_previous_page)
        seen += [each.id_ for each in page.value]
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 9
    while page.pagination.has_next_page_assured():
        page = bunq.PaymentApiObject.list(params=page.pagination.url_params_next_page)
    assert page.value[0].id_ == newest


@step
def a_batch_is_paid():
    entries = [bunq.PaymentApiObject(eur("0.10"), BRAVO, str(number)) for number in range(3)]
    id = bunq.PaymentBatchApiObject.create(entries).value
    assert len(bunq.PaymentBatchApiObject.get(id).value.payments) == 3
    assert [each.batch_id for each in bunq.PaymentApiObject.list().value[:3]] == [id] * 3


@step
def drafts_are_made_and_cancelled():
    entry = DraftPaymentEntryObject(eur("5.00"), BRAVO, "draft")
    id = bunq.DraftPaymentApiObject.create([entry], 1).value
    draft = bunq.DraftPaymentApiObject.get(id).value
    assert draft.status == "PENDING"
    assert draft.entries[0].amount.value == "5.00"
    updated = draft.updated if hasattr(draft, "updated") else None
    bunq.DraftPaymentApiObject.update(id, status="CANCELLED", previous_updated_timestamp=updated)
    assert bunq.DraftPaymentApiObject.get(id).value.status == "CANCELLED"
    accepted = bunq.DraftPaymentApiObject.create([entry], 1).value
    bunq.DraftPaymentApiObject.update(accepted, status="ACCEPTED")
    assert bunq.DraftPaymentApiObject.get(accepted).value.object_ is not None


@step
def a_bunqme_link_is_made_and_cancelled():
    entry = bunq.BunqMeTabEntryApiObject(eur("3.00"), "cake")
    id = bunq.BunqMeTabApiObject.create(entry).value
    tab = bunq.BunqMeTabApiObject.get(id).value
    assert tab.status == "WAITING_FOR_PAYMENT"
    assert tab.bunqme_tab_share_url
    bunq.BunqMeTabApiObject.update(id, status="CANCELLED")
    assert bunq.BunqMeTabApiObject.get(id).value.status == "CANCELLED"


@step
def cards_are_ordered_read_and_frozen():
    name = bunq.CardNameApiObject.list().value[0].possible_card_name_array[0]
    card = bunq.CardDebitApiObject.create("groceries", name, "MASTERCARD", "MASTERCARD_DEBIT").value
    assert card is not None
    read = bunq.CardApiObject.list().value[0]
    bunq.CardApiObject.update(read.id_, status="ACTIVE")
    bunq.CardApiObject.update(read.id_, status="DEACTIVATED", card_limit=eur("50.00"))
    after = bunq.CardApiObject.get(read.id_).value
    assert after.status == "DEACTIVATED"
    assert after.card_limit.value == "50.00"


@step
def attachments_go_up_and_come_down():
    headers = {ApiClient.HEADER_CONTENT_TYPE: "image/png", ApiClient.HEADER_ATTACHMENT_DESCRIPTION: "receipt"}
    id = bunq.AttachmentMonetaryAccountApiObject.create(PNG, custom_headers=headers).value
    assert bunq.AttachmentMonetaryAccountContentApiObject.list(id).value == PNG
    public = bunq.AttachmentPublicApiObject.create(PNG, custom_headers=headers).value
    assert bunq.AttachmentPublicContentApiObject.list(public).value == PNG
    assert bunq.AttachmentPublicApiObject.get(public).value.attachment.content_type == "image/png"
    avatar = bunq.AvatarApiObject.create(public).value
    bunq.MonetaryAccountBankApiObject.update(state["second"], avatar_uuid=avatar)
    assert bunq.MonetaryAccountBankApiObject.get(state["second"]).value.avatar.uuid == avatar
    state["attachment"] = id


@step
def notes_are_written_changed_and_erased():
    payment = state["payment"]
    id = bunq.NoteTextPaymentApiObject.create(payment, content="for the books").value
    assert bunq.NoteTextPaymentApiObject.get(payment, id).value.content == "for the books"
    bunq.NoteTextPaymentApiObject.update(payment, id, content="changed")
    assert bunq.NoteTextPaymentApiObject.list(payment).value[0].content == "changed"
    bunq.NoteTextPaymentApiObject.delete(payment, id)
    assert bunq.NoteTextPaymentApiObject.list(payment).value == []
    bunq.NoteAttachmentPaymentApiObject.create(payment, state["attachment"], description="receipt")
    assert bunq.NoteAttachmentPaymentApiObject.list(payment).value[0].attachment[0].id_ == state["attachment"]


@step
def notification_filters_are_set_and_listed():
    # The SDK's hand-written part for filters does not import; its generated part expects an id and finds none.
    path = f"user/{BunqContext.user_context().user_id}/notification-filter-url"
    wanted = {"category": "MUTATION", "notification_target": "https://app.example/hook"}
    client = ApiClient(state["context"])
    client.post(path, json.dumps({"notification_filters": [wanted]}).encode(), {})
    assert len(bunq.NotificationFilterUrlApiObject.list().value) == 1
    client.post(path, b'{"notification_filters": []}', {})
    assert bunq.NotificationFilterUrlApiObject.list().value == []


@step
def statements_are_made_and_downloaded():
    today = time.strftime("%Y-%m-%d", time.gmtime())
    period = (f"{int(today[:4]) - 1}{today[4:7]}-01", today)
    for form, regional in (("CSV", "EUROPEAN"), ("MT940", None), ("PDF", None)):
        id = bunq.ExportStatementApiObject.create(form, *period, regional_format=regional).value
        wait_until(lambda id=id: bunq.ExportStatementApiObject.get(id).value.status == "COMPLETED")
        content = bunq.ExportStatementContentApiObject.list(id).value
        assert content.startswith({"CSV": b"", "MT940": b":20:", "PDF": b"%PDF"}[form]) or form == "MT940"
        assert content


@step
def a_payment_is_scheduled_and_stopped():
    start = time.strftime("%Y-%m-%d %H:%M:%S.000", time.gmtime(time.time() + 3600))
    payment = {"amount": eur("0.50"), "counterparty_alias": BRAVO, "description": "weekly"}
    schedule = bunq.ScheduleApiObject(start, "WEEKLY", 1)
    id = bunq.SchedulePaymentApiObject.create(payment, schedule).value
    assert bunq.SchedulePaymentApiObject.get(id).value.status == "ACTIVE"
    bunq.SchedulePaymentApiObject.delete(id)


@step
def events_are_listed():
    events = bunq.EventApiObject.list().value
    assert events
    assert events[0].object_.get_referenced_object() is not None


@step
def an_oauth_client_is_set_up():
    id = bunq.OauthClientApiObject.create().value
    bunq.OauthCallbackUrlApiObject.create(id, "https://app.example/cb")
    client = bunq.OauthClientApiObject.get(id).value
    assert len(client.client_id) == 64
    assert client.callback_url[0].url == "https://app.example/cb"


@step
def keys_and_addresses_are_listed():
    credential = bunq.UserCredentialPasswordIpApiObject.list().value[0]
    assert credential.status == "ACTIVE"
    assert bunq.PermittedIpApiObject.list(credential.id_).value[0].ip == "127.0.0.1"


@step
def errors_become_the_right_exceptions():
    for path, body, kind in (
        ("user/1/monetary-account", None, ForbiddenException),
        (f"user/{BunqContext.user_context().user_id}/monetary-account/1", None, NotFoundException),
        (f"user/{BunqContext.user_context().user_id}/monetary-account-bank", b"{}", BadRequestException),
        ("user", b"{}", MethodNotAllowedException),
    ):
        client = ApiClient(state["context"])
        try:
            if body is None:
                client.get(path, {}, {})
            else:
                client.post(path, body, {})
        except kind as error:
            assert error.response_id
            assert error.message
        else:
            raise AssertionError(f"{kind.__name__} was not raised")
    try:
        bunq.PaymentApiObject.create(eur("99999.00"), BRAVO, "too much")
    except BadRequestException as error:
        assert "Insufficient balance." in error.message
    else:
        raise AssertionError("no money, yet paid")


@step
def faults_become_the_right_exceptions():
    for fault, kind in (
        ("401", UnauthorizedException),
        ("429", TooManyRequestsException),
        ("500", PleaseContactBunqException),
        ("490", UnknownApiErrorException),
    ):
        control("faults", {"call": "GET user", "fault": fault})
        try:
            bunq.UserApiObject.get()
        except kind:
            continue
        raise AssertionError(f"{kind.__name__} was not raised")
    control("faults", {"call": "GET user", "fault": "bad-signature"})
    try:
        bunq.UserApiObject.get()
    except Exception as error:
        assert "Could not verify" in str(error) or "ignature" in str(error), error
    else:
        raise AssertionError("a wrong signature went unseen")


@step
def a_psd2_party_gets_a_context():
    certificate, key = make_certificate("/CN=Story PISP AISP/C=NL")
    context = ApiContext.create_for_psd2(ENVIRONMENT, certificate, key, [certificate], "sdk story", ["*"])
    BunqContext.load_api_context(context)
    user = bunq.UserApiObject.get().value.get_referenced_object()
    assert isinstance(user, bunq.UserPaymentServiceProviderApiObject), user
    id = bunq.OauthClientApiObject.create("ACTIVE").value
    assert bunq.OauthClientApiObject.get(id).value.status == "ACTIVE"


def make_certificate(subject):
    """Return (certificate, key) of a self-signed PSD2 identity; made by openssl, as the SDK's users do."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", subject),
                *("-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"),
            ],
            check=True,
            capture_output=True,
        )
        with open(f"{folder}/cert.pem") as certificate, open(f"{folder}/key.pem") as key:
            return certificate.read(), key.read()


@step
def a_session_is_closed():
    bunq.SessionApiObject.delete(0)


if __name__ == "__main__":
    main()
