"""Config, composition, command line, doctor: the only importer of everything."""
