"""The words of this site, ready to be translated: every text a person reads passes through here.

Python's own `gettext.gettext` looks for catalogues on disk at each call; the one used here is kept.
"""

from gettext import NullTranslations

# English is what the code says, so it needs no catalogue.
translations = NullTranslations()
gettext = translations.gettext
ngettext = translations.ngettext
