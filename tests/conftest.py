"""What every test can ask for."""

from tests.support.network import stay_on_loopback

stay_on_loopback()
