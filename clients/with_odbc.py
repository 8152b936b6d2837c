"""psqlODBC by pyodbc: typed rows and parameters, its catalog functions, its cursors in steps."""

import glob
from decimal import Decimal

from harness import USER, Client, DbApi, missing, mistakes, must_fail, require, same

(pyodbc,) = require("pyodbc")
DRIVERS = glob.glob("/usr/lib/*/odbc/psqlodbcw.so")
if not DRIVERS:
    missing("psqlodbcw.so (odbc-postgresql)")

client = Client(
    "psqlODBC",
    "pyodbc " + pyodbc.version,
    'pyodbc.connect("{dsn}")',
    "Driver=psqlodbcw.so;Servername={host};Port={port};Database={database};Username={user};BoolsAsChar=0",
    "Driver=psqlodbcw.so;Servername={host};Port={port};Database={database};Username={user};Password={password};"
    "SSLmode=verify-full;pqopt={{sslrootcert={root} channel_binding=require}};BoolsAsChar=0",
)
TYPED = ("id", "n", "name", "note", "price", "f", "ok", "day", "seen")
sqlstate = lambda error: error.args[0]


def opened(autocommit, more=""):
    return pyodbc.connect(client.dsn.replace("psqlodbcw.so", DRIVERS[0]) + more, autocommit=autocommit, timeout=10)


driver = DbApi(client, opened, sqlstate)
session, ask = driver.session, driver.ask


@client.feature("connect")
def connect():
    connection, cursor = session()
    same(connection.getinfo(pyodbc.SQL_DBMS_NAME), "PostgreSQL")
    same(ask(cursor, "SELECT current_user, current_database()"), [(USER, "zxq")])


@client.feature("rows")
def rows():
    statements, table, expected = client.typed("rows", TYPED)
    _, cursor = session(statements)
    same(ask(cursor, f"SELECT * FROM {table} ORDER BY id"), expected)
    kinds = {column[0]: (column[1], column[4], column[5]) for column in cursor.description}
    same((kinds["price"], kinds["ok"][0], kinds["id"][0]), ((Decimal, 12, 4), bool, int))


@client.feature("params")
def params():
    statements, table, expected = client.typed("params", TYPED, rows=False)
    for more in ("", ";UseServerSidePrepare=0"):
        _, cursor = session(statements, more=more)
        cursor.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", expected)
        for column, value in zip(TYPED, expected[0]):
            if column not in ("note",):
                same(ask(cursor, f"SELECT id FROM {table} WHERE {column} = ?", value), [(1,)], f"{column} {more}")
        same(ask(cursor, f"SELECT count(*) FROM {table} WHERE id > ? AND id <= ?", 1, 3), [(2,)])


@client.feature("transactions")
def transactions():
    # The driver puts savepoints around statements: a mistake does not end the transaction.
    connection, cursor, beside, table = driver.transactions(savepoints=False)
    cursor.execute(f"INSERT INTO {table} VALUES (3, 'kept too')")
    must_fail("22012", lambda: cursor.execute("SELECT 1/0"), sqlstate)
    connection.commit()
    same(ask(beside, f"SELECT count(*) FROM {table}"), [(2,)], "after a mistake")


@client.feature("cursor")
def cursor():
    statements, table = client.small("cursor", 5000)
    _, cursor = session(statements, autocommit=False, more=";UseDeclareFetch=1;Fetch=300")
    cursor.commit()
    cursor.execute(f"SELECT id FROM {table} WHERE id > ? ORDER BY id", 10)
    total = 0
    while part := cursor.fetchmany(700):
        total += sum(row[0] for row in part)
    same(total, sum(range(11, 5001)))


@client.feature("errors")
def errors():
    statements, table = client.small("errors", 1)
    _, cursor = session(statements)
    for code, sql in mistakes(table):
        must_fail(code, lambda: cursor.execute(sql), sqlstate)
    same(ask(cursor, "SELECT 1"), [(1,)], "afterwards")


@client.feature("bulk")
def bulk():
    statements, table = client.small("bulk")
    connection, cursor = session(statements, autocommit=False)
    cursor.fast_executemany = True
    cursor.executemany(f"INSERT INTO {table} VALUES (?, ?)", [(i, f"n{i}") for i in range(1, 501)])
    connection.commit()
    same(ask(cursor, f"SELECT count(*), sum(id), count(DISTINCT name) FROM {table}"), [(500, Decimal(125250), 500)])


@client.feature("catalog")
def catalog():
    statements, table, _ = client.typed("catalog", TYPED)
    _, cursor = session(statements)
    same([(r.table_schem, r.table_name, r.table_type) for r in cursor.tables(table=table)], [("public", table, "TABLE")])
    same(
        [(r.column_name, r.type_name, r.nullable) for r in cursor.columns(table=table)],
        [
            ("id", "int8", 0),
            ("n", "int4", 1),
            ("name", "varchar", 1),
            ("note", "text", 1),
            ("price", "numeric", 1),
            ("f", "float8", 1),
            ("ok", "bool", 1),
            ("day", "date", 1),
            ("seen", "timestamp", 1),
        ],
    )
    same(
        [(r.column_name, r.column_size, r.decimal_digits) for r in cursor.columns(table=table, column="pr%")],
        [("price", 12, 4)],
    )
    same(([r.column_name for r in cursor.primaryKeys(table)], [r[0] for r in cursor.foreignKeys(table)]), ([], []))
    same(len(cursor.getTypeInfo().fetchall()) > 10, True, "types")


client.main()
