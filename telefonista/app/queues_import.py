"""What an Asterisk's or a FreePBX's queues.conf becomes here: queues, agents, and what could not be carried over.

In: a file that was read (`dialplans.core.conf`). Out: checked values of our own configuration, their YAML, and notes by
line: LOST is not there any more, CHANGED is there in another way, NEEDLESS says nothing here. Nothing is guessed in
silence: a line is either carried over as it was meant or has a note. Must never open a file.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dialplans.core.conf import Conf, Section, Setting
from telefonista.app.config import AgentConfig, QueueConfig, parse_config
from telefonista.app.config_editing import append_entry, append_item, has
from telefonista.app.provisioning import checked, one_line
from telefonista.notation.problems import shown

GREATEST_LEVEL = 9
LONGEST_NAME = 40
ONE_LEVEL_S = 1.0
"""app_queue rings a higher penalty as soon as nobody below it is free; here the next group comes so much later."""


class Loss(StrEnum):
    """What became of a line."""

    LOST = "lost"
    CHANGED = "changed"
    NEEDLESS = "needless"


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """What became of a line that is not simply carried over."""

    line: int
    loss: Loss
    text: str


@dataclass(frozen=True, slots=True)
class Imported:
    """Queues and agents as our configuration has them."""

    queues: tuple[QueueConfig, ...]
    agents: tuple[AgentConfig, ...]
    notes: tuple[Note, ...]


def carried_over(conf: Conf) -> Imported:
    """What a queues.conf says, in our words."""
    notes = {Note(each.line, Loss.LOST, each.why) for each in conf.unread}
    staff = _Staff(notes)
    queues: list[QueueConfig] = []
    names: set[str] = set()
    for section in conf.sections:
        if section.is_template:
            continue
        if section.name == "general":
            _read_general(section, notes)
            continue
        name = _name(section, taken=names, notes=notes)
        names.add(name)
        queues.append(_Queue(section, name, notes).read(staff))
    return Imported(tuple(queues), staff.agents(), tuple(sorted(notes)))


def as_yaml(imported: Imported) -> str:
    """`queues:` and `agents:` to be put into a config.yaml; a setting that would be so anyway is left out."""
    lines = ["queues:", *(f"  - {one_line(_plain(queue))}" for queue in imported.queues)]
    lines += ["agents:", *(f"  - {one_line(_plain(agent))}" for agent in imported.agents)]
    return "\n".join(lines) + "\n"


def merged(text: str, imported: Imported, *, file: str) -> tuple[str, list[str]]:
    """A configuration with what was imported, and what was not put in, a line each. Queues that are there stay as they
    are; agents who are there get the queues that they had there. Raises `ConfigInvalid`, `CannotEdit`."""
    before = parse_config(text, file=file)
    left_out: list[str] = []
    there = {queue.name for queue in before.queues}
    new = [queue for queue in imported.queues if queue.name not in there]
    left_out += [
        f"the queue {queue.name} is there already, and stays as it is"
        for queue in imported.queues
        if queue.name in there
    ]
    agents = list(before.agents)
    for queue in new:
        text = append_item(text, ["queues"], item=one_line(_plain(queue)))
    for agent in imported.agents:
        place = next((n for n, each in enumerate(agents) if each.id == agent.id), None)
        if place is None:
            text = append_item(text, ["agents"], item=one_line(_plain(agent)))
            agents.append(agent)
        else:
            text, agents[place] = _with_queues(text, place, agents[place], more=agent)
    meant = before.model_copy(update={"queues": (*before.queues, *new), "agents": tuple(agents)})
    return checked(text, meant, file=file), left_out


def _with_queues(text: str, place: int, agent: AgentConfig, *, more: AgentConfig) -> tuple[str, AgentConfig]:
    """An agent who is there, with the queues of the import that they did not answer yet."""
    new = tuple(queue for queue in more.queues if queue not in agent.queues)
    levels = {queue: level for queue, level in more.levels.items() if queue in new}
    for queue in new:
        text = append_item(text, ["agents", place, "queues"], item=one_line(queue))
    if levels and not has(text, ["agents", place, "levels"]):
        text = append_entry(text, ["agents", place], key="levels", value=one_line(levels))
    else:
        for queue, level in levels.items():
            text = append_entry(text, ["agents", place, "levels"], key=one_line(queue), value=str(level))
    after = agent.model_copy(update={"queues": (*agent.queues, *new), "levels": {**agent.levels, **levels}})
    return text, after


def _plain(one: QueueConfig | AgentConfig) -> dict[str, Any]:
    """Its settings but for those that need not be said."""
    said: dict[str, Any] = one.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    return said


# Names and numbers.


def _name(section: Section, *, taken: set[str], notes: set[Note]) -> str:
    """The queue's name as we write names: letters without accents, digits, - and _."""
    letters = unicodedata.normalize("NFKD", section.name).encode("ascii", "ignore").decode()
    base = re.sub(r"[^A-Za-z0-9_-]+", "-", letters).strip("-_")[:LONGEST_NAME].strip("-_") or "cola"
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base[: LONGEST_NAME - 5]}-{count}"
    if name != section.name:
        notes.add(Note(section.line, Loss.CHANGED, f"the queue {shown(section.name)} is called {name}"))
    return name


