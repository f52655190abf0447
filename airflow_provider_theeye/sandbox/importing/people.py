"""Users of the copy. TheEye shows no list of them: access lists have addresses, approvals have ids."""

from __future__ import annotations

from typing import Any

from .keys import Keys
from .rows import members, reference, text

INTEGRATION = "integration"


class People:
    """Gives a key to everybody who is named somewhere. Roles are a guess: TheEye does not show them."""

    def __init__(self) -> None:
        self._keys = Keys("user", [INTEGRATION])
        self._found: dict[str, str] = {}
        self._roles = {INTEGRATION: "integration"}

    def in_acl(self, row: dict[str, Any]) -> list[str]:
        """The keys of those in a document's access list, each of whom must be below admin."""
        addresses = [address for address in map(text, members(row.get("acl"))) if address]
        return list(dict.fromkeys(self._key(address, address.partition("@")[0], "user") for address in addresses))

    def approvers(self, row: dict[str, Any]) -> list[str]:
        """The keys of an approval's approvers.

        The user of the copy's token is one of them, or nobody could decide on the sandbox's page.
        """
        found = [self._approver(one) for one in members(row.get("approvers"))]
        return list(dict.fromkeys([*filter(None, found), INTEGRATION]))

    def _approver(self, one: object) -> str | None:
        address = text(one.get("email")) if isinstance(one, dict) else ""
        if address:
            return self._key(address, address.partition("@")[0], "admin")
        ident = reference(one)
        return self._key(ident, "approver", "admin") if ident else None

    def _key(self, who: str, name: str, role: str) -> str:
        if who not in self._found:
            self._found[who] = key = self._keys.take(name)
            self._roles[key] = role
        return self._found[who]

    def everybody_below_admin(self) -> list[str]:
        """Who an access list names if it names all."""
        return [key for key, role in self._roles.items() if role == "user"]

    def definitions(self) -> dict[str, dict[str, str]]:
        """As the file has them."""
        return {key: {"role": role} for key, role in self._roles.items()}
