"""The domain of the stand-in: people, accounts, ledger, payments, cards, events, clock and store."""
