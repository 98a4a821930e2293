"""What every test on the real Asterisk shares: the programs, telephones' sound, and houses that are shut at the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from telefonista.app.rtp import RtpExchange, tone_frames, write_wav
from telefonista.pbx.packages import Tool, Toolbox, default_folder, ensure
from tests.asterisk.house import MUSIC_HZ, House, Settings, house_in

OpenHouse = Callable[..., Awaitable[House]]
_HOUSES = pytest.StashKey[list[House]]()


@pytest.fixture(scope="session")
def toolbox() -> Toolbox:
    """Asterisk, sipp and espeak-ng, the system's or fetched."""
    return ensure(default_folder(), wanted=set(Tool), report=print)


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The music on hold: one tone that nobody else has, so that a test can tell music from words and from silence."""
    return write_wav(tmp_path_factory.mktemp("music") / "espera.wav", ulaw=b"".join(tone_frames(MUSIC_HZ)) * 30)


@pytest.fixture
def exchange() -> Iterator[RtpExchange]:
    """The telephones' sound."""
    with RtpExchange() as running:
        yield running


@pytest.fixture
async def open_house(
    request: pytest.FixtureRequest, toolbox: Toolbox, music: Path, exchange: RtpExchange
) -> AsyncIterator[OpenHouse]:
    """Opens a house with these settings. A folder of its own, since a control socket's path must be short."""
    houses = request.node.stash.setdefault(_HOUSES, [])
    folders: list[Path] = []
    async with AsyncExitStack() as stack:

        async def open_one(**settings: Any) -> House:
            folder = Path(tempfile.mkdtemp(prefix="tf-"))
            folders.append(folder)
            opened = house_in(folder, settings=Settings(**settings), toolbox=toolbox, exchange=exchange, music=music)
            house = await stack.enter_async_context(opened)
            houses.append(house)
            return house

        yield open_one
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what everybody in the house wrote."""
    report = yield
    if report.failed:
        for house in item.stash.get(_HOUSES, []):
            report.sections += house.logs()
    return report
