"""node-postgres (`pg`): node_pg.js, run by the Node that is installed."""

from node import run

run(
    "node pg",
    "pg",
    ["pg-cursor", "pg-copy-streams"],
    'new Client("{dsn}")',
    "postgresql://{user}@{host}:{port}/{database}",
    "postgresql://{user}:{password}@{host}:{port}/{database}?sslmode=verify-full&sslrootcert={root}",
    "node_pg.js",
    ["connect", "rows", "params", "transactions", "copy out", "copy in", "cursor", "pool", "errors", "bulk"],
)
