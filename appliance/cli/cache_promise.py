"""What `weir cache report` says of similar answers, and `weir cache reopen`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.cli.common import CliError
from appliance.cli.out import table

if TYPE_CHECKING:
    from appliance.config import Config
    from appliance.decide.similar import Similar
    from appliance.similar.report import Row
    from appliance.similar.watch import Opened

_DAY_S = 86_400


def rows_of(config: Config) -> tuple[Row, ...]:
    """What is promised by the content in force, by cell, and what this node saw of it; empty where nothing is."""
    from appliance.cache.erasure import reading
    from appliance.similar.report import report
    from appliance.store.similar_labels import read_seen

    similar = _in_force(config)
    if similar is None or not config.cache.similar:
        return ()
    with reading(config.state_dir) as connection:
        seen = read_seen(connection, similar.verifier.digest) if connection is not None else {}
    deltas = similar.promise.budgets(config.cache.max_wrong)
    return report(similar.promise, seen, today=int(time.time() // _DAY_S), deltas=deltas)


def _in_force(config: Config) -> Similar | None:
    """What the content in force says of similar answers."""
    from appliance.bundle.in_force import in_force
    from appliance.hosted import generation_of

    folder = in_force(config.state_dir).folder
    return generation_of(config, folder).similar if folder is not None else None


def shown(rows: tuple[Row, ...]) -> str:
    """The rows as a table; cells in which nothing is certified are named below it."""
    if not rows:
        return "Nothing is certified of similar answers here, so none is served."
    lines = [
        (
            row.cell,
            row.state,
            f"{row.delta:.2%}",
            "-" if row.threshold is None else f"{row.threshold:g}",
            f"{row.certified_wrong} of {row.certified_look_ups}",
            "-" if row.certified_upper is None else f"{row.certified_upper:.2%}",
            "-" if row.certified_per_hit is None else f"{row.certified_per_hit:.2%}",
            f"{row.would_be_hits} of {row.look_ups}",
            f"{row.agreed}/{row.wrong}/{row.unsure}",
            _between(row),
        )
        for row in rows
        if row.stated_threshold is not None
    ]
    headers = (
        *("CELL", "STATE", "BUDGET", "THRESHOLD", "CERTIFIED", "WRONG AT MOST", "OF HITS"),
        *("HITS HERE", "AGREED/WRONG/UNSURE", "WRONG HERE"),
    )
    abstaining = [f"{row.cell}: {row.reason}" for row in rows if row.stated_threshold is None]
    said = [table(headers, lines)] if lines else []
    if abstaining:
        said.append("Cells that abstain, and serve nothing similar:\n  " + "\n  ".join(abstaining))
    return "\n\n".join(said)


def _between(row: Row) -> str:
    if row.lower is None or row.upper is None or not row.agreed + row.wrong:
        return "-"  # nothing was compared yet
    return f"{row.lower:.2%} to {row.upper:.2%}"


def known(config: Config, cell: str) -> str:
    """The verifier whose labels of the cell count. Raises CliError where nothing is promised for it."""
    similar = _in_force(config)
    if similar is None or cell not in similar.promise.cells:
        raise CliError(
            f"Nothing is promised for a cell {cell!r}.", code="not_found", next_step="'weir cache report' names them."
        )
    return similar.verifier.digest


def reopen(config: Config, cell: str) -> Opened:
    """Let labels of a cell up to now count no longer; the look-up it is. Raises CliError."""
    import sqlite3
    from contextlib import closing

    from appliance.cache.erasure import DATABASE
    from appliance.similar.watch import Opened
    from appliance.store.similar_labels import open_again, read_seen

    verifier = known(config, cell)
    path: Path = config.state_dir / DATABASE
    today = int(time.time() // _DAY_S)
    try:
        with closing(sqlite3.connect(path, timeout=5)) as connection:
            seen = read_seen(connection, verifier).get(cell)
            counted = (seen.counts or {}).get(today) if seen is not None else None
            labelled = max((label.nth for label in seen.labels if label.day == today), default=0) if seen else 0
            nth = max(counted.look_ups if counted is not None else 0, labelled)
            opened = Opened(today, nth)
            open_again(connection, verifier, cell, opened)
            connection.commit()
    except sqlite3.Error as error:
        raise CliError(f"{path} cannot be written: {error}.", next_step="Check its owner and the disk.") from None
    return opened
