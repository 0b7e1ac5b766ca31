"""What the bank knows and does: people, accounts, money, cards, and the clock."""
