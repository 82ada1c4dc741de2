"""CI's proof that nothing connects outside loopback: it reads strace's lines, and misses none."""

from __future__ import annotations

import importlib.util
import ipaddress
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

FILE = Path(__file__).parents[1] / ".ci" / "trace.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("trace_of_ci", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


trace = _load()
V4 = '12 connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("%s")}, 16) = -1 ENETUNREACH (x)'
V6 = (
    "12 connect(3, {sa_family=AF_INET6, sin6_port=htons(53), sin6_flowinfo=htonl(0), "
    'inet_pton(AF_INET6, "%s", &sin6_addr), sin6_scope_id=0}, 28) = -1 EINPROGRESS (Operation now in progress)'
)


def where(*lines: str, allow: tuple[str, ...] = (), refused: tuple[str, ...] = ()) -> list[str]:
    networks = [tuple(map(ipaddress.ip_network, stated)) for stated in (allow, refused)]
    return [found.where for found in trace.attempts(lines, *networks)]


@pytest.mark.parametrize(
    "line",
    [
        V4 % "127.0.0.1",
        V4 % "127.8.9.1",
        V4 % "0.0.0.0",
        V6 % "::1",
        V6 % "::",
        V6 % "::ffff:127.0.0.1",
        '7 connect(5, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT (No such file)',
        '7 connect(5, {sa_family=AF_UNIX, sun_path=@"x{sa_family=AF_INET"}, 110) = 0',
        "7 sendto(5, {{len=20, type=RTM_GETADDR}}, 20, 0, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=0}, 12) = 20",
        '7 sendto(8, ""..., 512, MSG_NOSIGNAL, NULL, 0) = 512',
        '7 sendmsg(8, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="", iov_len=4}]}, 0) = 4',
        '7 connect(5, {sa_family=AF_UNSPEC, sa_data=""...}, 16) = 0',
        "7 +++ exited with 0 +++",
        "7 --- SIGCHLD {si_signo=SIGCHLD} ---",
        '7 sendto(8, "inet_addr(\\"8.8.8.8\\") sa_family=AF_INET", 40, 0, NULL, 0) = 40',
        "7 <... connect resumed>)            = 0",
        "",
    ],
)
def test_what_stays_on_this_host_is_not_reported(line: str) -> None:
    assert where(line) == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (V4 % "192.0.2.1", "192.0.2.1 port 443"),
        (V6 % "2001:db8::1", "2001:db8::1 port 53"),
        (V6 % "::ffff:8.8.8.8", "::ffff:8.8.8.8 port 53"),
        (V4.partition(" =")[0].replace("%s", "8.8.8.8") + " <unfinished ...>", "8.8.8.8 port 443"),
        ('connect(3, {sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("9.9.9.9")}, 16) = 0', "9.9.9.9 port 1"),
        (
            '7 sendto(3, ""..., 4, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("1.1.1.1")}, 16) = 4',
            "1.1.1.1 port 53",
        ),
        (
            '7 <... connect resumed>{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("1.1.1.1")}, 16) = 0',
            "1.1.1.1 port 80",
        ),
    ],
)
def test_whoever_is_addressed_outside_is_reported(line: str, found: str) -> None:
    assert where(line) == [found]


def test_every_datagram_of_one_call_counts() -> None:
    one = (
        '{msg_hdr={msg_name={sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("%s")}, msg_iov=[]}, msg_len=3}'
    )
    line = f"7 sendmmsg(3, [{one % '127.0.0.53'}, {one % '8.8.4.4'}], 2, 0) = 2"
    assert where(line) == ["8.8.4.4 port 53"]


@pytest.mark.parametrize(
    "line",
    [
        "7 connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=0x7f000001}, 16) = 0",
        "7 connect(3, {sa_family=AF_VSOCK, svm_cid=2, svm_port=1}, 16) = 0",
        "7 connect(3, {sa_family=AF_PACKET, sll_protocol=htons(0)}, 20) = 0",
        'what is this? connect(3, "8.8.8.8")',
    ],
)
def test_what_is_not_understood_is_reported_and_not_passed_over(line: str) -> None:
    assert len(where(line)) == 1
    assert where(line)[0].startswith("not understood")


