from __future__ import annotations

import email.utils
import hashlib
import importlib
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import pytest

from ecnas_core.benchmark.download import (
    Cancelled,
    DownloadError,
    DownloadLocked,
    FolderNotWritable,
    LfsPointer,
    NotEnoughDisk,
    Progress,
    RetriesExhausted,
    ServerRefused,
    UnknownFile,
    WrongChecksum,
    WrongSize,
    download,
)
from ecnas_core.benchmark.official import OFFICIAL, OfficialFile
from tests.waiting import until

NAME, FILE_NAME = "hardware/small.tfrecord", "small.tfrecord"
BODY = random.Random(1).randbytes(1_000_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1000000\n"
PAGE = b"<!DOCTYPE html><html><body>Sign in to the hotel network</body></html>"
USAGE = namedtuple("USAGE", "total used free")
module = importlib.import_module("ecnas_core.benchmark.download")


@pytest.fixture(autouse=True)
def small_file(monkeypatch):
    file = OfficialFile(NAME, len(BODY), SHA256, "4V", "measured", "scaled", "published")
    monkeypatch.setitem(OFFICIAL, NAME, file)


@pytest.fixture
def server(hostile_server):
    return hostile_server(BODY)


@pytest.fixture
def fetch(server, tmp_path):
    def fetch(**options):
        return download(NAME, tmp_path, **({"base_url": server.url, "backoff_s": 0.002} | options))

    return fetch


@pytest.fixture
def part(tmp_path):
    return tmp_path / f"{FILE_NAME}.part"


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def assert_complete(report, folder: Path, resumed_from: int = 0) -> None:
    assert report.path == folder / FILE_NAME
    assert report.path.read_bytes() == BODY
    assert (report.bytes, report.sha256, report.resumed_from) == (len(BODY), SHA256, resumed_from)
    assert visible(folder) == [FILE_NAME]


def test_fetches_and_verifies(fetch, server, tmp_path):
    report = fetch()
    assert_complete(report, tmp_path)
    assert (server.asked, server.paths) == ([None], ["/files/hardware/small.tfrecord"])
    assert 0 < report.seconds < 10


def test_makes_the_folder_and_accepts_a_slash_after_the_base_url(server, tmp_path):
    folder = tmp_path / "a" / "b"
    assert_complete(download(NAME, folder, base_url=server.url + "/"), folder)
    assert server.paths == ["/files/hardware/small.tfrecord"]


def test_complete_file_is_not_fetched_again(fetch, server, tmp_path):
    fetch()
    seen: list[Progress] = []
    assert_complete(fetch(progress=seen.append), tmp_path, resumed_from=len(BODY))
    assert server.asked == [None]
    assert (seen[-1].bytes_done, seen[-1].seconds_left) == (len(BODY), 0.0)


@pytest.mark.parametrize("wrong", [b"", BODY[:-1] + b"?", BODY + b"!"])
def test_wrong_file_under_the_final_name_is_replaced(fetch, tmp_path, wrong):
    (tmp_path / FILE_NAME).write_bytes(wrong)
    assert_complete(fetch(), tmp_path)


def test_part_of_an_earlier_call_is_continued(fetch, server, part, tmp_path):
    part.write_bytes(BODY[:700_001])
    assert_complete(fetch(), tmp_path, resumed_from=700_001)
    assert server.asked == ["bytes=700001-"]


def test_complete_part_needs_neither_request_nor_room(fetch, server, part, tmp_path, monkeypatch):
    part.write_bytes(BODY)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: USAGE(10**9, 10**9, 0))
    assert_complete(fetch(), tmp_path, resumed_from=len(BODY))
    assert server.asked == []


@pytest.mark.parametrize("length", [500_000, len(BODY)])
def test_corrupt_part_is_fetched_anew(fetch, server, part, tmp_path, length):
    part.write_bytes(b"\0" * length)
    assert_complete(fetch(), tmp_path)
    assert server.asked == ([None] if length == len(BODY) else ["bytes=500000-", None])


def test_part_longer_than_the_file_is_fetched_anew(fetch, server, part, tmp_path):
    part.write_bytes(BODY + b"!")
    assert_complete(fetch(), tmp_path)
    assert server.asked == [None]


