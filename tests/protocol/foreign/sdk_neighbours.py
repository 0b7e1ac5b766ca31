"""The rest of what bunq's own Python SDK does at the simulated bank: requests on both sides, schedules, cards in use,
insights, exports. Runs in the SDK's environment, never in ours.

Usage: python sdk_neighbours.py API_URL; prints one JSON line per step.
"""

# mypy: ignore-errors
from __future__ import annotations

import time

from bunq.sdk.context.bunq_context import BunqContext
from bunq.sdk.http.api_client import ApiClient
from bunq.sdk.model.generated import endpoint as bunq
from bunq.sdk.model.generated.object_ import (
    CardPinAssignmentObject,
    CoOwnerObject,
    DraftPaymentEntryObject,
    PointerObject,
)
from frame import step
from sdk_frame import BRAVO, PNG, SUGAR_DADDY, account, control, eur, main, new_context, state, wait_until


def act_as(who):
    """Go on as one of the two users."""
    BunqContext.load_api_context(state[who])


@step
def a_person_and_a_company_meet():
    state["company"], state["person"] = new_context("company"), new_context("person")
    for who in ("company", "person"):
        act_as(who)
        user = bunq.UserApiObject.get().value.get_referenced_object()
        state[f"{who} email"] = next(each for each in user.alias if each.type_ == "EMAIL")
        pointers = bunq.MonetaryAccountBankApiObject.get(account()).value.alias
        state[f"{who} iban"] = next(each for each in pointers if each.type_ == "IBAN")
    id = bunq.RequestInquiryApiObject.create(eur("500.00"), SUGAR_DADDY, "gift", False).value
    wait_until(lambda: bunq.RequestInquiryApiObject.get(id).value.status == "ACCEPTED")


@step
def a_request_is_made_with_all_it_can_say_and_accepted():
    act_as("company")
    headers = {ApiClient.HEADER_CONTENT_TYPE: "image/png", ApiClient.HEADER_ATTACHMENT_DESCRIPTION: "bill"}
    file = bunq.AttachmentMonetaryAccountApiObject.create(PNG, custom_headers=headers).value
    id = bunq.RequestInquiryApiObject.create(
        eur("20.00"),
        PointerObject("EMAIL", state["person email"].value),
        "the bill",
        False,
        attachment=[{"id": file}],
        merchant_reference="R-1",
        minimum_age=18,
        allow_amount_higher=True,
        custom_headers={ApiClient.HEADER_GEOLOCATION: "4.89 52.37 2 15 NL"},
    ).value
    asking = bunq.RequestInquiryApiObject.get(id).value
    assert (asking.merchant_reference, asking.minimum_age, asking.attachment[0].id_) == ("R-1", 18, file)
    assert (asking.geolocation.latitude, asking.geolocation.longitude) == (52.37, 4.89)
    act_as("person")
    (asked,) = bunq.RequestResponseApiObject.list().value
    assert asked.attachment[0].content_type == "image/png"
    assert bunq.AttachmentMonetaryAccountContentApiObject.list(file).value == PNG
    done = bunq.RequestResponseApiObject.update(asked.id_, amount_responded=eur("21.00"), status="ACCEPTED").value
    assert (done.status, done.amount_responded.value) == ("ACCEPTED", "21.00")
    paid = bunq.PaymentApiObject.list().value[0]
    assert (paid.amount.value, paid.sub_type, paid.merchant_reference) == ("-21.00", "REQUEST", "R-1")
    assert paid.attachment[0].id_ == file


@step
def a_batch_of_requests_is_refused_and_taken_back():
    act_as("company")
    who = PointerObject("EMAIL", state["person email"].value)
    each = [bunq.RequestInquiryApiObject(eur("1.00"), who, str(number), False) for number in range(2)]
    id = bunq.RequestInquiryBatchApiObject.create(each, eur("2.00")).value
    batch = bunq.RequestInquiryBatchApiObject.get(id).value
    assert (batch.total_amount_inquired.value, len(batch.request_inquiries)) == ("2.00", 2)
    act_as("person")
    newest = bunq.RequestResponseApiObject.list().value[0]
    assert bunq.RequestResponseApiObject.update(newest.id_, status="REJECTED").value.status == "REJECTED"
    act_as("company")
    bunq.RequestInquiryBatchApiObject.update(id, status="REVOKED")
    statuses = {each.status for each in bunq.RequestInquiryBatchApiObject.get(id).value.request_inquiries}
    assert statuses == {"REJECTED", "REVOKED"}


