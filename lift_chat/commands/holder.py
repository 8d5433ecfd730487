"""Whether some process holds a library now. Looks at the lock only; opens no library."""

from __future__ import annotations

from pathlib import Path

from lift_chat.errors import LibraryDamaged, LibraryInUse


def holder_of(home: Path) -> str:
    """One sentence naming the process that holds the library in `home`, or ''."""
    from storage.lock import Lock

    path = home / "lock"
    if not path.exists():
        return ""
    try:
        Lock(path).release()
    except (LibraryInUse, LibraryDamaged) as error:
        return str(error)
    except PermissionError:
        return f"{path} cannot be read by this user."
    return ""
