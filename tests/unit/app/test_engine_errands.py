"""What flows ask of others goes through the engine: out as an errand, back as an event, and again after a death."""

from ivr import read_flow
from telefonista.kernel.commands import Errand, LookUp
from telefonista.kernel.events import LookupAnswered
from tests.fakes.house import INFO, House

FLOW = read_flow(
    """\
flow: deuda
language: es
start: buscar
person: persona
variables: {deuda: private number}
nodes:
  buscar: {lookup: patente, into: {deuda: monto}, found: decir, nothing: persona, on_failure: persona}
  decir: {say: "Debe {deuda}", then: persona}
  persona: {queue: general}
""",
    file="deuda.yaml",
)


def test_errand_goes_out_comes_back_and_is_asked_again_after_a_death() -> None:
    house = House(flows={INFO: FLOW}).opens()
    errands: list[Errand] = []
    house.engine._run_errand = errands.append
    call = house.call_to(INFO)
    (asked,) = errands
    assert isinstance(asked, LookUp)
    answer = LookupAnswered(call=call, request=asked.request, values={"deuda": 1500}, private=True)
    house.engine.receive(answer)
    session = house.engine.ivr.session(call)
    assert session is not None
    assert (session.node, session.variables["deuda"]) == ("decir", 1500)
    assert "1500" not in repr(list(house.journal.read()))
    house.kill()
    house.start()
    house.engine._run_errand = errands.append
    house.link_comes_up()
    assert len(errands) == 2
    again = house.engine.ivr.session(call)
    assert again is not None
    assert (again.node, again.variables["deuda"]) == ("buscar", 0)
