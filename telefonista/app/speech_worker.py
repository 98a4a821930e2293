"""The process that understands what citizens say: vosk, and nothing else of ours beside the rules of hearing.

In, by its standard input: what to listen for, sound, and when to stop listening. Out, by its standard output: what was
said. `Inbox` and `Outbox` are the messages, each with its length before it. It is alone so that no recognition holds up
a call, and so that a model that brings vosk down ends no call. Must never import the engine, nor be imported by a room.
"""

import array
import json
import math
import os
import re
import signal
import struct
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from ivr.core.hearing import Attention, Options, attend, grammar, is_decisive, known

TELEPHONE_HZ = 8000
DEFAULT_MODEL_HZ = 16000
"""What models are trained for that do not say so."""
PIECE_BYTES = 640
"""40 ms: how often a reading is looked at."""
PIECE_S = PIECE_BYTES / 2 / TELEPHONE_HZ
LENGTH = struct.Struct("<I")
MOST_BYTES = 1 << 20

_RATE = re.compile(r"^--sample-frequency=([0-9]+)", re.MULTILINE)


class Open(msgspec.Struct, tag=True):
    """Listen for one of these options."""

    recognition: int
    language: str
    options: tuple[tuple[str, ...], ...]


class Sound(msgspec.Struct, tag=True):
    """8,000 samples a second, 16 bits, little endian."""

    recognition: int
    samples: bytes


class Close(msgspec.Struct, tag=True):
    recognition: int


class Ready(msgspec.Struct, tag=True):
    """All models are loaded; one that cannot be ends the process."""

    languages: tuple[str, ...]


class Taken(msgspec.Struct, tag=True):
    """So much of the sound is worked off."""

    recognition: int
    samples_bytes: int


class Began(msgspec.Struct, tag=True):
    """Somebody is saying something."""

    recognition: int


class Understood(msgspec.Struct, tag=True):
    """Somebody said something: its words with their probabilities, `[unk]` for what was none of those asked for."""

    recognition: int
    words: tuple[tuple[str, float], ...]
    partial: bool
    """Told before the recogniser by itself took the citizen to have finished."""


class Failed(msgspec.Struct, tag=True):
    recognition: int
    why: str


Inbox = Open | Sound | Close
Outbox = Ready | Taken | Began | Understood | Failed

_READ = msgspec.msgpack.Decoder(Inbox)
_WRITE = msgspec.msgpack.Encoder()


def model_rate_hz(model: Path) -> int:
    """The rate that a model wants its sound in."""
    found = _RATE.search((model / "conf" / "mfcc.conf").read_text(encoding="utf-8", errors="replace"))
    return int(found[1]) if found else DEFAULT_MODEL_HZ


