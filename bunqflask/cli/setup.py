"""`flask setup`: make this server known to bunq."""

from __future__ import annotations

import sys
from getpass import getpass
from pathlib import Path
from typing import Literal

import click
from flask import current_app
from flask.cli import with_appcontext

from bunqflask import config
from bunqflask.bunq import transport
from bunqflask.bunq.errors import BunqError, SecretRefused
from bunqflask.database.encryption import SecretUnreadable
from bunqflask.services.gateway import onboarding, psd2

ReadableFile = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


class _NotKnown(click.ClickException):
    exit_code = onboarding.NOT_KNOWN_STATUS


@click.command("setup")
@click.option(
    "--environment",
    type=click.Choice(["local", "sandbox", "production"]),
    help="Which bunq to set up against; the configured one if left out.",
)
@click.option("--new-installation", is_flag=True, help="Start over with a new key pair and installation.")
@click.option(
    "--new-sandbox-user",
    type=click.Choice(["person", "company"]),
    help="Make an invented bunq user and take its API key, if setup has none yet.",
)
@click.option("--psd2-certificate", type=ReadableFile, help="A licensed party's certificate (PEM).")
@click.option("--psd2-chain", type=ReadableFile, help="The certificates above it (PEM); itself if left out.")
@click.option("--psd2-key", type=ReadableFile, help="The certificate's private key (PEM, without a password).")
@click.option("--new-psd2-identity", metavar="NAME", help="Make a self-signed certificate for a sandbox.")
@with_appcontext
def setup_command(
    environment: str | None,
    new_installation: bool,
    new_sandbox_user: Literal["person", "company"] | None,
    psd2_certificate: Path | None,
    psd2_chain: Path | None,
    psd2_key: Path | None,
    new_psd2_identity: str | None,
) -> None:
    """Make this server known to bunq. Safe to run again: it does what is not done yet.

    The API key is taken from BUNQ_API_KEY, BUNQ_API_KEY_FILE or a hidden prompt, never from the command line.
    """
    try:
        if environment is not None and environment != current_app.config["BUNQ_ENVIRONMENT"]:
            _switch_environment(environment)
        if new_psd2_identity is not None:
            _check_new_identity(given_files=any((psd2_certificate, psd2_chain, psd2_key)))
        wishes = onboarding.Wishes(
            api_key=config.api_key(),
            ask_api_key=_ask_api_key,
            new_installation=new_installation,
            new_sandbox_user=new_sandbox_user,
            psd2=_identity(psd2_certificate, psd2_chain, psd2_key),
            new_psd2_identity=new_psd2_identity,
        )
        for done in onboarding.run(wishes):
            click.echo(f"{done.number}/{done.total}  {done.name:<16} {done.result}  ({done.took_s:.1f} s)", color=False)
    except onboarding.NotKnownToBunq as refused:
        raise _NotKnown(str(refused)) from refused
    except (onboarding.SetupRefused, psd2.CertificateUnusable, config.ConfigError) as refused:
        raise click.ClickException(str(refused)) from refused
    except SecretUnreadable as unreadable:
        raise click.ClickException(
            f"{unreadable}. Put the key that made this database back into ENCRYPTION_KEYS."
        ) from unreadable
    except SecretRefused as refused:
        raise click.ClickException(f"bunq refuses this server: {refused}. Run flask status.") from refused
    except BunqError as error:
        raise click.ClickException(
            f"bunq gave no usable answer{_through_proxy()}: {error}. "
            "What is done so far is kept; run setup again to go on."
        ) from error
    click.echo("Setup is complete.")


def _through_proxy() -> str:
    """Name the proxy that was asked, as the answer may be the proxy's own."""
    proxy = transport.proxy_for(current_app.config["BUNQ_API_URL"])
    return f" through the proxy {proxy}" if proxy else ""


def _switch_environment(environment: str) -> None:
    other = config.Config.from_env({**config.settings(), "BUNQ_ENVIRONMENT": environment})
    current_app.config.from_object(other)
    click.echo(
        f"Setting up {environment} at {other.BUNQ_API_URL}. To serve it, set BUNQ_ENVIRONMENT={environment} as well."
    )


def _ask_api_key() -> str:
    if not sys.stdin.isatty():
        return ""
    return getpass("bunq API key (not shown): ")


def _check_new_identity(*, given_files: bool) -> None:
    if given_files:
        raise click.UsageError("--new-psd2-identity makes its own certificate; leave the files out.")
    if current_app.config["BUNQ_ENVIRONMENT"] == "production":
        raise click.UsageError("bunq takes a self-signed certificate only in a sandbox.")


def _identity(certificate: Path | None, chain: Path | None, key: Path | None) -> psd2.Identity | None:
    if certificate is None and key is None and chain is None:
        return None
    if certificate is None or key is None:
        raise click.UsageError("--psd2-certificate and --psd2-key go together.")
    try:
        return psd2.read_identity(certificate.read_text(), chain.read_text() if chain else None, key.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise psd2.CertificateUnusable("Certificate, chain and key must be PEM files.") from error
