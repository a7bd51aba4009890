"""Each change and each undo in an audit log has exactly one intent before it and one result after it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from evolve.core.model.errors import Location
from evolve.core.model.healing import AuditEvent
from evolve.store.audit_lines import AuditLine

Report = Callable[[str, Location | None], None]


@dataclass(slots=True)
class AuditPairs:
    """Follows the records of healings."""

    report: Report
    """Takes a problem, and its place; None for that of the record which was read last."""
    intended: dict[str, Location] = field(default_factory=dict)
    """Healings without a result so far, with the place of their intent."""
    undoing: dict[str, Location] = field(default_factory=dict)
    """The same of undos."""
    _decided: set[str] = field(default_factory=set)
    _undone: set[str] = field(default_factory=set)

    def follow(self, found: AuditLine, where: Location) -> None:
        """Check a record against those before it."""
        healing = found.healing
        if found.event == AuditEvent.INTENDED:
            if healing in self.intended or healing in self._decided:
                self.report(f"healing {healing} was intended twice", None)
            self.intended[healing] = where
        elif found.event == AuditEvent.TAKEN_OVER:
            # What another supervisor began is verified here; its log has the first pair.
            self.intended[healing] = where
            self._decided.discard(healing)
            self._undone.discard(healing)
        elif found.event in (AuditEvent.DONE, AuditEvent.NOT_DONE):
            self._end(healing, "a result")
        elif found.event == AuditEvent.HANDED_OVER:
            self.undoing.pop(healing, None)
            if healing not in self._decided:
                self._end(healing, "an end")
        else:
            self._follow_undo(found, where)

    def check_end(self, under_way: Collection[str], undoing: Collection[str]) -> None:
        """Report intents without a result, apart from those that are under way.

        Args:
            under_way: healings whose result is not known yet.
            undoing: healings whose undo has no result yet.
        """
        for healing, where in self.intended.items():
            if healing not in under_way:
                self.report(f"healing {healing} was intended and has no result", where)
        for healing, where in self.undoing.items():
            if healing not in undoing:
                self.report(f"the undo of healing {healing} was intended and has no result", where)

    def _end(self, healing: str, what: str) -> None:
        if self.intended.pop(healing, None) is None:
            is_second = healing in self._decided
            self.report(f"healing {healing} has {'a second result' if is_second else f'{what} and no intent'}", None)
        self._decided.add(healing)

    def _follow_undo(self, found: AuditLine, where: Location) -> None:
        healing = found.healing
        if found.event == AuditEvent.UNDO_INTENDED:
            if healing in self.undoing or healing in self._undone:
                self.report(f"the undo of healing {healing} was intended twice", None)
            elif healing not in self._decided:
                self.report(f"the undo of healing {healing} was intended before the healing was done", None)
            self.undoing[healing] = where
        elif found.event == AuditEvent.UNDONE:
            if self.undoing.pop(healing, None) is None:
                is_second = healing in self._undone
                wrong = "has a second result" if is_second else "has a result and no intent"
                self.report(f"the undo of healing {healing} {wrong}", None)
            self._undone.add(healing)
        elif found.event == AuditEvent.VERIFIED and self.undoing.pop(healing, None) is not None:
            self._undone.add(healing)  # it failed
