"""Alembic's migrations, run by `telefonista.store.database.migrate`."""