def test_dropped_connections_are_resumed_where_they_broke(fetch, server, tmp_path):
    server.always = server.sends(first=2 * module.CHUNK_BYTES)
    assert_complete(fetch(retries=1), tmp_path)
    assert len(server.asked) == 8
    starts = [int(asked[6:-1]) for asked in server.asked[1:]]
    assert starts == [131_072 * n for n in range(1, 8)]


def test_endless_drops_without_progress_end_and_keep_the_part(fetch, server, part):
    server.script = [server.sends(first=300_000)]
    server.always = server.sends(first=0)
    with pytest.raises(RetriesExhausted, match="4 failed attempts in a row: the connection broke; 262144 of 1000000"):
        fetch(retries=3)
    assert part.read_bytes() == BODY[:262_144]
    assert len(server.asked) == 1 + 3


def test_server_that_ignores_ranges_and_always_drops_is_given_up(fetch, server):
    server.always = server.ignores_ranges(first=300_000)
    with pytest.raises(RetriesExhausted):
        fetch(retries=3)
    assert len(server.asked) == 1 + 3


def test_200_instead_of_206_starts_over(fetch, server, part, tmp_path):
    part.write_bytes(b"\0" * 400_000)
    server.always = server.ignores_ranges()
    assert_complete(fetch(), tmp_path)
    assert server.asked == ["bytes=400000-"]


@pytest.mark.parametrize(
    "content_range", ["bytes 0-999999/1000000", "bytes 400001-999999/*", "items 1-2/3", "", "bytes " + "9" * 5000]
)
def test_206_for_another_range_starts_over(fetch, server, part, tmp_path, content_range):
    part.write_bytes(BODY[:400_000])
    server.script = [server.says(206, BODY, Content_Range=content_range)]
    assert_complete(fetch(), tmp_path)
    assert server.asked == ["bytes=400000-", None]


def test_206_of_a_file_of_another_size_is_refused_and_the_part_kept(fetch, server, part):
    part.write_bytes(BODY[:400_000])
    server.always = server.says(206, BODY[400_000:], Content_Range="bytes 400000-1999999/2000000")
    with pytest.raises(WrongSize, match="offers 2000000 bytes, the official file has 1000000"):
        fetch()
    assert part.read_bytes() == BODY[:400_000]


def test_206_that_brings_only_a_piece_is_continued(fetch, server, part, tmp_path):
    part.write_bytes(BODY[:400_000])
    server.script = [server.says(206, BODY[400_000:600_000], Content_Range="bytes 400000-599999/1000000")]
    assert_complete(fetch(), tmp_path, resumed_from=400_000)
    assert server.asked == ["bytes=400000-", "bytes=600000-"]


def test_416_starts_over(fetch, server, part, tmp_path):
    part.write_bytes(BODY[:400_000])
    server.script = [server.says(416, Content_Range="bytes */130")]
    assert_complete(fetch(), tmp_path)
    assert server.asked == ["bytes=400000-", None]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_trouble_is_retried(fetch, server, tmp_path, status):
    server.script = [server.says(status)] * 2
    assert_complete(fetch(), tmp_path)
    assert server.asked == [None] * 3


@pytest.mark.parametrize("status", [204, 206, 400, 401, 403, 404, 410, 416])
def test_lasting_refusal_is_not_retried(fetch, server, status):
    server.always = server.says(status)
    with pytest.raises(ServerRefused, match=f"small.tfrecord answers {status} .*check the base address"):
        fetch()
    assert server.asked == [None]


