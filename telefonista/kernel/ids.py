"""Names of things, as types, and how ids are made from one another.

Every id that we choose is derived from the call's own (Asterisk's unique id of the citizen's channel, which carries the
node's `systemname`), so that a leg, a bridge or a playback seen in Asterisk tells which call it belongs to, and so that
asking twice for the same thing answers "already there" instead of doing it twice.
"""

import re
from typing import NewType

CallId = NewType("CallId", str)
"""One conversation of a citizen with us; equals the id of the citizen's leg and Asterisk's `linkedid`."""
LegId = NewType("LegId", str)
BridgeId = NewType("BridgeId", str)
PlaybackId = NewType("PlaybackId", str)
RecordingId = NewType("RecordingId", str)
ListeningId = NewType("ListeningId", str)
"""One stretch of a call in which a citizen's voice is listened to; also the id of Asterisk's own leg by which it is."""
VisitId = NewType("VisitId", str)
"""One stay of a call in a queue."""
OfferId = NewType("OfferId", str)
AgentId = NewType("AgentId", str)
QueueName = NewType("QueueName", str)
LineName = NewType("LineName", str)
"""A public number, as the organisation calls it (`0800-info`)."""
RouteName = NewType("RouteName", str)
"""A trunk, as the answer-seizure ratio sees it."""
FlowName = NewType("FlowName", str)
NodeName = NewType("NodeName", str)

NO_CALL = CallId("")

_SUFFIX = re.compile(r"\.([abcdlnoprsvx])([0-9]+)$")
_SNOOP = re.compile(r"\.n[0-9]+$")
_CONTACT = re.compile(r"\.k[0-9]+$")
_LISTENING = re.compile(r"\.l[0-9]+$")


def citizen_leg(call: CallId) -> LegId:
    """The citizen's own leg. It began the call and gave it its id; only a citizen whom we call back has a leg that is
    named as the others are. (Not the contact's own id: Asterisk holds an id for taken where one that is there already
    only begins with it, as an agent's leg does. Seen.)"""
    return LegId(f"{call}.d1") if is_contact(call) else LegId(call)


def agent_leg(call: CallId, *, n: int) -> LegId:
    """The leg of the n-th offer of a call (1 for the first)."""
    return LegId(f"{call}.a{n}")


def consulted_leg(call: CallId, *, n: int) -> LegId:
    """The leg of the n-th party whom an agent consults in a call."""
    return LegId(f"{call}.c{n}")


def outside_leg(call: CallId, *, n: int) -> LegId:
    """The leg to the n-th number outside to which a call is passed on."""
    return LegId(f"{call}.x{n}")


def supervisor_leg(call: CallId, *, n: int) -> LegId:
    return LegId(f"{call}.s{n}")


def snoop_leg(call: CallId, *, n: int) -> LegId:
    """Asterisk's own leg by which the n-th supervision of a call hears (and whispers)."""
    return LegId(f"{call}.n{n}")


def is_snoop(name: str) -> bool:
    """Whether this id was made by `snoop_leg`."""
    return _SNOOP.search(name) is not None


def contact_id(origin: CallId, *, n: int) -> CallId:
    """The n-th contact that came out of a call: somebody to be called back, or a message to be heard. It is a call of
    its own."""
    return CallId(f"{origin}.k{n}")


def is_contact(name: str) -> bool:
    """Whether this id was made by `contact_id`."""
    return _CONTACT.search(name) is not None


def listening_id(call: CallId, *, n: int) -> ListeningId:
    return ListeningId(f"{call}.l{n}")


def is_listening(name: str) -> bool:
    """Whether this id was made by `listening_id`: a channel of that name belongs to no person."""
    return _LISTENING.search(name) is not None


def bridge_id(call: CallId, *, n: int) -> BridgeId:
    return BridgeId(f"{call}.b{n}")


def playback_id(call: CallId, *, n: int) -> PlaybackId:
    return PlaybackId(f"{call}.p{n}")


def visit_id(call: CallId, *, n: int) -> VisitId:
    return VisitId(f"{call}.v{n}")


def offer_id(call: CallId, *, n: int) -> OfferId:
    return OfferId(f"{call}.o{n}")


def recording_id(call: CallId, *, n: int) -> RecordingId:
    return RecordingId(f"{call}.r{n}")


def call_of(name: str) -> CallId:
    """The call that an id made by the functions above belongs to; a citizen's leg belongs to itself."""
    return CallId(_SUFFIX.sub("", name))


def is_ours(name: str) -> bool:
    """Whether this id was made by the functions above (and so is not a citizen's own channel)."""
    return _SUFFIX.search(name) is not None