@step
def schedules_are_listed_changed_and_run():
    act_as("person")
    start = time.strftime("%Y-%m-%d %H:%M:%S.000", time.gmtime(time.time() + 3600))
    payment = {"amount": eur("0.50"), "counterparty_alias": BRAVO, "description": "once"}
    schedule = bunq.ScheduleApiObject(start, "ONCE", 1)
    id = bunq.SchedulePaymentApiObject.create(payment, schedule, purpose="PAYMENT").value
    changed = bunq.SchedulePaymentApiObject.update(id, payment={**payment, "amount": eur("0.75")}).value
    assert changed.payment.amount.value == "-0.75"
    batch = bunq.SchedulePaymentBatchApiObject.create([payment, payment], schedule).value
    bunq.SchedulePaymentBatchApiObject.update(batch, payments=[payment])
    assert [each.purpose for each in bunq.SchedulePaymentApiObject.list().value] == ["PAYMENT"]
    listed = bunq.ScheduleApiObject.list().value
    assert [each.recurrence_unit for each in listed] == ["ONCE", "ONCE"]
    assert listed[1].object_.Payment.amount.value == "-0.75"
    assert bunq.ScheduleApiObject.get(id).value.status == "ACTIVE"
    assert len(bunq.ScheduleUserApiObject.list().value) == 2
    control("clock", {"advance_s": 3700})
    for number in (id, batch):
        (run,) = bunq.ScheduleInstanceApiObject.list(number).value
        assert run.state == "FINISHED_SUCCESSFULLY"
        assert run.result_object.get_referenced_object() is not None
        assert run.scheduled_object.get_referenced_object() is not None


@step
def a_draft_with_a_schedule_is_accepted():
    start = time.strftime("%Y-%m-%d %H:%M:%S.000", time.gmtime(time.time() + 7200))
    entry = DraftPaymentEntryObject(eur("0.10"), BRAVO, "later")
    id = bunq.DraftPaymentApiObject.create([entry], 1, schedule=bunq.ScheduleApiObject(start, "ONCE", 1)).value
    assert bunq.DraftPaymentApiObject.get(id).value.schedule.recurrence_unit == "ONCE"
    note = bunq.NoteTextDraftPaymentApiObject.create(id, content="ask first").value
    assert bunq.NoteTextDraftPaymentApiObject.get(id, note).value.content == "ask first"
    bunq.DraftPaymentApiObject.update(id, status="ACCEPTED")
    assert bunq.DraftPaymentApiObject.get(id).value.status == "ACCEPTED"


@step
def a_payment_waits_for_a_stranger():
    stranger = PointerObject("EMAIL", "stranger@elsewhere.example")
    id = bunq.PaymentApiObject.create(eur("1.00"), stranger, "hello", allow_bunqto=True).value
    payment = bunq.PaymentApiObject.get(id).value
    assert payment.bunqto_status == "PENDING"
    assert payment.bunqto_share_url
    batch = bunq.PaymentBatchApiObject.create(
        [bunq.PaymentApiObject(eur("1.00"), stranger, "hello", allow_bunqto=True)]
    ).value
    bunq.PaymentBatchApiObject.update(batch)
    assert bunq.PaymentApiObject.list().value[0].sub_type == "REVERSAL"


