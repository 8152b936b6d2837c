"""pgbench: its own tables and scripts of ours, in every protocol that it has."""

import glob
import shutil
import subprocess
import tempfile

from harness import Client, Mismatch, missing, same

PGBENCH = shutil.which("pgbench") or max(glob.glob("/usr/lib/postgresql/*/bin/pgbench"), default=None)
if not PGBENCH:
    missing("pgbench")
VERSION = subprocess.run([PGBENCH, "--version"], capture_output=True, text=True).stdout.split()[2]

client = Client(
    "pgbench",
    VERSION.split(".")[0],
    'pgbench "{dsn}"',
    "host={host} port={port} dbname={database} user={user}",
    "host={host} port={port} dbname={database} user={user} password={password} sslmode=verify-full sslrootcert={root} "
    "channel_binding=require",
    # Its own tables have one name, also where one server is asked in both ways at once.
    over_tls=["connect", "params", "transactions"],
)


def pgbench(*arguments):
    done = subprocess.run([PGBENCH, *arguments, client.dsn], capture_output=True, text=True)
    if done.returncode or "aborted" in done.stderr:
        raise Mismatch(f"pgbench: {done.stderr.strip()[-400:]}")
    return done.stdout + done.stderr


def run(script, *arguments):
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        return pgbench("-n", "-f", file.name, *arguments)


def psql(sql):
    done = subprocess.run(
        ["psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", client.dsn, "-c", sql], capture_output=True, text=True
    )
    if done.returncode:
        raise Mismatch(done.stderr)
    return done.stdout.strip()


def all_done(out, number):
    same(
        f"number of transactions actually processed: {number}/{number}" in out and "number of failed transactions: 0" in out,
        True,
        out,
    )


@client.feature("connect")
def connect():
    all_done(run("SELECT 1;\n", "-C", "-c", "2", "-t", "5"), 10)


@client.feature("params")
def params():
    statements, table = client.small("params", 1000)
    for statement in statements:
        psql(statement)
    script = f"\\set k random(1, 1000)\nSELECT id, name FROM {table} WHERE id = :k;\n"
    for mode in ("simple", "extended", "prepared"):
        all_done(run(script, "-M", mode, "-c", "4", "-j", "2", "-t", "25"), 100)
    all_done(
        run(f"SELECT count(*) AS n FROM {table} WHERE id > 900 \\gset\nSELECT 1 / (:n - 99);\n", "-M", "prepared", "-t", "10"),
        10,
    )


@client.feature("transactions")
def transactions():
    statements, table = client.small("transactions")
    for statement in statements:
        psql(statement)
    script = (
        f"\\set k random(1, 1000)\nBEGIN;\nINSERT INTO {table} VALUES (:k, 'kept');\nSELECT count(*) FROM {table} WHERE id = :k;\n"
        f"COMMIT;\nBEGIN;\nINSERT INTO {table} VALUES (:k, 'gone');\nROLLBACK;\n"
    )
    for mode in ("simple", "extended", "prepared"):
        all_done(run(script, "-M", mode, "-c", "2", "-t", "10"), 20)
    pipelined = f"\\startpipeline\nINSERT INTO {table} VALUES (1, 'piped');\nSELECT 1;\n\\endpipeline\n"
    all_done(run(pipelined, "-M", "prepared", "-t", "10"), 10)
    same(psql(f"SELECT name, count(*) FROM {table} GROUP BY name ORDER BY name"), "kept|60\npiped|10")


@client.feature("bulk")
def bulk():
    """pgbench's own tables, without its keys and its vacuum; then its read-only script."""
    pgbench("-i", "-I", "dtg", "-s", "1", "-q")
    same(psql("SELECT count(*), min(aid), max(aid) FROM pgbench_accounts"), "100000|1|100000")
    all_done(pgbench("-n", "-S", "-M", "prepared", "-c", "2", "-t", "10"), 20)
    psql("DROP TABLE pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers")


client.main()
