"""An Iceberg REST catalog for tests: the protocol's routes in front of PyIceberg's SqlCatalog, which checks requirements,
applies updates and writes the metadata files.

usage: iceberg_rest_server.py FOLDER

Prints the port, and ends when its standard input does. Clients get a token for `zxq:secret`; the token `static` is good
too. POST /test/fail {"commits": n} makes the next n commits answer 503 after they have been carried out.
"""

import json
import os
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pyiceberg.catalog.rest import CreateTableRequest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.table import CommitTableRequest
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER

STATUS = {
    CommitFailedException: 409,
    NamespaceAlreadyExistsError: 409,
    TableAlreadyExistsError: 409,
    NoSuchNamespaceError: 404,
    NoSuchTableError: 404,
}
PREFIX = "some/where"
TOKENS = {"fetched", "static"}

folder = sys.argv[1]
catalog = SqlCatalog("rest", uri=f"sqlite:///{folder}/rest.sqlite", warehouse=f"file://{folder}/warehouse")
# SQLite takes one writer; the catalog itself decides who is first.
lock = threading.Lock()
failing = 0


def shown(table):
    metadata = json.loads(table.metadata.model_dump_json())
    return {"metadata-location": table.metadata_location, "metadata": metadata, "config": {}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=None):
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def error(self, status, kind, message):
        self.answer(status, {"error": {"code": status, "type": kind, "message": message}})

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urllib.parse.urlparse(self.path).path
        if path == "/v1/oauth/tokens":
            form = dict(urllib.parse.parse_qsl(body.decode()))
            if form.get("client_id") == "zxq" and form.get("client_secret") == "secret":
                return self.answer(200, {"access_token": "fetched", "token_type": "bearer", "expires_in": 3600})
            return self.error(401, "unauthorized_client", "no such client")
        if path == "/test/fail":
            global failing
            failing = json.loads(body)["commits"]
            return self.answer(204)
        if (self.headers.get("Authorization") or "").removeprefix("Bearer ") not in TOKENS:
            return self.error(401, "NotAuthorizedException", "no valid token")
        if path == "/v1/config":
            return self.answer(200, {"defaults": {}, "overrides": {"prefix": PREFIX}})
        start = f"/v1/{PREFIX}/namespaces"
        if not path.startswith(start):
            return self.error(404, "NotFound", path)
        parts = [urllib.parse.unquote(part) for part in path[len(start) :].strip("/").split("/") if part]
        try:
            with lock:
                return self.route(self.command, parts, body)
        except tuple(STATUS) as error:
            return self.error(STATUS[type(error)], type(error).__name__, str(error))
        except Exception as error:  # a request that the catalog cannot understand is the client's fault
            return self.error(400, type(error).__name__, str(error))

    def route(self, method, parts, body):
        global failing
        match method, parts:
            case "POST", []:
                catalog.create_namespace(tuple(json.loads(body)["namespace"]))
                self.answer(200, json.loads(body))
            case "POST", [namespace, "tables"]:
                asked = CreateTableRequest.model_validate_json(body)
                table = catalog.create_table(
                    (namespace, asked.name),
                    asked.table_schema,
                    asked.location,
                    asked.partition_spec or UNPARTITIONED_PARTITION_SPEC,
                    asked.write_order or UNSORTED_SORT_ORDER,
                    asked.properties,
                )
                self.answer(200, shown(table))
            case "GET", [namespace, "tables", name]:
                self.answer(200, shown(catalog.load_table((namespace, name))))
            case "POST", [namespace, "tables", name]:
                asked = CommitTableRequest.model_validate_json(body)
                table = catalog.load_table((namespace, name))
                catalog.commit_table(table, asked.requirements, asked.updates)
                if failing > 0:
                    failing -= 1
                    return self.error(503, "ServiceUnavailable", "done, but not told")
                self.answer(200, shown(catalog.load_table((namespace, name))))
            case "DELETE", [namespace, "tables", name]:
                catalog.drop_table((namespace, name))
                self.answer(204)
            case _:
                self.error(404, "NotFound", "/".join(parts))

    do_GET = do_POST = do_DELETE = handle_any


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
os._exit(0)
