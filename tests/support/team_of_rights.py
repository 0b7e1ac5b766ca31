"""A team in which everybody has another right: filled once for each database, every row with ids and texts of its own.

Robin holds everything. Olga, an owner, holds nothing; Mia, a member, holds one of the four accounts of a connection;
Gus is a guest, Eva's time as a guest is over, Rex was removed. What Robin shares by name, Olga, Mia, Gus and Eva read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from bunqflask import clock, create_app
from bunqflask.config import Config
from bunqflask.database.transactions import transaction
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.models import (
    LINK_SCOPES,
    Ability,
    AccountHolder,
    AccountShare,
    ApiToken,
    ApiTokenAccount,
    Assistant,
    AttemptStep,
    AuditKind,
    Browser,
    ChannelKind,
    Connection,
    ConnectionAbility,
    Consent,
    ConsentAccount,
    ConsentAttempt,
    DeliveryState,
    DraftBody,
    DraftLine,
    Factor,
    FactorKind,
    Instruction,
    InstructionKind,
    InstructionState,
    Invitation,
    Login,
    MemberNotice,
    MonetaryAccount,
    Note,
    NoteSync,
    NoticeChannel,
    NoticeDelivery,
    NoticeItem,
    NoticeKind,
    NoticeTopic,
    Pack,
    PackAccount,
    PasswordReset,
    PendingLogin,
    TeamMember,
    TeamRole,
    TokenScope,
)
from bunqflask.models.payments import row_id
from bunqflask.services.audit import trail
from bunqflask.services.principal import OPERATOR
from bunqflask.services.team import members, offboarding, resets
from bunqflask.services.team.members import Terms
from bunqflask.services.tokens import text
from tests.support import asked, history
from tests.support.apps import PASSWORD, environ_for, let_go, migrate, set_up
from tests.support.bank import running
from tests.support.history import Paid

PEOPLE = {"robin": TeamRole.OWNER, "olga": TeamRole.OWNER, "mia": TeamRole.MEMBER, "gus": TeamRole.GUEST}
PEOPLE |= {"eva": TeamRole.GUEST, "rex": TeamRole.MEMBER, "kim": TeamRole.ADMIN}
READERS = ("olga", "mia", "gus", "eva")
# Connections and accounts by our ids: no other number on any page contains one of them.
OWN, SHARED, FOREIGN = 8_134_501, 8_134_601, 8_134_701
ACCOUNTS = {OWN: (734_501, 734_502, 734_503, 734_504), SHARED: (734_601,), FOREIGN: (734_701, 734_702)}
MIAS, READ = 734_501, 734_601
NO_CONNECTION, NO_ACCOUNT, NO_ID = 8_139_901, 739_901, 8_139_999
INVITATION, INVITATION_TOKEN = 8_138_001, "invitation-of-somebody"
RESET_TOKEN, PENDING_TOKEN = "reset-of-kim", "pending-of-kim"
ATTEMPT_OF_ROBIN, ATTEMPT_OF_MIA, NO_ATTEMPT = "a7" * 16, "b7" * 16, "c7" * 16
_FIRST_PAYMENT = 5_000
OF_SHEET = (TokenScope.SPREADSHEET_READ,)


@dataclass(frozen=True)
class Marked:
    """The texts and numbers of one account, which stand nowhere else."""

    account_id: int
    connection_id: int

    @property
    def number(self) -> str:
        """The digits from which the others are made: 501 for account 734501."""
        return str(self.account_id)[-3:]

    @property
    def bunq_id(self) -> int:
        return int(f"55{self.number}0077")

    @property
    def name(self) -> str:
        return f"Zebrakonto{self.number}"

    @property
    def iban(self) -> str:
        return f"NL11ZEBR0{self.number}{self.number}77{self.number[0]}"

    @property
    def balance(self) -> str:
        return f"9{self.number}28.37"

    @property
    def amount(self) -> str:
        """The digits of the balance, whatever is written between them."""
        return re.sub(r"\D", "", self.balance)

    @property
    def text(self) -> str:
        return f"Quaggafutter{self.number}"

    @property
    def counterparty(self) -> str:
        return f"Okapihandel{self.number}"

    @property
    def counterparty_iban(self) -> str:
        return f"NL22OKAP0{self.number}{self.number}66{self.number[0]}"

    @property
    def note(self) -> str:
        return f"Tapirnotiz{self.number}"

    @property
    def attachment_id(self) -> int:
        return int(f"66{self.number}0088")

    @property
    def share_id(self) -> int:
        return int(f"77{self.number}01")

    @property
    def instruction_id(self) -> int:
        return int(f"88{self.number}02")

    @property
    def content_hash(self) -> str:
        return digest(f"draft of {self.name}")

    @property
    def payment_row_id(self) -> int:
        return row_id(_FIRST_PAYMENT, self.account_id)

    @property
    def marks(self) -> tuple[str, ...]:
        """What must stand in no answer to somebody who may not see the account."""
        asks = asked.Asked(self.account_id, self.connection_id, self.text)
        of_asking = (asks.request_id, asks.link_id, asks.collection_id, asks.item_id)
        ids = (
            self.account_id,
            self.bunq_id,
            self.attachment_id,
            self.share_id,
            self.payment_row_id,
            self.instruction_id,
            *of_asking,
        )
        texts = (self.name, self.iban, self.text, self.counterparty, self.counterparty_iban, self.note)
        return (*texts, self.amount, *map(str, ids))


MARKED = {each: Marked(each, connection) for connection, ids in ACCOUNTS.items() for each in ids}
HOLDERS = {OWN: "Nandu Partly", SHARED: "Nandu Shared", FOREIGN: "Nandu Foreign"}


def seen_by(person: str) -> set[int]:
    """Return our ids of the accounts that somebody may see."""
    if person == "robin":
        return set(MARKED)
    return ({READ} if person in READERS and person != "eva" else set()) | ({MIAS} if person == "mia" else set())


def forbidden(person: str) -> list[str]:
    """Return what must stand in no answer to somebody."""
    seen = seen_by(person)
    connections = {MARKED[each].connection_id for each in seen}
    hidden = [mark for each in MARKED.values() if each.account_id not in seen for mark in each.marks]
    return hidden + [mark for each in ACCOUNTS if each not in connections for mark in (HOLDERS[each], str(each))]


def token_of(person: str) -> str:
    """Return the token in the login cookie of somebody."""
    return f"login-of-{person}"


def api_token_of(person: str) -> str:
    """Return a token of somebody for the API, which may read everything of theirs."""
    return text.complete(digest(person)[:32])


# A program that asks for access.
ASSISTANT = "clever-assistant"


def link_token_of(person: str) -> str:
    """Return the token in the link of a spreadsheet of somebody, which names every account there is."""
    return text.complete(digest(f"link of {person}")[:32])


def fill(database_url: str) -> None:
    """Fill a database with the team, its connections, and all that belongs to them."""
    migrate(database_url)
    with running() as bank:
        app = create_app(Config.from_env(environ_for(bank, database_url)))
        set_up(app)
    with app.app_context():
        ids = {name: _add_person(name, role) for name, role in PEOPLE.items()}
        for connection_id, account_ids in ACCOUNTS.items():
            _add_connection(connection_id, account_ids, ids["robin"])
        _consent(OWN, [MIAS], ids["mia"])
        uris = ("http://127.0.0.1/callback",)
        db.session.add(Assistant(client_id=ASSISTANT, name="Clever", redirect_uris=uris, created_at=clock.now()))
        _share(ids)
        _narrow_links()
        _add_attempts(ids)
        db.session.commit()
        for marked in MARKED.values():
            _add_payments(marked)
            _add_draft(marked, ids["robin"])
        _add_notes_and_packs(ids["robin"])
        _record_events(ids)
        _ask(ids)
        _end(ids)
        db.session.remove()
    let_go(app)


def _add_person(name: str, role: TeamRole) -> int:
    ends_at = clock.now() + timedelta(days=20) if role is TeamRole.GUEST else None
    may_export = name == "gus" or role is not TeamRole.GUEST
    terms = Terms(role=role, ends_at=ends_at, may_export=may_export)
    member = members.add(f"{name}@example.org", name.capitalize(), PASSWORD, terms)
    now, number = clock.now(), len(name) + member.id * 1000
    browser = Browser(
        id=number, member_id=member.id, token_hash=digest(name), user_agent="", created_at=now, last_seen_at=now
    )
    db.session.add(browser)
    db.session.flush()
    login = Login(
        id=number,
        token_hash=digest(token_of(name)),
        member_id=member.id,
        address="192.0.2.1",
        user_agent="Mozilla/5.0",
        created_at=now,
        last_seen_at=now,
        confirmed_at=now,
        browser_id=number,
    )
    factor = Factor(
        id=number, member_id=member.id, kind=FactorKind.PASSKEY, name="Key", created_at=now, activated_at=now
    )
    facts = {"browser": "", "address": "192.0.2.9"}
    # Old enough to stand as the same text on every page of a test.
    noticed_at = now - timedelta(days=3)
    notice = MemberNotice(
        id=number, member_id=member.id, kind=NoticeKind.NEW_BROWSER, facts=facts, created_at=noticed_at
    )
    # An address that nobody may call, so nothing leaves this machine.
    channel = NoticeChannel(
        id=number, member_id=member.id, kind=ChannelKind.WEBHOOK, topics=(NoticeTopic.CONNECTIONS,), created_at=now
    )
    db.session.add(channel)
    db.session.flush()
    channel.address, channel.secret = "https://10.0.0.1/hook", "whsec_" + "QUJD" * 8
    kind = NoticeKind.DOCTOR_ALL_GOOD
    db.session.add(MemberNotice(id=number + 500, member_id=member.id, kind=kind, facts={}, created_at=noticed_at))
    delivery = NoticeDelivery(
        id=number,
        channel_id=number,
        message_id=digest(name)[:32],
        items=(NoticeItem(NoticeKind.TEST, {}, now),),
        state=DeliveryState.DELIVERED,
        created_at=noticed_at,
        next_try_at=noticed_at,
    )
    db.session.add(delivery)
    token = _token(number, api_token_of(name), member.id, [each for each in TokenScope if each not in LINK_SCOPES])
    link = _token(number + 1, link_token_of(name), member.id, OF_SHEET)
    link.all_accounts = False
    db.session.add_all((login, factor, notice, token, link))
    db.session.commit()
    return member.id


def _token(number: int, token: str, member_id: int, scopes: Iterable[TokenScope]) -> ApiToken:
    now = clock.now()
    return ApiToken(
        id=number,
        token_hash=digest(token),
        prefix=token[: text.SHOWN],
        member_id=member_id,
        name="a program",
        scopes=tuple(scopes),
        all_accounts=True,
        networks=(),
        created_at=now,
        expires_at=now + timedelta(days=30),
    )


def number_of(person: str) -> int:
    """Return the id of the login, browser, factor and notice of somebody."""
    found = db.session.scalar(db.select(Login.id).where(Login.token_hash == digest(token_of(person))))
    assert found is not None
    return int(found)


def _add_connection(connection_id: int, account_ids: Iterable[int], holder_id: int) -> None:
    now = clock.now()
    row = Connection(
        id=connection_id,
        environment="local",
        granted_user_id=connection_id,
        granted_user_type="UserPerson",
        display_name=HOLDERS[connection_id],
        state_since=now,
        accounts_synced_at=now,
    )
    db.session.add(row)
    db.session.flush()
    db.session.add(ConnectionAbility(connection_id=connection_id, ability=Ability.DRAFTS, since=now))
    for account_id in account_ids:
        marked = MARKED[account_id]
        db.session.add(
            MonetaryAccount(
                id=account_id,
                connection_id=connection_id,
                monetary_account_id=marked.bunq_id,
                wrapper="MonetaryAccountBank",
                description=marked.name,
                iban=marked.iban,
                currency="EUR",
                balance=Decimal(marked.balance),
                status="ACTIVE",
                sub_status="NONE",
                raw={"description": marked.name},
            )
        )
    db.session.flush()
    _consent(connection_id, list(account_ids), holder_id)


def _consent(connection_id: int, account_ids: list[int], member_id: int) -> None:
    now = clock.now()
    consent = Consent(connection_id=connection_id, member_id=member_id, granted_at=now, state_since=now)
    db.session.add(consent)
    db.session.flush()
    consent.access_token = f"token-{connection_id}-{member_id}"
    for account_id in account_ids:
        db.session.add(ConsentAccount(consent_id=consent.id, account_id=account_id))
        db.session.add(AccountHolder(account_id=account_id, member_id=member_id, since=now))
    db.session.flush()


def _share(ids: dict[str, int]) -> None:
    """Robin shares the account that many read, and all others with Kim; Mia shares her own with Kim."""
    kim, robin, now = ids["kim"], ids["robin"], clock.now()
    wanted = [(marked.share_id, marked.account_id, kim, robin) for marked in MARKED.values()]
    wanted += [(MARKED[READ].share_id + 1 + number, READ, ids[name], robin) for number, name in enumerate(READERS)]
    wanted += [(MARKED[MIAS].share_id + 50, MIAS, kim, ids["mia"])]
    for share_id, account_id, reader, granter in wanted:
        db.session.add(
            AccountShare(id=share_id, account_id=account_id, member_id=reader, granted_by_id=granter, since=now)
        )


def _narrow_links() -> None:
    """Let the link of everybody name all accounts, as if they had seen them once."""
    for link in db.session.scalars(db.select(ApiToken).where(~ApiToken.all_accounts)):
        db.session.add_all(ApiTokenAccount(token_id=link.id, account_id=each) for each in MARKED)


def _add_attempts(ids: dict[str, int]) -> None:
    now = clock.now()
    for attempt_id, member in ((ATTEMPT_OF_ROBIN, "robin"), (ATTEMPT_OF_MIA, "mia")):
        attempt = ConsentAttempt(
            id=attempt_id,
            environment="local",
            member_id=ids[member],
            step=AttemptStep.WAITING,
            step_since=now,
            created_at=now,
            expires_at=now + timedelta(minutes=10),
            link_hash=digest(attempt_id),
        )
        db.session.add(attempt)
        db.session.flush()
        attempt.link_token = f"link-{attempt_id}"


def _add_payments(marked: Marked) -> None:
    row = history.account(marked.bunq_id)
    at = clock.now() - timedelta(days=3)
    times = {at: marked.balance, at + timedelta(days=1): "-1.00"}
    paid = [
        Paid(at=day, amount=amount, text=marked.text, name=marked.counterparty, iban=marked.counterparty_iban)
        for day, amount in times.items()
    ]
    history.store(row, paid, first_id=_FIRST_PAYMENT)


def _add_draft(marked: Marked, preparer_id: int) -> None:
    line = DraftLine(Decimal(marked.balance), marked.counterparty, "NL91ABNA0417164300", marked.text)
    draft = Instruction(
        id=marked.instruction_id,
        kind=InstructionKind.DRAFT,
        state=InstructionState.PREPARED,
        reference=f"BF{marked.instruction_id:010}",
        connection_id=marked.connection_id,
        account_id=marked.account_id,
        member_id=preparer_id,
        body=DraftBody((line,)),
        content_hash=marked.content_hash,
        amount=line.amount,
        created_at=clock.now() - timedelta(days=2),
        looks=0,
        result={},
    )
    db.session.add(draft)


def _add_notes_and_packs(holder_id: int) -> None:
    now = clock.now()
    for marked in MARKED.values():
        db.session.add(
            NoteSync(id=marked.payment_row_id, account_id=marked.account_id, synced_at=now + timedelta(hours=1))
        )
        db.session.flush()
        note = Note(
            payment_row_id=marked.payment_row_id,
            kind="attachment",
            note_id=marked.attachment_id,
            created_at=now,
            author="Somebody",
            text=marked.note,
            attachment_ids=[marked.attachment_id],
            raw={},
        )
        manifest = {"accounts": [{"name": marked.name, "iban": marked.iban}]}
        pack = Pack(key=digest(marked.name), member_id=holder_id, made_at=now, manifest=manifest)
        db.session.add_all((note, pack))
        db.session.flush()
        db.session.add(PackAccount(pack_key=pack.key, account_id=marked.account_id))
    db.session.commit()


def _record_events(ids: dict[str, int]) -> None:
    """Robin has exported every account, and Kim has looked at each."""
    with transaction():
        for marked in MARKED.values():
            trail.record(
                AuditKind.EXPORTED,
                actor_id=ids["robin"],
                subject=HOLDERS[marked.connection_id],
                connection_id=marked.connection_id,
                account_ids=[marked.account_id],
                rows=2,
                formats=["csv"],
                first_day="2026-01-01",
                last_day="2026-12-31",
            )
            trail.record(
                AuditKind.ACCOUNT_VIEWED, actor_id=ids["kim"], account_ids=[marked.account_id], day="2026-11-01"
            )


def _ask(ids: dict[str, int]) -> None:
    """Let Robin ask others for money on every account."""
    for connection_id in ACCOUNTS:
        asked.switch_on(connection_id)
    for marked in MARKED.values():
        asked.add(asked.Asked(marked.account_id, marked.connection_id, marked.text), ids["robin"])
    db.session.commit()


def _end(ids: dict[str, int]) -> None:
    """Add what is open: an invitation, a link for a password, half a login; let Eva's time be over, and remove Rex."""
    now = clock.now()
    later = now + resets.LIFETIME
    db.session.add(PasswordReset(member_id=ids["kim"], token_hash=digest(RESET_TOKEN), expires_at=later))
    db.session.add(PendingLogin(member_id=ids["kim"], token_hash=digest(PENDING_TOKEN), created_at=now))
    db.session.add(
        Invitation(
            id=INVITATION,
            token_hash=digest(INVITATION_TOKEN),
            label="Somebody",
            role=TeamRole.MEMBER,
            may_export=True,
            invited_by_id=ids["robin"],
            created_at=now,
            expires_at=now + timedelta(days=3),
        )
    )
    eva = db.update(TeamMember).where(TeamMember.id == ids["eva"])
    db.session.execute(eva.values(ends_at=now - timedelta(seconds=1)))
    db.session.commit()
    offboarding.remove(OPERATOR, ids["rex"])