def test_retry_after_is_honoured(fetch, server, tmp_path, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(module._Monitor, "sleep", lambda self, seconds: waits.append(seconds))
    in_a_minute = email.utils.formatdate(time.time() + 60, usegmt=True)
    server.script = [
        server.says(429, Retry_After=7),
        server.says(503, Retry_After=in_a_minute),
        server.says(503, Retry_After="soon"),
    ]
    assert_complete(fetch(), tmp_path)
    assert waits[0] == 7
    assert 55 < waits[1] <= 60
    assert waits[2] < 1


def test_retry_after_of_an_hour_is_told_rather_than_waited(fetch, server):
    server.always = server.says(503, Retry_After=3600)
    with pytest.raises(RetriesExhausted, match=r"answers 503 .*and asks to wait 3600 s"):
        fetch()
    assert len(server.asked) == 1


def test_back_off_doubles_with_jitter_up_to_a_limit(fetch, server, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(module._Monitor, "sleep", lambda self, seconds: waits.append(seconds))
    server.always = server.says(500)
    with pytest.raises(RetriesExhausted):
        fetch(retries=8, backoff_s=0.5)
    limits = [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert len(waits) == 8
    assert all(limit / 2 <= wait <= limit for wait, limit in zip(waits, limits, strict=True))
    assert len({wait / limit for wait, limit in zip(waits, limits, strict=True)}) == 8


def test_nobody_listens(fetch, tmp_path):
    with pytest.raises(RetriesExhausted, match="cannot be reached"):
        fetch(base_url="http://127.0.0.1:9", retries=1)
    assert visible(tmp_path) == []


@pytest.mark.parametrize("base_url", ["nonsense", "ftp://127.0.0.1", "http://", "http://*"])
def test_unusable_address(fetch, base_url):
    with pytest.raises(ServerRefused, match="check the base address"):
        fetch(base_url=base_url)


def test_redirect_is_followed_with_the_range(fetch, server, part, tmp_path):
    part.write_bytes(BODY[:400_000])
    server.script = [server.says(302, Location=f"{server.url}/elsewhere")]
    assert_complete(fetch(), tmp_path, resumed_from=400_000)
    assert server.paths == ["/files/hardware/small.tfrecord", "/files/elsewhere"]
    assert server.asked == ["bytes=400000-"] * 2


def test_redirect_circle(fetch, server):
    server.always = server.says(302, Location=f"{server.url}/round")
    with pytest.raises(ServerRefused, match="redirects"):
        fetch()


def test_wrong_bytes_are_deleted_and_not_retried(fetch, server, tmp_path):
    server.always = server.serves(b"?" + BODY[1:])
    with pytest.raises(WrongChecksum, match="SHA-256 differs"):
        fetch()
    assert visible(tmp_path) == []
    assert server.asked == [None]


def test_wrong_bytes_after_a_resume_are_retried_once(fetch, server, part, tmp_path):
    part.write_bytes(BODY[:400_000])
    server.always = server.serves(BODY[:-1] + b"?")
    with pytest.raises(WrongChecksum):
        fetch()
    assert visible(tmp_path) == []
    assert server.asked == ["bytes=400000-", None]


@pytest.mark.parametrize("length", [len(BODY) // 2, len(BODY) - 1, len(BODY) + 1, 10**12])
def test_lying_content_length_stops_at_once(fetch, server, part, length):
    part.write_bytes(BODY[:400_000])
    server.always = server.says(200, BODY, Content_Length=length)
    with pytest.raises(WrongSize, match=f"offers {length} bytes"):
        fetch()
    assert len(server.asked) == 1
    assert part.read_bytes() == BODY[:400_000]


def test_unreadable_content_length_is_refused(fetch, server):
    server.always = server.says(200, BODY, Content_Length="9" * 5000)
    with pytest.raises(DownloadError):
        fetch()


def test_body_without_a_length(fetch, server, tmp_path):
    server.always = server.says(200, BODY)
    assert_complete(fetch(), tmp_path)


def test_body_without_a_length_that_ends_early_is_continued(fetch, server, tmp_path):
    server.script = [server.says(200, BODY[:300_000])]
    assert_complete(fetch(), tmp_path)
    assert server.asked == [None, "bytes=300000-"]


def test_body_longer_than_the_file_stops_at_once(fetch, server, part):
    server.always = server.says(200, BODY + bytes(50_000_000))
    with pytest.raises(WrongSize, match="sends more than it should"):
        fetch()
    assert len(server.asked) == 1
    assert part.stat().st_size <= len(BODY)


@pytest.mark.parametrize("headers", [{"Content_Length": len(POINTER)}, {}])
def test_lfs_pointer(fetch, server, part, headers):
    part.write_bytes(BODY[:400_000])
    server.always = server.says(200, POINTER, **headers)
    with pytest.raises(LfsPointer, match=r"pointer instead of the file; use .*https://media\.githubusercontent\.com"):
        fetch()
    assert len(server.asked) == 1
    assert part.read_bytes() == BODY[:400_000]


@pytest.mark.parametrize("headers", [{"Content_Length": len(PAGE)}, {}])
@pytest.mark.parametrize("page", [PAGE, b"\n <HTML>" + PAGE[21:]])
def test_web_page_with_status_200(fetch, server, part, headers, page):
    part.write_bytes(BODY[:400_000])
    headers = headers and {"Content_Length": len(page)}
    server.always = server.says(200, page, Content_Type="text/html", **headers)
    with pytest.raises(WrongSize, match="sends a web page"):
        fetch()
    assert part.read_bytes() == BODY[:400_000]


def test_silence_is_ended_by_the_timeout_and_resumed(fetch, server, tmp_path, monkeypatch):
    """However little has come before the timeout."""
    monkeypatch.setattr(module, "READ_TIMEOUT_S", 0.2)
    stalled, whole = server.stalls(after=200_000), server.sends()
    server.script = [server.is_silent()]
    server.always = lambda handler: (whole if handler.start else stalled)(handler)
    assert_complete(fetch(retries=50), tmp_path)
    assert server.asked[:2] == [None, None]
    assert server.asked[-1].startswith("bytes=")


@pytest.mark.parametrize("state", ["stalled", "silent", "backing off", "busy"])
def test_cancelled_in_any_state_keeps_the_part(fetch, server, part, state):
    server.always = {
        "stalled": server.stalls(after=200_000),
        "silent": server.is_silent(),
        "backing off": server.says(503, Retry_After=60),
        "busy": server.trickles(module.CHUNK_BYTES, 0.1),
    }[state]
    least = {"stalled": 196_608, "busy": 1}.get(state, 0)
    looks = itertools.count()

    def cancelled() -> bool:
        there = part.stat().st_size if part.exists() else 0
        return bool(server.asked) and there >= least and next(looks) > 5

    with pytest.raises(Cancelled, match="a new call goes on from there"):
        fetch(cancel=cancelled)
    kept = part.read_bytes() if part.exists() else b""
    assert kept == BODY[: len(kept)]
    assert len(kept) >= least


def test_cancelled_download_goes_on(fetch, server, part, tmp_path):
    server.script = [server.stalls(after=200_000)]
    with pytest.raises(Cancelled):
        fetch(cancel=lambda: part.exists() and part.stat().st_size == 196_608)
    assert_complete(fetch(), tmp_path, resumed_from=196_608)
    assert server.asked == [None, "bytes=196608-"]


def test_cancel_during_verification(fetch, part, server):
    part.write_bytes(BODY)
    with pytest.raises(Cancelled):
        fetch(cancel=lambda: True)
    assert server.asked == []
    assert part.read_bytes() == BODY


def test_progress(fetch, server, part):
    part.write_bytes(BODY[:200_000])
    server.always = server.trickles(100_000, 0.06)
    seen: list[Progress] = []
    report = fetch(progress=seen.append)
    assert 2 <= len(seen) <= report.seconds / module.REPORT_EVERY_S + 1
    done = [progress.bytes_done for progress in seen]
    assert done == sorted(done)
    assert (done[0] >= 200_000, done[-1]) == (True, len(BODY))
    assert all(progress.bytes_total == len(BODY) for progress in seen)
    assert (seen[-1].seconds_left, seen[-1].bytes_per_second > 0) == (0.0, True)


def test_rate_is_smoothed_and_decays_in_silence(monkeypatch):
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    seen: list[Progress] = []
    monitor = module._Monitor(OFFICIAL[NAME], seen.append, None)
    monitor.stand_at(500_000)
    for received in (0, 1000, 1000, 4000, 0, 0):
        monitor.beat(received)
        now += 1.0
    weight = 0.2834686894262107  # 1 - exp(-1 s / 3 s)
    rates = [progress.bytes_per_second for progress in seen]
    assert rates[:2] == [1000, 1000]
    assert rates[2] == pytest.approx(1000 + 3000 * weight)
    assert rates[3] == pytest.approx(rates[2] * (1 - weight))
    assert seen[0].bytes_done == 501_000
    assert seen[0].seconds_left == pytest.approx(499)


def test_disk_too_small_for_the_rest(fetch, server, part, monkeypatch):
    part.write_bytes(BODY[:400_000])
    needed = 600_000 + module.DISK_MARGIN_BYTES
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: USAGE(10**9, 0, needed - 1))
    with pytest.raises(NotEnoughDisk, match=r"needs 68 MB free .*has 68 MB; free some space"):
        fetch()
    assert server.asked == []
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: USAGE(10**9, 0, needed))
    assert fetch().resumed_from == 400_000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device that is always full")
def test_disk_full_in_the_middle(fetch, part):
    part.symlink_to("/dev/full")
    with pytest.raises(NotEnoughDisk, match="is full"):
        fetch()


def test_folder_that_is_a_file(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderNotWritable, match="name a folder you may write to"):
        download(NAME, tmp_path / "file", base_url=server.url)


def test_unknown_name_lists_the_known_ones(fetch, server, tmp_path):
    with pytest.raises(UnknownFile) as caught:
        download("energy_7V9E_surogate", tmp_path, base_url=server.url)
    assert "did you mean energy_7V9E_surrogate.tfrecord?" in str(caught.value)
    assert all(name in str(caught.value) for name in OFFICIAL)
    with pytest.raises(UnknownFile) as caught:
        download("../../etc/passwd", tmp_path, base_url=server.url)
    assert "did you mean" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert server.asked == []


CHILD = f"""
import sys
from ecnas_core.benchmark.download import download
from ecnas_core.benchmark.official import OFFICIAL, OfficialFile
OFFICIAL[{NAME!r}] = OfficialFile({NAME!r}, {len(BODY)}, {SHA256!r}, "4V", "measured", "scaled", "published")
download({NAME!r}, sys.argv[1], base_url=sys.argv[2])
"""


def test_killed_process_frees_the_lock_and_its_download_goes_on(fetch, server, part, tmp_path):
    server.script = [server.trickles(module.CHUNK_BYTES, 0.05)]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path), server.url], cwd=Path(__file__).parents[2], stderr=subprocess.PIPE
    )
    try:
        until(lambda: child.poll() is not None or (part.exists() and part.stat().st_size >= 200_000))
        assert child.poll() is None, child.stderr.read()
        with pytest.raises(DownloadLocked, match="by another process; wait for it or stop it"):
            fetch()
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    assert child.returncode == -signal.SIGKILL
    kept = part.stat().st_size
    assert 200_000 <= kept < len(BODY)
    assert_complete(fetch(), tmp_path, resumed_from=kept)
    assert server.asked == [None, f"bytes={kept}-"]


