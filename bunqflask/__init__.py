"""bunqflask: connects bunq accounts to a small team's own server."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from bunqflask.config import ROOT, Config, journal_stream


def create_app(config: Config | None = None) -> Flask:
    """Wire the parts together; decides nothing.

    :raises ConfigError: settings are missing or malformed.
    """
    # Imported here, so that importing `bunqflask.sandbox` does not load the app.
    from bunqflask import api, cli, mcp, web
    from bunqflask.database import encryption, engines, migrations
    from bunqflask.services.audit import log_lines

    config = config or Config.load()
    app = Flask(__name__, template_folder=str(ROOT / "templates"), instance_path=str(ROOT / "instance"))
    app.config.from_object(config)
    encryption.init_app(app, config.ENCRYPTION_KEYS)
    engines.init_app(app)
    log_lines.init_app(journal_stream())
    migrations.init_app(app)
    web.init_app(app, config)
    api.init_app(app)
    mcp.init_app(app)
    cli.init_app(app)
    if hops := config.TRUSTED_PROXY_HOPS:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops, x_prefix=hops)  # type: ignore[method-assign]
    return app
