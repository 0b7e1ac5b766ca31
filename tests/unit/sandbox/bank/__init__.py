"""Parts of the simulated bank, without a socket."""
