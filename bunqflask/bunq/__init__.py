"""The bunq client. Knows no Flask, no database and no settings: it is handed plain values."""
