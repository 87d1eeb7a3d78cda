"""What befalls every chunk that passes a proxy."""

from dataclasses import dataclass


@dataclass
class Network:
    """An ordinary network at first; its faults last until they are mended."""

    is_swallowing: bool = False
    delay_seconds: float = 0.0
    drip_bytes: int = 0
    """Pieces of this size, where there is a pause before each."""
    drip_pause_seconds: float = 0.0

    def swallow(self) -> None:
        """Bring nothing that comes, and nothing that is held back."""
        self.is_swallowing = True

    def delay(self, seconds: float) -> None:
        """Hold every chunk back for so long."""
        self.delay_seconds = seconds

    def drip(self, piece_bytes: int, pause_seconds: float) -> None:
        """Bring pieces of this size, with a pause before each."""
        self.drip_bytes, self.drip_pause_seconds = piece_bytes, pause_seconds

    def mend(self) -> None:
        """Bring everything at once."""
        self.is_swallowing = False
        self.delay_seconds = self.drip_pause_seconds = 0.0
