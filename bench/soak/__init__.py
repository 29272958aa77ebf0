"""A server under load for long: every word checked, and what its processes hold watched.

`speaking` is a client that knows what it says, `leaving` the ways in which clients go, `runs` the
short forms that the tests use, `growth` what the figures say, and `__main__` the long run.
"""
