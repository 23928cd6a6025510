"""Build suites from seeded templates and from written data; check and publish them.

A mirror is two prompts and two responses, where each response is right for one prompt only. Each builder in
`templates/` generates the mirrors of one subset; `registry.BUILDERS` lists them.
"""
