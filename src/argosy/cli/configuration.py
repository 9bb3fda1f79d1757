"""Which configuration and which data directory a command works on."""

from pathlib import Path

from argosy.core.config import Config, HubConfig, load

DATA_DIR = "data"


def configuration(file: Path | None, data_dir: Path | None) -> Config:
    """Return what the file says, or, without one, a hub with no sites; `data_dir` wins over the file.

    Raises:
        Invalid: the file cannot be read, or says what cannot be.
    """
    if file:
        return load(file, data_dir=data_dir)
    return Config(hub=HubConfig(data_dir=str((data_dir or Path(DATA_DIR)).absolute())))
