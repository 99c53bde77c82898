"""The figures: what the portal reaches, measured from outside (docs/figures.md).

Nothing here imports the portal's own code: it is driven by HTTP, websockets and commands.
"""
