"""Load models from a folder or the Hub, with everything that is recorded about them.

`load.load(spec)` is the entry. It resolves an embedded name (`spec`), finds the files at one commit (`locate`), picks
device and dtype (`devices`), checks vocabulary and length (`limits`), and records the fingerprint (`fingerprint`),
size and license (`metadata`). `families` has chat templates of published models, `layers` finds and compiles layers,
`failures` turns errors of other libraries into one line.
"""
