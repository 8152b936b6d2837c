"""SQLAlchemy 2 over psycopg 3 and psycopg2: tables made and reflected, the ORM, its pool; and what Superset asks its dialect for."""

import datetime as dt
from decimal import Decimal

from harness import MOMENT, UTC, Client, mistakes, must_fail, require, same

sqlalchemy, _, _, _ = require("sqlalchemy", "sqlalchemy.orm", "psycopg", "psycopg2")
from sqlalchemy import BigInteger, MetaData, Numeric, String, Table, func, insert, inspect, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

client = Client(
    "SQLAlchemy",
    sqlalchemy.__version__,
    'sqlalchemy.create_engine("{dsn}")',
    "postgresql+psycopg://{user}@{host}:{port}/{database}",
    "postgresql+psycopg://{user}:{password}@{host}:{port}/{database}?sslmode=verify-full&sslrootcert={root}&channel_binding=require",
    globals(),
    over_tls=["connect", "rows", "pool"],
)
sqlstate = lambda error: getattr(error.orig, "sqlstate", None) or error.orig.pgcode


def engines():
    """One for each driver, as people have both."""
    engine = client.connect()
    return [engine, sqlalchemy.create_engine(client.dsn.replace("+psycopg:", "+psycopg2:"))]


def make(engine, statements):
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@client.feature("connect")
def connect():
    for engine in engines():
        with engine.connect() as connection:
            same(connection.execute(text("SELECT 1")).scalar(), 1)
            same((engine.dialect.server_version_info >= (15,), engine.dialect.default_schema_name), (True, "public"))
            same(connection.get_isolation_level(), "READ COMMITTED")


@client.feature("rows")
def rows():
    statements, table, expected = client.typed("rows")
    for engine in engines():
        make(engine, statements)
        reflected = Table(table, MetaData(), autoload_with=engine)
        with engine.connect() as connection:
            got = [
                tuple(bytes(v) if isinstance(v, memoryview) else v for v in row)
                for row in connection.execute(select(reflected).order_by(reflected.c.id))
            ]
        same(got, expected, engine.driver)


@client.feature("params")
def params():
    statements, table, expected = client.typed("params")
    for engine in engines():
        make(engine, statements)
        t = Table(table, MetaData(), autoload_with=engine)
        row = dict(zip(t.c.keys(), expected[0]))
        with engine.connect() as connection:
            for column in ("id", "n", "name", "price", "f", "ok", "day", "seen", "ts", "uid"):
                same(
                    connection.execute(select(t.c.id).where(t.c[column] == row[column])).scalars().all(),
                    [1],
                    f"{engine.driver} {column}",
                )
            same(
                connection.execute(select(t.c.id).where(t.c.id.in_([3, 2, 9])).order_by(t.c.id).limit(5).offset(1))
                .scalars()
                .all(),
                [3],
            )
            same(connection.execute(select(func.count()).where(t.c.name.ilike("%neil"))).scalar(), 1)
            same(
                connection.execute(
                    text(f"SELECT sum(id) FROM {table} WHERE day >= :day OR n IS NULL"), {"day": dt.date(2000, 1, 1)}
                ).scalar(),
                Decimal(4),
            )


@client.feature("transactions")
def transactions():
    statements, table = client.small("transactions")
    for engine in engines():
        make(engine, statements)
        t = Table(table, MetaData(), autoload_with=engine)

        def count():
            with engine.connect() as beside:
                return beside.execute(select(func.count()).select_from(t)).scalar()

        with engine.connect() as connection:
            connection.execute(insert(t), {"id": 1, "name": "gone"})
            same((connection.execute(select(func.count()).select_from(t)).scalar(), count()), (1, 0), "before the rollback")
            connection.rollback()
        same(count(), 0, "after it")
        with engine.begin() as connection:
            connection.execute(insert(t), [{"id": 2, "name": "kept"}, {"id": 3, "name": None}])
            nested = connection.begin_nested()
            must_fail("22012", lambda: connection.execute(text("SELECT 1/0")), sqlstate)
            nested.rollback()
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(insert(t), {"id": 4, "name": "at once"})
        same(count(), 3, engine.driver)


@client.feature("cursor")
def cursor():
    statements, table = client.small("cursor", 5000)
    for engine in engines():
        make(engine, statements)
        with engine.connect().execution_options(stream_results=True) as connection:
            result = connection.execute(text(f"SELECT id FROM {table} ORDER BY id"))
            sizes = [(len(part), sum(row.id for row in part)) for part in result.partitions(500)]
        same((len(sizes), sum(s for _, s in sizes)), (10, 12502500), engine.driver)


@client.feature("pool")
def pooled():
    engine = sqlalchemy.create_engine(client.dsn, pool_size=2, max_overflow=2, pool_pre_ping=True, pool_recycle=60)
    for number in range(8):
        with engine.connect() as connection:
            same(connection.execute(text("SELECT CAST(:n AS integer)"), {"n": number}).scalar(), number)
    same(engine.pool.checkedout(), 0)
    engine.dispose()


