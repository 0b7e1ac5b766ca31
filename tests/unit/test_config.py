"""Settings are complete and well formed, or the app does not start; all that is wrong is named at once."""

import base64
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from bunqflask import config
from bunqflask.config import Config, ConfigError

KEY = base64.b64encode(bytes(range(32))).decode()
NEEDED = {"ENV_FILE": "", "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz", "ENCRYPTION_KEYS": f"k1:{KEY}"}
PRODUCTION = {**NEEDED, "BUNQ_ENVIRONMENT": "production", "PUBLIC_URL": "https://app.example"}


def problems(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as refused:
        Config.load(environ)
    return str(refused.value)


def test_only_two_settings_are_needed_and_the_rest_has_the_documented_defaults() -> None:
    read = Config.load(NEEDED)
    assert read.PUBLIC_URL == "http://localhost:5000"
    assert read.REDIRECT_URI == "http://localhost:5000/oauth/callback"
    assert read.DATABASE_URL.startswith("sqlite:///")
    assert read.DATABASE_URL.endswith("instance/bunqflask.sqlite3")
    assert read.BUNQ_ENVIRONMENT == "local"
    assert read.BUNQ_API_URL == "http://127.0.0.1:5001/v1/"
    assert read.BUNQ_OAUTH_TOKEN_STYLE == "query"
    assert read.TRUSTED_PROXY_HOPS == 0
    assert read.BUNQ_CALLBACK_NETWORKS == ()
    assert read.TIME_ZONE.key == "Europe/Amsterdam"


def test_everything_missing_and_malformed_is_named_at_once() -> None:
    told = problems(
        {
            "ENV_FILE": "",
            "PUBLIC_URL": "localhost",
            "TRUSTED_PROXY_HOPS": "many",
            "BUNQ_ENVIRONMENT": "staging",
            "BUNQ_OAUTH_TOKEN_STYLE": "body",
            "DATABASE_URL": "mysql://root@db/x",
            "BUNQ_API_URL": "ftp://bunq",
            "BUNQ_CALL_LIMITS": "none",
            "BUNQ_CALLBACK_NETWORKS": "185.40.108.0/22, bunq",
            "TIME_ZONE": "Europe/Utrecht",
            "HSTS_SUBDOMAINS": "perhaps",
            "SECURITY_CONTACT": "me@example.org",
        }
    )
    for name in (
        "SECRET_KEY",
        "ENCRYPTION_KEYS",
        "PUBLIC_URL",
        "TRUSTED_PROXY_HOPS",
        "BUNQ_ENVIRONMENT",
        "BUNQ_OAUTH_TOKEN_STYLE",
        "DATABASE_URL",
        "BUNQ_API_URL",
        "BUNQ_CALL_LIMITS",
        "BUNQ_CALLBACK_NETWORKS",
        "TIME_ZONE",
        "HSTS_SUBDOMAINS",
        "SECURITY_CONTACT",
    ):
        assert name in told


@pytest.mark.parametrize("name", ["SECRET_KEY", "ENCRYPTION_KEYS", "DATABASE_URL"])
def test_every_secret_can_come_from_a_file(name: str, tmp_path: Path) -> None:
    environ = {**NEEDED, "DATABASE_URL": "sqlite:///kept.sqlite3"}
    path = tmp_path / "secret"
    path.write_text(environ.pop(name) + "\n")
    assert getattr(Config.load({**environ, f"{name}_FILE": str(path)}), name) == getattr(
        Config.load({**environ, name: path.read_text().strip()}), name
    )


def test_the_api_key_can_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("sandbox_key\r\n")
    assert config.api_key({"ENV_FILE": "", "BUNQ_API_KEY_FILE": str(path)}) == "sandbox_key"
    assert config.api_key({"ENV_FILE": "", "BUNQ_API_KEY": "sandbox_key"}) == "sandbox_key"
    assert config.api_key({"ENV_FILE": ""}) is None


@pytest.mark.parametrize("name", ["SECRET_KEY", "ENCRYPTION_KEYS", "DATABASE_URL"])
def test_a_secret_given_twice_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("another value, which must not be told")
    told = problems({**NEEDED, "DATABASE_URL": "sqlite:///x", f"{name}_FILE": str(path)})
    assert f"{name} and {name}_FILE are both set" in told
    assert "another value" not in told


def test_a_secret_file_that_cannot_be_read_is_named_without_its_content(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"secret\xff\xfe")
    assert "SECRET_KEY_FILE cannot be read" in problems({**NEEDED, "SECRET_KEY": "", "SECRET_KEY_FILE": "/nowhere"})
    told = problems({**NEEDED, "SECRET_KEY": "", "SECRET_KEY_FILE": str(binary)})
    assert "SECRET_KEY_FILE cannot be read" in told
    assert "secret\\xff" not in told


@pytest.mark.parametrize(
    "url",
    [
        "localhost:5000",
        "//host",
        "http://",
        "http://host:99999",
        "http://[::1",
        "http://host/?next=1",
        "http://host/#top",
        "http://user:pw@host/",
        "http://:pw@host/",
        "http://host\n.evil.example/",
        "http://ho st/",
        "http://host\\@evil.example/",
        "javascript:alert(1)",
        "http://0.0.0.0:5000",
        "http://[::]:5000",
        "http://*:5000",
        "http://host:0",
        "http://127.1:5000",
        "http://[fe80::1%eth0]",
        "http://-host.example",
        "http://host..example",
        "http://münchen.example",
        "http://host/a//b",
        "http://host/a/../b",
        "http://host/%7Ea",
    ],
)
@pytest.mark.parametrize("name", ["PUBLIC_URL", "BUNQ_API_URL", "BUNQ_OAUTH_AUTHORIZE_URL", "BUNQ_OAUTH_TOKEN_URL"])
def test_a_malformed_address_is_refused_and_not_repeated(name: str, url: str) -> None:
    told = problems({**NEEDED, name: url})
    assert f"{name} must be a plain http(s) address" in told
    assert "pw" not in told
    assert "\n" not in told


@pytest.mark.parametrize("url", ["http://127.0.0.1:5001", "http://127.0.0.1:5001/v1/user"])
def test_an_api_address_without_its_version_is_refused_before_bunq_says_404(url: str) -> None:
    assert problems({**NEEDED, "BUNQ_API_URL": url}).count("BUNQ_API_URL must end in /v1/") == 1


@pytest.mark.parametrize(
    "keys",
    [
        "k1",
        "k1:",
        f":{KEY}",
        "k1:AAAA",
        "k1:not base64!",
        "k1:sleutël",
        f"k 1:{KEY}",
        f"k1:{KEY},",
        f"k1:{KEY},k1:{KEY}",
        f"k1:{KEY};k2:{KEY}",
    ],
)
def test_malformed_encryption_keys_are_refused_and_not_repeated(keys: str) -> None:
    told = problems({**NEEDED, "ENCRYPTION_KEYS": keys})
    assert "ENCRYPTION_KEYS" in told
    assert KEY not in told
    assert "sleut" not in told


def test_the_ring_of_keys_keeps_its_order() -> None:
    other = base64.b64encode(bytes(reversed(range(32)))).decode()
    read = Config.load({**NEEDED, "ENCRYPTION_KEYS": f"new:{other} , old:{KEY}"})
    assert [key_id for key_id, _ in read.ENCRYPTION_KEYS] == ["new", "old"]


def test_production_refuses_http_and_weak_keys() -> None:
    weak = base64.b64encode(b"a" * 32).decode()
    told = problems(
        {**PRODUCTION, "PUBLIC_URL": "http://app.example", "SECRET_KEY": "a" * 40, "ENCRYPTION_KEYS": f"k1:{weak}"}
    )
    assert "PUBLIC_URL must be https in production" in told
    assert "SECRET_KEY is too weak" in told
    assert "ENCRYPTION_KEYS holds a weak key" in told
    assert "must be https" in problems({**PRODUCTION, "BUNQ_API_URL": "http://api.example/v1/"})


@pytest.mark.parametrize("environment", ["local", "sandbox"])
def test_an_https_site_refuses_weak_keys_whatever_its_bank_is(environment: str) -> None:
    weak = base64.b64encode(b"a" * 32).decode()
    https = {**NEEDED, "BUNQ_ENVIRONMENT": environment, "PUBLIC_URL": "https://app.example"}
    told = problems({**https, "SECRET_KEY": "a" * 40, "ENCRYPTION_KEYS": f"k1:{weak}"})
    assert "SECRET_KEY is too weak" in told
    assert "ENCRYPTION_KEYS holds a weak key" in told


def test_an_https_site_never_gets_the_simulated_bank_because_a_setting_was_forgotten() -> None:
    told = problems({**NEEDED, "PUBLIC_URL": "https://app.example"})
    assert "BUNQ_ENVIRONMENT is missing" in told
    assert "BUNQ_ENVIRONMENT=production" in told


def test_the_simulated_bank_behind_an_https_tunnel_is_asked_for_by_name_and_on_this_machine() -> None:
    tunnel = {**NEEDED, "PUBLIC_URL": "https://me.tunnel.example", "BUNQ_ENVIRONMENT": "local"}
    assert Config.load(tunnel).BUNQ_API_URL == "http://127.0.0.1:5001/v1/"
    told = problems({**tunnel, "BUNQ_API_URL": "https://bank.example/v1/"})
    assert "needs a BUNQ_API_URL on this machine" in told
    # At home there may be another machine with it.
    lan = {**NEEDED, "PUBLIC_URL": "http://192.168.1.20:5000", "BUNQ_API_URL": "http://192.168.1.20:5001/v1/"}
    assert Config.load(lan).BUNQ_ENVIRONMENT == "local"


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_an_env_file_that_everybody_can_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warned: bool
) -> None:
    path = tmp_path / ".env"
    path.write_text(f"SECRET_KEY={NEEDED['SECRET_KEY']}\nENCRYPTION_KEYS=k1:{KEY}\n")
    path.chmod(mode)
    Config.load({"ENV_FILE": str(path)})
    assert (f"chmod o= {path}" in caplog.text) is warned
    assert KEY not in caplog.text


