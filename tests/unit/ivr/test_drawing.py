"""The picture of a flow: everything is in it, nothing lies on anything else, and nothing of a text becomes markup."""

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest

from ivr import Flow, read_flow, sample_flow
from ivr.drawing import _KINDS, draw
from tests.unit.ivr.conversation import kinds_of_nodes
from tests.unit.ivr.test_asking import FLOW

SVG = "{http://www.w3.org/2000/svg}"
FLOWS = [sample_flow(), sample_flow("santa-fe"), FLOW]


def boxes(picture: str) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of each node."""
    rectangles = [
        rect for group in ElementTree.fromstring(picture).iter(f"{SVG}g") for rect in group.iter(f"{SVG}rect")
    ]
    numbers = [[float(rect.attrib[name]) for name in ("x", "y", "width", "height")] for rect in rectangles]
    return [(x, y, x + width, y + height) for x, y, width, height in numbers]


def test_every_kind_of_node_has_its_colour() -> None:
    assert set(_KINDS) == kinds_of_nodes()


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: str(flow.name))
def test_every_node_is_drawn_once_and_lies_on_no_other(flow: Flow) -> None:
    picture = draw(flow)
    drawn = boxes(picture)
    assert len(drawn) == len(flow.nodes)
    for one, other in combinations(drawn, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    texts = [text.text for text in ElementTree.fromstring(picture).iter(f"{SVG}text")]
    assert set(flow.nodes) <= set(texts)


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: str(flow.name))
def test_every_node_lies_within_the_picture(flow: Flow) -> None:
    picture = draw(flow)
    root = ElementTree.fromstring(picture)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    assert all(x >= 0 and y >= 0 and right <= width and bottom <= height for x, y, right, bottom in boxes(picture))


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: str(flow.name))
def test_every_line_leads_to_the_right(flow: Flow) -> None:
    ends = re.findall(r'd="M(\d+) \d+ C\d+ \d+ \d+ \d+ (\d+) \d+', draw(flow))
    assert len(ends) >= 4
    assert [pair for pair in ends if int(pair[0]) >= int(pair[1])] == []


def test_text_of_a_flow_is_no_markup_of_the_picture() -> None:
    flow = read_flow(
        'flow: x\nlanguage: es\nstart: a\nnodes:\n  a: {hangup: true, say: "Hola <script>&\\"</script> ]]>"}\n',
        file="x.yaml",
    )
    assert "<script>" not in draw(flow)
    assert "Hola <script>" in "".join(ElementTree.fromstring(draw(flow)).itertext())


def test_same_flow_gives_the_same_picture() -> None:
    assert draw(sample_flow()) == draw(sample_flow())
