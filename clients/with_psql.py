"""psql, with the meta-commands that people type, and the variables that scripts read."""

import os
import shutil
import subprocess
import tempfile

from harness import TLS, Client, Mismatch, missing, mistakes, same

if not shutil.which("psql"):
    missing("psql")
VERSION = subprocess.run(["psql", "--version"], capture_output=True, text=True).stdout.split()[2]

client = Client(
    "psql",
    VERSION.split(".")[0],
    'psql "{dsn}"',
    "host={host} port={port} dbname={database} user={user}",
    "host={host} port={port} dbname={database} user={user} password={password} sslmode=verify-full sslrootcert={root} "
    "channel_binding=require",
)


def psql(script, stops=True, more=()):
    """Runs a script from standard input; gives what is printed on both sides. Each is a process, and so a session."""
    stop = ["-v", "ON_ERROR_STOP=1"] if stops else []
    done = subprocess.run(
        ["psql", "-X", "-q", "-A", "-t", *stop, *more, "-d", client.dsn], input=script, capture_output=True, text=True
    )
    if stops and done.returncode:
        raise Mismatch(f"psql: {done.stderr.strip()}")
    return done.stdout, done.stderr


def answer(script, **how):
    return psql(script, **how)[0].splitlines()


def make(statements):
    psql(";\n".join(statements) + ";")


@client.feature("connect")
def connect():
    out, err = psql("SELECT current_database();\n\\conninfo\n\\echo :SERVER_VERSION_NUM :ENCODING\n")
    same("zxq" in out and "You are connected to database" in out and "UTF8" in out, True, out + err)
    same(not TLS or "SSL connection" in out, True, "encrypted")


@client.feature("rows")
def rows():
    statements, table, expected = client.typed("rows")
    make(statements)
    got = answer(
        f"SET timezone = 'UTC';\nSELECT id, n, name, price, f, ok, day, seen, ts, raw, uid, tags, doc FROM {table} ORDER BY id;",
        more=["-P", "null=∅"],
    )
    same(
        got,
        [
            "1|10|O'Neil|1.5000|0.5|t|2024-02-29|2024-02-29 12:30:00.25|2024-02-29 12:30:00.25+00|\\x00ff27|"
            '00000000-0000-0000-0000-000000000001|{a,"b c",NULL}|{"a": [1, 2]}',
            "2|-2147483648||-99999999.9999|-1e+300|f|1969-12-31|1969-12-31 23:59:59.999999|1969-12-31 23:59:59.999999+00|\\x|"
            "ffffffff-ffff-ffff-ffff-ffffffffffff|{}|{}",
            "3" + "|∅" * 12,
        ],
    )
    same(answer(f"SELECT id, name FROM {table} WHERE id = 1 \\gset x_\n\\echo :x_id :x_name\n"), ["1 O'Neil"])
    same(answer(f"SELECT id, ok FROM {table} ORDER BY id \\gdesc\n"), ["id|bigint", "ok|boolean"])
    same(answer("SELECT 'row ' || g FROM generate_series(1, 3) AS s(g) \\g | tail -1\n"), ["row 3"])


@client.feature("params")
def params():
    statements, table = client.small("params", 9)
    make(statements)
    same(
        answer(
            f"\\set low 3\n\\set word 'name 5'\nSELECT id FROM {table} WHERE id > :low AND name = :'word' AND :\"col\" > 1;\n",
            more=["-v", "col=id"],
        ),
        ["5"],
    )
    same(
        answer(
            f"PREPARE p (bigint, text) AS SELECT id FROM {table} WHERE id < $1 AND name <> $2 ORDER BY id;\nEXECUTE p(4, 'name 2');\nDEALLOCATE p;\n"
        ),
        ["1", "3"],
    )


@client.feature("transactions")
def transactions():
    statements, table = client.small("transactions")
    make(statements)
    insert = lambda number: f"INSERT INTO {table} VALUES ({number}, 'x');\n"
    got = answer(f"BEGIN;\n{insert(1)}SELECT count(*) FROM {table};\nROLLBACK;\nSELECT count(*) FROM {table};\n")
    same(got, ["1", "0"], "a rollback")
    psql(f"\\set AUTOCOMMIT off\n{insert(2)}")
    psql(f"\\set ON_ERROR_ROLLBACK on\nBEGIN;\n{insert(3)}SELECT 1/0;\n{insert(4)}COMMIT;\n", stops=False)
    _, err = psql(f"BEGIN;\n{insert(5)}SELECT 1/0;\n{insert(6)}COMMIT;\n", stops=False)
    same("current transaction is aborted" in err, True, err)
    psql(f"{insert(7)}SELECT 1/0;\n", stops=False, more=["--single-transaction", "-v", "ON_ERROR_STOP=1"])
    same(answer(f"SELECT id FROM {table} ORDER BY id;"), ["3", "4"])


