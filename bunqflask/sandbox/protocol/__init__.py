"""How a call comes in and its answer goes out: routes, checks, signatures, faults."""
