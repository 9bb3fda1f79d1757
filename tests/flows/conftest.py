from tests.loop import loop_mount
from tests.servers import seaweedfs

__all__ = ["loop_mount", "seaweedfs"]
