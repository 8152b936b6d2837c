"""pg_dump: the rows of a table, and its definition with them; and back by psql and pg_restore."""

import shutil
import subprocess

from harness import Client, Mismatch, missing, same

if not (shutil.which("pg_dump") and shutil.which("psql")):
    missing("pg_dump")
VERSION = subprocess.run(["pg_dump", "--version"], capture_output=True, text=True).stdout.split()[2]

client = Client(
    "pg_dump",
    VERSION.split(".")[0],
    'pg_dump --data-only --table=t -d "{dsn}"',
    "host={host} port={port} dbname={database} user={user}",
    "host={host} port={port} dbname={database} user={user} password={password} sslmode=verify-full sslrootcert={root} "
    "channel_binding=require",
)


def run(program, *arguments, script=""):
    done = subprocess.run([program, "-d", client.dsn, *arguments], input=script, capture_output=True, text=True)
    if done.returncode:
        raise Mismatch(f"{program}: {done.stderr.strip()[-400:]}")
    return done.stdout


def psql(script):
    return run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", script=script)


@client.feature("connect")
def connect():
    statements, table = client.small("connect", 1)
    psql(";\n".join(statements) + ";")
    same("PostgreSQL database dump complete" in run("pg_dump", "--data-only", f"--table={table}"), True)


@client.feature("copy out")
def copy_out():
    statements, table, _ = client.typed("copy out")
    psql(";\n".join(statements) + ";")
    dump = run("pg_dump", "--data-only", f"--table={table}")
    same(len([line for line in dump.splitlines() if line[:2] in ("1\t", "2\t", "3\t")]), 3, "rows")
    psql(f"TRUNCATE {table};")
    psql(dump)
    same(psql(f"SELECT count(*), count(doc), max(price) FROM {table};"), "3|2|1.5000\n")
    inserts = run("pg_dump", "--data-only", "--inserts", "--rows-per-insert=2", f"--table={table}")
    psql(f"TRUNCATE {table};")
    psql(inserts)
    same(psql(f"SELECT count(*), count(doc), max(price) FROM {table};"), "3|2|1.5000\n", "as INSERTs")


@client.feature("catalog")
def catalog():
    statements, table, _ = client.typed("catalog")
    psql(";\n".join(statements) + ";")
    dump = run("pg_dump", "--schema-only", "--no-owner", "--no-privileges", f"--table={table}")
    same(
        f"CREATE TABLE public.{table} (" in dump and "price numeric(12,4)" in dump and "id bigint NOT NULL" in dump, True, dump
    )


client.main()
