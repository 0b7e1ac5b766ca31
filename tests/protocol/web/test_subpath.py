"""A site below a path of its host: whatever a page leads to, or asks for again, is below it too."""

import re
from collections import defaultdict

from bunqflask import create_app
from bunqflask.config import Config
from bunqflask.extensions import db
from bunqflask.models import Instruction, InstructionState
from tests.protocol.web.test_access_matrix import Matrix, cells, ids_for, let_rows_be_recent
from tests.support import team_of_rights as team
from tests.support.apps import bare_environ, let_go
from tests.support.databases import SqliteDatabases

ADDRESS = re.compile(r'\s(href|src|action|formaction|hx-get|hx-post)="(/[^"]*)"')


def test_each_address_on_each_page_is_below_the_path_of_the_site(sqlite_databases: SqliteDatabases) -> None:
    url = sqlite_databases.copy(team.fill)
    environ = bare_environ(url) | {"BUNQ_ENVIRONMENT": "local", "PUBLIC_URL": "http://localhost/money"}
    app = create_app(Config.from_env(environ))
    found: dict[str, set[str]] = defaultdict(set)
    with app.app_context():
        let_rows_be_recent()
        on_its_way = {"state": InstructionState.UNKNOWN, "ended_at": None, "cancel_asked_at": None}
        db.session.execute(db.update(Instruction).values(on_its_way))
        db.session.commit()
        matrix = Matrix(app, sqlite_databases, url)
        for route, aim, status in cells(matrix, "olga"):
            if route.method == "GET" and status < 300:
                answer = matrix.ask("olga", route, ids_for("olga", aim))
                if answer.mimetype == "text/html":
                    for kind, address in ADDRESS.findall(answer.text):
                        found[kind].add(f"{route.endpoint} {address}")
    let_go(app)
    sqlite_databases.forget(url)
    assert [each for kind in found.values() for each in sorted(kind) if " /money" not in each] == []
    asks_again = {each.split()[0] for each in found["hx-get"]}
    assert asks_again > {"requests.show", "links.show", "collections.show", "collections.person", "transfers.show"}
    assert asks_again > {"cards.show", "payments.index"}