@pytest.mark.parametrize("how", ["detached", "unfinished"])
def test_a_process_killed_before_its_call_began_sent_nothing(how: str) -> None:
    assert where(f"7 ???( <{how} ...>") == []
    assert len(where("7 ???(3, 8, 16)")) == 1


def test_networks_that_are_allowed_are_allowed_and_no_others() -> None:
    assert where(V4 % "192.0.2.9", allow=("192.0.2.0/24",)) == []
    assert where(V4 % "192.0.3.9", allow=("192.0.2.0/24",)) == ["192.0.3.9 port 443"]
    assert where(V6 % "2001:db8::9", allow=("2001:db8::/32",)) == []


_NOBODYS = ("192.0.2.0/24", "2001:db8::/32")
_BEGUN = '9 connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.9")}, 16 <unfinished ...>'


@pytest.mark.parametrize("result", ["ENETUNREACH (x)", "EPERM (x)", "EACCES (x)", "EBADF (x)", "ENOSYS (x)"])
def test_what_the_kernel_refused_on_the_spot_did_not_get_out(result: str) -> None:
    ended = f"9 <... connect resumed>) = -1 {result}"
    whole = _BEGUN.replace(" <unfinished ...>", f") = -1 {result}")
    for lines in ((whole,), (_BEGUN, ended), (_BEGUN, V4 % "127.0.0.1", ended)):
        assert where(*lines, refused=_NOBODYS) == []
        assert where(*lines) == ["192.0.2.9 port 443"]
        assert where(*lines, refused=("192.0.3.0/24",)) == ["192.0.2.9 port 443"]


@pytest.mark.parametrize(
    "result",
    ["0", "4", "-1 EINPROGRESS (x)", "-1 EHOSTUNREACH (x)", "-1 ECONNREFUSED (x)", "-1 ETIMEDOUT (x)", "-1 EINTR", "?"],
)
def test_what_may_have_got_out_is_reported_also_where_it_may_be_tried(result: str) -> None:
    ended = f"9 <... connect resumed>) = {result}"
    assert where(_BEGUN.replace(" <unfinished ...>", f") = {result}"), refused=_NOBODYS) == ["192.0.2.9 port 443"]
    assert where(_BEGUN, ended, refused=_NOBODYS) == ["192.0.2.9 port 443"]
    other = "8 <... connect resumed>) = -1 ENETUNREACH (x)"
    assert where(_BEGUN, other, refused=_NOBODYS) == ["192.0.2.9 port 443"]  # its own end was never seen
    assert where(_BEGUN, ended, refused=_NOBODYS, allow=_NOBODYS) == []


def test_no_result_that_was_sent_as_data_counts() -> None:
    line = V4.replace("-1 ENETUNREACH (x)", "0") % "192.0.2.9"
    sent = line.replace("connect(3, ", 'sendto(3, ") = -1 EPERM (x)", 4, 0, ')
    assert where(sent, refused=_NOBODYS) == ["192.0.2.9 port 443"]


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6), st.integers(1, 65535), st.sampled_from(trace.CALLS))
def test_an_address_is_reported_just_if_it_is_not_loopback(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, call: str
) -> None:
    form = V4 if address.version == 4 else V6
    line = (form % address).replace("connect(", f"{call}(").replace("htons(443)", f"htons({port})")
    inner = getattr(address, "ipv4_mapped", None) or address
    assert bool(where(line)) is not (inner.is_loopback or inner.is_unspecified)


@pytest.mark.untraced  # nobody traces what is traced
def test_a_real_trace_of_a_process_that_looks_around(tmp_path: Path) -> None:
    if reason := trace.usable():
        pytest.skip(reason)
    # 192.0.2.1 is nobody's (RFC 5737); the datagram is connected, so that nothing is sent.
    program = (
        "import socket, threading\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname()).close()\n"
        "def away():\n"
        "    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "    try: one.connect(('192.0.2.1', 53))\n"
        "    except OSError: pass\n"
        "thread = threading.Thread(target=away); thread.start(); thread.join()\n"
    )
    command = [sys.executable, str(FILE), "--", sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "192.0.2.1 port 53" in done.stderr) == (1, True), done.stderr
    command[2:2] = ["--allow", "192.0.2.0/24"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, " 0 beyond loopback" in done.stderr) == (0, True), done.stderr
    done = subprocess.run([*command[:4], "--", "false"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
