"""Where a node's things are when nobody says otherwise: state, content, configuration file, address.

Apart from `config`, so that a command which only asks a running node need not load the models of pydantic.
"""

from __future__ import annotations

import os
from pathlib import Path

from appliance.errors import StateInvalid

FILE_NAME = "weir.yaml"
OPERATOR_KEY = "operator.key"
HOST = "127.0.0.1"
PORT = 8377


def default_state_dir() -> Path:
    """The system's directory for root, the user's otherwise. Raises StateInvalid where the user has no home."""
    return Path("/var/lib/weir") if os.geteuid() == 0 else absolute(Path("~/.local/state/weir"))


def state_dir_of(named: Path | None) -> Path:
    """The state directory that was named, else the default one. Raises StateInvalid as `absolute` does."""
    return absolute(named) if named else default_state_dir()


def absolute(path: Path) -> Path:
    """The path with its home directory written out. Raises StateInvalid where this host does not know that home."""
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise StateInvalid(
            f"This host knows no home directory for {path}.",
            next_step="Name the state directory with --state DIR, from the root on.",
        ) from None


def operator_key_of(state_dir: Path) -> str:
    """The key by which whoever may read the state directory speaks to its node; '' where there is none to be read."""
    try:
        return (state_dir / OPERATOR_KEY).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def url_of(host: str, port: int) -> str:
    """Where this host's own commands reach the node: loopback when it listens on every address."""
    reach = {"0.0.0.0": "127.0.0.1", "::": "::1", "localhost": "127.0.0.1"}.get(host, host)  # noqa: S104
    return f"http://[{reach}]:{port}" if ":" in reach else f"http://{reach}:{port}"
