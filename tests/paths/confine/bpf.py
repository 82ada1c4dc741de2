"""A classic BPF machine, as far as seccomp uses it: what the kernel would answer, also for another architecture."""

from __future__ import annotations

import struct

from appliance.paths.confine.seccomp import Instruction

WORD = 0xFFFFFFFF


def run(program: list[Instruction], number: int, architecture: int, arguments: tuple[int, ...] = ()) -> int:
    """The action for a call; linux/seccomp.h has the layout. Raises ValueError for a program the kernel refuses."""
    given = [*(argument & (1 << 64) - 1 for argument in arguments), *[0] * 6][:6]
    data = struct.pack("<iIQ6Q", number - (1 << 32) if number > 0x7FFFFFFF else number, architecture, 0, *given)
    accumulator, at = 0, 0
    while True:
        code, true, false, constant = program[at]
        at += 1
        if code == 0x20:
            if constant % 4 or constant + 4 > len(data):
                raise ValueError("a load beside the data")
            accumulator = int.from_bytes(data[constant : constant + 4], "little")
        elif code == 0x54:
            accumulator &= constant
        elif code == 0x15:
            at += true if accumulator == constant else false
        elif code == 0x25:
            at += true if accumulator > constant else false
        elif code == 0x06:
            return constant & WORD
        else:
            raise ValueError(f"instruction {code:#x}")


def check(program: list[Instruction]) -> None:
    """What the kernel checks before it takes a program: sizes, and that every way through it ends."""
    assert 0 < len(program) <= 4096
    for at, (_, true, false, constant) in enumerate(program):
        assert 0 <= true < 256 and 0 <= false < 256 and 0 <= constant <= WORD
        assert at + 1 + max(true, false) < len(program) or program[at][0] == 0x06
    assert program[-1][0] == 0x06
