"""Postgres.js (`postgres`): node_postgres.js, run by the Node that is installed."""

from node import run

run(
    "node postgres",
    "postgres",
    [],
    "postgres({dsn})",
    '"postgresql://{user}@{host}:{port}/{database}"',
    '"postgresql://{user}:{password}@{host}:{port}/{database}", {{ ssl: {{ ca: fs.readFileSync("{root}") }} }}',
    "node_postgres.js",
    ["connect", "rows", "params", "transactions", "copy out", "copy in", "cursor", "pool", "errors", "bulk"],
)
