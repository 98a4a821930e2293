"""The files that vosk reads, written by hand: Kaldi's binary model (hmm/, nnet3/) and OpenFst's vector format.

In: layers and pronunciations. Out: a folder with `am`, `conf` and `graph`. Nothing of Kaldi is needed to write them.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from words import PDF, PHONES, SILENCE

UNKNOWN = "[unk]"
_POSITIONS = ("B", "E", "I", "S")
_ARC_COST = 0.1 * math.log(2)
"""Each way out of a phone's state has a chance of a half, scaled."""
_UNKNOWN_ENTRY, _UNKNOWN_PHONE = 1.0, 3.0
_SUBSAMPLING = 3
MARGIN = 15
"""Frames that the network sees to each side of the one that it judges."""


class Layer(NamedTuple):
    """One affine layer; `weights` has a column block per offset, in their order."""

    offsets: tuple[int, ...]
    weights: np.ndarray
    bias: np.ndarray


IDS = {SILENCE: 1} | {
    f"{phone}_{position}": 2 + 4 * place + order
    for place, phone in enumerate(PHONES[1:])
    for order, position in enumerate(_POSITIONS)
}


def write_model(
    folder: Path,
    *,
    layers: Sequence[Layer],
    priors: np.ndarray,
    words: Mapping[str, Sequence[tuple[str, ...]]],
) -> None:
    """`words` with their pronunciations."""
    for name in ("am", "conf", "graph/phones"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "am" / "final.mdl").write_bytes(_acoustic(layers, priors))
    (folder / "conf" / "mfcc.conf").write_text(
        "--sample-frequency=8000\n--num-mel-bins=30\n--num-ceps=30\n--low-freq=120\n--high-freq=3700\n"
        "--use-energy=false\n--dither=0\n--allow-downsample=true\n"
    )
    # Wider (--min-active=200, --beam=13) it recognises the same, but seconds of silence hold up the pruning of what any
    # phones at all might have been for seconds of its own (seen).
    (folder / "conf" / "model.conf").write_text(
        "--min-active=20\n--max-active=1000\n--beam=10\n--lattice-beam=4\n--acoustic-scale=0.6\n"
        f"--frame-subsampling-factor={_SUBSAMPLING}\n--endpoint.silence-phones=1\n"
        "--endpoint.rule2.min-trailing-silence=0.5\n--endpoint.rule3.min-trailing-silence=0.75\n"
        "--endpoint.rule4.min-trailing-silence=1.0\n"
    )
    write_graph(folder / "graph", words=words)


