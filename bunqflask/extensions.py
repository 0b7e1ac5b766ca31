"""The Flask extensions, unbound: the database with its declarative base, and CSRF protection."""

import json
import logging

import msgspec
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import MetaData, Table
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """The base of every table; constraints are named so that SQLite can be migrated too."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


# At DEBUG these log secrets: the address of bunq's token endpoint with the client secret in it, the PKCE verifier.
for _name in ("urllib3.connectionpool", "authlib.integrations.base_client.sync_app"):
    logging.getLogger(_name).addFilter(lambda record: record.levelno > logging.DEBUG)


def _json(value: object) -> str:
    """Write a JSON column; text with lone surrogates, which bunq may send, needs the standard library."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(value)


# A failing statement is logged without its parameters: they hold names, amounts and hashes.
# A compiled statement takes about 100 kB. All pages have about a hundred; combinations of filters have several hundred.
_ENGINE_OPTIONS = {"json_serializer": _json, "hide_parameters": True, "query_cache_size": 100}
db = SQLAlchemy(model_class=Base, engine_options=_ENGINE_OPTIONS)


csrf = CSRFProtect()


def table_of(model: type[Base]) -> Table:
    """Return the table of a model, for queries that return plain rows."""
    table = model.__table__
    assert isinstance(table, Table)
    return table
