// pgjdbc: named statements that turn binary after some executions, fetch sizes, batches, its metadata, its COPY.

import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Date;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

public class Pgjdbc {
    static final String DSN = System.getenv("ZXQ_CLIENT_DSN");
    static final String PREFIX = System.getenv("ZXQ_CLIENT_PREFIX");
    static final List<String> WANTED = Arrays.asList(System.getenv("ZXQ_CLIENT_FEATURES").split(","));

    interface Feature { void run() throws Exception; }
    interface Action { void run() throws SQLException; }

    static void feature(String name, Feature feature) {
        if (!WANTED.contains(name)) return;
        try {
            feature.run();
            System.out.println("ok\t" + name);
        } catch (Throwable error) {
            System.out.println("no\t" + name + "\t" + error.toString().replaceAll("\\s+", " "));
        }
    }

    static void same(Object got, Object want) {
        if (!Objects.equals(got, want)) throw new IllegalStateException("got " + got + ", not " + want);
    }

    static void mustFail(String state, Action action) {
        try {
            action.run();
        } catch (SQLException error) {
            if (state.equals(error.getSQLState())) return;
            throw new IllegalStateException("SQLSTATE of " + error + ": got " + error.getSQLState() + ", not " + state);
        }
        throw new IllegalStateException("no error where " + state + " is due");
    }

    static Connection session(String... statements) throws SQLException {
        Connection connection = DriverManager.getConnection(DSN);
        run(connection, statements);
        return connection;
    }

