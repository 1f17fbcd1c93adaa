"""Real logins, as an administrator makes them for people and programs."""

from __future__ import annotations

import secrets

import sqlalchemy as sa


def login(engine: sa.Engine, role: str) -> str:
    """Make a login that is a member of a role; return the URL of the database for it."""
    name, password = f"login_{secrets.token_hex(4)}", secrets.token_hex(8)
    with engine.begin() as connection:
        connection.execute(sa.text(f"create role {name} login password '{password}' in role {role}"))
    return engine.url.set(username=name, password=password).render_as_string(hide_password=False)