_INTERFACE = re.compile(
    r"(?:PJSIP|SIP|IAX2|Agent|SCCP|Local|hint:|Custom:)/?(?P<number>[0-9]{2,8})(?:[@/-].*)?", re.IGNORECASE
)


class _Staff:
    """Those whom queues name as members."""

    def __init__(self, notes: set[Note]) -> None:
        self._notes = notes
        self._names: dict[str, str] = {}
        self._queues: dict[str, dict[str, int]] = {}

    def join(self, number: str, *, queue: str, name: str, level: int) -> None:
        self._names[number] = self._names.get(number) or name
        self._queues.setdefault(number, {}).setdefault(queue, level)

    def agents(self) -> tuple[AgentConfig, ...]:
        return tuple(
            AgentConfig(
                id=number,
                name=self._names[number],
                queues=tuple(queues),
                levels={queue: level for queue, level in queues.items() if level > 1},
            )
            for number, queues in sorted(self._queues.items(), key=lambda item: (len(item[0]), item[0]))
        )


@dataclass(frozen=True, slots=True)
class _Member:
    number: str
    penalty: int
    name: str


# A queue.

_NEEDLESS_GENERAL = frozenset(
    {"persistentmembers", "autofill", "updatecdr", "log_membername_as_agent", "log-caller-id-name"}
)
_RECORDED = "every conversation is recorded, by both directions"
_NEEDLESS = {
    "monitor-format": _RECORDED,
    "monitor-type": _RECORDED,
    "monitor-join": _RECORDED,
    "eventwhencalled": "every event is in the journal",
    "eventmemberstatus": "every event is in the journal",
    "eventmemberstatusoff": "every event is in the journal",
    "setinterfacevar": "there is no dialplan that would read it",
    "setqueuevar": "there is no dialplan that would read it",
    "setqueueentryvar": "there is no dialplan that would read it",
    "timeoutrestart": "a telephone that is busy or refuses is not waited for",
    "cron_schedule": "figures are kept by day",
    "cron_random": "figures are kept by day",
}
_LOST = {
    "announce": "the sound that an agent hears when answering",
    "announce-to-first-user": "when the first in line hears the position: an agent who answers interrupts it",
    "announce-round-seconds": "how the wait is rounded: it is rounded up to a minute",
    "announce-position-limit": "up to which position it is said: it is always said",
    "announce-position-only-up": "whether a position is said again: it is",
    "min-announce-frequency": "the least time between two announcements",
    "random-periodic-announce": "the order of messages: they are said in turn",
    "relative-periodic-announce": "when messages begin: with the announcements",
    "periodic-announce-startdelay": "when the first message is said: with the first announcement",
    "memberdelay": "silence before agent and citizen hear each other",
    "reportholdtime": "telling the agent how long the citizen waited",
    "membermacro": "a program of the dialplan",
    "membergosub": "a program of the dialplan",
    "defaultrule": "a rule of queuerules.conf: see `relax`",
    "penaltymemberslimit": "when penalties are passed over: see `relax`",
    "autopausedelay": "a pause of its own: the agent comes back by key or console",
    "autopausebusy": "whether a busy telephone counts as a miss: it does",
    "autopauseunavail": "whether an unreachable telephone counts as a miss: it does not",
    "timeoutpriority": "which of two times holds: `ring_s` is of each offer, `longest_wait_s` of the whole wait",
}
_STRATEGIES = {
    "ringall": "ring_all",
    "leastrecent": "longest_idle",
    "fewestcalls": "fewest_calls",
    "random": "random",
    "rrmemory": "round_robin",
    "roundrobin": "round_robin",
    "rrordered": "round_robin",
    "linear": "linear",
    "wrandom": "random",
}
_ALWAYS = "always"
_YES = frozenset({"yes", "true", "y", "t", "1", "on"})
_NO = frozenset({"no", "false", "n", "f", "0", "off"})
_ANNOUNCE_DEFAULT_S = 60


