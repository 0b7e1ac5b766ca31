"""The documented resources of bunq, one module each; `catalogue` lists them."""
