"""pgcli: typed lines as somebody would, and the catalog queries by which it completes names."""

import os
import subprocess
import sys
import tempfile

from harness import Client, require, same

pgcli, pgexecute, pgspecial, psycopg = require("pgcli", "pgcli.pgexecute", "pgspecial.main", "psycopg")

client = Client(
    "pgcli",
    pgcli.__version__,
    'pgcli "{dsn}"',
    "postgresql://{user}@{host}:{port}/{database}",
    "postgresql://{user}:{password}@{host}:{port}/{database}?sslmode=verify-full&sslrootcert={root}&channel_binding=require",
    over_tls=["connect"],
)


def make(statements):
    with psycopg.connect(client.dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def typed(lines):
    """What it prints for these lines; its settings and history are not this user's."""
    with tempfile.TemporaryDirectory() as home:
        variables = os.environ | {"HOME": home, "XDG_CONFIG_HOME": home, "PAGER": "cat", "TERM": "dumb"}
        program = os.path.join(os.path.dirname(sys.executable), "pgcli")
        done = subprocess.run([program, "-w", client.dsn], input=lines + "\\q\n", env=variables, capture_output=True, text=True)
    return done.stdout + done.stderr


@client.feature("connect")
def connect():
    out = typed("SELECT 40 + 2 AS answer;\n")
    same("| 42     |" in out and "SELECT 1" in out, True, out)


@client.feature("rows")
def rows():
    statements, table, _ = client.typed("rows")
    make(statements)
    out = typed(f"SELECT * FROM {table} ORDER BY id;\nSELECT 1/0;\nSELECT count(*) FROM {table};\n")
    same(
        "O'Neil" in out and "-99999999.9999" in out and "SELECT 3" in out and "division by zero" in out and "| 3     |" in out,
        True,
        out,
    )


@client.feature("catalog")
def catalog():
    """What it asks in the background as soon as it is connected."""
    statements, table, columns = client.typed("catalog")
    view = f"{table}_view"
    make([f"DROP VIEW IF EXISTS {view}", *statements, f"CREATE VIEW {view} AS SELECT id FROM {table}"])
    asks = pgexecute.PGExecute(dsn=client.dsn)
    same(("public" in asks.search_path(), "public" in asks.schemata(), "zxq" in asks.databases()), (True, True, True))
    same((("public", table) in list(asks.tables()), ("public", view) in list(asks.views())), (True, True))
    found = [(column[2], column[3]) for column in asks.table_columns() if column[1] == table]
    same((len(found), found[0], found[4][0]), (14, ("id", "bigint"), "price"))
    same(any(column[1] == view for column in asks.view_columns()), True, "columns of a view")
    for question in (asks.functions, asks.datatypes, asks.foreignkeys, asks.casing):
        list(question())
    same(asks.get_timezone() != "", True, "time zone")
    special = pgspecial.PGSpecial()
    for command in ("\\d", "\\dt", "\\dn", "\\du", "\\l", "\\dv", "\\df", "\\dT", f"\\d {table}"):
        for _, answer, _, status, _, success, _ in asks.run(command, special):
            same(success is not False, True, f"{command}: {status}")
    make([f"DROP VIEW {view}"])


client.main()