def test_production_and_sandbox_know_bunqs_addresses() -> None:
    read = Config.load(PRODUCTION)
    assert read.BUNQ_API_URL == "https://api.bunq.com/v1/"
    assert read.BUNQ_OAUTH_AUTHORIZE_URL == "https://oauth.bunq.com/auth"
    assert read.BUNQ_OAUTH_TOKEN_URL == "https://api.oauth.bunq.com/v1/token"
    assert read.is_https
    sandbox = Config.load({**NEEDED, "BUNQ_ENVIRONMENT": "sandbox"})
    assert sandbox.BUNQ_API_URL == "https://public-api.sandbox.bunq.com/v1/"
    assert sandbox.BUNQ_OAUTH_TOKEN_URL == "https://api-oauth.sandbox.bunq.com/v1/token"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://LocalHost:5200", "http://localhost:5200"),
        ("http://localhost:80/", "http://localhost"),
        ("http://localhost:443", "http://localhost:443"),
        ("HTTPS://App.Example:443/", "https://app.example"),
        ("https://app.example:", "https://app.example"),
        ("https://app.example:08443//", "https://app.example:8443"),
        ("https://app.example.", "https://app.example"),
        ("https://app.example/Bank/", "https://app.example/Bank"),
        ("http://[0:0:0::1]:5000", "http://[::1]:5000"),
        ("https://xn--mnchen-3ya.example", "https://xn--mnchen-3ya.example"),
    ],
)
def test_an_address_is_used_as_browsers_and_bunq_write_it(given: str, used: str) -> None:
    """Both compare it letter for letter: browsers in the origin of forms, bunq in the redirect."""
    read = Config.load(
        {**NEEDED, "BUNQ_ENVIRONMENT": "sandbox", "PUBLIC_URL": given, "BUNQ_API_URL": "https://b.example/v1"}
    )
    assert used == read.PUBLIC_URL
    assert used + "/oauth/callback" == read.REDIRECT_URI
    assert read.is_https is used.startswith("https")


