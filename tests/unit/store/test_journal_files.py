"""What only a journal in files can suffer: cut files, garbage, full disks, killed engines, two engines at once."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telefonista.kernel.events import Entry
from telefonista.kernel.ids import CallId
from telefonista.store.journal import (
    FileJournal,
    JournalDamaged,
    JournalFailed,
    JournalInUse,
    examine,
    mend,
    segments,
)
from tests.contract.stories import World, Writer, arrived, ended, gave_up_in_the_menu, helped, offered, talking, waiting

ROOT = Path(__file__).parents[3]
ONE = CallId("n1-1760000000.1")


def batches(entries: list[Entry]) -> list[list[Entry]]:
    whole: list[list[Entry]] = [[]]
    for entry in entries:
        whole[-1].append(entry)
        if entry.left == 0:
            whole.append([])
    return whole[:-1]


def newest(folder: Path) -> Path:
    return segments(folder)[-1][1]


@settings(max_examples=80, deadline=None)
@given(
    picks=st.lists(st.integers(0, 999), min_size=1, max_size=25),
    rotate_after=st.integers(0, 30),
    where=st.floats(0, 1),
    garbage=st.sampled_from([b"", b"\x00" * 40, b'{"seq":', b"\xff\xfe\n\n", b"{}\n"]),
)
def test_file_cut_at_any_byte_gives_a_prefix_of_whole_batches(
    tmp_path_factory: pytest.TempPathFactory, picks: list[int], rotate_after: int, where: float, garbage: bytes
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    with FileJournal(folder) as journal:
        world, writer = World(), Writer(journal)
        for n, pick in enumerate(picks):
            writer.write(*world.step(pick, at=writer.at))
            if n == rotate_after:
                journal.rotate()
    path = newest(folder)
    content = path.read_bytes()
    path.write_bytes(content[: round(where * len(content))] + garbage)

    with FileJournal(folder) as journal:
        left = list(journal.entries_from(1))
        assert left == writer.written[: len(left)]
        assert batches(left) == batches(writer.written)[: len(batches(left))]
        assert journal.next_seq == len(left) + 1
        after = Writer(journal)
        after.write(*arrived(CallId("n1-1760000000.999")))
    with FileJournal(folder) as journal:
        assert list(journal.entries_from(1)) == left + after.written


def test_cut_off_tail_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with FileJournal(tmp_path) as journal:
        Writer(journal).play(gave_up_in_the_menu(ONE))
    with newest(tmp_path).open("ab") as segment:
        segment.write(b'{"seq":7,"at":17')
    with FileJournal(tmp_path):
        assert "cut 16 bytes off the end of 000001.jsonl" in caplog.text


def test_garbage_in_the_middle_is_named_with_file_and_line_and_nothing_is_lost(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal:
        Writer(journal).play(helped(ONE))
    path = newest(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[4] = b"\x00garbage\n"
    path.write_bytes(b"".join(lines))
    before = path.read_bytes()

    with pytest.raises(JournalDamaged, match=rf"{path}:5: not a journal entry .*telefonista doctor"):
        FileJournal(tmp_path)
    assert path.read_bytes() == before
    (problem,) = examine(tmp_path)
    assert f"{path}:5: not a journal entry" in problem


def test_mended_journal_has_every_readable_entry_and_goes_on(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal:
        written = Writer(journal).play([*helped(ONE), arrived(CallId("n1-1760000000.2"))])
    path = newest(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = b"".join([*lines[:4], b"garbage\n", *lines[5:]])
    path.write_bytes(damaged)

    (line,) = mend(tmp_path)
    assert line == f"{path}: 1 lines could not be read; the segment as it was is 000001.jsonl.damaged"
    assert (tmp_path / "000001.jsonl.damaged").read_bytes() == damaged
    assert examine(tmp_path) == [f"{path}: entries 4 to 4 are missing"]
    with FileJournal(tmp_path) as journal:
        assert [entry.seq for entry in journal.entries_from(1)] == [e.seq for e in written if e.seq != 4]
        assert journal.next_seq == len(written) + 1
        assert any(getattr(entry.event, "call", "") == "n1-1760000000.2" for entry in journal.read())
    assert mend(tmp_path) == []


def test_journal_whose_first_line_is_damaged_can_be_mended(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal:
        writer = Writer(journal)
        writer.play([arrived(ONE), *helped(CallId("n1-1760000000.2"))])
        journal.rotate()
        writer.play([waiting(ONE)])
    path = newest(tmp_path)
    path.write_bytes(b"garbage" + path.read_bytes())

    with pytest.raises(JournalDamaged, match=r"000002\.jsonl:1: not a journal segment's first line"):
        FileJournal(tmp_path)
    mend(tmp_path)
    with FileJournal(tmp_path) as journal:
        assert [entry.seq for entry in journal.entries_from(1)] == [entry.seq for entry in writer.written]
        assert [entry.event for entry in journal.read() if getattr(entry.event, "call", "") == ONE] == [
            *arrived(ONE),
            *waiting(ONE),
        ]


def test_journal_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "000001.jsonl").write_bytes(b'{"journal":2,"segment":1,"first_seq":1,"carried":0}\n')
    with pytest.raises(JournalDamaged, match="written in format 2; this version reads 1"):
        FileJournal(tmp_path)


def test_entries_out_of_order_are_damage(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal:
        Writer(journal).play([arrived(ONE)])
    path = newest(tmp_path)
    header, *lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([header, *lines, *lines]))
    with pytest.raises(JournalDamaged, match=r":5: entry 1 after entry 3"):
        FileJournal(tmp_path)


def test_missing_line_within_a_batch_is_damage(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal:
        Writer(journal).play([arrived(ONE)])
    path = newest(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    with pytest.raises(JournalDamaged, match=r":3: a batch is not whole"):
        FileJournal(tmp_path)


def test_lone_segment_without_a_whole_beginning_is_not_taken_for_a_new_installation(tmp_path: Path) -> None:
    (tmp_path / "000007.jsonl").write_bytes(b'{"journal":1,"segm')
    with pytest.raises(JournalDamaged, match="no whole beginning"):
        FileJournal(tmp_path)
    assert examine(tmp_path) == [f"{tmp_path / '000007.jsonl'}: segment 7 has no whole beginning"]


def test_starting_up_does_not_slow_down_with_history(tmp_path: Path) -> None:
    read = []
    writer_at = 1_760_000_000.0
    for start in range(10):
        with FileJournal(tmp_path, segment_bytes=256 * 1024) as journal:
            read.append(len(list(journal.read())))
            writer = Writer(journal, at=writer_at)
            if not start:
                writer.play([arrived(ONE), waiting(ONE)])
            for n in range(1_000):
                writer.play(gave_up_in_the_menu(CallId(f"n1-1760000000.{start}{n:04d}")))
            writer_at = writer.at
    with FileJournal(tmp_path, segment_bytes=256 * 1024) as journal:
        read.append(len(list(journal.read())))
        assert journal.next_seq == 10 * 6_000 + len(arrived(ONE)) + len(waiting(ONE)) + 1
    assert max(read) <= len(arrived(ONE)) + len(waiting(ONE)) + 1_000
    assert read[-1] <= read[2] + 1_000


def test_full_segment_is_followed_by_a_new_one_with_what_is_open(tmp_path: Path) -> None:
    with FileJournal(tmp_path, segment_bytes=2_000) as journal:
        writer = Writer(journal)
        writer.play([arrived(ONE)])
        for n in range(20):
            writer.play(gave_up_in_the_menu(CallId(f"n1-1760000000.{n + 10}")))
        assert len(segments(tmp_path)) > 3
        assert [entry.seq for entry in journal.read()][:3] == [1, 2, 3]
        assert list(journal.entries_from(1)) == writer.written


def test_old_segments_go_only_when_projected_and_enough_newer_ones_exist(tmp_path: Path) -> None:
    def numbers() -> list[int]:
        return [number for number, _ in segments(tmp_path)]

    def become(expected: list[int]) -> bool:
        deadline = time.monotonic() + 10
        while numbers() != expected and time.monotonic() < deadline:
            time.sleep(0.01)
        return numbers() == expected

    with FileJournal(tmp_path, keep_segments=3) as journal:
        for n in range(6):
            Writer(journal).play(gave_up_in_the_menu(CallId(f"n1-1760000000.{n}")))
            journal.rotate()
        assert journal.wait_until_synced(journal.next_seq - 1, timeout_s=10)
        assert numbers() == [1, 2, 3, 4, 5, 6, 7]
        journal.projected(12)
        journal.rotate()
        assert become([3, 4, 5, 6, 7, 8])
        journal.projected(journal.next_seq - 1)
        journal.rotate()
        assert become([7, 8, 9])
        assert list(journal.entries_from(1)) == []


def run(code: str, *arguments: str) -> subprocess.Popen[str]:
    """The code in a process of its own, with what it prints at hand."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


