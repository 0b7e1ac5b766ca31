"""Sample payments that generated histories are made of.

Every name is invented. Some are hostile on purpose: markup, letters that run from right to left, quotes, great length.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import accumulate

from bunqflask.sandbox.bank import accounts


@dataclass(frozen=True)
class Kind:
    """A kind of payment: cents from `low` to `high`, below zero when the account pays, and who is on the other side.

    `others` are pairs of what the ledger remembers of the other side, as JSON, and a description for `fill`. A kind
    that happens every so often has a `weight`; amounts are whole multiples of `step` above `low`.
    """

    weight: int
    type: str
    sub_type: str
    low: int
    high: int
    others: tuple[tuple[str, str], ...]
    step: int = 1


def party(name: str, account_number: int | str | None = None, **more: str) -> str:
    """Return another party: a merchant without account, an IBAN, or the number of a Dutch account."""
    iban = accounts.iban_for(account_number, "ABNA") if isinstance(account_number, int) else account_number
    return json.dumps({"iban": iban, "name": name, **more}, ensure_ascii=False)


def _shop(name: str, mcc: str, place: str, country: str = "NL") -> tuple[str, str]:
    return party(name, mcc=mcc, country=country), f"{name} {place}, {country}"


GROCER, CAFE, RAIL, WEB, FUEL, BANKING = "5411", "5814", "4111", "5999", "5541", "6012"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
LONG = "Coöperatieve Vereniging tot Behoud van het Oude Ambacht der Rietdekkers, Mandenvlechters en Klompenmakers " * 3

# The number of the owner's own account at another bank.
ELSEWHERE = 417_164_311
BANK_ITSELF = party("bunq", accounts.iban_for(2_090_000_001))

SALARY = Kind(
    0, "EBA_SCT", "SCT", 3_050_00, 3_450_00, ((party("Noorderlicht Software B.V.", 417_164_401), "Salary {month}"),)
)
RENT = Kind(
    0, "EBA_SCT", "SCT", -1_085_00, -1_085_00, ((party("Woningstichting De Brug", 417_164_402), "Rent {month}"),)
)
INSURANCE = Kind(
    0,
    "EBA_SDD",
    "SDD",
    -148_75,
    -136_20,
    ((party("Zorg & Zeker Onderlinge", 417_164_403), "Premium {month}, policy {n}"),),
)
ENERGY = Kind(
    0, "EBA_SDD", "SDD", -162_00, -88_00, ((party("Getij Energie", 417_164_404), "Instalment {month}, customer {n}"),)
)
TELEPHONE = Kind(0, "EBA_SDD", "SDD", -42_50, -19_00, ((party("Belklok Mobiel", 417_164_405), "Invoice {n}, {month}"),))
GYM = Kind(
    0, "EBA_SDD", "SDD", -29_99, -29_99, ((party("Sportzaal Zwaluw", "BE68539007547034"), "Membership {month}"),)
)
FEE = Kind(0, "BUNQ", "BILLING", -3_99, -3_99, ((BANK_ITSELF, "Monthly fee {month}"),))
INTEREST = Kind(0, "INTEREST", "PAYMENT", 12, 9_85, ((BANK_ITSELF, "Interest {month}"),))
TO_SAVINGS = Kind(0, "BUNQ", "PAYMENT", 50_00, 300_00, (), step=10_00)

# What happens on which day of the month.
MONTHLY = {
    1: (RENT, INTEREST),
    3: (INSURANCE,),
    5: (ENERGY,),
    9: (GYM,),
    14: (FEE,),
    20: (TELEPHONE,),
    25: (SALARY,),
    26: (TO_SAVINGS,),
}

GROCERIES = Kind(
    30,
    "MASTERCARD",
    "PAYMENT",
    -48_00,
    -1_89,
    (
        _shop("Kruidenier De Halm", GROCER, "Utrecht"),
        _shop("Kruidenier De Halm", GROCER, "Amsterdam"),
        _shop("Bakkerij Müller & Zoon", GROCER, "Amersfoort"),
        _shop("Groente en Fruit Öztürk", GROCER, "Utrecht"),
        _shop("Käsehaus Grüße", GROCER, "Kleve", "DE"),
    ),
)
OUT = Kind(
    26,
    "MASTERCARD",
    "PAYMENT",
    -28_50,
    -2_60,
    (
        _shop("Café 't Hoekje ☕", CAFE, "Utrecht"),
        _shop("Ramen 屋 Tanuki 🍜", CAFE, "Rotterdam"),
        _shop("مخبز الياسمين", CAFE, "Den Haag"),
        _shop("Пельменная «Мишка»", CAFE, "Amsterdam"),
        _shop("Frituur 🍟 Ça va", CAFE, "Gent", "BE"),
        _shop(f"Pannenkoekenhuis {FAMILY}", CAFE, "Bunnik"),
    ),
)
TRAVEL = Kind(
    14,
    "MASTERCARD",
    "PAYMENT",
    -31_40,
    -1_12,
    (
        _shop("Spoorlijn Oost", RAIL, "Utrecht"),
        _shop("Stadsbus", RAIL, "Amsterdam"),
        _shop("Tankstation A27", FUEL, "Bilthoven"),
    ),
)
ONLINE = Kind(
    9,
    "IDEAL",
    "PAYMENT",
    -89_95,
    -7_95,
    (
        (party("Boekhandel Het Lezend Paard", 417_164_501), "Order {n} 📚"),
        (party("Fietsenwinkel 🚲 Ketting & Kroon", 417_164_502), "Order {n}, inner tubes"),
        (party("De Bloemist 🌷", 417_164_503), "Bouquet {n}"),
    ),
)
FOREIGN = Kind(
    5,
    "MASTERCARD",
    "PAYMENT",
    -74_00,
    -2_10,
    (
        (party("Fish & Chips by the Pier", mcc=CAFE, country="GB"), "Fish & Chips by the Pier Whitby, GB {GBP}"),
        (party("Kawaii Store 東京", mcc=WEB, country="JP"), "Kawaii Store 東京 Tokyo, JP {JPY}"),
        (party("Smørrebrød Ærlig", mcc=CAFE, country="DK"), "Smørrebrød Ærlig København, DK {DKK}"),
        (party("Bagels on Bleecker", mcc=CAFE, country="US"), "Bagels on Bleecker New York, US {USD}"),
    ),
)
WITHDRAWAL = Kind(
    2,
    "MASTERCARD",
    "WITHDRAWAL",
    -80_00,
    -20_00,
    ((party("Cash machine Neude", mcc=BANKING, country="NL"), "Withdrawal Utrecht, NL"),),
    step=10_00,
)
FRIENDS = Kind(
    7,
    "EBA_SCT",
    "SCT",
    -45_00,
    -4_00,
    (
        (party("Jürgen Groß", "DE89370400440532013000"), "Danke für den schönen Abend 🍻"),
        (party("Zoë van der Heĳden-Ångström", 417_164_601), "Cinema 🎬"),
        (party("נועה לוי", 417_164_602), "מתנה ליום הולדת 🎂"),
        (party("Aïssatou N'Diaye", "LU280019400644750000"), "Cadeau d'anniversaire"),
    ),
)
PAID_BACK = Kind(
    4,
    "EBA_SCT",
    "SCT",
    3_50,
    38_00,
    (
        (party("S. Okafor", 417_164_603), "Your share, thanks! 🙏"),
        (party("Zoë van der Heĳden-Ångström", 417_164_601), ""),
    ),
)
REFUND = Kind(3, "MASTERCARD", "REVERSAL", 1, 1, ())
HOSTILE = Kind(
    2,
    "EBA_SCT",
    "SCT",
    -9_99,
    -1_00,
    (
        (party('<script>alert("1")</script>', 417_164_701), "</textarea><img src=x onerror=alert(1)> & \\ / '"),
        (party("\u202egnihtoN fo knaB\u202c", 417_164_702), "\u202eright to left\u202c \u200b{{ 7 * 7 }} %s ${x}"),
        (
            party("Robert'); DROP TABLE ledger_entry;--", 417_164_703),
            '=HYPERLINK("http://example.org")\tand\nnew lines\r\n',
        ),
        (party(LONG.strip(), 417_164_704), ("Contributie " * 11).strip()),
        (party("Z̸̢͝a̵͊l̶̅g̵̈o̶͝ 🏳️‍🌈", 417_164_705), ""),
    ),
)
CLIENT = Kind(
    0,
    "EBA_SCT",
    "SCT",
    240_00,
    1_900_00,
    (
        (party("Ateliers Lumière SARL", "FR1420041010050500013M02606"), "Facture {n}"),
        (party("Drukkerij Van Dĳk", 417_164_406), "Invoice {n}"),
    ),
)

# Where the cards of a history may pay.
CARD_COUNTRIES = ("NL", "BE", "DE", "GB", "JP", "DK", "US")

EVERYDAY = (GROCERIES, OUT, TRAVEL, ONLINE, FOREIGN, WITHDRAWAL, FRIENDS, PAID_BACK, REFUND, HOSTILE)
EVERYDAY_WEIGHTS = tuple(accumulate(kind.weight for kind in EVERYDAY))
PURCHASES = (GROCERIES, OUT, TRAVEL)

# Units of a currency for one euro, and its decimals.
RATES = {"GBP": (0.8461, 2), "JPY": (161.37, 0), "DKK": (7.4594, 2), "USD": (1.0832, 2)}
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def fill(text: str, cents: int, number: int, month: str) -> str:
    """Fill in a description: {n} a number, {month} the month, {GBP} and its like the amount in that currency."""
    text = text.replace("{n}", str(number)).replace("{month}", month)
    for currency, (rate, decimals) in RATES.items():
        if f"{{{currency}}}" in text:
            paid = f"{abs(cents) / 100 * rate:.{decimals}f} {currency}, 1 EUR = {rate} {currency}"
            return text.replace(f"{{{currency}}}", paid)
    return text
