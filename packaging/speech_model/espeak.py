"""espeak-ng with the times of its phones, by its C library (speak_lib.h).

Runs as a program, `espeak.py SEED COUNT FOLDER`, because the library may want another C library than this Python has:
`make.py` then starts it through the loader that belongs to it. It writes `FOLDER/SEED.npz` with `COUNT` utterances.
"""

import ctypes
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import sound
from words import MENUS, OTHERS, PDF, SILENCE, TARGETS, listed, phones_of

RATE_HZ = 22050
_RETRIEVAL = 1  # AUDIO_OUTPUT_RETRIEVAL: the samples come to the callback (2 is its synchronous form)
_PHONEME_EVENTS_AND_NO_EXIT = 0x8001
_PHONEME = 7
_RATE, _PITCH, _RANGE = 1, 3, 4
_CLOSURE_MS = 40.0
_STOPS = frozenset(("p", "t", "k", "ch"))
STOCK = listed(
    "f1 f2 f3 f4 f5 m1 m2 m3 m4 m5 m6 m7 m8 Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky "
    "Lee Marco Mario Michael Mike Nguyen Reed adam anika antonio aunty belinda benjamin boris caleb david ed edward "
    "grandma grandpa gustave ian iven john kaukovalta linda marcelo max michel miguel norbert pablo paul pedro quincy "
    "rob robert sandro shelby steph travis victor zac klatt klatt2 klatt3 klatt4"
)
HELD_OUT = listed("f4 m6 Alicia Mario anika pablo linda miguel")
"""Never trained on; nor are the made-up voices of `HELD_OUT_MADE`."""
MADE = 160
HELD_OUT_MADE = 12


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_void_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Phone(NamedTuple):
    name: str
    start_s: float
    end_s: float


class Espeak:
    def __init__(self, library: str, *, voices: Path) -> None:
        """`voices` holds `espeak-ng-data`."""
        self._library = ctypes.CDLL(library)
        self._samples: list[np.ndarray] = []
        self._marks: list[tuple[str, float]] = []
        self._callback = _Callback(self._take)
        if self._library.espeak_Initialize(2, 0, str(voices).encode(), _PHONEME_EVENTS_AND_NO_EXIT) != RATE_HZ:
            raise RuntimeError("espeak-ng does not start")
        self._library.espeak_SetSynthCallback(self._callback)

    def _take(self, samples: object, count: int, events: object) -> int:
        if samples and count:
            self._samples.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
        place = 0
        while events[place].type:
            event = events[place]
            if event.type == _PHONEME:
                self._marks.append((event.id.string.decode(), event.audio_position / 1000))
            place += 1
        return 0

    def say(self, text: str, *, voice: str, rate: int, pitch: int, melody: int) -> tuple[np.ndarray, list[Phone]]:
        """Samples (float, int16 scale) and phones. Raises KeyError for a sound that is not Spanish."""
        self._samples, self._marks = [], []
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(voice)
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, melody)):
            self._library.espeak_SetParameter(parameter, value, 0)
        spoken = text.encode()
        self._library.espeak_Synth(spoken, len(spoken) + 1, 0, 1, 0, 1, None, None)
        self._library.espeak_Synchronize()
        samples = np.concatenate(self._samples).astype(np.float64) if self._samples else np.zeros(1)
        return samples, _phones(self._marks, end_s=len(samples) / RATE_HZ)


def _phones(marks: Sequence[tuple[str, float]], *, end_s: float) -> list[Phone]:
    starts: list[list] = [[SILENCE, 0.0]]
    for place, (mnemonic, start_s) in enumerate(marks):
        until_s = marks[place + 1][1] if place + 1 < len(marks) else end_s
        halves = phones_of(mnemonic)
        for half, name in enumerate(halves):
            at_s = start_s + half * (until_s - start_s) / len(halves)
            if name in _STOPS:
                # Its closure was credited to the phone before.
                at_s -= min(_CLOSURE_MS / 1000, 0.4 * (at_s - starts[-1][1]))
            starts.append([name, max(at_s, starts[-1][1])])
    ends = [start for _, start in starts[1:]] + [end_s]
    return [Phone(name, start, end) for (name, start), end in zip(starts, ends, strict=True) if end > start]


def pronunciations(espeak: Espeak, word: str) -> list[tuple[str, ...]]:
    """How the word is said in Spain and in America, each once."""
    found = []
    for voice in ("es", "es-419"):
        _, phones = espeak.say(word, voice=voice, rate=150, pitch=50, melody=50)
        found.append(tuple(phone.name for phone in phones if phone.name != SILENCE))
    return list(dict.fromkeys(found))