def test_other_folders_are_not_locked(fetch, server, tmp_path, tmp_path_factory):
    server.script = [server.stalls()]
    stop = threading.Event()

    def wait_for_the_end():
        with pytest.raises(Cancelled):
            fetch(cancel=stop.is_set)

    thread = threading.Thread(target=wait_for_the_end)
    thread.start()
    try:
        until(lambda: server.asked)
        with pytest.raises(DownloadLocked):
            fetch()
        assert download(NAME, tmp_path_factory.mktemp("other"), base_url=server.url).bytes == len(BODY)
    finally:
        stop.set()
        thread.join()
    assert_complete(fetch(), tmp_path)


def test_every_error_is_one_line_and_named(fetch, server):
    for behaviour in (server.says(404), server.says(500), server.says(200, PAGE), server.says(200, POINTER)):
        server.always = behaviour
        with pytest.raises(DownloadError) as caught:
            fetch(retries=0)
        assert type(caught.value) is not DownloadError
        assert "\n" not in str(caught.value)


def test_receiver_thread_that_is_ahead_ends_too(fetch, part):
    def cancel_slowly() -> bool:
        time.sleep(0.05)
        return part.exists()

    with pytest.raises(Cancelled):
        fetch(cancel=cancel_slowly)
    until(lambda: not any("_receive" in thread.name for thread in threading.enumerate()))