    static void run(Connection connection, String... statements) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            for (String sql : statements) statement.execute(sql);
        }
    }

    /** All rows of a query as one text: columns with `|` between them, rows with a blank. */
    static String ask(Connection connection, String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) statement.setObject(i + 1, parameters[i]);
            try (ResultSet rows = statement.executeQuery()) { return text(rows); }
        }
    }

    static String text(ResultSet rows) throws SQLException {
        List<String> lines = new ArrayList<>();
        int columns = rows.getMetaData().getColumnCount();
        while (rows.next()) {
            List<String> line = new ArrayList<>();
            for (int i = 1; i <= columns; i++) line.add(rows.getString(i));
            lines.add(String.join("|", line.stream().map(String::valueOf).toList()));
        }
        return String.join(" ", lines);
    }

    static String named(ResultSet rows, String... columns) throws SQLException {
        List<String> lines = new ArrayList<>();
        while (rows.next()) {
            List<String> line = new ArrayList<>();
            for (String column : columns) line.add(rows.getString(column));
            lines.add(String.join("|", line.stream().map(String::valueOf).toList()));
        }
        return String.join(" ", lines);
    }

    static String[] small(String table, int rows) {
        return new String[] {"DROP TABLE IF EXISTS " + table, "CREATE TABLE " + table + " (id BIGINT NOT NULL CHECK (id > 0), name TEXT)",
            "INSERT INTO " + table + " SELECT g, 'name ' || g FROM generate_series(1, " + rows + ") AS s(g)"};
    }

    static String[] typed(String table) {
        return new String[] {"DROP TABLE IF EXISTS " + table, "CREATE TABLE " + table + " (" + System.getenv("ZXQ_CLIENT_COLUMNS") + ")"};
    }

    public static void main(String[] none) {
        feature("connect", () -> {
            try (Connection c = session()) {
                same(c.getMetaData().getDatabaseProductName() + " " + (c.getMetaData().getDatabaseMajorVersion() >= 15), "PostgreSQL true");
                same(ask(c, "SELECT current_database()"), "zxq");
                same(c.isValid(5), true);
            }
        });
        feature("rows", Pgjdbc::rows);
        feature("params", Pgjdbc::params);
        feature("transactions", Pgjdbc::transactions);
        feature("copy out", () -> {
            String table = PREFIX + "_copy_out";
            try (Connection c = session(small(table, 3))) {
                StringWriter out = new StringWriter();
                String sql = "COPY (SELECT * FROM " + table + " ORDER BY id) TO STDOUT (FORMAT csv, HEADER)";
                c.unwrap(PGConnection.class).getCopyAPI().copyOut(sql, out);
                same(out.toString(), "id,name\n1,name 1\n2,name 2\n3,name 3\n");
            }
        });
        feature("copy in", () -> {
            String table = PREFIX + "_copy_in";
            try (Connection c = session(small(table, 0))) {
                CopyManager copy = c.unwrap(PGConnection.class).getCopyAPI();
                same(copy.copyIn("COPY " + table + " FROM STDIN (FORMAT csv)", new StringReader("1,\"a,b\"\n2,\n")), 2L);
                mustFail("22P02", () -> {
                    try {
                        copy.copyIn("COPY " + table + " FROM STDIN", new StringReader("x\ty\n"));
                    } catch (java.io.IOException error) {
                        throw new IllegalStateException(error);
                    }
                });
                same(ask(c, "SELECT id, name FROM " + table + " ORDER BY id"), "1|a,b 2|null");
            }
        });
        feature("cursor", () -> {
            String table = PREFIX + "_cursor";
            try (Connection c = session(small(table, 5000))) {
                c.setAutoCommit(false);
                try (PreparedStatement p = c.prepareStatement("SELECT id FROM " + table + " WHERE id > ? ORDER BY id")) {
                    p.setFetchSize(300);
                    p.setLong(1, 10);
                    long sum = 0;
                    try (ResultSet rows = p.executeQuery()) { while (rows.next()) sum += rows.getLong(1); }
                    same(sum, 12502500L - 55);
                    p.setMaxRows(7);
                    same(text(p.executeQuery()), "11 12 13 14 15 16 17");
                }
                c.rollback();
            }
        });
        feature("errors", () -> {
            String table = PREFIX + "_errors";
            try (Connection c = session(small(table, 1)); Statement s = c.createStatement()) {
                for (String line : System.getenv("ZXQ_CLIENT_MISTAKES").split("\n")) {
                    String[] parts = line.replace("@T", table).split("\t");
                    mustFail(parts[0], () -> s.execute(parts[1]));
                    mustFail(parts[0], () -> { try (PreparedStatement p = c.prepareStatement(parts[1])) { p.execute(); } });
                }
                s.setQueryTimeout(1);
                mustFail("57014", () -> s.execute("SELECT pg_sleep(20)"));
                same(ask(c, "SELECT 1"), "1");
            }
        });
        feature("bulk", () -> {
            String table = PREFIX + "_bulk";
            for (String more : new String[] {"", "&reWriteBatchedInserts=true"}) {
                try (Connection c = DriverManager.getConnection(DSN + more)) {
                    run(c, small(table, 0));
                    c.setAutoCommit(false);
                    try (PreparedStatement p = c.prepareStatement("INSERT INTO " + table + " (id, name) VALUES (?, ?)")) {
                        for (int i = 1; i <= 1000; i++) { p.setLong(1, i); p.setString(2, "n" + i); p.addBatch(); }
                        same(p.executeBatch().length, 1000);
                    }
                    c.commit();
                    same(ask(c, "SELECT count(*), sum(id), count(DISTINCT name) FROM " + table), "1000|500500|1000");
                }
            }
        });
        feature("catalog", Pgjdbc::catalog);
        // A thread of the driver's must hold nobody.
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    static void rows() throws SQLException {
        String table = PREFIX + "_rows";
        try (Connection c = session(typed(table))) {
            run(c, "INSERT INTO " + table + " VALUES " + System.getenv("ZXQ_CLIENT_VALUES"));
            try (PreparedStatement p = c.prepareStatement("SELECT * FROM " + table + " ORDER BY id")) {
                // From the fifth execution on values come in binary.
                for (int round = 0; round < 7; round++) {
                    try (ResultSet r = p.executeQuery()) {
                        r.next();
                        same(r.getObject("id"), 1L);
                        same(r.getObject("n"), 10);
                        same(r.getString("name") + "/" + r.getString("note"), "O'Neil/tab\tback\\slash é");
                        same(r.getBigDecimal("price"), new BigDecimal("1.5000"));
                        same(r.getDouble("f") + " " + r.getBoolean("ok"), "0.5 true");
                        same(r.getObject("day", LocalDate.class), LocalDate.of(2024, 2, 29));
                        same(r.getObject("seen", LocalDateTime.class), LocalDateTime.of(2024, 2, 29, 12, 30, 0, 250000000));
                        OffsetDateTime moment = OffsetDateTime.of(2024, 2, 29, 12, 30, 0, 250000000, ZoneOffset.UTC);
                        same(r.getObject("ts", OffsetDateTime.class), moment);
                        same(Arrays.toString(r.getBytes("raw")), "[0, -1, 39]");
                        same(r.getObject("uid"), new UUID(0, 1));
                        same(Arrays.toString((Object[]) r.getArray("tags").getArray()), "[a, b c, null]");
                        same(r.getString("doc"), "{\"a\": [1, 2]}");
                        r.next();
                        same(r.getInt("n") + "/" + r.getString("name") + "/" + r.getBigDecimal("price"), "-2147483648//-99999999.9999");
                        same(r.getObject("seen", LocalDateTime.class), LocalDateTime.of(1969, 12, 31, 23, 59, 59, 999999000));
                        r.next();
                        for (int i = 2; i <= 14; i++) same(r.getObject(i), null);
                        same(r.next(), false);
                    }
                }
                ResultSetMetaData m = p.getMetaData();
                List<String> types = new ArrayList<>();
                for (int i = 1; i <= m.getColumnCount(); i++) types.add(m.getColumnTypeName(i));
                same(String.join(" ", types), "int8 int4 varchar text numeric float8 bool date timestamp timestamptz bytea uuid _text jsonb");
                same(m.getPrecision(5) + "," + m.getScale(5) + "," + m.getPrecision(3), "12,4,20");
            }
        }
    }

    static void params() throws SQLException {
        String table = PREFIX + "_params";
        try (Connection c = session(typed(table))) {
            String insert = "INSERT INTO " + table + " (id, n, name, price, f, ok, day, seen, ts, raw, uid, tags)"
                + " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
            try (PreparedStatement p = c.prepareStatement(insert)) {
                for (int round = 1; round <= 7; round++) {
                    p.setLong(1, round);
                    p.setInt(2, 10 * round);
                    p.setString(3, "it's " + round);
                    p.setBigDecimal(4, new BigDecimal("2.50"));
                    p.setDouble(5, 0.25);
                    p.setBoolean(6, true);
                    p.setDate(7, Date.valueOf("2024-02-29"));
                    p.setObject(8, LocalDateTime.of(2024, 2, 29, 12, 0));
                    p.setObject(9, OffsetDateTime.of(2024, 2, 29, 12, 0, 0, 0, ZoneOffset.UTC));
                    p.setBytes(10, new byte[] {0, 1});
                    p.setObject(11, new UUID(0, round));
                    p.setArray(12, c.createArrayOf("text", new String[] {"x", null}));
                    same(p.executeUpdate(), 1);
                }
                p.setLong(1, 8);
                for (int i = 2; i <= 12; i++) p.setObject(i, null);
                same(p.executeUpdate(), 1);
            }
            same(ask(c, "SELECT count(*), count(n), sum(n), max(price), min(day), max(seen), count(DISTINCT uid) FROM " + table),
                "8|7|280|2.5000|2024-02-29|2024-02-29 12:00:00|7");
            same(ask(c, "SELECT id FROM " + table + " WHERE n = ? AND name = ? AND price = ? AND ok = ? AND day = ? AND ts < ?",
                20, "it's 2", new BigDecimal("2.5"), true, Date.valueOf("2024-02-29"), OffsetDateTime.now()), "2");
            LocalDateTime noon = LocalDateTime.of(2024, 2, 29, 12, 0);
            same(ask(c, "SELECT id FROM " + table + " WHERE uid = ? AND seen = ?", new UUID(0, 3), noon), "3");
            Object ids = c.createArrayOf("bigint", new Long[] {2L, 9L, 1L});
            same(ask(c, "SELECT id FROM " + table + " WHERE id = ANY(?) ORDER BY id LIMIT ?", ids, 5), "1 2");
            same(ask(c, "SELECT ?::text IS NULL, ? || 'x'", null, "a"), "t|ax");
            String one = "INSERT INTO " + table + " (id, name) VALUES (?, ?)";
            try (PreparedStatement p = c.prepareStatement(one, Statement.RETURN_GENERATED_KEYS)) {
                p.setLong(1, 9);
                p.setString(2, "given back");
                p.executeUpdate();
                same(named(p.getGeneratedKeys(), "id", "name"), "9|given back");
            }
        }
        try (Connection c = DriverManager.getConnection(DSN + "&preferQueryMode=simple")) {
            same(ask(c, "SELECT ?::int + 1, ?", 41, "it's"), "42|it's");
        }
    }

    static void transactions() throws SQLException {
        String table = PREFIX + "_transactions";
        try (Connection beside = session(small(table, 0)); Connection c = session()) {
            c.setAutoCommit(false);
            run(c, "INSERT INTO " + table + " VALUES (1, 'gone')");
            same(ask(c, "SELECT count(*) FROM " + table) + ask(beside, "SELECT count(*) FROM " + table), "10");
            c.rollback();
            same(ask(c, "SELECT count(*) FROM " + table), "0");
            run(c, "INSERT INTO " + table + " VALUES (2, 'kept')");
            Savepoint savepoint = c.setSavepoint("s");
            run(c, "INSERT INTO " + table + " VALUES (3, 'undone')");
            mustFail("22012", () -> run(c, "SELECT 1/0"));
            mustFail("25P02", () -> run(c, "SELECT 1"));
            c.rollback(savepoint);
            c.commit();
            same(ask(beside, "SELECT id, name FROM " + table), "2|kept");
            c.setReadOnly(true);
            c.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            same(ask(c, "SELECT count(*) FROM " + table), "1");
            run(beside, "INSERT INTO " + table + " VALUES (4, 'later')");
            same(ask(c, "SELECT count(*) FROM " + table), "1");
            mustFail("25006", () -> run(c, "INSERT INTO " + table + " VALUES (5, 'no')"));
            c.rollback();
        }
    }

    static void catalog() throws SQLException {
        String table = PREFIX + "_catalog";
        try (Connection c = session(typed(table))) {
            DatabaseMetaData m = c.getMetaData();
            same(named(m.getTables(null, "public", table, new String[] {"TABLE"}), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE"),
                "public|" + table + "|TABLE");
            same(named(m.getColumns(null, "public", table, "%"), "COLUMN_NAME", "TYPE_NAME", "IS_NULLABLE"),
                "id|int8|NO n|int4|YES name|varchar|YES note|text|YES price|numeric|YES f|float8|YES ok|bool|YES day|date|YES"
                + " seen|timestamp|YES ts|timestamptz|YES raw|bytea|YES uid|uuid|YES tags|_text|YES doc|jsonb|YES");
            same(named(m.getColumns(null, "public", table, "pr_ce"), "COLUMN_SIZE", "DECIMAL_DIGITS", "ORDINAL_POSITION"), "12|4|5");
            same(named(m.getSchemas(null, "publ%"), "TABLE_SCHEM"), "public");
            same(named(m.getCatalogs(), "TABLE_CAT").contains("zxq"), true);
            same(named(m.getPrimaryKeys(null, "public", table), "COLUMN_NAME")
                + named(m.getIndexInfo(null, "public", table, false, false), "INDEX_NAME")
                + named(m.getImportedKeys(null, "public", table), "FKCOLUMN_NAME"), "");
            same(named(m.getTypeInfo(), "TYPE_NAME").contains("timestamptz"), true);
            m.getFunctions(null, "public", "%").close();
            m.getTablePrivileges(null, "public", table).close();
        }
    }
}
