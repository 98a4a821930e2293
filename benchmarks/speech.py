"""How well and how fast the sample model understands voices that it was never trained on, over four kinds of line.

In: espeak-ng, which speaks with voices that the model's training left out (`packaging/speech_model/espeak.py`), and the
very worker that listens to citizens. Out: accuracy, what was asked for and what was not, latency in time of the sound,
and the processor time that a second of listening takes. No Asterisk has a part in it.
"""

from __future__ import annotations

import math
import random
import tempfile
import time
from array import array
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from benchmarks.tables import Row, Section, percentile, progress, spread
from ivr.core.hearing import Word, read
from ivr.core.waveform import decode_wav, encode_wav, resample
from ivr.prompts import EspeakSynthesiser
from telefonista.app.rtp import decode_ulaw, encode_ulaw
from telefonista.app.speech_worker import Close, Open, Outbox, Sound, Understood, Worker
from telefonista.pbx.packages import Tool, default_folder, ensure

VOICES = ("f4", "m6", "Alicia", "Mario", "anika", "pablo", "linda", "miguel")
LANGUAGES = ("es-419", "es")
DIGITS = ("cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve")
WORDS = ("sí", "no", *DIGITS, "operador", "trámites")
OUTSIDE = ("no sé", "quizás", "hola buenas", "mañana llamo", "el perro del vecino", "espere un poco", "cómo dice")
YES_NO = (("sí", "claro"), ("no",))
RATE_HZ = 8000
BEFORE_S, AFTER_S = 0.5, 1.6
PIECE_BYTES = 1280
LOUD = 12000
FLOOR = 200
_DECODED = [decode_ulaw(code) for code in range(256)]

Line = Callable[[Sequence[int]], Sequence[int]]


class Spoken(NamedTuple):
    text: str
    samples: Sequence[int]
    ends_s: float
    """The last of the word, from the beginning of the sound."""


class Heard(NamedTuple):
    phrase: str
    """Empty: nothing was understood."""
    after_s: float
    """From the end of the word, in time of the sound."""
    partial: bool


def measure(*, quick: bool) -> list[Section]:
    """Two tables: what is understood, and what that takes."""
    voices = [f"{language}+{voice}" for voice in VOICES[: 2 if quick else None] for language in LANGUAGES]
    with tempfile.TemporaryDirectory() as folder:
        progress(f"{len(voices)} voices speak")
        words = [_spoken(text, voice=voice, folder=Path(folder)) for voice in voices for text in WORDS]
        outside = [_spoken(text, voice=voice, folder=Path(folder)) for voice in voices for text in OUTSIDE]
    told: list[Outbox] = []
    model = Path(str(files("telefonista.app") / "models" / "es-muestra"))
    began = time.monotonic()
    worker = Worker({"es": model}, tell=told.append)
    load_s = time.monotonic() - began
    ears = _Ears(worker, told)
    lines = _lines()
    return [_accuracy(ears, lines, words=words, outside=outside), _cost(ears, words, load_s=load_s)]


def _spoken(text: str, *, voice: str, folder: Path) -> Spoken:
    toolbox = ensure(default_folder(), wanted={Tool.ESPEAK}, report=progress)
    synthesiser = EspeakSynthesiser(
        toolbox.espeak.command(), voice=voice, words_per_minute=150, data_path=toolbox.espeak_data
    )
    target = folder / "spoken.wav"
    synthesiser.synthesise(text, language="es", target=target)
    sound = resample(decode_wav(target.read_bytes()))
    samples = array("h", encode_wav(sound.samples)[44:])
    loudest = max(map(abs, samples))
    scaled = [round(sample * LOUD / loudest) for sample in samples]
    places = [place for place, sample in enumerate(scaled) if abs(sample) > FLOOR]
    before = [0] * int(BEFORE_S * RATE_HZ)
    return Spoken(text, [*before, *scaled, *([0] * int(AFTER_S * RATE_HZ))], BEFORE_S + places[-1] / RATE_HZ)


def _lines() -> dict[str, Line]:
    chance = random.Random(7)

    def noisy(samples: Sequence[int], snr_db: float) -> Sequence[int]:
        voiced = [sample for sample in samples if abs(sample) > FLOOR]
        level = math.sqrt(sum(sample * sample for sample in voiced) / len(voiced)) / 10 ** (snr_db / 20)
        return [round(sample + chance.gauss(0, level)) for sample in samples]

    def telephone(samples: Sequence[int]) -> Sequence[int]:
        return [_DECODED[encode_ulaw(sample)] for sample in samples]

    return {
        "clean, 8 kHz": lambda samples: samples,
        "µ-law": telephone,
        "µ-law, noise 20 dB below": lambda samples: telephone(noisy(samples, 20)),
        "µ-law, noise 12 dB below": lambda samples: telephone(noisy(samples, 12)),
    }


