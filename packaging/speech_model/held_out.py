"""The model's words said by voices that it was never trained on, as sound files: `held_out.py FOLDER` (see `make.py`).

Runs by the loader that belongs to espeak's library, as `espeak.py` does. Files are VOICE-RATE-WORD.wav, 8 kHz.
"""

import os
import sys
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import sound
from espeak import RATE_HZ, Espeak, voices
from scipy import signal
from words import TARGETS

STRINGS = ("cuatro siete uno nueve", "cero nueve ocho dos", "tres cinco seis uno")
OUTSIDE = ("no sé", "quizás", "hola buenas", "mañana llamo", "el perro del vecino", "espere un poco", "cómo dice")
"""What nobody asked for."""


def main() -> None:
    folder = Path(sys.argv[1])
    espeak = Espeak(os.environ["ESPEAK_LIBRARY"], voices=folder)
    target = folder / "held-out"
    target.mkdir(exist_ok=True)
    for place, voice in enumerate(voices(held_out=True)):
        language = "es-419" if place % 3 else "es"
        for text in (*TARGETS, *STRINGS, *OUTSIDE):
            rate = 130 + 10 * (place % 5)
            samples, _ = espeak.say(text, voice=f"{language}+{voice}", rate=rate, pitch=35 + 5 * (place % 7), melody=50)
            ratio = Fraction(sound.RATE_HZ, RATE_HZ)
            spoken = signal.resample_poly(samples, ratio.numerator, ratio.denominator)
            spoken = spoken / max(1.0, np.abs(spoken).max()) * 12000
            with wave.open(str(target / f"{voice}-{rate}-{text}.wav"), "wb") as file:
                file.setparams((1, 2, sound.RATE_HZ, 0, "NONE", ""))
                file.writeframes(np.round(spoken).astype("<i2").tobytes())


if __name__ == "__main__":
    main()
