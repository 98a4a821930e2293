"""Random days on which conversations are held, consulted on, passed on, joined and taken over, by agents, supervisors
and numbers outside, while the engine and the link go and come."""

from __future__ import annotations

from telefonista.kernel.call import Call, CallState
from telefonista.kernel.events import (
    ConferenceAsked,
    ConsultationAsked,
    ConsultationEndAsked,
    ConversationStarted,
    Destination,
    DestinationKind,
    Event,
    HoldAsked,
    OfferMade,
    PartyCalled,
    PartyLeft,
    Supervision,
    SupervisionAsked,
    SupervisionBegan,
    SupervisionEndAsked,
    SupervisionEnded,
    TakeOverAsked,
    TransferAsked,
    TransferCompletionAsked,
)
from telefonista.kernel.ids import AgentId, LegId
from telefonista.kernel.shape import layout, roles
from tests.fakes.days import AGENTS, DayOfGaps, Verb
from tests.fakes.ledger import Ledger

NUMBER = Destination(DestinationKind.NUMBER, "29001950")
PLACES = (
    Destination(DestinationKind.QUEUE, "tramites"),
    Destination(DestinationKind.QUEUE, "general"),
    Destination(DestinationKind.AGENT, AGENTS[0]),
    Destination(DestinationKind.AGENT, AGENTS[1]),
    NUMBER,
)


OFTEN = {
    "agent_answers": 25,
    "agent_does_not_answer": 1,
    "agent_hangs_up": 1,
    "citizen_hangs_up": 1,
    "phone_changes": 1,
    "link_goes_down": 1,
    "link_breaks_before_anything_is_done": 2,
    "engine_is_killed": 2,
}
"""People stay for longer than on other days, so that there is somebody to be passed on."""


class CrowdedLedger(Ledger):
    """Knows that a conversation may be taken over, by whoever takes part in it already."""

    def __init__(self) -> None:
        super().__init__()
        self.beside: dict[LegId, AgentId | None] = {}
        """Whoever is consulted or supervises, by leg."""

    def _enter(self, event: Event) -> None:
        match event:
            case PartyCalled():
                assert event.agent is None or event.agent not in self._taken(), f"{event.agent} is called twice"
                self.beside[event.leg] = event.agent
            case SupervisionBegan():
                assert event.supervisor not in self._taken(), f"{event.supervisor} is in two places"
                self.beside[event.leg] = event.supervisor
            case PartyLeft() | SupervisionEnded():
                self.beside.pop(event.leg, None)
            case ConversationStarted() if event.call not in self.answered:
                assert event.leg in self.beside, f"{event.agent} has a citizen from nowhere"
                self.beside.pop(event.leg)
                assert event.call not in self.talking, f"{event.call} is had by two"
                self.talking[event.call] = event.agent
            case OfferMade():
                assert event.agent not in self.beside.values(), f"{event.agent} is offered a call beside another"
                super()._enter(event)
            case _:
                super()._enter(event)

    def _taken(self) -> set[AgentId | None]:
        return {*self.beside.values(), *self.busy_agents()}

    def all_over(self) -> None:
        super().all_over()
        assert not self.beside, f"still beside a conversation: {self.beside}"


