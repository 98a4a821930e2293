"""The very flows that our own lines run, for the dialplan of any Asterisk: `AGI(agi://host/flow/NAME)`.

In: a channel that asks, and the flow of that name. Out: sounds and waits, one AGI command after the other, until the
flow ends; then channel variables say how: `TELEFONISTA_OUTCOME` and what belongs to it, and every variable of the flow
that is not private. The citizen's place in the flow is the same value as on our own lines; nothing of it is journalled,
for the call is the dialplan's. Must never import the link.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from twisted.internet.defer import Deferred

from ivr import Flow, IvrService
from ivr.core.moves import ANSWER_WAIT_KEY, FINISHED, HANDED_OFF, Session
from telefonista.kernel.commands import Errand, Play, Prompt, RecordMessage, SetTimer
from telefonista.kernel.events import (
    KINDS,
    CallArrived,
    CallbackAsked,
    CallbackGranted,
    DestinationKind,
    DigitPressed,
    Diverted,
    Entry,
    Event,
    FlowEnded,
    HandedOff,
    LegEnded,
    MessageFailed,
    MessageLeft,
    MessageRecorded,
    PlaybackEnded,
    ReturnedToQueue,
    TimerFired,
)
from telefonista.kernel.ids import (
    CallId,
    FlowName,
    LineName,
    PlaybackId,
    QueueName,
    RecordingId,
    RouteName,
    citizen_leg,
    contact_id,
)
from telefonista.kernel.ports import CallGone, Refused
from telefonista.pbx.fastagi import AgiSession, Route, digit_of
from telefonista.pbx.wire.ari import TONE

_log = structlog.get_logger("telefonista.pbx.agi_flow")

KEYS: Final = "0123456789*#"
OUTCOME: Final = "TELEFONISTA_OUTCOME"
LOOK_EVERY_S: Final = 0.25
"""While another system is asked, the channel waits for keys in stretches of this length."""
SILENCE_ENDS_MESSAGE_S: Final = 5
SAMPLES_PER_SECOND: Final = 8000
_LINE = LineName("agi")
_NO_QUEUE = QueueName("")

FlowOf = Callable[[str], "Deferred[tuple[Flow, Mapping[FlowName, Flow]] | None]"]
"""A flow by name, with those that it leads to; None for one that is not there."""
RunErrand = Callable[[Errand], "Deferred[Event]"]
SoundOf = Callable[[Prompt], "Deferred[str]"]
"""The file of a prompt without its ending. Fails with `Refused` where there is none."""


class FlowCall:
    """One citizen in one flow, and what follows from each thing that happens. Knows no channel."""

    def __init__(
        self, flow: Flow, *, others: Mapping[FlowName, Flow], call: CallId, caller: str, now: Callable[[], float]
    ) -> None:
        self.call = call
        self.outcome: dict[str, str] = {}
        """Channel variables that say how it ended, and what became of it on the way."""
        self.over = False
        self.errands: deque[Errand] = deque()
        """To be run; whoever runs one takes it out."""
        self.recording: RecordMessage | None = None
        """A message to be recorded now."""
        self._service = IvrService({_LINE: flow}, default_queue=_NO_QUEUE, others=others)
        self._now = now
        self._seq = 0
        self.happens(CallArrived(call=call, line=_LINE, dialled="", route=RouteName(""), caller=caller))

    @property
    def session(self) -> Session:
        session = self._service.session(self.call)
        assert session is not None  # the line has a flow, so it was entered as the call arrived
        return session

    @property
    def sound(self) -> Play | None:
        """What is to be said now."""
        return self.session.sound

    @property
    def timer(self) -> SetTimer | None:
        """What is being waited for, when nothing is to be said."""
        return self.session.timer

    def presses(self, digit: str) -> None:
        self.happens(DigitPressed(call=self.call, leg=citizen_leg(self.call), digit=digit))

    def heard(self, playback: PlaybackId, *, failed: bool = False) -> None:
        self.happens(PlaybackEnded(call=self.call, playback=playback, failed=failed))

    def waited(self, timer: SetTimer) -> None:
        self.happens(TimerFired(call=self.call, key=timer.key, token=timer.token))

    def hung_up(self) -> None:
        self.happens(LegEnded(call=self.call, leg=citizen_leg(self.call), cause=16))

    def happens(self, event: Event) -> None:
        """Apply it, and all that follows."""
        ahead = deque([event])
        while ahead:
            event = ahead.popleft()
            self._seq += 1
            self._note(event, ahead)
            for output in self._service.handle(Entry(seq=self._seq, at=self._now(), event=event)):
                if isinstance(output, KINDS):
                    ahead.append(output)
                elif isinstance(output, Errand):
                    self.errands.append(output)
                elif isinstance(output, RecordMessage):
                    self.recording = output

    def _note(self, event: Event, ahead: deque[Event]) -> None:
        """What the dialplan is to know of it."""
        if isinstance(event, HandedOff):
            self._ends("queue", QUEUE=event.queue, PRIORITY=str(event.priority), TOPIC=event.topic)
        elif isinstance(event, Diverted) and event.to.kind is DestinationKind.NUMBER:
            self._ends("transfer", NUMBER=event.to.name)
        elif isinstance(event, ReturnedToQueue):
            self._ends("back_to_queue")
        elif isinstance(event, CallbackAsked):
            # Whoever has the queues has the callbacks too: the dialplan is told, and the citizen that it will be done.
            self.outcome |= {"TELEFONISTA_CALLBACK": event.number, "TELEFONISTA_CALLBACK_QUEUE": event.queue}
            ahead.append(CallbackGranted(call=self.call, contact=contact_id(self.call, n=1)))
        elif isinstance(event, MessageLeft):
            self.outcome |= {"TELEFONISTA_MESSAGE_QUEUE": event.queue}
        elif isinstance(event, FlowEnded) and event.outcome != HANDED_OFF:
            self._ends("goodbye" if event.outcome == FINISHED else "hung_up")

    def _ends(self, outcome: str, **more: str) -> None:
        self.over = True
        self.outcome[OUTCOME] = outcome
        self.outcome |= {f"TELEFONISTA_{name}": value for name, value in more.items()}

    @property
    def variables(self) -> dict[str, str]:
        """What the dialplan gets when it is over."""
        flow = self.session.flow
        spelled = {
            f"TELEFONISTA_VAR_{name.upper()}": str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in self.session.variables.items()
            if name not in flow.private
        }
        return {**spelled, **self.outcome}


def flow_route(
    *,
    flow_of: FlowOf,
    sound_of: SoundOf,
    run_errand: RunErrand,
    message_file: Callable[[RecordingId], str],
    now: Callable[[], float],
) -> Route:
    """The conversation `flow`: the rest of the address is the flow's name. `message_file` says where a message is
    recorded to, without its ending; `now` is epoch seconds."""

    async def converse(session: AgiSession) -> None:
        name = session.request.route.partition("/")[2]
        found = await flow_of(name)
        if found is None:
            await session.set_variable(OUTCOME, value="unknown_flow")
            return
        flow, others = found
        await session.answer()
        call = FlowCall(
            flow,
            others=others,
            call=CallId(f"agi-{session.request.channel}"),
            caller=session.request.caller,
            now=now,
        )
        await _Conductor(session, call, sound_of=sound_of, run_errand=run_errand, message_file=message_file).conduct()

    return converse


class _Conductor:
    """Does on a channel what a flow wants, one command at a time."""

    def __init__(
        self,
        session: AgiSession,
        call: FlowCall,
        *,
        sound_of: SoundOf,
        run_errand: RunErrand,
        message_file: Callable[[RecordingId], str],
    ) -> None:
        self._session = session
        self._call = call
        self._sound_of = sound_of
        self._run_errand = run_errand
        self._message_file = message_file
        self._answers: deque[Event] = deque()
        """Of other systems; each counts when the channel is free to go on."""

    async def conduct(self) -> None:
        try:
            while not self._call.over:
                await self._step()
        except CallGone:
            self._call.hung_up()
        # Asterisk takes variables of a channel that has hung up too; its `h` extension may read them.
        for name, value in self._call.variables.items():
            try:
                await self._session.set_variable(name, value=value)
            except Refused as refusal:
                _log.warning("a variable of a flow is kept back", name=name, why=str(refusal))

    async def _step(self) -> None:
        self._begin_errands()
        if self._answers:
            self._call.happens(self._answers.popleft())
        elif self._call.recording is not None:
            await self._record(self._call.recording)
        elif self._call.sound is not None:
            await self._say(self._call.sound)
        else:
            timer = self._call.timer
            assert timer is not None  # a flow that neither speaks nor waits has ended
            await self._wait(timer)

    def _begin_errands(self) -> None:
        while self._call.errands:
            self._run_errand(self._call.errands.popleft()).addCallback(self._answers.append)

    async def _say(self, play: Play) -> None:
        """Until the last prompt is over or the flow wants something else. A key that stops nothing is noted, and the
        sound goes on where it was."""
        for prompt in play.prompts:
            offset = 0
            while True:
                try:
                    sound = await self._sound_of(prompt)
                    digit, end = await self._session.play_from(sound, escape_digits=KEYS, offset=offset)
                except Refused as refusal:
                    _log.warning("a prompt cannot be played", text=prompt.text[:60], why=str(refusal))
                    self._call.heard(play.playback, failed=True)
                    return
                if not digit:
                    break
                self._call.presses(digit)
                if self._call.sound is not play:
                    return
                offset = end
        self._call.heard(play.playback)

    async def _wait(self, timer: SetTimer) -> None:
        left_s = timer.after_s
        while left_s > 0:
            stretch_s = min(left_s, LOOK_EVERY_S) if timer.key == ANSWER_WAIT_KEY else left_s
            digit = await self._session.wait_for_digit(timeout_s=stretch_s)
            if digit:
                self._call.presses(digit)
            if digit or self._answers or self._call.timer is not timer:
                return
            left_s -= stretch_s
        self._call.waited(timer)

    async def _record(self, record: RecordMessage) -> None:
        self._call.recording = None
        file = self._message_file(record.recording)
        try:
            # Asterisk's own tone is a sound file that may not be there, and without it nothing is recorded.
            await self._session.stream_file(await self._sound_of(TONE))
            reply = await self._session.record_file(
                file, escape_digits=KEYS, longest_s=record.longest_s, silence_s=SILENCE_ENDS_MESSAGE_S
            )
        except Refused as refusal:
            self._call.happens(MessageFailed(call=record.call, recording=record.recording, why=str(refusal)[:200]))
            return
        except CallGone:
            # The usual end of a message; how long it is nobody told.
            self._recorded(record, file, duration_s=0.0)
            raise
        digit = digit_of(reply)
        if digit:
            self._call.presses(digit)
        self._recorded(record, file, duration_s=reply.end_position / SAMPLES_PER_SECOND)

    def _recorded(self, record: RecordMessage, file: str, *, duration_s: float) -> None:
        self._call.outcome["TELEFONISTA_MESSAGE"] = file
        self._call.happens(MessageRecorded(call=record.call, recording=record.recording, duration_s=duration_s))