@dataclass(slots=True)
class _Queue:
    """One section on its way to be a queue of ours."""

    section: Section
    name: str
    notes: set[Note]
    said: dict[str, Any] = field(default_factory=dict)
    members: list[tuple[_Member, int]] = field(default_factory=list)
    last: dict[str, Setting] = field(default_factory=dict)
    """Of settings that are said once, the last one counts."""

    def read(self, staff: _Staff) -> QueueConfig:
        for setting in self.section.settings:
            if setting.key == "member":
                self._member(setting)
            elif setting.key == "periodic-announce":
                self._lost(setting, f"the sounds {shown(setting.value)}: write their words into `messages`")
            else:
                self.last[setting.key] = setting
        # What app_queue does unless told otherwise, where that is not what we do.
        self.said = {"name": self.name, "strategy": "ring_all", "wrap_up_s": 0, "most_misses": 0, "back_off_s": 5}
        for setting in self.last.values():
            carry = _CARRIED.get(setting.key)
            if carry is not None:
                carry(self, setting)
            elif setting.key in _NEEDLESS:
                self.notes.add(Note(setting.line, Loss.NEEDLESS, f"{setting.key}: {_NEEDLESS[setting.key]}"))
            elif setting.key in _LOST:
                self._lost(setting, _LOST[setting.key])
            elif setting.key.startswith("queue-"):
                self._lost(setting, "a sound of Asterisk's own: what is said is spoken by us")
            elif setting.key not in _TOGETHER:
                self._lost(setting, "is not known")
        self._emptiness()
        self._announcements()
        self._levels(staff)
        return QueueConfig.model_validate(self.said)

    # Settings by themselves.

    def strategy(self, setting: Setting) -> None:
        known = _STRATEGIES.get(setting.value.lower())
        if known is None:
            self._lost(
                setting, f"the strategy {shown(setting.value)} is not known; ring_all is what app_queue does then"
            )
            return
        self.said["strategy"] = known
        if setting.value.lower() in ("wrandom", "rrordered"):
            self._changed(setting, f"{setting.value} is {known} here")

    def ring(self, setting: Setting) -> None:
        value = self._number(setting)
        if value == 0:
            self.said["ring_s"] = 120
            self._changed(setting, "a telephone that rings for ever is given up after 120 s")
        elif value is not None:
            self.said["ring_s"] = self._within(setting, value, least=3, most=120)

    def retry(self, setting: Setting) -> None:
        value = self._number(setting)
        if value is not None:
            self.said["back_off_s"] = self._within(setting, value, least=1, most=300)
            self._changed(setting, "not the queue pauses so long after a miss, but the agent who missed")

    def wrap_up(self, setting: Setting) -> None:
        value = self._number(setting)
        if value is not None:
            self.said["wrap_up_s"] = self._within(setting, value, least=0, most=3600)

    def most_waiting(self, setting: Setting) -> None:
        value = self._number(setting)
        if value is not None:
            self.said["most_waiting"] = self._within(setting, value, least=0, most=100_000)

    def service_level(self, setting: Setting) -> None:
        value = self._number(setting)
        if value:
            self.said["service_level_s"] = self._within(setting, value, least=1, most=600)

    def weight(self, setting: Setting) -> None:
        value = self._number(setting)
        if value:
            self.said["priority"] = self._within(setting, value, least=0, most=100)
            self._changed(
                setting, "a weight goes before everything; a priority ages, so that nobody starves (`ageing_s`)"
            )

    def pause(self, setting: Setting) -> None:
        value = setting.value.lower()
        if value == "all":
            self.said["most_misses"] = 1
        elif value in _YES:
            self.said["most_misses"] = 1
            self._changed(setting, "an agent is paused in all queues, not only in this one")
        elif value not in _NO:
            self._lost(setting, f"{shown(setting.value)} is neither yes nor no")

    def ring_in_use(self, setting: Setting) -> None:
        if setting.value.lower() in _YES:
            self._lost(setting, "a second call to an agent who talks: here nobody is offered two")

    def autofill(self, setting: Setting) -> None:
        if setting.value.lower() in _NO:
            self._changed(setting, "who waits is offered at once, whoever else is being rung")

    def music(self, setting: Setting) -> None:
        if setting.value != "default":
            self._lost(setting, f"the music {shown(setting.value)}: put a WAV file into music/ of the home folder")

    def exit_keys(self, setting: Setting) -> None:
        self._lost(setting, f"keys that lead out, in the context {shown(setting.value)}: write them into `keys`")

    # Settings that go together.

    def _emptiness(self) -> None:
        """app_queue names the members that do not count, for joining and for leaving; we say once who must be there."""
        join, leave = self.last.get("joinempty"), self.last.get("leavewhenempty")
        joins = _ALWAYS if join is None else self._who_must_be_there(join, always=_YES)
        stays = _ALWAYS if leave is None else self._who_must_be_there(leave, always=_NO)
        self.said["join_when"] = joins
        self.said["leave_when_nobody"] = stays != _ALWAYS
        if leave is not None and stays not in (_ALWAYS, joins):
            self._changed(leave, f"who must be there is one rule for joining and for staying, which is {joins}")

    def _who_must_be_there(self, setting: Setting, *, always: frozenset[str]) -> str:
        value = setting.value.lower()
        if value in always:
            return _ALWAYS
        if value in _YES | _NO:
            value = "penalty,paused,invalid"
        value = {"strict": "penalty,paused,invalid,unavailable", "loose": "penalty,invalid"}.get(value, value)
        words = {word.strip() for word in value.split(",")}
        others = sorted(words - {"penalty", "paused", "unavailable", "invalid"})
        if others:
            self._lost(
                setting, f"{', '.join(shown(word) for word in others)}: only who is away or paused does not count"
            )
        if "unavailable" not in words:
            self._changed(setting, "a telephone that is not registered does not count either")
        return "available" if "paused" in words else "logged_in"

    def _announcements(self) -> None:
        """app_queue has two clocks, one for the position and one for messages; here one says both."""
        position = self._seconds("announce-frequency", unless_set=0)
        messages = self._seconds("periodic-announce-frequency", unless_set=_ANNOUNCE_DEFAULT_S)
        says_position = position > 0
        frequency = self.last.get("announce-frequency") or self.last.get("periodic-announce-frequency")
        seconds = position or messages
        if frequency is not None and seconds:
            self.said["announce_every_s"] = self._within(frequency, seconds, least=10, most=600)
        other = self.last.get("periodic-announce-frequency")
        if position and other is not None and messages != position:
            self._changed(other, f"messages are said with the position, every {position} s")
        self.said["say_position"] = says_position and self._says("announce-position", always=("yes", "limit", "more"))
        self.said["say_estimate"] = says_position and self._says("announce-holdtime", always=("yes", "once"))

    def _says(self, key: str, *, always: tuple[str, ...]) -> bool:
        setting = self.last.get(key)
        if setting is None:
            return key == "announce-position"
        value = setting.value.lower()
        if value in always[1:]:
            self._changed(setting, f"{value}: it is said with every announcement")
        return value in always or value in _YES

    def _seconds(self, key: str, *, unless_set: int) -> int:
        setting = self.last.get(key)
        value = None if setting is None else self._number(setting)
        return unless_set if value is None else value

    def _levels(self, staff: _Staff) -> None:
        """Penalties in their order are the levels 1, 2, 3 …, each opened a moment after the one before it."""
        penalties = sorted({member.penalty for member, _ in self.members})
        level_of = {penalty: min(place, GREATEST_LEVEL) for place, penalty in enumerate(penalties, 1)}
        for member, _ in self.members:
            staff.join(member.number, queue=self.name, name=member.name, level=level_of[member.penalty])
        highest = max(level_of.values(), default=1)
        if highest > 1:
            self.said["relax"] = [
                {"after_s": ONE_LEVEL_S * (level - 1), "level": level} for level in range(2, highest + 1)
            ]
            line = min(line for member, line in self.members if member.penalty != penalties[0])
            text = f"penalties are levels; each higher one answers too after {ONE_LEVEL_S:g} s more (`relax`)"
            self.notes.add(Note(line, Loss.CHANGED, f"queue {self.name}: {text}"))
        if len(penalties) > GREATEST_LEVEL:
            self.notes.add(
                Note(
                    self.section.line,
                    Loss.CHANGED,
                    f"queue {self.name}: of {len(penalties)} penalties the last are one level",
                )
            )

    def _member(self, setting: Setting) -> None:
        interface, penalty, name, state, *more = (part.strip() for part in (setting.value + ",,,").split(","))
        name = name.strip('"')
        found = _INTERFACE.fullmatch(interface)
        if found is None:
            self._lost(setting, f"{shown(interface)} has no number of 2 to 8 digits, so it is no agent here")
            return
        number = found["number"]
        if penalty and not penalty.isdecimal():
            self._lost(setting, f"the penalty {shown(penalty)} is no number; taken for 0")
        if not re.fullmatch(r"[\w .'-]{0,60}", name):
            self._lost(setting, f"the name {shown(name)}: letters, digits, blanks and . ' - are shown on telephones")
            name = ""
        watched = _INTERFACE.fullmatch(state)
        if state and (watched is None or watched["number"] != number):
            self._lost(setting, f"the state of {shown(state)}: an agent is busy when the agent's own telephone is")
        if any(more):
            self._lost(setting, f"{shown(','.join(more).strip(','))}: wrap-up and pauses of one member")
        # Asterisk takes what it can of a number; nobody's penalty is longer than this.
        self.members.append((_Member(number, int(penalty[:9]) if penalty.isdecimal() else 0, name), setting.line))

    # Notes.

    def _number(self, setting: Setting) -> int | None:
        if re.fullmatch(r"[0-9]{1,9}", setting.value):
            return int(setting.value)
        self._lost(setting, f"{shown(setting.value)} is no number")
        return None

    def _within(self, setting: Setting, value: int, *, least: int, most: int) -> int:
        kept = min(max(value, least), most)
        if kept != value:
            self._changed(setting, f"{value} is {kept} here")
        return kept

    def _lost(self, setting: Setting, why: str) -> None:
        self.notes.add(Note(setting.line, Loss.LOST, f"{setting.key}: {why}"))

    def _changed(self, setting: Setting, how: str) -> None:
        self.notes.add(Note(setting.line, Loss.CHANGED, f"{setting.key}: {how}"))


