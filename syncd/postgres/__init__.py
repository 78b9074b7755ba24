"""PostgreSQL: connections, migrations, the queries of `sql/`, and a server of our own for those who bring none."""
