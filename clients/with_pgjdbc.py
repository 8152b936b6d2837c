"""pgjdbc, the driver of everything that runs on Java: Pgjdbc.java, run by the Java that is installed."""

import glob
import hashlib
import os
import re
import shutil
import subprocess
import tempfile

from harness import ENVIRONMENT, Client, missing

JARS = [
    jar
    for name in ("postgresql", "scram-client", "scram-common", "saslprep", "stringprep")
    for jar in glob.glob(f"/usr/share/java/{name}.jar")
]
if not shutil.which("javac"):
    missing("a Java development kit")
if not any(jar.endswith("/postgresql.jar") for jar in JARS):
    missing("/usr/share/java/postgresql.jar (libpostgresql-jdbc-java)")
VERSION = max((re.findall(r"-([\d.]+)\.jar", jar)[0] for jar in glob.glob("/usr/share/java/postgresql-[0-9]*.jar")), default="")

client = Client(
    "pgjdbc",
    VERSION,
    'DriverManager.getConnection("{dsn}")',
    "jdbc:postgresql://{host}:{port}/{database}?user={user}",
    "jdbc:postgresql://{host}:{port}/{database}?user={user}&password={password}&sslmode=verify-full&sslrootcert={root}",
)


def compiled():
    """The folder with the program, compiled once for each text of it."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Pgjdbc.java")
    with open(source, "rb") as file:
        name = hashlib.sha256(file.read()).hexdigest()[:16]
    folder = os.path.join(ENVIRONMENT, "java", name)
    if not os.path.exists(folder):
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        new = tempfile.mkdtemp(dir=os.path.dirname(folder))
        subprocess.run(["javac", "-d", new, "-cp", ":".join(JARS), source], check=True)
        try:
            os.rename(new, folder)
        except OSError:
            shutil.rmtree(new)  # another run was quicker
    return folder


client.program(
    # A small machine: no time for the optimising compiler.
    ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", ":".join([compiled(), *JARS]), "Pgjdbc"],
    ["connect", "rows", "params", "transactions", "copy out", "copy in", "cursor", "errors", "bulk", "catalog"],
)
