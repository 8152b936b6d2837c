"""A PostgreSQL server of our own: it holds the foreign tables of postgres_fdw, and proves the scripts (`run.py --postgres`)."""

import glob
import os
import shutil
import socket
import subprocess
import tempfile
import time

PASSWORD = "open-sesame"


def binaries():
    """Folder of the newest installed server's programs, or None."""
    found = [path for path in glob.glob("/usr/lib/postgresql/*/bin") if os.path.exists(f"{path}/initdb")]
    return max(found, key=lambda path: int(path.split("/")[-2]), default=None)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_certificates(folder):
    """`ca.pem`, and `server.pem` with `server.key` for this machine."""
    key = ["-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    openssl(
        folder, "req", "-x509", *key, "-days", "30", "-subj", "/CN=an authority of tests", "-keyout", "ca.key", "-out", "ca.pem"
    )
    openssl(folder, "req", "-new", *key, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
    with open(f"{folder}/extensions", "w") as file:
        file.write("subjectAltName=DNS:localhost,IP:127.0.0.1")
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "extensions"]
    openssl(folder, "x509", "-req", *signed, "-in", "server.csr", "-out", "server.pem")


class PrivatePostgres:
    """Started when entered, gone when left. It trusts `zxq`, and lets `alice` in over TLS with her password."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="zxq-clients-pg-")
        self.port = free_port()
        self.root = f"{self.folder}/ca.pem"
        make_certificates(self.folder)
        # The server refuses to run as root: then another user owns the folder.
        self.prefix = []
        if os.getuid() == 0:
            user = "postgres" if subprocess.run(["id", "postgres"], capture_output=True).returncode == 0 else "nobody"
            self.prefix = ["setpriv", f"--reuid={user}", "--regid", "nogroup", "--clear-groups"]
            subprocess.run(["chown", "-R", user, self.folder], check=True)
        os.chmod(self.folder, 0o755)
        data = f"{self.folder}/data"
        self.must("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        rules = "local all all trust\nhost all zxq 127.0.0.1/32 trust\nhostssl all alice 127.0.0.1/32 scram-sha-256\n"
        self.write(f"{data}/pg_hba.conf", rules)
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "timezone": "UTC",
            "ssl": "on",
            "ssl_cert_file": f"{self.folder}/server.pem",
            "ssl_key_file": f"{self.folder}/server.key",
        }
        self.write(f"{data}/postgresql.conf", "".join(f"{key} = '{value}'\n" for key, value in settings.items()))
        log = open(f"{self.folder}/log", "w")
        # Its foreign tables look for certificates at home, which is not its own where another user starts it.
        home = os.environ | {"HOME": self.folder}
        command = [*self.prefix, f"{binaries()}/postgres", "-D", data]
        self.server = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", env=home)
        for _ in range(600):
            if subprocess.run([f"{binaries()}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode == 0:
                break
            if self.server.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start: {open(log.name).read()}")
            time.sleep(0.05)
        for sql in (
            "CREATE ROLE zxq SUPERUSER LOGIN",
            f"CREATE ROLE alice SUPERUSER LOGIN PASSWORD '{PASSWORD}'",
            "CREATE DATABASE zxq",
        ):
            self.sql(sql)
        return self

    def __exit__(self, *_):
        self.server.send_signal(2)
        try:
            self.server.wait(20)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, path, text):
        with open(path, "w") as file:
            file.write(text)

    def must(self, program, *arguments):
        done = subprocess.run([*self.prefix, f"{binaries()}/{program}", *arguments], capture_output=True, text=True, cwd="/")
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")
        return done.stdout

    def sql(self, sql, database="postgres"):
        """Runs SQL as the superuser."""
        at = ["-h", self.folder, "-p", str(self.port), "-U", "postgres", "-d", database]
        return self.must("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *at, "-c", sql)
