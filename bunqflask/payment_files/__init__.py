"""Payment files that people bring: bytes in, checked payment lines out. Knows no Flask, no database, no settings.

`lines` says what comes out, `csv_payments` and `pain001` read the two formats, `marks` says what to look at before
somebody prepares drafts of the lines. A file is taken whole or refused whole.
"""
