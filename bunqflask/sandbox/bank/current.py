"""The bank of the app that answers the current request."""

from flask import current_app

from bunqflask.sandbox.bank.bank import Bank


def current() -> Bank:
    """Return the bank."""
    bank: Bank = current_app.extensions["bank"]
    return bank
