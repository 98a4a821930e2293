"""The lines' flows: files in the home's `flows/` win over those that come with the engine."""

from collections.abc import Mapping

from ivr import Flow, FlowInvalid, check_queues, load_flow, sample_flow
from telefonista.app.config import Config, ConfigInvalid
from telefonista.app.home import Home
from telefonista.kernel.ids import LineName, QueueName

SAMPLES = ("0800-info", "santa-fe")


def read_flows(home: Home, config: Config) -> Mapping[LineName, Flow]:
    """Each line's flow, checked against the queues. Raises `ConfigInvalid` with a line per problem."""
    queues = {QueueName(queue.name) for queue in config.queues}
    flows: dict[LineName, Flow] = {}
    problems: list[str] = []
    for line in config.lines:
        own = home.flows / f"{line.flow}.yaml"
        try:
            if not own.exists() and line.flow not in SAMPLES:
                raise ConfigInvalid(f"{home.config_file}: line {line.name}: no flow {line.flow!r} at {own}")
            flow = load_flow(own) if own.exists() else sample_flow(line.flow)
            wrong = check_queues(flow, queues)
            if wrong:
                raise FlowInvalid(list(wrong))
            flows[LineName(line.name)] = flow
        except (FlowInvalid, ConfigInvalid) as refusal:
            problems.append(str(refusal))
    if problems:
        raise ConfigInvalid("\n".join(problems))
    return flows