class _Ears:
    """One citizen after the other."""

    def __init__(self, worker: Worker, told: list[Outbox]) -> None:
        self._worker = worker
        self._told = told
        self._numbers = 0

    def hear(self, spoken: Spoken, samples: Sequence[int], *, options: Sequence[Sequence[str]]) -> Heard:
        """The first that is understood, or that nothing was."""
        self._numbers += 1
        self._told.clear()
        self._worker.take(Open(self._numbers, "es", tuple(tuple(option) for option in options)))
        sound = array("h", [max(-32768, min(32767, sample)) for sample in samples]).tobytes()
        heard = Heard("", math.nan, False)
        for place in range(0, len(sound), PIECE_BYTES):
            piece = sound[place : place + PIECE_BYTES]
            self._worker.take(Sound(self._numbers, piece))
            for message in [message for message in self._told if isinstance(message, Understood)]:
                self._told.remove(message)
                reading = read([Word(*word) for word in message.words], options=options)
                after_s = (place + len(piece)) / 2 / RATE_HZ - spoken.ends_s
                if not heard.phrase:
                    heard = Heard(reading.phrase, after_s, message.partial)
        self._worker.take(Close(self._numbers))
        return heard


def _accuracy(ears: _Ears, lines: dict[str, Line], *, words: Sequence[Spoken], outside: Sequence[Spoken]) -> Section:
    everything = [(word,) for word in WORDS]
    yes_no = [spoken for spoken in words if spoken.text in ("sí", "no")]
    cells: dict[str, list[str]] = {
        name: [] for name in ("right", "asked", "wrong", "yes", "again", "other", "outside", "late", "partial")
    }
    for name, line in lines.items():
        progress(name)
        found = [(spoken, ears.hear(spoken, line(spoken.samples), options=everything)) for spoken in words]
        right = sum(heard.phrase == spoken.text for spoken, heard in found)
        unclear = sum(not heard.phrase for _, heard in found)
        cells["right"].append(_of(right, len(found)))
        cells["asked"].append(_of(unclear, len(found)))
        cells["wrong"].append(_of(len(found) - right - unclear, len(found)))
        two = [(spoken, ears.hear(spoken, line(spoken.samples), options=YES_NO)) for spoken in yes_no]
        right = sum(heard.phrase == spoken.text for spoken, heard in two)
        unclear = sum(not heard.phrase for _, heard in two)
        cells["yes"].append(_of(right, len(two)))
        cells["again"].append(_of(unclear, len(two)))
        cells["other"].append(_of(len(two) - right - unclear, len(two)))
        refused = [ears.hear(spoken, line(spoken.samples), options=YES_NO).phrase == "" for spoken in outside]
        cells["outside"].append(_of(sum(refused), len(refused)))
        good = [heard for spoken, heard in two if heard.phrase == spoken.text]
        times = [heard.after_s for heard in good]
        cells["late"].append(f"{spread(times, unit=' s', digits=2)}; p95 {percentile(times, share=0.95):.2f} s")
        cells["partial"].append(_of(sum(heard.partial for heard in good), len(good)))
    return Section(
        title="What is understood of speech (sample model)",
        ways=tuple(lines),
        rows=[
            Row(what=f"one of {len(WORDS)} words: right", cells=cells["right"]),
            Row(what="  asked again", cells=cells["asked"]),
            Row(what="  taken for another", cells=cells["wrong"]),
            Row(what='"sí" or "no": right', cells=cells["yes"]),
            Row(what="  asked again", cells=cells["again"]),
            Row(what="  one taken for the other", cells=cells["other"], aim="0"),
            Row(what="something else said: refused", cells=cells["outside"]),
            Row(what='end of "sí"/"no" → understood', cells=cells["late"]),
            Row(what="  by a decisive partial result", cells=cells["partial"]),
        ],
        remarks=[
            f"{len(words) // len(WORDS)} synthesised voices that the model was not trained on, no human one; each word "
            "once per voice and line; exact match.",
            "Latency in time of the sound, without the way through Asterisk (docs/asterisk-notes.md has that).",
        ],
    )


def _of(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} % ({part} of {whole})"


def _cost(ears: _Ears, words: Sequence[Spoken], *, load_s: float) -> Section:
    factors = []
    for options in (YES_NO, [(word,) for word in WORDS]):
        sound_s = sum(len(spoken.samples) for spoken in words) / RATE_HZ
        began = time.process_time()
        for spoken in words:
            ears.hear(spoken, spoken.samples, options=options)
        factors.append((time.process_time() - began) / sound_s)
    return Section(
        title="What listening takes (sample model)",
        ways=("sí or no", f"{len(WORDS)} words"),
        rows=[
            Row(what="real-time factor", cells=[f"{factor:.4f}" for factor in factors]),
            Row(what="simultaneous recognitions per core", cells=[f"{1 / factor:.0f}" for factor in factors]),
            Row(what="model loaded in", cells=[f"{load_s:.2f} s"]),
        ],
        remarks=[
            "Processor time of the worker per second of sound, opening and closing included; a core is full at the "
            "number in the second row. A full model for production takes more: measure it.",
        ],
    )