@client.feature("errors")
def errors():
    statements, table = client.small("errors", 1)
    for engine in engines():
        make(engine, statements)
        with engine.connect() as connection:
            for code, sql in mistakes(table):
                must_fail(code, lambda: connection.exec_driver_sql(sql), sqlstate)
                connection.rollback()
            try:
                connection.exec_driver_sql(f"INSERT INTO {table} (name) VALUES ('x')")
            except sqlalchemy.exc.IntegrityError:
                pass


@client.feature("bulk")
def bulk():
    """The ORM: a table made from a class, objects added, and read again; sums over groups."""

    class Base(DeclarativeBase):
        pass

    class Trade(Base):
        __tablename__ = client.table("bulk")
        id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
        symbol: Mapped[str] = mapped_column(String(20))
        price: Mapped[Decimal] = mapped_column(Numeric(12, 4))
        ts: Mapped[dt.datetime] = mapped_column(sqlalchemy.DateTime(timezone=True))
        note: Mapped[str | None]

    engine = client.connect()
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    Base.metadata.create_all(engine)
    moment = MOMENT.replace(tzinfo=UTC)
    with Session(engine) as session:
        session.add_all(Trade(id=i, symbol=f"S{i % 3}", price=Decimal(i) / 4, ts=moment) for i in range(1, 1501))
        session.flush()
        session.rollback()
        same(session.scalar(select(func.count()).select_from(Trade)), 0, "after a rollback")
        session.add_all(Trade(id=i, symbol=f"S{i % 3}", price=Decimal(i) / 4, ts=moment) for i in range(1, 1501))
        session.commit()
    with Session(engine) as session:
        one = session.get(Trade, 7)
        same((one.symbol, one.price, one.ts, one.note), ("S1", Decimal("1.7500"), moment, None))
        groups = session.execute(
            select(Trade.symbol, func.count(), func.max(Trade.price)).group_by(Trade.symbol).order_by(Trade.symbol)
        ).all()
        same(
            [tuple(g) for g in groups],
            [("S0", 500, Decimal("375.0000")), ("S1", 500, Decimal("374.5000")), ("S2", 500, Decimal("374.7500"))],
        )
        page = session.scalars(select(Trade).where(Trade.id > 10).order_by(Trade.id.desc()).limit(2)).all()
        same([trade.id for trade in page], [1500, 1499])


@client.feature("catalog")
def catalog():
    """Reflection; Superset asks an inspector for the same, and a query's columns with LIMIT 0 and by EXPLAIN."""
    statements, table, _ = client.typed("catalog")
    view = f"{table}_view"
    for engine in engines():
        make(
            engine,
            [
                f"DROP VIEW IF EXISTS {view}",
                *statements,
                f"COMMENT ON TABLE {table} IS 'all types'",
                f"CREATE VIEW {view} AS SELECT id, price FROM {table}",
            ],
        )
        about = inspect(engine)
        same(
            (
                table in about.get_table_names(),
                view in about.get_view_names(),
                about.has_table(table),
                about.has_table("no_such_table"),
            ),
            (True, True, True, False),
        )
        same("public" in about.get_schema_names(), True)
        columns = {c["name"]: (str(c["type"]), c["nullable"]) for c in about.get_columns(table)}
        same(
            columns,
            {
                "id": ("BIGINT", False),
                "n": ("INTEGER", True),
                "name": ("VARCHAR(20)", True),
                "note": ("TEXT", True),
                "price": ("NUMERIC(12, 4)", True),
                "f": ("DOUBLE PRECISION", True),
                "ok": ("BOOLEAN", True),
                "day": ("DATE", True),
                "seen": ("TIMESTAMP", True),
                "ts": ("TIMESTAMP", True),
                "raw": ("BYTEA", True),
                "uid": ("UUID", True),
                "tags": ("ARRAY", True),
                "doc": ("JSONB", True),
            },
        )
        same(
            (about.get_pk_constraint(table)["constrained_columns"], about.get_foreign_keys(table), about.get_indexes(table)),
            ([], [], []),
        )
        same(about.get_table_comment(table), {"text": "all types"})
        same("price" in about.get_view_definition(view), True, "a view's definition")
        same([c["name"] for c in about.get_columns(view)], ["id", "price"], "a view's columns")
        same(about.get_multi_columns(filter_names=[table]).keys(), {(None, table): 0}.keys())
        with engine.connect() as connection:
            result = connection.exec_driver_sql(
                f"SELECT * FROM (SELECT id, sum(price) AS total FROM {table} GROUP BY id) AS virtual_table LIMIT 0"
            )
            same((list(result.keys()), result.fetchall()), (["id", "total"], []))
            same(len(connection.exec_driver_sql(f"EXPLAIN SELECT id FROM {table}").fetchall()) > 0, True)
            grain = (
                f"SELECT DATE_TRUNC('month', seen) AS month, count(*) AS n FROM {table} "
                "WHERE seen >= TO_TIMESTAMP('2024-01-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') "
                "GROUP BY DATE_TRUNC('month', seen) ORDER BY n DESC LIMIT 1000"
            )
            same([tuple(row) for row in connection.exec_driver_sql(grain)], [(dt.datetime(2024, 2, 1), 1)])
        make(engine, [f"DROP VIEW {view}"])


client.main()