@step
def cards_pay_and_are_replaced():
    name = bunq.CardNameApiObject.list().value[0].possible_card_name_array[0]
    pin = CardPinAssignmentObject("PRIMARY", monetary_account_id=account(), pin_code="1234")
    card = bunq.CardDebitApiObject.create(
        "shop",
        name,
        "MASTERCARD",
        "MASTERCARD_VIRTUAL",
        pin_code_assignment=[pin],
        monetary_account_id_fallback=account(),
    ).value
    id = bunq.CardApiObject.list().value[0].id_
    assert card.id_ == id
    assert bunq.CardApiObject.get(id).value.pin_code_assignment[0].monetary_account_id == account()
    code = bunq.CardGeneratedCvc2ApiObject.create(id, "GENERATED").value
    assert bunq.CardGeneratedCvc2ApiObject.get(id, code).value.type_ == "GENERATED"
    control(f"cards/{id}/pay", {"amount": "3.00", "country": "NL"})
    action = bunq.MasterCardActionApiObject.list().value[0]
    assert bunq.MasterCardActionApiObject.get(action.id_).value.decision == "ALLOWED"
    note = bunq.NoteTextMasterCardActionApiObject.create(action.id_, content="lunch").value
    assert bunq.NoteTextMasterCardActionApiObject.get(action.id_, note).value.content == "lunch"
    today = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 3700))
    for made, listed in (
        (
            bunq.ExportStatementCardCsvApiObject.create(id, today, today, "EUROPEAN").value,
            bunq.ExportStatementCardCsvApiObject,
        ),
        (bunq.ExportStatementCardPdfApiObject.create(id, today, today).value, bunq.ExportStatementCardPdfApiObject),
    ):
        assert listed.list(id).value
        assert bunq.ExportStatementCardContentApiObject.list(id, made).value
    new = bunq.CardReplaceApiObject.create(id, second_line="again").value
    assert bunq.CardApiObject.get(new).value.second_line == "again"
    batch = bunq.CardBatchApiObject.create([{"id": new, "status": "DEACTIVATED"}]).value
    assert batch.updated_card_ids[0].id_ == new


@step
def money_is_told_by_category():
    groceries = [each for each in bunq.InsightApiObject.list().value if each.category == "GROCERIES"]
    assert groceries[0].amount_total.value == "-3.00"
    assert bunq.InsightEventApiObject.list(params={"category": "GROCERIES"}).value
    assert bunq.InsightPreferenceDateApiObject.list().value[0].day_of_month == 1
    categories = bunq.AdditionalTransactionInformationCategoryApiObject.list().value
    assert "GROCERIES" in {each.category for each in categories}


@step
def exports_are_made_and_downloaded():
    year = bunq.ExportAnnualOverviewApiObject.create(time.gmtime().tm_year).value
    assert bunq.ExportAnnualOverviewContentApiObject.list(year).value.startswith(b"%PDF")
    rib = bunq.ExportRibApiObject.create().value
    assert bunq.ExportRibContentApiObject.list(rib).value.startswith(b"%PDF")


@step
def funds_are_confirmed_and_the_user_changes():
    iban = PointerObject("IBAN", state["person iban"].value, state["person iban"].name)
    assert bunq.ConfirmationOfFundsApiObject.create(iban, eur("1.00")).value.has_sufficient_funds is True
    assert bunq.ConfirmationOfFundsApiObject.create(iban, eur("9999.00")).value.has_sufficient_funds is False
    bunq.UserPersonApiObject.update(public_nick_name="Sunny")
    assert bunq.UserPersonApiObject.get().value.public_nick_name == "Sunny"


@step
def a_joint_account_waits_for_the_other():
    other = CoOwnerObject(PointerObject("EMAIL", state["company email"].value))
    id = bunq.MonetaryAccountJointApiObject.create("EUR", [other], "Together").value
    joint = bunq.MonetaryAccountJointApiObject.get(id).value
    assert joint.status == "PENDING_ACCEPTANCE"
    assert [each.status for each in joint.all_co_owner] == ["ACCEPTED", "PENDING"]


@step
def every_event_so_far_is_understood():
    for who in ("company", "person"):
        act_as(who)
        for event in bunq.EventApiObject.list(params={"count": "200"}).value:
            assert event.object_.get_referenced_object() is not None
        assert bunq.EventApiObject.get(event.id_).value.action in ("CREATE", "UPDATE")


if __name__ == "__main__":
    main()