def model_words(model: Path) -> frozenset[str]:
    """All that a model knows. A word that it does not know vosk ignores without saying so (seen)."""
    lines = (model / "graph" / "words.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line.split(" ", 1)[0] for line in lines)


class _Model:
    def __init__(self, folder: Path) -> None:
        import vosk

        vosk.SetLogLevel(-1)
        self._vosk = vosk
        self._model = vosk.Model(str(folder))
        # A rate below the model's would raise; one above it is brought down.
        self._rate_hz = TELEPHONE_HZ if model_rate_hz(folder) <= TELEPHONE_HZ else 2 * TELEPHONE_HZ
        self.words = model_words(folder)

    def recogniser(self, options: Options) -> "_Recogniser":
        recogniser = self._vosk.KaldiRecognizer(self._model, float(self._rate_hz), grammar(options))
        recogniser.SetWords(True)
        return _Recogniser(recogniser, rate_hz=self._rate_hz, options=options)


class _Recogniser:
    """One citizen's."""

    def __init__(self, recogniser: Any, *, rate_hz: int, options: Options) -> None:
        self._recogniser = recogniser
        self._rate_hz = rate_hz
        self._options = options
        self._last = 0
        self._rest = b""
        self._attention = Attention()
        self.began = False
        """Something is being said, and it was not told yet what."""

    def take(self, samples: bytes) -> list[tuple[tuple[tuple[str, float], ...], bool]]:
        """What was said by the end of this sound, each with whether it was told early."""
        said: list[tuple[tuple[tuple[str, float], ...], bool]] = []
        self._rest += samples
        while len(self._rest) >= PIECE_BYTES:
            piece, self._rest = self._rest[:PIECE_BYTES], self._rest[PIECE_BYTES:]
            words, partial = self._take_piece(piece)
            if words:
                said.append((words, partial))
        return said

    def _take_piece(self, piece: bytes) -> tuple[tuple[tuple[str, float], ...], bool]:
        samples = array.array("h", piece)
        level_db = _level_db(samples)
        if self._rate_hz != TELEPHONE_HZ:
            samples, self._last = doubled(samples, after=self._last), samples[-1]
        if self._recogniser.AcceptWaveform(samples.tobytes()):
            self._attention, self.began = Attention(), False
            return _words(self._recogniser.Result()), False
        text = json.loads(self._recogniser.PartialResult())["partial"]
        self._attention = attend(self._attention, text, lasted_s=PIECE_S, level_db=level_db)
        self.began = self.began or bool(text)
        if not is_decisive(self._attention, options=self._options):
            return (), True
        self._attention, self.began = Attention(), False
        return _words(self._recogniser.FinalResult()), True


def _words(result: str) -> tuple[tuple[str, float], ...]:
    return tuple((word["word"], float(word["conf"])) for word in json.loads(result).get("result", ()))


def _level_db(samples: "array.array[int]") -> float:
    """Of the loudest sample."""
    loudest = max(map(abs, samples))
    return 20 * math.log10(loudest / 32768) if loudest else -120.0


def doubled(samples: "array.array[int]", *, after: int) -> "array.array[int]":
    """The same sound at twice the rate: between two samples, half of each."""
    found = array.array("h", bytes(4 * len(samples)))
    found[1::2] = samples
    before = [after, *samples[:-1]]
    found[0::2] = array.array("h", [(one + two) // 2 for one, two in zip(before, samples, strict=True)])
    return found


class Worker:
    """`models` by language."""

    def __init__(self, models: Mapping[str, Path], *, tell: Callable[[Outbox], None]) -> None:
        self._tell = tell
        self._models = {language: _Model(folder) for language, folder in models.items()}
        self._recognisers: dict[int, _Recogniser] = {}
        tell(Ready(tuple(self._models)))

    def take(self, message: Inbox) -> None:
        """Do what it says; a defect costs this recognition."""
        if isinstance(message, Close):
            self._recognisers.pop(message.recognition, None)
            return
        try:
            if isinstance(message, Open):
                self._open(message)
            else:
                self._hear(message)
        except Exception as defect:
            self._recognisers.pop(message.recognition, None)
            self._tell(Failed(message.recognition, f"{type(defect).__name__}: {defect}"[:200]))

    def _open(self, message: Open) -> None:
        model = self._models[message.language]
        options = known(message.options, words=model.words)
        self._recognisers[message.recognition] = model.recogniser(options)

    def _hear(self, message: Sound) -> None:
        recogniser = self._recognisers.get(message.recognition)
        if recogniser is not None:
            before = recogniser.began
            for words, partial in recogniser.take(message.samples):
                self._tell(Understood(message.recognition, words, partial))
                before = False
            if recogniser.began and not before:
                self._tell(Began(message.recognition))
        self._tell(Taken(message.recognition, len(message.samples)))


def framed(message: Inbox | Outbox) -> bytes:
    """As it goes through a pipe."""
    written = _WRITE.encode(message)
    return LENGTH.pack(len(written)) + written


def _messages(source: BinaryIO) -> Any:
    while True:
        head = source.read(LENGTH.size)
        if len(head) < LENGTH.size:
            return
        (length,) = LENGTH.unpack(head)
        body = source.read(length)
        if length > MOST_BYTES or len(body) < length:
            return
        yield _READ.decode(body)


def check_model(folder: Path) -> dict[str, Any]:
    """Load a model and let it hear a second of nothing; what is to be said of it. Whatever is wrong with a model may
    end this process."""
    model = _Model(folder)
    recogniser = model.recogniser((("sí",), ("no",)))
    heard = recogniser.take(array.array("h", [0] * TELEPHONE_HZ).tobytes())
    return {"rate_hz": model_rate_hz(folder), "words": len(model.words), "heard": [words for words, _ in heard]}


def main() -> None:
    """`--check FOLDER` prints what there is to say of a model; otherwise LANGUAGE=FOLDER … are the models to serve with
    until standard input ends."""
    # vosk writes where it likes; what we have to say goes out by a descriptor of its own.
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    if sys.argv[1:2] == ["--check"]:
        output.write(json.dumps(check_model(Path(sys.argv[2]))).encode())
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked for us ends us, by closing our input
    models = {language: Path(folder) for language, _, folder in (each.partition("=") for each in sys.argv[1:])}

    def tell(message: Outbox) -> None:
        output.write(framed(message))

    worker = Worker(models, tell=tell)
    for message in _messages(sys.stdin.buffer):
        worker.take(message)


if __name__ == "__main__":
    main()
