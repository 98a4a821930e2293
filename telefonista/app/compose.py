"""Builds an installation out of its parts, and starts and stops them in order: the only place that constructs.

In: a home folder and its configuration. Out: `Installation`, with everything that `telefonista run` needs. The order of
starting is the order below; stopping goes the other way round.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import sqlalchemy
import structlog
from sqlalchemy.exc import SQLAlchemyError
from twisted.internet.defer import Deferred

from acd import DO_NOT_CALL, AcdService, Desk, QueuePolicy
from agents import AgentsService, Member, codes
from dialplans import (
    LISTENING,
    AgentAccount,
    AsteriskPlan,
    CitizenAccount,
    Contingency,
    Folders,
    Link,
    Manager,
    PlanError,
    Ports,
    PublicNumber,
    Trunk,
    outdated_accounts,
    write_configuration,
)
from dialplans.service import write_contingency_program
from ivr import Flow, IvrService
from ivr.core.speaking import (
    choice_pieces,
    estimate_pieces,
    every_estimate_piece,
    every_position_piece,
    position_pieces,
)
from ivr.music import compose_music, compose_tone
from ivr.prompts import CommandSynthesiser, EspeakSynthesiser, PromptLibrary, SynthesisFailed, UnspeakablePrompt
from recordings import RecordingsService
from recordings.sound import NothingRecorded, SoundFacts, UnreadableSound, settle
from telefonista.app.agi_flows import flow_conversation
from telefonista.app.certificates import Certificate
from telefonista.app.clock import LoopClock
from telefonista.app.codes import agent_codes
from telefonista.app.config import Config, ConfigInvalid, read_config, warnings
from telefonista.app.do_not_call import DoNotCallList
from telefonista.app.engine import Engine
from telefonista.app.errands import Errands
from telefonista.app.flows import read_flows, read_other_flows
from telefonista.app.home import Home, PortsInUse, Secrets
from telefonista.app.provisioning import LIST_REGISTRATIONS, certificate_of, contacts_of, tls_files
from telefonista.app.speech import Ears, Recognisers
from telefonista.app.speech_models import installed, unknown_phrases
from telefonista.app.spool import read_spool
from telefonista.app.workers import start_workers
from telefonista.kernel.calls import Calls
from telefonista.kernel.commands import Dial, KeepRecording, Prompt
from telefonista.kernel.events import (
    DestinationKind,
    EngineStarted,
    EngineStopped,
    Event,
    NodeUp,
    RecordingFailed,
    RecordingKept,
)
from telefonista.kernel.ids import AgentId, CallId, FlowName, LineName, QueueName, RecordingId, recording_id
from telefonista.kernel.ports import LinkDown, Observation, Refused
from telefonista.pbx.ami import AmiRecorder
from telefonista.pbx.asterisk import AsteriskFailed, AsteriskProcess, PortTaken, port_holder
from telefonista.pbx.audiosocket import AudioSocketServer
from telefonista.pbx.fastagi import FastAgiServer, Route, greeting
from telefonista.pbx.link import AsteriskLink
from telefonista.pbx.packages import Tool, Toolbox, default_folder, ensure
from telefonista.pbx.wire.ami import recording_files
from telefonista.pbx.wire.ari import TONE, Way
from telefonista.pbx.wire.frames import Credentials
from telefonista.store.database import open_database, sqlite_url
from telefonista.store.journal import FileJournal
from telefonista.store.number import e164, is_of_the_country
from telefonista.store.projection import Projector, country_by_line
from telefonista.store.queries import earlier_calls, last_agents, list_calls
from telefonista.store.sources import HttpSource, Remembering, Source, SourceUnusable, SqlSource
from telefonista.version import VERSION

_log = structlog.get_logger("telefonista")

LINK_USER = "telefonista"
FIRST_TIME = Prompt(text="Hola. Es la primera vez que nos llama desde este número.")
WELCOME_BACK = Prompt(text="Hola. Gracias por llamarnos nuevamente.")
"""What the FastAGI demonstration says."""

READY_TIMEOUT_S = 30.0
LONGEST_LOOKUP_S = 15.0
STOP_TIMEOUT_S = 8.0
AUDIT_EVERY_S = 15.0
WATCH_EVERY_S = 0.25
SPOOL_EVERY_S = 2.0
CERTIFICATE_EVERY_S = 6 * 3600.0
RESTART_PAUSE_S = 1.0
DO_NOT_CALL_PAUSE_S = 5.0

Report = Callable[[str], None]

RELOADS = {
    "pjsip.conf": "module reload res_pjsip.so",
    "extensions.conf": "dialplan reload",
    "queues.conf": "queue reload all",
}
"""Which of Asterisk's files is read again by which command, without touching live calls."""