_CARRIED: Mapping[str, Callable[[_Queue, Setting], None]] = {
    "strategy": _Queue.strategy,
    "timeout": _Queue.ring,
    "retry": _Queue.retry,
    "wrapuptime": _Queue.wrap_up,
    "maxlen": _Queue.most_waiting,
    "servicelevel": _Queue.service_level,
    "weight": _Queue.weight,
    "autopause": _Queue.pause,
    "ringinuse": _Queue.ring_in_use,
    "autofill": _Queue.autofill,
    "musicclass": _Queue.music,
    "music": _Queue.music,
    "musiconhold": _Queue.music,
    "context": _Queue.exit_keys,
}
_TOGETHER = frozenset(
    {
        "joinempty",
        "leavewhenempty",
        "announce-frequency",
        "periodic-announce-frequency",
        "announce-position",
        "announce-holdtime",
    }
)


def _read_general(section: Section, notes: set[Note]) -> None:
    """Of the whole file: nothing of it is a queue's."""
    for setting in section.settings:
        if setting.key in _NEEDLESS_GENERAL or setting.key in _NEEDLESS:
            why = _NEEDLESS.get(setting.key, "here it is always so")
            notes.add(Note(setting.line, Loss.NEEDLESS, f"{setting.key}: {why}"))
        else:
            notes.add(Note(setting.line, Loss.LOST, f"{setting.key} of [general]: there is nothing of its kind here"))
