"""asyncpg: everything in binary and prepared; it asks the server for the types of all parameters."""

import asyncio
import io
import uuid
from decimal import Decimal

from harness import COLUMNS, UTC, Client, mistakes, require, same

(asyncpg,) = require("asyncpg")

client = Client(
    "asyncpg",
    asyncpg.__version__,
    'asyncpg.connect("{dsn}")',
    "postgresql://{user}@{host}:{port}/{database}",
    "postgresql://{user}:{password}@{host}:{port}/{database}?sslmode=verify-full&sslrootcert={root}",
    globals(),
)
# Without a codec JSON is text there, as the server wrote it.
TEXT = {1: '{"a": [1, 2]}', 2: "{}", 3: None}


async def session(statements=()):
    connection = await client.connect()
    for statement in statements:
        await connection.execute(statement)
    return connection


async def ask(connection, sql, *parameters):
    return [tuple(row) for row in await connection.fetch(sql, *parameters)]


async def must_fail(code, coroutine):
    try:
        await coroutine
    except asyncpg.PostgresError as error:
        same(error.sqlstate, code, f"SQLSTATE of {error}")
    else:
        raise AssertionError(f"no error where {code} is due")


def with_text(rows):
    return [(*row[:-1], TEXT[row[0]]) for row in rows]


@client.feature("connect")
async def connect():
    connection = await session()
    same(
        await ask(connection, "SELECT current_user::text, current_database()::text"),
        [(client.dsn.split("//")[1].split("@")[0].split(":")[0], "zxq")],
    )
    same((connection.get_server_version().major >= 15, connection.get_settings().client_encoding.upper()), (True, "UTF8"))
    await connection.close()


@client.feature("rows")
async def rows():
    statements, table, expected = client.typed("rows")
    connection = await session(statements)
    same(await ask(connection, f"SELECT * FROM {table} ORDER BY id"), with_text(expected))
    statement = await connection.prepare(f"SELECT * FROM {table}")
    names = [
        "int8",
        "int4",
        "varchar",
        "text",
        "numeric",
        "float8",
        "bool",
        "date",
        "timestamp",
        "timestamptz",
        "bytea",
        "uuid",
        "text[]",
        "jsonb",
    ]
    same([a.type.name for a in statement.get_attributes()], names, "types")


@client.feature("params")
async def params():
    statements, table, expected = client.typed("params", rows=False)
    connection = await session(statements)
    places = ", ".join(f"${number + 1}" for number in range(len(COLUMNS)))
    await connection.executemany(f"INSERT INTO {table} VALUES ({places})", with_text(expected))
    for column in ("id", "n", "name", "price", "f", "ok", "day", "seen", "ts", "uid", "raw"):
        value = expected[0][list(COLUMNS).index(column)]
        same(await ask(connection, f"SELECT id FROM {table} WHERE {column} = $1", value), [(1,)], column)
    same(await ask(connection, f"SELECT id FROM {table} WHERE id = ANY($1) ORDER BY id LIMIT $2", [3, 2, 9], 5), [(2,), (3,)])
    same(await ask(connection, "SELECT $1::text IS NULL, $2 || 'x'", None, "it's"), [(True, "it'sx")])
    same(
        await ask(connection, "SELECT $1::int + 1, $2::numeric, $3::uuid", 41, Decimal("1.50"), uuid.UUID(int=5)),
        [(42, Decimal("1.50"), uuid.UUID(int=5))],
    )
    statement = await connection.prepare(f"SELECT name FROM {table} WHERE id = $1 AND ts > $2")
    same([p.name for p in statement.get_parameters()], ["int8", "timestamptz"])
    for number in (1, 2, 3, 1):
        same(await statement.fetchval(number, expected[1][9].replace(year=1970, tzinfo=UTC)), "O'Neil" if number == 1 else None)


@client.feature("transactions")
async def transactions():
    statements, table = client.small("transactions")
    beside, connection = await session(statements), await session()
    count = lambda c: c.fetchval(f"SELECT count(*) FROM {table}")
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(f"INSERT INTO {table} VALUES ($1, 'gone')", 1)
    same((await count(connection), await count(beside)), (1, 0), "before the rollback")
    await transaction.rollback()
    same(await count(connection), 0, "after it")
    async with connection.transaction():
        await connection.execute(f"INSERT INTO {table} VALUES (2, 'kept')")
        try:
            async with connection.transaction():
                await connection.execute(f"INSERT INTO {table} VALUES (3, 'undone')")
                await must_fail("22012", connection.execute("SELECT 1/0"))
                await must_fail("25P02", connection.fetch("SELECT 1"))
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    same(await ask(beside, f"SELECT id, name FROM {table}"), [(2, "kept")])
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        same(await count(connection), 1)
        await beside.execute(f"INSERT INTO {table} VALUES (4, 'later')")
        same(await count(connection), 1, "a snapshot")


