"""The interpreter of an agent: what it does while it works, and that nothing is left behind at the end."""

import gc
import subprocess
import sys

from argosy.agent.tuning import SWITCH, tuned


def test_what_is_there_is_looked_through_again_only_at_the_end() -> None:
    thresholds, turn = gc.get_threshold(), sys.getswitchinterval()
    try:
        with tuned():
            assert gc.get_freeze_count() > 0
            assert sys.getswitchinterval() == SWITCH
        assert gc.get_freeze_count() == 0
    finally:
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(turn)


def test_no_library_complains_when_it_ends() -> None:
    words = "import duckdb\nfrom argosy.agent.tuning import tuned\nwith tuned(): duckdb.connect().execute('SELECT 1')"
    told = subprocess.run([sys.executable, "-c", words], check=True, capture_output=True, text=True)
    assert (told.stdout, told.stderr) == ("", "")
