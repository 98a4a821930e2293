"""The repository of procedures: what each is, what one needs, where, what it costs, as one hears it by telephone.

In: the YAML text of a procedure. Out: a `Procedure`, or FlowInvalid with a line for each problem; and the phrases by
which a flow offers its parts. One text serves every line (and other channels), so that all say the same. Must never
import another room.
"""

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from telefonista.notation.problems import Findings, FlowInvalid, shown
from telefonista.notation.source import Table, Tree, Word, read_source

PARTS = ("what", "needs", "where", "cost")
"""What it is, what one needs for it, where it is done, what it costs."""
LONGEST_PART = 1000
LONGEST_TITLE = 80
_NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Z]{2})?", re.ASCII)
_FIRST_LANGUAGE = "es"
_KEYS = ("procedure", "title", *PARTS)
_LONGEST_NAME = 26

Texts = Mapping[str, str]
"""By language."""


class Procedure(msgspec.Struct, frozen=True, kw_only=True):
    """Something that citizens do with the administration."""

    name: str
    title: Texts
    """As it goes after *para*: `la cédula de identidad`."""
    parts: Mapping[str, Texts]
    """By the words of `PARTS`, those that it has."""

    def text(self, part: str, *, language: str) -> str:
        """A part, or the `title`; empty where it is not there in this language."""
        texts = self.title if part == "title" else self.parts.get(part, {})
        return texts.get(language) or texts.get(language.partition("-")[0], "")


def read_procedure(text: str, *, file: str) -> Procedure:
    """The procedure that a text describes. Raises FlowInvalid, and nothing else."""
    findings = Findings(file)
    tree = read_source(text, findings=findings)
    procedure = None if tree is None else _procedure(tree, findings)
    if procedure is None or findings.problems:
        raise FlowInvalid(findings.problems)
    return procedure


def _procedure(tree: Tree, findings: Findings) -> Procedure | None:
    if not isinstance(tree, Table):
        findings.add(f"a procedure is a list of keys with their texts: {', '.join(_KEYS)}", line=tree.line)
        return None
    entries: dict[str, Tree] = {}
    for key, value in tree.entries:
        if key.text not in _KEYS:
            findings.add_unknown("key", key.text, known=_KEYS, line=key.line, of="a procedure")
        elif key.text in entries:
            findings.add(f"{shown(key.text)} is there twice", line=key.line)
        entries[key.text] = value
    for needed in ("procedure", "title", "what"):
        if needed not in entries:
            findings.add(f'a procedure needs "{needed}"', line=tree.line)
            return None
    name = entries["procedure"]
    if not isinstance(name, Word) or not _NAME.fullmatch(name.text) or len(name.text) > _LONGEST_NAME:
        findings.add('"procedure" is its name: small letters, digits and - between them', line=name.line)
        return None
    parts = {part: _texts(part, entries[part], LONGEST_PART, findings) for part in PARTS if part in entries}
    return Procedure(
        name=name.text,
        title=_texts("title", entries["title"], LONGEST_TITLE, findings),
        parts=MappingProxyType(parts),
    )


def _texts(name: str, tree: Tree, longest: int, findings: Findings) -> Texts:
    """One text, which is Spanish, or one for each language."""
    if isinstance(tree, Word):
        return MappingProxyType({_FIRST_LANGUAGE: _text(name, tree, longest, findings)})
    if not isinstance(tree, Table) or not tree.entries:
        findings.add(f'"{name}" needs a text, or one for each language: {{es: …, en: …}}', line=tree.line)
        return MappingProxyType({})
    texts: dict[str, str] = {}
    for key, value in tree.entries:
        if not _LANGUAGE.fullmatch(key.text) or key.text in texts:
            findings.add(f"{shown(key.text)} is no language, or is there twice", line=key.line)
        texts[key.text] = _text(name, value, longest, findings)
    return MappingProxyType(texts)


def _text(name: str, tree: Tree, longest: int, findings: Findings) -> str:
    text = " ".join(tree.text.split()) if isinstance(tree, Word) else ""
    if not any(sign.isalnum() for sign in text) or not all(sign.isprintable() for sign in text) or "{" in text:
        findings.add(f'"{name}" needs a text that can be spoken', line=tree.line)
    elif len(text) > longest:
        findings.add(f'"{name}" is longer than {longest} signs: nobody listens that long', line=tree.line)
    return unicodedata.normalize("NFC", text)


class Phrases(msgspec.Struct, frozen=True, kw_only=True):
    """How procedures and surveys are offered in one language; `{…}` are filled in when a flow is read."""

    choose: str
    """`{title}` and `{key}`."""
    parts: Mapping[str, str]
    """By part, with `{key}`."""
    again: str
    back: str
    person: str
    on_invalid: str
    on_timeout: str
    rate: str
    """Said after a key that is no answer to a question of a survey."""
    rate_again: str
    keys: tuple[str, ...]
    """Of the telephone, as words: 0 to 9."""


PHRASES: Mapping[str, Phrases] = {
    "es": Phrases(
        choose="Para {title}, marque {key}.",
        parts={
            "needs": "Para saber qué se necesita, marque {key}.",
            "where": "Para saber dónde se hace, marque {key}.",
            "cost": "Para saber cuánto cuesta, marque {key}.",
        },
        again="Para escuchar de nuevo, marque {key}.",
        back="Para volver, marque {key}.",
        person="Para hablar con una persona, marque cero.",
        on_invalid="Disculpe, esa opción no existe.",
        on_timeout="No recibimos su opción. Se la repetimos, no hay apuro.",
        rate="Marque un número del uno al cinco.",
        rate_again="No recibimos su respuesta.",
        keys=("cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"),
    ),
    "en": Phrases(
        choose="For {title}, press {key}.",
        parts={
            "needs": "To know what you need, press {key}.",
            "where": "To know where it is done, press {key}.",
            "cost": "To know how much it costs, press {key}.",
        },
        again="To listen again, press {key}.",
        back="To go back, press {key}.",
        person="To speak with a person, press zero.",
        on_invalid="Sorry, that option does not exist.",
        on_timeout="We did not receive your choice. Here it is again, there is no hurry.",
        rate="Please press a number from one to five.",
        rate_again="We did not receive your answer.",
        keys=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    ),
    "pt": Phrases(
        choose="Para {title}, digite {key}.",
        parts={
            "needs": "Para saber o que é necessário, digite {key}.",
            "where": "Para saber onde é feito, digite {key}.",
            "cost": "Para saber quanto custa, digite {key}.",
        },
        again="Para ouvir de novo, digite {key}.",
        back="Para voltar, digite {key}.",
        person="Para falar com uma pessoa, digite zero.",
        on_invalid="Desculpe, essa opção não existe.",
        on_timeout="Não recebemos a sua opção. Vamos repetir, não há pressa.",
        rate="Digite um número de um a cinco.",
        rate_again="Não recebemos a sua resposta.",
        keys=("zero", "um", "dois", "três", "quatro", "cinco", "seis", "sete", "oito", "nove"),
    ),
}
"""By language without its country."""


def phrases(language: str) -> Phrases:
    """Spanish, where we have none of that language."""
    return PHRASES.get(language.partition("-")[0], PHRASES[_FIRST_LANGUAGE])
