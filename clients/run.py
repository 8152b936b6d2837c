#!/usr/bin/env python3
"""Runs PostgreSQL's clients against a server, once plainly and once over TLS with a password, and says what each of them can do.

    run.py --plain 127.0.0.1:5454 --user zxq                      a server without users
    run.py --tls 127.0.0.1:5455 --root ca.pem --tls-user alice    one with TLS; ZXQ_CLIENT_PASSWORD holds alice's password
    run.py --postgres                                             a PostgreSQL of its own: are the scripts right?
    run.py … psql pgjdbc                                          some clients only

It fails where a client cannot do what `gaps.txt` does not name, and where one can do what it names. A client that is not installed
is skipped, aloud; with `--require` that fails too. `--table FILE` writes the table of docs/clients.md, `--check FILE` compares it.
"""

import argparse
import concurrent.futures
import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import private_postgres
import table

HERE = os.path.dirname(os.path.abspath(__file__))
MODES = ("plain", "tls")


def scripts(words):
    found = sorted(os.path.basename(path)[5:-3] for path in glob.glob(f"{HERE}/with_*.py"))
    return [name for name in found if not words or name in words]


def run_script(name, variables, patience):
    """What the script prints, and what to say of a feature that it printed nothing of."""
    command = [sys.executable, f"{HERE}/with_{name}.py"]
    # A group of its own, so that what it started ends with it.
    running = subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, err = running.communicate(timeout=patience)
        return out, f"the script ended with {running.returncode}: {err.strip()[-500:]}"
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        out, _ = running.communicate()
        return out, f"not done after {patience:.0f} s"


def run(name, mode, target, patience):
    """One client in one mode: what it says of itself, and why each of its features fails (None: it does not)."""
    variables = os.environ | {f"ZXQ_CLIENT_{key.upper()}": str(value) for key, value in target.items()}
    variables["PYTHONDONTWRITEBYTECODE"] = "1"
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        out, trouble = run_script(name, variables | {"TMPDIR": folder}, patience)
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    about = lines[0] if lines else {"client": name, "features": ["connect"], "missing": None}
    results = {line["feature"]: None if line["ok"] else line["why"] for line in lines[1:]}
    if about.get("missing") is None:
        # A script that ended too early has failed at what it did not come to.
        results |= {feature: trouble for feature in about["features"] if feature not in results}
    return {"name": name, "mode": mode, "about": about, "results": results, "seconds": time.monotonic() - begun}


