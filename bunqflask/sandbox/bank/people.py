"""The users of the simulated bank: persons, companies and payment service providers, and how bunq writes them.

https://doc.bunq.com/api-reference/user
"""

from __future__ import annotations

import hashlib
import secrets
import uuid

from bunqflask.sandbox.bank.clock import bunq_time
from bunqflask.sandbox.bank.store import Item, Json, Store
from bunqflask.sandbox.bank.wire import amount

# The roles of a PSD2 party; the common name of its certificate holds them.
PROVIDER_ROLES = ("PISP", "AISP", "CBPII")

PERSON, COMPANY, PROVIDER = "UserPerson", "UserCompany", "UserPaymentServiceProvider"

# An API key or any other credential must be used within this many seconds.
FIRST_USE_S = 3600

# A provider's first session lasts an hour, later ones 90 days.
PROVIDER_FIRST_SESSION_S, PROVIDER_SESSION_S = 3600, 7776000
WEEK_S = 604800

FIRST_NAMES = ("Anouk", "Bram", "Chaima", "Daan", "Esmée", "Finn", "Güler", "Hessel", "Ilse", "Joris", "Kaat", "Lars")
LAST_NAMES = ("Van Dijk", "Bakker", "Öztürk", "De Wit", "Jansen", "Mulder", "Smit", "Peeters", "Vos", "Hendriks")
TRADES = ("Bakery", "Bicycles", "Books", "Carpentry", "Coffee", "Design", "Gardens", "Printing", "Software", "Tea")


def stable_uuid(text: str) -> str:
    """Return the same UUID for the same text, so that seeded data never changes."""
    return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4))


def add_person(
    store: Store,
    first_name: str,
    last_name: str,
    *,
    user_id: int | None = None,
    email: str | None = None,
    phone: str | None = None,
    created: str | None = None,
) -> Item:
    """Add a person."""
    body = {
        "type": PERSON,
        "public_uuid": stable_uuid(f"user {user_id}") if user_id else str(uuid.uuid4()),
        "display_name": f"{first_name} {last_name}",
        "public_nick_name": first_name,
        "first_name": first_name,
        "last_name": last_name,
        "legal_name": f"{first_name} {last_name}",
        "country": "NL",
    }
    return _add(store, body, user_id=user_id, email=email, phone=phone, created=created)


def add_company(
    store: Store,
    name: str,
    *,
    director: str,
    user_id: int | None = None,
    email: str | None = None,
    phone: str | None = None,
    created: str | None = None,
) -> Item:
    """Add a company."""
    number = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10**8
    body = {
        "type": COMPANY,
        "public_uuid": stable_uuid(f"user {user_id}") if user_id else str(uuid.uuid4()),
        "display_name": name,
        "public_nick_name": name,
        "legal_name": name,
        "director": director,
        "chamber_of_commerce_number": f"{number:08d}",
        "country": "NL",
    }
    return _add(store, body, user_id=user_id, email=email, phone=phone, created=created)


def add_provider(store: Store, common_name: str, distinguished_name: str, key_fingerprint: str) -> Item:
    """Add a payment service provider, known by its certificate's key."""
    body = {
        "type": PROVIDER,
        "public_uuid": str(uuid.uuid4()),
        "display_name": common_name,
        "public_nick_name": common_name,
        "legal_name": common_name,
        "certificate_distinguished_name": distinguished_name,
        "roles": [role for role in PROVIDER_ROLES if role in common_name],
        "country": "NL",
    }
    return _add(store, body, name=key_fingerprint)


def add_random_person(store: Store) -> Item:
    """Add a person with an invented name, as `sandbox-user-person` does."""
    return add_person(store, secrets.choice(FIRST_NAMES), secrets.choice(LAST_NAMES))


def add_random_company(store: Store) -> Item:
    """Add a company with an invented name, as `sandbox-user-company` does."""
    owner, trade = secrets.choice(LAST_NAMES), secrets.choice(TRADES)
    return add_company(store, f"{owner} {trade} B.V.", director=f"{secrets.choice(FIRST_NAMES)} {owner}")