HOLD = """
    import sys, time
    from pathlib import Path
    from telefonista.store.journal import FileJournal
    journal = FileJournal(Path(sys.argv[1]))
    print("open", flush=True)
    time.sleep(60)
"""


def test_second_engine_on_the_same_home_is_refused_in_one_line(tmp_path: Path) -> None:
    with run(HOLD, str(tmp_path)) as first:
        try:
            assert first.stdout is not None
            assert first.stdout.readline() == "open\n"
            with pytest.raises(JournalInUse) as refusal:
                FileJournal(tmp_path)
            assert str(refusal.value) == (
                f"another engine (process {first.pid}) runs on {tmp_path}; stop it or choose another home"
            )
        finally:
            first.kill()
    FileJournal(tmp_path).close()


def test_journal_open_in_this_process_is_refused_too(tmp_path: Path) -> None:
    with FileJournal(tmp_path), pytest.raises(JournalInUse, match="already in this process"):
        FileJournal(tmp_path)


def test_worker_that_outlives_a_killed_engine_does_not_keep_the_next_one_out(tmp_path: Path) -> None:
    forked = """
        import os, sys, time
        from pathlib import Path
        from telefonista.store.journal import FileJournal
        journal = FileJournal(Path(sys.argv[1]))
        worker = os.fork()
        if worker == 0:
            time.sleep(60)
        print(worker, flush=True)
        time.sleep(60)
    """
    with run(forked, str(tmp_path)) as engine:
        assert engine.stdout is not None
        worker = int(engine.stdout.readline())
        engine.kill()
        engine.wait()
        try:
            FileJournal(tmp_path).close()
        finally:
            os.kill(worker, signal.SIGKILL)


