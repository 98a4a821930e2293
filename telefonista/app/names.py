"""The start-up guard: refuses to run where another distribution owns one of our top-level names.

`agents`, for one, is the name of a popular package; with both installed it is chance which one is imported.
"""

from importlib.metadata import packages_distributions

OURS = ("acd", "agents", "dialplans", "ivr", "recordings", "telefonista")
DISTRIBUTION = "telefonista"


class NameTaken(Exception):
    """Another distribution installs a package of our name; the message says which and what to do."""


def check_names() -> None:
    """Raises `NameTaken`."""
    owners = packages_distributions()
    for name in OURS:
        others = sorted({owner for owner in owners.get(name, ()) if owner.lower() != DISTRIBUTION})
        if others:
            raise NameTaken(
                f"the package {name!r} is also installed by {', '.join(others)}: "
                "install telefonista in a virtual environment of its own"
            )
