"""Where Django looks for what speaks to a database."""

from typing import Final

from django.db.backends.postgresql import base

from argosy.hub.common import turns

_ALONE: Final = "SELECT pg_advisory_xact_lock(%s)"
_SHARED: Final = "SELECT pg_advisory_xact_lock_shared(%s)"


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection whose transactions wait for their turn: they fail after `lock_timeout`, and nothing was begun."""

    def set_autocommit(
        self,
        autocommit: bool,  # noqa: FBT001 - as the framework calls it
        force_begin_transaction_with_broken_autocommit: bool = False,  # noqa: FBT001, FBT002 - the same
    ) -> None:
        """Begin a transaction, and wait for its turn; or end one."""
        super().set_autocommit(autocommit, force_begin_transaction_with_broken_autocommit)
        if autocommit:
            return
        try:
            with self.cursor() as cursor:
                cursor.execute(_SHARED if turns.are_shared() else _ALONE, [turns.NUMBER])
        except BaseException:
            self.close()  # the server forgets what was begun
            raise
