"""Every setting of the app: read once from the environment and `.env`, typed, complete or refused.

The only module that reads the process environment.
"""

import base64
import ipaddress
import logging
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, cast
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from dotenv.parser import parse_stream
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from bunqflask import addresses

Environment = Literal["local", "sandbox", "production"]
TokenStyle = Literal["query", "form"]
SmtpSecurity = Literal["starttls", "tls", "none"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ROOT = Path(__file__).resolve().parent.parent
CALLBACK_PATH = "/oauth/callback"
KEY_BYTES = 32
_SECRET_NAMES = ("SECRET_KEY", "ENCRYPTION_KEYS", "DATABASE_URL", "BUNQ_API_KEY", "BUNQFLASK_TOKEN", "SMTP_PASSWORD")
_log = logging.getLogger(__name__)

# https://doc.bunq.com/basics/ names the hosts; the token endpoint is the one on the API host,
# with its parameters in the query string, which every working client uses.
_BUNQ_URLS: dict[str, dict[str, str]] = {
    "sandbox": {
        "api": "https://public-api.sandbox.bunq.com/v1/",
        "authorize": "https://oauth.sandbox.bunq.com/auth",
        "token": "https://api-oauth.sandbox.bunq.com/v1/token",
    },
    "production": {
        "api": "https://api.bunq.com/v1/",
        "authorize": "https://oauth.bunq.com/auth",
        "token": "https://api.oauth.bunq.com/v1/token",
    },
}
_SMTP_PORTS: dict[str, int] = {"starttls": 587, "tls": 465, "none": 25}
LOCAL_API_URL = "http://127.0.0.1:5001/v1/"
HOME_ZONE = "Europe/Amsterdam"


class ConfigError(Exception):
    """Settings are missing or malformed; the text names all of them at once."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of one app; upper case, so that Flask takes the object as it stands."""

    SECRET_KEY: str = field(repr=False)
    ENCRYPTION_KEYS: tuple[tuple[str, bytes], ...] = field(repr=False)
    DATABASE_URL: str = field(repr=False)
    PUBLIC_URL: str = "http://localhost:5000"
    TRUSTED_PROXY_HOPS: int = 0
    BUNQ_ENVIRONMENT: Environment = "local"
    BUNQ_API_URL: str = LOCAL_API_URL
    BUNQ_OAUTH_AUTHORIZE_URL: str = "http://127.0.0.1:5001/auth"
    BUNQ_OAUTH_TOKEN_URL: str = "http://127.0.0.1:5001/v1/token"  # noqa: S105 - an address, not a secret
    BUNQ_OAUTH_TOKEN_STYLE: TokenStyle = "query"  # noqa: S105 - a name, not a secret
    BUNQ_CALL_LIMITS: Literal["classic", "off"] = "classic"
    # where bunq's callbacks may come from; empty: from anywhere, as bunq says that its addresses may change
    BUNQ_CALLBACK_NETWORKS: tuple[Network, ...] = ()
    # whether browsers shall use https for all names below this site's as well
    HSTS_SUBDOMAINS: Literal["yes", "no"] = "yes"
    # the address, https: or mailto:, for people who found a vulnerability
    SECURITY_CONTACT: str = ""
    # in which days begin and end, on pages and in exports
    TIME_ZONE: ZoneInfo = field(default_factory=lambda: ZoneInfo(HOME_ZONE))
    # for how long events of the audit trail are kept
    AUDIT_DAYS: int = 400
    # how many calls a minute one token of the API can make
    API_CALLS_PER_MINUTE: int = 60
    # the mail server for notices; without a host there is no mail
    SMTP_HOST: str = ""
    SMTP_PORT: int = 587
    SMTP_SECURITY: SmtpSecurity = "starttls"
    SMTP_USER: str = ""
    SMTP_PASSWORD: str = field(default="", repr=False)
    MAIL_FROM: str = ""
    # networks with private addresses to which notices may be sent all the same, there also without TLS
    NOTICE_NETWORKS: tuple[Network, ...] = ()

    @property
    def SQLALCHEMY_DATABASE_URI(self) -> str:
        return self.DATABASE_URL

    @property
    def REDIRECT_URI(self) -> str:
        """Where bunq sends the consenting person back; compared letter for letter by bunq."""
        return self.PUBLIC_URL + CALLBACK_PATH

    @property
    def is_https(self) -> bool:
        return self.PUBLIC_URL.startswith("https://")

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the environment on top of the `.env` file that `ENV_FILE` names.

        :raises ConfigError: naming every missing or malformed setting at once.
        """
        given = settings(environ)
        config = cls.from_env(given)
        path = _env_file(given)
        if path is not None and path.exists() and path.stat().st_mode & stat.S_IROTH:
            # Said, and no more: whether other people have an account here, only they know.
            _log.warning("%s holds keys, and every user of this machine can read it: chmod o= %s", path, path)
        return config

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Build the configuration from plain names and texts.

        :raises ConfigError: naming every missing or malformed setting at once.
        """
        reader = _Reader(environ)
        values = _read_values(reader)
        if reader.problems:
            raise ConfigError("Settings to correct before starting: " + "; ".join(reader.problems))
        return cls(**values)


def settings(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return all settings as text: `.env` first, the process environment on top.

    :raises ConfigError: when the `.env` file has a line that cannot be read.
    """
    given = dict(os.environ if environ is None else environ)
    path = _env_file(given)
    return {**(_read_env_file(path) if path else {}), **given}


def api_key(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the bunq API key given for setup by `BUNQ_API_KEY` or `BUNQ_API_KEY_FILE`, if any.

    Apart from `Config`, because the serving app has no business holding it.

    :raises ConfigError: when the named file cannot be read.
    """
    reader = _Reader(settings(environ))
    key = reader.get("BUNQ_API_KEY")
    if reader.problems:
        raise ConfigError("; ".join(reader.problems))
    return key or None


def assistant_token(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the token given to `flask mcp` by `BUNQFLASK_TOKEN` or `BUNQFLASK_TOKEN_FILE`, if any.

    :raises ConfigError: when the named file cannot be read.
    """
    reader = _Reader(settings(environ))
    token = reader.get("BUNQFLASK_TOKEN")
    if reader.problems:
        raise ConfigError("; ".join(reader.problems))
    return token or None


def sudo_user() -> str:
    """Return the user of this machine who runs a command by sudo as another one; empty without sudo."""
    return os.getenv("SUDO_USER", "")


def journal_stream() -> str:
    """Return what systemd says of the journal that takes standard error; empty without one."""
    return os.getenv("JOURNAL_STREAM", "")


def _env_file(given: Mapping[str, str]) -> Path | None:
    path = given.get("ENV_FILE", str(ROOT / ".env"))
    return Path(path) if path else None


def _read_env_file(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        # Some editors begin a file with a mark of its encoding, which would become part of the first name.
        with path.open(encoding="utf-8-sig") as stream:
            bindings = list(parse_stream(stream))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({type(error).__name__})") from None
    broken = [binding.original.line for binding in bindings if binding.error]
    if broken:
        # The line itself may hold a secret: only its number is shown.
        raise ConfigError(f"{path} has a line that cannot be read: line {broken[0]}")
    return {binding.key: binding.value or "" for binding in bindings if binding.key}


class _Reader:
    """Reads settings one by one and collects what is wrong, so that all of it is reported at once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def get(self, name: str, default: str = "") -> str:
        value = self._environ.get(name, "")
        file_name = self._environ.get(f"{name}_FILE", "") if name in _SECRET_NAMES else ""
        if value and file_name:
            self.problems.append(f"{name} and {name}_FILE are both set; keep one")
        if file_name and not value:
            try:
                value = Path(file_name).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                self.problems.append(f"{name}_FILE cannot be read ({type(error).__name__})")
        return value.strip() or default

    def one_of(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self.get(name, default)
        if value not in choices:
            self.problems.append(f"{name} must be one of {', '.join(choices)}")
            return default
        return value

    def url(self, name: str, default: str) -> str:
        """Return an address without a slash at its end."""
        try:
            return addresses.plain(self.get(name, default))
        except addresses.NotPlain as error:
            self.problems.append(f"{name} must be a plain http(s) address such as {default}: {error}")
            return default


def _read_values(reader: _Reader) -> dict[str, Any]:
    environment = reader.one_of("BUNQ_ENVIRONMENT", ("local", "sandbox", "production"), "local")
    values: dict[str, Any] = {
        "SECRET_KEY": _secret_key(reader),
        "ENCRYPTION_KEYS": _encryption_keys(reader),
        "DATABASE_URL": _database_url(reader),
        "PUBLIC_URL": _public_url(reader),
        "TRUSTED_PROXY_HOPS": _proxy_hops(reader),
        "BUNQ_ENVIRONMENT": cast(Environment, environment),
        "BUNQ_OAUTH_TOKEN_STYLE": reader.one_of("BUNQ_OAUTH_TOKEN_STYLE", ("query", "form"), "query"),
        "BUNQ_CALL_LIMITS": reader.one_of("BUNQ_CALL_LIMITS", ("classic", "off"), "classic"),
        "BUNQ_CALLBACK_NETWORKS": _networks(reader, "BUNQ_CALLBACK_NETWORKS", reader.get("BUNQ_CALLBACK_NETWORKS")),
        "HSTS_SUBDOMAINS": reader.one_of("HSTS_SUBDOMAINS", ("yes", "no"), "yes"),
        "SECURITY_CONTACT": _security_contact(reader),
        "TIME_ZONE": _zone(reader),
        "AUDIT_DAYS": _audit_days(reader),
        "API_CALLS_PER_MINUTE": _calls_per_minute(reader),
        "NOTICE_NETWORKS": _networks(reader, "NOTICE_NETWORKS", reader.get("NOTICE_NETWORKS")),
        **_mail_server(reader),
        **_bunq_urls(reader, environment),
    }
    is_public = values["PUBLIC_URL"].startswith("https://")
    if is_public and environment == "local":
        _check_local_behind_https(reader, values)
    if environment == "production" and not is_public:
        reader.problems.append("PUBLIC_URL must be https in production")
    if environment == "production" or is_public:
        _check_strength(reader, values)
    return values


def _public_url(reader: _Reader) -> str:
    url = reader.url("PUBLIC_URL", "http://localhost:5000")
    if url.endswith(CALLBACK_PATH):
        reader.problems.append(f"PUBLIC_URL must be the address of the site, without {CALLBACK_PATH}")
    return url


def _secret_key(reader: _Reader) -> str:
    key = reader.get("SECRET_KEY")
    if not key:
        reader.problems.append("SECRET_KEY is missing")
    elif len(key) < 16:
        reader.problems.append("SECRET_KEY is too short (32 characters or more)")
    return key


def _encryption_keys(reader: _Reader) -> tuple[tuple[str, bytes], ...]:
    text = reader.get("ENCRYPTION_KEYS")
    if not text:
        reader.problems.append("ENCRYPTION_KEYS is missing")
        return ()
    keys: list[tuple[str, bytes]] = []
    for number, entry in enumerate((part.strip() for part in text.split(",")), start=1):
        key_id, colon, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError:
            key = b""
        if not colon or not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", key_id) or len(key) != KEY_BYTES:
            reader.problems.append(f"ENCRYPTION_KEYS entry {number} must be id:base64 of {KEY_BYTES} bytes")
            return ()
        keys.append((key_id, key))
    if len({key_id for key_id, _ in keys}) != len(keys):
        reader.problems.append("ENCRYPTION_KEYS names one id twice")
    return tuple(keys)


def _database_url(reader: _Reader) -> str:
    # A folder may have any name: signs that mean something in an address are written as such.
    default = URL.create("sqlite", database=str(ROOT / "instance" / "bunqflask.sqlite3"))
    text = reader.get("DATABASE_URL", default.render_as_string())
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        reader.problems.append("DATABASE_URL is not a database address")
        return text
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        reader.problems.append("DATABASE_URL must begin with sqlite:// or postgresql://")
    elif url.get_backend_name() == "sqlite" and "?" in text:
        reader.problems.append("DATABASE_URL has a question mark: write it as %3F where it is part of the path")
    return text


def _proxy_hops(reader: _Reader) -> int:
    text = reader.get("TRUSTED_PROXY_HOPS", "0")
    if not re.fullmatch(r"[0-9]", text):
        reader.problems.append("TRUSTED_PROXY_HOPS must be a number from 0 to 9")
        return 0
    return int(text)


def _audit_days(reader: _Reader) -> int:
    text = reader.get("AUDIT_DAYS", "400")
    # The database refuses to delete events of the last 30 days.
    if not re.fullmatch(r"[0-9]{2,5}", text, re.ASCII) or int(text) < 30:
        reader.problems.append("AUDIT_DAYS must be a number of days, 30 or more")
        return 400
    return int(text)


def _calls_per_minute(reader: _Reader) -> int:
    text = reader.get("API_CALLS_PER_MINUTE", "60")
    if not re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) or int(text) < 1:
        reader.problems.append("API_CALLS_PER_MINUTE must be a number of calls, from 1 to 999999")
        return 60
    return int(text)


def _mail_server(reader: _Reader) -> dict[str, Any]:
    """Return where notices are handed over as mail; a password never goes over a network unencrypted."""
    host, port = reader.get("SMTP_HOST"), reader.get("SMTP_PORT")
    security = reader.one_of("SMTP_SECURITY", tuple(_SMTP_PORTS), "starttls")
    if port and not (re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) and 0 < int(port) < 65536):
        reader.problems.append("SMTP_PORT must be a number from 1 to 65535")
        port = ""
    sender = reader.get("MAIL_FROM")
    if sender and not re.fullmatch(r"[^\s<>@\"]+@[^\s<>@\"]+", sender):
        reader.problems.append("MAIL_FROM must be an address such as bunqflask@example.org")
    if host and not sender:
        reader.problems.append("MAIL_FROM is missing: the address from which SMTP_HOST may send")
    if host and security == "none" and not addresses.is_loopback(host):
        reader.problems.append("SMTP_SECURITY=none is for a mail server on this machine only; use starttls or tls")
    user, password = reader.get("SMTP_USER"), reader.get("SMTP_PASSWORD")
    if bool(user) != bool(password):
        reader.problems.append("SMTP_USER and SMTP_PASSWORD belong together; set both or none")
    return {
        "SMTP_HOST": host,
        "SMTP_PORT": int(port or _SMTP_PORTS[security]),
        "SMTP_SECURITY": cast(SmtpSecurity, security),
        "SMTP_USER": user,
        "SMTP_PASSWORD": password,
        "MAIL_FROM": sender,
    }


def _networks(reader: _Reader, name: str, text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        reader.problems.append(f"{name} must be networks such as 185.40.108.0/22, with commas between")
        return ()


def _security_contact(reader: _Reader) -> str:
    text = reader.get("SECURITY_CONTACT")
    if text and not re.fullmatch(r"(https://|mailto:)[!-~]+", text):
        reader.problems.append("SECURITY_CONTACT must be an address such as mailto:security@example.org or https://…")
    return text


def _zone(reader: _Reader) -> ZoneInfo:
    try:
        return ZoneInfo(reader.get("TIME_ZONE", HOME_ZONE))
    except (KeyError, ValueError, OSError):
        reader.problems.append(f"TIME_ZONE must be the name of a time zone such as {HOME_ZONE}")
        return ZoneInfo(HOME_ZONE)


def _bunq_urls(reader: _Reader, environment: str) -> dict[str, str]:
    api = reader.url("BUNQ_API_URL", _BUNQ_URLS.get(environment, {}).get("api", LOCAL_API_URL))
    if api and not urlsplit(api).path.endswith("/v1"):
        reader.problems.append(f"BUNQ_API_URL must end in /v1/, as {LOCAL_API_URL} does")
    # The stand-in serves all three addresses on one port: naming its API address is enough.
    origin = urlunsplit((*urlsplit(api)[:2], "", "", ""))
    urls = _BUNQ_URLS.get(environment, {"authorize": origin + "/auth", "token": origin + "/v1/token"})
    return {
        "BUNQ_API_URL": api + "/",
        "BUNQ_OAUTH_AUTHORIZE_URL": reader.url("BUNQ_OAUTH_AUTHORIZE_URL", urls["authorize"]),
        "BUNQ_OAUTH_TOKEN_URL": reader.url("BUNQ_OAUTH_TOKEN_URL", urls["token"]),
    }


def _check_local_behind_https(reader: _Reader, values: dict[str, Any]) -> None:
    """Refuse the simulated bank at an https address, unless somebody asked for it by name and it is on this machine."""
    if not reader.get("BUNQ_ENVIRONMENT"):
        reader.problems.append(
            "BUNQ_ENVIRONMENT is missing, and PUBLIC_URL is https: set BUNQ_ENVIRONMENT=production for bunq itself, "
            "sandbox for bunq's sandbox, or local for the simulated bunq on this machine"
        )
    elif not addresses.is_loopback(urlsplit(values["BUNQ_API_URL"]).hostname):
        reader.problems.append(
            "BUNQ_ENVIRONMENT=local with an https PUBLIC_URL needs a BUNQ_API_URL on this machine, such as "
            f"{LOCAL_API_URL}; set BUNQ_ENVIRONMENT=production for bunq itself"
        )


def _check_strength(reader: _Reader, values: dict[str, Any]) -> None:
    """Refuse weak keys and unencrypted ways to bunq, in production and at every https address."""
    key = values["SECRET_KEY"]
    if key and (len(key) < 32 or len(set(key)) < 8):
        reader.problems.append("SECRET_KEY is too weak for an https site (32 random characters or more)")
    if any(len(set(raw)) < 8 for _, raw in values["ENCRYPTION_KEYS"]):
        reader.problems.append("ENCRYPTION_KEYS holds a weak key; make one from 32 random bytes")
    for name in ("BUNQ_API_URL", "BUNQ_OAUTH_AUTHORIZE_URL", "BUNQ_OAUTH_TOKEN_URL"):
        parts = urlsplit(values[name])
        if parts.scheme != "https" and not addresses.is_loopback(parts.hostname):
            reader.problems.append(f"{name} must be https, as this site is")