def _add(
    store: Store,
    body: Json,
    *,
    user_id: int | None = None,
    email: str | None = None,
    phone: str | None = None,
    created: str | None = None,
    name: str | None = None,
) -> Item:
    with store.transaction():
        user_id = store.next_id() if user_id is None else user_id
        body["email"] = email or f"test+{body['public_uuid']}@bunq.com"
        body["phone"] = phone or f"+316{10_000_000 + user_id % 90_000_000:08d}"
        return store.insert("user", body, item_id=user_id, name=name, created=created)


def by_id(store: Store, user_id: int) -> Item:
    """Return a user that is known to exist."""
    user = store.get("user", user_id)
    assert user is not None
    return user


def new_credential(store: Store, user: Item, kind: str, *, grant_id: int | None = None) -> Item:
    """Make a secret for a user: kind API_KEY, PSD2 or OAUTH. It dies unless used within an hour.

    That access tokens share the rule is an inference, not documented.
    """
    prefix = "sandbox_" if kind == "API_KEY" else ""
    expiry = store.clock.timestamp() + FIRST_USE_S
    body = {
        "type": kind,
        "status": "PENDING_FIRST_USE",
        "expiry": expiry,
        "permitted_ips": [],
        "permitted_device": None,
        "grant_id": grant_id,
        "sessions": 0,
    }
    return store.insert("credential", body, owner=user.id, name=prefix + secrets.token_hex(32))


def session_timeout(user: Item, switch_s: int, *, first_session: bool = False) -> int:
    """Return how long a session of this user lives, in seconds."""
    if user.body["type"] == PROVIDER and switch_s == WEEK_S:
        return PROVIDER_FIRST_SESSION_S if first_session else PROVIDER_SESSION_S
    own_s: int = user.body.get("session_timeout", switch_s)
    return min(switch_s, own_s)


def avatar(seed: str, *, style: str = "NONE") -> Json:
    """Return a made-up avatar; the address is shaped like bunq's and leads nowhere."""
    digest = hashlib.sha256(seed.encode()).hexdigest()
    return {
        "uuid": stable_uuid(f"avatar {seed}"),
        "image": [
            {
                "attachment_public_uuid": stable_uuid(f"image {seed}"),
                "height": 1024,
                "width": 1024,
                "content_type": "image/png",
                "urls": [
                    {
                        "type": "ORIGINAL",
                        "url": "https://bunq-triage-model-storage-public.s3.eu-central-1.amazonaws.com/"
                        f"bunq_file/File/content/{digest}.png",
                    }
                ],
            }
        ],
        "anchor_uuid": stable_uuid(f"anchor {seed}"),
        "style": style,
    }


def user_avatar(user: Item) -> Json:
    """Return the picture a user chose, or the made-up one."""
    chosen: Json | None = user.body.get("avatar")
    return chosen or avatar(user.body["public_uuid"])


def main_address(user: Item) -> Json:
    """Return the address of a user: the one he set, or the default."""
    said: Json | None = user.body.get("address_main")
    return said or {
        "street": "Naritaweg",
        "house_number": "131",
        "po_box": None,
        "postal_code": "1043 BS",
        "city": "Amsterdam",
        "country": "NL",
        "extra": None,
        "mailbox_name": None,
        "province": None,
    }


def pointers(user: Item) -> list[Json]:
    """Return a user's phone and e-mail; bunq repeats the value as the name."""
    return [
        {"type": "PHONE_NUMBER", "value": user.body["phone"], "name": user.body["phone"]},
        {"type": "EMAIL", "value": user.body["email"], "name": user.body["email"]},
    ]


def label(user: Item) -> Json:
    """Write a user as LabelUser."""
    return {
        "uuid": user.body["public_uuid"],
        "display_name": user.body["display_name"],
        "country": user.body["country"],
        "avatar": user_avatar(user),
        "public_nick_name": user.body["public_nick_name"],
        "type": "COMPANY" if user.body["type"] == COMPANY else "PERSON",
    }


