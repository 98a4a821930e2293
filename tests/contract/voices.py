"""What citizens say in tests: synthesised voices that the sample model was never trained on."""

import asyncio
import wave
from collections.abc import Callable
from pathlib import Path

SOUNDS = Path(__file__).resolve().parents[1] / "sounds"
FRAME_BYTES = 320
BETWEEN_S = 1.5
PATIENCE_S = 20.0
QUIET = bytes(FRAME_BYTES)


def spoken(name: str) -> bytes:
    """8,000 samples a second, 16 bits: `si`, `no`, `no-se`, `tramites`."""
    with wave.open(str(SOUNDS / f"{name}.wav")) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 8000)
        samples: bytes = sound.readframes(sound.getnframes())
        return samples


def said(*names: str, before_s: float = 0.3, after_s: float = 1.5) -> bytes:
    """One after the other, with silence around all and between two."""
    silence = bytes(int(8000 * before_s) * 2)
    between = bytes(int(8000 * BETWEEN_S) * 2)
    return silence + between.join(spoken(name) for name in names) + bytes(int(8000 * after_s) * 2)


async def until(met: Callable[[], bool], what: str) -> None:
    """Wait for something to become true."""
    for _ in range(round(PATIENCE_S / 0.02)):
        if met():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError(what)
