"""The repository of procedures that comes along, as YAML files; `ivr.load_procedures` reads them."""
