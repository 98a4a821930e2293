"""A home folder as the first run makes it."""

from pathlib import Path

import pytest

from telefonista.app.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "var")
    made.make()
    return made
