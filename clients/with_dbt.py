"""dbt-postgres: a project with a seed, models as views and tables, tests and documentation, built twice."""

import contextlib
import io
import json
import os
import tempfile
from decimal import Decimal
from importlib.metadata import version

from harness import HOST, PORT, TARGET, TLS, USER, Client, Mismatch, require, same

os.environ["DO_NOT_TRACK"] = "1"
_, _, psycopg = require("dbt.cli.main", "dbt.adapters.postgres", "psycopg")
from dbt.cli.main import dbtRunner

client = Client(
    "dbt-postgres",
    version("dbt-postgres"),
    "type: postgres, {dsn}, schema: public",
    'host: {host}, port: {port}, dbname: {database}, user: {user}, password: ""',
    "host: {host}, port: {port}, dbname: {database}, user: {user}, password: {password}, sslmode: verify-full, sslrootcert: {root}",
    over_tls=["connect"],
)
NAME = client.prefix
FILES = {
    "dbt_project.yml": "name: shop\nprofile: shop\nflags: {send_anonymous_usage_stats: false}\n"
    "seeds:\n  shop:\n    +column_types: {price: 'numeric(12,2)', sold: date}\n",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {" + client.call.format(dsn=client.dsn) + ", threads: 2}}}\n",
    f"seeds/{NAME}_sales.csv": "id,item,price,sold\n1,pear,1.50,2024-02-28\n2,plum,2.25,2024-02-29\n3,pear,1.75,2024-03-01\n4,fig,,2024-03-01\n",
    f"models/{NAME}_priced.sql": f"select id, item, price, sold from {{{{ ref('{NAME}_sales') }}}} where price is not null\n",
    f"models/{NAME}_items.sql": "{{ config(materialized='table') }}\n"
    f"select item, count(*) as sales, sum(price) as total, max(sold) as newest from {{{{ ref('{NAME}_priced') }}}} group by item\n",
    "models/schema.yml": f"""
models:
  - name: {NAME}_items
    description: what was sold
    columns:
      - {{name: item, data_tests: [not_null, unique, {{accepted_values: {{arguments: {{values: [pear, plum]}}}}}}]}}
  - name: {NAME}_priced
    columns:
      - {{name: item, data_tests: [{{relationships: {{arguments: {{to: "ref('{NAME}_items')", field: item}}}}}}]}}
""",
}
FOLDER = tempfile.TemporaryDirectory()
for path, text in FILES.items():
    os.makedirs(os.path.dirname(f"{FOLDER.name}/{path}"), exist_ok=True)
    with open(f"{FOLDER.name}/{path}", "w") as file:
        file.write(text)


def dbt(*arguments):
    """Runs dbt, which must succeed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        done = dbtRunner().invoke(
            [
                *arguments,
                "--project-dir",
                FOLDER.name,
                "--profiles-dir",
                FOLDER.name,
                "--log-path",
                f"{FOLDER.name}/logs",
                "--no-use-colors",
            ]
        )
    if not done.success:
        failed = [
            f"{r.node.name}: {r.message}"
            for r in getattr(done.result, "results", None) or []
            if str(r.status) in ("error", "fail")
        ]
        raise Mismatch(f"dbt {arguments[0]}: {done.exception or failed or out.getvalue()[-1500:]}")
    return out.getvalue()


def ask(sql):
    tls = f" password={TARGET['password']} sslmode=verify-full sslrootcert={TARGET['root']}" if TLS else ""
    with psycopg.connect(f"host={HOST} port={PORT} dbname=zxq user={USER}{tls}", autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else None


@client.feature("connect")
def connect():
    ask(f"DROP VIEW IF EXISTS {NAME}_priced CASCADE")
    for table in ("items", "sales"):
        ask(f"DROP TABLE IF EXISTS {NAME}_{table} CASCADE")
    same("Connection test: [OK connection ok]" in dbt("debug"), True)


@client.feature("bulk")
def bulk():
    dbt("seed")
    same(ask(f"SELECT count(*), sum(price), min(sold)::text FROM {NAME}_sales"), [(4, Decimal("5.50"), "2024-02-28")])


@client.feature("rows")
def rows():
    """Everything, tests too, and the models again: a new table takes the old one's name."""
    for command in ("build", "run"):
        dbt(command)
        same(
            ask(f"SELECT item, sales, total, newest::text FROM {NAME}_items ORDER BY item"),
            [("pear", 2, Decimal("3.25"), "2024-03-01"), ("plum", 1, Decimal("2.25"), "2024-02-29")],
        )


@client.feature("catalog")
def catalog():
    dbt("docs", "generate")
    with open(f"{FOLDER.name}/target/catalog.json") as file:
        nodes = json.load(file)["nodes"]
    found = {
        node["metadata"]["name"]: {column["name"]: column["type"] for column in node["columns"].values()}
        for node in nodes.values()
    }
    same(found[f"{NAME}_items"], {"item": "text", "sales": "bigint", "total": "numeric", "newest": "date"})
    same(found[f"{NAME}_sales"]["sold"], "date")


client.main()
