"""The web pages of the stand-in: consent, phone, control panel, payment links; their templates and static files."""
