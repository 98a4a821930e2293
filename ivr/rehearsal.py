"""A flow walked through without a telephone: the very session that serves citizens, with sound and time made up.

In: a flow, a moment, and what the citizen does. Out: what is said, what happens, and how it ends. No sound is made and
no clock is read: a sound ends when the citizen has listened, a wait when the citizen waits. Must never import another
room.
"""

from collections import deque
from collections.abc import Mapping

from ivr.core.flow import Callback, Flow, Voicemail
from ivr.core.hearing import Word, normal, read
from ivr.core.lookups import Nonsense, taken
from ivr.core.moves import FINISHED, Session, State
from ivr.service import IvrService
from telefonista.kernel.commands import LookUp, OpenTicket, Play, RecordMessage
from telefonista.kernel.events import (
    KINDS,
    CallArrived,
    CallbackGranted,
    CallbackRefused,
    DigitPressed,
    Diverted,
    Entry,
    Event,
    FlowEnded,
    HandedOff,
    LegEnded,
    LookupAnswered,
    LookupFailed,
    MessageRecorded,
    PlaybackEnded,
    ReturnedToQueue,
    SpeechFailed,
    SpeechHeard,
    TicketOpened,
    TicketStatus,
    TimerFired,
)
from telefonista.kernel.ids import CallId, LineName, QueueName, RouteName, citizen_leg, contact_id
from telefonista.notation.expressions import Value

SECONDS_PER_SIGN = 0.07
"""What the synthetic voice takes, about."""
GOODBYE = "goodbye"
HUNG_UP = "hung up"
BACK_TO_QUEUE = "back to queue"
TICKET_NUMBER = "1000009"
"""The number of a ticket that a rehearsal opens."""

_CALL = CallId("rehearsal-1.1")
_LINE = LineName("rehearsal")


