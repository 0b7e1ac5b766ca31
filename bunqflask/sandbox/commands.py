"""The stand-in's commands: `flask --app bunqflask.sandbox reset` and `seed`."""

from __future__ import annotations

import click
from flask import Flask

from bunqflask.sandbox.bank import history, seed
from bunqflask.sandbox.bank.current import current


def init_app(app: Flask) -> None:
    """Add the commands."""

    @app.cli.command("reset")
    def reset() -> None:
        """Forget everything and start again with the seeded people."""
        seed.reset(current(), past=False)
        click.echo("The simulated bank is as new.")

    @app.cli.command("seed")
    @click.option("--payments", type=int, help="Also give an account a history of so many payments.")
    @click.option(
        "--account",
        "chosen",
        type=int,
        multiple=True,
        default=[history.JODIS_MAIN],
        show_default=True,
        help="Whose history it is; may be repeated for accounts of different users.",
    )
    @click.option("--seed", "number", type=int, default=0, show_default=True, help="Another number, another history.")
    def seed_command(payments: int | None, chosen: tuple[int, ...], number: int) -> None:
        """Add the seeded people if they are not there yet, and payments if asked for."""
        if payments is None:
            click.echo("Seeded." if seed.ensure(current()) else "Already seeded.")
            return
        try:
            orders = [history.Order(account=each, payments=payments, seed=number) for each in chosen]
            histories = history.make(current(), *orders)
        except ValueError as error:
            raise click.ClickException(str(error)) from None
        for made in histories:
            click.echo(f"{made.payments} payments on account {made.account}, {made.start[:10]} to {made.end[:10]}.")