def make_voices(source: Path, folder: Path) -> None:
    """A copy of espeak's folder with made-up voices `v0` … beside its own."""
    chance = random.Random(20)  # noqa: S311 - voices, no secrets
    data = folder / "espeak-ng-data"
    data.mkdir(parents=True, exist_ok=True)
    for entry in (source / "espeak-ng-data").iterdir():
        # Without the other languages, for espeak knows 350 voices at most, its own among them.
        if entry.name not in ("voices", "lang") and not (data / entry.name).exists():
            (data / entry.name).symlink_to(entry)
    for language in ("es", "es-419"):
        (data / "lang" / "roa").mkdir(parents=True, exist_ok=True)
        if not (data / "lang" / "roa" / language).exists():
            (data / "lang" / "roa" / language).symlink_to(source / "espeak-ng-data" / "lang" / "roa" / language)
    variants = data / "voices" / "!v"
    variants.mkdir(parents=True, exist_ok=True)
    for entry in (source / "espeak-ng-data" / "voices" / "!v").iterdir():
        if not (variants / entry.name).exists():
            (variants / entry.name).symlink_to(entry)
    for number in range(MADE + HELD_OUT_MADE):
        low = chance.choice((chance.randint(65, 125), chance.randint(130, 260)))
        shift = chance.uniform(88, 118)
        lines = ["language variant", f"name v{number}", f"pitch {low} {int(low * chance.uniform(1.2, 1.7))}"]
        for formant in range(9):
            own = shift if 0 < formant < 6 else 100
            lines.append(
                f"formant {formant} {int(own * chance.uniform(0.96, 1.04))} {chance.randint(60, 120)} "
                f"{chance.randint(70, 140)}"
            )
        if chance.random() < 0.4:
            lines.append(f"roughness {chance.randint(0, 5)}")
        if chance.random() < 0.3:
            lines.append("breath " + " ".join(str(chance.randint(0, 5)) for _ in range(8)))
        if chance.random() < 0.3:
            lines.append(f"echo {chance.randint(10, 120)} {chance.randint(3, 20)}")
        lines.append(f"consonants {chance.randint(70, 130)} {chance.randint(70, 130)}")
        (variants / f"v{number}").write_text("\n".join(lines) + "\n")


def voices(*, held_out: bool) -> list[str]:
    if held_out:
        return [*HELD_OUT, *(f"v{number}" for number in range(MADE, MADE + HELD_OUT_MADE))]
    stock = [name for name in STOCK if name not in HELD_OUT]
    # Twice, so that the more natural ones are a third of all.
    return [*stock, *stock, *(f"v{number}" for number in range(MADE))]


def _text(chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.30:
        return chance.choice(TARGETS)
    if kind < 0.42:
        return " ".join(chance.choice(TARGETS) for _ in range(chance.randint(2, 5)))
    if kind < 0.58:
        return " ".join(chance.choice(MENUS) for _ in range(chance.randint(1, 2)))
    if kind < 0.82:
        return " ".join(chance.choice(OTHERS) for _ in range(chance.randint(1, 3)))
    return " ".join(_made_up(chance) for _ in range(chance.randint(1, 3)))


def _made_up(chance: random.Random) -> str:
    onsets = listed("p t qu b d g f s j ch m n ñ l r ll y pr tr cr br dr gr fl pl cl z h")
    word = ""
    for _ in range(chance.randint(1, 4)):
        onset = chance.choice(onsets)
        vowel = chance.choice(listed("a e i o u ai au ei ie ue io ua oi"))
        if onset == "qu":
            onset, vowel = ("qu", vowel) if vowel[0] in "ei" else ("c", vowel)
        word += onset + vowel + chance.choice(("", "", "", "n", "s", "r", "l"))
    return word


def main() -> None:
    seed, count, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    os.nice(19)
    chance = random.Random(seed)  # noqa: S311 - sounds, no secrets
    numbers = np.random.default_rng(seed)
    espeak = Espeak(os.environ["ESPEAK_LIBRARY"], voices=folder)
    variants = voices(held_out=False)
    features, labels, lengths = [], [], []
    while len(lengths) < count:
        if chance.random() < 0.03:
            samples, phones = sound.no_speech(numbers)
        else:
            voice = f"{'es' if chance.random() < 0.4 else 'es-419'}+{chance.choice(variants)}"
            try:
                samples, phones = espeak.say(
                    _text(chance),
                    voice=voice,
                    rate=chance.randint(110, 225),
                    pitch=chance.randint(20, 85),
                    melody=chance.randint(20, 80),
                )
            except KeyError:
                continue
            samples, phones = sound.telephone(samples, phones, rate_hz=RATE_HZ, numbers=numbers)
        found = sound.features(samples)
        if len(found) < 10:
            continue
        features.append(found.astype(np.float16))
        labels.append(sound.labels(phones, frames=len(found), number_of=PDF))
        lengths.append(len(found))
    np.savez(
        folder / f"{seed}.npz",
        features=np.concatenate(features),
        labels=np.concatenate(labels),
        lengths=np.array(lengths),
    )


if __name__ == "__main__":
    main()
