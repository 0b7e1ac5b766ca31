"""The app, where `flask --app wsgi` and every WSGI server look for it."""

import gc
import sys

# What is imported stays for the life of the process. Looking for circles among it would take a tenth of a start.
gc.disable()

from bunqflask import create_app, heap  # noqa: E402 - as said above
from bunqflask.config import ConfigError  # noqa: E402

heap.share_one()
try:
    app = create_app()
except ConfigError as error:
    # One clear line instead of a stack trace: whoever starts the app is the one who can correct it.
    print(error, file=sys.stderr)  # noqa: T201
    sys.exit(2)

# Without all that in the way, collecting garbage takes 1 ms, not 60.
gc.collect()
gc.freeze()
gc.enable()
