"""Load models from a folder or the Hub, with everything that is recorded about them.

`load.load(spec)` is the entry. It resolves an embedded name (`spec`), finds the files at one commit (`locate`) and the
weights among them (`weights`, with `weight_files`, `tensor_file`, `conversion` and `formats`), picks device and dtype
(`devices`), places the weights (`placement`, or `tensor_parallel` among processes), checks vocabulary and length
(`limits`), chooses the output of a classifier (`labels`), and records the fingerprint (`fingerprint`), size and license
(`metadata`). `families` has chat templates of published models, `layers` finds and compiles layers, `failures` turns
errors of other libraries into one line.
"""
