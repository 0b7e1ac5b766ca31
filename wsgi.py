"""The app, where `flask --app wsgi` and every WSGI server look for it."""

import gc
import sys

from bunqflask import create_app, heap
from bunqflask.config import ConfigError

heap.share_one()
try:
    app = create_app()
except ConfigError as error:
    # One clear line instead of a stack trace: whoever starts the app is the one who can correct it.
    print(error, file=sys.stderr)  # noqa: T201
    sys.exit(2)

# What was imported stays for the life of the process: without it in the way, collecting garbage takes 1 ms, not 60.
gc.collect()
gc.freeze()
