"""A database or a disk that stores nothing, and what a person reads about it."""

from __future__ import annotations

from bunqflask.database import storage
from bunqflask.database.storage import StorageFault
from bunqflask.i18n import gettext as _
from bunqflask.web.errors.problem import Problem, Way

_FAULTS = (StorageFault.FULL, StorageFault.READ_ONLY, StorageFault.BROKEN)


def refuses(error: Exception) -> bool:
    """Tell whether an error of the system or of a database means that nothing can be stored."""
    return storage.fault_of(error) in _FAULTS


def problem(error: Exception, reference: str, ways: list[Way]) -> Problem:
    """Say that it cannot, and why."""
    causes = {
        StorageFault.FULL: (_("Its disk is full."), _("Free up disk space on this server, and try again.")),
        StorageFault.READ_ONLY: (
            _("Its database or its disk is read-only."),
            _("Let the database take writes again. `flask --app wsgi status` tells what stands in the way."),
        ),
    }
    broken = (
        _("Something is wrong with its disk or its database."),
        _("Look at the disk of this server. Details are in the log."),
    )
    fault = storage.fault_of(error)
    happened, todo = causes.get(fault, broken) if fault is not None else broken
    return Problem(
        title=_("This server cannot store anything right now"),
        lead=_("Your data is safe. We couldn’t load or save this page."),
        happened=happened,
        todo=[todo],
        who=_("The person who runs this site"),
        reference=reference,
        status=503,
        ways=ways,
    )
