"""`make demo-aws`: a portal beside a simulated AWS account, for newcomers.

Stands outside the portal: it imports nothing from it, and reaches it as a shell does.
"""
