"""The sample lines, as YAML files; `ivr.sample_flow` reads them."""
