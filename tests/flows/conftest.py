from tests.servers import seaweedfs

__all__ = ["seaweedfs"]
