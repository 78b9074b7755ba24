"""A Toggl server of its own: for the demo, for tests and benchmarks, and for anybody's CI.

`model` is the world that is served (`rows`, and in `rights` who may what); a dialect (`v8`, `v9`) reads requests and
renders answers over it; `api` is all of them without a socket, behind `limits`, and `server` puts it on one; `faults`
breaks answers by script; `seed` makes worlds, `life` moves them; `switches` are what nobody knows of v9. Nothing here
knows the client that it is meant to test, so the two cannot share a mistake.
"""
