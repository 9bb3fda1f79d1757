"""What `argosy doctor` tells of a machine."""

import pytest

from argosy.cli import checks
from tests.loop import LoopMount


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_the_type_of_a_filesystem_is_told(loop_mount: LoopMount, kind: str) -> None:
    assert checks._filesystem_of(loop_mount(kind)) == kind
