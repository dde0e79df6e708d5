; Nothing in a TOML file uses a name of another place.