@client.feature("copy out")
def copy_out():
    statements, table = client.small("copy out", 3)
    make(statements)
    with tempfile.TemporaryDirectory() as folder:
        psql(f"\\copy (SELECT * FROM {table} ORDER BY id) TO '{folder}/rows.csv' WITH (FORMAT csv, HEADER)\n")
        with open(f"{folder}/rows.csv") as file:
            same(file.read(), "id,name\n1,name 1\n2,name 2\n3,name 3\n")
    same(
        answer(f"COPY (SELECT id, NULL FROM {table} ORDER BY id DESC) TO STDOUT;\n\\copy {table} TO STDOUT\n")[:3],
        ["3\t\\N", "2\t\\N", "1\t\\N"],
    )


@client.feature("copy in")
def copy_in():
    statements, table = client.small("copy in")
    make(statements)
    psql(f"COPY {table} FROM STDIN;\n1\ta\\tb\n2\t\\N\n\\.\nINSERT INTO {table} VALUES (3, 'after it');\n")
    psql(f"COPY {table} FROM STDIN;\nfour\t4\n\\.\n", stops=False)
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/rows.csv", "w") as file:
            file.write('name;id\n"five; 5";5\n')
        psql(f"\\copy {table} (name, id) FROM '{folder}/rows.csv' WITH (FORMAT csv, HEADER, DELIMITER ';')\n")
    same(answer(f"SELECT id, name FROM {table} ORDER BY id;"), ["1|a\tb", "2|", "3|after it", "5|five; 5"])


@client.feature("binary copy")
def binary_copy():
    statements, table, _ = client.typed("binary copy")
    make(statements)
    with tempfile.TemporaryDirectory() as folder:
        psql(
            f"\\copy {table} TO '{folder}/rows' WITH (FORMAT binary)\n\\copy {table} FROM '{folder}/rows' WITH (FORMAT binary)\n"
        )
        same(os.path.getsize(f"{folder}/rows") > 300, True, "size")
    columns = "id, n, name, note, price, f, ok, day, seen, ts, raw, uid, tags, doc"
    same(
        answer(f"SELECT count(*), count(n) FROM {table};\nSELECT count(*) FROM (SELECT DISTINCT {columns} FROM {table}) AS d;"),
        ["6|4", "3"],
    )


@client.feature("cursor")
def cursor():
    statements, table = client.small("cursor", 2500)
    make(statements)
    got = answer(
        f"BEGIN;\nDECLARE c SCROLL CURSOR FOR SELECT id FROM {table} ORDER BY id;\nFETCH 2 FROM c;\nMOVE FORWARD 100 IN c;\n"
        "FETCH PRIOR FROM c;\nFETCH LAST FROM c;\nCLOSE c;\nCOMMIT;\n"
    )
    same(got, ["1", "2", "101", "2500"])
    got = answer(f"\\set FETCH_COUNT 100\nSELECT id FROM {table} ORDER BY id;\n")
    same((len(got), got[-1]), (2500, "2500"), "FETCH_COUNT")


@client.feature("errors")
def errors():
    statements, table = client.small("errors", 1)
    make(statements)
    script = "".join(f"{sql};\n\\echo :SQLSTATE :ERROR\n" for _, sql in mistakes(table))
    same(
        answer(script + "SELECT 'afterwards';\n", stops=False), [f"{code} true" for code, _ in mistakes(table)] + ["afterwards"]
    )
    _, err = psql("SELECT id,\n  no_such_column\nFROM generate_series(1, 2) AS s(id);\n", stops=False)
    same("LINE 2:   no_such_column" in err, True, f"where it is: {err}")


@client.feature("bulk")
def bulk():
    statements, table = client.small("bulk")
    make(statements)
    lines = "".join(f"{i}\tn{i}\n" for i in range(1, 20001))
    psql(f"COPY {table} FROM STDIN;\n{lines}\\.\n")
    same(answer(f"SELECT count(*), sum(id), count(DISTINCT name) FROM {table};"), ["20000|200010000|20000"])


@client.feature("catalog")
def catalog():
    statements, table, _ = client.typed("catalog", rows=False)
    make(statements)
    described = answer(f"\\d {table}\n")
    same(
        described[:5],
        ["id|bigint||not null|", "n|integer|||", "name|character varying(20)|||", "note|text|||", "price|numeric(12,4)|||"],
    )
    same(
        described[8:14],
        [
            "seen|timestamp without time zone|||",
            "ts|timestamp with time zone|||",
            "raw|bytea|||",
            "uid|uuid|||",
            "tags|text[]|||",
            "doc|jsonb|||",
        ],
    )
    same([line.split("|")[:3] for line in answer(f"\\dt {table}\n")], [["public", table, "table"]])
    same(any(line.startswith("zxq|") for line in answer("\\l\n")), True, "\\l")
    commands = (
        "\\dn",
        "\\du",
        "\\dT",
        "\\df version",
        "\\di",
        "\\dv",
        "\\d",
        f"\\dt+ {table}",
        f"\\d+ {table}",
        "\\dp",
        "\\dx",
        "\\des",
    )
    psql("".join(f"{command}\n" for command in commands))


client.main()
