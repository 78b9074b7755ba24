import java.sql.*;
import java.time.OffsetDateTime;

/** What a BI tool on JDBC asks about schema toggl, as lines of fields with tabs between them; jdbc.py judges them. */
class Metadata {
    public static void main(String[] arguments) throws SQLException {
        try (Connection connection = DriverManager.getConnection(System.getenv("JDBC_URL"))) {
            DatabaseMetaData catalog = connection.getMetaData();
            tell("version", catalog.getDriverVersion(), System.getProperty("java.version"));
            ResultSet tables = catalog.getTables(null, "toggl", null, new String[] {"TABLE", "VIEW"});
            while (tables.next()) {
                String table = tables.getString("TABLE_NAME");
                tell("table", table, tables.getString("TABLE_TYPE"), tables.getString("REMARKS"));
                ResultSet primary = catalog.getPrimaryKeys(null, "toggl", table);
                while (primary.next()) tell("primary", table, primary.getString("COLUMN_NAME"));
                ResultSet imported = catalog.getImportedKeys(null, "toggl", table);
                while (imported.next())
                    tell("imported", table, imported.getString("FKCOLUMN_NAME"), imported.getString("PKTABLE_NAME"));
            }
            ResultSet columns = catalog.getColumns(null, "toggl", null, null);
            while (columns.next())
                tell("column", columns.getString("TABLE_NAME"), columns.getString("COLUMN_NAME"),
                        columns.getString("TYPE_NAME"), columns.getString("IS_NULLABLE"), columns.getString("REMARKS"));
            ResultSet row = connection.createStatement().executeQuery(
                    "SELECT id, rate, end_date, active, at, at AS again, current_setting('timezone') AS zone"
                    + " FROM toggl.projects WHERE id = " + System.getenv("PROJECT_ID"));
            row.next();
            tell("row", row.getLong("id"), row.getBigDecimal("rate"), row.getDate("end_date"), row.getBoolean("active"),
                    row.getObject("at", OffsetDateTime.class).toInstant(), row.getTimestamp("again").toInstant(),
                    row.getString("zone"));
        }
    }

    private static void tell(Object... fields) {
        StringBuilder line = new StringBuilder();
        for (Object field : fields) line.append(line.isEmpty() ? "" : "\t").append(field);
        System.out.println(line);
    }
}
