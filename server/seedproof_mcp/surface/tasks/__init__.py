"""The tasks extension of MCP: a call that waits is answered with a handle, which the client asks for the result.

`extension` has what goes over the wire, `runs` what a task means here.
"""
