"""Content of the builders: one package of templates for each subset with generated mirrors."""
