"""The simulated bank over real HTTP, by a client that shares no code with the app."""