def test_the_redirect_address_is_not_the_address_of_the_site() -> None:
    assert "without /oauth/callback" in problems({**PRODUCTION, "PUBLIC_URL": "https://app.example/oauth/callback/"})


@pytest.mark.parametrize("url", ["https://app.example/bank", "https://app.example/bank/"])
def test_a_public_url_below_a_path_makes_one_redirect_address(url: str) -> None:
    assert Config.load({**PRODUCTION, "PUBLIC_URL": url}).REDIRECT_URI == "https://app.example/bank/oauth/callback"


def test_the_process_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(
        f'\ufeffSECRET_KEY="from the file, long enough"\nENCRYPTION_KEYS=k1:{KEY}\n# comment\n'
        "export PUBLIC_URL='http://file.example'\n"
    )
    read = Config.load({"ENV_FILE": str(path), "PUBLIC_URL": "http://process.example"})
    assert read.SECRET_KEY == "from the file, long enough"
    assert read.PUBLIC_URL == "http://process.example"


def test_a_broken_env_file_gets_one_line_without_its_content(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text('SECRET_KEY=fine\nENCRYPTION_KEYS="k1:hush-hush\nPUBLIC_URL=x\n')
    told = problems({"ENV_FILE": str(path)})
    assert "line 2" in told
    assert "\n" not in told
    assert "hush" not in told
    path.write_bytes(b"SECRET_KEY=hush-\xff\n")
    told = problems({"ENV_FILE": str(path)})
    assert "cannot be read" in told
    assert "hush" not in told
    assert "cannot be read" in problems({"ENV_FILE": str(tmp_path)})


@pytest.mark.parametrize("name", ["100% a#b?c=d ë&;:@[x]", "100%25", "sqlite://"])
def test_the_database_is_in_its_folder_whatever_that_is_called(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "ROOT", tmp_path / name)
    url = make_url(Config.load(NEEDED).DATABASE_URL)
    assert url.database == str(tmp_path / name / "instance" / "bunqflask.sqlite3")
    assert not url.query


def test_a_path_that_would_be_cut_at_a_question_mark_is_refused() -> None:
    assert "%3F" in problems({**NEEDED, "DATABASE_URL": "sqlite:////srv/what?/x.sqlite3"})


def test_no_secret_is_in_the_repr_of_the_settings() -> None:
    shown = repr(Config.load({**NEEDED, "DATABASE_URL": "postgresql://app:hush-hush@db/bunq"}))
    assert "hush" not in shown
    assert NEEDED["SECRET_KEY"] not in shown
    assert repr(bytes(range(32))) not in shown


def test_a_malformed_database_address_is_refused_without_its_password() -> None:
    assert "hush" not in problems({**NEEDED, "DATABASE_URL": "postgresql//app:hush-hush@db"})
    assert "hush" not in problems({**NEEDED, "DATABASE_URL": "postgresql://app:hush-hush@db:port/x"})


MAIL = {"SMTP_HOST": "smtp.example.org", "MAIL_FROM": "bunqflask@example.org"}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"MAIL_FROM": ""}, "MAIL_FROM is missing"),
        ({"MAIL_FROM": "a@b\r\nBcc: c@d"}, "MAIL_FROM must be an address"),
        ({"SMTP_SECURITY": "none"}, "SMTP_SECURITY=none is for a mail server on this machine only"),
        ({"SMTP_SECURITY": "ssl"}, "SMTP_SECURITY must be one of starttls, tls, none"),
        ({"SMTP_PORT": "0"}, "SMTP_PORT must be a number"),
        ({"SMTP_PORT": "65536"}, "SMTP_PORT must be a number"),
        ({"SMTP_USER": "robin"}, "SMTP_USER and SMTP_PASSWORD belong together"),
        ({"SMTP_PASSWORD": "a password"}, "SMTP_USER and SMTP_PASSWORD belong together"),
        ({"NOTICE_NETWORKS": "192.168.1.1/24"}, "NOTICE_NETWORKS must be networks"),
    ],
)
def test_a_mail_server_that_cannot_be_used_safely_is_refused(given: dict[str, str], problem: str) -> None:
    said = problems({**NEEDED, **MAIL, **given})
    assert problem in said
    assert "a password" not in said


@pytest.mark.parametrize(
    ("given", "port"),
    [({}, 587), ({"SMTP_SECURITY": "tls"}, 465), ({"SMTP_PORT": "2525"}, 2525)],
)
def test_the_port_of_the_mail_server_follows_from_its_encryption(given: dict[str, str], port: int) -> None:
    assert port == Config.from_env({**NEEDED, **MAIL, **given}).SMTP_PORT
