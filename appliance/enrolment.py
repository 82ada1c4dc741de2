"""Who may call: the tenants' keys and accounts, taken over from what the commands write beside the node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from appliance.store.tenants import Tenants, make_operator_key, roll_of
from appliance.tenancy.accounts import Accounts
from appliance.tenancy.keys import Roll


class Enrolment:
    """`take_over` before use. `warn` is told what an operator must know."""

    def __init__(self, state_dir: Path, accounts: Accounts, warn: Callable[[str], None]) -> None:
        self._tenants = Tenants(state_dir)
        self._accounts = accounts
        self._warn = warn
        self._seen = 0
        self._lost = False
        self.roll = Roll(needed=False)
        self.operator_key = make_operator_key(state_dir)

    async def follow(self) -> None:
        """Take over what changed since the last time. Raises sqlite3.Error or a WeirError: what is known stays."""
        if await asyncio.to_thread(self._tenants.changes) != self._seen:
            self.take_over()

    def take_over(self) -> None:
        """Make what is written there what holds."""
        seen = self._tenants.changes()
        held = self._tenants.all()
        spent = {one.tenant.name: dict(one.spending) for one in held}
        self._accounts.take_over({one.tenant.name: one.tenant for one in held}, spent)
        needed = self.roll.needed or self._tenants.needed
        self.roll = roll_of(held, self.operator_key, needed=needed)
        if needed and not held and not self._lost:
            self._lost = True
            self._warn(
                "node.db names no tenant although this node had some: nobody has a key. Restore the file, or make "
                "tenants anew; who wants the node open to this host again removes keys-needed from the state directory"
            )
        self._seen = seen
