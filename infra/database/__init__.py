"""PostgreSQL and SQLite: tables, stores, queries, migrations."""
