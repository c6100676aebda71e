"""A vault to practise on: the service's insert endpoint, on this machine alone.

It checks what it is sent and answers as the service does, forgets the records, and can be told to
fail in all the ways that a service and a network can. ``python -m mockdata.emulator`` serves it.
"""