class CrowdedDay(DayOfGaps):
    def __init__(self) -> None:
        super().__init__()
        assert not self.ledger.talking, "the day has begun"
        before, self.ledger = self.ledger, CrowdedLedger()
        self.ledger.seq = before.seq

    def _verbs(self) -> list[Verb]:
        return [
            *((OFTEN.get(doing.__name__, weight), possible, doing) for weight, possible, doing in super()._verbs()),
            (25, lambda: self.house.alive and self._talking(), self.somebody_wishes),
            (8, lambda: self._outside("Down"), self.number_rings),
            (10, lambda: self._outside("Down", "Ringing"), self.number_answers),
            (4, self._outside_any, self.number_hangs_up),
            (3, lambda: self._phones("Up"), self.hold_key_is_pressed),
        ]

    def somebody_wishes(self, which: int) -> None:
        calls = self._talking()
        call = calls[which % len(calls)]
        wishes = self._wishes(call, which=which // 7)
        wish = wishes[which // 3 % len(wishes)]
        if isinstance(wish, SupervisionAsked) and not self._may_supervise(wish.supervisor, call):
            return
        self.house.engine.receive(wish)

    def _may_supervise(self, agent: AgentId, call: Call) -> bool:
        """As the door sees to it: whoever is busy with something else does not take part."""
        known = self.house.rooms.agents.roster[agent]
        return known.call is None or call.supervision(agent) is not None

    def _wishes(self, call: Call, *, which: int) -> list[Event]:
        name, agent = call.call, call.agent or AGENTS[0]
        other = next(each for each in AGENTS if each != agent)
        place = PLACES[which % len(PLACES)]
        return [
            HoldAsked(call=name, agent=agent),
            HoldAsked(call=name, agent=agent, on=False),
            TransferAsked(call=name, agent=agent, to=place),
            ConsultationAsked(call=name, agent=agent, to=place),
            ConsultationAsked(call=name, agent=agent, to=NUMBER),
            ConsultationEndAsked(call=name, agent=agent),
            ConferenceAsked(call=name, agent=agent),
            TransferCompletionAsked(call=name, agent=agent),
            SupervisionAsked(call=name, supervisor=other, mode=list(Supervision)[which % 3]),
            SupervisionEndAsked(call=name, supervisor=other),
            TakeOverAsked(call=name, supervisor=other),
        ]

    def number_rings(self, which: int) -> None:
        self.house.node.phone_rings(LegId(self._outside("Down")[which % len(self._outside("Down"))]))

    def number_answers(self, which: int) -> None:
        legs = self._outside("Down", "Ringing")
        self.house.node.agent_answers(LegId(legs[which % len(legs)]))

    def number_hangs_up(self, which: int) -> None:
        legs = self._outside_any()
        self._hangs_up(legs[which % len(legs)], cause=(16, 17, 19, 1)[which % 4])

    def hold_key_is_pressed(self, which: int) -> None:
        legs = self._phones("Up")
        self.house.node.holds(LegId(legs[which % len(legs)]), on=which % 2 == 0)

    # What there is to choose from.

    def _talking(self) -> list[Call]:
        return [call for call in self.house.rooms.calls.open.values() if call.state is CallState.TALKING]

    def _outside(self, *states: str) -> list[str]:
        return [each.id for each in self.house.node.channels.values() if each.outside and each.state in states]

    def _outside_any(self) -> list[str]:
        return self._outside("Down", "Ringing", "Up")

    def _citizens(self) -> list[str]:
        people = self.house.node.channels.values()
        return [each.id for each in people if not (each.agent or each.outside or each.spied)]

    # What must be true.

    def _nobody_waits_for_an_agent_who_is_free(self) -> None:
        """But for those who were passed on to somebody by name."""
        desk = self.house.rooms.desk
        stays = [stay for call in self.house.rooms.calls.open if (stay := desk.stay(call)) is not None]
        if not any(stay.visit.only for stay in stays):
            super()._nobody_waits_for_an_agent_who_is_free()

    def _everybody_hears_what_they_should(self) -> None:
        node = self.house.node
        calls = self.house.rooms.calls.open
        for call in calls.values():
            channel = node.channels.get(call.citizen)
            if channel is None or not channel.inside or call.state is CallState.CLEARING:
                continue
            assert channel.state == "Up", f"{call.call} was never answered"
            wanted = layout(call)
            for bridge, legs in wanted.bridges.items():
                assert {*node.bridges[bridge]} == {*legs} & {*node.channels}, f"{call.call} is not bridged"
            for leg in wanted.muted & {*node.channels}:
                assert node.channels[leg].muted, f"{leg} is heard"
            if call.state is CallState.TALKING:
                assert call.citizen in node.recording or call.agent_leg not in node.channels, (
                    f"{call.call}: no recording"
                )
                assert (call.citizen in node.waiting) == (call.citizen in wanted.waiting)
            elif call.state is CallState.IN_FLOW:
                session = self.house.rooms.ivr.session(call.call)
                assert session is not None
                assert channel.playbacks or session.timer is not None, f"{call.call} is left in silence"
            else:
                assert call.citizen in node.waiting, f"{call.call} waits in silence"
        known = {leg for call in calls.values() for leg in call.legs}
        strays = {each.id for each in node.channels.values() if each.agent or each.outside or each.spied} - known
        assert not strays, f"{strays} ring or talk for nobody"
        idle = {
            leg
            for call in calls.values()
            if call.state is not CallState.CLEARING
            for leg in call.legs - roles(call)
            if leg in node.channels
        }
        assert not idle, f"{idle} are there for nothing"
        assert set(node.bridges) <= {bridge for call in calls.values() for bridge in layout(call).bridges}
