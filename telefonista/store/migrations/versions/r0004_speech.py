"""What citizens said to flows, and what was made of it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("choices") as choices:
        choices.add_column(sa.Column("phrase", sa.Text(), nullable=True))
    op.create_table(
        "hearings",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("phrase", sa.Text(), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_hearings_call", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", name="pk_hearings"),
    )
    op.create_index("ix_hearings_call", "hearings", ["call"])
    op.create_index("ix_hearings_heard_at", "hearings", ["heard_at"])


def downgrade() -> None:
    op.drop_table("hearings")
    with op.batch_alter_table("choices") as choices:
        choices.drop_column("phrase")
