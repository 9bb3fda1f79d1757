"""Objects into an S3 store: ours beside `rclone copy`, in turns, against one SeaweedFS server.

    python bench/stores.py --files 2000 --size 65536 --threads 16 --rounds 2
    python bench/stores.py --files 1 --size 2147483648

Each turn runs in a process of its own; CPU seconds are those of the client, user and system.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from argosy.stores.base import Absent  # noqa: E402 - the tests' servers are found from the root
from argosy.stores.s3 import S3Store  # noqa: E402
from tests.servers import SeaweedFS, running_seaweedfs  # noqa: E402

RCLONE = Path(sys.executable).parent / "rclone"


class FileSource:
    """A file on disk as a source."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self._fd).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes asked for."""
        return os.pread(self._fd, length, offset)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def make_files(directory: Path, count: int, size: int) -> None:
    """Fill a directory with files that differ."""
    directory.mkdir()
    block = os.urandom(min(size, 1 << 20))
    for number in range(count):
        with (directory / f"{number:06d}").open("wb") as file:
            file.write(number.to_bytes(8, "big")[: min(8, size)])
            left = size - min(8, size)
            while left:
                left -= file.write(block[: min(left, len(block))])


def ours(directory: str, settings: str, threads: str) -> None:
    """The body of one of our turns."""
    store = S3Store(**json.loads(settings))

    def put(path: Path) -> None:
        source = FileSource(path)
        try:
            store.put(path.name, source, metadata={"argosyuuid": os.urandom(16).hex()}, condition=Absent())
        finally:
            source.close()

    with ThreadPoolExecutor(int(threads)) as pool:
        list(pool.map(put, sorted(Path(directory).iterdir())))


def rclone(server: SeaweedFS, bucket: str, directory: Path, threads: int) -> list[str]:
    """Return the peer's command."""
    remote = (
        f":s3,provider=SeaweedFS,endpoint='{server.endpoint}',access_key_id={server.accesskeyid},"
        f"secret_access_key={server.secretaccesskey}:{bucket}"
    )
    flags = [f"--transfers={threads}", f"--checkers={threads}", "--s3-no-check-bucket", "--no-traverse", "--checksum"]
    return [str(RCLONE), "--config", "", "copy", *flags, str(directory), remote]


def turn(name: str, command: list[str], args: argparse.Namespace) -> dict[str, float]:
    """Run one turn and print what it took."""
    begun = time.monotonic()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - begun
    if process.returncode:
        sys.exit(f"{name} failed")
    cpu = usage.ru_utime + usage.ru_stime
    gib = args.files * args.size / (1 << 30)
    print(
        f"{name:8} wall {wall:7.2f} s  {args.files / wall:8.0f} files/s  {gib * 1024 / wall:8.1f} MiB/s"
        f"  cpu {cpu:6.2f} s  {1000 * cpu / args.files:8.2f} ms/file  {cpu / gib:7.2f} s/GiB"
        f"  peak {usage.ru_maxrss / 1024:6.0f} MiB",
        flush=True,
    )
    return {"wall": wall, "cpu": cpu}


def compare(server: SeaweedFS, directory: Path, args: argparse.Namespace) -> None:
    """Take turns and print the ratios."""
    results: dict[str, list[dict[str, float]]] = {"argosy": [], "rclone": []}
    for _ in range(args.rounds):
        settings = json.dumps(server.settings(server.bucket()))
        command = [sys.executable, __file__, "--turn", str(directory), settings, str(args.threads)]
        results["argosy"].append(turn("argosy", command, args))
        results["rclone"].append(turn("rclone", rclone(server, server.bucket(), directory, args.threads), args))
    for what in ("wall", "cpu"):
        best = {name: min(found[what] for found in turns) for name, turns in results.items()}
        print(f"{what}: argosy / rclone = {best['argosy'] / best['rclone']:.2f} (best of {args.rounds})")


def main() -> None:
    """Make files and a server, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--size", type=int, default=65_536)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="argosy-bench-"))
    try:
        make_files(place / "files", args.files, args.size)
        (place / "server").mkdir()
        with running_seaweedfs(place / "server") as server:
            print("flags:", vars(args))
            print("rclone:", " ".join(rclone(server, "BUCKET", place / "files", args.threads)[3:-2]))
            compare(server, place / "files", args)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--turn"]:
        ours(*sys.argv[2:])
    else:
        main()
