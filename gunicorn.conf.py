"""How gunicorn serves the app; it reads this file by itself from the folder in which it is started."""

import gc
import re
from datetime import timedelta
from typing import Any

from gunicorn.glogging import Logger

worker_class = "gthread"
workers = 2
threads = 8
# Seconds. Pages that wait ask every two: a connection that closed between would break one of their requests, or a
# proxy's. Proxies have to close theirs before (docs/how-to/serve.md).
keepalive = 75
control_socket_disable = True
# Scheme, host and path come from PUBLIC_URL; a visitor's header "SCRIPT_NAME" that a proxy passes on is not believed.
forwarder_headers = ""

# A page makes thousands of objects and drops nearly all of them at its end. Python looks for circles among them after
# each 700, which takes a tenth of the page's time; this often is enough.
_OBJECTS_BETWEEN_COLLECTIONS = 10_000

# What follows in such an address is a secret: a one-time link, the address of bunq's callbacks, a spreadsheet's token.
_SECRET = re.compile(r"(/(?:c|bunq/hook|bunq/ping|welcome|password|sheets|calendars)/)[^/]+")


class WithoutSecrets(Logger):  # type: ignore[misc] # gunicorn has no types
    """Writes an access log, if one is asked for, in which addresses have no query and no secret."""

    def atoms(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> dict[str, Any]:
        """Return what a format of the access log may name."""
        path = _SECRET.sub(r"\1***", environ.get("PATH_INFO", ""))
        shown = {**environ, "RAW_URI": path, "PATH_INFO": path, "QUERY_STRING": "", "HTTP_REFERER": "-"}
        found: dict[str, Any] = super().atoms(resp, [], shown, request_time)
        return found


logger_class = WithoutSecrets


def post_fork(_server: Any, _worker: Any) -> None:
    """Look for circles less often, and not among what the app was imported with: it stays, and is shared memory."""
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