def read_gaps():
    """Client, feature and mode of every gap that is known, with what is missing."""
    gaps = {}
    with open(f"{HERE}/gaps.txt") as file:
        for number, line in enumerate(file, 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            parts = [part.strip() for part in line.split("|")]
            if len(parts) != 4 or parts[2] not in ("plain", "tls", "both") or not parts[3]:
                sys.exit(f"gaps.txt, line {number}: not 'client | feature | plain, tls or both | what is missing'")
            for mode in MODES if parts[2] == "both" else (parts[2],):
                gaps[parts[0], parts[1], mode] = parts[3]
    return gaps


def judge(runs, gaps):
    """Prints each client's line, and gives what is wrong and which clients are not installed."""
    wrong, skipped, passed = [], {}, 0
    for done in runs:
        about, mode = done["about"], done["mode"]
        if about.get("missing"):
            skipped[done["name"]] = about["missing"]
            continue
        good = [feature for feature, why in done["results"].items() if why is None]
        passed += len(good)
        known = [feature for feature in done["results"] if (done["name"], feature, mode) in gaps]
        state = f"{len(good)} of {len(done['results'])}" + (f", {len(known)} known to be missing" if known else "")
        print(f"{done['name']:14} {mode:6} {state} ({done['seconds']:.1f} s)", flush=True)
        for feature, why in done["results"].items():
            if why is not None and feature not in known:
                wrong.append(f"{done['name']}, {mode}, {feature}: {why}")
            if why is None and feature in known:
                wrong.append(
                    f"{done['name']}, {mode}, {feature}: works, and gaps.txt says that it does not: take that line out"
                )
    names = {(done["name"], feature, done["mode"]) for done in runs for feature in done["results"]}
    tried = {(done["name"], done["mode"]) for done in runs if not done["about"].get("missing")}
    for client, feature, mode in gaps:
        if (client, mode) in tried and (client, feature, mode) not in names:
            wrong.append(f"gaps.txt names {client}, {feature}, which no script tries")
    for name, why in skipped.items():
        print(f"*** SKIPPED: {name}: {why} is not installed (clients/install) ***", flush=True)
    return wrong, skipped, passed


def targets(arguments, near):
    """Where to connect in each mode."""
    found = {}
    if arguments.postgres:
        at = {"host": "127.0.0.1", "port": near.port, "database": "zxq"}
        return {
            "plain": at | {"user": "zxq"},
            "tls": at | {"user": "alice", "password": private_postgres.PASSWORD, "root": near.root},
        }
    for mode, address, user in (("plain", arguments.plain, arguments.user), ("tls", arguments.tls, arguments.tls_user)):
        if address:
            host, port = address.rsplit(":", 1)
            found[mode] = {"host": host, "port": port, "database": "zxq", "user": user, "password": "", "root": ""}
    if "tls" in found:
        root = arguments.root
        if near:
            # PostgreSQL's user may not be allowed to read the file where it is.
            root = shutil.copy(arguments.root, f"{near.folder}/root.pem")
            os.chmod(root, 0o644)
        found["tls"] |= {"root": root, "password": os.environ.get("ZXQ_CLIENT_PASSWORD", "")}
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plain", metavar="HOST:PORT")
    parser.add_argument("--user", default="zxq", metavar="NAME")
    parser.add_argument("--tls", metavar="HOST:PORT")
    parser.add_argument("--tls-user", default="alice", metavar="NAME")
    parser.add_argument("--root", metavar="FILE", help="PEM file of the authority that signed the server's certificate")
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--results", metavar="FILE", help="what a client elsewhere has done: lines of JSON as `run` gives them")
    parser.add_argument("--require", action="store_true", help="fail where a client is not installed")
    parser.add_argument("--jobs", type=int, default=max(2, os.cpu_count() or 2))
    parser.add_argument("--patience", type=float, default=300, help="seconds for one client")
    parser.add_argument("--table", metavar="FILE")
    parser.add_argument("--check", metavar="FILE")
    parser.add_argument("clients", nargs="*")
    arguments = parser.parse_args()
    if not (arguments.postgres or arguments.plain or arguments.tls):
        parser.error("name a server: --plain, --tls or --postgres")
    if arguments.tls and not arguments.root:
        parser.error("--tls needs --root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        near = stack.enter_context(private_postgres.PrivatePostgres()) if private_postgres.binaries() else None
        if arguments.postgres and not near:
            sys.exit("no PostgreSQL server in /usr/lib/postgresql")
        found = targets(arguments, near)
        os.environ["ZXQ_CLIENT_POSTGRES"] = f"host={near.folder} port={near.port} user=postgres dbname=postgres" if near else ""
        # One client's two modes follow each other, the slowest clients come first.
        slow = ("pgjdbc", "psql", "pgcli", "duckdb", "dbt", "polars", "sqlalchemy")
        names = sorted(scripts(arguments.clients), key=lambda name: (slow.index(name) if name in slow else len(slow), name))
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            waiting = [
                pool.submit(run, name, mode, found[mode], arguments.patience)
                for name in names
                for mode in MODES
                if mode in found
            ]
            runs = [future.result() for future in waiting]
    if arguments.results:
        with open(arguments.results) as file:
            runs += [json.loads(line) for line in file]
    runs.sort(key=lambda done: (done["name"], done["mode"]))
    gaps = {} if arguments.postgres else read_gaps()
    wrong, skipped, passed = judge(runs, gaps)
    text = table.document(runs, gaps)
    if arguments.table:
        with open(arguments.table, "w") as file:
            file.write(text)
    # Without all clients the table is another one.
    if arguments.check and not skipped and not wrong:
        with open(arguments.check) as file:
            if file.read() != text:
                wrong.append(
                    f"{arguments.check} does not say what this run found: write it with --table (ZXQ_CLIENTS_WRITE=1 for the test)"
                )
    if skipped and arguments.require:
        wrong.append("not installed: " + ", ".join(skipped))
    print(f"{passed} passed, {len(wrong)} failed, {len(skipped)} skipped, in {time.monotonic() - begun:.0f} s")
    for line in wrong:
        print(f"error: {line}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
