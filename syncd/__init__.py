"""syncd keeps a PostgreSQL copy of the clients and projects of many Toggl accounts."""
