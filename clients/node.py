"""Clients that run in Node: packages are in `ZXQ_CLIENTS_ENV`, where `install` puts them."""

import json
import os
import shutil

from harness import ENVIRONMENT, Client, missing

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = os.path.join(ENVIRONMENT, "node/node_modules")


def run(name, package, others, call, plain, tls, script, features):
    """Runs the script of one client, where its packages are installed."""
    if not shutil.which("node"):
        missing("node")
    for needed in [package, *others]:
        if not os.path.exists(f"{MODULES}/{needed}/package.json"):
            missing(f"npm's package {needed} in {MODULES}")
    with open(f"{MODULES}/{package}/package.json") as file:
        version = json.load(file)["version"]
    client = Client(name, version, call, plain, tls)
    client.program(["node", os.path.join(HERE, script)], features, NODE_PATH=MODULES)
