"""The pages of the simulated bank: consent, phone, panel, links."""
