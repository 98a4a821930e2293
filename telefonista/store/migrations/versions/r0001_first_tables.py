"""The first tables: citizens, calls and what belongs to them, agents' presence, how far the journal is projected."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "citizens",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("first_contact_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_contact_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_citizens"),
    )
    op.create_table(
        "presences",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("presence", sa.String(32), nullable=False),
        sa.Column("call", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_presences"),
    )
    op.create_index("ix_presences_agent_seq", "presences", ["agent", "seq"])
    op.create_index("ix_presences_began_at", "presences", ["began_at"])
    op.create_table(
        "projection",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("checkpoint", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_projection"),
    )
    op.create_table(
        "unprojected",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("call", sa.Text(), nullable=True),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_unprojected"),
    )
    op.create_table(
        "calls",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("handled_by", sa.String(32), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("dialled", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("citizen", sa.Text(), nullable=True),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(32), nullable=True),
        sa.Column("cause", sa.Integer(), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("flow", sa.Text(), nullable=True),
        sa.Column("flow_version", sa.Text(), nullable=True),
        sa.Column("last_node", sa.Text(), nullable=True),
        sa.Column("topic", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["citizen"], ["citizens.number"], name="fk_calls_citizen"),
        sa.PrimaryKeyConstraint("id", name="pk_calls"),
        sa.UniqueConstraint("seq", name="uq_calls_seq"),
    )
    op.create_index("ix_calls_arrived_at", "calls", ["arrived_at"])
    op.create_index("ix_calls_citizen_arrived_at", "calls", ["citizen", "arrived_at"])
    op.create_table(
        "choices",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("chosen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("digit", sa.Text(), nullable=False),
        sa.Column("option", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_choices_call", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", name="pk_choices"),
    )
    op.create_index("ix_choices_call", "choices", ["call"])
    op.create_table(
        "conversations",
        sa.Column("leg", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(32), nullable=True),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_conversations_call", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("leg", name="pk_conversations"),
    )
    op.create_index("ix_conversations_call", "conversations", ["call"])
    op.create_index("ix_conversations_started_at", "conversations", ["started_at"])
    op.create_table(
        "legs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rang_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cause", sa.Integer(), nullable=True),
        sa.Column("sip_status", sa.Integer(), nullable=True),
        sa.Column("lost", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_legs_call", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_legs"),
    )
    op.create_index("ix_legs_call", "legs", ["call"])
    op.create_index("ix_legs_started_at", "legs", ["started_at"])
    op.create_table(
        "recordings",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("path", sa.Text(), nullable=True),
        sa.Column("duration_s", sa.Double(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("why_failed", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_recordings_call", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_recordings"),
    )
    op.create_index("ix_recordings_call", "recordings", ["call"])
    op.create_table(
        "visits",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(32), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("lost", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_visits_call", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_visits"),
    )
    op.create_index("ix_visits_call", "visits", ["call"])
    op.create_index("ix_visits_queue_started_at", "visits", ["queue", "started_at"])
    op.create_index("ix_visits_started_at", "visits", ["started_at"])
    op.create_table(
        "offers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("visit", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("leg", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(32), nullable=True),
        sa.Column("passed_over", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_offers_call", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["visit"], ["visits.id"], name="fk_offers_visit", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_offers"),
    )
    op.create_index("ix_offers_call", "offers", ["call"])
    op.create_index("ix_offers_visit", "offers", ["visit"])


def downgrade() -> None:
    op.drop_table("offers")
    op.drop_table("visits")
    op.drop_table("recordings")
    op.drop_table("legs")
    op.drop_table("conversations")
    op.drop_table("choices")
    op.drop_table("calls")
    op.drop_table("unprojected")
    op.drop_table("projection")
    op.drop_table("presences")
    op.drop_table("citizens")
