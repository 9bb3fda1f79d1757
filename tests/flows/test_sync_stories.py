"""Whatever users do, and whatever dies meanwhile: syncs of whole Argosies converge and lose nothing.

`make soak` tells more of them.
"""

from pathlib import Path

import pytest

from tests.flows.syncing.story import Story
from tests.flows.syncing.world import Kind, world

PAIRS = 2


@pytest.mark.parametrize(
    ("seed", "disturbances"),
    [(0, ("point", "gentle, moment")), (7, ("point", "wild"))],
    ids=lambda each: f"{each}: {Kind.of(each)}" if isinstance(each, int) else "",
)
@pytest.mark.timeout(600)
def test_pairs_of_filesets_agree_after_every_sync(tmp_path: Path, seed: int, disturbances: tuple[str, ...]) -> None:
    with world(tmp_path, seed, PAIRS) as up:
        Story(up, seed).tell(len(disturbances), disturbances=disturbances)