def test_killed_engine_loses_nothing_that_was_appended(tmp_path: Path) -> None:
    endless = """
        import itertools, sys
        from pathlib import Path
        from telefonista.kernel.ids import CallId
        from telefonista.store.journal import FileJournal
        from tests.contract.stories import Writer, helped
        journal = FileJournal(Path(sys.argv[1]), segment_bytes=20_000)
        writer = Writer(journal)
        for n in itertools.count():
            print(writer.play(helped(CallId(f"n1-1760000000.{n}")))[-1].seq, flush=True)
    """
    with run(endless, str(tmp_path)) as engine:
        assert engine.stdout is not None
        for line in engine.stdout:
            if int(line) > 2_000:
                engine.kill()
                break
        rest = [int(line) for line in engine.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        promised = max([int(line), *rest])
    with FileJournal(tmp_path) as journal:
        assert journal.next_seq > promised
        assert [entry.seq for entry in journal.entries_from(1)] == list(range(1, journal.next_seq))


def test_full_disk_leaves_no_half_batch_and_the_batch_may_be_tried_again(tmp_path: Path) -> None:
    """The limit on the size of a file makes the kernel write a part, as a full disk does."""
    journal = FileJournal(tmp_path)
    written = Writer(journal).play([arrived(ONE)])
    size = newest(tmp_path).stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, before[1]))
    try:
        with pytest.raises(JournalFailed, match=r"000001\.jsonl: cannot write: "):
            Writer(journal).play([waiting(ONE)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert newest(tmp_path).stat().st_size == size
    assert journal.next_seq == 4
    assert list(journal.read()) == written
    written += Writer(journal).play([waiting(ONE)])
    assert list(journal.read()) == written
    journal.close()


def test_disk_that_cannot_even_be_cut_back_is_cut_back_before_the_next_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = FileJournal(tmp_path)
    written = Writer(journal).play([arrived(ONE)])

    def half(fd: int, content: bytes) -> int:
        return os.pwrite(fd, content[: len(content) // 2], 0)

    def broken(fd: int, length: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("telefonista.store.journal.os.write", half)
        patch.setattr("telefonista.store.journal.os.ftruncate", broken)
        with pytest.raises(JournalFailed, match="No space left on device"):
            Writer(journal).play([waiting(ONE)])
    assert list(journal.read()) == written
    written += Writer(journal).play([waiting(ONE)])
    journal.close()
    with FileJournal(tmp_path) as journal:
        assert list(journal.read()) == written


def test_segment_that_cannot_be_begun_leaves_the_old_one_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = FileJournal(tmp_path)
    written = Writer(journal).play([arrived(ONE)])

    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(JournalFailed, match=r"000002\.jsonl: cannot begin a segment: No space left"):
            journal.rotate()
    written += Writer(journal).play([waiting(ONE)])
    assert list(journal.read()) == written
    assert [number for number, _ in segments(tmp_path)] == [1]
    journal.close()


def test_after_a_failed_sync_all_that_is_open_goes_to_a_new_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal = FileJournal(tmp_path)
    writer = Writer(journal)
    writer.play([arrived(ONE)])
    assert journal.wait_until_synced(3, timeout_s=5)

    def broken(fd: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("telefonista.store.journal.os.fdatasync", broken)
        writer.play([waiting(ONE)])
        assert not journal.wait_until_synced(journal.next_seq - 1, timeout_s=0.3)
    assert "cannot sync 000001.jsonl" in caplog.text
    writer.play([offered(ONE), talking(ONE), ended(ONE)])
    assert journal.wait_until_synced(journal.next_seq - 1, timeout_s=5)
    assert [number for number, _ in segments(tmp_path)] == [1, 2]
    assert list(journal.read()) == writer.written
    journal.close()


def test_leftover_of_an_interrupted_rotation_is_removed(tmp_path: Path) -> None:
    FileJournal(tmp_path).close()
    (tmp_path / "000002.part").write_bytes(b'{"journal":1')
    FileJournal(tmp_path).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000001.jsonl", "lock"]


def test_only_the_owner_may_read_what_citizens_did(tmp_path: Path) -> None:
    with FileJournal(tmp_path / "journal"):
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "journal").iterdir()}
    assert modes == {"000001.jsonl": 0o600, "lock": 0o600}
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o700


def test_too_few_segments_to_fall_back_on_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        FileJournal(tmp_path, keep_segments=1)


def test_folder_that_failed_to_open_can_be_opened_again(tmp_path: Path) -> None:
    (tmp_path / "000001.jsonl").write_bytes(b'{"journal":2,"segment":1,"first_seq":1,"carried":0}\n')
    for _ in range(2):
        with contextlib.suppress(JournalDamaged):
            FileJournal(tmp_path)
    (tmp_path / "000001.jsonl").unlink()
    FileJournal(tmp_path).close()


def test_line_of_the_journal_is_readable_by_a_person(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal:
        Writer(journal).write(arrived(ONE)[0])
    assert newest(tmp_path).read_text() == (
        '{"journal":1,"segment":1,"first_seq":1,"carried":0}\n'
        '{"seq":1,"at":1760000001.0,"left":0,"event":{"type":"CallArrived","line":"0800-info","dialled":"08004636",'
        '"route":"citizens","caller":"099123456","call":"n1-1760000000.1"}}\n'
    )
