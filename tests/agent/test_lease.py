import pytest

from argosy.agent.lease import MARGIN, Lease, Leases, now
from argosy.core.errors import LeaseLost, Unavailable


class Renewing:
    """A hub that answers renewals as told."""

    def __init__(self, *answers: float | Exception | None) -> None:
        self.answers = list(answers)

    def renew(self, task: str, attempt: int) -> float | None:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def renew_once(lease: Lease, hub: Renewing) -> None:
    leases = Leases(hub)  # type: ignore[arg-type]
    leases.hold(lease)
    leases._renew(lease, hub.renew)


def test_a_lease_holds_until_shortly_before_its_end() -> None:
    Lease("t", 1, asked_at=now(), seconds=60).check()
    with pytest.raises(LeaseLost, match="ran out"):
        Lease("t", 1, asked_at=now() - 60 + MARGIN, seconds=60).check()


def test_a_lease_counts_from_when_it_was_asked_for() -> None:
    lease = Lease("t", 1, asked_at=now() - 100, seconds=60)
    with pytest.raises(LeaseLost):
        lease.check()


def test_a_renewed_lease_runs_on() -> None:
    lease = Lease("t", 1, asked_at=now() - 59, seconds=60)
    renew_once(lease, Renewing(60.0))
    lease.check()


def test_a_task_taken_back_is_given_up_at_once() -> None:
    lease = Lease("t", 1, asked_at=now(), seconds=60)
    renew_once(lease, Renewing(None))
    with pytest.raises(LeaseLost, match="took the task back"):
        lease.check()


def test_a_hub_that_is_away_leaves_what_the_lease_allows() -> None:
    lease = Lease("t", 1, asked_at=now(), seconds=60)
    renew_once(lease, Renewing(Unavailable("no hub")))
    lease.check()


def test_an_agent_that_stops_gives_up_all_its_leases() -> None:
    lease = Lease("t", 1, asked_at=now(), seconds=60)
    leases = Leases(Renewing())  # type: ignore[arg-type]
    leases.hold(lease)
    leases.stop("the agent is stopping")
    with pytest.raises(LeaseLost, match="stopping"):
        lease.check()