def members(config: Config) -> list[Member]:
    """The configured agents, as the roster wants them."""
    return [agent.member() for agent in config.agents] + [
        Member(agent=AgentId(person), name=name, queues=())
        for person, name in config.telephones.items()
        if person not in {agent.id for agent in config.agents}
    ]


def way_out(config: Config, dial: Dial) -> Way:
    """By which trunk a number outside is dialled, and which number of ours is shown. Raises `Refused`."""
    trunks = [route.name for route in config.routes if route.dial]
    if not trunks:
        raise Refused("no route has a `dial`, so nobody outside can be called")
    shown = {line.name: line.shown_number for line in config.lines}
    return Way(trunk=dial.route if dial.route in trunks else trunks[0], shown_number=shown.get(dial.line, ""))


def position_prompts(position: int) -> tuple[Prompt, ...]:
    return tuple(Prompt(text=piece) for piece in position_pieces(position))


def estimate_prompts(estimate_s: float) -> tuple[Prompt, ...]:
    return tuple(Prompt(text=piece) for piece in estimate_pieces(estimate_s))


_CHOICES = {DestinationKind.CALLBACK: "que le llamemos", DestinationKind.VOICEMAIL: "dejar un mensaje"}


def choice_prompts(kind: DestinationKind, key: str) -> tuple[Prompt, ...]:
    """What tells a waiting citizen of a callback, or of a message, and the key for it."""
    return tuple(Prompt(text=piece) for piece in choice_pieces(_CHOICES[kind], key=key))


def spoken_in_queues(policies: Iterable[QueuePolicy]) -> list[Prompt]:
    """All that a citizen may hear in a queue, or instead of it."""
    pieces = [*every_position_piece(), *every_estimate_piece()]
    prompts = [Prompt(text=piece) for piece in pieces]
    for policy in policies:
        prompts += policy.messages
        prompts += (Prompt(text=sentence) for sentence in policy.sentences)
        if policy.callback is not None:
            prompts += choice_prompts(DestinationKind.CALLBACK, policy.callback.key)
        if policy.voicemail is not None:
            prompts += choice_prompts(DestinationKind.VOICEMAIL, policy.voicemail.key)
    return list(dict.fromkeys(prompts))


def tools(*, report: Report, sipp: bool = False) -> Toolbox:
    """Asterisk and the synthesiser (and sipp), found or fetched. Raises `ToolsMissing`."""
    wanted = {Tool.ASTERISK, Tool.ESPEAK} | ({Tool.SIPP} if sipp else set())
    return ensure(default_folder(), wanted=wanted, report=report)


def prompt_library(home: Home, toolbox: Toolbox, *, command: str = "") -> PromptLibrary:
    """Synthesised prompts are shared by all installations of this user; recordings belong to one. `command` speaks in
    place of espeak-ng. Raises `UnspeakablePrompt` for a command that is none."""
    own = EspeakSynthesiser(toolbox.espeak.command(), data_path=toolbox.espeak_data)
    return PromptLibrary(
        default_folder().parent / "prompts",
        recordings_folder=home.prompts,
        synthesiser=CommandSynthesiser(command) if command else own,
    )


def asterisk_plan(
    home: Home,
    config: Config,
    *,
    secrets: Secrets,
    ports: PortsInUse,
    toolbox: Toolbox,
    greeting: str,
    engine_away: str = "",
) -> AsteriskPlan:
    """Everything Asterisk must be told. `greeting` is the contingency message's file, without its ending; so is
    `engine_away`, for agents who dial a code while no engine is there."""
    folders = Folders.under(
        str(home.folder), modules=str(toolbox.asterisk_modules), shared=str(toolbox.asterisk_shared)
    )
    return AsteriskPlan(
        node=config.node,
        folders=folders,
        ports=Ports(
            sip=ports.sip,
            manager=ports.manager,
            fastagi=ports.fastagi,
            rtp_first=ports.rtp_first,
            rtp_last=ports.rtp_last,
            sip_address=config.sip_address,
            sip_tls=ports.sip_tls,
        ),
        tls=tls_files(home, config) if ports.sip_tls else None,
        link=Link(
            uri=f"ws://127.0.0.1:{ports.link}/ari",
            username=LINK_USER,
            password=secrets.link_password,
            user_secret=secrets.link_user_secret,
        ),
        manager=Manager(username=LINK_USER, password=secrets.manager_password),
        contingency=Contingency(
            message=greeting, agi=f"{folders.agi}/telefonista-contingency", record_folder=str(home.spool)
        ),
        numbers=tuple(PublicNumber(number, line.name) for line in config.lines for number in line.numbers),
        trunks=tuple(Trunk(route.name, route.addresses, route.dial) for route in config.routes),
        agents=tuple(
            AgentAccount(who, secrets.telephones[who], name, config.encryption_of(who))
            for who, name in config.telephones.items()
        ),
        citizens=(CitizenAccount("ciudadano", secrets.telephones["ciudadano"]),),
        longest_call_s=config.longest_call_s,
        engine_away=engine_away,
    )


