import os
import subprocess
import sys
from pathlib import Path

CODE = """
from argosy.core.failpoints import failpoint
for _ in range(3):
    failpoint("a:b")
    print("passed", flush=True)
"""


def run(points: str, directory: Path, **more: object) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"ARGOSY_FAILPOINTS": points, "ARGOSY_FAILPOINTS_DIR": str(directory)}
    return subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=False)


def test_a_point_that_is_off_does_nothing(tmp_path: Path) -> None:
    assert run("other=kill", tmp_path).stdout.count("passed") == 3
    assert list(tmp_path.iterdir()) == []


def test_kill_kills_at_the_hit_that_is_named_and_leaves_a_trace(tmp_path: Path) -> None:
    done = run("a:b=kill#2", tmp_path)
    assert (done.returncode, done.stdout.count("passed")) == (-9, 1)
    assert (tmp_path / "a:b.hit").exists()


def test_error_raises_an_io_error(tmp_path: Path) -> None:
    done = run("a:b=error", tmp_path)
    assert done.returncode == 1
    assert "failpoint a:b" in done.stderr


def test_pause_waits_for_its_file(tmp_path: Path) -> None:
    env = os.environ | {"ARGOSY_FAILPOINTS": "a:b=pause", "ARGOSY_FAILPOINTS_DIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", CODE], env=env, stdout=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "a:b.hit").exists():
            assert process.poll() is None
        assert process.poll() is None
        (tmp_path / "a:b.go").touch()
        out, _ = process.communicate(timeout=10)
    assert out.count("passed") == 3


def test_an_unknown_action_is_refused(tmp_path: Path) -> None:
    assert "unknown action 'explode'" in run("a:b=explode", tmp_path).stderr