class Rehearsal:
    """One call. It arrives as this is made."""

    def __init__(self, flow: Flow, *, at: float) -> None:
        """`at`: when it arrives, epoch seconds."""
        self.at = at
        self.events: list[Event] = []
        """All that happened, in order."""
        self.said: list[str] = []
        """Each text whose saying has begun, in order."""
        self.ended = ""
        """`queue NAME`, `number N`, `flow NAME`, `back to queue`, `goodbye` or `hung up`; empty until then."""
        self._recorded: RecordMessage | None = None
        spoken = {language.partition("-")[0] for language in flow.listening_languages}
        self._service = IvrService({_LINE: flow}, default_queue=QueueName("default"), speech=spoken)
        self._happens(CallArrived(call=_CALL, line=_LINE, dialled="", route=RouteName(""), caller=""))

    @property
    def is_speaking(self) -> bool:
        return self._session.sound is not None

    @property
    def is_waiting(self) -> bool:
        """Whether it is the citizen's turn."""
        return self._session.state is State.WAITING

    @property
    def node(self) -> str:
        return self._session.node

    @property
    def variables(self) -> dict[str, Value]:
        return dict(self._session.variables)

    def listens(self) -> None:
        """What is being said is heard to its end; at once where nothing is."""
        sound = self._session.sound
        if sound is not None:
            self.at += SECONDS_PER_SIGN * sum(len(prompt.text) for prompt in sound.prompts)
            self._happens(PlaybackEnded(call=_CALL, playback=sound.playback))

    def presses(self, keys: str) -> None:
        for key in keys:
            self._happens(DigitPressed(call=_CALL, leg=citizen_leg(_CALL), digit=key))

    @property
    def listening(self) -> str:
        """Which listening goes on; empty: nobody listens."""
        return "" if self._session.listening is None else self._session.listening.listening

    def says(self, words: str) -> str:
        """The citizen speaks, and is heard as spoken. What is wrong with that; empty when nothing is."""
        listening = self._session.listening
        if listening is None:
            return "nobody listens"
        said = [Word(word, 1.0) for word in normal(words).split()]
        reading = read(said, options=listening.phrases)
        self._happens(
            SpeechHeard(call=_CALL, listening=listening.listening, node=listening.node, phrase=reading.phrase)
        )
        return ""

    def is_not_heard(self) -> str:
        """Whoever listens fails."""
        listening = self._session.listening
        if listening is None:
            return "nobody listens"
        why = "rehearsed"
        self._happens(SpeechFailed(call=_CALL, listening=listening.listening, node=listening.node, why=why))
        return ""

    def lets_time_pass(self) -> None:
        """The patience of the line with a silent citizen comes to its end."""
        timer = self._session.timer
        if timer is not None:
            self.at += timer.after_s
            self._happens(TimerFired(call=_CALL, key=timer.key, token=timer.token))

    @property
    def asks(self) -> str:
        """What the flow wants to know of another system: its name, `ticket`, or empty."""
        errand = self._session.errand
        return "" if errand is None else errand.source if isinstance(errand, LookUp) else "ticket"

    def is_answered(self, answer: Mapping[str, str]) -> str:
        """The other system answers: fields of a lookup's, `status` of a ticket's. What is wrong with it; else empty."""
        errand = self._session.errand
        if errand is None:
            return "nothing is asked"
        if isinstance(errand, LookUp):
            try:
                values = taken(answer, wanted=errand.wanted)
            except Nonsense as nonsense:
                return str(nonsense)
            self._happens(LookupAnswered(call=_CALL, request=errand.request, values=values))
        elif isinstance(errand, OpenTicket):
            ticket = answer.get("ticket", TICKET_NUMBER)
            self._happens(TicketOpened(call=_CALL, request=errand.request, ticket=ticket, topic=errand.topic))
        else:
            status = answer.get("status", "")
            self._happens(TicketStatus(call=_CALL, request=errand.request, ticket=errand.ticket, status=status))
        return ""

    def finds_nothing(self) -> str:
        errand = self._session.errand
        if errand is None or isinstance(errand, OpenTicket):
            return "nothing is looked for"
        if isinstance(errand, LookUp):
            self._happens(LookupAnswered(call=_CALL, request=errand.request, found=False))
            return ""
        return self.is_answered({})

    def is_not_answered(self) -> str:
        errand = self._session.errand
        if errand is None:
            return "nothing is asked"
        self._happens(LookupFailed(call=_CALL, request=errand.request, why="rehearsed"))
        return ""

    def settles_callback(self, granted: bool) -> str:
        if not isinstance(self._session.flow.nodes[self._session.node], Callback):
            return "nobody asks to be called back"
        self._happens(
            CallbackGranted(call=_CALL, contact=contact_id(_CALL, n=1))
            if granted
            else CallbackRefused(call=_CALL, why="closed")
        )
        return ""

    def leaves_message(self) -> str:
        """Speaks for a few seconds after the tone."""
        if not isinstance(self._session.flow.nodes[self._session.node], Voicemail) or self._recorded is None:
            return "no message is taken"
        self._happens(MessageRecorded(call=_CALL, recording=self._recorded.recording, duration_s=8.0))
        return ""

    def hangs_up(self) -> None:
        self._happens(LegEnded(call=_CALL, leg=citizen_leg(_CALL), cause=16))

    @property
    def _session(self) -> Session:
        session = self._service.session(_CALL)
        assert session is not None
        return session

    def _happens(self, event: Event) -> None:
        ahead = deque([event])
        while ahead:
            event = ahead.popleft()
            self.events.append(event)
            if isinstance(event, HandedOff):
                self.ended = f"queue {event.queue}"
            elif isinstance(event, Diverted):
                self.ended = str(event.to)
            elif isinstance(event, ReturnedToQueue):
                self.ended = BACK_TO_QUEUE
            elif isinstance(event, FlowEnded) and not self.ended:
                self.ended = GOODBYE if event.outcome == FINISHED else HUNG_UP
            if isinstance(event, Diverted):
                break
            for output in self._service.handle(Entry(seq=len(self.events), at=self.at, event=event)):
                if isinstance(output, KINDS):
                    ahead.append(output)
                elif isinstance(output, RecordMessage):
                    self._recorded = output
                elif isinstance(output, Play):
                    self.said += [prompt.text for prompt in output.prompts]
