"""Files of conversations, made here with tones of known level, joined and measured."""

import math
import os
import struct
import subprocess
import sys
import wave
from hashlib import sha256
from pathlib import Path

import pytest

from recordings.sound import (
    SILENCE_DBFS,
    NothingRecorded,
    UnreadableSound,
    join_directions,
    measure,
    settle,
    tone_level,
)

RATE_HZ = 8000
CITIZEN_HZ = 440.0
AGENT_HZ = 1000.0


def tone(frequency_hz: float, *, seconds: float, peak: float = 0.5, rate_hz: int = RATE_HZ) -> bytes:
    turn = 2 * math.pi * frequency_hz / rate_hz
    values = [round(32767 * peak * math.sin(turn * index)) for index in range(round(seconds * rate_hz))]
    return struct.pack(f"<{len(values)}h", *values)


def wav(path: Path, *channels: bytes, rate_hz: int = RATE_HZ, width_bytes: int = 2) -> Path:
    frames = b"".join(
        b"".join(side[at : at + width_bytes] for side in channels) for at in range(0, len(channels[0]), width_bytes)
    )
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(len(channels))
        writer.setsampwidth(width_bytes)
        writer.setframerate(rate_hz)
        writer.writeframes(frames)
    return path


def samples_of(path: Path) -> tuple[tuple[int, ...], ...]:
    with wave.open(str(path), "rb") as reader:
        values = struct.unpack(
            f"<{reader.getnframes() * reader.getnchannels()}h", reader.readframes(reader.getnframes())
        )
        return tuple(values[channel :: reader.getnchannels()] for channel in range(reader.getnchannels()))


@pytest.fixture
def citizen(tmp_path: Path) -> Path:
    return wav(tmp_path / "in.wav", tone(CITIZEN_HZ, seconds=2))


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    return wav(tmp_path / "out.wav", tone(AGENT_HZ, seconds=2, peak=0.25))


def test_citizen_is_on_the_left_and_agent_on_the_right(tmp_path: Path, citizen: Path, agent: Path) -> None:
    target = tmp_path / "kept" / "whole.wav"
    join_directions(citizen, agent, target=target)
    assert samples_of(target) == (*samples_of(citizen), *samples_of(agent))


def test_facts_tell_length_format_levels_and_checksum(tmp_path: Path, citizen: Path, agent: Path) -> None:
    target = tmp_path / "whole.wav"
    facts = join_directions(citizen, agent, target=target)
    assert (facts.duration_s, facts.sample_rate_hz, facts.channels) == (2.0, RATE_HZ, 2)
    assert facts.level_dbfs == pytest.approx((-9.03, -15.05), abs=0.05)
    assert facts.sha256 == sha256(target.read_bytes()).hexdigest()
    assert measure(target) == facts


def test_tone_that_each_side_sent_is_found_on_its_side_only(tmp_path: Path, citizen: Path, agent: Path) -> None:
    target = tmp_path / "whole.wav"
    join_directions(citizen, agent, target=target)
    assert tone_level(target, channel=0, frequency_hz=CITIZEN_HZ) == pytest.approx(-9.03, abs=0.1)
    assert tone_level(target, channel=1, frequency_hz=AGENT_HZ) == pytest.approx(-15.05, abs=0.1)
    assert tone_level(target, channel=0, frequency_hz=AGENT_HZ) < -70
    assert tone_level(target, channel=1, frequency_hz=CITIZEN_HZ) < -70


def test_tones_forty_hertz_apart_are_told_apart(tmp_path: Path) -> None:
    path = wav(tmp_path / "near.wav", tone(1000, seconds=1))
    assert tone_level(path, channel=0, frequency_hz=1040) < tone_level(path, channel=0, frequency_hz=1000) - 30


def test_tone_survives_jumps_of_phase_as_lost_packets_make_them(tmp_path: Path) -> None:
    packet = len(tone(CITIZEN_HZ, seconds=0.02))
    whole = tone(CITIZEN_HZ, seconds=4)
    packets = [whole[at : at + packet] for at in range(0, len(whole), packet)]
    lossy = b"".join(each for index, each in enumerate(packets) if index % 17)
    path = wav(tmp_path / "lossy.wav", lossy)
    assert tone_level(path, channel=0, frequency_hz=CITIZEN_HZ) > -13


@pytest.mark.parametrize("shorter", ["citizen", "agent"])
def test_shorter_side_is_followed_by_silence(tmp_path: Path, shorter: str) -> None:
    lengths_s = {"citizen": 1.5, "agent": 1.5} | {shorter: 0.5}
    sides = [wav(tmp_path / f"{side}.wav", tone(500, seconds=lengths_s[side])) for side in ("citizen", "agent")]
    facts = join_directions(*sides, target=tmp_path / "whole.wav")
    left, right = samples_of(tmp_path / "whole.wav")
    padded = left if shorter == "citizen" else right
    assert facts.duration_s == 1.5
    assert len(left) == len(right) == 12000
    assert any(padded[:4000])
    assert not any(padded[4000:])


