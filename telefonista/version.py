"""The version of this code, as `setup.cfg` has it."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("telefonista")
except PackageNotFoundError:  # run from a checkout that is not installed
    VERSION = "0+checkout"
