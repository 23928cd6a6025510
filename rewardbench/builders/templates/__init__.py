"""Content of the builders: a package of templates for each kind of task."""
