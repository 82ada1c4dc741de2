"""Runs commands under strace and fails if any process of theirs tried to reach anything outside loopback.

    python3 .ci/trace.py [--seconds S] [--refused NETWORK]... [--allow NETWORK]... -- COMMAND [ARGUMENT]...

`--seconds`: run the command again until it has been watched for so long. The proof is of attempts, so that it holds with
and without a network in reach. The tests, though, try the documentation networks on purpose, since those are nobody's:
`--refused` names a network that may be tried if the kernel refuses it on the spot (as where there is no network), and
`--allow` one that may be tried whatever comes of it. Ends with the command's code, with 1 where something was tried, and
with 3 where strace cannot be used here.
"""

import argparse
import ipaddress
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

CALLS = ("connect", "sendto", "sendmsg", "sendmmsg")
_CALL = re.compile(r"^(?:(\d+)\s+)?(?:(\w+)\(|<\.\.\. (\w+) resumed>)(.*)$")
_ADDRESS = re.compile(r'inet_addr\("([^"]*)"\)|inet_pton\(AF_INET6, "([^"]*)"')
_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
_STRING = re.compile(r'(inet_addr\("[^"]*"\)|inet_pton\(AF_INET6, "[^"]*")|"(?:[^"\\]|\\.)*"\.*')
# What only asks the kernel or other processes of this host. Everything else that names a family is reported.
_OF_THE_HOST = ("AF_UNIX", "AF_NETLINK", "AF_UNSPEC", "AF_ALG")
_FAMILY = re.compile(r"sa_family=(\w+)")
# A process that was killed where the filter held it, before the call: the kernel then skips the call (kernel/seccomp.c).
_NEVER_BEGUN = re.compile(r"^(?:\d+\s+)?\?\?\?\( <(?:detached|unfinished) \.\.\.>$")
_RESULT = re.compile(r"\)\s+= -1 (E[A-Z]+)")
# How the kernel says no before anything has left. Whatever may come from the other side (EHOSTUNREACH) is not among them.
_NO = frozenset(("EACCES", "EPERM", "ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT", "EBADF", "ENOSYS"))
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Attempt(NamedTuple):
    """Somebody outside was addressed: which process, by which call, where."""

    pid: str
    call: str
    where: str


def attempts(
    lines: Iterable[str], allowed: tuple[Network, ...] = (), refused: tuple[Network, ...] = ()
) -> Iterator[Attempt]:
    """All calls of a trace that address neither loopback nor an allowed network, nor one of `refused` in vain.

    A line in no known form is one too, and so is a call whose end the trace does not tell.
    """
    begun: dict[str, list[Attempt]] = {}  # what concerns `refused`, until it is known how the call ended
    for raw in lines:
        line = raw.rstrip("\n")
        found = _CALL.match(line)
        if _NEVER_BEGUN.match(line):
            continue
        if found is None:
            if not re.match(r"^(?:\d+\s+)?(?:\+\+\+|---|strace: )", line) and line.strip():
                yield Attempt("", "", f"not understood: {line[:200]}")
            continue
        pid, call, resumed, rest = found.groups()
        if (call or resumed) not in CALLS:
            continue
        said = _without_data(rest)
        vain = begun.pop(pid or "", [])
        for where, address in _outside(said, rest):
            attempt = Attempt(pid or "", call or resumed, where)
            if address is None or not any(address in network for network in (*allowed, *refused)):
                yield attempt
            elif not any(address in network for network in allowed):
                vain.append(attempt)
        ended = _RESULT.search(said)
        if said.rstrip().endswith("<unfinished ...>"):
            begun[pid or ""] = vain
        elif ended is None or ended[1] not in _NO:
            yield from vain
    for vain in begun.values():
        yield from vain


def _outside(said: str, rest: str) -> Iterator[tuple[str, ipaddress.IPv4Address | ipaddress.IPv6Address | None]]:
    """Whom a call addresses outside of this host, in words and as an address where it is understood."""
    families, ports = _FAMILY.findall(said), _PORT.findall(said)
    addresses = [four or six for four, six in _ADDRESS.findall(said)]
    internet = [family for family in families if family not in _OF_THE_HOST]
    if not internet:
        return
    if any(family not in ("AF_INET", "AF_INET6") for family in internet) or len(addresses) != len(internet):
        yield f"not understood: {rest[:200]}", None
        return
    for number, text in enumerate(addresses):
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            yield f"not understood: {rest[:200]}", None
            continue
        address = getattr(address, "ipv4_mapped", None) or address
        # The kernel takes the unspecified address for loopback.
        if not (address.is_loopback or address.is_unspecified):
            yield f"{text} port {ports[number] if number < len(ports) else '?'}", address


def _without_data(rest: str) -> str:
    """The line without what was sent or named, which may spell anything; addresses keep their strings."""
    return _STRING.sub(lambda found: found[1] or '""', rest)


def usable() -> str:
    """Why strace cannot be used here, or ''."""
    try:
        done = subprocess.run(
            ["strace", "-f", "-qq", "-o", os.devnull, "true"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return "strace is not installed"
    return "" if done.returncode == 0 else f"strace cannot trace here: {done.stderr.strip()[-200:]}"


def watch(command: list[str], file: str) -> int:
    """Run `command` with all its children traced into `file`, which is appended to; the command's exit code."""
    # --seccomp-bpf stops processes at these calls only: everything else runs at full speed.
    traced = [
        "strace",
        "-f",
        "-qq",
        "--seccomp-bpf",
        "-s",
        "0",
        "-A",
        "-o",
        file,
        "-e",
        f"trace={','.join(CALLS)}",
        "-e",
        "signal=none",
    ]
    return subprocess.run([*traced, "--", *command], check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--refused", type=ipaddress.ip_network, action="append", default=[])
    parser.add_argument("--allow", type=ipaddress.ip_network, action="append", default=[])
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    if reason := usable():
        print(f"trace: {reason}", file=sys.stderr)
        return 3
    began = time.monotonic()
    runs = 0
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "trace")
        while runs == 0 or time.monotonic() - began < options.seconds:
            runs += 1
            code = watch(options.command, file)
            if code:
                break
        with open(file, errors="replace") as lines:
            seen = sum(1 for _ in lines)
        with open(file, errors="replace") as lines:
            out = list(attempts(lines, tuple(options.allow), tuple(options.refused)))
    besides = f" and {', '.join(map(str, options.allow))}" if options.allow else ""
    besides += f"; refused: {', '.join(map(str, options.refused))}" if options.refused else ""
    for attempt in out[:50]:
        print(f"trace: process {attempt.pid}: {attempt.call} {attempt.where}", file=sys.stderr)
    print(
        f"trace: {runs} runs, {time.monotonic() - began:.0f} s, {seen} calls that send or connect, {len(out)} beyond loopback{besides}",
        file=sys.stderr,
    )
    if not seen:
        print("trace: nothing was seen at all, which proves nothing", file=sys.stderr)
    return code or (1 if out or not seen else 0)


if __name__ == "__main__":
    sys.exit(main())
