"""What this site writes at bunq: what is switched on, drafts, requests, links, transfers, and cards."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the area's views."""
    from bunqflask.web.instructions import (
        abilities,
        cards,
        collections,
        draft_files,
        draft_forms,
        drafts,
        links,
        pay,
        requests,
        transfers,
    )

    app.register_blueprint(pay.bp)
    app.register_blueprint(abilities.bp)
    app.register_blueprint(drafts.bp)
    app.register_blueprint(draft_forms.bp)
    app.register_blueprint(draft_files.bp)
    app.register_blueprint(requests.bp)
    app.register_blueprint(links.bp)
    app.register_blueprint(collections.bp)
    app.register_blueprint(transfers.bp)
    app.register_blueprint(cards.bp)
