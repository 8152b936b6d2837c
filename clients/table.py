"""The table of docs/clients.md, made of what a run found."""

from harness import FEATURES

# What the connections in the documentation name.
EXAMPLE = {
    "plain": {"host": "127.0.0.1", "port": "5454", "database": "zxq", "user": "me"},
    "tls": {
        "host": "db.example.com",
        "port": "5454",
        "database": "zxq",
        "user": "alice",
        "password": "secret",
        "root": "ca.pem",
    },
}

HEAD = """# PostgreSQL's clients

Each of these clients runs against a real server in the tests (`clients/`, [how to run them](../clients/README.md)): once plainly, on
the machine itself without users, and once over TLS with a password (SCRAM-SHA-256), where the server's certificate is checked. The
same scripts pass against PostgreSQL 15. This page is written by that run.

**yes**: works in both ways. A number says what is missing: see below the table. **–**: the client has no such thing, or another
client's line covers it.

"""

MEANING = """
| column | |
|---|---|
| typed rows | values of every type come back as the client's own types; NULL; metadata |
| parameters | values of every type as parameters, lists, LIMIT, statements that are prepared and repeated |
| transactions | commit, rollback, savepoints, a failed block, what others see; where the client has it: read only, snapshots, pipelines |
| COPY out, COPY in | text and CSV, of tables and queries; bad rows are refused |
| rows in steps | cursors of SQL, portals, batches, whatever the client reads a large result by |
| SQLSTATE | nine kinds of mistake, in simple and prepared statements, and a session that goes on |
| bulk load | the client's own way to load many rows |
| catalog | what the client or its tools ask of the catalogs: tables, columns, types, keys |
"""


def document(runs, gaps):
    """The whole page."""
    clients = {}
    for done in runs:
        if not done["about"].get("missing"):
            clients.setdefault(done["name"], {})[done["mode"]] = done
    notes = []
    lines = ["| client | version | " + " | ".join(FEATURES.values()) + " |", "|---" * (len(FEATURES) + 2) + "|"]
    for name, modes in clients.items():
        about = next(iter(modes.values()))["about"]
        cells = [cell(name, modes, feature, gaps, notes) for feature in FEATURES]
        lines.append(f"| {about['client']} | {about['version']} | " + " | ".join(cells) + " |")
    page = HEAD + "\n".join(lines) + "\n"
    if notes:
        page += "\nWhat is missing:\n\n" + "".join(f"{number}. {note}\n" for number, note in enumerate(notes, 1))
    page += MEANING + "\n## How to connect\n"
    for name, modes in clients.items():
        about = next(iter(modes.values()))["about"]
        page += f"\n**{about['client']}**\n\n```\n"
        page += "".join(connection(about, mode) + "\n" for mode in EXAMPLE)
        page += "```\n"
    return page


def connection(about, mode):
    return about["call"].format(dsn=about[mode].format(**EXAMPLE[mode]))


def cell(name, modes, feature, gaps, notes):
    """What the table says of one feature of one client."""
    results = {mode: done["results"][feature] for mode, done in modes.items() if feature in done["results"]}
    if not results:
        return "–"
    failed = [mode for mode, why in results.items() if why is not None]
    if not failed:
        return "yes"
    why = [gaps.get((name, feature, mode), "fails") for mode in failed]
    note = why[0] if len(failed) == len(results) else f"{why[0]} ({'over TLS' if failed == ['tls'] else 'without TLS'} only)"
    if note not in notes:
        notes.append(note)
    return str(notes.index(note) + 1)
