"""pgjdbc, the driver of everything that runs on Java: Pgjdbc.java, run by the Java that is installed."""

import glob
import os
import re
import shutil

from harness import Client, missing

JARS = [jar for name in ("postgresql", "scram-client", "scram-common", "saslprep", "stringprep") for jar in glob.glob(f"/usr/share/java/{name}.jar")]
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
source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Pgjdbc.java")
client.program(
    # A small machine: no time for the optimising compiler.
    ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp", ":".join(JARS), source],
    ["connect", "rows", "params", "transactions", "copy out", "copy in", "cursor", "errors", "bulk", "catalog"],
)
