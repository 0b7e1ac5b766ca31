"""A bookkeeper's formats: plain statements in, bytes out. Knows no Flask, no database, no settings.

`statement` says what is handed in, `formats` lists what comes out, `pack` puts all of it into one ZIP.
"""
