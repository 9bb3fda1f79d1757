"""System calls the standard library lacks. Only ctypes and fcntl."""
