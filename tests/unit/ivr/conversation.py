"""One call on a line, with the engine's part played by hand, for tests of what a citizen hears and is led to."""

from collections import deque
from collections.abc import Iterable

from ivr import IvrService, sample_flow
from ivr.core.flow import Flow, Inquiry, Node
from ivr.core.moves import Session
from ivr.core.session import MOST_NODES
from telefonista.kernel.commands import Play, SetTimer
from telefonista.kernel.events import (
    KINDS,
    CallArrived,
    DigitPressed,
    Entry,
    Event,
    FlowEnded,
    HandedOff,
    LegEnded,
    PlaybackEnded,
    TimerFired,
)
from telefonista.kernel.ids import CallId, LegId, LineName, QueueName, RouteName, citizen_leg
from telefonista.kernel.machine import Output

CALL = CallId("nodo1-1700000000.1")
LINE = LineName("0800-info")
DEFAULT_QUEUE = QueueName("general")
SAMPLE = sample_flow()


class Line:
    """One call on a line, with the engine's part played by hand."""

    def __init__(self, flow: Flow = SAMPLE, *, journal: Iterable[Event] = (), at: float = 0.0) -> None:
        self.at = at
        self.service = IvrService({LINE: flow}, default_queue=DEFAULT_QUEUE)
        self.journal: list[Event] = []
        self.commands: list[Output] = []
        self.all_commands: list[Output] = []
        self.decisions: list[Event] = []
        for event in journal:
            self.journal.append(event)
            self.service.handle(self._entry(event))

    def happens(self, *happenings: Event) -> None:
        """Each with all that follows from it; `commands` and `decisions` are then those of the last."""
        for happening in happenings:
            self.commands, self.decisions = [], []
            self._cascade([happening])

    def resumes(self) -> None:
        """What the engine does after a restart or a gap."""
        self.commands, self.decisions = [], []
        outputs = self.service.resume(CALL, at=0.0)
        self.commands += [output for output in outputs if not isinstance(output, KINDS)]
        self._cascade([output for output in outputs if isinstance(output, KINDS)])

    def _cascade(self, first: Iterable[Event]) -> None:
        waiting = deque(first)
        while waiting:
            event = waiting.popleft()
            self.journal.append(event)
            for output in self.service.handle(self._entry(event)):
                if isinstance(output, KINDS):
                    waiting.append(output)
                    self.decisions.append(output)
                    assert len(self.decisions) < 2 * MOST_NODES, "the cascade does not end"
                else:
                    self.commands.append(output)
                    self.all_commands.append(output)

    def _entry(self, event: Event) -> Entry:
        return Entry(seq=len(self.journal), at=self.at, event=event)

    @property
    def session(self) -> Session:
        session = self.service.session(CALL)
        assert session is not None
        return session

    @property
    def said(self) -> str:
        """What is being said after the last happening."""
        plays = [command for command in self.commands if isinstance(command, Play)]
        return " | ".join(prompt.text for play in plays for prompt in play.prompts)

    def arrives(self) -> "Line":
        self.happens(arrived())
        return self

    def hears_all(self) -> None:
        """The sound that is playing comes to its end."""
        assert self.session.sound is not None
        self.happens(PlaybackEnded(call=CALL, playback=self.session.sound.playback))

    def presses(self, digits: str) -> None:
        self.happens(*(pressed(digit) for digit in digits))

    def waits(self) -> None:
        """The timer that is running fires."""
        timer = self.session.timer
        assert timer is not None
        self.happens(TimerFired(call=CALL, key=timer.key, token=timer.token))

    def every_sound(self) -> list[Play]:
        return [command for command in self.all_commands if isinstance(command, Play)]

    def timers(self) -> list[SetTimer]:
        return [command for command in self.commands if isinstance(command, SetTimer)]


def kinds_of_nodes() -> set[type[Node]]:
    """Those that stand in flows, and not what several of them have in common."""
    every = {Node}
    while more := {kind for known in every for kind in known.__subclasses__()} - every:
        every |= more
    return every - {Node, Inquiry}


def arrived() -> CallArrived:
    return CallArrived(call=CALL, line=LINE, dialled="4636", route=RouteName("ciudadanos"), caller="099123456")


def pressed(digit: str, *, leg: LegId | None = None) -> DigitPressed:
    return DigitPressed(call=CALL, leg=leg or citizen_leg(CALL), digit=digit)


def hung_up() -> LegEnded:
    return LegEnded(call=CALL, leg=citizen_leg(CALL), cause=16)


def handed_off(queue: str, *, priority: int = 0, topic: str = "") -> list[Event]:
    return [
        HandedOff(call=CALL, queue=QueueName(queue), priority=priority, topic=topic),
        FlowEnded(call=CALL, outcome="handed_off"),
    ]