def summary(user: Item, timeout_s: int) -> Json:
    """Write a user as it stands inside UserApiKey: under its type, with a few members only."""
    return {
        user.body["type"]: {
            "id": user.id,
            "display_name": user.body["display_name"],
            "public_nick_name": user.body["public_nick_name"],
            "avatar": user_avatar(user),
            "session_timeout": timeout_s,
        }
    }


def wire(user: Item, timeout_s: int) -> Json:
    """Write a user in full, under its type."""
    body = user.body
    shared = {
        "id": user.id,
        "created": user.created,
        "updated": user.updated,
        "status": "ACTIVE",
        "sub_status": "NONE",
        "public_uuid": body["public_uuid"],
        "display_name": body["display_name"],
        "public_nick_name": body["public_nick_name"],
        "alias": pointers(user),
        "avatar": user_avatar(user),
        "language": body.get("language", "en_US"),
        "region": body.get("region", "nl_NL"),
        "session_timeout": timeout_s,
    }
    if body["type"] == PROVIDER:
        return {PROVIDER: {**shared, "certificate_distinguished_name": body["certificate_distinguished_name"]}}
    address = main_address(user)
    shared |= {
        "daily_limit_without_confirmation_login": amount(body.get("daily_limit", 25000)),
        "notification_filters": [],
        "relations": [],
        "address_main": address,
        "address_postal": body.get("address_postal") or address,
        "address_shipping": None,
        "version_terms_of_service": "1.0",
        "tax_resident": body.get("tax_resident", _usual_tax(user)),
        "customer": {"id": user.id + 2, "billing_account_id": None, "invoice_notification_preference": "NONE"},
        "customer_limit": {"limit_card_debit_maestro": 5, "limit_card_debit_mastercard": 5},
        "billing_contract": [{"BillingContractSubscription": _contract(user)}],
    }
    return {body["type"]: shared | (_company_part(user) if body["type"] == COMPANY else _person_part(user))}


def _usual_tax(user: Item) -> list[Json]:
    return [{"id": user.id + 1, "country": "NL", "tax_number": "000000000", "status": "ACTIVE"}]


def _contract(user: Item) -> Json:
    return {
        "id": user.id + 3,
        "created": user.created,
        "updated": user.created,
        "contract_date_start": user.created[:10],
        "contract_date_end": None,
        "contract_version": 1,
        "subscription_type": "COMPANY_V1" if user.body["type"] == COMPANY else "PERSON_PREMIUM_V1",
        "status": "ACTIVE",
        "sub_status": "NONE",
    }


def _person_part(user: Item) -> Json:
    body = user.body
    return {
        "first_name": body["first_name"],
        "middle_name": "",
        "last_name": body["last_name"],
        "legal_name": body["legal_name"],
        "date_of_birth": "1990-04-14",
        "place_of_birth": "Amsterdam",
        "country_of_birth": "NL",
        "nationality": "NL",
        "all_nationality": ["NL"],
        "gender": body.get("gender", "UNKNOWN"),
    }


def _company_part(user: Item) -> Json:
    body = user.body
    director = {
        "uuid": stable_uuid(f"director {user.id}"),
        "display_name": body["director"],
        "country": "NL",
        "avatar": None,
        "public_nick_name": body["director"].split()[0],
        "type": "PERSON",
    }
    return {
        "name": body["legal_name"],
        "chamber_of_commerce_number": body["chamber_of_commerce_number"],
        "legal_form": "BV",
        "type_of_business_entity": "PRIVATE_LIMITED_COMPANY",
        "sector_of_industry": "ICT",
        "counter_bank_iban": None,
        "directors": [director],
        "ubo": [{"name": body["director"], "date_of_birth": "1985-03-02", "nationality": "NL"}],
        "country": "NL",
        "deny_reason": None,
    }


def now_text(store: Store) -> str:
    """Return the current time as bunq's timestamp."""
    return bunq_time(store.clock.now())
