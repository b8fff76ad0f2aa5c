"""What is read of a process: the events it has written whole, and what it said before it died."""

from __future__ import annotations

import pytest

from ecnas_core.benchmark.background import last_words, read_events


class TestEvents:
    def test_a_line_that_is_being_written_is_left_for_later(self, tmp_path):
        path = tmp_path / "events.jsonl"
        assert list(read_events(path)) == []
        path.write_text('{"event": "a"}\n{"event": "b"', encoding="utf-8")
        assert list(read_events(path)) == [{"event": "a"}]
        with path.open("a", encoding="utf-8") as out:
            out.write("}\n")
        assert list(read_events(path)) == [{"event": "a"}, {"event": "b"}]

    def test_a_damaged_line(self, tmp_path):
        path = tmp_path / "events.jsonl"
        path.write_text('{"event"\n', encoding="utf-8")
        with pytest.raises(ValueError, match="delimiter"):
            list(read_events(path))


class TestLastWords:
    @pytest.mark.parametrize("text", [None, "", "a line\n", "an Error in a line\n"])
    def test_no_error_was_printed(self, tmp_path, text):
        log = tmp_path / "log"
        if text is not None:
            log.write_text(text, encoding="utf-8")
        assert last_words(log).startswith("its process was ended from outside")

    def test_the_last_error_counts(self, tmp_path):
        log = tmp_path / "log"
        log.write_text("ValueError: first\nTraceback\n  File\npkg.OtherError: " + "x" * 400 + "\n", encoding="utf-8")
        assert last_words(log) == f"its process broke down (pkg.OtherError: {'x' * 284})"