def write_graph(folder: Path, *, words: Mapping[str, Sequence[tuple[str, ...]]]) -> None:
    """The words alone: what is to be made anew when there are others."""
    numbers = {word: number for number, word in enumerate((*words, UNKNOWN), 1)}
    lines = ["<eps> 0", *(f"{word} {number}" for word, number in numbers.items())]
    (folder / "words.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    kinds = {"B": "begin", "E": "end", "I": "internal", "S": "singleton"}
    boundary = [f"{number} {'nonword' if name == SILENCE else kinds[name[-1]]}" for name, number in IDS.items()]
    (folder / "phones" / "word_boundary.int").write_text("\n".join(boundary) + "\n")
    (folder / "disambig_tid.int").write_text("100000\n")
    (folder / "HCLr.fst").write_bytes(_lexicon(words, numbers))
    cost = math.log(len(numbers))
    grammar = _Fst()
    only = grammar.state(final=0.0)
    for number in sorted(numbers.values()):
        grammar.arc(only, only, number, number, cost)
    (folder / "Gr.fst").write_bytes(grammar.bytes(by_output=False))


class _Fst:
    """OpenFst's vector FST, standard arcs (fst.cc, vector-fst.h)."""

    def __init__(self) -> None:
        self.finals: list[float] = []
        self.arcs: list[list[tuple[int, int, float, int]]] = []

    def state(self, *, final: float = math.inf) -> int:
        self.finals.append(final)
        self.arcs.append([])
        return len(self.finals) - 1

    def arc(self, source: int, target: int, taken: int, given: int, cost: float) -> None:
        self.arcs[source].append((taken, given, cost, target))

    def bytes(self, *, by_output: bool) -> bytes:
        header = struct.pack("<i", 2125659606) + b"".join(
            struct.pack("<i", len(text)) + text for text in (b"vector", b"standard")
        )
        header += struct.pack("<iiQqqq", 2, 0, 3, 0, len(self.finals), sum(map(len, self.arcs)))
        parts = [header]
        for final, arcs in zip(self.finals, self.arcs, strict=True):
            parts.append(struct.pack("<fq", final, len(arcs)))
            ordered = sorted(arcs, key=lambda arc: (arc[1], arc[0]) if by_output else (arc[0], arc[1]))
            parts += [struct.pack("<iifi", *arc) for arc in ordered]
        return b"".join(parts)


def _lexicon(words: Mapping[str, Sequence[tuple[str, ...]]], numbers: Mapping[str, int]) -> bytes:
    """Silence or not, a word, silence or not, and again; or a word that nobody knows, any phones at all."""
    fst = _Fst()
    start, loop = fst.state(), fst.state(final=0.0)

    def sounded(source: int, phone: str, *, given: int = 0, cost: float = 0.0) -> int:
        # Kaldi's reordered form: out of the state before, then round for as long as it lasts.
        number = IDS[phone]
        target = fst.state()
        fst.arc(source, target, 2 * number, given, _ARC_COST + cost)
        fst.arc(target, target, 2 * number - 1, 0, _ARC_COST)
        return target

    def between(source: int) -> None:
        fst.arc(source, loop, 0, 0, _ARC_COST)
        fst.arc(sounded(source, SILENCE), loop, 0, 0, 0.0)

    between(start)
    after = fst.state()
    between(after)
    for word, ways in words.items():
        for phones in ways:
            at = loop
            for place, phone in enumerate(phones):
                position = _position(place, len(phones))
                at = sounded(at, f"{phone}_{position}", given=numbers[word] if place == 0 else 0)
            fst.arc(at, after, 0, 0, 0.0)
    hub = fst.state()
    for phone in PHONES[1:]:
        begun = sounded(loop, f"{phone}_B", given=numbers[UNKNOWN], cost=_UNKNOWN_ENTRY + _UNKNOWN_PHONE)
        fst.arc(begun, hub, 0, 0, 0.0)
        fst.arc(sounded(hub, f"{phone}_I", cost=_UNKNOWN_PHONE), hub, 0, 0, 0.0)
        fst.arc(sounded(hub, f"{phone}_E", cost=_UNKNOWN_PHONE), after, 0, 0, 0.0)
    return fst.bytes(by_output=True)


def _position(place: int, count: int) -> str:
    if count == 1:
        return "S"
    return "B" if place == 0 else "E" if place == count - 1 else "I"


def _int(number: int) -> bytes:
    return b"\x04" + struct.pack("<i", number)


def _float(number: float) -> bytes:
    return b"\x04" + struct.pack("<f", number)


def _double(number: float) -> bytes:
    return b"\x08" + struct.pack("<d", number)


def _ints(numbers: Sequence[int]) -> bytes:
    return b"\x04" + struct.pack("<i", len(numbers)) + struct.pack(f"<{len(numbers)}i", *numbers)


def _vector(numbers: np.ndarray) -> bytes:
    return b"FV " + _int(len(numbers)) + np.asarray(numbers, dtype="<f4").tobytes()


def _matrix(numbers: np.ndarray) -> bytes:
    rows, columns = numbers.shape
    return b"FM " + _int(rows) + _int(columns) + np.ascontiguousarray(numbers, dtype="<f4").tobytes()


def _acoustic(layers: Sequence[Layer], priors: np.ndarray) -> bytes:
    return (
        b"\0B"
        + _transitions()
        + _network(layers)
        + b"<LeftContext> "
        + _int(MARGIN)
        + b"<RightContext> "
        + _int(MARGIN)
        + b"<Priors> "
        + _vector(priors)
    )


def _transitions() -> bytes:
    count = len(IDS)
    topology = (
        b"<Topology> "
        + _ints(range(1, count + 1))
        + _ints([-1] + [0] * count)
        + _int(1)
        + _int(2)
        + (_int(0) + _int(2) + _int(0) + _float(0.5) + _int(1) + _float(0.5))
        + (_int(-1) + _int(0))
        + b"</Topology> "
    )
    triples = b"".join(
        _int(number) + _int(0) + _int(PDF[name.rpartition("_")[0] or name]) for name, number in IDS.items()
    )
    chances = np.concatenate(([0.0], np.full(2 * count, math.log(0.5))))
    return (
        b"<TransitionModel> "
        + topology
        + b"<Triples> "
        + _int(count)
        + triples
        + b"</Triples> <LogProbs> "
        + _vector(chances)
        + b"</LogProbs> </TransitionModel> "
    )


def _network(layers: Sequence[Layer]) -> bytes:
    inputs = layers[0].weights.shape[1] // len(layers[0].offsets)
    lines = [f"input-node name=input dim={inputs}"]
    components: list[tuple[str, bytes]] = []
    before = "input"
    for place, layer in enumerate(layers):
        taken = ", ".join(before if offset == 0 else f"Offset({before}, {offset})" for offset in layer.offsets)
        source = f"Append({taken})" if len(layer.offsets) > 1 else before
        lines.append(f"component-node name=a{place} component=a{place} input={source}")
        components.append((f"a{place}", _affine(layer)))
        last = place == len(layers) - 1
        name, kind = ("ls", "LogSoftmaxComponent") if last else (f"r{place}", "RectifiedLinearComponent")
        lines.append(f"component-node name={name} component={name} input=a{place}")
        components.append((name, _simple(kind, dim=len(layer.bias))))
        before = name
    lines.append("output-node name=output input=ls objective=linear")
    config = "\n".join(lines) + "\n\n"
    return (
        b"<Nnet3> \n"
        + config.encode()
        + b"<NumComponents> "
        + _int(len(components))
        + b"".join(b"<ComponentName> " + name.encode() + b" " + written for name, written in components)
        + b"</Nnet3> "
    )


def _affine(layer: Layer) -> bytes:
    return (
        b"<AffineComponent> <LearningRate> "
        + _float(0.001)
        + b"<LinearParams> "
        + _matrix(layer.weights)
        + b"<BiasParams> "
        + _vector(layer.bias)
        + b"</AffineComponent> "
    )


def _simple(kind: str, *, dim: int) -> bytes:
    none = _vector(np.zeros(0))
    return (
        f"<{kind}> <Dim> ".encode()
        + _int(dim)
        + b"<ValueAvg> "
        + none
        + b"<DerivAvg> "
        + none
        + b"<Count> "
        + _double(0)
        + b"<OderivRms> "
        + none
        + b"<OderivCount> "
        + _double(0)
        + b"<NumDimsSelfRepaired> "
        + _double(0)
        + b"<NumDimsProcessed> "
        + _double(0)
        + f"</{kind}> ".encode()
    )
