"""The main job, shown: a project tree leaves site london and arrives, whole, at site dublin.

Makes `demo/london` if there is none, starts Argosy with two sites and a local store, sends the tree, compares both
sides, and stays up until interrupted.
"""

import hashlib
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
DEMO = HERE / "demo"
LONDON = DEMO / "london"
DUBLIN = DEMO / "dublin"
LOG = DEMO / "argosy.log"
ARGOSY = [str(Path(sys.executable).with_name("argosy"))]
CONFIG = """\
[hub]
data_dir = "data"

[[datastores]]
name = "cloud"
type = "POSIX"
path = "store"

[[sites]]
name = "london"
roots = ["{london}"]
[[sites.links]]
site_path = "{london}/projects"
datastore = "cloud"
datastore_path = "projects/"

[[sites]]
name = "dublin"
roots = ["{dublin}"]
[[sites.links]]
site_path = "{dublin}/projects"
datastore = "cloud"
datastore_path = "projects/"
"""


def main() -> int:
    """Run the demonstration and return its exit status."""
    if not (LONDON / "projects").exists():
        make_project(LONDON / "projects" / "harbour")
    DUBLIN.mkdir(parents=True, exist_ok=True)
    (DEMO / "store").mkdir(exist_ok=True)
    config = DEMO / "argosy.toml"
    config.write_text(CONFIG.format(london=LONDON, dublin=DUBLIN))
    password = os.environ.get("ARGOSY_ADMIN_PASSWORD") or secrets.token_urlsafe(12)
    port = free_port(8000)
    with LOG.open("a") as log:
        up = subprocess.Popen(
            [*ARGOSY, "up", "--config", str(config), "--port", str(port)],
            env=os.environ | {"ARGOSY_ADMIN_PASSWORD": password},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        return show(up, f"http://127.0.0.1:{port}", password)
    except KeyboardInterrupt:
        return 0
    finally:
        up.terminate()
        up.wait()


def show(up: "subprocess.Popen[str]", url: str, password: str) -> int:
    """Send the tree, compare, and stay up."""
    if not wait_until_ready(up):
        print(LOG.read_text()[-2000:], file=sys.stderr)
        return 1
    say(f"Sending {LONDON}/projects to dublin, through the store {DEMO}/store")
    login = {"ARGOSY_URL": url, "ARGOSY_USER": "admin", "ARGOSY_PASSWORD": password}
    command = ["send", str(LONDON / "projects"), "--site", "london", "--to", "dublin", "--hydrate"]
    sent = subprocess.run([*ARGOSY, *command], env=os.environ | login, check=False)
    differences = compare(LONDON / "projects", DUBLIN / "projects")
    say(
        f"Argosy is up at {url}  (API documentation: {url}/api/docs/)\n"
        f"Log in as admin with password {password}\n"
        f"  .venv/bin/argosy login --url {url} --user admin\n"
        f"Its log is {LOG}\n"
        "Press Ctrl-C to stop it; `make run` starts it again with what it has."
    )
    if sent.returncode or differences:
        return sent.returncode or 1
    up.wait()
    return up.returncode


def wait_until_ready(up: "subprocess.Popen[str]") -> bool:
    """Return once Argosy says that it answers, or has ended."""
    assert up.stdout is not None
    for line in up.stdout:
        print(line, end="", flush=True)
        if line.startswith("Argosy is ready at"):
            return True
    return False


def make_project(top: Path) -> None:
    """Make a small production: footage, stills, scripts, a sparse disk image, links, odd names."""
    print(f"Making a project tree in {top} ...", flush=True)
    chance = random.Random(1851)
    for scene in range(1, 9):
        folder = top / "footage" / f"scene {scene:02}"
        folder.mkdir(parents=True)
        for take in range(1, 7):
            (folder / f"take{take}.mov").write_bytes(chance.randbytes(chance.randrange(200_000, 2_500_000)))
    for still in range(80):
        file = top / "stills" / f"harbour-{still:03}.jpg"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(chance.randbytes(chance.randrange(8_000, 120_000)))
        os.utime(file, ns=(1_700_000_000_000_000_000 + still, 1_700_000_000_123_456_789 + still))
    documents = top / "documents"
    documents.mkdir()
    (documents / "shot list.txt").write_text("Scene 1: the harbour at dawn.\n")
    (documents / "Übersicht – naïve.txt").write_text("Namen aus aller Welt.\n")
    Path(os.fsdecode(os.fsencode(documents) + b"/latin1-\xe9t\xe9.txt")).write_text("A name that is not UTF-8.\n")
    (documents / "empty.txt").touch()
    os.setxattr(documents / "shot list.txt", "user.review", b"approved")
    (documents / "private.txt").write_text("For the producer only.\n")
    (documents / "private.txt").chmod(0o600)
    os.link(documents / "shot list.txt", documents / "shot list (same file).txt")
    (top / "latest").symlink_to("footage/scene 08")
    (top / "renders" / "tomorrow").mkdir(parents=True)
    with (top / "grading.img").open("wb") as sparse:
        sparse.seek(64 << 20)
        sparse.write(b"the end of a mostly empty disk image")


def compare(london: Path, dublin: Path) -> int:
    """Print a summary of both trees and what differs; return how many entries do."""
    left, right = survey(london), survey(dublin)
    wrong = sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))
    size = sum(file.stat().st_size for file in london.rglob("*") if file.is_file() and not file.is_symlink())
    kinds = [row[0] for row in left.values()]
    say(
        f"london: {counted(kinds, 'file', 'files')}, {counted(kinds, 'directory', 'directories')}, "
        f"{counted(kinds, 'symlink', 'symlinks')}, {size / 2**20:.1f} MiB\n"
        f"dublin: {len(right)} of {len(left)} entries; bytes, modes, owners, times, attributes and links compared: "
        + ("all equal" if not wrong else f"{len(wrong)} DIFFER")
    )
    for name in wrong[:10]:
        print(f"  differs: {os.fsencode(name)!r}")
    return len(wrong)


def counted(kinds: list[object], one: str, many: str) -> str:
    """Return how many of a kind there are, in words."""
    count = kinds.count(one)
    return f"{count} {one if count == 1 else many}"


def survey(top: Path) -> dict[str, tuple[object, ...]]:
    """Return what every entry below `top` is."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, directories, files in os.walk(top):
        for name in [*directories, *files]:
            path = Path(folder, name)
            found[str(path.relative_to(top))] = describe(path)
    return found


def describe(path: Path) -> tuple[object, ...]:
    """Return all of an entry that a user could see."""
    status = path.lstat()
    owner = (status.st_mode, status.st_uid, status.st_gid)
    if path.is_symlink():
        return ("symlink", str(path.readlink()), *owner)
    names = [name for name in os.listxattr(path) if name.startswith(("user.", "system.")) and name != "user.argosy"]
    xattrs = {name: os.getxattr(path, name) for name in names}
    common = (*owner, status.st_mtime_ns, tuple(sorted(xattrs.items())))
    if path.is_dir():
        return ("directory", *common)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ("file", status.st_size, digest, status.st_nlink, *common)


def free_port(wanted: int) -> int:
    """Return `wanted` if nobody listens there, else one that is free."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return wanted


def say(text: str) -> None:
    """Print a paragraph."""
    print(f"\n{text}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
