"""A practice vault: the service's insert endpoint, for this machine only.

It checks requests and answers them as the service does, and forgets the records. You can tell it to
fail in all the ways that a service and a network can. ``python -m mockdata.emulator`` serves it.
"""