class Installation:
    """One home's engine with its Asterisk. `run` returns when `stop` was called."""

    def __init__(
        self,
        home: Home,
        config: Config,
        *,
        journal: FileJournal,
        ports: PortsInUse,
        secrets: Secrets,
        report: Report,
    ) -> None:
        self.home = home
        self.config = config
        self.ports = ports
        self.secrets = secrets
        self._report = report
        self._draining = False
        self._reloading = asyncio.Lock()
        self._outdated: set[str] = set()
        """Accounts whose telephones must be made to register anew."""
        self.failure: BaseException | None = None
        self.do_not_call = DoNotCallList(country=lambda: self.config.country)
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.database: sqlalchemy.Engine
        self.engine: Engine
        self.link: AsteriskLink
        self.projector: Projector
        self.asterisk: AsteriskProcess | None = None
        self._library: PromptLibrary
        self._uris: dict[Prompt, str] = {}
        self._journal = journal
        self._workers: ProcessPoolExecutor
        self._ears: Ears
        self._toolbox: Toolbox
        self.certificate: Certificate | None = None
        """By which telephones know us; None where SIP over TLS is off."""

    async def run(self, *, ready: Callable[[], None]) -> None:
        """Start everything, call `ready` when calls are taken, and go on until `stop`."""
        async with contextlib.AsyncExitStack() as stack:
            await self._start(stack)
            await self._until_ready()
            ready()
            await self._stopping.wait()
            if self.failure is None:
                self._report("stopping: hanging up what is open")
                await self._end_calls()

    def stop(self) -> None:
        self._stopping.set()

    def fail(self, failure: BaseException) -> None:
        """End this process and nobody's call: they go on in Asterisk, and the next engine takes them up."""
        self.failure = self.failure or failure
        self._stopping.set()

    @property
    def ready(self) -> bool:
        return self._ready.is_set()

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        toolbox = await asyncio.to_thread(partial(tools, report=self._report))
        flows = read_flows(self.home, self.config)
        others = read_other_flows(self.home, self.config, lines=flows)
        self._library = prompt_library(self.home, toolbox, command=self.config.synthesiser.command)
        await asyncio.to_thread(self._prepare_sounds, (*flows.values(), *others.values()))

        self.database = open_database(self.config.database.url or sqlite_url(self.home.database_file))
        stack.callback(self.database.dispose)
        self._workers = start_workers()
        stack.callback(self._workers.shutdown)

        self._errands = self._build_errands()
        stack.callback(self._errands.close)
        self.engine = self._build_engine(flows, others)
        stack.push_async_callback(self._cancel_tasks)
        still_open = self.engine.recover(self._journal.read(), next_seq=self._journal.next_seq)
        if still_open:
            self._report(f"{still_open} calls were open when the engine stopped; they are taken up again")

        self.projector = Projector(
            self.database,
            self._journal,
            country_of=country_by_line({}, otherwise=self.config.country),
        )
        self.projector.start()
        stack.callback(self.projector.stop)
        self.engine.listen(self.projector.offer)
        await asyncio.to_thread(self._remember_who_served)
        for warning in warnings(self.config):
            self._report(f"warning: {warning}")
        self.engine.receive(EngineStarted(node=self.config.node, version=VERSION))
        stack.callback(self._note_stop)

        self._start_fastagi(stack)
        self._start_listening(stack)
        recorder = await self._start_link(stack)
        if self.config.own_asterisk:
            await self._start_asterisk(stack, toolbox)
        await recorder.start()
        stack.push_async_callback(recorder.stop)
        self._spawn(self._audit_now_and_then())
        self._spawn(self._read_spool_now_and_then())
        self._spawn(self._learn_who_must_not_be_called())
        if self.config.own_asterisk and self.ports.sip_tls:
            self._spawn(self._renew_certificate_in_time())
        # Again, so that nobody watches over an Asterisk that is being stopped.
        stack.push_async_callback(self._cancel_tasks)

    def _prepare_sounds(self, flows: Iterable[Flow]) -> None:
        """Every sentence that anybody may hear, and the music. Blocking; quick when they are there already."""
        music = self.home.music / "espera.wav"
        if not music.exists():
            self._report("composing the music on hold")
            compose_music(music)
        tone = self.home.prompts / f"{TONE.name}.wav"
        if not tone.exists():
            compose_tone(tone)
        spoken = (prompt for flow in flows for prompt in flow.prompts)
        in_queues = spoken_in_queues(self._policies(self.config))
        fixed = [self._greeting, FIRST_TIME, WELCOME_BACK, *self._code_sentences()]
        self._library.prepare([*fixed, *spoken, *in_queues], report=self._report)

    def _code_sentences(self) -> list[Prompt]:
        """What agents hear who dial a code."""
        words = [word for policy in self._policies(self.config) for word in policy.dispositions]
        return [Prompt(text=one) for one in codes.sentences(reasons=self.config.pause_reasons, dispositions=words)]

    @property
    def _greeting(self) -> Prompt:
        return Prompt(text=self.config.greeting, language=self.config.language, name="contingencia")

    @staticmethod
    def _policies(config: Config) -> list[QueuePolicy]:
        return [
            queue.policy(language=config.language, service_level_s=config.service_level_s) for queue in config.queues
        ]

    def _note_stop(self) -> None:
        if self.failure is None:
            self.engine.receive(EngineStopped(node=self.config.node))

    def _rule(self, agents: AgentsService) -> None:
        agents.follow(directory=self.config.directory, automatic=self.config.login == "automatic")

    def _build_errands(self) -> Errands:
        sources, private = self._sources(self.config)
        return Errands(
            sources,
            private=private,
            database=self.database,
            sink=lambda event: self.engine.receive(event),
            spawn=self._spawn,
        )

    def _sources(self, config: Config) -> tuple[Mapping[str, Source], frozenset[str]]:
        """Where flows look things up, and which of these are private. Raises `ConfigInvalid`."""
        own = config.database.url or sqlite_url(self.home.database_file)
        sources: dict[str, Source] = {}
        for each in config.sources:
            try:
                source: Source = (
                    HttpSource(each.url)
                    if each.url
                    else SqlSource(each.database or own, query=each.sql, deadline_s=LONGEST_LOOKUP_S)
                )
            except SourceUnusable as problem:
                raise ConfigInvalid(f"{self.home.config_file}: source {each.name}: {problem}") from problem
            sources[each.name] = Remembering(source, for_s=each.cache_s) if each.cache_s else source
        return sources, frozenset(each.name for each in config.sources if each.private)

    def _build_engine(self, flows: Mapping[LineName, Flow], others: Mapping[FlowName, Flow]) -> Engine:
        desk_of: list[Desk] = []
        agents = AgentsService(members(self.config), granted=lambda queue: desk_of[0].policy(queue).granted)
        self._rule(agents)
        desk_of.append(
            Desk(
                self._policies(self.config),
                roster=agents.roster,
                position_prompts=position_prompts,
                estimate_prompts=estimate_prompts,
                choice_prompts=choice_prompts,
                may_call=self._may_call,
                canonical=lambda number: e164(number, country=self.config.country) or number,
                language=self.config.language,
            )
        )
        return Engine(
            calls=Calls(),
            agents=agents,
            ivr=IvrService(
                flows,
                default_queue=QueueName(self.config.queues[0].name),
                others=others,
                speech=installed(self.home.speech),
            ),
            acd=AcdService(desk_of[0]),
            recordings=RecordingsService(),
            journal=self._journal,
            clock=LoopClock(),
            keep_recording=lambda command: self._spawn(self._keep(command)),
            on_failure=self.fail,
            run_errand=self._errands.run,
        )

    def _may_call(self, number: str, at: float) -> str | None:
        """A callback is dialled within the country only. Until the list has been read nobody is, and nobody is told
        that they are on it."""
        if not is_of_the_country(number, country=self.config.country):
            return DO_NOT_CALL
        if not self.do_not_call.known:
            return "the list of whom nobody may call has not been read yet"
        return DO_NOT_CALL if self.do_not_call.forbids(number) else None

    def _remember_who_served(self) -> None:
        """What the journal has forgotten of who talked with whom last, for queues that prefer that agent. Blocking; the
        database may be away, for it is only a kindness."""
        memory_s = max((policy.sticky_memory_s for policy in self._policies(self.config) if policy.sticky_s), default=0)
        if not memory_s:
            return
        since = datetime.now(UTC) - timedelta(seconds=memory_s)
        try:
            with self.database.connect() as connection:
                served = last_agents(connection, since=since)
        except sqlalchemy.exc.SQLAlchemyError as problem:
            _log.warning("who served whom last is not known", why=str(problem)[:200])
            return
        for row in served:
            at = datetime.fromisoformat(row["at"]).timestamp()
            self.engine.desk.remember(row["number"], AgentId(row["agent"]), at=at)

    def _start_fastagi(self, stack: contextlib.AsyncExitStack) -> None:
        """What dialplans may ask us. Twisted's reactor is asyncio's loop here; it was installed before this import."""
        from twisted.internet import reactor

        greet = greeting(
            earlier_calls=lambda number: Deferred.fromFuture(asyncio.ensure_future(self._earlier_calls(number))),
            first_time=self._sound(FIRST_TIME),
            welcome_back=self._sound(WELCOME_BACK),
        )
        # zope's interfaces read as functions that lack `self` to a type checker.
        agent = agent_codes(
            self.engine, config=lambda: self.config, sound=lambda sentence: self._sound(Prompt(text=sentence))
        )
        server = FastAgiServer({"greeting": greet, "agent": agent}, reactor=reactor)
        server.conversations = self._conversations()
        port: Any = server.listen(self.ports.fastagi)

        async def stop() -> None:
            stopped = port.stopListening()
            if stopped is not None:
                await stopped.asFuture(asyncio.get_running_loop())

        stack.push_async_callback(stop)

    def _conversations(self) -> Mapping[str, Route]:
        """What dialplans may leave to us for longer than a question."""
        return {
            "flow": flow_conversation(
                home=self.home,
                config=lambda: self.config,
                prompt_uri=self._prompt_uri,
                errands=self._errands,
                clock=LoopClock(),
            )
        }

    async def _earlier_calls(self, number: str) -> int:
        def ask() -> int:
            known = e164(number, country=self.config.country)
            if known is None:
                return 0
            with self.database.connect() as connection:
                return earlier_calls(connection, number=known, before=datetime.now(UTC))

        return await asyncio.to_thread(ask)

    async def queue_of(self, call: CallId, agent: AgentId) -> QueueName | None:
        """In which queue an agent had a contact that may be over since long, as the store has it."""

        def ask() -> QueueName | None:
            with self.database.connect() as connection:
                talks = [talk for found in list_calls(connection, call=call) for talk in found["conversations"]]
            return next((QueueName(talk["queue"]) for talk in reversed(talks) if talk["agent"] == agent), None)

        return await asyncio.to_thread(ask)

    def _sound(self, prompt: Prompt) -> str:
        """A prompt's file without its ending, as the dialplan's `Playback` takes it."""
        return self._library.uri(prompt).removeprefix("sound:")

    def _start_listening(self, stack: contextlib.AsyncExitStack) -> None:
        """Understand what citizens say, in the languages that there are models for. Nobody waits for the models: until
        they are loaded, and where there is none, there are the keys."""
        from twisted.internet import reactor

        models = installed(self.home.speech)
        recognisers = Recognisers(models, workers=self.config.speech.workers, at_once=self.config.speech.at_once)
        recognisers.start()
        stack.push_async_callback(recognisers.stop)
        server = AudioSocketServer(reactor=reactor)
        server.listen()
        stack.push_async_callback(server.stop)
        self._ears = Ears(recognisers, server=server, context=LISTENING, sink=self.engine.receive)
        self._report(
            f"speech is understood in {', '.join(models)}"
            if models
            else "no speech model: flows go by keys alone (telefonista speech install)"
        )
        for line in unknown_phrases(self.engine.ivr.flows.values(), models=models):
            self._report(line)

    async def _start_link(self, stack: contextlib.AsyncExitStack) -> AmiRecorder:
        recorder = AmiRecorder(
            port=self.ports.manager,
            username=LINK_USER,
            secret=self.secrets.manager_password,
            folder=PurePosixPath(self.home.recordings),
            sink=self.engine.receive,
        )
        self.link = AsteriskLink(
            node=self.config.node,
            credentials=Credentials(LINK_USER, self.secrets.link_password),
            sink=self.engine.receive,
            accepting=lambda: self.engine.accepting,
            prompt_uri=self._prompt_uri,
            way=lambda dial: way_out(self.config, dial),
            agents=[AgentId(who) for who in self.config.telephones],
            port=self.ports.link,
            recorder=recorder,
            listener=self._ears,
            on_up=self._link_up,
            on_down=self._link_down,
        )
        self.engine.attach(self.link)
        try:
            await self.link.start()
        except OSError as taken:
            holder = port_holder(self.ports.link, protocol="tcp")
            raise PortTaken(
                f"link port {self.ports.link}/tcp is in use{f' by {holder}' if holder else ''}: {taken.strerror}; "
                f"stop that, or stop Asterisk and remove {self.home.run}/ports.json"
            ) from taken
        stack.push_async_callback(self.link.stop)
        return recorder

    def _prompt_uri(self, prompt: Prompt) -> str:
        """Where a prompt lies, looked up once until the next `reload`. Raises `Refused`: then it counts as played."""
        uri = self._uris.get(prompt)
        if uri is None:
            try:
                uri = self._uris[prompt] = self._library.uri(prompt)
            except (SynthesisFailed, UnspeakablePrompt) as problem:
                raise Refused(str(problem)) from problem
        return uri

    def _link_up(self, observation: Observation) -> None:
        self.engine.agree(observation)
        self.engine.receive(NodeUp(node=self.config.node))
        if not self.draining:
            self.engine.accepting = True
        self._ready.set()
        self._spawn(self._end_registrations_in_time())

    def _link_down(self, why: str) -> None:
        """The link says so itself, and comes back by itself; until then calls go the contingency path anyway."""
        self.engine.accepting = False

    async def _start_asterisk(self, stack: contextlib.AsyncExitStack, toolbox: Toolbox) -> None:
        await self._look_after_certificate()
        plan = self._plan(toolbox)
        self._toolbox = toolbox
        outdated, changed = _written(plan)
        write_contingency_program(Path(plan.contingency.agi), python=sys.executable)
        self.asterisk = AsteriskProcess(toolbox.asterisk, plan=plan)
        ran_before = self.asterisk.attach()
        if ran_before:
            self._report("Asterisk is running already; taking up its calls")
        else:
            self._report("starting Asterisk")
            self.asterisk.start()
        stack.push_async_callback(self._stop_asterisk, self.asterisk)
        await self.asterisk.wait_ready()
        if ran_before:
            await _reread(self.asterisk, changed)
        self._outdated |= outdated
        await self._end_registrations()
        self._spawn(self._watch_asterisk(self.asterisk))

    async def _stop_asterisk(self, asterisk: AsteriskProcess) -> None:
        if self.failure is None:
            await asterisk.stop()

    def _plan(self, toolbox: Toolbox) -> AsteriskPlan:
        return asterisk_plan(
            self.home,
            self.config,
            secrets=self.secrets,
            ports=self.ports,
            toolbox=toolbox,
            greeting=self._sound(self._greeting),
            engine_away=self._sound(Prompt(text=codes.AWAY)),
        )

    async def _look_after_certificate(self) -> None:
        """Raises `ConfigInvalid`, OSError."""
        if self.ports.sip_tls:
            self.certificate = await asyncio.to_thread(certificate_of, self.home, self.config)

    async def _until_ready(self) -> None:
        """The link is up. Raises `AsteriskFailed` when Asterisk does not dial us in time."""
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await self._ready.wait()
        except TimeoutError:
            raise AsteriskFailed(
                f"Asterisk did not dial the engine on port {self.ports.link} within {READY_TIMEOUT_S:.0f} s"
                f"{'' if self.config.own_asterisk else '; is it running, with this configuration?'}"
            ) from None

    async def _watch_asterisk(self, asterisk: AsteriskProcess) -> None:
        """Start Asterisk again whenever it dies; its calls are lost, and everybody is told at once."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            if asterisk.alive():
                continue
            self._ready.clear()
            self.engine.node_lost(self.config.node, why="Asterisk ended")
            _log.error("Asterisk ended and is started again", node=self.config.node)
            try:
                asterisk.start()
                await asterisk.wait_ready()
            except AsteriskFailed as failure:
                _log.error("Asterisk does not start", why=str(failure))
                await asyncio.sleep(RESTART_PAUSE_S)

    async def _audit_now_and_then(self) -> None:
        """A guard against what no event tells: ghost calls, stuck agents."""
        while True:
            await asyncio.sleep(AUDIT_EVERY_S)
            believed = dict(self.engine.calls.open)
            try:
                observation = await self.link.observe(agents=list(self.engine.agents.roster.members))
            except LinkDown:
                continue
            self.engine.audit(observation, believed=believed)
            await self._end_registrations_in_time()

    async def _read_spool_now_and_then(self) -> None:
        while True:
            if self.link.up:
                await read_spool(
                    self.home.spool,
                    keep=self._keep_contingency,
                    drop=self._drop_parts,
                    report=self.engine.receive,
                )
            await asyncio.sleep(SPOOL_EVERY_S)

    async def _learn_who_must_not_be_called(self) -> None:
        """Until the list has been read once nobody is called."""
        while not self.do_not_call.known:
            try:
                await self.read_do_not_call()
            except SQLAlchemyError as away:
                _log.warning("nobody is called back until it is known who must not be", why=str(away).splitlines()[0])
                await asyncio.sleep(DO_NOT_CALL_PAUSE_S)

    async def read_do_not_call(self) -> int:
        """Read anew who must not be called; how many there are. Raises SQLAlchemy's errors; the old list stays."""
        return await asyncio.to_thread(self.do_not_call.read, self.database)

    async def _keep_contingency(self, call: CallId, citizen: Path, agent: Path) -> RecordingKept | None:
        recording = recording_id(call, n=1)
        try:
            return _kept(call, recording, await self._join(citizen, agent, name=f"{recording}.wav"))
        except NothingRecorded:
            return None
        except UnreadableSound as problem:
            _log.error("a contingency call's recording cannot be kept", call=call, problem=str(problem))
            return None

    async def _keep(self, command: KeepRecording) -> None:
        """Join what was recorded in a worker process, and tell how that went."""
        name = f"{command.recording}.wav"
        sound_in, sound_out = (Path(part) for part in recording_files(command.recording))
        event: Event
        try:
            facts = await self._join(sound_in, sound_out, name=name)
        except UnreadableSound as problem:
            # Without the folder: what is journalled must mean the same when the home is moved.
            why = str(problem).replace(f"{self.home.recordings}/", "")[:200]
            event = RecordingFailed(call=command.call, recording=command.recording, why=why)
            if not isinstance(problem, NothingRecorded):
                _log.error("a recording cannot be kept", recording=command.recording, problem=why)
        else:
            event = _kept(command.call, command.recording, facts)
        self.engine.receive(event)

    async def _join(self, citizen: Path, agent: Path, *, name: str) -> SoundFacts:
        folder = self.home.recordings
        work = partial(settle, folder / citizen, folder / agent, target=folder / name)
        return await asyncio.get_running_loop().run_in_executor(self._workers, work)

    def _drop_parts(self, *parts: Path) -> None:
        for part in parts:
            (self.home.recordings / part).unlink(missing_ok=True)

    async def reload(self) -> str:
        """Read the configuration and the flows again. Raises `ConfigInvalid`, and then nothing has changed.

        Calls in progress finish on the flow that they began with. Ports, the node's name and the routes need a restart;
        the answer says so where they changed."""
        async with self._reloading:
            return await self._reload()

    async def _reload(self) -> str:
        config = read_config(self.home.config_file)
        flows = read_flows(self.home, config)
        others = read_other_flows(self.home, config, lines=flows)
        sources, private = self._sources(config)
        fixed = {"node", "sip_address", "sip_tls_port", "own_asterisk", "database", "speech", "synthesiser"}
        needs_restart = sorted(name for name in fixed if getattr(config, name) != getattr(self.config, name))
        kept = {name: getattr(self.config, name) for name in fixed | {"sip_port", "http_port"}}
        before = self.config, self.secrets
        self.config = config.model_copy(update=kept)
        try:
            self.secrets = self.home.secrets(self.config)
            toolbox = await asyncio.to_thread(partial(tools, report=self._report))
            await asyncio.to_thread(self._prepare_sounds, (*flows.values(), *others.values()))
            await self._look_after_certificate()
            plan = self._plan(toolbox)
        except (ConfigInvalid, OSError, PlanError, SynthesisFailed, UnspeakablePrompt) as problem:
            self.config, self.secrets = before
            if isinstance(problem, ConfigInvalid):
                raise
            raise ConfigInvalid(f"{self.home.config_file}: {problem}") from problem
        self._rule(self.engine.agents)
        self._errands.replace(sources, private=private)
        self._uris.clear()
        self.engine.configure(
            policies=self._policies(self.config), members=members(self.config), flows=flows, other_flows=others
        )
        await self._tell_asterisk(plan)
        await self.link.watch([AgentId(who) for who in self.config.telephones])
        restart = f"; restart for: {', '.join(needs_restart)}" if needs_restart else ""
        careful = "".join(f"; warning: {warning}" for warning in warnings(config))
        counts = f"{len(flows)} lines, {len(config.queues)} queues, {len(config.agents)} agents"
        return f"reloaded: {counts}{restart}{careful}"

    async def tell_accounts(self) -> str:
        """Tell Asterisk the telephones' passwords, and the certificate, as they are kept now; who registered with a
        password that is no more must register anew. Raises `AsteriskFailed`, `ConfigInvalid`, `LinkDown`, `PlanError`,
        OSError."""
        async with self._reloading:
            if self.asterisk is None:
                raise AsteriskFailed("this engine does not write Asterisk's configuration (own_asterisk: false)")
            self.secrets = self.home.secrets(self.config)
            await self._look_after_certificate()
            await self._tell_asterisk(self._plan(self._toolbox))
            if self._outdated:
                raise LinkDown("the passwords are told; the telephones that have the old ones are put off at link-up")
            return "told"

    async def _renew_certificate_in_time(self) -> None:
        """Ours before it ends; the organisation's own, once somebody has put another in its place."""
        while True:
            await asyncio.sleep(CERTIFICATE_EVERY_S)
            try:
                await self.tell_accounts()
            except (AsteriskFailed, ConfigInvalid, LinkDown, OSError, PlanError) as problem:
                _log.error("the certificate was not looked after", why=str(problem))

    async def _tell_asterisk(self, plan: AsteriskPlan) -> None:
        if self.asterisk is None:
            return
        outdated, changed = await asyncio.to_thread(_written, plan)
        await _reread(self.asterisk, changed)
        self._outdated |= outdated
        await self._end_registrations()

    async def _end_registrations(self) -> None:
        """Telephones that registered with a password that is no more are not rung any more. While the link is down they
        wait for it: registrations outlive even Asterisk. Raises `AsteriskFailed`."""
        if not self._outdated or self.asterisk is None or not self.link.up:
            return
        outdated = set(self._outdated)
        contacts = contacts_of(outdated, listed=await self.asterisk.rx(LIST_REGISTRATIONS))
        with contextlib.suppress(LinkDown):
            await self.link.forget_contacts(contacts)
            self._outdated -= outdated

    async def _end_registrations_in_time(self) -> None:
        try:
            await self._end_registrations()
        except AsteriskFailed as failure:
            _log.warning("telephones with old passwords are still registered", why=str(failure))

    @property
    def draining(self) -> bool:
        return self._draining

    def drain(self, on: bool) -> None:
        """Take no new calls (they go the contingency path) or take them again; open calls go on."""
        self._draining = on
        self.engine.accepting = not on and self.link.up

    async def _end_calls(self) -> None:
        self.engine.accepting = self.engine.offering = False
        self.engine.stop_calls()
        quiet = asyncio.Event()

        def look(_: object = None) -> None:
            if self.engine.quiet and not self.engine.recordings.unfinished():
                quiet.set()

        self.engine.listen(look)
        look()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await quiet.wait()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("a background task died", task=repr(task), exc_info=task.exception())
            self.fail(task.exception() or asyncio.CancelledError())

    async def _cancel_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _written(plan: AsteriskPlan) -> tuple[set[str], set[str]]:
    """Write Asterisk's configuration: the accounts whose password has changed, and the names of the files that have."""
    outdated = outdated_accounts(plan)
    return outdated, {path.name for path in write_configuration(plan)}


async def _reread(asterisk: AsteriskProcess, changed: Collection[str]) -> None:
    for file, command in RELOADS.items():
        if file in changed:
            await asterisk.rx(command)


def _kept(call: CallId, recording: RecordingId, facts: SoundFacts) -> RecordingKept:
    return RecordingKept(
        call=call,
        recording=recording,
        path=f"{recording}.wav",
        duration_s=facts.duration_s,
        sha256=facts.sha256,
    )
