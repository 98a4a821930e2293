"""Contacts without a channel, attempts, diversions, consultations, dispositions, audit; who must not be called."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_CALL = sa.String(32)


def upgrade() -> None:
    with op.batch_alter_table("calls") as calls:
        calls.add_column(sa.Column("medium", _CALL, nullable=False, server_default="call"))
        calls.add_column(sa.Column("origin", sa.Text(), nullable=True))
        calls.add_column(sa.Column("message", sa.Text(), nullable=True))
        calls.create_index("ix_calls_origin", ["origin"])
    with op.batch_alter_table("visits") as visits:
        visits.add_column(sa.Column("medium", _CALL, nullable=False, server_default="call"))
        visits.add_column(sa.Column("waits_since", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("offers") as offers:
        offers.add_column(sa.Column("because", sa.Text(), nullable=True))
        offers.add_column(sa.Column("others", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("conversations") as conversations:
        conversations.add_column(sa.Column("medium", _CALL, nullable=False, server_default="call"))
        conversations.add_column(sa.Column("number", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("presences") as presences:
        presences.add_column(sa.Column("why", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "attempts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(32), nullable=True),
        sa.Column("cause", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_attempts_call", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
    )
    op.create_index("ix_attempts_call", "attempts", ["call"])
    op.create_index("ix_attempts_made_at", "attempts", ["made_at"])
    op.create_table(
        "diversions",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("diverted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_diversions_call", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", name="pk_diversions"),
    )
    op.create_index("ix_diversions_call", "diversions", ["call"])
    op.create_table(
        "parties",
        sa.Column("leg", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("called_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(32), nullable=True),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_parties_call", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("leg", name="pk_parties"),
    )
    op.create_index("ix_parties_call", "parties", ["call"])
    op.create_table(
        "dispositions",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("disposition", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_dispositions"),
    )
    op.create_index("ix_dispositions_call", "dispositions", ["call"])
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )
    op.create_index("ix_audit_asked_at", "audit", ["asked_at"])
    op.create_table(
        "do_not_call",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_do_not_call"),
    )


def downgrade() -> None:
    for table in ("do_not_call", "audit", "dispositions", "parties", "diversions", "attempts"):
        op.drop_table(table)
    for table, columns in (
        ("presences", ("why",)),
        ("conversations", ("medium", "number")),
        ("offers", ("because", "others")),
        ("visits", ("medium", "waits_since")),
    ):
        with op.batch_alter_table(table) as altered:
            for column in columns:
                altered.drop_column(column)
    with op.batch_alter_table("calls") as calls:
        calls.drop_index("ix_calls_origin")
        for column in ("medium", "origin", "message"):
            calls.drop_column(column)
