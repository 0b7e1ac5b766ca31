"""Control of the stand-in, apart from bunq's protocol: the control API and its scenarios."""
