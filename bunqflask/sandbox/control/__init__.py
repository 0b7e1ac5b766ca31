"""Telling the stand-in what to do, apart from the protocol of bunq."""