def test_call_longer_than_one_slice_is_joined_without_a_seam(tmp_path: Path) -> None:
    sent, heard = tone(CITIZEN_HZ, seconds=23.1), tone(AGENT_HZ, seconds=12.3)
    citizen, agent = wav(tmp_path / "in.wav", sent), wav(tmp_path / "out.wav", heard)
    facts = join_directions(citizen, agent, target=tmp_path / "whole.wav")
    left, right = samples_of(tmp_path / "whole.wav")
    assert facts.duration_s == 23.1
    assert left == struct.unpack(f"<{len(sent) // 2}h", sent)
    assert right[: len(heard) // 2] == struct.unpack(f"<{len(heard) // 2}h", heard)


def test_side_that_never_sent_anything_is_silence(tmp_path: Path, citizen: Path) -> None:
    facts = join_directions(citizen, wav(tmp_path / "out.wav", b""), target=tmp_path / "whole.wav")
    assert facts.duration_s == 2.0
    assert facts.level_dbfs[1] == SILENCE_DBFS
    assert tone_level(tmp_path / "whole.wav", channel=1, frequency_hz=AGENT_HZ) == SILENCE_DBFS


def test_raw_files_are_joined_at_the_rate_that_their_name_says(tmp_path: Path) -> None:
    citizen, agent = tmp_path / "in.sln16", tmp_path / "out.sln16"
    citizen.write_bytes(tone(CITIZEN_HZ, seconds=1, rate_hz=16000))
    agent.write_bytes(tone(AGENT_HZ, seconds=1, rate_hz=16000) + b"\x01")
    facts = join_directions(citizen, agent, target=tmp_path / "whole.wav")
    assert (facts.duration_s, facts.sample_rate_hz) == (1.0, 16000)
    assert tone_level(tmp_path / "whole.wav", channel=1, frequency_hz=AGENT_HZ) == pytest.approx(-9.03, abs=0.1)


def test_raw_file_without_a_number_in_its_name_runs_at_8_khz(tmp_path: Path) -> None:
    path = tmp_path / "in.sln"
    path.write_bytes(tone(CITIZEN_HZ, seconds=1))
    assert measure(path).sample_rate_hz == RATE_HZ


@pytest.mark.parametrize("size", [b"\0\0\0\0", b"\xff\xff\xff\xff"])
def test_conversation_that_a_crash_of_asterisk_left_unfinished_is_read_to_its_end(
    tmp_path: Path, citizen: Path, agent: Path, size: bytes
) -> None:
    content = citizen.read_bytes()
    citizen.write_bytes(content[:4] + size + content[8:40] + size + content[44:] + b"\x01")
    facts = join_directions(citizen, agent, target=tmp_path / "whole.wav")
    assert facts.duration_s == 2.0
    assert facts.level_dbfs[0] == pytest.approx(-9.03, abs=0.05)


def test_chunks_that_others_add_to_a_file_are_skipped(tmp_path: Path, citizen: Path) -> None:
    content = citizen.read_bytes()
    citizen.write_bytes(content[:12] + b"LIST\x03\0\0\0abc\0" + content[12:])
    assert measure(citizen).duration_s == 2.0


GARBAGE = {
    "the file is empty": b"",
    "not a WAV file": b"this is a note, not a conversation",
    "its header is cut short": b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0",
    "its header names no format": b"RIFF\x24\0\0\0WAVEdata\x02\0\0\0\0\0",
    "not 16-bit PCM (coding 7, 8 bits, 1 channels)": b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0"
    + struct.pack("<HHIIHH", 7, 1, 8000, 8000, 1, 8)
    + b"data\x02\0\0\0\0\0",
}


@pytest.mark.parametrize(("reason", "content"), GARBAGE.items())
def test_garbage_is_refused_with_one_line_that_says_what_it_is(
    tmp_path: Path, agent: Path, reason: str, content: bytes
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(content)
    with pytest.raises(UnreadableSound) as refusal:
        join_directions(broken, agent, target=tmp_path / "whole.wav")
    assert str(refusal.value) == f"{broken}: {reason}"
    assert not (tmp_path / "whole.wav").exists()


def test_wav_cut_off_anywhere_is_refused_or_whole(tmp_path: Path) -> None:
    content = wav(tmp_path / "short.wav", tone(500, seconds=0.01)).read_bytes()
    cut = tmp_path / "cut.wav"
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        with pytest.raises(UnreadableSound, match=r"empty|not a WAV|cut short") as refusal:
            measure(cut)
        assert "\n" not in str(refusal.value)


def test_file_that_lost_its_end_says_how_much_is_there(tmp_path: Path, citizen: Path) -> None:
    citizen.write_bytes(citizen.read_bytes()[:-1000])
    with pytest.raises(UnreadableSound, match="cut short, 31000 of 32000 bytes"):
        measure(citizen)


def test_missing_file_is_named(tmp_path: Path, agent: Path) -> None:
    with pytest.raises(UnreadableSound, match=r"absent\.wav: No such file"):
        join_directions(tmp_path / "absent.wav", agent, target=tmp_path / "whole.wav")


def test_directions_without_one_sample_between_them_are_refused(tmp_path: Path) -> None:
    sides = [wav(tmp_path / name, b"") for name in ("in.wav", "out.wav")]
    with pytest.raises(UnreadableSound, match="neither direction holds a sample"):
        join_directions(*sides, target=tmp_path / "whole.wav")
    with pytest.raises(UnreadableSound, match="holds no sample"):
        measure(sides[0])


def test_directions_of_different_rates_are_refused(tmp_path: Path, citizen: Path) -> None:
    other = wav(tmp_path / "wide.wav", tone(500, seconds=1, rate_hz=16000), rate_hz=16000)
    with pytest.raises(UnreadableSound, match="16000 Hz, where the other direction has 8000 Hz"):
        join_directions(citizen, other, target=tmp_path / "whole.wav")


def test_stereo_file_is_no_direction(tmp_path: Path, citizen: Path) -> None:
    both = wav(tmp_path / "both.wav", tone(500, seconds=1), tone(600, seconds=1))
    with pytest.raises(UnreadableSound, match="this file has 2"):
        join_directions(citizen, both, target=tmp_path / "whole.wav")


def test_joining_that_fails_leaves_what_was_there_and_nothing_half_done(
    tmp_path: Path, citizen: Path, agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    target = kept / "whole.wav"
    target.write_bytes(b"an earlier one")

    def no_room(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(OSError, match="No space left"):
        join_directions(citizen, agent, target=target)
    assert target.read_bytes() == b"an earlier one"
    assert list(kept.iterdir()) == [target]


def test_conversation_is_readable_by_its_owner_only(tmp_path: Path, citizen: Path, agent: Path) -> None:
    join_directions(citizen, agent, target=tmp_path / "whole.wav")
    assert (tmp_path / "whole.wav").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("channel", "frequency_hz"), [(1, 440.0), (-1, 440.0), (0, 4000.0), (0, 0.0)])
def test_tone_that_the_file_cannot_hold_is_a_mistake_of_the_asker(
    citizen: Path, channel: int, frequency_hz: float
) -> None:
    with pytest.raises(ValueError, match=r"there is no channel|cannot be held"):
        tone_level(citizen, channel=channel, frequency_hz=frequency_hz)


def test_sound_too_short_for_a_tone_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSound, match="too short to find a tone"):
        tone_level(wav(tmp_path / "click.wav", tone(500, seconds=0.05)), channel=0, frequency_hz=500)


def test_module_costs_nothing_until_a_file_is_worked_on() -> None:
    asked = "import sys, recordings.sound; print(sorted({'pydub', 'asyncio', 'audioop'} & set(sys.modules)))"
    folder = Path(__file__).parents[3]
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", asked], cwd=folder, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_settling_joins_removes_the_parts_and_finds_its_own_work_when_asked_again(
    tmp_path: Path, citizen: Path, agent: Path
) -> None:
    target = tmp_path / "whole.wav"
    facts = settle(citizen, agent, target=target)
    assert facts == measure(target)
    assert not citizen.exists()
    assert not agent.exists()
    assert settle(citizen, agent, target=target) == facts


def test_settling_removes_parts_that_hold_nothing_and_says_so(tmp_path: Path) -> None:
    parts = (wav(tmp_path / "in.wav", b""), wav(tmp_path / "out.wav", b""))
    with pytest.raises(NothingRecorded):
        settle(*parts, target=tmp_path / "whole.wav")
    assert list(tmp_path.iterdir()) == []


def test_settling_leaves_parts_that_cannot_be_read_for_a_person(tmp_path: Path, citizen: Path) -> None:
    (tmp_path / "out.wav").write_bytes(b"garbage")
    with pytest.raises(UnreadableSound):
        settle(citizen, tmp_path / "out.wav", target=tmp_path / "whole.wav")
    assert citizen.exists()
    assert (tmp_path / "out.wav").exists()
