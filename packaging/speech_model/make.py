"""Makes the demonstration's speech model from synthesised speech: `python packaging/speech_model/make.py FOLDER`.

Needs numpy, scipy and torch (the processor's build is enough) and espeak-ng, found or fetched as the engine does. With
`--graph-only` it keeps the trained network and writes the words anew, which takes a second.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

import kaldi
from espeak import Espeak, make_voices, pronunciations
from words import PHONES, VOCABULARY

from telefonista.pbx.packages import Program, Tool, default_folder, ensure

_HERE = Path(__file__).resolve().parent


def espeak_program() -> tuple[Program, Path, Path]:
    """(how to run a program with espeak's libraries, its library, the folder of its data)."""
    toolbox = ensure(default_folder(), wanted={Tool.ESPEAK}, report=print)
    espeak = toolbox.espeak
    libraries = espeak.library_path or Path("/usr/lib/x86_64-linux-gnu")
    python = Program(Path(os.path.realpath(sys.executable)), loader=espeak.loader, library_path=espeak.library_path)
    return python, libraries / "libespeak-ng.so.1", toolbox.espeak_data or libraries


def environment(library: Path) -> dict[str, str]:
    """For a program that uses the library: started through a loader, Python does not find its packages by itself."""
    return {**os.environ, "ESPEAK_LIBRARY": str(library), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _shards(folder: Path, *, utterances: int, processes: int) -> list[Path]:
    python, library, source = espeak_program()
    make_voices(source, folder)
    each = -(-utterances // processes)
    seeds = range(1, processes + 2)
    # One more, small: what the network is judged by.
    started = [
        subprocess.Popen(
            python.command(str(_HERE / "espeak.py"), str(seed), str(each if seed <= processes else 400), str(folder)),
            env=environment(library),
        )
        for seed in seeds
    ]
    codes = [process.wait() for process in started]
    if any(codes):
        raise SystemExit("the synthesis failed")
    return [folder / f"{seed}.npz" for seed in seeds]


def _spoken_words(folder: Path) -> dict[str, list[tuple[str, ...]]]:
    python, library, source = espeak_program()
    make_voices(source, folder)
    asked = subprocess.run(
        python.command(str(_HERE / "make.py"), "--pronounce", str(folder)),
        env=environment(library), check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return {word: [tuple(way) for way in ways] for word, ways in json.loads(asked.stdout).items()}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--utterances", type=int, default=20000)
    arguments.add_argument("--epochs", type=int, default=6)
    arguments.add_argument("--seconds", type=float, default=1500, help="the most that the training may take")
    arguments.add_argument("--processes", type=int, default=2)
    arguments.add_argument("--work", type=Path, help="where to keep what is in between")
    arguments.add_argument("--graph-only", action="store_true")
    arguments.add_argument("--pronounce", action="store_true", help=argparse.SUPPRESS)
    wish = arguments.parse_args()
    if wish.pronounce:
        espeak = Espeak(os.environ["ESPEAK_LIBRARY"], voices=wish.folder)
        print(json.dumps({word: pronunciations(espeak, word) for word in VOCABULARY}))
        return
    with tempfile.TemporaryDirectory() as scratch:
        work = wish.work or Path(scratch)
        words = _spoken_words(work)
        if wish.graph_only:
            kaldi.write_graph(wish.folder / "graph", words=words)
            return
        began = time.monotonic()
        shards = _shards(work, utterances=wish.utterances, processes=wish.processes)
        print(f"  {wish.utterances} utterances in {time.monotonic() - began:.0f} s", flush=True)
        import network

        layers, priors, success = network.train(shards, outputs=len(PHONES), epochs=wish.epochs, seconds=wish.seconds)
        kaldi.write_model(wish.folder, layers=layers, priors=priors, words=words)
        print(success)


if __name__ == "__main__":
    main()
