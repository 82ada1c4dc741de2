"""Claims about how a node sees, without opening anything, that what it runs on or whom it admits may have changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

from appliance.bundle.in_force import marks
from appliance.store.floors import DATABASE


def test_nothing_that_changed_is_equal_and_a_missing_file_is_no_trouble(tmp_path: Path) -> None:
    long_ago = time.time() - 60
    seen = [marks(tmp_path)]
    for name, text in ((DATABASE, "a"), (f"{DATABASE}-wal", "a"), (DATABASE, "ab")):
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (long_ago, long_ago))
        assert marks(tmp_path) not in seen
        assert marks(tmp_path) == marks(tmp_path)
        seen.append(marks(tmp_path))
    os.utime(tmp_path / DATABASE, (long_ago, long_ago + 1))
    assert marks(tmp_path) not in seen


def test_what_was_written_just_now_is_looked_at_again(tmp_path: Path) -> None:
    """What comes in the same tick of the file system's clock, as long as before, changes neither time nor size."""
    (tmp_path / DATABASE).write_text("a")
    assert marks(tmp_path) != marks(tmp_path)
