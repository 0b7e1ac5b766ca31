"""The one table from the kind of a failure to sentences: what happened, what to do, who can do it."""

from bunqflask.i18n import gettext as _


def trouble(kind: str) -> tuple[str, str, list[str], str, int]:
    """Return title, lead, what to do, who can do it, HTTP status, for a trouble that is tried again by itself."""
    admin = _("The person who runs this site")
    nobody = _("Nobody: it heals by itself")
    table: dict[str, tuple[str, str, list[str], str, int]] = {
        "unavailable": (
            _("bunq does not answer right now"),
            _("bunq is away or in maintenance. What is stored stays readable; we try again by ourselves."),
            [],
            nobody,
            503,
        ),
        "no_answer": (
            _("bunq does not answer right now"),
            _("We could not reach bunq. What is stored stays readable; we try again by ourselves."),
            [],
            nobody,
            503,
        ),
        "checking": (
            _("bunq refused us; we are finding out why"),
            _("It may be the permission, or this server's address. We ask bunq once more to know which."),
            [],
            nobody,
            503,
        ),
        "server_refused": (
            _("bunq does not accept this server’s address or key"),
            _("Your accounts and payments are safe and still readable here. New ones wait until this is solved."),
            [
                _(
                    "In the bunq app, open Profile › Security & Settings › Developers › API keys and allow the "
                    "address of this server; or make a new key and run setup again. Nobody needs to approve again."
                )
            ],
            admin,
            503,
        ),
        "installation_refused": (
            _("bunq no longer knows this server"),
            _("Your accounts and payments are safe and still readable here. New ones wait until this is solved."),
            [_("Run setup with --new-installation on the server. Nobody needs to approve again.")],
            admin,
            503,
        ),
        "not_trusted": (
            _("We did not trust bunq’s answer"),
            _("It did not carry bunq's valid signature, so nothing of it was stored. We try again by ourselves."),
            [_("If it stays so, run setup on the server: it says what to do.")],
            admin,
            502,
        ),
        "not_understood": (
            _("We did not understand bunq’s answer"),
            _("Nothing of it was stored. We try again by ourselves."),
            [],
            admin,
            502,
        ),
        "refused": (
            _("bunq refused what we asked"),
            _("What is stored stays readable. We try again by ourselves."),
            [],
            admin,
            502,
        ),
        "not_listed": (
            _("bunq does not list payments of this account"),
            _("Not every kind of account has payments that we may read. What is stored stays readable; we ask again."),
            [],
            nobody,
            502,
        ),
        "not_set_up": (
            _("This server is not set up with bunq yet"),
            _("What is stored stays readable."),
            [_("Run setup on the server.")],
            admin,
            503,
        ),
    }
    return table.get(kind, table["refused"])


def failure(kind: str) -> tuple[str, str, str, int]:
    """Return title, what happened, who can do something, HTTP status, for an attempt that ended in failure."""
    holder, admin, you = (
        _("The account holder, by approving once more"),
        _("The person who runs this site, with the reference below"),
        _("You, by starting again"),
    )
    spent = _("Something went wrong after you approved")
    table: dict[str, tuple[str, str, str, int]] = {
        "no_code": (_("bunq sent no approval along"), _("bunq sent you back without an approval."), you, 400),
        "bunq_error": (
            _("bunq could not complete the approval"),
            _("bunq sent you back with an error instead of an approval."),
            you,
            502,
        ),
        "code_refused": (
            spent,
            _("bunq did not accept its own approval: it was used already, or it is too old."),
            holder,
            400,
        ),
        "client_refused": (
            spent,
            _("bunq does not know this site by the name and secret it was set up with. Setup has to be run again."),
            admin,
            502,
        ),
        "waiting": (spent, _("bunq had no time for us, and the approval works only once."), holder, 503),
        "unavailable": (spent, _("bunq was away just when we used the approval, which works once."), holder, 503),
        "no_answer": (
            spent,
            _("bunq did not answer in time when we used the approval, which works once."),
            holder,
            504,
        ),
        "not_understood": (spent, _("bunq answered something that is not a permission."), admin, 502),
        "interrupted": (spent, _("This server was interrupted just when it used the approval."), holder, 500),
        "given_up": (
            spent,
            _("bunq did not let us fetch the accounts for an hour, so the permission is erased here."),
            holder,
            503,
        ),
        "secret_refused": (
            spent,
            _("bunq refused the permission it had just given. Perhaps it was withdrawn in the bunq app."),
            holder,
            502,
        ),
        "refused": (spent, _("bunq refused to show the accounts of this permission."), holder, 502),
    }
    return table.get(kind, (spent, _("The approval could not be used."), holder, 502))