@client.feature("copy out")
async def copy_out():
    statements, table = client.small("copy out", 3)
    connection = await session(statements)
    out = io.BytesIO()
    same(
        await connection.copy_from_query(
            f"SELECT id, name FROM {table} WHERE id > $1 ORDER BY id", 1, output=out, format="csv", header=True
        ),
        "COPY 2",
    )
    same(out.getvalue(), b"id,name\n2,name 2\n3,name 3\n")
    out = io.BytesIO()
    same(await connection.copy_from_table(table, output=out, columns=["name"], delimiter="|"), "COPY 3")
    same(sorted(out.getvalue().splitlines()), [b"name 1", b"name 2", b"name 3"])


@client.feature("copy in")
async def copy_in():
    statements, table = client.small("copy in")
    connection = await session(statements)
    same(
        await connection.copy_to_table(
            table, source=io.BytesIO(b'id;name\n1;"a;b"\n2;\n'), format="csv", header=True, delimiter=";"
        ),
        "COPY 2",
    )
    await must_fail("22P02", connection.copy_to_table(table, source=io.BytesIO(b"x\ty\n")))
    same(await ask(connection, f"SELECT id, name FROM {table} ORDER BY id"), [(1, "a;b"), (2, None)])


@client.feature("binary copy")
async def binary_copy():
    statements, table, expected = client.typed("binary copy", rows=False)
    connection = await session(statements)
    same(await connection.copy_records_to_table(table, records=with_text(expected)), "COPY 3")
    same(await ask(connection, f"SELECT * FROM {table} ORDER BY id"), with_text(expected))
    out = io.BytesIO()
    await connection.copy_from_table(table, output=out, format="binary")
    same(out.getvalue()[:11], b"PGCOPY\n\xff\r\n\0")
    await connection.execute(f"TRUNCATE {table}")
    await connection.copy_to_table(table, source=io.BytesIO(out.getvalue()), format="binary")
    same(await ask(connection, f"SELECT * FROM {table} ORDER BY id"), with_text(expected), "what went out, in again")


@client.feature("cursor")
async def cursor():
    statements, table = client.small("cursor", 5000)
    connection = await session(statements)
    async with connection.transaction():
        total = 0
        async for row in connection.cursor(f"SELECT id FROM {table} WHERE id > $1 ORDER BY id", 10, prefetch=700):
            total += row[0]
        same(total, sum(range(11, 5001)))
        steps = await connection.cursor(f"SELECT id FROM {table} ORDER BY id")
        same([r[0] for r in await steps.fetch(3)], [1, 2, 3])
        same(await steps.forward(10), 10)
        same((await steps.fetchrow())[0], 14)


@client.feature("pool")
async def pooled():
    async with asyncpg.create_pool(client.dsn, min_size=2, max_size=4) as source:
        same(sorted(await asyncio.gather(*(source.fetchval("SELECT $1::int + 1", i) for i in range(20)))), list(range(1, 21)))
        async with source.acquire() as connection:
            await connection.execute("SET application_name = 'pooled'")
        async with source.acquire() as connection:
            same(await connection.fetchval("SHOW application_name"), "", "after a reset")


@client.feature("errors")
async def errors():
    statements, table = client.small("errors", 1)
    connection = await session(statements)
    for code, sql in mistakes(table):
        await must_fail(code, connection.fetch(sql))
        await must_fail(code, connection.execute(sql))
    try:
        await connection.fetch("SELECT *\nFROM no_such_table")
    except asyncpg.UndefinedTableError as error:
        same((error.severity, error.position), ("ERROR", "15"), "where it is")
    same(await connection.fetchval("SELECT 1"), 1, "afterwards")


@client.feature("bulk")
async def bulk():
    statements, table = client.small("bulk")
    connection = await session(statements)
    await connection.executemany(f"INSERT INTO {table} VALUES ($1, $2)", [(i, f"n{i}") for i in range(1, 501)])
    await connection.copy_records_to_table(table, records=[(i, f"n{i}") for i in range(501, 20001)], columns=["id", "name"])
    same(
        await ask(connection, f"SELECT count(*), sum(id), count(DISTINCT name) FROM {table}"),
        [(20000, Decimal(200010000), 20000)],
    )


client.main()
